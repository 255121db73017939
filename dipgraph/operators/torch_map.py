"""The one bridge from PyLops to torch: any linear operator as a differentiable map on batches of tensors."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any, cast

import numpy as np
import torch
from pylops import LinearOperator

from dipgraph.operators.batched import Array, BatchedOperator, array_module
from dipgraph.operators.linear_function import apply_linear
from dipgraph.signatures.errors import InputError

_DTYPES = (torch.float32, torch.float64, torch.complex64, torch.complex128)


class TorchMap:
    r"""A linear operator as a torch map, ``(..., *op.dims)`` to ``(..., *op.dimsd)``.

    The derivative of a linear map is the map, and of its adjoint the adjoint: the backward pass applies
    :math:`A^H`, the backward pass of that applies :math:`A`, to any order. ``torch.func``'s ``vmap``, ``jvp`` and
    ``vjp`` work, and any number of leading dimensions.

    On the CPU tensors are viewed as NumPy arrays, on CUDA as CuPy arrays on torch's current stream; the input is not
    copied. An operator of ours takes the batch in one go; another PyLops operator is applied to one member after the
    other, and its results are copied, for it may return the same array each time. Where an operator brings
    ``torch_forward`` and ``torch_adjoint``, those are used and differentiated by torch itself.

    Parameters
    ----------
    op
        The operator.
    scale
        A real factor: the map is ``scale * op``, so that a normalised operator needs no second copy of its matrix.

    Attributes
    ----------
    op, scale
        As given.
    domain_shape, codomain_shape
        ``op.dims`` and ``op.dimsd`` (exchanged in the adjoint).

    Raises
    ------
    InputError
        When called with an integer or half-precision tensor, one of the wrong shape, or one on another device than
        the operator's.

    Notes
    -----
    float32 in, float32 out; float64 in, float64 out. The sums are done in the precision the operator's own arrays
    allow: a ray transform projecting on the fly computes in float32 whatever comes in.
    """

    def __init__(self, op: LinearOperator, *, scale: float = 1.0) -> None:
        base, transposed = _unwrap(op)
        self._bind(base, transposed, float(scale))

    def _bind(self, op: LinearOperator, transposed: bool, scale: float) -> None:
        self._base = op
        self._transposed = transposed
        self.scale = scale
        dims, dimsd = tuple(op.dims), tuple(op.dimsd)
        self.domain_shape, self.codomain_shape = (dimsd, dims) if transposed else (dims, dimsd)
        self._rank, self._size = len(self.domain_shape), prod(self.domain_shape)
        name = "torch_adjoint" if transposed else "torch_forward"
        self._native = cast("Callable[[torch.Tensor], torch.Tensor] | None", getattr(op, name, None))
        self._apply = _batched(op, transposed) if isinstance(op, BatchedOperator) else _one_by_one(op, transposed)
        ours = isinstance(op, BatchedOperator)
        self._dtypes = _DTYPES[:2] if ours else _DTYPES
        self._device = op.device if ours else None
        self._adjoint: TorchMap | None = None

    @property
    def op(self) -> LinearOperator:
        """The operator, without the scale."""
        return self._base.H if self._transposed else self._base

    @property
    def adjoint(self) -> TorchMap:
        """The map of the adjoint operator."""
        if self._adjoint is None:
            twin = object.__new__(TorchMap)
            twin._bind(self._base, not self._transposed, self.scale)
            twin._adjoint = self
            self._adjoint = twin
        return self._adjoint

    def scaled(self, factor: float) -> TorchMap:
        """Return ``factor`` times this map; the operator is shared."""
        twin = object.__new__(TorchMap)
        twin._bind(self._base, self._transposed, self.scale * float(factor))
        return twin

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Apply the map, ``(..., *domain_shape)`` to ``(..., *codomain_shape)``."""
        if x.shape[x.ndim - self._rank :] != self.domain_shape:
            raise InputError(
                f"{type(self._base).__name__} takes tensors (..., {', '.join(map(str, self.domain_shape))}) "
                f"and got {tuple(x.shape)}",
                remedy="only the leading dimensions are free",
            )
        if x.dtype not in self._dtypes:
            raise InputError(
                f"{type(self._base).__name__} takes float32 or float64 tensors and got {x.dtype}",
                remedy="convert the tensor with .to(torch.float32)",
            )
        if self._device is not None and x.device.type != self._device:
            raise InputError(
                f"{type(self._base).__name__} lives on {self._device!r} and got a tensor on {x.device.type!r}",
                remedy="build the operator with the device the tensors are on",
            )
        if self._native is not None:
            out = self._native(x)
            return out if self.scale == 1.0 else out * self.scale
        return apply_linear(self, x)

    def evaluate(self, x: torch.Tensor) -> torch.Tensor:
        """Compute the map's values without a record for derivatives; shape and dtype are not checked."""
        lead = x.shape[: x.ndim - self._rank]
        if x.numel() == 0:
            return x.new_empty((*lead, *self.codomain_shape))
        rows = x.detach().reshape(-1, self._size)
        out = self._on_cuda(rows) if rows.is_cuda else self._on_cpu(rows)
        if self.scale != 1.0:
            out *= self.scale
        return out.view(*lead, *self.codomain_shape)

    def _on_cpu(self, rows: torch.Tensor) -> torch.Tensor:
        source = rows.resolve_conj().resolve_neg().numpy()
        out = self._apply(source)
        out = np.ascontiguousarray(out, dtype=_dtype_like(out, source.dtype))
        if not out.flags.writeable or np.may_share_memory(out, source):
            out = out.copy()
        return torch.from_numpy(out)

    def _on_cuda(self, rows: torch.Tensor) -> torch.Tensor:
        import cupy

        with (
            cupy.cuda.Device(rows.device.index),
            cupy.cuda.ExternalStream(torch.cuda.current_stream(rows.device).cuda_stream),
        ):
            source = cupy.from_dlpack(rows.contiguous())
            out = self._apply(source)
            out = cupy.ascontiguousarray(out, dtype=_dtype_like(out, source.dtype))
            if out.data.ptr == source.data.ptr:
                out = out.copy()
            return torch.utils.dlpack.from_dlpack(out)

    def __reduce__(self) -> tuple[Any, ...]:
        return _bound, (self._base, self._transposed, self.scale)

    def __repr__(self) -> str:
        factor = "" if self.scale == 1.0 else f"{self.scale:g} * "
        return f"TorchMap({factor}{self.op!r})"


