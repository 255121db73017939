"""The table of a comparison as Markdown: a section a problem, FBP first, means over the seeds, the best in bold."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from dipgraph.reports import folder
from dipgraph.reports.comparison.cells import Cell
from dipgraph.reports.comparison.rows import Row


@dataclass(frozen=True)
class Column:
    """A column: its heading, the row's number, and which is best; steps have neither best nor mean."""

    heading: str
    number: str
    digits: int = 0
    best: Callable[[Iterable[float]], float] | None = None
    unit: float = 1.0

    def values(self, rows: Sequence[Row]) -> list[float]:
        """The known numbers of some rows, in the unit of the column."""
        found = [getattr(row, self.number) for row in rows]
        return [value / self.unit for value in found if value is not None]

    def said(self, values: Sequence[float]) -> str:
        """The mean and, of several, the worst; the range of steps."""
        if not values:
            return "–"
        if self.best is None:
            low, high = min(values), max(values)
            return f"{low:.0f}" if low == high else f"{low:.0f}–{high:.0f}"
        mean = f"{sum(values) / len(values):.{self.digits}f}"
        worst = min(values) if self.best is max else max(values)
        return mean if len(values) == 1 else f"{mean} ({worst:.{self.digits}f})"


COLUMNS = (
    Column("PSNR [dB]", "psnr", 2, max),
    Column("SSIM", "ssim", 3, max),
    Column("Matthews", "matthews", 3, max),
    Column("peak [dB]", "peak_psnr", 2, max),
    Column("at", "peak_step"),
    Column("stop", "stop_step"),
    Column("end [dB]", "final_psnr", 2, max),
    Column("steps", "steps"),
    Column("seconds", "seconds", 1, min),
    Column("memory [MiB]", "peak_memory", 0, min, 2**20),
)


def table_text(problem: str, rows: Sequence[Row]) -> str:
    """The table of one problem.

    Parameters
    ----------
    problem
        Its name.
    rows
        Of any problems; the order of its recipes is kept.
    """
    mine = [row for row in rows if row.problem == problem]
    recipes = list(dict.fromkeys(row.recipe for row in mine))
    whole = {recipe: [row for row in mine if row.recipe == recipe and row.is_whole] for recipe in recipes}
    columns = [column for column in COLUMNS if column.values([row for found in whole.values() for row in found])]
    lines = [["FBP", *(column.said(_of_fbp(column, mine)) for column in columns), ""]]
    lines = lines if any(_of_fbp(column, mine) for column in columns) else []
    lines += [[recipe, *(column.said(column.values(whole[recipe])) for column in columns),
               _how_it_went([row for row in mine if row.recipe == recipe])] for recipe in recipes]  # fmt: skip
    for place, column in enumerate(columns, 1):
        if column.best is not None:
            _mark_best(lines, place, column.best)
    headings = ["", *(column.heading for column in columns), ""]
    if not any(line[-1] for line in lines):
        lines, headings = [line[:-1] for line in lines], headings[:-1]
    return _markdown(headings, lines)


def _of_fbp(column: Column, rows: Sequence[Row]) -> list[float]:
    """A number of filtered backprojection, which is the same for all runs."""
    name = f"fbp_{column.number}"
    found = [value for row in rows if (value := getattr(row, name, None)) is not None]
    return found[:1]


def _mark_best(lines: list[list[str]], place: int, best: Callable[[Iterable[float]], float]) -> None:
    """Set the best mean of a column in bold, and all that look alike."""
    means = [line[place].split(" ")[0] for line in lines]
    known = [float(mean) for mean in means if mean != "–"]
    if len(known) < 2:
        return
    for line, mean in zip(lines, means, strict=True):
        if mean != "–" and float(mean) == best(known):
            line[place] = f"**{mean}**{line[place].removeprefix(mean)}"


def _how_it_went(rows: Sequence[Row]) -> str:
    """What is to be said of the cells that did not come to their end."""
    said = []
    for outcome in dict.fromkeys(row.outcome for row in rows if not row.is_whole):
        which = [row for row in rows if row.outcome == outcome]
        count = f"{len(which)} of {len(rows)} " if len(rows) > 1 else ""
        reasons = dict.fromkeys(row.reason for row in which if row.reason)
        said.append(f"{count}{outcome}{': ' if reasons else ''}{'; '.join(reasons)}")
    return "; ".join(said)


def _markdown(headings: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Lines as a table of Markdown; what has a heading is set to the right."""
    cells = [[text.replace("|", "\\|").replace("\n", " ") for text in line] for line in (headings, *lines)]
    widths = [max(3, *(len(line[place]) for line in cells)) for place in range(len(headings))]
    sides = ["<" if heading == "" else ">" for heading in headings]
    rule = ["-" * width if side == "<" else "-" * (width - 1) + ":" for width, side in zip(widths, sides, strict=True)]
    padded = [
        [f"{text:{side}{width}}" for text, side, width in zip(line, sides, widths, strict=True)] for line in cells
    ]
    return "".join(f"| {' | '.join(line)} |\n" for line in (padded[0], rule, *padded[1:]))


def origin_text(cells: Sequence[Cell], rows: Sequence[Row]) -> str:
    """When, with what and on which machine the runs were made, and how the scores are taken; a line."""
    told = [folder.read_run(row.folder) for row in rows if row.is_whole]
    parts: list[str] = []
    if told:
        days = sorted({str(each.get("began"))[:10] for each in told})
        parts.append(days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}")
        parts.append(f"dipgraph {_each(told, 'versions', 'dipgraph')}")
        commits = sorted({str(each["commit"]) for each in told if each.get("commit")})
        parts[-1] += f" at {', '.join(commits)}" if commits else ""
        parts.append(f"torch {_each(told, 'versions', 'torch')}")
        cores, threads = _each(told, "machine", "cores"), _each(told, "options", "threads")
        parts.append(
            f"{_each(told, 'machine', 'device')}, {cores} cores, {threads} thread{'s' * (threads != '1')} a run"
        )
    where = dict.fromkeys(cell.task.scores for cell in cells)
    scored = [f"PSNR and SSIM {' or '.join(text for text in where if text)}, "
              "data range the maximum of the reference there" if any(where) else "No reference: no scores"]  # fmt: skip
    return ". ".join([*(["; ".join(parts)] if parts else []), *scored]) + ".\n"


def _each(told: Sequence[dict[str, Any]], part: str, name: str) -> str:
    return ", ".join(sorted({str(each.get(part, {}).get(name)) for each in told}))


def page_text(title: str, cells: Sequence[Cell], rows: Sequence[Row]) -> str:
    """All tables, under a line on what was asked for, above one on where they come from."""
    parts = ["# Comparison\n", title]
    for task in dict.fromkeys(cell.task for cell in cells):
        parts += [f"## {task.name}\n", f"{task.about}\n" if task.about else "", table_text(task.name, rows)]
    return "\n".join([*filter(None, parts), origin_text(cells, rows)])
