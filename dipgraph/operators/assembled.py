"""The ray transform as a pair of sparse matrices, projector and transpose: exact adjoints, faster than on the fly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from scipy.sparse import csr_matrix

from dipgraph.operators.astra_kernels import weights
from dipgraph.operators.batched import Array, array_module
from dipgraph.operators.devices import gpu_module
from dipgraph.operators.geometry import ScanGeometry
from dipgraph.operators.grid import ImageGrid

# Views sampled to foresee the number of non-zeros, and non-zeros assembled at a time.
SAMPLED_VIEWS = 12
CHUNK_NONZEROS = 4_000_000
# What ASTRA and SciPy hold for each non-zero of the chunk being assembled: both copies, float64 among them [bytes].
CHUNK_BYTES = 32


@dataclass(frozen=True)
class Estimate:
    """What an assembled ray transform takes.

    Attributes
    ----------
    nonzeros
        Non-zero weights.
    held
        Memory the finished operator holds, both matrices [bytes].
    peak
        Largest memory while it is being built [bytes].
    """

    nonzeros: int
    held: int
    peak: int


def estimate(geometry: ScanGeometry, grid: ImageGrid, kernel: str, dtype: DTypeLike = np.float32) -> Estimate:
    """Foresee the memory of the assembled form from a few views."""
    # A low-discrepancy choice: evenly spaced views share a symmetry with the square grid and mislead.
    golden = (np.arange(SAMPLED_VIEWS) * 0.6180339887498949 + 0.5) % 1.0
    chosen = np.unique((golden * geometry.count).astype(np.int64))
    sample = weights(geometry.subset(chosen), grid, kernel)
    nonzeros = round(sample.nnz * geometry.count / chosen.size)
    return _account(nonzeros, geometry, grid, np.dtype(dtype).itemsize)


def _account(nonzeros: int, geometry: ScanGeometry, grid: ImageGrid, itemsize: int) -> Estimate:
    rays = geometry.count * geometry.detectors
    index = 4 if max(nonzeros, rays, grid.size) < 2**31 else 8
    one = nonzeros * (itemsize + index)
    held = 2 * one + (rays + grid.size + 2) * index
    return Estimate(nonzeros, held, held + CHUNK_BYTES * min(nonzeros, CHUNK_NONZEROS))


class MatrixPair:
    """A sparse matrix and its transpose, both stored by rows, on one device.

    Parameters
    ----------
    forward, transposed
        SciPy or CuPy CSR matrices.
    """

    def __init__(self, forward: Any, transposed: Any) -> None:
        self.forward = forward
        self.transposed = transposed

    @property
    def nonzeros(self) -> int:
        """Number of stored weights."""
        return int(self.forward.nnz)

    @property
    def bytes(self) -> int:
        """Memory held by both matrices [bytes]."""
        arrays = [a for m in (self.forward, self.transposed) for a in (m.data, m.indices, m.indptr)]
        return int(sum(a.nbytes for a in arrays))

    def forward_batch(self, x: Array) -> Array:
        """Multiply each row of ``(batch, n)`` by the matrix."""
        return _multiply(self.forward, x)

    def adjoint_batch(self, y: Array) -> Array:
        """Multiply each row of ``(batch, m)`` by the transposed matrix."""
        return _multiply(self.transposed, y)

    def astype(self, dtype: DTypeLike) -> MatrixPair:
        """Return the pair in another precision."""
        return MatrixPair(self.forward.astype(dtype), self.transposed.astype(dtype))

    def to_gpu(self) -> MatrixPair:
        """Return a copy on the current CUDA device."""
        gpu_matrix = gpu_module("cupyx.scipy.sparse").csr_matrix
        return MatrixPair(gpu_matrix(self.forward), gpu_matrix(self.transposed))

    def rows(self, chosen: NDArray[np.int64]) -> MatrixPair:
        """Return the pair of the rows chosen, in that order."""
        forward = self.forward[array_module(self.forward.data).asarray(chosen)]
        return MatrixPair(forward, forward.T.tocsr())


def _multiply(matrix: Any, x: Array) -> Array:
    # SciPy's product with several columns jumps about in memory; it pays from about eight of them.
    if x.shape[0] == 1:
        return (matrix @ x[0])[None]
    if x.shape[0] < 8:
        return array_module(x).stack([matrix @ row for row in x])
    return (matrix @ x.T).T


def assemble(geometry: ScanGeometry, grid: ImageGrid, kernel: str, dtype: DTypeLike = np.float32) -> MatrixPair:
    """Build projector and transpose from ASTRA's weights, a few views at a time."""
    first = weights(geometry.subset([0]), grid, kernel)
    step = max(1, CHUNK_NONZEROS // max(1, first.nnz))
    data: list[NDArray[Any]] = []
    indices: list[NDArray[Any]] = []
    lengths: list[NDArray[Any]] = []
    for start in range(0, geometry.count, step):
        chosen = np.arange(start, min(start + step, geometry.count))
        chunk = weights(geometry.subset(chosen), grid, kernel)
        data.append(chunk.data.astype(dtype, copy=False))
        indices.append(chunk.indices.astype(np.int32, copy=False))
        lengths.append(np.diff(chunk.indptr).astype(np.int64))
    total = sum(part.size for part in data)
    index = np.int32 if total < 2**31 else np.int64
    indptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.concatenate(lengths))]).astype(index)
    shape = (geometry.count * geometry.detectors, grid.size)
    arrays: Any = (_join(data), _join(indices).astype(index, copy=False), indptr)
    forward: Any = csr_matrix(arrays, shape=shape, copy=False)
    return MatrixPair(forward, forward.T.tocsr())


def _join(parts: list[NDArray[Any]]) -> NDArray[Any]:
    """Concatenate, letting go of each part as soon as it is copied."""
    out = np.empty(sum(part.size for part in parts), parts[0].dtype)
    position = 0
    while parts:
        part = parts.pop(0)
        out[position : position + part.size] = part
        position += part.size
    return out
