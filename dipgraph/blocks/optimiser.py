"""Optimisers of a minimise: torch's own, with the gradient's norm kept in bounds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeAlias

import torch
from torch.optim import Optimizer

from dipgraph.blocks.values import Scalar
from dipgraph.signatures import OPTIMISER, PARAMETERS, block, number, whole, word

Closure: TypeAlias = Callable[[], Any]
Rates: TypeAlias = Scalar | Mapping[str, Scalar]
"""One rate for all targets, or one for each by name."""


def with_rates(groups: list[dict[str, Any]], rate: Rates) -> list[dict[str, Any]]:
    """The parameter groups, each with its learning rate as ``lr``."""
    return [group | {"lr": rate[group["name"]] if isinstance(rate, Mapping) else rate} for group in groups]


def clip_gradients(optimiser: Optimizer, bound: float) -> None:
    """Scale the gradients of all groups together so that their joint norm is at most ``bound``; 0 leaves them."""
    if bound > 0:
        parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
        torch.nn.utils.clip_grad_norm_(parameters, bound)


class ClippedSGD(torch.optim.SGD):
    """Stochastic gradient descent on gradients of bounded norm.

    Parameters
    ----------
    groups
        Parameter groups, each with its ``lr``.
    clip
        Largest norm of the gradient; 0 for no bound.
    options
        What :class:`torch.optim.SGD` takes.
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


@block("optimiser.sgd")
def sgd(
    groups: Annotated[list[dict[str, Any]], PARAMETERS],
    rate: Annotated[Rates, number(above=0, per_target=True)],
    momentum: Annotated[float, number(min=0, below=1)] = 0.0,
    clip: Annotated[float, number(min=0)] = 0.0,
) -> Annotated[Optimizer, OPTIMISER]:
    """Gradient descent, with momentum if wished.

    Parameters
    ----------
    groups
        The targets' parameters.
    rate
        Step length, one for all targets or one for each.
    momentum
        Share μ of the last step's velocity that stays.
    clip
        Largest norm of the gradient over all targets, in units of the loss per unit of a parameter; 0 for no bound.

    Returns
    -------
    Optimizer
        Steps ``v ← μv + g``, ``θ ← θ − rate·v``.
    """
    return ClippedSGD(with_rates(groups, rate), clip, momentum=momentum, foreach=True)


@block("optimiser.lbfgs")
def lbfgs(
    groups: Annotated[list[dict[str, Any]], PARAMETERS],
    rate: Annotated[Scalar, number(above=0)] = 1.0,
    history: Annotated[int, whole(min=1)] = 10,
    iterations: Annotated[int, whole(min=1)] = 1,
    search: Annotated[str, word("wolfe", "none")] = "wolfe",
) -> Annotated[Optimizer, OPTIMISER]:
    """L-BFGS: quasi-Newton steps from the last few gradients.

    Parameters
    ----------
    groups
        The targets' parameters.
    rate
        Length of the step, or of the first trial of the line search, in Newton steps.
    history
        Past steps that the curvature is estimated from.
    iterations
        Most quasi-Newton iterations in one gradient step of the minimise.
    search
        ``wolfe``: a line search for the strong Wolfe conditions; ``none``: the full step.

    Returns
    -------
    Optimizer
        Steps ``θ ← θ − rate·H·g`` with g the gradient and H the estimated inverse of the Hessian.

    Notes
    -----
    The loss is evaluated once a step, and again for each trial of the line search. Each step waits for the device a
    few times, to compare losses. All targets share one rate. For losses without
    randomness: perturbed inputs or subsets that change between evaluations mislead the curvature.

    References
    ----------
    Liu, Nocedal, *On the limited memory BFGS method for large scale optimization*, Mathematical Programming 45, 1989.
    """
    parameters = [parameter for group in groups for parameter in group["params"]]
    return torch.optim.LBFGS(
        [{"params": parameters, "name": "all"}],
        lr=rate,
        max_iter=iterations,
        history_size=history,
        tolerance_grad=0.0,
        tolerance_change=0.0,
        line_search_fn="strong_wolfe" if search == "wolfe" else None,
    )
