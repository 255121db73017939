"""DnCNN: a convolutional network trained to remove white noise of one level."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Annotated

from torch import Tensor, nn

from dipgraph.blocks.denoise_strength import STRENGTHS, noise_level
from dipgraph.blocks.setting import Setting
from dipgraph.blocks.values import Scalar, as_scalar
from dipgraph.blocks.weights_file import load_weights, read_weights
from dipgraph.signatures import FILE, SETTING, block, number, vector, word

LOWEST = 0.6
"""Share of the trained noise level down to which the network does well: 15/255 of 25/255."""


class DnCNN(nn.Module):
    """Plain convolutions and rectifiers that predict the noise in a grey image; KAIR's names for its parameters.

    Parameters
    ----------
    layers
        Convolutions.
    channels
        Feature channels.
    """

    def __init__(self, layers: int = 17, channels: int = 64) -> None:
        super().__init__()
        widths = [1, *[channels] * (layers - 1), 1]
        modules: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            modules += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(inplace=True)]
        self.model = nn.Sequential(*modules[:-1])

    def forward(self, image: Tensor) -> Tensor:
        """The image ``(batch, 1, rows, columns)`` without the noise."""
        clean: Tensor = image - self.model(image)
        return clean


@block("denoise.dncnn")
class DnCNNDenoiser:
    """Denoising by a DnCNN trained on grey images with white noise of one level.

    Parameters
    ----------
    weights
        File of the network's weights: safetensors or a state dict, with KAIR's names ``model.0.weight``,
        ``model.0.bias``, ``model.2.weight`` and so on.
    level
        Standard deviation of the noise that the network was trained on, for images in [0, 1].
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
        The denoised image, each channel for itself.

    Notes
    -----
    The network D knows one noise level σ₀ (``level``). For a stronger σ the image is shrunk around mid-grey by k =
    σ₀/σ, denoised and stretched back: ``½ + (D(½ + k(v − ½)) − ½)/k``. For σ from 0.6·σ₀ to σ₀ it is D(v). Stretching
    for a weaker σ takes grey levels out of [0, 1], where the network fails (on walnut slices with σ = 0.02 it lost 5
    dB on the noisy image); there the step is relaxed instead: ``v + (σ/0.6σ₀)(D(v) − v)``, which gained 2 dB.
    Gradients flow to `of`.

    The weights ``dncnn_25.pth`` of KAIR (MIT licence, github.com/cszn/KAIR) fit, as do its 15 and 50 with ``level``
    15/255 and 50/255.

    References
    ----------
    Zhang, Zuo, Chen, Meng, Zhang, *Beyond a Gaussian denoiser: residual learning of deep CNN for image denoising*, IEEE
    TIP 26, 2017.
    """

    def __init__(
        self,
        weights: Annotated[str | Path | None, FILE],
        setting: Annotated[Setting, SETTING],
        level: Annotated[float, number(above=0)] = 25 / 255,
        strength: Annotated[str, word(*STRENGTHS)] = "noise",
    ) -> None:
        state = read_weights(weights, "denoise.dncnn")
        first = state.get("model.0.weight")
        channels = first.shape[0] if first is not None and first.ndim == 4 else 64
        network = DnCNN(max(len(state) // 2, 2), channels)
        load_weights(network, state, weights, "denoise.dncnn")
        self.network = network.to(setting.device, setting.dtype).eval().requires_grad_(False)
        self.level, self.strength = level, strength

    def __call__(
        self, of: Annotated[Tensor, vector("X[c]")], sigma: Annotated[Scalar, number(above=0)]
    ) -> Annotated[Tensor, vector("X[c]")]:
        """Denoise the image."""
        share = as_scalar(noise_level(sigma, self.strength), of) / self.level
        shrink = (1 / share).clamp(max=1)
        step = (share / LOWEST).clamp(max=1)
        grey = 0.5 + shrink * (of.reshape(-1, 1, *of.shape[-2:]) - 0.5)
        removed: Tensor = (self.network(grey) - grey).reshape(of.shape)
        return of + step / shrink * removed
