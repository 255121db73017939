"""Whether a scan sees the image: sources outside it, every view through it."""

from __future__ import annotations

import numpy as np

from dipgraph.operators.geometry import ScanGeometry
from dipgraph.operators.grid import ImageGrid
from dipgraph.signatures.errors import GeometryError


def refuse_outside(geometry: ScanGeometry, grid: ImageGrid) -> None:
    """Raise GeometryError where a source stands in the image, or a view does not see it.

    Rays are whole lines to the projectors: what lies behind the source would be counted too. For the same reason a
    detector may be a virtual one, through the axis or anywhere.
    """
    if geometry.kind == "fan":
        source = np.abs(geometry.vectors()[:, 0:2])
        inside = (source[:, 0] < 0.5 * grid.extent[1]) & (source[:, 1] < 0.5 * grid.extent[0])
        if inside.any():
            view = int(np.flatnonzero(inside)[0])
            raise GeometryError(
                f"in view {view} the source stands inside the image ({grid})",
                where="geometry",
                remedy="check distances and pixel side for their unit, or take a smaller grid",
            )
    _refuse_missing_rays(geometry, grid)


def _refuse_missing_rays(geometry: ScanGeometry, grid: ImageGrid) -> None:
    distance = geometry.ray_distances()
    # Rays fill the space between them, so a view misses only what lies beyond its outermost rays.
    step = 0.5 * np.abs(np.diff(distance, axis=1)).max(axis=1) if geometry.detectors > 1 else 0.0
    beyond = np.maximum(distance.min(axis=1), -distance.max(axis=1)) - step
    missed = beyond > grid.circumradius
    if missed.any():
        view = int(np.flatnonzero(missed)[0])
        raise GeometryError(
            f"view {view} does not see the image: its rays pass {beyond[view]:.6g} {grid.unit} or more from the axis, "
            f"and the image reaches {grid.circumradius:.6g} {grid.unit}",
            where="geometry",
            remedy="check detector offset, centre shift and pixel side for their unit",
        )
