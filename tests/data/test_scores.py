"""Scores: worked numbers, the region, agreement of the device's PSNR with NumPy's."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dipgraph.data.phantoms import walnut
from dipgraph.data.scores import DevicePsnr, disc, matthews, otsu, psnr, region_mask, ssim
from dipgraph.signatures.errors import InputError

SHAPES = st.tuples(st.integers(1, 40), st.integers(1, 40))


@given(SHAPES)
def test_the_disc_is_symmetric_and_of_the_stated_radius(shape: tuple[int, int]) -> None:
    mask = disc(shape)
    assert mask.shape == shape
    assert mask.any()
    np.testing.assert_array_equal(mask, mask[::-1, ::-1])
    np.testing.assert_array_equal(mask, disc(shape[::-1]).T)
    rows, columns = np.nonzero(mask)
    far = np.hypot(rows - (shape[0] - 1) / 2, columns - (shape[1] - 1) / 2).max()
    assert far <= max(min(shape) // 2, 0.5) + 1e-12


def test_psnr_of_a_constant_error() -> None:
    reference = np.full((8, 8), 2.0)
    assert psnr(reference + 0.02, reference, "all") == pytest.approx(40.0)


def test_psnr_takes_its_range_from_the_disc_alone_and_ignores_the_rest() -> None:
    reference = np.ones((16, 16))
    reference[0, 0] = 100.0
    image = reference + 0.1
    image[0, 0] = -50.0
    assert psnr(image, reference) == pytest.approx(20.0)


def test_psnr_does_not_clip() -> None:
    reference = np.ones((8, 8))
    assert psnr(reference + 9.0, reference) == pytest.approx(-20.0 * math.log10(9.0))


def test_psnr_of_equal_images_is_infinite() -> None:
    assert psnr(np.ones((8, 8)), np.ones((8, 8))) == math.inf


@given(st.integers(2, 24), st.integers(2, 24), st.integers(0, 2**31), st.sampled_from(["disc", "all"]))
def test_the_device_gives_the_same_psnr(rows: int, columns: int, seed: int, region: str) -> None:
    draw = np.random.default_rng(seed)
    reference, images = draw.uniform(0.1, 1.0, (rows, columns)), draw.uniform(0.0, 1.0, (3, 1, rows, columns))
    scores = DevicePsnr(reference, region)(torch.from_numpy(images).float())  # type: ignore[arg-type]
    assert scores.shape == (3, 1)
    expected = [psnr(image[0], reference, region) for image in images]  # type: ignore[arg-type]
    np.testing.assert_allclose(scores[:, 0].numpy(), expected, rtol=1e-4, atol=1e-4)


def test_ssim_of_equal_images_is_one_and_falls_with_noise() -> None:
    nut = walnut((64, 64))
    noise = np.random.default_rng(0).standard_normal(nut.shape)
    scores = [ssim(nut + level * noise, nut) for level in (0.0, 0.02, 0.1, 0.5)]
    assert scores[0] == pytest.approx(1.0)
    assert scores == sorted(scores, reverse=True)


def test_ssim_is_the_same_in_another_unit() -> None:
    nut = walnut((64, 64))
    image = nut + 0.05 * np.random.default_rng(0).standard_normal(nut.shape)
    assert ssim(0.03 * image, 0.03 * nut) == pytest.approx(ssim(image, nut), rel=1e-6)


def test_ssim_needs_room_for_its_window() -> None:
    assert math.isnan(ssim(np.ones((10, 40)), np.ones((10, 40))))


def test_otsu_separates_two_levels() -> None:
    image = np.where(disc((20, 20)), 1.0, 0.0) + 0.1 * np.random.default_rng(0).standard_normal((20, 20))
    assert matthews(otsu(image), disc((20, 20))) == 1.0


def test_matthews_by_hand() -> None:
    truth = np.array([[True, True, True, False, False, False, False, False]])
    found = np.array([[True, True, False, True, False, False, False, False]])
    assert matthews(found, truth) == pytest.approx((2 * 4 - 1 * 1) / math.sqrt(3 * 3 * 5 * 5))
    assert matthews(truth, truth) == 1.0
    assert matthews(~truth, truth) == -1.0
    assert matthews(np.ones_like(truth), truth) == 0.0


def test_constant_images_have_no_foreground() -> None:
    assert not otsu(np.full((4, 4), 0.3)).any()


@pytest.mark.parametrize("region", ["circle", np.ones((3, 3), dtype=bool), np.zeros((4, 4), dtype=bool)])
def test_regions_that_make_no_sense_are_refused(region: object) -> None:
    with pytest.raises(InputError, match="score region"):
        region_mask(region, (4, 4))  # type: ignore[arg-type]
