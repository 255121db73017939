"""The cells of a comparison, a run folder each: which are done, which were begun, and which hold another run."""

from __future__ import annotations

import enum
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from dipgraph.engine.binding import choose_device
from dipgraph.engine.checkpoint import differences_of
from dipgraph.engine.files import whole_text
from dipgraph.engine.outcome import Outcome
from dipgraph.engine.run import Options
from dipgraph.reports import folder, provenance
from dipgraph.reports.comparison.contest import Contender, Contest, Task
from dipgraph.reports.folder import PROBLEM, RECIPE, RUN
from dipgraph.reports.lock import is_held
from dipgraph.reports.running import settled_recipe
from dipgraph.signatures.errors import InputError

SHOWN = 3
"""Folders with another run whose difference is shown; the rest are counted."""


class State(enum.Enum):
    """How far a cell has come."""

    NEW = "not run yet"
    BEGUN = "begun"
    DONE = "complete"
    DIVERGED = "diverged"


@dataclass(frozen=True, eq=False)
class Cell:
    """A recipe on a problem with a seed.

    Parameters
    ----------
    task, contender
        Problem and recipe.
    options
        How it is run: device, seed, threads.
    where
        The run's folder.
    """

    task: Task
    contender: Contender
    options: Options
    where: Path

    def __str__(self) -> str:
        return f"{self.task.name}/{self.contender.name}/seed-{self.options.seed}"

    def identity(self, device: torch.device) -> dict[str, str]:
        """Whatever changes a bit of its result."""
        asked = provenance.settled_options(self.options, device)
        text = settled_recipe(self.contender.recipe, self.contender.program, asked)
        texts = {RECIPE: text, PROBLEM: self.task.text}
        return provenance.identity_of(texts, asked, provenance.versions(), provenance.device_name(device))

    def state(self) -> State:
        """How far it has come."""
        if not (self.where / RUN).is_file():
            return State.NEW
        outcome = (folder.read_summary(self.where) or {}).get("outcome")
        if Outcome.is_end(outcome):
            return State.DONE
        return State.BEGUN if self.divergence() is None else State.DIVERGED

    def divergence(self) -> str | None:
        """Why it diverged, if it did: its summary says so, or ``run.json`` where it had no image yet."""
        told = folder.read_run(self.where)
        summary = folder.read_summary(self.where) or {}
        if summary.get("outcome") == "diverged":
            return str(summary.get("reason") or "")
        return str(told["diverged"]) if "diverged" in told else None


def cells_of(contest: Contest, seeds: Sequence[int], options: Mapping[str, Any], out: Path) -> list[Cell]:
    """Every cell, problem by problem, recipe by recipe, seed by seed."""
    return [
        Cell(task, contender, Options(seed=seed, **options),
             out / task.name / contender.name / f"seed-{seed}")
        for task in contest.problems for contender in contest.recipes for seed in seeds
    ]  # fmt: skip


def check_folders(cells: Sequence[Cell]) -> None:
    """Refuse folders that hold anything but the run that is asked for.

    Raises
    ------
    InputError
        With the first of them and what differs there.
    """
    device = choose_device(cells[0].options.device)
    others: dict[Path, list[str]] = {}
    for cell in cells:
        if not (cell.where / RUN).is_file():
            folder.choose(cell.where, cell.contender.name, cell.task.name)
        elif differences := list(differences_of(_recorded(cell.where), cell.identity(device))):
            others[cell.where] = differences
    if others:
        shown = [
            line for where in list(others)[:SHOWN] for line in (f"  {where}:", *(f"    {x}" for x in others[where]))
        ]
        more = [f"  and {len(others) - SHOWN} more"] if len(others) > SHOWN else []
        count = "a folder holds" if len(others) == 1 else f"{len(others)} folders hold"
        by_threads = any(line.startswith("threads: ") for differences in others.values() for line in differences)
        say = "; say the same number with --threads" if by_threads else ""
        raise InputError("\n".join([f"{count} another run than is asked for:", *shown, *more]),
                         remedy=f"ask for what was asked then, or name another folder with --out{say}")  # fmt: skip


def _recorded(where: Path) -> dict[str, str]:
    """The identity of the run in a folder."""
    told = folder.read_run(where)
    texts = {name: whole_text(where / name) for name in (RECIPE, PROBLEM)}
    try:
        return provenance.identity_of(texts, told["options"], told["versions"], told["machine"]["device"])
    except (KeyError, TypeError, AttributeError):
        raise InputError("does not say what the run is", where=str(where / RUN),
                         remedy="it was changed since the run wrote it; remove the folder") from None  # fmt: skip


def wait_for(cells: Sequence[Cell], say: Callable[[str], None], pause: float = 0.2) -> None:
    """Wait for runs that are alive: those of a comparison that was killed save and end."""
    told = set[Path]()
    while held := [cell.where for cell in cells if is_held(cell.where)]:
        for where in held:
            if where not in told:
                say(f"{where}: the run is alive; waiting until it has ended")
        told.update(held)
        time.sleep(pause)
