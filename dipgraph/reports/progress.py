"""The live view of a run: a bar for each loop, with loss, score, speed and time left."""

from __future__ import annotations

import time
from collections.abc import Iterable

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from dipgraph.engine.run import Result, Run
from dipgraph.reports.news import peak_memory

INTERVAL = 0.1
"""Seconds between two looks at the run."""


class _View(Progress):
    """The bars, and a line of text below."""

    below = Text(style="dim")

    def get_renderables(self) -> Iterable[RenderableType]:
        """What is drawn, from top to bottom."""
        yield self.make_tasks_table(self.tasks)
        yield self.below


class Bars:
    """Progress bars for the loops under way, and below the loss terms, stop scores and memory; on a terminal only."""

    def __init__(self, run: Run, console: Console, interval: float = INTERVAL) -> None:
        self.run, self.interval = run, interval
        self.progress = _View(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[said]}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self.tasks: list[TaskID] = []
        self.looked = 0.0
        self.began, self.begun_at = time.perf_counter(), run.steps

    def __enter__(self) -> Bars:
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()

    def look(self) -> None:
        """Update the bars, at most every so often."""
        now = time.perf_counter()
        if self.progress.disable or now - self.looked < self.interval:
            return
        self.looked = now
        if self.run.bound.setting.device.type == "cpu":
            self.run.record.flush()
        self.progress.below = Text(self.details(), style="dim", no_wrap=True, overflow="ellipsis")
        frames = self.run.frames
        for level, frame in enumerate(frames):
            label = "  " * level + frame.key.replace(":", " line ")
            if level >= len(self.tasks):
                self.tasks.append(self.progress.add_task(label, total=frame.count, said=""))
            said = self.said(now) if level == 0 else ""
            self.progress.update(self.tasks[level], description=label, completed=frame.done, total=frame.count,
                                 said=said, visible=True)  # fmt: skip
        for task in self.tasks[len(frames) :]:
            self.progress.update(task, visible=False)

    def said(self, now: float) -> str:
        """Loss, score and speed."""
        last = self.run.record.last
        parts = []
        if last is not None and last.loss == last.loss:
            parts.append(f"loss {last.loss:.4g}")
        if last is not None and last.psnr == last.psnr:
            parts.append(f"PSNR {last.psnr:.2f} dB")
        parts.append(f"{(self.run.steps - self.begun_at) / max(now - self.began, 1e-9):.1f} steps/s")
        return "  ".join(parts)

    def details(self) -> str:
        """Loss terms, stop scores and memory."""
        last = self.run.record.last
        named = {} if last is None else last.terms | last.scores
        parts = [f"{name} {value:.4g}" for name, value in named.items()]
        return "  ".join([*parts, f"memory {peak_memory(self.run) / 2**20:.0f} MiB"])

    def ended(self, result: Result) -> None:
        """Nothing is left to draw: the table says the rest."""
