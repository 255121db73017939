"""Preparation: each step keeps data and geometry together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dipgraph.data import prepare
from dipgraph.data.measurement import Measurement
from dipgraph.operators.geometry import FanBeam, ParallelBeam
from dipgraph.operators.grid import ImageGrid
from dipgraph.operators.ray_transform import RayTransform
from dipgraph.signatures.errors import InputError


def angles(measurement: Measurement) -> np.ndarray:
    return measurement.geometry.angles  # type: ignore[union-attr]


@given(st.integers(1, 60), st.data())
def test_counted_views_are_equally_spaced(views: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(1, views))
    rows = np.arange(views, dtype=float)[:, None] + np.zeros((1, 2))
    scan = Measurement(rows, "line integrals", ParallelBeam(np.arange(views) * np.pi / views, 2, 1.0))
    kept = prepare.views(scan, count=count)
    assert kept.data.shape == (count, 2)
    np.testing.assert_allclose(angles(kept), kept.data[:, 0] * np.pi / views)
    gaps = np.diff(kept.data[:, 0], append=kept.data[0, 0] + views)
    assert gaps.min() >= views // count
    assert gaps.max() <= -(-views // count)


def test_every_third_view_from_the_second(scan: Measurement) -> None:
    kept = prepare.views(scan, every=3, start=1)
    np.testing.assert_array_equal(kept.data, scan.data[1::3])
    np.testing.assert_array_equal(angles(kept), angles(scan)[1::3])


def test_an_arc_keeps_both_of_its_ends(scan: Measurement) -> None:
    assert angles(prepare.views(scan, arc=np.pi / 4)) == pytest.approx(np.arange(4) * np.pi / 12)
    assert angles(prepare.views(scan, arc=np.pi / 4, begin=np.pi / 2)) == pytest.approx(np.arange(6, 10) * np.pi / 12)


def test_an_arc_may_run_past_the_start(fan_scan: Measurement) -> None:
    kept = prepare.views(fan_scan, arc=np.pi / 3, begin=-np.pi / 6)
    assert sorted(angles(kept)) == pytest.approx([0.0, np.pi / 6, 11 * np.pi / 6])


def test_dropped_views_are_gone(scan: Measurement) -> None:
    np.testing.assert_array_equal(prepare.drop(scan, [0, 11]).data, scan.data[1:11])


def test_binning_averages_data_and_widens_the_pixel(scan: Measurement) -> None:
    binned = prepare.bin(replace(scan, noise_level=0.2), by=4, views=2)
    assert binned.data[0, 0] == pytest.approx(scan.data[:2, :4].mean())
    assert binned.geometry.pitch == 2.0  # type: ignore[union-attr]
    assert binned.noise_level == pytest.approx(0.2 / np.sqrt(8))
    assert angles(binned) == pytest.approx((angles(scan)[::2] + angles(scan)[1::2]) / 2)


def test_binning_joins_photons() -> None:
    scan = Measurement(np.full((2, 4), 0.7), "line integrals", ParallelBeam(np.array([0.0, 1.0]), 4, 1.0))
    noisy = prepare.STEPS["noise"](scan, kind="poisson", photons=1000, seed=3)
    binned = prepare.bin(noisy, by=2)
    np.testing.assert_allclose(binned.counts, noisy.counts[:, ::2] + noisy.counts[:, 1::2])  # type: ignore[index]
    np.testing.assert_allclose(binned.blank, 2000.0)
    np.testing.assert_allclose(binned.data, -np.log(binned.counts / 2000.0))


@pytest.mark.parametrize("kind", ["parallel", "fan"])
def test_cropping_equals_projecting_and_cropping(kind: str) -> None:
    turn = np.arange(5) * np.pi / 5
    full = ParallelBeam(turn, 24, 1.0) if kind == "parallel" else FanBeam(turn, 24, 1.5, 40.0, 20.0)
    grid = ImageGrid((12, 12), 1.0)
    image = np.random.default_rng(0).uniform(size=144).astype(np.float32)
    data = (RayTransform(full, grid, kernel="line") @ image).reshape(5, 24).astype(float)
    cropped = prepare.crop(Measurement(data, "line integrals", full), [5, 20])
    again = RayTransform(cropped.geometry, grid, kernel="line") @ image  # type: ignore[arg-type]
    np.testing.assert_allclose(again.reshape(5, 15), cropped.data, atol=1e-4)


@pytest.mark.parametrize("kind", ["parallel", "fan"])
def test_the_centre_is_the_column_that_sees_the_axis(kind: str) -> None:
    turn = np.arange(4) * np.pi / 4
    geometry = ParallelBeam(turn, 21, 0.5) if kind == "parallel" else FanBeam(turn, 21, 0.5, 40.0, 20.0)
    scan = prepare.centre(Measurement(np.ones((4, 21)), "line integrals", geometry), 8.0)
    distance = scan.geometry.ray_distances()  # type: ignore[union-attr]
    np.testing.assert_allclose(distance[:, 8], 0.0, atol=1e-12)


def test_raw_counts_become_line_integrals() -> None:
    integrals = np.random.default_rng(0).uniform(0.0, 2.0, (3, 5))
    white, dark = np.full((1, 5), 900.0), np.full((1, 5), 100.0)
    raw = Measurement(
        dark + (white - dark) * np.exp(-integrals),
        "counts",
        ParallelBeam(np.arange(3.0), 5, 1.0),
        white=white,
        dark=dark,
    )
    prepared = prepare.log(prepare.flat_field(raw))
    np.testing.assert_allclose(prepared.data, integrals, rtol=1e-12)
    np.testing.assert_allclose(prepared.counts, 800.0 * np.exp(-integrals), rtol=1e-12)
    np.testing.assert_array_equal(prepared.blank, np.full((3, 5), 800.0))
    joined = prepare.bin(prepared, by=5)
    np.testing.assert_allclose(joined.data[:, 0], integrals.mean(axis=1))  # what was read is averaged, not joined
    np.testing.assert_allclose(joined.counts[:, 0], prepared.counts.sum(axis=1))  # type: ignore[index,union-attr]


def test_noise_behind_counts_leaves_neither_counts_nor_a_level(scan: Measurement) -> None:
    add = prepare.STEPS["noise"]
    counted = add(replace(scan, data=scan.data * 0 + 1.0), kind="poisson", photons=1e4)
    both = add(counted, level=0.1)
    assert both.counts is both.blank is both.noise_level is None
    assert add(counted, level=0.0) is counted


def test_gaussian_noise_has_the_stated_level_and_seed() -> None:
    scan = Measurement(np.linspace(0.0, 2.0, 40000).reshape(200, 200), "values")
    add = prepare.STEPS["noise"]
    noisy = add(scan, level=0.05, relative_to="max", seed=1)
    assert noisy.noise_level == pytest.approx(0.1)
    assert np.std(noisy.data - scan.data) == pytest.approx(0.1, rel=0.02)
    np.testing.assert_array_equal(noisy.data, add(scan, level=0.05, relative_to="max", seed=1).data)
    assert np.abs(noisy.data - add(scan, level=0.05, seed=2).data).max() > 0.1
    assert add(scan, level=0.05, relative_to="mean").noise_level == pytest.approx(0.05)
    assert add(scan, level=0.05, relative_to="none").noise_level == pytest.approx(0.05)
    assert add(noisy, level=0.1, relative_to="none").noise_level == pytest.approx(np.sqrt(0.02))
    np.testing.assert_array_equal(add(scan, level=0.0).data, scan.data)


def test_poisson_noise_has_its_counts() -> None:
    scan = Measurement(np.full((100, 100), 1.0), "line integrals", ParallelBeam(np.arange(100) * 0.01, 100, 1.0))
    noisy = prepare.STEPS["noise"](scan, kind="poisson", photons=1e4, seed=0)
    assert np.mean(noisy.counts) == pytest.approx(1e4 * np.exp(-1.0), rel=1e-3)
    assert np.std(noisy.data) == pytest.approx(1 / np.sqrt(1e4 * np.exp(-1.0)), rel=0.03)
    np.testing.assert_array_equal(noisy.blank, 1e4)


def test_data_in_another_unit_stay_there_when_they_are_binned(scan: Measurement) -> None:
    """Binning takes the data from the counts behind them; multiplied data have none any more."""
    counted = prepare.STEPS["noise"](replace(scan, data=scan.data * 0 + 1.0), kind="poisson", photons=1e8, seed=1)
    scaled = prepare.STEPS["multiply"](counted, by=10.0)
    assert counted.counts is not None
    assert scaled.counts is None
    assert scaled.blank is None
    np.testing.assert_allclose(prepare.STEPS["bin"](scaled, by=2).data, 10.0, rtol=0.01)


def test_steps_leave_their_input_untouched(scan: Measurement) -> None:
    before = scan.data.copy()
    steps: dict[str, dict[str, object]] = {
        "views": {"count": 3}, "bin": {"by": 2}, "crop": {"columns": [2, 9]}, "noise": {"level": 0.1},
        "multiply": {"by": 3.0}, "centre": {"column": 3.0},
    }  # fmt: skip
    for name, options in steps.items():
        prepare.STEPS[name](scan, **options)
    np.testing.assert_array_equal(scan.data, before)


@pytest.mark.parametrize(
    ("step", "options", "message"),
    [
        ("views", {"count": 13}, "13 views are asked for, and there are 12"),
        ("views", {"count": 3, "every": 2}, "not both"),
        ("views", {"start": 12}, "there is no view 12"),
        ("views", {"every": 0}, "every 0-th"),
        ("views", {"begin": 1.0}, "there is no 'arc'"),
        ("drop", {"views": [12]}, "there is no view 12"),
        ("drop", {"views": list(range(12))}, "no view is left"),
        ("bin", {"by": 3}, "16 detector pixels cannot be joined by 3"),
        ("bin", {"views": 5}, "12 views cannot be joined by 5"),
        ("bin", {"by": 0}, "binning by 0"),
        ("crop", {"columns": [3]}, "two columns"),
        ("crop", {"columns": [5, 17]}, "detector pixels 5 to 17 of 16"),
        ("centre", {"column": 16}, "column 16"),
        ("flat_field", {}, "needs raw counts"),
        ("log", {}, "needs transmission"),
        ("noise", {}, "needs 'level'"),
        ("noise", {"kind": "poisson"}, "needs 'photons'"),
        ("noise", {"level": -1.0}, "level is -1"),
        ("noise", {"level": float("nan")}, "level is nan"),
        ("noise", {"kind": "poisson", "photons": 0.5}, "photons is 0.5"),
    ],
)
def test_what_cannot_be_done_is_said(scan: Measurement, step: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        prepare.STEPS[step](scan, **options)


def test_a_transmission_that_is_not_positive_is_located() -> None:
    scan = Measurement(np.array([[0.5, 1.0], [0.2, 0.0]]), "transmission", ParallelBeam(np.array([0.0, 1.0]), 2, 1.0))
    with pytest.raises(InputError, match="view 1, column 1"):
        prepare.log(scan)
    assert prepare.log(scan, least=0.1).data[1, 1] == pytest.approx(-np.log(0.1))


def test_steps_for_scans_need_a_scan() -> None:
    with pytest.raises(InputError, match="have no geometry"):
        prepare.views(Measurement(np.ones((4, 4)), "values"), count=2)
