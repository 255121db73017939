"""How strong a denoiser is: the two conventions that every denoising block offers."""

from __future__ import annotations

from dipgraph.blocks.values import Scalar

STRENGTHS = ("noise", "prox")
"""``noise``: the port `sigma` is the noise's standard deviation σ; ``prox``: it is a prox weight γ, and σ = √γ."""


def noise_level(sigma: Scalar, strength: str) -> Scalar:
    """The noise's standard deviation σ [image units] that a port `sigma` means."""
    if strength == "prox":
        level: Scalar = sigma**0.5
        return level
    return sigma
