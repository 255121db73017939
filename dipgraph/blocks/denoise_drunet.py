"""DRUNet: a U-Net trained to remove white noise of any level, by deepinv."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from torch import Tensor

from dipgraph.blocks.denoise_strength import STRENGTHS, noise_level
from dipgraph.blocks.extras import require
from dipgraph.blocks.setting import Setting
from dipgraph.blocks.values import Scalar, as_scalar
from dipgraph.blocks.weights_file import load_weights, read_weights
from dipgraph.signatures import FILE, SETTING, block, number, vector, word


@block("denoise.drunet")
class DRUNetDenoiser:
    """Denoising by a DRUNet for grey images, which is told the noise level.

    Parameters
    ----------
    weights
        File of the network's weights for one channel, a state dict or safetensors: deepinv's
        ``drunet_deepinv_gray_finetune_26k.pth`` or KAIR's ``drunet_gray.pth``.
    strength
        What `sigma` means. ``noise``: the standard deviation σ of the noise; ``prox``: a prox weight γ, with σ = √γ.
    of
        The noisy image, ``(batch, channels, rows, columns)``, about in [0, 1].
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
    The network sees the image and a map of constant σ. It was trained for σ up to 0.2 on images in [0, 1]. The
    network is deepinv's (extra ``deepinv``); nothing is downloaded. Gradients flow to `of`.

    References
    ----------
    Zhang et al., *Plug-and-play image restoration with deep denoiser prior*, IEEE TPAMI 44, 2022.
    """

    def __init__(
        self,
        weights: Annotated[str | Path | None, FILE],
        setting: Annotated[Setting, SETTING],
        strength: Annotated[str, word(*STRENGTHS)] = "noise",
    ) -> None:
        models = require("deepinv.models.drunet", "deepinv", "denoise.drunet")
        state = read_weights(weights, "denoise.drunet")
        network = models.DRUNet(in_channels=1, out_channels=1, pretrained=None)
        load_weights(network, state, weights, "denoise.drunet")
        self.network = network.to(setting.device, setting.dtype).eval().requires_grad_(False)
        self.strength = strength

    def __call__(
        self, of: Annotated[Tensor, vector("X[c]")], sigma: Annotated[Scalar, number(above=0)]
    ) -> Annotated[Tensor, vector("X[c]")]:
        """Denoise the image."""
        grey = of.reshape(-1, 1, *of.shape[-2:])
        level = as_scalar(noise_level(sigma, self.strength), of)
        clean: Tensor = self.network(grey, level.expand_as(grey))
        return clean.reshape(of.shape)
