"""The U-Net of the survey, section 6.2, at any width, depth and image size."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional

from dipgraph.blocks.setting import Setting
from dipgraph.signatures import INPUTS, SETTING, InputError, block, whole, word

SLOPE = 0.2
"""Slope of the leaky rectifier below zero."""

OUTPUTS: dict[str, type[nn.Module]] = {
    "sigmoid": nn.Sigmoid,
    "identity": nn.Identity,
    "relu": nn.ReLU,
    "softplus": nn.Softplus,
}


def smallest_side(scales: int) -> int:
    """The fewest rows or columns [pixels] that a U-Net of so many scales takes: two are left at the coarsest."""
    return 1 + (1 << (scales - 1))


def most_scales(side: int) -> int:
    """The most scales that a U-Net on an image with so many rows or columns [pixels] can have."""
    return max(side - 1, 0).bit_length()


def _groups(channels: int) -> int:
    """Groups to normalise in: four, as in the survey, or fewer where they would not share the channels evenly.

    A group of one channel would cancel the bias of the convolution before it.
    """
    return next((groups for groups in (4, 3, 2) if channels % groups == 0 and channels > groups), 1)


class Stage(nn.Sequential):
    """Convolution, group normalisation and leaky rectifier.

    Parameters
    ----------
    inputs, outputs
        Channels.
    kernel
        Side of the convolution's kernel [pixels].
    stride
        Steps of the convolution; 2 halves the image, rounding up.
    groups
        Groups to normalise in; none: four, or as many of them as divide the channels.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1, groups: int | None = None) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2),
            nn.GroupNorm(groups or _groups(outputs), outputs),
            nn.LeakyReLU(SLOPE, inplace=True),
        )


class UpStage(Stage):
    """A stage on an image enlarged twice by nearest neighbours: one transposed convolution does both at once.

    Notes
    -----
    Each output pixel sees 2×2 coarse pixels, so 4 products instead of 9: the 3×3 kernel's taps that fall on the same
    coarse pixel are added up first. The values are those of enlarging and then convolving.
    """

    def forward(self, coarse: Tensor) -> Tensor:
        """Features ``(batch, channels, rows, columns)`` on the grid twice as fine."""
        convolution, norm, rectifier = self
        assert isinstance(convolution, nn.Conv2d)
        taps = convolution.weight.flip(2, 3).transpose(0, 1)
        shifted = [functional.pad(taps, (left, 1 - left, top, 1 - top)) for left in (0, 1) for top in (0, 1)]
        kernel = torch.stack(shifted).sum(0)
        fine = functional.conv_transpose2d(coarse, kernel, convolution.bias, stride=2, padding=1)
        result: Tensor = rectifier(norm(fine))
        return result


class Up(nn.Module):
    """Nearest-neighbour upsampling and two stages.

    Parameters
    ----------
    channels
        Feature channels at both scales.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = UpStage(channels, channels), Stage(channels, channels)

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        """Features ``(batch, channels, rows, columns)`` on the grid of the encoder's features ``fine``."""
        rows, columns = fine.shape[-2:]
        features: Tensor = self.second(self.first(coarse)[..., :rows, :columns])
        return features


class JoinedUp(nn.Module):
    """Nearest-neighbour upsampling, joined by a skip connection, and two stages.

    Parameters
    ----------
    channels
        Feature channels at both scales.
    skip
        Channels of the skip connection.
    """

    def __init__(self, channels: int, skip: int) -> None:
        super().__init__()
        self.skip = Stage(channels, skip, kernel=1, groups=1)
        self.stages = nn.Sequential(Stage(channels + skip, channels), Stage(channels, channels))

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        """Features ``(batch, channels, rows, columns)`` on the grid of the encoder's features ``fine``."""
        # An odd side leaves the coarse grid half a pixel over: given the size, nearest-neighbour drops that last half.
        enlarged = functional.interpolate(coarse, size=fine.shape[-2:], mode="nearest")
        features: Tensor = self.stages(torch.cat([enlarged, self.skip(fine)], dim=1))
        return features


