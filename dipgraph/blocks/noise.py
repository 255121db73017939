"""Noise: how much of it there is, and adding some."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from dipgraph.blocks.values import Scalar
from dipgraph.signatures import STREAM, InputError, block, number, vector

DIFFERENCE = (1.0, -4.0, 6.0, -4.0, 1.0)
"""Fourth differences: cubic polynomials along the detector leave no trace."""
NORMAL_QUARTILE = 0.6744897501960817


@block("noise.estimate", differentiable=False)
def estimate(of: Annotated[Tensor, vector("V", single=True)]) -> Annotated[Tensor, number(min=0)]:
    """The standard deviation of white noise in a sinogram, from fast changes along the detector.

    Parameters
    ----------
    of
        The data, ``(1, channels, views, detectors)``, with at least five detector pixels.

    Returns
    -------
    Tensor
        ``median|h ∗ of| / (0.6745·‖h‖)`` with ``h = (1, −4, 6, −4, 1)`` along the last axis.

    Notes
    -----
    Projections are smooth along the detector, noise is not; the median passes over edges. What an object has of detail
    at the scale of a detector pixel counts as noise: on a sparsely sampled walnut (96 pixels, 2 % noise) the estimate
    is a quarter too high. Noise that is correlated between neighbouring pixels is underestimated.

    References
    ----------
    Donoho, Johnstone, *Ideal spatial adaptation by wavelet shrinkage*, Biometrika 81, 1994.
    """
    count = len(DIFFERENCE)
    if of.shape[-1] < count:
        raise InputError(
            f"noise.estimate needs at least {count} detector pixels and got {of.shape[-1]}",
            remedy="give the noise level as a number instead",
        )
    fast = sum(tap * of[..., k : of.shape[-1] - count + 1 + k] for k, tap in enumerate(DIFFERENCE))
    gain = sum(tap * tap for tap in DIFFERENCE) ** 0.5
    level: Tensor = torch.median(torch.as_tensor(fast).abs()) / (NORMAL_QUARTILE * gain)
    return level


@block("noise.gaussian")
def gaussian(
    of: Annotated[Tensor, vector("V")],
    std: Annotated[Scalar, number(min=0)],
    stream: Annotated[torch.Generator, STREAM],
) -> Annotated[Tensor, vector("V")]:
    """Add white Gaussian noise.

    Parameters
    ----------
    of
        The vector, ``(batch, channels, *grid)``.
    std
        Standard deviation of the noise, in units of the vector.
    stream
        The step's random numbers.

    Returns
    -------
    Tensor
        ``of + n`` with n from N(0, std²), fresh at each call and for each member.
    """
    drawn = torch.randn(of.shape, generator=stream, device=stream.device, dtype=of.dtype)
    return of + std * drawn.to(of.device)
