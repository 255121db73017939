"""Least squares by conjugate gradients: an inverse for operators without a formula."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import torch
from pylops import LinearOperator

from dipgraph.operators.batched import Array, array_module, on_gpu
from dipgraph.signatures.errors import InputError


def cgls(op: LinearOperator, y: Array, iterations: int, *, tolerance: float = 0.0) -> Array:
    r"""Return the CGLS iterate for :math:`\min_x \|Ax - y\|^2`, started from 0.

    Stopped early it regularises: k iterations give the minimiser over the Krylov space of :math:`A^H y`.

    Parameters
    ----------
    op
        The operator A.
    y
        Data, of shape ``op.dimsd`` or flat; NumPy or CuPy.
    iterations
        Number of iterations at most.
    tolerance
        Stop once :math:`\|A^H(Ax - y)\| \le` this times :math:`\|A^H y\|`.

    Returns
    -------
    Array
        The image, of shape ``op.dims``, in the precision of y.

    Raises
    ------
    InputError
        If the data have the wrong size or kind, or the number of iterations is below 1.

    References
    ----------
    Å. Björck, *Numerical Methods for Least Squares Problems* (1996), algorithm 7.4.1.
    """
    _check(op, y, iterations)
    xp = array_module(y)
    residual = y.reshape(-1).copy()
    x = xp.zeros(op.shape[1], dtype=residual.dtype)
    gradient = op.rmatvec(residual).astype(residual.dtype, copy=False)
    direction, square = gradient.copy(), _square(xp, gradient)
    enough = tolerance**2 * square
    for _ in range(iterations):
        if square <= enough or square == 0:
            break
        image = op.matvec(direction).astype(residual.dtype, copy=False)
        length = _square(xp, image)
        if length == 0:
            break
        step = square / length
        x += step * direction
        residual -= step * image
        gradient = op.rmatvec(residual).astype(residual.dtype, copy=False)
        previous, square = square, _square(xp, gradient)
        direction = gradient + (square / previous) * direction
    return x.reshape(op.dims)


def _square(xp: Any, v: Array) -> float:
    return float(xp.vdot(v, v).real)


def _check(op: LinearOperator, y: Array, iterations: int) -> None:
    try:
        count = operator.index(iterations)
    except TypeError:
        count = 0
    if count < 1:
        raise InputError(
            f"iterations is {iterations!r}", where="iterations", remedy="give a whole number of at least 1"
        )
    dtype = getattr(y, "dtype", None)
    if dtype is None or np.dtype(dtype).kind not in "fc":
        raise InputError(f"data are {dtype or type(y).__name__}", where="y", remedy="give a floating point array")
    if y.size != op.shape[0]:
        raise InputError(
            f"data of shape {tuple(y.shape)} do not fit an operator with codomain {tuple(op.dimsd)}",
            where="y",
            remedy="give data of the operator's shape",
        )


class LeastSquares:
    """CGLS with a fixed number of iterations, as a callable from data to images.

    It stands in for filtered back projection where the geometry has none. It is not linear in the data, and no
    gradient flows through it.

    Parameters
    ----------
    op
        The operator to invert.
    iterations
        Number of CGLS iterations, at least 1.
    """

    def __init__(self, op: LinearOperator, iterations: int = 20) -> None:
        _check(op, np.empty(op.shape[0], np.float32), iterations)
        self.op, self.iterations = op, iterations

    def __call__(self, y: Any) -> Any:
        """Reconstruct from ``(..., *op.dimsd)``: a torch tensor gives a tensor, an array an array."""
        if isinstance(y, torch.Tensor):
            if y.is_cuda:
                import cupy

                return torch.utils.dlpack.from_dlpack(self._members(cupy.from_dlpack(y.detach().contiguous())))
            return torch.from_numpy(self._members(y.detach().numpy()))
        return self._members(y)

    def _members(self, y: Array) -> Array:
        data, image = tuple(self.op.dimsd), tuple(self.op.dims)
        if tuple(y.shape[-len(data) :]) != data:
            raise InputError(
                f"data have shape {tuple(y.shape)}", where="y", remedy=f"give (..., {', '.join(map(str, data))})"
            )
        xp = array_module(y) if on_gpu(y) else np
        members = [cgls(self.op, member, self.iterations) for member in y.reshape(-1, *data)]
        out = xp.stack(members) if members else xp.empty((0, *image), y.dtype)
        return out.reshape(*y.shape[: -len(data)], *image)

    def __str__(self) -> str:
        return f"least squares, {self.iterations} CGLS iterations"
