"""The U-Net: any width, depth and image size; nothing in it is dead."""

from __future__ import annotations

import pytest
import torch
from block_laws import few, lawful
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from dipgraph.blocks.network_unet import Stage, UNet, UpStage, most_scales, smallest_side
from dipgraph.signatures import InputError


def unet(inputs: int = 1, **settings: object) -> UNet:
    torch.manual_seed(0)
    return UNet(inputs, **settings)  # type: ignore[arg-type]


@lawful
@given(
    inputs=st.integers(1, 3),
    channels=st.integers(1, 9),
    scales=st.integers(1, 5),
    skip=st.integers(0, 5),
    beyond=st.tuples(st.integers(0, 12), st.integers(0, 12)),
    batch=st.integers(1, 2),
)
def test_any_width_depth_and_size(
    inputs: int, channels: int, scales: int, skip: int, beyond: tuple[int, int], batch: int
) -> None:
    rows, columns = (smallest_side(scales) + more for more in beyond)
    network = unet(inputs, channels=channels, scales=scales, skip=skip)
    image = torch.randn(batch, inputs, rows, columns)
    out = network(image)
    assert out.shape == (batch, 1, rows, columns)
    assert ((out > 0) & (out < 1)).all()
    torch.testing.assert_close(network(image[:1]), out[:1], rtol=1e-4, atol=1e-5)


@few
@given(channels=st.integers(5, 9), scales=st.integers(1, 4), skip=st.sampled_from([0, 2, 4]))
def test_no_parameter_is_dead(channels: int, scales: int, skip: int) -> None:
    network = unet(channels=channels, scales=scales, skip=skip)
    side = smallest_side(scales) + 4
    network(torch.randn(1, 1, side, side + 3)).square().sum().backward()
    dead = [
        name for name, weight in network.named_parameters() if weight.grad is None or not weight.grad.abs().max() > 0
    ]
    assert dead == []


def test_gradients_reach_the_whole_input() -> None:
    image = torch.randn(1, 2, 21, 18, requires_grad=True)
    unet(2, channels=6, scales=3)(image).sum().backward()
    assert image.grad is not None
    assert (image.grad != 0).all()


@lawful
@given(scales=st.integers(2, 8), short=st.integers(1, 200), wide=st.booleans())
def test_an_image_too_small_is_refused_with_the_depth_that_fits(scales: int, short: int, wide: bool) -> None:
    side = max(smallest_side(scales) - short, 2)
    shape = (side, 300) if wide else (300, side)
    fits = most_scales(side)
    assert smallest_side(fits) <= side < smallest_side(fits + 1)
    with pytest.raises(InputError, match=f"at most {fits} scales"):
        unet(channels=1, scales=scales)(torch.zeros(1, 1, *shape))


@few
@given(channels=st.integers(1, 6), rows=st.integers(1, 9), columns=st.integers(1, 9))
def test_the_fused_upsampling_equals_the_two_steps(channels: int, rows: int, columns: int) -> None:
    torch.manual_seed(1)
    fused = UpStage(channels, channels).double()
    plain = Stage(channels, channels).double()
    plain.load_state_dict(fused.state_dict())
    coarse = torch.randn(2, channels, rows, columns, dtype=torch.float64)
    torch.testing.assert_close(fused(coarse), plain(functional.interpolate(coarse, scale_factor=2.0, mode="nearest")))


def test_the_survey_setting_has_the_stated_number_of_parameters() -> None:
    assert sum(weight.numel() for weight in UNet(1, channels=128, scales=6).parameters()) == 2_968_729


def test_the_same_seed_gives_the_same_network() -> None:
    image = torch.randn(1, 1, 20, 20)
    assert torch.equal(unet()(image), unet()(image))


def test_double_precision_agrees() -> None:
    network, image = unet(channels=6, scales=3), torch.randn(1, 1, 19, 16)
    torch.testing.assert_close(network(image).double(), network.double()(image.double()), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("output", ["sigmoid", "identity", "relu", "softplus"])
def test_output_words(output: str) -> None:
    network = unet(channels=5, scales=2, output=output)
    out = network(torch.randn(1, 1, 12, 12))
    assert (out.min() >= 0) == (output != "identity")
