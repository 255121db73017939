"""ASTRA's CPU projectors: which kernels there are, their weights as a matrix, and projection on the fly.

ASTRA works in pixels: every length of a geometry is divided by the pixel's side before it goes in, and line integrals
are multiplied by it when they come out. ASTRA is imported on first use.
"""

from __future__ import annotations

import weakref
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from dipgraph.operators.batched import Array
from dipgraph.operators.geometry import FanBeam, ScanGeometry
from dipgraph.operators.grid import ImageGrid
from dipgraph.signatures.errors import GeometryError, InputError, MissingExtra

#: Kernels by kind of geometry, the default first.
CPU_KERNELS: dict[str, tuple[str, ...]] = {"parallel": ("linear", "line", "strip"), "fan": ("line", "strip")}
CUDA_KERNELS: dict[str, tuple[str, ...]] = {"parallel": ("linear",), "fan": ("linear",)}


def load_astra() -> Any:
    """Import ASTRA, or raise MissingExtra."""
    try:
        import astra
    except ImportError as error:
        raise MissingExtra(
            f"ASTRA could not be imported ({error})",
            where="ray transform",
            remedy="install it with `pip install astra-toolbox`",
        ) from error
    return astra


def choose_kernel(geometry: ScanGeometry, kernel: str | None, *, cuda: bool = False) -> str:
    """Return the kernel asked for, or the default, or raise GeometryError where the geometry does not have it.

    A ray is a line, and ``line`` weighs each pixel with the length of the line in it. ``linear`` (Joseph) steps along
    the rows or columns and interpolates between two pixels. ``strip`` averages over the width of the detector pixel;
    ASTRA has it for fans only without offset, shift and tilt.
    """
    kernels = (CUDA_KERNELS if cuda else CPU_KERNELS)[geometry.kind]
    if kernel is None:
        return kernels[0]
    if kernel not in kernels:
        raise GeometryError(
            f"there is no kernel {kernel!r} for {geometry.kind} beams on the {'GPU' if cuda else 'CPU'}",
            where="kernel",
            remedy=f"choose from: {', '.join(kernels)}",
        )
    if kernel == "strip" and geometry.kind == "fan" and not _is_plain_fan(geometry):
        raise GeometryError(
            "the strip kernel for fans takes no detector offset, centre shift, tilt or vectors",
            where="kernel",
            remedy="choose the kernel 'line'",
        )
    return kernel


def _is_plain_fan(geometry: ScanGeometry) -> bool:
    return (
        isinstance(geometry, FanBeam)
        and geometry.detector_offset == 0
        and geometry.centre_shift == 0
        and geometry.tilt == 0
    )


def volume_geometry(grid: ImageGrid) -> dict[str, Any]:
    """Return ASTRA's description of the image grid, in pixels."""
    description: dict[str, Any] = load_astra().create_vol_geom(grid.rows, grid.columns)
    return description


def projection_geometry(geometry: ScanGeometry, grid: ImageGrid, kernel: str) -> dict[str, Any]:
    """Return ASTRA's description of the scan, in pixels: by vectors, but for the strip kernel of fans."""
    astra = load_astra()
    description: dict[str, Any]
    if kernel == "strip" and isinstance(geometry, FanBeam):
        description = astra.create_proj_geom(
            "fanflat",
            geometry.pitch / grid.pixel,
            geometry.detectors,
            np.array(geometry.angles),
            geometry.source_origin / grid.pixel,
            geometry.origin_detector / grid.pixel,
        )
        return description
    vectors = geometry.vectors() / grid.pixel
    if geometry.kind == "parallel":
        vectors[:, 0:2] /= np.linalg.norm(vectors[:, 0:2], axis=1, keepdims=True)
    name = "parallel_vec" if geometry.kind == "parallel" else "fanflat_vec"
    description = astra.create_proj_geom(name, geometry.detectors, vectors)
    return description


def _create_projector(geometry: ScanGeometry, grid: ImageGrid, kernel: str) -> int:
    astra = load_astra()
    name = kernel if geometry.kind == "parallel" else f"{kernel}_fanflat"
    identifier: int = astra.create_projector(name, projection_geometry(geometry, grid, kernel), volume_geometry(grid))
    return identifier


