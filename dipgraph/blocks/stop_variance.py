"""Early stopping by the windowed variance of the iterates."""

from __future__ import annotations

from typing import Annotated, ClassVar, NamedTuple

import torch
from torch import Tensor

from dipgraph.signatures import SWITCH, block, number, vector, whole


class VarianceStop(NamedTuple):
    """What the stopper says of the iterates so far."""

    done: Annotated[Tensor, SWITCH]
    best: Annotated[Tensor, vector("V")]
    score: Annotated[Tensor, number(min=0)]
    when: Annotated[Tensor, whole(min=1)]


@block("stop.variance", resets=True, differentiable=False)
class VarianceStopper:
    """Stop where the iterates vary least over a window, before they start to fit the noise.

    Parameters
    ----------
    window
        Iterates W in the window.
    patience
        Iterations p to wait for a new best.
    factor
        Share δ of the best variance so far that a new best has to fall below.
    watch
        The iterate x_k, ``(1, channels, *grid)``.

    Returns
    -------
    VarianceStop
        ``done``: whether more than p iterations have passed since the best; ``best``: the iterate at the best, the
        end of its window; ``score``: the variance now, infinite before the first window is full; ``when``: the
        number of the best iterate, from 1.

    Notes
    -----
    ``VAR(k) = 1/W Σ ‖x_j − m‖²``, j from k − W + 1 to k and m their mean. Iterate k is a new best where ``VAR(k) <
    δ·VAR(best)``; the first full window is one. ``done`` where ``k > k_best + p``. Before the first window is full,
    ``best`` is the present iterate and ``done`` false.

    The mean and the sum of squares are updated by Welford's recurrence in double precision, at the cost of one iterate
    and not of W of them, and computed afresh once every W iterations, so that no rounding error lasts longer than that.
    Nothing waits for the device. Memory: W iterates.

    The survey finds the rule "severely suboptimal" for tomography: it stops late, 2.5 dB below the peak for the plain
    method.

    References
    ----------
    Wang et al., *Early stopping for deep image prior*, TMLR 2023. Welford, *Note on a method for calculating corrected
    sums of squares and products*, Technometrics 4, 1962.
    """

    state: ClassVar[tuple[str, ...]] = ("seen", "history", "mean", "spread", "best", "lowest", "index")

    def __init__(
        self,
        window: Annotated[int, whole(min=2)] = 100,
        patience: Annotated[int, whole(min=1)] = 1000,
        factor: Annotated[float, number(above=0, max=1)] = 0.99,
    ) -> None:
        self.window, self.patience, self.factor = window, patience, factor
        self.reset()

    def reset(self) -> None:
        """Forget the past."""
        self.seen = 0
        self.history: Tensor | None = None
        self.mean: Tensor | None = None
        self.spread: Tensor | None = None
        self.best: Tensor | None = None
        self.lowest: Tensor | None = None
        self.index: Tensor | None = None

    def __call__(self, watch: Annotated[Tensor, vector("V", single=True)]) -> VarianceStop:
        """Look at the next iterate."""
        variance = self._variance(watch)
        if self.best is None or self.lowest is None or self.index is None or self.seen <= self.window:
            self.best, self.lowest = watch.clone(), variance
            self.index = torch.full((), self.seen, dtype=torch.int64, device=watch.device)
        else:
            better = variance < self.factor * self.lowest
            self.best = torch.where(better, watch, self.best)
            self.lowest = torch.where(better, variance, self.lowest)
            self.index = torch.where(better, self.seen, self.index)
        # Before the first window is full the index is the present iterate's: nothing is done then.
        done = self.seen - self.index > self.patience
        return VarianceStop(done, self.best, variance, self.index)

    def _variance(self, watch: Tensor) -> Tensor:
        """Take the iterate into the window; the variance over it, infinite until it is full."""
        if self.history is None or self.mean is None or self.spread is None:
            self.history = watch.new_zeros(self.window, *watch.shape)
            self.mean = watch.double()
            self.spread = self.mean.new_zeros(())
        place = self.seen % self.window
        new, old = watch.double(), self.history[place].to(torch.float64, copy=True)
        self.history[place] = watch
        self.seen += 1
        if place == self.window - 1:
            self._start_afresh()
        elif self.seen > self.window:
            mean = self.mean + (new - old) / self.window
            self.spread = self.spread + ((new - old) * (new - mean + old - self.mean)).sum()
            self.mean = mean
        if self.seen < self.window:
            return torch.full_like(self.spread, torch.inf)
        return self.spread.clamp(min=0) / self.window

    def _start_afresh(self) -> None:
        """Mean and sum of squares of the whole window, without the recurrence."""
        assert self.history is not None
        self.mean = self.history.mean(dim=0, dtype=torch.float64)
        self.spread = self.mean.new_zeros(())
        for iterate in self.history:
            self.spread = self.spread + (iterate - self.mean).square().sum()
