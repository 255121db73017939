"""The base of our operators: a PyLops operator defined by what it does to a batch of rows."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import DTypeLike
from pylops import LinearOperator

from dipgraph.signatures.errors import InputError

# NumPy or CuPy: the two share the interface used here, and CuPy is often absent.
Array = Any


def on_gpu(array: Array) -> bool:
    """Tell whether an array lives on a CUDA device (a CuPy array)."""
    return hasattr(array, "__cuda_array_interface__")


def array_module(array: Array) -> Any:
    """Return the module, NumPy or CuPy, that an array belongs to."""
    if on_gpu(array):
        import cupy

        return cupy
    return np


class BatchedOperator(LinearOperator):  # type: ignore[misc]  # PyLops carries no types
    """A PyLops operator given by its action on a batch.

    Sub-classes write ``forward_batch`` and ``adjoint_batch``; ``_matvec``, ``_rmatvec`` and their matrix forms follow,
    so all of PyLops' algebra and solvers work, and :class:`~dipgraph.operators.torch_map.TorchMap` calls the batched
    form without PyLops' per-vector bookkeeping.

    Parameters
    ----------
    dims, dimsd
        Shapes of domain and codomain.
    dtype
        float32 or float64: the precision the operator's own numbers are held in.
    device
        "cpu", "cuda", or None where it works on either.
    name
        Name in PyLops' descriptions.
    """

    #: How far ``<Ax, y>`` and ``<x, A'y>`` may differ in float32, relative to ``||A|| ||x|| ||y||``.
    adjoint_bound: float = 1e-6
    #: "exact" where the adjoint is the transposed matrix up to rounding, else "approximate".
    adjointness: str = "exact"
    #: True where no entry of the matrix is negative.
    nonnegative: bool = False

    def __init__(
        self,
        dims: tuple[int, ...],
        dimsd: tuple[int, ...],
        *,
        dtype: DTypeLike = np.float32,
        device: str | None = "cpu",
        name: str | None = None,
    ) -> None:
        dtype = np.dtype(dtype)
        if dtype not in (np.float32, np.float64):
            raise InputError(f"dtype is {dtype}", where="dtype", remedy="give float32 or float64")
        super().__init__(dtype=dtype, dims=dims, dimsd=dimsd, clinear=True, explicit=False, name=name)
        self.device = device

    @property
    def precision(self) -> np.dtype[Any]:
        """The precision sums are done in when the operator is applied to float64 arrays."""
        return np.dtype(np.float64)

    @abstractmethod
    def forward_batch(self, x: Array) -> Array:
        """Apply the operator to each row: ``(batch, n)`` to ``(batch, m)``, same dtype, a new array each time."""

    @abstractmethod
    def adjoint_batch(self, y: Array) -> Array:
        """Apply the adjoint to each row: ``(batch, m)`` to ``(batch, n)``, same dtype, a new array each time."""

    def check_array(self, array: Array) -> None:
        """Raise InputError unless the array is float32 or float64 and on the operator's device."""
        if getattr(array, "dtype", None) not in (np.float32, np.float64):
            raise InputError(
                f"{type(self).__name__} takes float32 or float64 arrays and got {getattr(array, 'dtype', type(array))}",
                remedy="convert the array with .astype(numpy.float32)",
            )
        if self.device is not None and on_gpu(array) != (self.device == "cuda"):
            where = "a CuPy array" if on_gpu(array) else "a NumPy array"
            raise InputError(
                f"{type(self).__name__} lives on device {self.device!r} and got {where}",
                remedy="build the operator with the device the arrays are on",
            )

    def _matvec(self, x: Array) -> Array:
        self.check_array(x)
        return self.forward_batch(x.reshape(1, -1))[0]

    def _rmatvec(self, x: Array) -> Array:
        self.check_array(x)
        return self.adjoint_batch(x.reshape(1, -1))[0]

    def _matmat(self, X: Array) -> Array:
        return self.forward_batch(self._rows(X)).T

    def _rmatmat(self, X: Array) -> Array:
        return self.adjoint_batch(self._rows(X)).T

    def _rows(self, columns: Array) -> Array:
        # PyLops' todense hands over a sparse identity.
        dense = columns.toarray() if hasattr(columns, "toarray") else columns
        self.check_array(dense)
        return array_module(dense).ascontiguousarray(dense.T)
