"""A run that has a folder: its live view, its checkpoints, its end."""

from __future__ import annotations

import shlex
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from dipgraph.data.scale import saturation_warning
from dipgraph.engine.checkpoint import Checkpoints
from dipgraph.engine.files import StorageError, write_whole
from dipgraph.engine.memory import OutOfMemoryError
from dipgraph.engine.record import DivergedError
from dipgraph.engine.run import Result, Run
from dipgraph.engine.schedule import Schedule
from dipgraph.reports import folder, table
from dipgraph.reports.interrupting import Interrupts
from dipgraph.reports.json_lines import JsonLines
from dipgraph.reports.news import Audience, Watcher, peak_memory
from dipgraph.reports.progress import Bars
from dipgraph.reports.telling import tell
from dipgraph.reports.tensorboard import TensorBoard, ask_for_tensorboard, writer
from dipgraph.signatures.errors import DipgraphError

DIVERGED = 1
"""Exit code of a run that diverged."""


@dataclass(frozen=True)
class View:
    """How a run is reported: bars and a table by default."""

    quiet: bool = False
    """Nothing but warnings and errors is printed."""
    json_lines: bool = False
    """The standard output is JSON, a line an event."""
    tensorboard: bool = False
    """Events for TensorBoard are written too; raises :class:`~dipgraph.signatures.MissingExtra` if it is absent."""

    def __post_init__(self) -> None:
        if self.tensorboard:
            ask_for_tensorboard()

    @property
    def is_plain(self) -> bool:
        """Whether the run is told to a person."""
        return not (self.quiet or self.json_lines)

    def watchers(self, run: Run, where: Path) -> list[Watcher]:
        """Who reports the run."""
        found: list[Watcher] = [Bars(run, Console(stderr=True, quiet=not self.is_plain))]
        if self.json_lines:
            found.append(JsonLines(run, str(where)))
        if self.tensorboard:
            found.append(TensorBoard(run, writer(where)))
        return found

    def say(self, text: str) -> None:
        """Tell a person something."""
        if self.is_plain:
            tell(text)


@dataclass
class Job:
    """A run that has a folder.

    Parameters
    ----------
    run
        The run.
    where
        Its folder.
    checkpoints
        Those of the run.
    schedule
        When the next is due.
    view
        How it is reported.
    """

    run: Run
    where: Path
    checkpoints: Checkpoints
    schedule: Schedule
    view: View

    def finish(self) -> int:
        """Run to the end, or to the step at which a signal came; write what there is. The exit code."""
        run = self.run
        with Interrupts() as interrupts:
            with Audience(self.view.watchers(run, self.where), tell) as audience:
                fault = self.go(interrupts, audience)
                interrupts.promise = "the run has come to its end and is being written"
                if run.is_interrupted and self.schedule.last_step != run.steps:
                    self.keep()
                if fault is not None:
                    code, has_image = self.go_back(fault)
                    if not has_image:
                        self.note(fault)
                else:
                    code, has_image = 128 + (interrupts.came or 0) if run.is_interrupted else 0, run.has_image
                    if not has_image:
                        said = "interrupted before the first iteration was done: there is no image yet"
                        tell(f"{said}\n  {self.advice}")
                if not has_image:
                    return code
                result = run.result()
                audience.ended(result)
            self.deliver(result, None if fault is None else fault.what)
        return code

    def go(self, interrupts: Interrupts, audience: Audience) -> DivergedError | None:
        """Run to the end or to a signal; how the run diverged, if it did."""
        run = self.run
        try:
            for _ in run:
                audience.look()
                if self.schedule.is_due(run.steps, time.perf_counter()):
                    self.keep()
                if interrupts.came is not None:
                    run.interrupt()
                    break
        except DivergedError as diverged:
            return diverged
        return None

    def keep(self) -> None:
        """Write a checkpoint; where that fails the run goes on, and the ones before stand."""
        began = time.perf_counter()
        if not self.run.is_sound:
            return
        try:
            self.checkpoints.write(self.run)
        except (StorageError, OutOfMemoryError) as error:
            tell(f"warning: no checkpoint of step {self.run.steps}: {error}\n  the run goes on")
        now = time.perf_counter()
        self.schedule.written(self.run.steps, now, now - began)

    def deliver(self, result: Result, reason: str | None = None) -> None:
        """Write and print what the run delivers."""
        run = self.run
        before: dict[str, Any] = {}
        with suppress(DipgraphError):
            before = folder.read_summary(self.where) or {}  # what was interrupted left the peak of its part
        peak = max(before.get("peak_memory") or 0, peak_memory(run))
        try:
            folder.write(self.where, result, run.problem, peak_memory=peak, reason=reason)
        except StorageError as error:
            raise StorageError(error.what, where=error.where, remedy=f"{error.remedy}; then {self.advice}") from None
        if not (run.is_interrupted or run.is_diverged):
            self.checkpoints.clear()
        if said := saturation_warning(result.saturated, run.problem.scale):
            tell(f"warning: {said}")
        if self.view.is_plain:
            with suppress(OSError, SystemExit):
                table.show(result, run.problem, Console())
            tell(str(self.where), err=False)
        if run.is_interrupted:
            tell(self.advice)

    def go_back(self, fault: DivergedError) -> tuple[int, bool]:
        """Go back to the last good state of a run that diverged: the exit code, and whether it holds an image."""
        found, _ = self.checkpoints.latest()
        said = "no state before it was kept"
        if found is not None:
            found.give_to(self.run)
            said = f"the state of step {found.step}, the last good one that was kept, is in {self.checkpoints.folder}"
        tell(f"error: {fault.what}\n  {fault.remedy}\n  {said}")
        return DIVERGED, found is not None and self.run.has_image

    def note(self, fault: DivergedError) -> None:
        """Note in the folder that the run diverged, where there is no image and so no summary to say it."""
        try:
            told = folder.read_run(self.where) | {"diverged": fault.what}
            write_whole(self.where / folder.RUN, folder.json_text(told))
        except DipgraphError as error:
            tell(f"warning: {error}")

    @property
    def advice(self) -> str:
        """How to go on."""
        return f"go on with: dipgraph resume {shlex.quote(str(self.where))}"
