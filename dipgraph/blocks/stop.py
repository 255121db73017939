"""Early stopping by a number: where it no longer changes, or no longer falls."""

from __future__ import annotations

from typing import Annotated, ClassVar, NamedTuple

import torch
from torch import Tensor

from dipgraph.blocks.values import Scalar, as_scalar
from dipgraph.signatures import SWITCH, block, number, vector, whole


@block("stop.flat", resets=True, differentiable=False)
class FlatStopper:
    """Stop where a number has settled.

    Parameters
    ----------
    patience
        How many times in a row it has to stay as it was.
    tolerance
        The relative change that counts as staying.
    watch
        The number w_k: a residual, a norm, a loss.

    Returns
    -------
    Tensor
        Whether ``|w_k − w_(k−1)| ≤ tolerance·|w_(k−1)|`` held for the last ``patience`` iterations. Stays on the
        device.
    """

    state: ClassVar[tuple[str, ...]] = ("previous", "settled")

    def __init__(
        self,
        patience: Annotated[int, whole(min=1)] = 3,
        tolerance: Annotated[float, number(min=0)] = 1e-3,
    ) -> None:
        self.patience, self.tolerance = patience, tolerance
        self.reset()

    def reset(self) -> None:
        """Forget the past."""
        self.previous: Tensor | None = None
        self.settled: Tensor | None = None

    def __call__(self, watch: Annotated[Scalar, number()]) -> Annotated[Tensor, SWITCH]:
        """Look at the next number."""
        value = torch.as_tensor(watch).detach().clone()
        if self.previous is None or self.settled is None:
            self.settled = torch.zeros_like(value, dtype=torch.int64)
        else:
            stays = (value - self.previous).abs() <= self.tolerance * self.previous.abs()
            self.settled = torch.where(stays, self.settled + 1, 0)
        self.previous = value
        return self.settled >= self.patience


class RiseStop(NamedTuple):
    """What the stopper says of the iterates so far."""

    done: Annotated[Tensor, SWITCH]
    best: Annotated[Tensor, vector("V")]
    score: Annotated[Tensor, number()]
    when: Annotated[Tensor, whole(min=1)]


@block("stop.rise", resets=True, differentiable=False)
class RiseStopper:
    """Stop where a number no longer falls: the error on held-out data, say.

    Parameters
    ----------
    patience
        Iterations p to wait for a new lowest value.
    factor
        Share of the lowest value so far that a new one has to fall below.
    watch
        The number w_k.
    keep
        The image that belongs to it, ``(1, channels, *grid)``.

    Returns
    -------
    RiseStop
        ``done``: whether more than p iterations have passed since the lowest value; ``best``: the image kept then;
        ``score``: the lowest value; ``when``: its iteration, from 1.

    Notes
    -----
    Iteration k is a new best where ``w_k < factor·w_best``; the first is one. NaN never is. Nothing waits for the
    device.
    """

    state: ClassVar[tuple[str, ...]] = ("seen", "best", "score", "index")

    def __init__(
        self,
        patience: Annotated[int, whole(min=1)] = 100,
        factor: Annotated[float, number(above=0, max=1)] = 1.0,
    ) -> None:
        self.patience, self.factor = patience, factor
        self.reset()

    def reset(self) -> None:
        """Forget the past."""
        self.seen = 0
        self.best: Tensor | None = None
        self.score: Tensor | None = None
        self.index: Tensor | None = None

    def __call__(
        self, watch: Annotated[Scalar, number()], keep: Annotated[Tensor, vector("V", single=True)]
    ) -> RiseStop:
        """Look at the next number."""
        value = as_scalar(watch, keep.new_empty((), dtype=torch.float64)).detach()
        self.seen += 1
        if self.best is None or self.score is None or self.index is None:
            self.best, self.score = keep.clone(), torch.nan_to_num(value, nan=torch.inf, posinf=torch.inf)
            self.index = torch.full((), self.seen, dtype=torch.int64, device=keep.device)
        else:
            better = value < self.factor * self.score
            self.best = torch.where(better, keep, self.best)
            self.score = torch.where(better, value, self.score)
            self.index = torch.where(better, self.seen, self.index)
        return RiseStop(self.seen - self.index > self.patience, self.best, self.score, self.index)
