"""Filtered back projection: density, every geometry and arc, filters, refusals, ASTRA's own."""

from dataclasses import replace

import astra
import numpy as np
import pytest

from dipgraph.operators import (
    FanBeam,
    FanVectors,
    FilteredBackprojection,
    ImageGrid,
    ParallelBeam,
    RayTransform,
    partition,
)
from dipgraph.operators import fbp as fbp_module
from dipgraph.operators.fbp_filter import WINDOWS, frequency_response
from dipgraph.operators.fbp_orbit import find_orbit
from dipgraph.operators.fbp_weights import ray_weights
from dipgraph.signatures.errors import GeometryError, InputError
from dipgraph.testing import assert_adjoint

from .phantoms import DISC, ELLIPSE, GRID, Ellipse
from .scans import KINDS, scan

# Degrees: a full turn, a parallel half turn or fan short scan, arcs between.
CENTRED = Ellipse(0.3, (0.0, 0.0), (20.0, 20.0))
FULL = [("full", 360), ("long", 330), ("short", 250)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("name", "degrees"), FULL, ids=[name for name, _ in FULL])
def test_mean_inside_is_the_density(kind, name, degrees):
    geometry = scan(kind, views=60, arc=np.deg2rad(degrees))
    A = RayTransform(geometry, GRID)
    inverse = FilteredBackprojection(A)
    for body in (DISC, ELLIPSE):
        for data in (A @ body.sample(GRID), body.project(geometry).astype(np.float32)):
            image = inverse @ data
            assert image[body.core(GRID)].mean() == pytest.approx(body.density, rel=0.02)


@pytest.mark.parametrize("kind", KINDS[:3])
def test_half_turn_suffices_for_parallel_rays(kind):
    geometry = scan(kind, views=45, arc=np.pi)
    A = RayTransform(geometry, GRID)
    image = FilteredBackprojection(A) @ DISC.project(geometry).astype(np.float32)
    assert image[DISC.core(GRID)].mean() == pytest.approx(DISC.density, rel=0.02)


@pytest.mark.parametrize("name", sorted(WINDOWS))
def test_every_filter_keeps_the_mean(name):
    geometry = scan("fan", views=60)
    A = RayTransform(geometry, GRID, form="projected")
    data = DISC.project(geometry).astype(np.float32)
    for cutoff in (1.0, 0.4):
        image = FilteredBackprojection(A, name, cutoff) @ data
        assert image[DISC.core(GRID, 0.6)].mean() == pytest.approx(DISC.density, rel=0.02)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("degrees", [40, 100, 180, 200, 250, 300, 359, 360])
def test_weights_of_a_line_measured_twice_add_up_to_one(kind, degrees):
    orbit = find_orbit(scan(kind, views=720, arc=np.deg2rad(degrees)))
    weights = ray_weights(orbit)
    assert (weights >= 0).all()
    if np.isinf(orbit.radius):
        assert weights[:, 0].sum() == pytest.approx(min(np.deg2rad(degrees), np.pi), rel=0.01)
        return
    fan_angle = np.arctan2(orbit.positions(), orbit.radius)
    step = np.deg2rad(degrees) / 720
    redundancy = weights / (step * np.cos(fan_angle))
    twin_angle = orbit.angles[:, None] + np.pi - 2 * fan_angle
    view = (twin_angle - orbit.angles[0]) % (2 * np.pi) / step
    column = np.arange(orbit.detectors)
    twin = (-orbit.positions() - orbit.start[:, None]) / orbit.step
    inside = (view < 719) & (twin >= 0) & (twin <= orbit.detectors - 1)
    rows, columns = np.nonzero(inside)
    again = redundancy[np.round(view[inside]).astype(int), np.round(twin[inside]).astype(int)]
    assert column.size == orbit.detectors
    error = np.abs(redundancy[rows, columns] + again - 1)
    # Rounding to a neighbouring ray costs a little where the weights rise steeply.
    assert error.size == 0 or np.quantile(error, 0.99) < 0.05


