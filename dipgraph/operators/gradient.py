"""The discrete gradient: forward differences along each axis, with a choice of boundary, and its adjoint."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

import numpy as np
import torch
from numpy.typing import DTypeLike

from dipgraph.operators.batched import Array, BatchedOperator, array_module
from dipgraph.operators.linear_function import apply_linear
from dipgraph.signatures.errors import InputError

Boundary = Literal["neumann", "periodic", "dirichlet"]


def difference(x: torch.Tensor, boundary: Boundary = "neumann", *, axes: int = 2) -> torch.Tensor:
    """Return forward differences along the last `axes` axes, ``(..., rows, columns)`` to ``(..., 2, rows, columns)``.

    Component 0 runs down the rows, component 1 along the columns, in image units per pixel:

        (Dx)[0, r, c] = x[r + 1, c] - x[r, c],    (Dx)[1, r, c] = x[r, c + 1] - x[r, c].

    Parameters
    ----------
    x
        Images with any leading dimensions.
    boundary
        Beyond the last row and column, x repeats ("neumann": the difference is 0), starts again ("periodic"), or is
        0 ("dirichlet").
    axes
        Number of image axes.

    Raises
    ------
    InputError
        If the boundary is unknown or there are too few axes.
    """
    _check(x, boundary, axes)
    return apply_linear(_Difference(boundary, axes), x)


def difference_adjoint(p: torch.Tensor, boundary: Boundary = "neumann", *, axes: int = 2) -> torch.Tensor:
    """Return the adjoint of :func:`difference`, ``(..., 2, rows, columns)`` to ``(..., rows, columns)``.

    It is minus the divergence: away from the border, ``p[0, r-1, c] - p[0, r, c] + p[1, r, c-1] - p[1, r, c]``.
    """
    _check(p, boundary, axes + 1)
    if p.shape[-axes - 1] != axes:
        raise InputError(f"a gradient field of {axes} axes has {axes} components, not {p.shape[-axes - 1]}")
    return apply_linear(_DifferenceAdjoint(boundary, axes), p)


def _check(x: torch.Tensor, boundary: str, axes: int) -> None:
    if boundary not in get_args(Boundary):
        raise InputError(
            f"boundary is {boundary!r}", where="boundary", remedy=f"give one of {', '.join(get_args(Boundary))}"
        )
    if x.ndim < axes:
        raise InputError(f"the gradient takes at least {axes} dimensions and got shape {tuple(x.shape)}")


@dataclass(frozen=True)
class _Difference:
    boundary: Boundary
    axes: int

    @property
    def adjoint(self) -> _DifferenceAdjoint:
        return _DifferenceAdjoint(self.boundary, self.axes)

    def evaluate(self, x: torch.Tensor) -> torch.Tensor:
        return _on_tensor(_forward, x, self.boundary, self.axes)


@dataclass(frozen=True)
class _DifferenceAdjoint:
    boundary: Boundary
    axes: int

    @property
    def adjoint(self) -> _Difference:
        return _Difference(self.boundary, self.axes)

    def evaluate(self, p: torch.Tensor) -> torch.Tensor:
        return _on_tensor(_backward, p, self.boundary, self.axes)


def _parts(axis: int, axes: int) -> tuple[tuple[Any, ...], ...]:
    """Return indices of all but the last, all but the first, the first and the last entry along an axis."""
    rest = (slice(None),) * (axes - axis - 1)
    cuts = (slice(None, -1), slice(1, None), slice(0, 1), slice(-1, None))
    return tuple((..., cut, *rest) for cut in cuts)


def _on_tensor(function: Callable[..., Array], x: torch.Tensor, boundary: Boundary, axes: int) -> torch.Tensor:
    x = x.detach()
    if x.device.type == "cpu" and x.dtype in (torch.float32, torch.float64):
        # NumPy slices cost a tenth of torch's, which is most of the time on a small image.
        return torch.from_numpy(function(np, x.numpy(), boundary, axes))
    return cast(torch.Tensor, function(torch, x, boundary, axes))


def _forward(xp: Any, x: Array, boundary: Boundary, axes: int) -> Array:
    """Differences on NumPy, CuPy or torch arrays: `xp` is their module."""
    shape = (*x.shape[:-axes], axes, *x.shape[-axes:])
    out = x.new_empty(shape) if xp is torch else xp.empty(shape, x.dtype)
    for axis in range(axes):
        low, high, first, last = _parts(axis, axes)
        part = out[(..., axis, *(slice(None),) * axes)]
        xp.subtract(x[high], x[low], out=part[low])
        if boundary == "neumann":
            part[last] = 0
        elif boundary == "periodic":
            xp.subtract(x[first], x[last], out=part[last])
        else:
            # Not negative(..., out=part[last]): NumPy 2.4 negates strided float32 to a strided output wrongly.
            part[last] = -x[last]
    return out


def _backward(xp: Any, p: Array, boundary: Boundary, axes: int) -> Array:
    shape = (*p.shape[: -axes - 1], *p.shape[-axes:])
    out = p.new_zeros(shape) if xp is torch else xp.zeros(shape, p.dtype)
    for axis in range(axes):
        low, high, first, last = _parts(axis, axes)
        part = p[(..., axis, *(slice(None),) * axes)]
        out[low] -= part[low]
        out[high] += part[low]
        if boundary != "neumann":
            out[last] -= part[last]
        if boundary == "periodic":
            out[first] += part[last]
    return out


class Gradient(BatchedOperator):
    r"""Forward differences as an operator, ``shape`` to ``(len(shape), *shape)``.

    See :func:`difference` for the formula. Its norm is known in closed form: with
    :math:`\lambda(n)` the largest eigenvalue along an axis of n pixels, :math:`\|D\|^2 = \sum_k \lambda(n_k) < 4k`,
    :math:`\lambda(n) = 4\cos^2\frac{\pi}{2n}` (Neumann, and periodic with n odd), 4 (periodic with n even) and
    :math:`4\sin^2\frac{(2n-1)\pi}{4n+2}` (Dirichlet).

    Parameters
    ----------
    shape
        Shape of the image.
    boundary
        "neumann", "periodic" or "dirichlet".
    dtype
        float32 or float64.

    Raises
    ------
    InputError
        If the shape or boundary is not one.
    """

    def __init__(
        self, shape: tuple[int, ...], boundary: Boundary = "neumann", *, dtype: DTypeLike = np.float32
    ) -> None:
        try:
            shape = tuple(operator.index(n) for n in shape)
        except TypeError:
            shape = ()
        if not shape or min(shape) < 1:
            raise InputError(f"shape is {shape!r}", where="shape", remedy="give whole numbers of at least 1")
        _check(torch.empty(shape, device="meta"), boundary, len(shape))
        super().__init__(shape, (len(shape), *shape), dtype=dtype, device=None, name="Gradient")
        self.boundary = boundary
        self._axes = len(shape)

    def forward_batch(self, x: Array) -> Array:
        """Return the differences of each row of ``(batch, pixels)``."""
        images = x.reshape(-1, *self.dims)
        return _forward(array_module(x), images, self.boundary, self._axes).reshape(images.shape[0], -1)

    def adjoint_batch(self, y: Array) -> Array:
        """Apply the adjoint to each row of ``(batch, axes * pixels)``."""
        fields = y.reshape(-1, *self.dimsd)
        return _backward(array_module(y), fields, self.boundary, self._axes).reshape(fields.shape[0], -1)

    def torch_forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return :func:`difference` of a tensor."""
        return apply_linear(_Difference(self.boundary, self._axes), x)

    def torch_adjoint(self, p: torch.Tensor) -> torch.Tensor:
        """Return :func:`difference_adjoint` of a tensor."""
        return apply_linear(_DifferenceAdjoint(self.boundary, self._axes), p)

    def closed_norm(self) -> float:
        """Return the operator's norm, from its eigenvalues."""
        return math.sqrt(sum(_largest_eigenvalue(n, self.boundary) for n in self.dims))

    def cache_key(self) -> tuple[object, ...]:
        """Return what the operator's values depend on."""
        return ("Gradient", tuple(self.dims), self.boundary, str(self.dtype))


def _largest_eigenvalue(n: int, boundary: Boundary) -> float:
    if boundary == "dirichlet":
        return 4 * math.sin((2 * n - 1) * math.pi / (4 * n + 2)) ** 2
    if n == 1:
        return 0.0
    if boundary == "periodic" and n % 2 == 0:
        return 4.0
    return 4 * math.cos(math.pi / (2 * n)) ** 2
