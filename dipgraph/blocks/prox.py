"""Proximal maps with a closed form: argmin over x of ``½‖x − of‖² + weight·g(x)``."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from dipgraph.blocks.values import Scalar, indicator
from dipgraph.signatures import InputError, block, field, number, vector


def _absolute(x: Tensor, weight: Scalar) -> Tensor:
    return (weight * x.abs()).sum()


@block("prox.l1", functional=_absolute)
def l1(
    of: Annotated[Tensor, vector("V")], weight: Annotated[Scalar, field("V", min=0)]
) -> Annotated[Tensor, vector("V")]:
    """Soft threshold: the proximal map of the sum of absolute values.

    Parameters
    ----------
    of
        The vector v, ``(batch, channels, *grid)``.
    weight
        The threshold γ, one for all entries or one for each.

    Returns
    -------
    Tensor
        ``sign(v)·max(|v| − γ, 0)``, the proximal map of ``γ‖·‖₁``.

    References
    ----------
    Parikh, Boyd, *Proximal algorithms*, 2014, section 6.5.2.
    """
    return torch.sign(of) * (of.abs() - weight).clamp(min=0)


def _grouped(x: Tensor, weight: Scalar) -> Tensor:
    lengths = torch.linalg.vector_norm(x, dim=-3, keepdim=True).expand_as(x)
    total: Tensor = (weight * lengths).sum() / x.shape[-3]
    return total


@block("prox.l21", functional=_grouped)
def l21(
    of: Annotated[Tensor, vector("G[c]")], weight: Annotated[Scalar, field("G[c]", min=0)]
) -> Annotated[Tensor, vector("G[c]")]:
    """Group shrinkage: each pixel's gradient is shortened by the weight, to 0 at most.

    Parameters
    ----------
    of
        The gradients v, ``(batch, channels, 2, rows, columns)``.
    weight
        The weight γ: one for all pixels, or one for each, the same in both components.

    Returns
    -------
    Tensor
        ``v·max(1 − γ/|v|, 0)`` with |v| the length at each pixel: the proximal map of ``Σ γ_i |v_i|``.

    References
    ----------
    Parikh, Boyd, *Proximal algorithms*, 2014, section 6.5.4.
    """
    return of * (1 - weight / _lengths(of)).clamp(min=0)


def _squared(x: Tensor, weight: Scalar, to: Scalar) -> Tensor:
    return (weight * (x - to).square()).sum() / 2


@block("prox.l2", functional=_squared)
def l2(
    of: Annotated[Tensor, vector("V")],
    weight: Annotated[Scalar, field("V", min=0)],
    to: Annotated[Scalar, field("V")] = 0.0,
) -> Annotated[Tensor, vector("V")]:
    """Shrink towards a point: the proximal map of half the squared distance from it.

    Parameters
    ----------
    of
        The vector v, ``(batch, channels, *grid)``.
    weight
        The weight γ, one for all entries or one for each.
    to
        The point b, a number for all entries or a vector.

    Returns
    -------
    Tensor
        ``(v + γb)/(1 + γ)``, the proximal map of ``γ/2·‖· − b‖²``.
    """
    return (of + weight * to) / (1 + weight)


def _if_nonnegative(x: Tensor) -> Tensor:
    return indicator((x >= 0).all())


@block("prox.nonnegative", functional=_if_nonnegative)
def nonnegative(of: Annotated[Tensor, vector("V")]) -> Annotated[Tensor, vector("V")]:
    """Negative entries become 0: the projection on the non-negative vectors.

    Parameters
    ----------
    of
        The vector v, ``(batch, channels, *grid)``.

    Returns
    -------
    Tensor
        ``max(v, 0)``, the proximal map of the indicator of ``v ≥ 0`` whatever its weight.
    """
    return of.clamp(min=0)


def _if_in_box(x: Tensor, low: Scalar, high: Scalar) -> Tensor:
    least, most = (torch.as_tensor(end, dtype=x.dtype, device=x.device) for end in (low, high))
    return indicator(((x >= least) & (x <= most)).all())


@block("prox.box", functional=_if_in_box)
@block("project.box", functional=_if_in_box)
def box(
    of: Annotated[Tensor, vector("V")],
    low: Annotated[Scalar, number()] = 0.0,
    high: Annotated[Scalar, number()] = 1.0,
) -> Annotated[Tensor, vector("V")]:
    """Entries outside an interval move to its nearer end: the projection on a box.

    Parameters
    ----------
    of
        The vector v, ``(batch, channels, *grid)``.
    low
        Lower end of the interval.
    high
        Upper end of the interval.

    Returns
    -------
    Tensor
        ``min(max(v, low), high)``, the proximal map of the box's indicator whatever its weight. NaN where the ends are
        computed on the device, and the box is empty.
    """
    least, most = (torch.as_tensor(end, dtype=of.dtype, device=of.device) for end in (low, high))
    if isinstance(low, Tensor) or isinstance(high, Tensor):
        return torch.where(least <= most, of.clamp(least, most), torch.nan)
    if low > high:
        raise InputError(f"the box is empty: it goes from {low:g} to {high:g}", remedy="let low be at most high")
    return of.clamp(least, most)


def _lengths(fields: Tensor) -> Tensor:
    """The length of each pixel's vector, ``(batch, channels, 1, rows, columns)``, never 0 and smooth at 0."""
    squares = fields.square().sum(dim=-3, keepdim=True)
    return squares.clamp(min=torch.finfo(fields.dtype).tiny).sqrt()