def _bound(op: LinearOperator, transposed: bool, scale: float) -> TorchMap:
    made = object.__new__(TorchMap)
    made._bind(op, transposed, scale)
    return made


def _unwrap(op: LinearOperator) -> tuple[LinearOperator, bool]:
    """See through PyLops' adjoint of one of our operators, which keeps the batched form in reach."""
    inner = getattr(op, "A", None)
    if type(op).__name__ == "_AdjointLinearOperator" and isinstance(inner, BatchedOperator):
        return inner, True
    return op, False


def _batched(op: BatchedOperator, transposed: bool) -> Callable[[Array], Array]:
    return op.adjoint_batch if transposed else op.forward_batch


def _one_by_one(op: LinearOperator, transposed: bool) -> Callable[[Array], Array]:
    function = op.rmatvec if transposed else op.matvec
    matrix = op.rmatmat if transposed else op.matmat
    at_once = _takes_batches(op, transposed)

    def apply(rows: Array) -> Array:
        # Copies: an operator may return the same array each time.
        if at_once and rows.shape[0] > 1:
            return matrix(rows.T).T.copy()
        return array_module(rows).stack([function(row).copy() for row in rows])

    return apply


def _takes_batches(op: Any, transposed: bool) -> bool:
    """Tell whether an operator, and each it is made of, does more with a batch than call itself for each member."""
    if isinstance(op, BatchedOperator):
        return True
    parts = [part for part in getattr(op, "args", ()) if isinstance(part, LinearOperator)]
    if parts:
        return all(_takes_batches(part, True) and _takes_batches(part, False) for part in parts)
    name = "_rmatmat" if transposed else "_matmat"
    return getattr(type(op), name) is not getattr(LinearOperator, name)


def _dtype_like(out: Array, precision: np.dtype[Any]) -> Any:
    """Return the dtype of the result: real or complex as it came out, in the precision of what went in."""
    double = precision in (np.float64, np.complex128)
    if out.dtype.kind == "c":
        return np.complex128 if double else np.complex64
    return np.float64 if double else np.float32
