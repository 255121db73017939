"""The live view of a comparison: a bar for all cells with the time left, and a line for each that runs."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.text import Text

from dipgraph.reports.comparison.cells import Cell
from dipgraph.reports.comparison.pool import Worker
from dipgraph.reports.comparison.rows import Row, row_of


class Overview:
    """Bars on a terminal, and a line when a cell has ended.

    Parameters
    ----------
    console
        Where to; a quiet one shows nothing but warnings and errors, which ``loud`` prints.
    done, total
        Cells that are complete, and all.
    """

    def __init__(self, console: Console, loud: Console, done: int, total: int) -> None:
        self.console, self.loud, self.done, self.total = console, loud, done, total
        self.begun_with, self.began = done, time.perf_counter()
        self.progress = Progress(
            TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[said]}"),
            console=console, transient=True, disable=not console.is_terminal,
        )  # fmt: skip
        self.whole = self.progress.add_task("cells", total=total, completed=done, said="")
        self.lines: dict[Worker, TaskID] = {}

    def __enter__(self) -> Overview:
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()

    def look(self, workers: Sequence[Worker]) -> None:
        """Show how far the cells are that run."""
        for worker in workers:
            if worker not in self.lines:
                self.lines[worker] = self.progress.add_task(f"  {worker.cell}", total=1.0, said="")
            said = f"step {worker.told['step']}" if worker.told else "begins"
            if worker.told.get("psnr") is not None:
                said += f"  PSNR {worker.told['psnr']:.2f} dB"
            self.progress.update(self.lines[worker], completed=worker.told.get("share", 0.0), said=said)
        reached = self.done + sum(worker.told.get("share", 0.0) for worker in workers)
        said = f"{self.done}/{self.total}{time_left(reached - self.begun_with, self.total - reached, self.elapsed)}"
        self.progress.update(self.whole, completed=reached, said=said)

    @property
    def elapsed(self) -> float:
        """Time since this comparison began, or went on [s]."""
        return time.perf_counter() - self.began

    def ended(self, worker: Worker, reason: str, said: str) -> None:
        """Print how a cell ended, and what its process warned of."""
        row = row_of(worker.cell, {worker.cell: reason} if reason else {})
        self.done += row.is_whole or row.is_wrong
        if worker in self.lines:
            self.progress.remove_task(self.lines.pop(worker))
        for line in said.splitlines():
            if line.startswith("warning: "):
                self._print(self.loud, f"{worker.cell}: {line}")
        if row.is_wrong:
            told = said.strip() if "Traceback" in said else row.reason
            self._print(self.loud, f"{worker.cell}: {row.outcome}: {told}")
        else:
            self._print(self.console, f"{self.done}/{self.total}  {worker.cell}: {_said(row)}")

    def _print(self, console: Console, text: str) -> None:
        if console is self.loud and self.console.is_terminal and not self.console.quiet:
            console = self.console  # so that the bars stay below
        console.print(Text(text), soft_wrap=True)


def _said(row: Row) -> str:
    """A row in a few words."""
    parts = [row.outcome]
    parts += [f"{row.psnr:.2f} dB"] if row.psnr is not None else []
    parts += [f"peak {row.peak_psnr:.2f} dB at {row.peak_step}"] if row.peak_psnr is not None else []
    parts += [f"{row.seconds:.0f} s"] if row.seconds is not None else []
    return ", ".join(parts)


def time_left(done: float, left: float, elapsed: float) -> str:
    """How long the rest takes if a cell takes as long as those before; the empty text where none has been seen."""
    if done <= 0:
        return ""
    minutes = elapsed * left / done / 60
    said = f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.1f} h"
    return f"  {said} left" if minutes >= 1 else "  less than a minute left"


def summary_of(cells: Sequence[Cell], rows: Sequence[Row]) -> str:
    """How many cells came to their end, and how many failed."""
    whole, wrong = sum(row.is_whole for row in rows), sum(row.is_wrong for row in rows)
    return f"{whole} of {len(cells)} complete" + (f", {wrong} failed" if wrong else "")
