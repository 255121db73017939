"""Geometries: conventions, equivalences, cuts, printing, and what they refuse."""

import dataclasses
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dipgraph.operators import FanBeam, FanVectors, ImageGrid, ParallelBeam, ParallelVectors
from dipgraph.signatures.errors import GeometryError
from dipgraph.testing.strategies import geometries, grids

ANGLES = np.linspace(0, np.pi, 6, endpoint=False)


def test_vectors_of_a_parallel_view():
    row = ParallelBeam([0.0], 5, 0.5, detector_offset=1.0, centre_shift=3.0).vectors()[0]
    np.testing.assert_allclose(row, [0, -1, -2.0, 0, 0.5, 0], atol=1e-15)


def test_vectors_of_a_fan_view():
    row = FanBeam([np.pi / 2], 5, 0.5, 40.0, 20.0, detector_offset=1.0, centre_shift=3.0).vectors()[0]
    np.testing.assert_allclose(row, [40, -3, -20, -2, 0, 0.5], atol=1e-14)


def test_a_tilt_turns_the_detector_about_its_foot():
    straight = FanBeam([0.3], 5, 0.5, 40.0, 20.0)
    tilted = dataclasses.replace(straight, tilt=0.2)
    np.testing.assert_allclose(tilted.vectors()[0, :4], straight.vectors()[0, :4])
    np.testing.assert_allclose(tilted.vectors()[0, 4:], 0.5 * np.array([np.cos(0.5), np.sin(0.5)]))


@given(data=st.data())
def test_subsets_crops_and_bins_cut_the_same_rays(data):
    geometry = data.draw(geometries(data.draw(grids())))
    distance = geometry.ray_distances()
    assert distance.shape == geometry.shape == (geometry.count, geometry.detectors)
    chosen = data.draw(st.permutations(range(geometry.count)))[: max(1, geometry.count // 2)]
    np.testing.assert_allclose(geometry.subset(chosen).ray_distances(), distance[chosen])
    start = data.draw(st.integers(0, geometry.detectors - 1))
    cropped = geometry.crop(start, geometry.detectors)
    np.testing.assert_allclose(cropped.ray_distances(), distance[:, start:], atol=1e-9 * np.abs(distance).max())
    if cropped.detectors % 2 == 0:
        pairs = cropped.detector_centres().reshape(geometry.count, -1, 2, 2).mean(2)
        binned = cropped.bin(2)
        size = np.abs(pairs).max()
        np.testing.assert_allclose(binned.detector_centres(), pairs, atol=1e-9 * size)


@given(data=st.data())
def test_equality_and_hash_follow_the_numbers(data):
    geometry = data.draw(geometries(data.draw(grids())))
    twin = dataclasses.replace(geometry)
    assert twin == geometry
    assert hash(twin) == hash(geometry)
    assert twin.sha() == geometry.sha()
    assert dataclasses.replace(geometry, detectors=geometry.detectors + 1) != geometry
    assert geometry != "geometry"


def test_arrays_are_copied_and_read_only():
    angles = ANGLES.copy()
    geometry = ParallelBeam(angles, 5, 1.0)
    angles[0] = 9.0
    assert geometry.angles[0] == 0
    with pytest.raises(ValueError, match="read-only"):
        geometry.angles[0] = 1.0


def test_field_of_view_of_a_centred_and_a_shifted_detector():
    assert ParallelBeam(ANGLES, 10, 2.0).field_of_view() == pytest.approx(10.0)
    assert ParallelBeam(ANGLES, 10, 2.0, detector_offset=4.0).field_of_view() == pytest.approx(6.0)
    assert ParallelBeam(ANGLES, 10, 2.0, detector_offset=30.0).field_of_view() == 0


def test_printing_names_the_numbers():
    text = str(FanBeam(ANGLES, 560, 0.2, 410.66, 143.08, centre_shift=0.5, tilt=0.1))
    for part in ("flat fan", "6 views from 0 to 150 degrees", "560", "0.2", "410.66", "143.08", "centre shift 0.5"):
        assert part in text
    assert "tilt 0.1 rad" in text
    assert str(ImageGrid((3, 4), 0.5)) == "3 x 4 pixels of 0.5 mm (1.5 x 2 mm)"
    vectors = FanBeam(ANGLES, 5, 0.2, 4.0, 2.0).vectors()
    assert str(FanVectors(vectors, 5)) == "flat fan beam by vectors, 6 views, 5 detector pixels of 0.2"


def test_magnification():
    assert FanBeam(ANGLES, 5, 0.2, 400.0, 100.0).magnification == pytest.approx(1.25)


def test_grids_coarsen_and_refine_over_the_same_area():
    grid = ImageGrid((6, 9), 0.5)
    assert grid.coarsen(3) == ImageGrid((2, 3), 1.5)
    assert grid.coarsen(3).refine(3) == grid
    assert grid.extent == (3.0, 4.5)
    assert grid.inradius == 1.5
    assert grid.size == 54
    with pytest.raises(GeometryError, match="factor 4"):
        grid.coarsen(4)
    with pytest.raises(GeometryError, match="factor is 0"):
        grid.refine(0)


PARALLEL = {"angles": ANGLES, "detectors": 5, "pitch": 1.0}
FAN = {**PARALLEL, "source_origin": 40.0, "origin_detector": 20.0}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"angles": []}, "shape \\(0,\\)"),
        ({"angles": [[0.0]]}, "shape \\(1, 1\\)"),
        ({"angles": ["a"]}, "not numbers"),
        ({"angles": [0.0, np.nan]}, "angle of view 1 is nan"),
        ({"angles": [0.5, 1.0, 0.5]}, "views 0 and 2 have the same angle"),
        ({"angles": [0.0, 1.0, 2 * np.pi]}, "views 0 and 2 have the same angle"),
        ({"detectors": 0}, "detectors is 0"),
        ({"detectors": 2.5}, "detectors is 2.5"),
        ({"pitch": -1.0}, "pitch is -1.0"),
        ({"pitch": 0.0}, "pitch is 0.0"),
        ({"pitch": "wide"}, "pitch is 'wide'"),
        ({"source_origin": -40.0}, "source_origin is -40.0"),
        ({"source_origin": 0.0}, "source_origin is 0.0"),
        ({"origin_detector": -20.0}, "origin_detector is -20.0"),
        ({"origin_detector": np.inf}, "origin_detector is inf"),
        ({"detector_offset": np.nan}, "detector_offset is nan"),
        ({"centre_shift": np.nan}, "centre_shift is nan"),
        ({"tilt": 2.0}, "tilt is 2 rad"),
    ],
)
def test_refuses_numbers_that_are_no_scan(change, message):
    with pytest.raises(GeometryError, match=message) as raised:
        FanBeam(**{**FAN, **change})
    assert raised.value.remedy
    if set(change) <= set(PARALLEL):
        with pytest.raises(GeometryError, match=message):
            ParallelBeam(**{**PARALLEL, **change})


