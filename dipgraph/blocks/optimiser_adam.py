"""Adam, the optimiser of the deep image prior."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from torch.optim import Optimizer

from dipgraph.blocks.optimiser import Closure, Rates, clip_gradients, with_rates
from dipgraph.signatures import OPTIMISER, PARAMETERS, block, number


class ClippedAdam(torch.optim.Adam):
    """Adam on gradients of bounded norm.

    Parameters
    ----------
    groups
        Parameter groups, each with its ``lr``.
    clip
        Largest norm of the gradient; 0 for no bound.
    options
        What :class:`torch.optim.Adam` takes.
    """

    def __init__(self, groups: list[dict[str, Any]], clip: float, **options: Any) -> None:
        super().__init__(groups, **options)
        self.clip = clip

    def step(self, closure: Closure) -> Any:  # type: ignore[override]
        """Evaluate the loss with its gradients, bound them, and take a step."""
        loss = closure()
        clip_gradients(self, self.clip)
        super().step()
        return loss


@block("optimiser.adam")
def adam(
    groups: Annotated[list[dict[str, Any]], PARAMETERS],
    rate: Annotated[Rates, number(above=0, per_target=True)] = 1e-3,
    first: Annotated[float, number(min=0, below=1)] = 0.97,
    second: Annotated[float, number(min=0, below=1)] = 0.97,
    epsilon: Annotated[float, number(min=0)] = 1e-8,
    clip: Annotated[float, number(min=0)] = 0.0,
) -> Annotated[Optimizer, OPTIMISER]:
    """Adam: steps scaled by running moments of the gradient.

    Parameters
    ----------
    groups
        The targets' parameters.
    rate
        Learning rate, one for all targets or one for each.
    first
        Decay β₁ of the running mean of the gradient.
    second
        Decay β₂ of the running mean of its square.
    epsilon
        Added to the root of the second moment.
    clip
        Largest norm of the gradient over all targets, in units of the loss per unit of a parameter; 0 for no bound.

    Returns
    -------
    Optimizer
        Steps ``θ ← θ − rate·m/(√v + epsilon)`` with m and v the bias-corrected means. Torch's fused Adam.

    Notes
    -----
    The decays are equal by default, unlike torch's 0.9 and 0.999. Both means then give each past gradient the same
    weight, so that ``m² ≤ v`` (Jensen): no step moves a parameter by more than the rate, whatever the scale of the
    loss. With 0.999, v forgets slowly: when the gradients of a nearly fitted network grow again, v has not grown with
    them and steps of many times the rate follow, at which the loss blows up. Equal decays cost nothing; set ``first:
    0.9`` and ``second: 0.999`` for the usual Adam.

    References
    ----------
    Kingma, Ba, *Adam: a method for stochastic optimization*, ICLR 2015.
    """
    return ClippedAdam(with_rates(groups, rate), clip, betas=(first, second), eps=epsilon, fused=True)
