"""The denoiser that comes with dipgraph: a small U-Net that is told the noise level."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional

from dipgraph.blocks.denoise_strength import STRENGTHS, noise_level
from dipgraph.blocks.setting import Setting
from dipgraph.blocks.values import Scalar, as_scalar
from dipgraph.blocks.weights_file import load_weights, read_weights
from dipgraph.signatures import SETTING, block, number, vector, word

WEIGHTS = Path(__file__).with_suffix(".safetensors")
"""The weights that ship, beside this module; ``tools/train_denoiser.py`` makes them."""

LEVELS = (2 / 255, 60 / 255)
"""Least and greatest noise level [image units] that the network is trained for, on images in [0, 1]."""

WIDTHS = (40, 56, 72)
"""Feature channels at a half, a quarter and an eighth of the resolution."""

MULTIPLE = 8
"""What the sides of the network's input are padded to a multiple of [pixels]."""


def convolution(inputs: int, outputs: int) -> nn.Conv2d:
    """A 3×3 convolution without bias."""
    return nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)


class Residual(nn.Module):
    """``x + C(ReLU(C(x)))`` with two convolutions C; shapes are kept."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = convolution(channels, channels), convolution(channels, channels)

    def forward(self, features: Tensor) -> Tensor:
        """Features ``(batch, channels, rows, columns)``."""
        result: Tensor = features + self.second(functional.relu(self.first(features)))
        return result


def stage(channels: int) -> nn.Sequential:
    """Two residual pairs."""
    return nn.Sequential(Residual(channels), Residual(channels))


class LevelUNet(nn.Module):
    """A U-Net of three scales on 2×2 pixel blocks that takes the noise level as an input map, without any bias.

    Notes
    -----
    Without biases the network is homogeneous, ``D(kx, kσ) = k·D(x, σ)`` for k > 0: one learned range of levels serves
    images of any scale.
    """

    def __init__(self) -> None:
        super().__init__()
        fine, middle, coarse = WIDTHS
        self.entry = convolution(5, fine)
        self.fine_down, self.middle_down = stage(fine), stage(middle)
        self.to_middle = nn.Conv2d(fine, middle, 2, stride=2, bias=False)
        self.to_coarse = nn.Conv2d(middle, coarse, 2, stride=2, bias=False)
        self.coarse = stage(coarse)
        self.from_coarse = nn.ConvTranspose2d(coarse, middle, 2, stride=2, bias=False)
        self.from_middle = nn.ConvTranspose2d(middle, fine, 2, stride=2, bias=False)
        self.middle_up, self.fine_up = stage(middle), stage(fine)
        self.exit = convolution(fine, 4)

    def forward(self, image: Tensor, level: Tensor) -> Tensor:
        """The clean image of a noisy one ``(batch, 1, rows, columns)``, sides multiples of 8, and its level σ."""
        blocks = functional.pixel_unshuffle(image, 2)
        levels = level.expand(len(blocks), 1, *blocks.shape[-2:])
        entry = self.entry(torch.cat([blocks, levels], dim=1))
        fine = self.fine_down(entry)
        middle = self.middle_down(self.to_middle(fine))
        coarse = self.coarse(self.to_coarse(middle))
        middle = self.middle_up(middle + self.from_coarse(coarse))
        fine = self.fine_up(fine + self.from_middle(middle))
        noise = functional.pixel_shuffle(self.exit(fine + entry), 2)
        return image - noise


@block("denoise.own")
class OwnDenoiser:
    """Denoising by the network that comes with dipgraph, which is told the noise level.

    Parameters
    ----------
    strength
        What `sigma` means. ``noise``: the standard deviation σ of the noise; ``prox``: a prox weight γ, with σ = √γ.
    of
        The noisy image v, ``(batch, channels, rows, columns)``, about in [0, 1].
    sigma
        The strength [image units].
    setting
        Gives device and precision.

    Returns
    -------
    Tensor
        The denoised image D(v, σ), each channel for itself.

    Notes
    -----
    A U-Net on grey images of any size, trained on drawn images and public-domain photographs for σ from 2/255 to 60/255
    (docs/denoiser.md is its model card). It is homogeneous, so σ beyond that range acts as a scaled image would: images
    in units other than [0, 1] need σ in those units and nothing else. Sides are padded to multiples of 8 by repeating
    the border. Gradients flow to `of`.

    References
    ----------
    Zhang et al., *Plug-and-play image restoration with deep denoiser prior*, IEEE TPAMI 44, 2022, for the noise level
    map and the network without biases.
    """

    def __init__(
        self,
        setting: Annotated[Setting, SETTING],
        strength: Annotated[str, word(*STRENGTHS)] = "noise",
    ) -> None:
        network = LevelUNet()
        load_weights(network, read_weights(WEIGHTS, "denoise.own"), WEIGHTS, "denoise.own")
        self.network = network.to(setting.device, setting.dtype).eval().requires_grad_(False)
        self.strength = strength

    def __call__(
        self, of: Annotated[Tensor, vector("X[c]")], sigma: Annotated[Scalar, number(above=0)]
    ) -> Annotated[Tensor, vector("X[c]")]:
        """Denoise the image."""
        rows, columns = of.shape[-2:]
        padding = (0, -columns % MULTIPLE, 0, -rows % MULTIPLE)
        padded = functional.pad(of.reshape(-1, 1, rows, columns), padding, mode="replicate")
        clean: Tensor = self.network(padded, as_scalar(noise_level(sigma, self.strength), of))
        return clean[..., :rows, :columns].reshape(of.shape)