def weights(geometry: ScanGeometry, grid: ImageGrid, kernel: str) -> csr_matrix:
    """Return the projector as a sparse matrix, float32, ``(views * detectors, rows * columns)`` [unit]."""
    astra = load_astra()
    projector = _create_projector(geometry, grid, kernel)
    try:
        identifier = astra.projector.matrix(projector)
        try:
            matrix = astra.matrix.get(identifier)
        finally:
            astra.matrix.delete(identifier)
    finally:
        astra.projector.delete(projector)
    scaled = csr_matrix(
        ((matrix.data * grid.pixel).astype(np.float32), matrix.indices, matrix.indptr), shape=matrix.shape
    )
    # ASTRA lists a pixel twice where a ray enters it twice: one entry each, in order, is what products read fastest.
    scaled.sum_duplicates()
    return scaled


class CpuProjector:
    """ASTRA's projector on NumPy arrays, computed anew at each call, in float32.

    Parameters
    ----------
    geometry, grid, kernel
        What is projected, and how.
    debug
        Fill outputs with NaN first and raise if one is left: ASTRA can fail without saying so.
    """

    def __init__(self, geometry: ScanGeometry, grid: ImageGrid, kernel: str, *, debug: bool = False) -> None:
        self._given = (geometry, grid, kernel, debug)
        self._astra = load_astra()
        self._identifier = _create_projector(geometry, grid, kernel)
        self._release = weakref.finalize(self, self._astra.projector.delete, self._identifier)
        self._direct = hasattr(self._astra.projector, "direct_FP")  # since 2.5
        self._description = (projection_geometry(geometry, grid, kernel), volume_geometry(grid))
        self._image, self._sinogram = grid.shape, geometry.shape
        self._pixel = np.float32(grid.pixel)
        self._debug = debug

    def __reduce__(self) -> tuple[Any, ...]:
        # ASTRA's projector belongs to one object of one process: a copy makes its own.
        return _create, self._given

    def forward_batch(self, x: Array) -> Array:
        """Project each row of ``(batch, rows * columns)`` [unit of the image times length]."""
        return self._each(x, self._image, self._sinogram, forward=True)

    def adjoint_batch(self, y: Array) -> Array:
        """Apply the transposed projector to each row of ``(batch, views * detectors)``."""
        return self._each(y, self._sinogram, self._image, forward=False)

    def _each(self, rows: Array, shape: tuple[int, int], target: tuple[int, int], *, forward: bool) -> Array:
        out = np.empty((rows.shape[0], prod(target)), rows.dtype)
        for row, result in zip(rows, out, strict=True):
            result[:] = self._run(row, shape, target, forward=forward).reshape(-1)
        return out

    def _run(
        self, array: NDArray[np.float32], shape: tuple[int, int], target: tuple[int, int], *, forward: bool
    ) -> NDArray[np.float32]:
        source = np.require(array.reshape(shape), np.float32, ["C", "W"])
        out = np.full(target, np.nan, np.float32) if self._debug else np.zeros(target, np.float32)
        if self._direct:
            projector = self._astra.projector
            (projector.direct_FP if forward else projector.direct_BP)(self._identifier, source, out=out)
        else:
            self._run_linked(source, out, forward=forward)
        if self._debug:
            refuse_untouched(out, "forward" if forward else "back")
        out *= self._pixel
        return out

    def _run_linked(self, source: NDArray[np.float32], out: NDArray[np.float32], *, forward: bool) -> None:
        astra = self._astra
        scan, volume = self._description
        image, sinogram = (source, out) if forward else (out, source)
        identifiers = [astra.data2d.link("-vol", volume, image), astra.data2d.link("-sino", scan, sinogram)]
        settings = astra.astra_dict("FP" if forward else "BP")
        settings["ProjectorId"] = self._identifier
        settings["ProjectionDataId"] = identifiers[1]
        settings["VolumeDataId" if forward else "ReconstructionDataId"] = identifiers[0]
        algorithm = astra.algorithm.create(settings)
        try:
            astra.algorithm.run(algorithm)
        finally:
            astra.algorithm.delete(algorithm)
            astra.data2d.delete(identifiers)


def _create(geometry: ScanGeometry, grid: ImageGrid, kernel: str, debug: bool) -> CpuProjector:
    return CpuProjector(geometry, grid, kernel, debug=debug)


def refuse_untouched(out: Any, direction: str) -> None:
    """Raise InputError where a projector left part of its NaN-filled output unwritten, or was given NaN."""
    missing = int((out != out).sum())
    if missing:
        raise InputError(
            f"ASTRA's {direction} projection left {missing} of {out.size} values unset or NaN",
            where="ray transform",
            remedy="check the input for NaN; if it has none, use the assembled form and report the geometry",
        )
