"""ASTRA's CUDA projectors on CuPy arrays: a slice as a volume one voxel thick, passed by DLPack without a copy.

ASTRA offers zero-copy exchange for 3D data only. In a volume the row index grows with y, in an image it falls, so the
y components of all vectors change sign. A fan becomes a cone of one detector row, which needs the 2D weighting in its
back projection; without it the adjoint carries another factor of the local magnification.
"""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np

from dipgraph.operators.astra_kernels import load_astra, refuse_untouched
from dipgraph.operators.batched import Array
from dipgraph.operators.geometry import ScanGeometry
from dipgraph.operators.grid import ImageGrid


class CudaProjector:
    """ASTRA's GPU projector, in float32; its adjoint is not the transposed matrix: see ``docs/operators.md``.

    Parameters
    ----------
    geometry, grid
        What is projected.
    debug
        Fill outputs with NaN first and raise if one is left.
    """

    def __init__(self, geometry: ScanGeometry, grid: ImageGrid, *, debug: bool = False) -> None:
        self._astra = load_astra()
        self._debug = debug
        self._pixel = np.float32(grid.pixel)
        self._image, self._sinogram = grid.shape, geometry.shape
        self._kind = geometry.kind
        self._detectors = geometry.detectors
        self._vectors = _lift(geometry, grid)
        # Parallel slices do not mix: a batch is a stack of slices, one projector per height of the stack.
        self._projectors: dict[int, int] = {}
        self._projector(1)

    def forward_batch(self, images: Array) -> Array:
        """Project each row of ``(batch, rows * columns)``."""
        return self._run(images, self._image, self._sinogram, forward=True)

    def adjoint_batch(self, sinograms: Array) -> Array:
        """Apply ASTRA's back projection to each row of ``(batch, views * detectors)``."""
        return self._run(sinograms, self._sinogram, self._image, forward=False)

    def _run(self, batch: Array, shape: tuple[int, int], target: tuple[int, int], *, forward: bool) -> Array:
        import cupy

        source = cupy.ascontiguousarray(batch, dtype=cupy.float32).reshape(-1, *shape)
        fill = cupy.nan if self._debug else 0.0
        out = cupy.full((source.shape[0], *target), fill, dtype=cupy.float32)
        # ASTRA runs on its own stream and waits for it: what it reads must be finished first.
        cupy.cuda.get_current_stream().synchronize()
        stack = source.shape[0] if self._kind == "parallel" else 1
        for start in range(0, source.shape[0], stack):
            part = slice(start, start + stack)
            self._project(source[part], out[part], stack, forward=forward)
        if self._debug:
            refuse_untouched(out, "forward" if forward else "back")
        out *= self._pixel
        return out.reshape(source.shape[0], -1).astype(batch.dtype, copy=False)

    def _project(self, source: Array, out: Array, stack: int, *, forward: bool) -> None:
        identifier = self._projector(stack)
        if hasattr(self._astra, "projector3d") and hasattr(self._astra.projector3d, "direct_FP"):  # since 2.5
            door = self._astra.projector3d.direct_FP if forward else self._astra.projector3d.direct_BP
            door(identifier, source, out=out)
        elif forward:
            self._astra.experimental.direct_FP3D(identifier, source, out)
        else:
            self._astra.experimental.direct_BP3D(identifier, out, source)

    def _projector(self, stack: int) -> int:
        if stack not in self._projectors:
            astra = self._astra
            name = "parallel3d_vec" if self._kind == "parallel" else "cone_vec"
            scan = astra.create_proj_geom(name, stack, self._detectors, self._vectors)
            volume = astra.create_vol_geom(*self._image, stack)
            settings = {**astra.astra_dict("cuda3d"), "ProjectionGeometry": scan, "VolumeGeometry": volume}
            if self._kind != "parallel":
                settings["ProjectionKernel"] = "2d_weighting"  # beside the geometries: among the options it is ignored
            identifier = astra.projector3d.create(settings)
            weakref.finalize(self, astra.projector3d.delete, identifier)
            self._projectors[stack] = identifier
        return self._projectors[stack]


def _lift(geometry: ScanGeometry, grid: ImageGrid) -> Any:
    """Return the views as ASTRA's twelve numbers each, in voxels, y reversed, the detector's rows along z."""
    flat = geometry.vectors() / grid.pixel
    if geometry.kind == "parallel":
        flat[:, 0:2] /= np.linalg.norm(flat[:, 0:2], axis=1, keepdims=True)
    lifted = np.zeros((geometry.count, 12))
    for target, column in ((0, 0), (3, 2), (6, 4)):
        lifted[:, target] = flat[:, column]
        lifted[:, target + 1] = -flat[:, column + 1]
    lifted[:, 11] = 1.0
    return lifted
