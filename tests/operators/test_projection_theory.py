"""The ray transform against the chord lengths of a disc and an ellipse, symmetry, units, and real data."""

import numpy as np
import pytest
import scipy.io

from dipgraph.operators import FanBeam, FanVectors, ImageGrid, ParallelBeam, ParallelVectors, RayTransform
from dipgraph.testing.strategies import SCANS

from .phantoms import DISC, ELLIPSE, GRID
from .scans import scan

every_kernel = pytest.mark.parametrize(
    ("kind", "kernel"), [(kind, kernel) for kind, kernels in SCANS.items() for kernel in kernels]
)


@every_kernel
def test_projections_are_chord_lengths(kind, kernel):
    geometry = scan(kind)
    A = RayTransform(geometry, GRID, kernel=kernel, form="projected")
    for body in (DISC, ELLIPSE):
        exact = body.project(geometry)
        error = np.linalg.norm(A @ body.sample(GRID) - exact) / np.linalg.norm(exact)
        assert error < 0.01


@every_kernel
def test_turning_the_image_is_shifting_the_angles(kind, kernel):
    grid = ImageGrid((40, 40), 1.0)
    image = np.random.default_rng(1).random(grid.shape, dtype=np.float32)
    before = RayTransform(scan(kind, 7, first=0.013), grid, kernel=kernel)
    after = RayTransform(scan(kind, 7, first=0.013 + np.pi / 2), grid, kernel=kernel)
    expected = before @ image
    # np.rot90 turns counter-clockwise on the screen, where rows run downwards: so do growing angles.
    error = np.linalg.norm(after @ np.rot90(image).copy() - expected) / np.linalg.norm(expected)
    # ASTRA computes weights in float32, the fan's strips from angles of single precision.
    assert error < (1e-4 if (kind, kernel) == ("fan", "strip") else 1e-5)


@every_kernel
def test_lengths_count_in_the_grid_s_unit(kind, kernel):
    geometry, grid = scan(kind, 5), ImageGrid((24, 20), 2.5)
    image = np.random.default_rng(1).random(grid.shape, dtype=np.float32)
    metres = 1e-3
    if isinstance(geometry, (ParallelVectors, FanVectors)):
        rows = geometry.rows * metres
        small = type(geometry)(rows, geometry.detectors)
    else:
        lengths = ("pitch", "detector_offset", "centre_shift", "source_origin", "origin_detector")
        values = {name: getattr(geometry, name) * metres for name in lengths if hasattr(geometry, name)}
        small = type(geometry)(geometry.angles, geometry.detectors, tilt=geometry.tilt, **values)
    in_millimetres = RayTransform(geometry, grid, kernel=kernel) @ image
    in_metres = RayTransform(small, ImageGrid(grid.shape, 2.5 * metres, "m"), kernel=kernel) @ image
    # The same floating point numbers reach ASTRA but for the last digits.
    error = np.linalg.norm(in_metres - metres * in_millimetres) / np.linalg.norm(metres * in_millimetres)
    assert error < 1e-4


def test_angles_turn_the_source_counter_clockwise_from_below():
    # A blob on the right, seen at angle 0 by rays that run up: it lands on the detector's right end.
    grid = ImageGrid((21, 21), 1.0)
    image = np.zeros(grid.shape, np.float32)
    image[10, 20] = 1.0
    for geometry in (ParallelBeam([0.0], 21, 1.0), FanBeam([0.0], 31, 1.0, 1e6, 20.0)):
        data = RayTransform(geometry, grid) @ image
        assert np.argmax(data[0]) - (geometry.detectors - 1) / 2 == 10
    # A quarter turn later the detector runs upwards: a blob at the top lands on its end.
    image = np.zeros(grid.shape, np.float32)
    image[0, 10] = 1.0
    data = RayTransform(ParallelBeam([np.pi / 2], 21, 1.0), grid) @ image
    assert np.argmax(data[0]) == 20


def test_axis_falls_on_the_column_the_parameters_say():
    grid = ImageGrid((9, 9), 1.0)
    image = np.zeros(grid.shape, np.float32)
    image[4, 4] = 1.0
    angles = np.linspace(0.1, 6.0, 7)
    parallel = ParallelBeam(angles, 41, 0.5, detector_offset=1.0, centre_shift=2.5)
    fan = FanBeam(angles, 61, 0.5, 40.0, 20.0, detector_offset=1.0, centre_shift=2.0)
    for geometry, column in ((parallel, 20 + (2.5 - 1.0) / 0.5), (fan, 30 + (2.0 * 1.5 - 1.0) / 0.5)):
        data = RayTransform(geometry, grid, kernel="line") @ image
        centre = (data * np.arange(geometry.detectors)).sum(1) / data.sum(1)
        np.testing.assert_allclose(centre, column, atol=0.1)


def test_projecting_the_reference_reproduces_a_real_scan(shared):
    scan_file = shared / "htc2022" / "htc2022_ta_full.mat"
    reference_file = shared / "htc2022" / "htc2022_ta_full_recon_fbp.mat"
    if not (scan_file.exists() and reference_file.exists()):
        pytest.skip(f"no {scan_file} and {reference_file.name}")
    data = scipy.io.loadmat(scan_file, simplify_cells=True)["CtDataFull"]
    voxel = data["parameters"]["effectivePixelSizePost"]
    views = slice(0, 720, 24)
    angles = np.deg2rad(data["parameters"]["angles"][views])
    image = scipy.io.loadmat(reference_file, simplify_cells=True)["reconFullFbp"] / voxel
    measured = data["sinogram"][views]

    def misfit(turned):
        geometry = FanBeam(turned, 560, 0.2, 410.66, 553.74 - 410.66)
        A = RayTransform(geometry, ImageGrid(image.shape, voxel), form="projected")
        modelled = A @ image.astype(np.float32)
        # The reference is 2 % too bright; its shape is what tells the geometry.
        scale = np.vdot(modelled, measured) / np.vdot(modelled, modelled)
        return scale, np.linalg.norm(scale * modelled - measured) / np.linalg.norm(measured)

    scale, error = misfit(angles)
    assert scale == pytest.approx(0.982, abs=0.005)
    assert error < 0.031
    assert misfit(-angles)[1] > 0.12
