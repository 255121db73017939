"""Penalties: what an image (or a split variable) should not have. Sums over the entries, averaged over a batch."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from dipgraph.blocks.gradient import gradient
from dipgraph.blocks.values import Scalar, total
from dipgraph.signatures import LOSS, block, number, vector, word


@block("penalty.l2")
def l2(of: Annotated[Tensor, vector("V")], weight: Annotated[Scalar, number(min=0)] = 1.0) -> Annotated[Tensor, LOSS]:
    """Half the squared norm.

    Parameters
    ----------
    of
        The vector, ``(batch, channels, *grid)``.
    weight
        Factor in front.

    Returns
    -------
    Tensor
        ``weight/2 · ‖of‖²``.

    Notes
    -----
    A sum over the entries. With ‖A‖ = 1, twice the resolution of the same images quadruples both ``‖x − u‖²`` and the
    ``‖Ax − y‖²`` that it balances: the weight of such a coupling carries over.
    """
    return total(of.square(), 0.5 * weight)


@block("penalty.tv")
def tv(
    of: Annotated[Tensor, vector("X[c]")],
    weight: Annotated[Scalar, number(min=0)] = 1.0,
    kind: Annotated[str, word("isotropic", "anisotropic")] = "isotropic",
    smoothing: Annotated[Scalar, number(above=0)] = 1e-3,
) -> Annotated[Tensor, LOSS]:
    """Total variation: the sum of the lengths of the image's gradients, smoothed at 0 so that it has a derivative.

    Parameters
    ----------
    of
        The image, ``(batch, channels, rows, columns)``.
    weight
        Factor in front.
    kind
        ``isotropic``: the Euclidean length of each pixel's gradient; ``anisotropic``: the sum of the absolute
        differences to the next row and column.
    smoothing
        The difference ε between neighbours [image units] below which the penalty is quadratic.

    Returns
    -------
    Tensor
        ``weight · Σ (√(|∇of|² + ε²) − ε)``, or with each difference for itself where anisotropic.

    Notes
    -----
    ∇ is the forward difference to the next row and column [image units per pixel], 0 past the border. The smoothed
    value lies below the exact one by at most ε a pixel (2ε if anisotropic); the derivative never exceeds that of the
    exact one. Twice the resolution of the same image doubles the sum, whereas with ‖A‖ = 1 it quadruples
    ``‖Ax − y‖²``: the weight has to double with the number of rows.

    References
    ----------
    Rudin, Osher, Fatemi, *Nonlinear total variation based noise removal algorithms*, Physica D 60, 1992.
    """
    squares = gradient(of).square()
    if kind == "isotropic":
        squares = squares.sum(dim=-3)
    return total(torch.sqrt(squares + smoothing * smoothing) - smoothing, weight)
