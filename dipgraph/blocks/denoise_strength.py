"""How strong a denoiser is: the two conventions that every denoising block offers."""

from __future__ import annotations

import torch

from dipgraph.blocks.values import Scalar
from dipgraph.signatures import InputError

STRENGTHS = ("noise", "prox")
"""``noise``: the port `sigma` is the noise's standard deviation σ; ``prox``: it is a prox weight γ, and σ = √γ."""


def noise_level(sigma: Scalar, strength: str) -> Scalar:
    """The noise's standard deviation σ [image units] that a port `sigma` means; NaN where that is not above 0.

    A number is checked where it stands; one on the device is not looked at, so that it gives NaN instead of an image
    that only looks right.
    """
    level: Scalar = sigma**0.5 if strength == "prox" else sigma
    return torch.where(level > 0, level, torch.nan) if isinstance(level, torch.Tensor) else level


def level_on_host(sigma: Scalar, strength: str) -> float:
    """The same as a number, for methods that wait for the device anyway; not above 0 is an :class:`InputError`."""
    level = float(noise_level(sigma, strength))
    if not level > 0:
        raise InputError("'sigma' is not above 0", remedy="see what it is made of")
    return level
