"""Projections on balls."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from dipgraph.blocks.values import Scalar, as_scalar, indicator, member_sums, per_member
from dipgraph.signatures import block, field, number, vector, word

ROUNDING = 32
"""What a vector may be longer than the radius and still count as inside, in units of rounding, relative to it."""


def _if_in_ball(x: Tensor, radius: Scalar, centre: Scalar) -> Tensor:
    within = radius * (1 + ROUNDING * torch.finfo(x.dtype).eps)
    return indicator((member_sums((x - centre).square()).sqrt() <= within).all())


@block("project.ball", functional=_if_in_ball)
def ball(
    of: Annotated[Tensor, vector("V")],
    radius: Annotated[Scalar, number(above=0)],
    centre: Annotated[Scalar, field("V")] = 0.0,
) -> Annotated[Tensor, vector("V")]:
    """Projection on a Euclidean ball.

    Parameters
    ----------
    of
        The vector v, ``(batch, channels, *grid)``.
    radius
        The ball's radius r, in units of the vector's norm.
    centre
        The ball's centre c, a number for all entries or a vector.

    Returns
    -------
    Tensor
        ``c + (v − c)·min(1, r/‖v − c‖)``, for each member of a batch.

    Notes
    -----
    For noise of standard deviation σ in m data, the residual's norm is about ``σ√m``: the discrepancy principle takes
    ``r = √(τm)·σ`` with τ about 1.
    """
    away = of - centre
    bound = as_scalar(radius, of)
    norms = member_sums(away.square()).clamp(min=torch.finfo(of.dtype).tiny).sqrt()
    return centre + away * per_member((bound / norms).clamp(max=1), of)


def _if_short(x: Tensor, radius: Scalar, kind: str) -> Tensor:
    lengths = x.abs() if kind == "anisotropic" else torch.linalg.vector_norm(x, dim=-3, keepdim=True)
    return indicator((lengths <= radius * (1 + ROUNDING * torch.finfo(x.dtype).eps)).all())


@block("project.pointwise", functional=_if_short)
def pointwise(
    of: Annotated[Tensor, vector("G[c]")],
    radius: Annotated[Scalar, field("G[c]", min=0)],
    kind: Annotated[str, word("isotropic", "anisotropic")] = "isotropic",
) -> Annotated[Tensor, vector("G[c]")]:
    """Projection of each pixel's gradient on a disc: the dual step of total variation.

    Parameters
    ----------
    of
        The gradients v, ``(batch, channels, 2, rows, columns)``.
    radius
        The radius r: one for all pixels, or one for each, the same in both components.
    kind
        ``isotropic``: no vector longer than r; ``anisotropic``: no component larger than r.

    Returns
    -------
    Tensor
        ``v·min(1, r/|v|)`` with |v| the length at each pixel, or the absolute value of each component.
    """
    squares = of.square()
    if kind == "isotropic":
        squares = squares.sum(dim=-3, keepdim=True)
    lengths = squares.clamp(min=torch.finfo(of.dtype).tiny).sqrt()
    return of * (radius / lengths).clamp(max=1)
