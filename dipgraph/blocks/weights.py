"""Weights that a method computes from its data or its iterates."""

from __future__ import annotations

from typing import Annotated, NamedTuple

import torch
from torch import Tensor

from dipgraph.blocks.setting import Setting
from dipgraph.blocks.values import LinearMap, Scalar, as_scalar, member_sums
from dipgraph.signatures import SETTING, InputError, block, linear_map, number, vector


@block("weights.adaptive")
def adaptive(
    of: Annotated[Tensor, vector("G", single=True)],
    residual: Annotated[Tensor, vector("V", single=True)],
    floor: Annotated[Scalar, number(above=0)] = 1e-3,
) -> Annotated[Tensor, vector("G", single=True)]:
    """Adaptive weights of weighted total variation: large where the image is flat.

    Parameters
    ----------
    of
        The image's gradient d = Dx, ``(1, 1, 2, rows, columns)``.
    residual
        ``Ax − y``, ``(1, channels, *grid)``.
    floor
        Least length of a gradient [image units per pixel] in the quotient.

    Returns
    -------
    Tensor
        ``α_i = ‖residual‖² / (n·max(|d_i|, floor))`` at pixel i of n, the same in both components.

    Notes
    -----
    The balance of ``‖Ax − y‖²`` and ``Σ α_i |d_i|``: each pixel's term is the data term's share of one pixel. The
    floor, which the paper leaves out, keeps flat pixels from an infinite weight.

    References
    ----------
    Cascarano et al., *Combining weighted total variation and deep image prior for natural and medical image restoration
    via ADMM*, ICCSA 2021; the survey's equations 28 to 30.
    """
    lengths = torch.hypot(of[..., 0, :, :], of[..., 1, :, :])
    pixels = lengths[0].numel()
    weights = member_sums(residual.square()) / pixels / torch.maximum(lengths, as_scalar(floor, of))
    return weights.unsqueeze(-3).expand_as(of)


class SirtWeights(NamedTuple):
    """The two diagonal maps of SIRT."""

    columns: Annotated[LinearMap, linear_map("U", "U")]
    rows: Annotated[LinearMap, linear_map("V", "V")]


@block("weights.sirt")
def sirt(of: Annotated[LinearMap, linear_map("U", "V")], setting: Annotated[Setting, SETTING]) -> SirtWeights:
    """Weights of SIRT: one over the column and row sums of a map without negative entries.

    Parameters
    ----------
    of
        The forward operator A.
    setting
        Gives device and precision.

    Returns
    -------
    SirtWeights
        Maps C, from the domain to itself, and R, from the codomain to itself: each entry times one over the sum of the
        matrix's column or row, 0 where that is 0 (a pixel that no ray meets, a ray that meets no pixel).

    Notes
    -----
    ``x ← x + C Aᵀ R (y − Ax)`` then converges to a weighted least-squares solution. The sums are ``Aᵀ1`` and ``A1``.

    References
    ----------
    Gregor, Benson, *Computational analysis and improvement of SIRT*, IEEE TMI 27, 2008.
    """
    pixels = torch.ones(of.domain_shape, device=setting.device, dtype=setting.dtype)
    rays = torch.ones(of.codomain_shape, device=setting.device, dtype=setting.dtype)
    return SirtWeights(_inverse_map(of.adjoint(rays)), _inverse_map(of(pixels)))


def _inverse_map(sums: Tensor) -> LinearMap:
    """Multiplication by one over the sums, and by 0 where they vanish."""
    from dipgraph.operators.pixels import Mask
    from dipgraph.operators.torch_map import TorchMap

    least = torch.finfo(sums.dtype).eps * sums.abs().max()
    if bool((sums < -least).any()):
        raise InputError("weights.sirt needs a map without negative entries", remedy="use it with a ray transform")
    weights = torch.where(sums > least, 1 / sums, 0)
    return TorchMap(Mask(weights.cpu().numpy(), dtype=str(sums.dtype).removeprefix("torch.")))
