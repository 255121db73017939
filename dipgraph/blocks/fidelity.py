"""Data fidelities: how far a prediction is from what was measured. Sums over the data, averaged over a batch."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from dipgraph.blocks.values import Scalar, as_scalar, total
from dipgraph.signatures import LOSS, block, field, number, vector


@block("fidelity.l2")
def l2(
    of: Annotated[Tensor, vector("V")],
    to: Annotated[Tensor, vector("V")],
    weight: Annotated[Scalar, number(min=0)] = 1.0,
) -> Annotated[Tensor, LOSS]:
    """Least squares: half the squared distance between prediction and data.

    Parameters
    ----------
    of
        The prediction, ``(batch, channels, *grid)``.
    to
        The data, likewise.
    weight
        Factor in front.

    Returns
    -------
    Tensor
        ``weight/2 · ‖of − to‖²``.

    Notes
    -----
    The negative log-likelihood of white Gaussian noise of variance 1/weight. It is a sum over the data: its value grows
    with their number, and so do the weights of penalties that balance it.
    """
    return total((of - to).square(), 0.5 * weight)


@block("fidelity.weighted")
def weighted(
    of: Annotated[Tensor, vector("V")],
    to: Annotated[Tensor, vector("V")],
    weights: Annotated[Tensor, vector("V", min=0)],
    weight: Annotated[Scalar, number(min=0)] = 1.0,
) -> Annotated[Tensor, LOSS]:
    """Weighted least squares: each datum counts by its own weight.

    Parameters
    ----------
    of
        The prediction, ``(batch, channels, *grid)``.
    to
        The data, likewise.
    weights
        One number for each datum, not negative: the inverse of its variance, or 0 to ignore it.
    weight
        Factor in front.

    Returns
    -------
    Tensor
        ``weight/2 · Σ weights·(of − to)²``.

    Notes
    -----
    With ``weights`` equal to the counts, the quadratic approximation of the Poisson likelihood of transmission data.

    References
    ----------
    Sauer, Bouman, *A local update strategy for iterative reconstruction from projections*, IEEE TSP 41, 1993.
    """
    return total(weights * (of - to).square(), 0.5 * weight)


@block("fidelity.huber")
def huber(
    of: Annotated[Tensor, vector("V")],
    to: Annotated[Tensor, vector("V")],
    delta: Annotated[Scalar, number(above=0)],
    weight: Annotated[Scalar, number(min=0)] = 1.0,
) -> Annotated[Tensor, LOSS]:
    """Huber's fidelity: quadratic for small residuals, linear for outliers.

    Parameters
    ----------
    of
        The prediction, ``(batch, channels, *grid)``.
    to
        The data, likewise.
    delta
        The residual from which on the loss is linear, in units of the data.
    weight
        Factor in front.

    Returns
    -------
    Tensor
        ``weight · Σ h(of − to)`` with ``h(r) = r²/2`` for ``|r| ≤ delta``, else ``delta·(|r| − delta/2)``.

    References
    ----------
    Huber, *Robust estimation of a location parameter*, Annals of Mathematical Statistics 35, 1964.
    """
    residual = of - to
    bound = as_scalar(delta, residual)
    # With c the residual clamped to ±delta, c·(r − c/2) is h(r) on both sides, and its derivative is c.
    clamped = torch.clamp(residual, -bound, bound)
    return total(clamped * (residual - 0.5 * clamped), weight)


@block("fidelity.poisson")
def poisson(
    of: Annotated[Tensor, vector("V")],
    counts: Annotated[Tensor, vector("V", min=0)],
    blank: Annotated[Tensor, field("V", above=0)],
    unit: Annotated[Scalar, number(above=0)] = 1.0,
    weight: Annotated[Scalar, number(min=0)] = 1.0,
) -> Annotated[Tensor, LOSS]:
    """Poisson likelihood of photon counts behind an absorbing object (Beer and Lambert).

    Parameters
    ----------
    of
        Predicted line integrals of the attenuation, ``(batch, channels, *grid)``.
    counts
        Photons counted, likewise; not negative.
    blank
        Photons expected without an object: a number or one for each datum, above 0.
    unit
        The line integral [dimensionless] that the value 1 of ``of`` stands for; of ``A(x)``, ``data_unit``.
    weight
        Factor in front.

    Returns
    -------
    Tensor
        ``weight · Σ m − counts + counts·log(counts/m)`` with ``m = blank·exp(−unit·of)``: the negative log-likelihood
        less its smallest possible value, so that a perfect prediction has 0.

    Notes
    -----
    Convex in ``of``. Computed as ``counts·(exp(−d) − 1 + d)``, d the distance of ``unit·of`` from
    ``log(blank/counts)``, so that large counts lose no digits in single precision; where nothing was counted as
    ``m``.

    References
    ----------
    Lange, Carson, *EM reconstruction algorithms for emission and transmission tomography*, JCAT 8, 1984.
    """
    line = unit * of
    seen = counts > 0
    away = line - torch.log(blank / torch.where(seen, counts, 1.0))
    # Both branches overflow together or not at all, so the one not chosen cannot bring NaN into the gradient.
    return total(torch.where(seen, counts * (torch.expm1(-away) + away), blank * torch.exp(-line)), weight)
