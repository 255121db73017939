"""Why a run ended where it did, and from which step its image is: what its monitors say, read once, at the end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dipgraph.engine.machine import Calls, CompiledLoop, Monitor, Slots
from dipgraph.signatures import Verdict

Mark = tuple[int, Tensor]
"""Iterations of a monitor's loop so far, and the steps that were done at the end of its best one, on the device."""


def marked(monitor: Monitor, slots: Slots, number: int, steps: int, before: Mark | None) -> Mark:
    """The mark after an iteration of that number; nothing waits for the device."""
    when = torch.as_tensor(slots[monitor.slots["when"]] if "when" in monitor.slots else number)
    past = torch.full_like(when, steps) if before is None else before[1]
    return number, torch.where(when == number, steps, past)


@dataclass(frozen=True)
class Reading:
    """What a monitor says, on the host."""

    label: str
    score: str
    verdict: Verdict
    fired: bool
    best_iteration: int
    """Of its loop, from 1, since that was entered."""
    best_step: int
    since: int
    """Iterations since the best one."""
    ends: bool
    delivers: bool

    @property
    def is_failure(self) -> bool:
        """Whether the score could not tell where to stop."""
        return self.verdict.is_failure

    @property
    def clause(self) -> str:
        """What it says, in words."""
        if self.fired and self.verdict is Verdict.WATCHING:
            return f"{self.score} fired"
        return self.verdict.said(self.score, self.since)

    def told(self) -> dict[str, Any]:
        """The reading as JSON holds it."""
        return {
            "stopper": self.label,
            "score": self.score,
            "verdict": self.verdict.name.lower(),
            "fired": self.fired,
            "in_until": self.ends,
            "best_iteration": self.best_iteration,
            "best_step": self.best_step,
        }


def read(monitors: Iterable[Monitor], slots: Slots, marks: Mapping[str, Mark]) -> list[Reading]:
    """What monitors say that have seen an iteration; waits for the device."""
    found = []
    for monitor in monitors:
        if monitor.key not in marks:
            continue
        number, step = marks[monitor.key]
        outputs = {name: slots[slot] for name, slot in monitor.slots.items()}
        when = int(outputs.get("when", number))
        if when > number:  # it has looked at an iteration that is under way
            continue
        found.append(Reading(
            label=monitor.label, score=monitor.score, verdict=Verdict(int(outputs["verdict"])),
            fired=bool(outputs.get("done", False)), best_iteration=when, best_step=int(step), since=number - when,
            ends=monitor.ends, delivers=monitor.delivers,
        ))  # fmt: skip
    return found


def ending(item: CompiledLoop, slots: Slots, marks: Mapping[str, Mark]) -> dict[str, Any]:
    """Why a loop ends early, as plain data."""
    readings = read(_monitors(item), slots, marks)
    return {"readings": [vars(reading) | {"verdict": int(reading.verdict)} for reading in readings],
            "test": item.test, "images": item.images}  # fmt: skip


def readings_of(ended: Mapping[str, Any]) -> list[Reading]:
    """The readings that :func:`ending` took."""
    return [Reading(**{**told, "verdict": Verdict(told["verdict"])}) for told in ended["readings"]]


def monitors_of(calls: Calls) -> list[Monitor]:
    """Every monitor of a run."""
    return [monitor for item in calls.items if isinstance(item, CompiledLoop) for monitor in _monitors(item)]


def _monitors(item: CompiledLoop) -> list[Monitor]:
    return [*item.monitors, *monitors_of(item.calls)]


def failure(readings: list[Reading], *, stopped: bool) -> Reading | None:
    """The reading whose score could not tell where to stop, if the run's end, or its image, rests on such a one."""
    ending = [each for each in readings if each.ends and (each.fired or not stopped)]
    delivering = [each for each in readings if each.delivers]
    failed = [each for each in [*delivering, *ending] if each.is_failure]
    rests = any(each.delivers for each in failed) or not stopped or all(each.is_failure for each in ending)
    return failed[0] if failed and rests else None


def delivered_step(readings: list[Reading], steps: int, *, images: bool) -> int | None:
    """The step that the image is from; none where the recipe made it of more than that."""
    kept = next((each for each in readings if each.delivers), None)
    if kept is not None:
        return kept.best_step
    return steps if images else None


def why(readings: list[Reading], test: str) -> str:
    """Why a run stopped: every monitor that ended it."""
    reasons = [each.clause for each in readings if each.ends and each.fired]
    return " and ".join(reasons) or f"'{test}' held"
