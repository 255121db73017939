"""Compare recipes on problems: the folder with its tables and figures, and the numbers."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from dipgraph.engine.face import Settings
from dipgraph.engine.files import StorageError, write_whole
from dipgraph.engine.schedule import Schedule
from dipgraph.language.settling import setting_text
from dipgraph.reports import folder
from dipgraph.reports.comparison.cells import Cell, State, cells_of, check_folders, wait_for
from dipgraph.reports.comparison.contest import read_contest
from dipgraph.reports.comparison.figures import draw_figures
from dipgraph.reports.comparison.pool import Worker, run_cells
from dipgraph.reports.comparison.progress import Overview, summary_of
from dipgraph.reports.comparison.rows import Row, csv_text, row_of
from dipgraph.reports.comparison.table import origin_text, page_text, table_text
from dipgraph.reports.interrupting import Interrupts
from dipgraph.reports.lock import locked
from dipgraph.signatures.errors import InputError

TABLE, NUMBERS = "table.md", "table.csv"
OUT = "comparison"
"""Folder of a comparison unless another is named: the same each time, so that it can go on."""


@dataclass(frozen=True)
class Comparison:
    """What a comparison gave.

    Parameters
    ----------
    out
        Its folder.
    rows
        A row a cell: problem by problem, recipe by recipe, seed by seed.
    origin
        A line on when, with which version and on which machine the runs were made, and how the scores are taken.
    signal
        The number of the signal that stopped it, if one did.
    """

    out: Path
    rows: tuple[Row, ...]
    origin: str
    signal: int | None = None

    def table(self, problem: str) -> str:
        """The table of a problem, as Markdown."""
        return table_text(problem, self.rows)

    @property
    def exit_code(self) -> int:
        """0 where every cell came to its end, 1 where one failed, 130 or 143 after a signal."""
        if self.signal is not None:
            return 128 + self.signal
        return int(any(row.is_wrong for row in self.rows))


def compare(
    recipes: Sequence[str | Path],
    problems: Sequence[str | Path] = ("walnut_phantom",),
    *,
    seeds: int | Sequence[int] = 1,
    settings: Settings | None = None,
    preset: str | None = None,
    out: str | Path = OUT,
    jobs: int = 1,
    threads: int | None = None,
    device: str | None = None,
    run_on: bool = True,
    checkpoint_every: str = "30s",
    quiet: bool = True,
) -> Comparison:
    """Run recipes on problems with several seeds, each in a process and a folder of its own; go on where it was.

    Parameters
    ----------
    recipes, problems
        Paths or shipped names.
    seeds
        How many, from 0; or which.
    settings
        ``{"rate": 1e-3}`` for each recipe that has it, ``{"tv.alpha": 1e-3}`` for one, ``{"problem.views": 30}`` for
        each problem, ``{"htc2022.path": ...}`` for one.
    preset
        A preset of the recipes that have it.
    out
        Folder for runs, tables and figures.
    jobs
        Processes at a time.
    threads
        CPU threads of each; the cores divided by the jobs by default.
    device
        ``cpu``, ``cuda`` or ``cuda:1``; CUDA where there is one by default.
    run_on
        Run every loop to its count, so that the end of the budget is known.
    checkpoint_every
        ``500`` steps, ``30s``, ``5min``, ``2h`` or ``never``.
    quiet
        Print nothing but warnings and errors.

    Returns
    -------
    Comparison
        The numbers of each cell, failed ones with their reason.

    Raises
    ------
    DipgraphError
        For every mistake in recipes, problems and settings at once, before anything runs; and if the folder holds
        other runs.
    KeyboardInterrupt
        After Ctrl-C, when the runs under way have stopped and saved.
    """
    if not isinstance(settings, Mapping | None):
        raise InputError(f"the settings are a {type(settings).__name__}, not a mapping", where="settings",
                         remedy='give values by name, as in settings={"rate": 1e-3}')  # fmt: skip
    texts = tuple(f"{name}={setting_text(value)}" for name, value in (settings or {}).items())
    found = run_comparison(
        _names(recipes, "recipes"), _names(problems, "problems"), texts, preset,
        seeds=tuple(range(seeds)) if isinstance(seeds, int) else tuple(seeds), out=Path(out), jobs=jobs,
        threads=threads, device=device, run_on=run_on, checkpoint_every=checkpoint_every, quiet=quiet,
    )  # fmt: skip
    if found.signal is not None:
        raise KeyboardInterrupt
    return found


def _names(given: Sequence[str | Path], what: str) -> tuple[str, ...]:
    if isinstance(given, str | Path):
        return (str(given),)
    for each in given:
        if not isinstance(each, str | Path):
            raise InputError(f"a {type(each).__name__} stands among the {what}", where=what,
                             remedy="give paths or shipped names: each run reads them anew")  # fmt: skip
    return tuple(map(str, given))


def run_comparison(
    recipes: tuple[str, ...],
    problems: tuple[str, ...],
    settings: tuple[str, ...],
    preset: str | None,
    *,
    seeds: tuple[int, ...],
    out: Path,
    jobs: int,
    threads: int | None,
    device: str | None,
    run_on: bool,
    checkpoint_every: str,
    quiet: bool,
) -> Comparison:
    """As :func:`compare`, with settings as texts; a signal is told in the result."""
    for what, given in (("recipe", recipes), ("problem", problems), ("seed", seeds)):
        if not given:
            raise InputError(f"there is no {what}", remedy="give at least one")
    if not isinstance(jobs, int) or jobs < 1:
        raise InputError(f"jobs is {jobs!r}", where="--jobs", remedy="give a whole number, at least 1")
    Schedule.read(checkpoint_every)
    options: dict[str, Any] = {
        "device": device, "threads": threads or max(1, len(os.sched_getaffinity(0)) // jobs), "run_on": run_on,
    }  # fmt: skip
    cells = cells_of(read_contest(recipes, problems, settings, preset), list(dict.fromkeys(seeds)), options, out)
    console, loud = Console(stderr=True, quiet=quiet, highlight=False), Console(stderr=True, highlight=False)
    _claim(out)
    with locked(out):
        wait_for(cells, console.print)
        check_folders(cells)
        title = _title(settings, preset, seeds, run_on=run_on)
        begun = {cell: cell.state() for cell in cells}
        to_run = [(cell, state) for cell, state in begun.items() if state in (State.NEW, State.BEGUN)]
        done = len(cells) - len(to_run)
        if done:
            console.print(f"{done} of {len(cells)} complete already: skipped")
        with Interrupts() as interrupts, Overview(console, loud, done, len(cells)) as overview:
            keeper = _Keeper(overview, cells, out, title)
            reasons = run_cells(to_run, jobs, checkpoint_every, interrupts, keeper)
        rows = _write(cells, reasons, out, title)
        draw_figures(rows, out)
    if not quiet:
        sys.stdout.write((out / TABLE).read_text(encoding="utf-8"))
        print(out)
    if interrupts.came is not None:
        loud.print(f"{summary_of(cells, rows)}; the same command goes on")
    return Comparison(out, rows, origin_text(cells, rows), interrupts.came)


def _claim(out: Path) -> None:
    """Take a folder that is new, empty or a comparison's; raises :class:`InputError` for another."""
    if out.is_dir() and not (out / NUMBERS).exists() and not (out / folder.LOCK).exists() and any(out.iterdir()):
        raise InputError("the folder holds files that are not a comparison's", where=str(out),
                         remedy="name a new folder, or an empty one, with --out")  # fmt: skip
    if (out / folder.RUN).exists():
        raise InputError("the folder holds a run", where=str(out), remedy="name another with --out")
    folder.make(out)


