"""The numbers of a comparison: a row a cell, as its folder holds them."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from dipgraph.engine.outcome import Outcome
from dipgraph.reports import folder
from dipgraph.reports.comparison.cells import Cell, State


@dataclass(frozen=True)
class Row:
    """A cell in numbers; those of a run that did not come to its end are none.

    PSNR is in dB, memory in bytes, time in seconds; steps are gradient steps, iterations where a recipe takes none.
    """

    problem: str
    recipe: str
    seed: int
    outcome: str
    """An :class:`~dipgraph.engine.outcome.Outcome` in small letters, or ``failed`` or ``not run``."""
    reason: str = ""
    """Why it failed or diverged."""
    psnr: float | None = None
    ssim: float | None = None
    matthews: float | None = None
    peak_psnr: float | None = None
    peak_step: int | None = None
    stop_step: int | None = None
    final_psnr: float | None = None
    steps: int | None = None
    seconds: float | None = None
    peak_memory: int | None = None
    fbp_psnr: float | None = None
    fbp_ssim: float | None = None
    fbp_matthews: float | None = None
    device: str | None = None
    threads: int | None = None
    folder: Path = Path()

    @property
    def is_whole(self) -> bool:
        """Whether the run came to its end."""
        return Outcome.is_end(self.outcome)

    @property
    def is_wrong(self) -> bool:
        """Whether the run failed or diverged."""
        return self.outcome in ("failed", "diverged")


OTHER_NAMES = {"peak_step": "peak_iteration", "stop_step": "stop_iteration", "steps": "iterations"}
"""What the summary calls some numbers."""


def row_of(cell: Cell, reasons: Mapping[Cell, str]) -> Row:
    """What a cell's folder says, and why it failed if it did."""
    summary = (folder.read_summary(cell.where) or {}) if (cell.where / folder.RUN).is_file() else {}
    state = cell.state()
    who = (cell.task.name, cell.contender.name, cell.options.seed)
    if state is State.DONE:
        told: dict[str, Any] = {name: summary.get(OTHER_NAMES.get(name, name)) for name in NUMBERS}
        return Row(*who, summary["outcome"], folder=cell.where, **told)
    if state is State.DIVERGED:
        return Row(*who, "diverged", cell.divergence() or "", folder=cell.where)
    if cell in reasons:
        return Row(*who, "failed", reasons[cell], folder=cell.where)
    return Row(*who, "interrupted" if state is State.BEGUN else "not run", folder=cell.where)


NUMBERS = [field.name for field in fields(Row)
           if field.name not in ("problem", "recipe", "seed", "outcome", "reason", "folder")]  # fmt: skip


def csv_text(rows: Sequence[Row], out: Path) -> str:
    """All rows as CSV: folders relative to the comparison's, what is not known left empty."""
    text = io.StringIO(newline="")
    table = csv.writer(text)
    table.writerow([field.name for field in fields(Row)])
    for row in rows:
        known: dict[str, Any] = asdict(row) | {"folder": row.folder.relative_to(out).as_posix()}
        table.writerow(["" if value is None else value for value in known.values()])
    return text.getvalue()
