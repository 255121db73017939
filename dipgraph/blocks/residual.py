"""What is left in a residual beside noise, as a number that a stopper watches."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from dipgraph.signatures import InputError, block, number, vector, whole


@block("residual.whiteness", differentiable=False)
def whiteness(
    of: Annotated[Tensor, vector("V", single=True)],
    lags: Annotated[int, whole(min=1)] = 3,
) -> Annotated[Tensor, number(min=0)]:
    """How far a residual is from white noise, along the detector and between views: about 1 for white noise.

    Parameters
    ----------
    of
        The residual r = A(x) − y, ``(1, channels, views, detectors)``.
    lags
        The largest distance L [detector pixels, views] at which values are compared.

    Returns
    -------
    Tensor
        The mean of ``N² ρ_l² / N_l`` over the lags l from 1 to L along the detector and between views, as far as the
        grid has them.

    Notes
    -----
    ``ρ_l = Σ r_i r_(i+l) / Σ r_i²`` is the autocorrelation, over the N_l pairs that lie l apart, of N values. For white
    noise of mean 0 its variance is about ``N_l / N²``, so that each term has the expectation 1, whatever the noise
    level; what an image has not fitted yet is smooth and gives much more. A mean that is not 0 counts as correlation.
    It needs no noise level, and misleads where the noise itself is correlated. It is to be watched by ``stop.rise``.

    The views are compared as they follow in the data; the last and the first are not. Cost: 2L passes over the data.
    A residual of 0 gives NaN.

    References
    ----------
    Box, Pierce, *Distribution of residual autocorrelations in autoregressive-integrated moving average time series
    models*, JASA 65, 1970. Almeida, Figueiredo, *Parameter estimation for blind and non-blind deblurring using residual
    whiteness measures*, IEEE TIP 22, 2013.
    """
    if of.ndim != 4:
        raise InputError(
            f"residual.whiteness needs data with views and detectors, and got vectors of {of.ndim - 2} axes",
            remedy="give it the whole residual, or hold out whole views: a list of rays has lost its neighbours",
        )
    values = of.double()
    energy = values.square().sum()
    terms = []
    for axis in (-1, -2):
        size = values.shape[axis]
        for lag in range(1, min(int(lags), size - 1) + 1):
            product = values.narrow(axis, 0, size - lag) * values.narrow(axis, lag, size - lag)
            terms.append((product.sum() / energy * values.numel()).square() / product.numel())
    if not terms:
        raise InputError("residual.whiteness needs at least two values and got one")
    return torch.stack(terms).mean()
