"""Stein's unbiased risk estimate, as a number that a stopper watches."""

from __future__ import annotations

from typing import Annotated, NamedTuple

from torch import Tensor

from dipgraph.blocks.values import Scalar, as_scalar
from dipgraph.signatures import block, number, vector


class Risk(NamedTuple):
    """The estimate, and the part of it that is estimated at random."""

    risk: Annotated[Tensor, number()]
    divergence: Annotated[Tensor, number()]


@block("sure.generalised", differentiable=False)
def generalised(
    of: Annotated[Tensor, vector("V", single=True)],
    perturbed: Annotated[Tensor, vector("V", single=True)],
    probe: Annotated[Tensor, vector("V", single=True)],
    to: Annotated[Tensor, vector("V", single=True)],
    sigma: Annotated[Scalar, number(min=0)],
    epsilon: Annotated[Scalar, number(above=0)],
) -> Risk:
    """The error of the fitted data, estimated without knowing the true ones: SURE in the space of the data.

    Parameters
    ----------
    of
        What is fitted, ``h(y) = A(f(z(y)))``, the network's input z being made of the data; ``(1, channels, *grid)``.
    perturbed
        The same of perturbed data, ``h(y + εb)``, with the same weights.
    probe
        The direction b: values of mean 0 and variance 1, such as ``noise.gaussian`` of ``zeros(Y)`` with ``std: 1``.
    to
        The data y.
    sigma
        Standard deviation σ of their noise, white and Gaussian, in their unit.
    epsilon
        The length ε of the perturbation, in the data's unit: small against σ, large against rounding.

    Returns
    -------
    Risk
        ``risk``: ``‖h(y) − y‖² − mσ² + 2σ² div``, m being the number of data: for fixed weights its expectation is that
        of ``‖h(y) − Ax*‖²``, x* being the true image; ``divergence``: ``div = ⟨b, h(y + εb) − h(y)⟩ / ε``.

    Notes
    -----
    Both are random: for a linear h with the symmetric matrix H and a normal probe the divergence has the mean tr H and
    the standard deviation √2·‖H‖, in Frobenius' norm.

    The limits are plain. The weights are taken as fixed, though they were fitted to y: that part of the divergence is
    not seen, and the estimate is too low once the weights fit the noise. The network's input must depend on the data
    (``fbp(y)``, ``adjoint(A)(y)``); with noise as its input the divergence is 0. The risk is that of the data, so that
    errors which A does not see do not count: it is the generalised estimate for the projection on the range of A.

    Cost: of this block, three passes over the data; of what it is fed, a forward pass of the network, an input and an
    application of A more for each evaluation. Evaluate it once in several steps. Nothing waits for the device.

    References
    ----------
    Stein, *Estimation of the mean of a multivariate normal distribution*, Annals of Statistics 9, 1981. Ramani, Blu,
    Unser, *Monte-Carlo SURE: a black-box optimization of regularization parameters for general denoising algorithms*,
    IEEE TIP 17, 2008. Eldar, *Generalized SURE for exponential families: applications to regularization*, IEEE TSP 57,
    2009. Jo, Chun, Choi, *Rethinking deep image prior for denoising*, ICCV 2021.
    """
    fitted = of.detach().double()
    length = as_scalar(epsilon, fitted)
    divergence = (probe.double() * (perturbed.detach().double() - fitted)).sum() / length
    variance = as_scalar(sigma, fitted).square()
    risk = (fitted - to.double()).square().sum() + variance * (2 * divergence - fitted.numel())
    return Risk(risk, divergence)