def test_a_limited_arc_is_reconstructed_without_complaint():
    geometry = scan("fan", views=30, arc=np.deg2rad(60))
    image = FilteredBackprojection(RayTransform(geometry, GRID)) @ DISC.project(geometry).astype(np.float32)
    assert np.isfinite(image).all()
    assert image[DISC.core(GRID)].mean() > 0.1 * DISC.density


def test_left_out_views_are_filled_by_their_neighbours_and_missing_arcs_are_not():
    full = scan("parallel", views=90, arc=np.pi)
    kept = np.delete(np.arange(90), [17, 44])
    assert ray_weights(find_orbit(full.subset(kept)))[:, 0].sum() == pytest.approx(np.pi)
    arc = full.subset(np.arange(30))
    assert ray_weights(find_orbit(arc))[:, 0].sum() == pytest.approx(np.pi / 3)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("kind", "error"), [("parallel", 0.02), ("fan", 0.05)])
def test_random_and_uneven_angles_keep_the_density(kind, error, seed):
    arc = np.pi if kind == "parallel" else 2 * np.pi
    drawn = scan(kind, views=120, arc=arc).subset(partition(120, 4, "random", seed=seed)[0])
    uneven = scan(kind, views=200)
    uneven = replace(uneven, angles=arc * np.sort(np.random.default_rng(seed).random(200)))
    for geometry in (drawn, uneven):
        orbit = find_orbit(geometry)
        share = 1.0 if kind == "parallel" else 0.5
        assert ray_weights(orbit)[:, orbit.detectors // 2].sum() == pytest.approx(share * arc, rel=1e-3)
        image = FilteredBackprojection(RayTransform(geometry, GRID, form="projected"), "hann") @ CENTRED.project(
            geometry
        ).astype(np.float32)
        assert image[CENTRED.core(GRID)].mean() == pytest.approx(CENTRED.density, rel=error)


@pytest.mark.parametrize("degrees", [30, 60, 100, 140, 165])
def test_the_one_gap_of_a_limited_arc_is_cut_even_where_angles_are_random(degrees):
    arc = scan("parallel", views=120, arc=np.deg2rad(degrees))
    # A gap that random angles may leave by themselves is filled.
    for part in (arc, arc.subset(partition(120, 3, "random")[0])) if degrees <= 100 else (arc,):
        assert ray_weights(find_orbit(part))[:, 0].sum() == pytest.approx(np.deg2rad(degrees), rel=0.12)
    two = scan("parallel", views=90, arc=np.pi).subset([*range(30), *range(45, 75)])
    assert ray_weights(find_orbit(two))[:, 0].sum() == pytest.approx(np.pi * 60 / 90)


@pytest.mark.parametrize("side", [-1, 1])
@pytest.mark.parametrize(
    "geometry",
    [
        lambda angles, side: ParallelBeam(angles, 150, 0.5, detector_offset=30.0 * side),
        lambda angles, side: FanBeam(angles, 150, 0.8, 120.0, 100.0, detector_offset=45.0 * side),
        lambda angles, side: FanVectors(
            FanBeam(angles, 150, 0.8, 120.0, 100.0, detector_offset=45.0 * side).vectors(), 150
        ),
    ],
    ids=["parallel", "fan", "vectors"],
)
def test_a_full_turn_may_see_the_object_on_one_side(geometry, side, recwarn):
    scanned = geometry(2 * np.pi * np.arange(120) / 120, side)
    assert scanned.field_of_view() < GRID.inradius
    inverse = FilteredBackprojection(RayTransform(scanned, GRID, form="projected"))
    for body in (DISC, ELLIPSE):
        image = inverse @ body.project(scanned).astype(np.float32)
        assert image[body.core(GRID)].mean() == pytest.approx(body.density, rel=0.02)
        assert image[body.core(GRID)].std() < 0.02 * body.density
    assert not recwarn.list
    assert_adjoint(inverse)


def test_views_that_do_not_see_the_image_are_warned_of():
    half = np.pi * np.arange(60) / 60
    for geometry in (ParallelBeam(half, 60, 0.5), ParallelBeam(half, 150, 0.5, detector_offset=30.0)):
        inverse = FilteredBackprojection(RayTransform(geometry, GRID))
        with pytest.warns(UserWarning, match="needs whole views") as raised:
            inverse @ DISC.project(geometry).astype(np.float32)
        assert f"radius {geometry.field_of_view():.4g} mm" in str(raised[0].message)


def test_matrices_and_view_by_view_are_one_operator(monkeypatch):
    geometry = scan("fan offset", views=9)
    A = RayTransform(geometry, ImageGrid((40, 44), 1.5))
    kept = FilteredBackprojection(A)
    y = np.random.default_rng(0).standard_normal(A.dimsd).astype(np.float32)
    x = np.random.default_rng(1).standard_normal(A.dims).astype(np.float32)
    forward, adjoint = kept @ y, kept.H @ x
    monkeypatch.setattr(fbp_module, "MATRIX_LIMIT", 0)
    driven = FilteredBackprojection(A)
    np.testing.assert_allclose(driven @ y, forward, atol=1e-5 * np.abs(forward).max())
    np.testing.assert_allclose(driven.H @ x, adjoint, atol=1e-5 * np.abs(adjoint).max())
    assert_adjoint(driven)


def test_response_of_the_ramp_is_the_frequency():
    # Away from zero the band-limited ramp is |f|; at zero it is small and positive, not 0, which is its point.
    response = frequency_response(256, 0.5, "ram-lak")
    frequency = np.arange(response.size) / (2 * (response.size - 1)) / 0.5
    np.testing.assert_allclose(response[1:], frequency[1:], atol=1e-3 * frequency[-1])
    assert 0 < response[0] < response[1]


def test_agrees_with_astra_on_the_cpu_for_parallel_rays():
    geometry = scan("parallel", views=90, arc=np.pi)
    grid = ImageGrid((128, 128), 0.5)
    A = RayTransform(geometry, grid)
    data = A @ DISC.sample(grid)
    scan_id = astra.create_proj_geom("parallel", 1.0, 220, np.array(geometry.angles))
    volume = astra.create_vol_geom(128, 128)
    settings = astra.astra_dict("FBP")
    settings["ProjectorId"] = astra.create_projector("linear", scan_id, volume)
    settings["ProjectionDataId"] = astra.data2d.create("-sino", scan_id, data)
    settings["ReconstructionDataId"] = astra.data2d.create("-vol", volume)
    settings["option"] = {"FilterType": "hann"}
    algorithm = astra.algorithm.create(settings)
    astra.algorithm.run(algorithm)
    theirs = astra.data2d.get(settings["ReconstructionDataId"]) / grid.pixel
    ours = FilteredBackprojection(A, "hann") @ data
    assert np.linalg.norm(ours - theirs) < 0.02 * np.linalg.norm(theirs)


def test_refuses_what_is_no_circle_or_no_filter():
    fan = scan("fan", views=8)
    rows = fan.vectors().copy()
    rows[3, 0:2] *= 1.2
    with pytest.raises(GeometryError, match="not on a circle") as raised:
        FilteredBackprojection(RayTransform(FanVectors(rows, fan.detectors), GRID))
    assert "LeastSquares" in raised.value.remedy
    rows = fan.vectors().copy()
    rows[3, 4:6] *= 1.2
    with pytest.raises(GeometryError, match="spacing"):
        FilteredBackprojection(RayTransform(FanVectors(rows, fan.detectors), GRID))
    A = RayTransform(fan, GRID)
    with pytest.raises(InputError, match="boxcar"):
        FilteredBackprojection(A, "boxcar")
    with pytest.raises(InputError, match=r"cutoff is 1\.5"):
        FilteredBackprojection(A, cutoff=1.5)
