"""How a run ended: an enumeration whose values advise, and the end told in words and in numbers."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from dipgraph.engine.executor import Executor
from dipgraph.engine.explain import Reading, delivered_step, failure, monitors_of, read, readings_of, why
from dipgraph.engine.machine import CompiledLoop
from dipgraph.signatures import Verdict


class Outcome(enum.StrEnum):
    """How a run ended; the value is what it means for the user."""

    COMPLETED = "ran to the end of its budget, or to the step asked for"
    STOPPED = "stopped by the recipe's own rule"
    NEVER_IMPROVED = "no score was below the first: raise the patience, lower the rate, or watch something else"
    CONSTANT_SCORE = "the score never changes: watch something that depends on the image, or raise the rate"
    SCORE_NOT_FINITE = "the score is NaN or infinite: look at what is watched, at a noise level of 0, or lower the rate"
    INTERRUPTED = "interrupted; what was reached is kept"
    DIVERGED = "diverged; the last good state is kept"
    UNDER_WAY = "under way; this is what was reached so far"

    @property
    def is_final(self) -> bool:
        """Whether there is nothing to go on with."""
        return self not in (Outcome.INTERRUPTED, Outcome.DIVERGED, Outcome.UNDER_WAY)

    @classmethod
    def is_end(cls, name: object) -> bool:
        """Whether a summary's word for its outcome is one of a run that came to its end."""
        known = cls.__members__.get(str(name).upper())
        return known is not None and known.is_final


OF_FAILURES = {
    Verdict.NEVER_IMPROVED: Outcome.NEVER_IMPROVED,
    Verdict.CONSTANT: Outcome.CONSTANT_SCORE,
    Verdict.NOT_FINITE: Outcome.SCORE_NOT_FINITE,
}


@dataclass(frozen=True)
class End:
    """How a run ended.

    Parameters
    ----------
    outcome
        The kind of end.
    explanation
        In one sentence: where, why, and from which step the image is.
    delivered_step
        The step that the image is from; none where it was made of more than that.
    readings
        What each stopper said: when the run stopped, else last.
    """

    outcome: Outcome
    explanation: str
    delivered_step: int | None
    readings: list[Reading]


def conclude(executor: Executor, *, run_on: bool, is_diverged: bool, is_interrupted: bool) -> End:
    """How a run ended, or stands; waits for the device."""
    loops = [item for item in executor.machine.calls.items if isinstance(item, CompiledLoop)]
    steps, stop, ended = executor.steps, executor.stopped_at, executor.ending
    now = read(monitors_of(executor.machine.calls), executor.machine.slots, executor.marks)
    delivered = delivered_step(now, steps, images=len(loops) == 1 and loops[0].images)
    if is_diverged or is_interrupted or executor.frames:
        outcome = Outcome.DIVERGED if is_diverged else Outcome.INTERRUPTED if is_interrupted else Outcome.UNDER_WAY
        how = "diverged; this is the state of" if is_diverged else f"{outcome.name.lower().replace('_', ' ')} at"
        said = f"{how} step {steps}"
        return End(outcome, _with_image(said, delivered), delivered, now)
    if stop is None or ended is None:
        failed = failure(now, stopped=False)
        said = _to_the_end(executor) + (f": {failed.clause}" if failed else "")
        outcome = OF_FAILURES[failed.verdict] if failed else Outcome.COMPLETED
        return End(outcome, _with_image(said, delivered), delivered, now)
    then = readings_of(ended)
    failed = failure(then, stopped=True)
    if not run_on or executor.delivered is not None:
        delivered = delivered_step(then, stop, images=ended["images"])
    said = f"{'would have ' if run_on else ''}stopped at step {stop}: {why(then, ended['test'])}"
    said = _with_image(said, delivered) + (f", and ran on to step {steps}" if run_on else "")
    return End(OF_FAILURES[failed.verdict] if failed else Outcome.STOPPED, said, delivered, then)


def _to_the_end(executor: Executor) -> str:
    """How far a run came that no rule of its recipe ended."""
    steps, asked = executor.steps, executor.stop_at
    if asked is None:
        return f"ran to the end of its budget of {steps}"
    if steps < asked:
        return f"ran to the end of its budget of {steps}, before step {asked}, at which it was asked to stop"
    return f"ran to step {steps}, as asked" + (
        f" (the first after {asked} at which the run can end)" if steps > asked else ""
    )


def _with_image(said: str, step: int | None) -> str:
    return said if step is None else f"{said}; delivered the image of step {step}"
