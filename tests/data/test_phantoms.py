"""Phantoms: the walnut is fixed, area-sampled and the same at every resolution; ellipses have the areas they should."""

from __future__ import annotations

import numpy as np
import pytest

from dipgraph.data.ellipses import Ellipse, draw_ellipses, random_ellipses, shepp_logan
from dipgraph.data.phantoms import PHANTOMS, walnut
from dipgraph.data.resample import area_sample, block_mean, onto
from dipgraph.signatures.errors import InputError


def test_the_walnut_is_fixed() -> None:
    nut = walnut((128, 128), 0)
    assert nut.mean() == pytest.approx(0.2150934430, abs=1e-8)
    assert nut.max() == pytest.approx(0.9712349827, abs=1e-8)
    assert nut[64, [12, 30, 90, 115]] == pytest.approx([0.6206895083, 0.6706863430, 0.0, 0.0885852903], abs=1e-6)


def test_a_coarse_walnut_is_the_block_mean_of_a_fine_one() -> None:
    fine = walnut((256, 256), 3)
    np.testing.assert_allclose(walnut((128, 128), 3), block_mean(fine, 2), atol=1e-12)
    np.testing.assert_allclose(walnut((64, 64), 3), block_mean(fine, 4), atol=1e-12)


def test_the_walnut_is_textured_not_piecewise_constant() -> None:
    nut = walnut((128, 128))
    inside = nut > 0.2
    flat = (np.abs(np.diff(nut, axis=0))[:, :-1] < 1e-3) & (np.abs(np.diff(nut, axis=1))[:-1] < 1e-3)
    assert np.mean(flat[inside[:-1, :-1]]) < 0.1
    assert len(np.unique(nut[inside])) > 0.9 * inside.sum()


def test_every_seed_gives_another_walnut() -> None:
    assert np.abs(walnut((64, 64), 0) - walnut((64, 64), 1)).max() > 0.3


@pytest.mark.parametrize("name", sorted(PHANTOMS))
@pytest.mark.parametrize("shape", [(48, 48), (40, 64), (65, 33)])
def test_phantoms_have_values_in_the_unit_interval_and_end_inside_the_disc(name: str, shape: tuple[int, int]) -> None:
    image = PHANTOMS[name](shape)
    assert image.shape == shape
    assert image.min() >= 0.0
    assert image.max() <= 1.0
    assert image.max() > 0.5
    rows, columns = np.indices(shape)
    radius = np.hypot(rows - (shape[0] - 1) / 2, columns - (shape[1] - 1) / 2) / (min(shape) / 2)
    assert not image[radius > 1.0 + 2.0 / min(shape)].any()


def test_phantoms_do_not_hand_out_their_cache() -> None:
    walnut((32, 32))[:] = 7.0
    assert walnut((32, 32)).max() <= 1.0


def test_an_ellipse_has_its_area() -> None:
    image = draw_ellipses((64, 64), [Ellipse(2.0, 0.5, 0.25, 0.1, -0.2, 30.0)])
    assert image.sum() * (2.0 / 64) ** 2 == pytest.approx(2.0 * np.pi * 0.5 * 0.25, rel=2e-3)


def test_an_ellipse_turned_by_90_degrees_exchanges_its_axes() -> None:
    turned = draw_ellipses((40, 40), [Ellipse(1.0, 0.6, 0.3, turn=90.0)])
    np.testing.assert_allclose(turned, draw_ellipses((40, 40), [Ellipse(1.0, 0.3, 0.6)]), atol=2e-2)


def test_ellipses_turn_counter_clockwise_on_the_image() -> None:
    image = draw_ellipses((64, 64), [Ellipse(1.0, 0.8, 0.1, turn=45.0)])
    assert image[:32, 32:].sum() > 10 * image[:32, :32].sum()


def test_shepp_logan_has_its_grey_levels() -> None:
    head = shepp_logan((256, 256))
    assert head[128, 128] == pytest.approx(0.2)
    assert head[128, 128 + 33] == pytest.approx(0.0)
    assert head[12, 128] == pytest.approx(1.0)
    assert head[83, 128] == pytest.approx(0.3)
    assert head.max() == pytest.approx(1.0)


def test_random_ellipses_follow_the_seed() -> None:
    np.testing.assert_array_equal(random_ellipses((32, 32), 4), random_ellipses((32, 32), 4))
    assert np.abs(random_ellipses((32, 32), 4) - random_ellipses((32, 32), 5)).max() > 0.1


def test_area_sampling_averages_a_linear_function_to_the_pixel_centres() -> None:
    image = area_sample(lambda x, y: x + 10.0 * y, (4, 8), 16)
    x = (np.arange(8) - 3.5) * 0.5
    y = (np.arange(4) - 1.5) * 0.5
    np.testing.assert_allclose(image, x[None, :] + 10.0 * y[:, None], atol=1e-12)


def test_images_that_do_not_fit_a_grid_are_refused() -> None:
    with pytest.raises(InputError, match="does not fit a grid of 5 x 5"):
        onto(np.ones((12, 10)), (5, 5), "reference")
    with pytest.raises(InputError, match="no blocks of 3 x 3"):
        block_mean(np.ones((10, 10)), 3)
    with pytest.raises(InputError, match="two axes"):
        onto(np.ones((4, 4, 3)), (4, 4), "reference")
