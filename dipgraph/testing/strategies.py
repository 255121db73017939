"""Hypothesis strategies: shapes, arrays, grids, scans that see them, and every operator of the package."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from dipgraph.operators.batched import BatchedOperator
from dipgraph.operators.fbp import FilteredBackprojection
from dipgraph.operators.fbp_filter import WINDOWS
from dipgraph.operators.geometry import FanBeam, FanVectors, ParallelBeam, ParallelVectors, ScanGeometry
from dipgraph.operators.gradient import Gradient
from dipgraph.operators.grid import ImageGrid
from dipgraph.operators.pixels import BlockMean, Mask
from dipgraph.operators.ray_transform import RayTransform

#: Kinds of geometry and the CPU kernels each has; "offset" stands for offset, shift and tilt.
SCANS: dict[str, tuple[str, ...]] = {
    "parallel": ("linear", "line", "strip"),
    "parallel offset": ("linear", "line", "strip"),
    "parallel vectors": ("linear", "line", "strip"),
    "fan": ("line", "strip"),
    "fan offset": ("line",),
    "fan vectors": ("line",),
}


def dtypes() -> st.SearchStrategy[np.dtype[Any]]:
    """Draw float32 or float64."""
    return st.sampled_from([np.dtype(np.float32), np.dtype(np.float64)])


def shapes(*, min_axes: int = 1, max_axes: int = 3, largest: int = 9) -> st.SearchStrategy[tuple[int, ...]]:
    """Draw a shape; sides of 1 come often."""
    side = st.one_of(st.just(1), st.integers(1, largest))
    return st.lists(side, min_size=min_axes, max_size=max_axes).map(tuple)


@st.composite
def arrays(draw: st.DrawFn, shape: tuple[int, ...], dtype: Any = np.float32) -> NDArray[Any]:
    """Draw an array of normal numbers times a power of ten, sometimes with runs of zeros."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    values = random.standard_normal(shape) * 10.0 ** draw(st.integers(-3, 3))
    if draw(st.booleans()):
        values = values * (random.random(shape) < 0.5)
    return np.asarray(values, dtype=dtype)


@st.composite
def grids(draw: st.DrawFn, *, largest: int = 12) -> ImageGrid:
    """Draw an image grid, not always square, with pixels from micrometres to metres."""
    side = st.one_of(st.just(1), st.integers(1, largest))
    pixel = draw(st.sampled_from([1.0, 0.5, 0.148322, 2.5e-3, 30.0]))
    return ImageGrid((draw(side), draw(side)), pixel)


@st.composite
def view_angles(draw: st.DrawFn, *, most: int = 8, arc: float = 2 * math.pi) -> NDArray[np.float64]:
    """Draw distinct angles on an arc, in no order [rad]."""
    steps = draw(st.lists(st.integers(0, 359), min_size=1, max_size=most, unique=True))
    return np.asarray(steps) / 360 * arc + draw(st.floats(-math.pi, math.pi))


@st.composite
def geometries(
    draw: st.DrawFn, grid: ImageGrid, kind: str | None = None, *, angles: NDArray[np.float64] | None = None
) -> ScanGeometry:
    """Draw a scan that sees the grid, of one of the kinds of :data:`SCANS`."""
    kind = draw(st.sampled_from(sorted(SCANS))) if kind is None else kind
    angles = draw(view_angles()) if angles is None else angles
    detectors = draw(st.integers(1, 16))
    # Footprints from a fraction of a pixel to several pixels.
    pitch = grid.pixel * draw(st.floats(0.3, 3.0))
    placed: dict[str, float] = {}
    if not kind.endswith(("parallel", "fan")):
        reach = 0.5 * grid.circumradius
        placed = {"detector_offset": reach * draw(st.floats(-1, 1)), "centre_shift": reach * draw(st.floats(-1, 1))}
        placed["tilt"] = draw(st.floats(-0.4, 0.4))
    geometry: ScanGeometry
    if kind.startswith("parallel"):
        geometry = ParallelBeam(angles, detectors, pitch, **placed)
        return ParallelVectors(geometry.vectors(), detectors) if kind.endswith("vectors") else geometry
    # Far enough that a tilted, shifted detector stays out of the image.
    near = 2 * grid.circumradius + detectors * pitch
    source, behind = near * draw(st.floats(1.0, 5.0)), near * draw(st.floats(1.0, 3.0))
    geometry = FanBeam(angles, detectors, pitch * (source + behind) / source, source, behind, **placed)
    return FanVectors(geometry.vectors(), detectors) if kind.endswith("vectors") else geometry


@st.composite
def ray_transforms(
    draw: st.DrawFn, kind: str | None = None, kernel: str | None = None, form: str | None = None
) -> RayTransform:
    """Draw a ray transform on the CPU."""
    kind = draw(st.sampled_from(sorted(SCANS))) if kind is None else kind
    grid = draw(grids())
    geometry = draw(geometries(grid, kind))
    chosen: Any = draw(st.sampled_from(["assembled", "projected"])) if form is None else form
    kernel = draw(st.sampled_from(SCANS[kind])) if kernel is None else kernel
    dtype = draw(dtypes()) if chosen == "assembled" else np.float32
    return RayTransform(geometry, grid, kernel=kernel, form=chosen, dtype=dtype)


@st.composite
def filtered_backprojections(draw: st.DrawFn) -> FilteredBackprojection:
    """Draw a filtered back projection of a circular scan: full, short or limited, offset or tilted."""
    grid = draw(grids())
    count, arc = draw(st.integers(2, 12)), draw(st.sampled_from([0.5, 1.0, 1.3, 1.8, 2.0]))
    angles = np.asarray(draw(st.floats(-3, 3)) + np.arange(count) * (arc * math.pi / count), np.float64)
    geometry = draw(geometries(grid, angles=angles).filter(lambda scan: scan.detectors > 1))
    A = RayTransform(geometry, grid, dtype=draw(dtypes()))
    return FilteredBackprojection(A, draw(st.sampled_from(sorted(WINDOWS))), draw(st.floats(0.2, 1.0)))


@st.composite
def gradients(draw: st.DrawFn) -> Gradient:
    """Draw a discrete gradient."""
    boundary: Any = draw(st.sampled_from(["neumann", "periodic", "dirichlet"]))
    return Gradient(draw(shapes()), boundary, dtype=draw(dtypes()))


@st.composite
def masks(draw: st.DrawFn) -> Mask:
    """Draw a mask, of booleans or weights."""
    values = draw(arrays(draw(shapes()), np.float64))
    return Mask(values > 0 if draw(st.booleans()) else values, dtype=draw(dtypes()))


@st.composite
def block_means(draw: st.DrawFn) -> BlockMean:
    """Draw a mean over blocks."""
    coarse, factor = draw(shapes(largest=4)), draw(st.integers(1, 3))
    return BlockMean(tuple(n * factor for n in coarse), factor, dtype=draw(dtypes()))


#: One strategy for each operator class of the package: what is listed here is tested against every law.
OPERATORS: dict[type[BatchedOperator], st.SearchStrategy[Any]] = {
    RayTransform: ray_transforms(),
    FilteredBackprojection: filtered_backprojections(),
    Gradient: gradients(),
    Mask: masks(),
    BlockMean: block_means(),
}