def test_degrees_given_as_radians_are_warned_of():
    for degrees in (np.arange(360.0), np.linspace(0, 180, 61), np.arange(0.0, 60)):
        with pytest.warns(UserWarning, match="deg2rad"):
            ParallelBeam(degrees, 5, 1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ParallelBeam(np.linspace(0, 4 * np.pi, 100, endpoint=False) + 1e-3 * np.arange(100), 5, 1.0)


@pytest.mark.parametrize("kind", [ParallelVectors, FanVectors])
def test_refuses_vectors_that_are_no_scan(kind):
    geometry = FanBeam(**FAN) if kind is FanVectors else ParallelBeam(**PARALLEL)
    rows = geometry.vectors()
    assert kind(rows, 5).shape == (6, 5)

    def refused(change, message):
        with pytest.raises(GeometryError, match=message):
            kind(change, 5)

    refused(rows[:, :5], "shape \\(6, 5\\)")
    refused(rows[:0], "shape \\(0, 6\\)")
    refused(rows[[0, 1, 0]], "view 2 repeats")
    broken = rows.copy()
    broken[3, 1] = np.nan
    refused(broken, "view 3 is not finite")
    broken = rows.copy()
    broken[2, 4:6] = 0
    refused(broken, "in view 2")
    broken = rows.copy()
    broken[4, 4:6] = broken[4, 0:2] - (broken[4, 2:4] if kind is FanVectors else 0)
    refused(broken, "in view 4")


@pytest.mark.parametrize(
    ("indices", "message"),
    [([], "subset"), ([0, 6], "no view 6"), ([-1], "no view -1"), ([1, 1], "twice"), ([0.5], "subset")],
)
def test_refuses_views_that_are_not_there(indices, message):
    with pytest.raises(GeometryError, match=message):
        ParallelBeam(**PARALLEL).subset(indices)


def test_takes_slices_and_masks_of_views():
    geometry = ParallelBeam(**PARALLEL)
    np.testing.assert_array_equal(geometry.subset(slice(1, None, 2)).angles, ANGLES[1::2])
    np.testing.assert_array_equal(geometry.subset(ANGLES > 1).angles, ANGLES[ANGLES > 1])


@pytest.mark.parametrize("shape", [(0, 4), (4,), (4, 4, 4), (2.5, 4), "ab"])
def test_refuses_shapes_that_are_no_image(shape):
    with pytest.raises(GeometryError, match="image shape"):
        ImageGrid(shape)


def test_refuses_pixels_without_size_and_cuts_that_do_not_fit():
    with pytest.raises(GeometryError, match=r"pixel is -1\.0"):
        ImageGrid((2, 2), -1.0)
    with pytest.raises(GeometryError, match="5 detector pixels cannot be joined by 2"):
        ParallelBeam(**PARALLEL).bin(2)
    with pytest.raises(GeometryError, match="3 to 9 of 5"):
        ParallelBeam(**PARALLEL).crop(3, 9)


@pytest.mark.parametrize("value", [1e300, 1e-300, 2e9, 5e-10, float("inf")])
def test_refuses_lengths_that_single_precision_cannot_follow(value):
    with pytest.raises(GeometryError, match="pixel"):
        ImageGrid((2, 2), value)
    with pytest.raises(GeometryError, match="pitch"):
        ParallelBeam(**PARALLEL | {"pitch": value})
