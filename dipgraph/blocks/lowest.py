"""The rule that stoppers share: the lowest of the scores so far, how long ago it was, and what they show."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from dipgraph.signatures import Verdict

UNCHANGED = 1e-12
"""The relative change of a score up to which it counts as the same."""


class Judged(NamedTuple):
    """What the rule says of the scores so far."""

    done: Tensor
    best: Tensor
    when: Tensor
    verdict: Tensor


class Lowest:
    """Keeps the image of the lowest score, and says when no lower one has come for long enough.

    Call k has a new best where its score is finite, below δ times the lowest so far (below (2 − δ) times, where that is
    negative), and not the one before but for rounding. ``done`` where ``k > k_best + p``, k_best being at first the
    first call that counts. As long as no score has improved on the first one, ``best`` is the present image: the first
    is a network's that has learnt nothing.

    The verdict is ``NOT_FINITE`` where no score was finite for more than p calls, or none ever was; else ``CONSTANT``
    where none differed from the one before by more than 1e-12 of it for more than p calls, or none ever did; else
    ``NEVER_IMPROVED`` or ``NOT_FALLEN`` once done; else ``WATCHING``. Nothing waits for the device. Memory: one image.

    Parameters
    ----------
    patience
        Calls p to wait for a new best.
    factor
        The share δ.
    """

    state: ClassVar[tuple[str, ...]] = ("seen", "best", "lowest", "last", "first", "index", "changed", "known",
                                        "improved")  # fmt: skip

    def __init__(self, patience: int, factor: float) -> None:
        self.patience, self.factor = patience, factor
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
        self.first = nothing
        """The first call that counts; 0 before there is one. As the next three a whole number on the device."""
        self.index = nothing
        """The call of the lowest score."""
        self.changed = nothing
        """The last call whose score was not that of the one before."""
        self.known = nothing
        """The last call whose score was finite."""
        self.improved = nothing
        """Whether a score has improved on the first finite one."""

    def judge(self, score: Tensor, keep: Tensor, *, idle: Tensor | bool = False) -> Judged:
        """Take the next score and its image.

        Parameters
        ----------
        score
            The score, without dimensions, in double precision.
        keep
            Its image.
        idle
            Whether the call does not count, since there is no score yet; may be true at the first calls only.
        """
        if not self.seen:
            self._begin(score, keep)
        self.seen += 1
        seen = self.seen
        if not isinstance(idle, Tensor):
            idle = torch.full_like(self.improved, idle)
        begins = ~idle & (self.first == 0)
        self.first = torch.where(begins, seen, self.first)
        anew = begins | idle
        stays = (score - self.last).abs() <= UNCHANGED * self.last.abs()
        is_finite = torch.isfinite(score) & ~idle
        bound = torch.where(self.lowest < 0, (2 - self.factor) * self.lowest, self.factor * self.lowest)
        better = is_finite & (score < bound) & ~stays
        self.improved = self.improved | (better & (self.lowest < torch.inf))
        self.lowest = torch.where(better, score, self.lowest)
        self.index = torch.where(better | anew, seen, self.index)
        self.known = torch.where(is_finite | idle, seen, self.known)
        self.changed = torch.where(stays & ~anew, self.changed, seen)
        self.last = torch.where(is_finite, score, torch.nan)
        self.best = torch.where(better | ~self.improved, keep, self.best)
        done = seen - self.index > self.patience
        return Judged(done, self.best, torch.where(self.improved, self.index, seen), self._verdict(done))

    def _begin(self, score: Tensor, keep: Tensor) -> None:
        """Take the device from the first score."""
        self.best = keep
        self.first = self.index = self.changed = self.known = torch.zeros((), dtype=torch.int64, device=keep.device)
        self.improved = torch.zeros((), dtype=torch.bool, device=keep.device)
        self.lowest = torch.full_like(score, torch.inf)
        self.last = torch.full_like(score, torch.nan)

    def _verdict(self, done: Tensor) -> Tensor:
        has_begun = self.first > 0
        never_finite = has_begun & torch.isinf(self.lowest)
        never_changed = has_begun & (self.changed == self.first) & (self.first < self.seen)
        is_constant = never_changed | (self.seen - self.changed > self.patience)
        is_unknown = never_finite | (self.seen - self.known > self.patience)
        tired = torch.where(self.improved, int(Verdict.NOT_FALLEN), int(Verdict.NEVER_IMPROVED))
        said = torch.where(done, tired, int(Verdict.WATCHING))
        said = torch.where(is_constant, int(Verdict.CONSTANT), said)
        return torch.where(is_unknown, int(Verdict.NOT_FINITE), said)