def _title(settings: Sequence[str], preset: str | None, seeds: Sequence[int], *, run_on: bool) -> str:
    """What was asked for, in a line."""
    parts = [f"Settings: {', '.join(f'`{text}`' for text in settings)}" if settings else "Settings: the defaults"]
    parts += [f"preset `{preset}` where a recipe has it"] if preset is not None else []
    parts.append(f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}")
    parts.append("each run goes to the end of its budget and delivers what it had at its stop" if run_on
                 else "each run ends where it stops")  # fmt: skip
    return "; ".join(parts) + ".\n"


@dataclass
class _Keeper:
    """Shows how far the cells are, and writes the tables anew when one has ended."""

    overview: Overview
    cells: Sequence[Cell]
    out: Path
    title: str
    reasons: dict[Cell, str] = field(default_factory=dict)

    def look(self, workers: Sequence[Worker]) -> None:
        """Show it."""
        self.overview.look(workers)

    def ended(self, worker: Worker, reason: str, said: str) -> None:
        """Show how it ended, and write."""
        self.overview.ended(worker, reason, said)
        if reason:
            self.reasons[worker.cell] = reason
        with suppress(StorageError):  # told at the end, if it lasts
            _write(self.cells, self.reasons, self.out, self.title)


def _write(cells: Sequence[Cell], reasons: Mapping[Cell, str], out: Path, title: str) -> tuple[Row, ...]:
    """Write the tables as they stand."""
    rows = tuple(row_of(cell, reasons) for cell in cells)
    write_whole(out / TABLE, page_text(title, cells, rows))
    write_whole(out / NUMBERS, csv_text(rows, out))
    return rows