@block("network.unet")
class UNet(nn.Module):
    """U-Net: an encoder and a decoder with skip connections at the two coarsest scales.

    Parameters
    ----------
    channels
        Feature channels, the same at each scale.
    scales
        Resolution levels, the image's own among them; the coarsest grid is ``2**(scales - 1)`` times coarser.
    skip
        Channels of the skip connections into the two coarsest levels of the decoder; 0 for none.
    output
        What keeps the values in range at the end: ``sigmoid`` to (0, 1), ``identity`` not at all, ``relu`` and
        ``softplus`` above 0.
    inputs
        Channels of the input.
    setting
        Gives the image's grid, which is refused before the run if it is too small; none: it is not known yet.

    Notes
    -----
    Maps ``(batch, inputs, rows, columns)`` to ``(batch, 1, rows, columns)``. Rows and columns may be odd and differ;
    each needs at least ``2**(scales - 1) + 1`` pixels. The encoder starts with one 3×3 convolution and goes down by a
    stride of 2, twice two convolutions a scale; the decoder goes up by nearest neighbours. Each convolution is followed
    by group normalisation in 4 groups (fewer, where 4 would not share the channels evenly and in twos at least) and a
    leaky rectifier of slope 0.2; a 1×1 convolution and ``output`` end it.

    The survey's setting, 128 channels and 6 scales with one input channel, has 2 968 729 parameters. The authors' has
    2 972 578: its three finest levels carry a skip connection of one channel that is multiplied by zero.

    References
    ----------
    Arridge, Barbano, Denker, Kereta, *Deep Image Prior for Computed Tomography Reconstruction*, 2026, section 6.2.
    """

    def __init__(
        self,
        inputs: Annotated[int, INPUTS],
        channels: Annotated[int, whole(min=1)] = 32,
        scales: Annotated[int, whole(min=1, max=12)] = 5,
        skip: Annotated[int, whole(min=0)] = 4,
        output: Annotated[str, word(*OUTPUTS)] = "sigmoid",
        setting: Annotated[Setting | None, SETTING] = None,
    ) -> None:
        super().__init__()
        self.scales = scales
        if setting is not None:
            self.check_grid(*setting.shapes["X"])
        self.entry = Stage(inputs, channels)
        self.downs = nn.ModuleList(
            nn.Sequential(Stage(channels, channels, stride=2), Stage(channels, channels)) for _ in range(scales - 1)
        )
        self.ups = nn.ModuleList(
            JoinedUp(channels, skip) if skip and level < 2 else Up(channels) for level in range(scales - 1)
        )
        self.exit = nn.Linear(channels, 1)
        self.output = OUTPUTS[output]()

    @property
    def smallest_side(self) -> int:
        """The fewest rows or columns [pixels] that the network takes."""
        return smallest_side(self.scales)

    def check_grid(self, rows: int, columns: int) -> None:
        """Refuse an image of so many rows and columns if it is too small; raises :class:`InputError`."""
        if min(rows, columns) < self.smallest_side:
            raise InputError(
                f"an image of {rows}×{columns} pixels is too small for a U-Net of {self.scales} scales, which needs"
                f" {self.smallest_side} rows and columns",
                remedy=f"use at most {most_scales(min(rows, columns))} scales",
            )

    def forward(self, image: Tensor) -> Tensor:
        """The image ``(batch, 1, rows, columns)`` that the network makes of its input."""
        rows, columns = image.shape[-2:]
        self.check_grid(rows, columns)
        features = [self.entry(image)]
        for down in self.downs:
            features.append(down(features[-1]))
        decoded = features.pop()
        for up in self.ups:
            decoded = up(decoded, features.pop())
        # As a matrix product: on a CPU the 1×1 convolution takes three times as long.
        pixels = self.exit.weight @ decoded.flatten(2) + self.exit.bias
        result: Tensor = self.output(pixels.reshape(-1, 1, rows, columns))
        return result
