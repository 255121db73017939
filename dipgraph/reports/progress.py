"""The live view of a run: a bar for each loop, with loss, score, speed and time left."""

from __future__ import annotations

import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from dipgraph.engine.run import Run

INTERVAL = 0.1
"""Seconds between two looks at the run."""


class Bars:
    """Progress bars for the loops under way; on a terminal only."""

    def __init__(self, run: Run, console: Console, interval: float = INTERVAL) -> None:
        self.run, self.interval = run, interval
        self.progress = Progress(
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
        self.began = time.perf_counter()

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
        parts.append(f"{self.run.steps / max(now - self.began, 1e-9):.1f} steps/s")
        return "  ".join(parts)
