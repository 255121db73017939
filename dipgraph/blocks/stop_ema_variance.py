"""Early stopping by the exponentially weighted variance of the iterates."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from dipgraph.blocks.lowest import Lowest, Stop
from dipgraph.signatures import block, number, vector, whole


@block("stop.ema_variance", resets=True, differentiable=False, score="the running variance of {watch}")
class RunningVarianceStopper(Lowest):
    """Stop where the iterates vary least, the older ones weighing less: the variance without a window's memory.

    Parameters
    ----------
    decay
        The weight d of the past: about ``1/(1 − d)`` iterates count.
    patience
        Iterations p to wait for a new best.
    factor
        Share δ of the best variance so far that a new best has to fall below.
    watch
        The iterate x_k, ``(1, channels, *grid)``.

    Returns
    -------
    Stop
        ``done``: whether more than p iterations have passed since the best; ``best``: the iterate at the best;
        ``score``: the variance now, infinite before ``1/(1 − d)`` iterates have been seen; ``when``: the number of the
        best iterate, from 1; ``verdict``: a number from 0 to 6, see ``docs/stopping.md``.

    Notes
    -----
    ``VAR(k) = Σ w_j ‖x_j − m‖²`` with ``w_j = d^(k−j) / Σ d^(k−i)`` over j from 1 to k and m the mean with the same
    weights. For large k it is the paper's recurrence, with α = 1 − d: ``m_k = (1 − α) m_(k−1) + α x_k`` and ``VAR(k) =
    (1 − α)(VAR(k−1) + α ‖x_k − m_(k−1)‖²)``; normalised weights do away with where it starts. Iterate k is a new best
    where ``VAR(k) < δ·VAR(best)``; ``done`` where ``k > k_best + p``; until one varies less than the first that counts,
    ``best`` is the present iterate.

    The mean is kept in double precision. Nothing waits for the device. Cost: two passes over an image. Memory: the
    mean and the best image. An iterate that is NaN leaves its trace for good, where a window would let go of it.

    References
    ----------
    Wang et al., *Early stopping for deep image prior*, TMLR 2023, the variant ES-EMV. West, *Updating mean and variance
    estimates: an improved method*, Communications of the ACM 22, 1979.
    """

    state: ClassVar[tuple[str, ...]] = (*Lowest.state, "mean", "spread", "mass")

    def __init__(
        self,
        decay: Annotated[float, number(above=0, below=1)] = 0.99,
        patience: Annotated[int, whole(min=1)] = 1000,
        factor: Annotated[float, number(above=0, max=1)] = 0.99,
    ) -> None:
        self.decay = decay
        # Rounding must not make 1/(1 − 0.9) more than 10.
        self.least = max(2, math.ceil(1 / (1 - decay) - 1e-9))
        super().__init__(patience, factor)

    def reset(self) -> None:
        """Forget the past."""
        super().reset()
        nothing = torch.zeros(())
        self.mean = nothing
        self.spread = nothing
        """The sum of squares, each times its weight."""
        self.mass = 0.0
        """The sum of the weights."""

    def __call__(self, watch: Annotated[Tensor, vector("V", single=True)]) -> Stop:
        """Look at the next iterate."""
        new = watch.double()
        if not self.seen:
            self.mean, self.spread, self.mass = new, new.new_zeros(()), 1.0
        else:
            past = self.decay * self.mass
            self.mass = past + 1
            step = new - self.mean
            self.spread = self.decay * self.spread + past / self.mass * step.square().sum()
            self.mean = self.mean + step / self.mass
        is_early = self.seen + 1 < self.least
        score = torch.full_like(self.spread, torch.inf) if is_early else self.spread / self.mass
        return self.judge(score, watch, void=is_early)
