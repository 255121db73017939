"""A run that has a folder: its live view, its checkpoints, its end."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from dipgraph.engine.checkpoint import Checkpoints
from dipgraph.engine.files import StorageError, write_whole
from dipgraph.engine.memory import OutOfMemoryError
from dipgraph.engine.record import DivergedError
from dipgraph.engine.run import Result, Run
from dipgraph.engine.schedule import Schedule
from dipgraph.reports import folder, table
from dipgraph.reports.interrupting import Interrupts
from dipgraph.reports.json_lines import JsonLines
from dipgraph.reports.news import Watcher, peak_memory
from dipgraph.reports.progress import Bars
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
        Console(stderr=True, quiet=not self.is_plain).print(text, highlight=False)


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
        fault: DivergedError | None = None
        watchers = self.view.watchers(run, self.where)
        with Interrupts() as interrupts, ExitStack() as stack:
            for watcher in watchers:
                stack.enter_context(watcher)
            try:
                for _ in run:
                    for watcher in watchers:
                        watcher.look()
                    if self.schedule.is_due(run.steps, time.perf_counter()):
                        self.keep()
                    if interrupts.came is not None:
                        run.is_interrupted = True
                        break
            except DivergedError as diverged:
                fault = diverged
            if run.is_interrupted and self.schedule.last_step != run.steps:
                self.keep()
            code = 0 if interrupts.came is None else 128 + interrupts.came
            if fault is not None:
                code, has_image = self.go_back(fault)
                if not has_image:
                    self.note(fault)
            else:
                has_image = run.has_image
                if not has_image:
                    said = "interrupted before the first iteration was done: there is no image yet"
                    click.echo(f"{said}\n  {self.advice}", err=True)
            if not has_image:
                return code
            result = run.result()
            for watcher in watchers:
                watcher.ended(result)
        self.deliver(result, None if fault is None else fault.what)
        return code

    def keep(self) -> None:
        """Write a checkpoint; where that fails the run goes on, and the ones before stand."""
        began = time.perf_counter()
        if not self.run.is_sound:
            return
        try:
            self.checkpoints.write(self.run)
        except (StorageError, OutOfMemoryError) as error:
            click.echo(f"warning: no checkpoint of step {self.run.steps}: {error}\n  the run goes on", err=True)
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
        if self.view.is_plain:
            table.show(result, run.problem, Console())
            print(self.where, file=sys.stdout)
        if run.is_interrupted:
            click.echo(self.advice, err=True)

    def go_back(self, fault: DivergedError) -> tuple[int, bool]:
        """Go back to the last good state of a run that diverged: the exit code, and whether it holds an image."""
        found, _ = self.checkpoints.latest()
        said = "no state before it was kept"
        if found is not None:
            found.give_to(self.run)
            said = f"the state of step {found.step}, the last good one that was kept, is in {self.checkpoints.folder}"
        click.echo(f"error: {fault.what}\n  {fault.remedy}\n  {said}", err=True)
        return DIVERGED, found is not None and self.run.has_image

    def note(self, fault: DivergedError) -> None:
        """Note in the folder that the run diverged, where there is no image and so no summary to say it."""
        try:
            told = folder.read_run(self.where) | {"diverged": fault.what}
            write_whole(self.where / folder.RUN, folder.json_text(told))
        except DipgraphError as error:
            click.echo(f"warning: {error}", err=True)

    @property
    def advice(self) -> str:
        """How to go on."""
        return f"go on with: dipgraph resume {self.where}"
