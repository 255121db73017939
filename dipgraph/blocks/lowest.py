"""The rule that stoppers share: the lowest of the scores so far, how long ago it was, and what they show."""

from __future__ import annotations

from typing import Annotated, ClassVar, NamedTuple

import torch
from torch import Tensor

from dipgraph.signatures import SWITCH, Verdict, number, vector, whole

UNCHANGED = 1e-12
"""The relative change of a score up to which it counts as the same."""


class Stop(NamedTuple):
    """What a stopper says of the iterates so far."""

    done: Annotated[Tensor, SWITCH]
    best: Annotated[Tensor, vector("V")]
    score: Annotated[Tensor, number()]
    when: Annotated[Tensor, whole(min=1)]
    verdict: Annotated[Tensor, whole(min=0)]


class Lowest:
    """Keeps the image of the lowest score, and says when no lower one has come for long enough.

    Call k has a new best where its score is finite, below δ times the lowest so far (below (2 − δ) times, where that is
    negative), and not the one before but for rounding. ``done`` where ``k > k_best + p``, k_best being at first the
    first call that counts. As long as no score has improved on the first one, ``best`` is the present image: the first
    is a network's that has learnt nothing.

    The verdict is ``NOT_FINITE`` where no score was finite for more than p calls, or none ever was; else ``CONSTANT``
    where none differed from the one before by more than 1e-12 of it for more than p calls, or none ever did; else
    ``NEVER_IMPROVED`` or ``NOT_FALLEN`` once done; else ``WATCHING``. Nothing waits for the device. Memory: one image.

    Where only every n-th call is looked at, and the first, the scores between are as if they had not been, though all
    calls count; a patience below n is n then, so that no single look decides.

    Parameters
    ----------
    patience
        Calls p to wait for a new best.
    factor
        The share δ.
    every
        Calls n from one look to the next.
    """

    state: ClassVar[tuple[str, ...]] = (
        "seen", "best", "lowest", "last", "improved", "first", "times", "done", "verdict",
    )  # fmt: skip

    def __init__(self, patience: int, factor: float, every: int = 1) -> None:
        self.patience, self.factor, self.every = max(patience, every), factor, every
        self.reset()

    def reset(self) -> None:
        """Forget the past."""
        self.seen = 0
        nothing = torch.zeros(())
        self.best = nothing
        self.lowest = nothing
        """The lowest finite score; infinite before there is one."""
        self.last = nothing
        """The score before, NaN where it was not finite."""
        self.improved = nothing
        """Whether a score has improved on the first finite one."""
        self.first = nothing
        """The first call that counts; 0 before there is one."""
        self.times = nothing
        """The calls of the lowest score, of the last finite one, and of the last that was not as the one before."""
        self.done = nothing
        self.verdict = nothing

    def judge(self, score: Tensor, keep: Tensor, *, void: Tensor | bool = False) -> Stop:
        """Take the next score and its image; where it is looked at, a few dozen operations on single numbers.

        Parameters
        ----------
        score
            The score, without dimensions, in double precision.
        keep
            Its image.
        void
            Whether it is no score yet. Calls from the first one on, as long as that is so, do not count.
        """
        if not self.seen:
            self.lowest, self.last = torch.full_like(score, torch.inf), torch.full_like(score, torch.nan)
            self.improved = torch.zeros_like(score, dtype=torch.bool)
            self.first = torch.zeros_like(score, dtype=torch.int64)
            self.times, self.verdict = self.first.expand(3), self.first
            self.done = self.improved
            self.best = keep
        self.seen += 1
        if self.seen == 1 or self.seen % self.every == 0:
            self._look(score, keep, void)
        else:
            self.best = torch.where(self.improved, self.best, keep)
        when = torch.where(self.improved, self.times[0], self.seen)
        return Stop(self.done, self.best, score, when, self.verdict)

    def _look(self, score: Tensor, keep: Tensor, void: Tensor | bool) -> None:
        """Go by the score of this call."""
        seen, begins = self.seen, self.first == 0
        waits = begins & void
        is_finite = (score.abs() < torch.inf) & ~waits
        score = torch.where(is_finite, score, torch.nan)  # which is neither lower than a number nor the same
        moved = ~((score - self.last).abs() <= UNCHANGED * self.last.abs())
        better = (score < self._bound()) & moved
        self.improved = self.improved | (better & (self.lowest < torch.inf))
        self.lowest = torch.where(better, score, self.lowest)
        self.last = score
        self.times = torch.where(torch.stack([better | begins, is_finite | begins, moved]), seen, self.times)
        self.first = torch.where(begins ^ waits, seen, self.first)
        self.best = torch.where(better | ~self.improved, keep, self.best)
        late = seen - self.times > self.patience
        self.done, self.verdict = late[0], self._verdict(*late)

    def _bound(self) -> Tensor:
        """What a new lowest score has to be below."""
        if self.factor == 1:
            return self.lowest
        return torch.where(self.lowest < 0, (2 - self.factor) * self.lowest, self.factor * self.lowest)

    def _verdict(self, is_tired: Tensor, is_unknown: Tensor, is_constant: Tensor) -> Tensor:
        """The verdict, of what has not come for more than p calls: a lower, a finite, another score."""
        never_finite = (self.lowest == torch.inf) & (self.first > 0)
        never_changed = (self.times[2] == self.first) & (self.first < self.seen)
        tired = torch.where(self.improved, int(Verdict.NOT_FALLEN), int(Verdict.NEVER_IMPROVED))
        said = torch.where(is_tired, tired, int(Verdict.WATCHING))
        said = torch.where(is_constant | never_changed, int(Verdict.CONSTANT), said)
        return torch.where(is_unknown | never_finite, int(Verdict.NOT_FINITE), said)
