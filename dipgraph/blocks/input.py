"""What a network is fed: noise, coordinates, perturbed copies of an image."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn

from dipgraph.blocks.setting import Setting
from dipgraph.blocks.values import Scalar
from dipgraph.signatures import NETWORK, SETTING, STREAM, block, number, vector, whole, word


def _draw(law: str, shape: tuple[int, ...], stream: torch.Generator, like: Setting | Tensor) -> Tensor:
    """Standard normal numbers, or uniform ones on [0, 1), from the stream, on the device of ``like``."""
    draw = torch.randn if law == "normal" else torch.rand
    return draw(shape, generator=stream, device=stream.device, dtype=like.dtype).to(like.device)


@block("input.noise")
class NoiseInput:
    """Noise: the deep image prior's usual input, drawn once and then fixed.

    Parameters
    ----------
    law
        ``normal``: N(0, std²); ``uniform``: between 0 and ``high``.
    std
        Standard deviation of the normal law.
    high
        Upper end of the uniform law.
    channels
        Channels of the input.
    setting
        Gives the image's grid.
    for_
        The network that the noise is for; one that takes inputs of a shape of its own says so by an attribute
        ``input_shape``, channels first.
    stream
        The step's random numbers.

    Returns
    -------
    Tensor
        ``(1, channels, rows, columns)``, or of the network's own shape.

    Notes
    -----
    The survey takes one channel of 0.1·N(0, 1); Ulyanov et al. take 32 channels of U(0, 0.1).

    References
    ----------
    Ulyanov, Vedaldi, Lempitsky, *Deep Image Prior*, CVPR 2018.
    """

    def __init__(
        self,
        setting: Annotated[Setting, SETTING],
        law: Annotated[str, word("normal", "uniform")] = "normal",
        std: Annotated[float, number(min=0)] = 0.1,
        high: Annotated[float, number(min=0)] = 0.1,
        channels: Annotated[int, whole(min=1)] = 1,
    ) -> None:
        self.setting, self.law, self.channels = setting, law, channels
        self.scale = std if law == "normal" else high

    def __call__(
        self,
        stream: Annotated[torch.Generator, STREAM],
        for_: Annotated[nn.Module | None, NETWORK] = None,
    ) -> Annotated[Tensor, vector("X[channels]")]:
        """Draw the input."""
        usual = (self.channels, *self.setting.shapes["X"])
        shape = (1, *getattr(for_, "input_shape", usual))
        return self.scale * _draw(self.law, shape, stream, self.setting)


@block("input.grid")
def grid(setting: Annotated[Setting, SETTING]) -> Annotated[Tensor, vector("X[2]")]:
    """Coordinates: each pixel's row and column, from 0 to 1.

    Parameters
    ----------
    setting
        Gives the image's grid.

    Returns
    -------
    Tensor
        ``(1, 2, rows, columns)``: the first channel grows from 0 in the first row to 1 in the last, the second
        likewise along the columns. A side of one pixel has the coordinate 0.
    """
    axes = [torch.linspace(0, 1, side, device=setting.device, dtype=setting.dtype) for side in setting.shapes["X"]]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"))[None]


@block("input.perturb")
def perturb(
    of: Annotated[Tensor, vector("V", single=True)],
    amplitude: Annotated[Scalar, number(min=0)],
    stream: Annotated[torch.Generator, STREAM],
    samples: Annotated[int, whole(min=1)] = 1,
    law: Annotated[str, word("uniform", "normal")] = "uniform",
) -> Annotated[Tensor, vector("V", batched=True)]:
    """Perturbed copies of an image: a batch of ``of + η`` with fresh noise η for each member.

    Parameters
    ----------
    of
        The image ``(1, channels, rows, columns)``.
    amplitude
        Upper end of the uniform law, or standard deviation of the normal law, in units of the image.
    stream
        The step's random numbers.
    samples
        Members of the batch.
    law
        ``uniform``: η between 0 and ``amplitude``; ``normal``: η from N(0, amplitude²).

    Returns
    -------
    Tensor
        ``(samples, channels, rows, columns)``.

    Notes
    -----
    Self-guided reconstruction takes η uniform on [0, max|z|/2]. Gradients flow to ``of`` and ``amplitude``.

    References
    ----------
    Liang et al., *Analysis of deep image prior and exploiting self-guidance for image reconstruction*, 2025.
    """
    return of + amplitude * _draw(law, (samples, *of.shape[1:]), stream, of)
