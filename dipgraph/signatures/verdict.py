"""What a stopper says of its scores: an enumeration whose members speak for themselves."""

from __future__ import annotations

import enum


class Verdict(enum.IntEnum):
    """What the scores so far show; a stopper hands it out as a whole number, on the device.

    The first ones end a run well; from :attr:`NEVER_IMPROVED` on the score could not tell where to stop.
    """

    WATCHING = 0
    """Nothing has been decided."""
    NOT_FALLEN = 1
    """The score fell, and then reached no new lowest value for as long as the patience says."""
    SETTLED = 2
    """What is watched no longer changes."""
    REACHED = 3
    """The score is where it was to go."""
    NEVER_IMPROVED = 4
    """The first score was the lowest when the patience ran out."""
    CONSTANT = 5
    """The score does not change at all."""
    NOT_FINITE = 6
    """The score is NaN or infinite."""

    @property
    def is_failure(self) -> bool:
        """Whether the score could not tell where to stop."""
        return self >= Verdict.NEVER_IMPROVED

    def said(self, score: str, count: int) -> str:
        """The verdict as a clause.

        Parameters
        ----------
        score
            What the score is, in words.
        count
            Iterations since the best one.
        """
        times = f"{count} iteration{'' if count == 1 else 's'}"
        return {
            Verdict.WATCHING: f"{score} was still watched",
            Verdict.NOT_FALLEN: f"{score} had not fallen for {times}",
            Verdict.SETTLED: f"{score} had settled",
            Verdict.REACHED: f"{score} had come down to where the noise is",
            Verdict.NEVER_IMPROVED: f"{score} never fell below its first value",
            Verdict.CONSTANT: f"{score} did not change at all",
            Verdict.NOT_FINITE: f"{score} was no finite number",
        }[self]
