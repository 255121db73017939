"""The figures of a comparison: PSNR over steps, a panel a problem, and a sheet of what each recipe delivered."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dipgraph.reports.comparison.rows import Row
from dipgraph.reports.curves import Colour, draw_psnr, mark_stop
from dipgraph.reports.ended import Ended, read_ended
from dipgraph.reports.plotting import save
from dipgraph.reports.sheet import add_unit, caption, show

WIDTH = 5
"""Images in a row."""
FAINT = 0.35
"""How the curves of all seeds but the first are drawn."""
FBP = "0.5"
"""The grey of filtered backprojection."""
Panels = Mapping[str, Sequence[Sequence[Ended]]]
"""By problem: for each recipe its runs, a seed each, by the name of the recipe."""


def draw_figures(rows: Sequence[Row], out: Path) -> list[Path]:
    """Draw what the runs that came to their end gave; the files, none of a figure that would show nothing.

    Raises
    ------
    StorageError
        If a figure cannot be written.
    """
    panels = read_panels(rows)
    figures = {"psnr": draw_comparison(panels), "images": draw_images(panels)}
    written = []
    for name, figure in figures.items():
        for path in (out / f"{name}.png", out / f"{name}.svg"):
            if figure is not None:
                written.append(save(figure, path))
            else:
                path.unlink(missing_ok=True)
    return written


def read_panels(rows: Sequence[Row]) -> Panels:
    """What the runs left that came to their end."""
    found: dict[str, dict[str, list[Ended]]] = {}
    for row in rows:
        if row.is_whole:
            run = dataclasses.replace(read_ended(row.folder), name=row.recipe)
            found.setdefault(row.problem, {}).setdefault(row.recipe, []).append(run)
    return {problem: list(runs.values()) for problem, runs in found.items()}


def colours(panels: Panels) -> dict[str, Colour]:
    """A colour a recipe, the same in all panels."""
    names = list(dict.fromkeys(runs[0].name for recipes in panels.values() for runs in recipes))
    palette = colormaps["tab10" if len(names) <= 10 else "tab20"]
    return {name: palette(place % palette.N) for place, name in enumerate(names)}


def draw_comparison(panels: Panels) -> Figure | None:
    """PSNR over steps, a panel a problem; none where no problem has a reference."""
    shown = {
        problem: recipes
        for problem, recipes in panels.items()
        if any(len(runs[0].points("psnr")[0]) for runs in recipes)
    }
    if not shown:
        return None
    figure = Figure(figsize=(8.5, 0.6 + 4.0 * len(shown)), layout="constrained")
    axes = figure.subplots(len(shown), squeeze=False)[:, 0]
    painted = colours(panels)
    for axis, (problem, recipes) in zip(axes, shown.items(), strict=True):
        _draw_panel(axis, recipes, painted)
        axis.set_title(problem, fontsize="medium")
        axis.set_ylabel("PSNR [dB]")
        axis.set_xlabel("step")
        axis.grid(alpha=0.3)
        axis.legend(handles=_said(recipes, painted), fontsize="x-small", loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def _draw_panel(axis: Axes, recipes: Sequence[Sequence[Ended]], painted: Mapping[str, Colour]) -> None:
    for first, *others in recipes:
        for run in others:
            axis.plot(*run.points("psnr"), color=painted[run.name], linewidth=0.7, alpha=FAINT)
        draw_psnr(axis, first, painted[first.name], first.name)
        mark_stop(axis, first, painted[first.name], first.name)
    if (fbp := _fbp(recipes)) is not None:
        axis.axhline(fbp, color=FBP, linestyle=":", linewidth=0.8)


def _fbp(recipes: Sequence[Sequence[Ended]]) -> float | None:
    """The PSNR of filtered backprojection, which is the same for all runs of a problem."""
    return next((score for runs in recipes if (score := runs[0].summary.get("fbp_psnr")) is not None), None)


def _said(recipes: Sequence[Sequence[Ended]], painted: Mapping[str, Colour]) -> list[Line2D]:
    """The lines of the legend: one a recipe, with the peak and the stop of its first seed."""
    lines = []
    for first, *_ in recipes:
        told = first.summary
        peak = "" if told["peak_psnr"] is None else f", peak {told['peak_psnr']:.2f} dB at {told['peak_iteration']}"
        stop = "" if told["stop_iteration"] is None else f", stop at {told['stop_iteration']}"
        lines.append(Line2D([], [], color=painted[first.name], label=f"{first.name}{peak}{stop}"))
    if (fbp := _fbp(recipes)) is not None:
        lines.append(Line2D([], [], color=FBP, linestyle=":", label=f"FBP {fbp:.2f} dB"))
    return lines


def draw_images(panels: Panels) -> Figure | None:
    """Reference, FBP and what each recipe delivered with its first seed; from 0 to the scale, with bar and unit."""
    sheets = {problem: _pictures([runs[0] for runs in recipes]) for problem, recipes in panels.items()}
    sheets = {problem: pictures for problem, pictures in sheets.items() if pictures}
    if not sheets:
        return None
    width = min(WIDTH, max(map(len, sheets.values())))
    lines = [
        (problem, pictures, place)
        for problem, pictures in sheets.items()
        for place in range(0, len(pictures), width)
    ]  # fmt: skip
    figure = Figure(figsize=(2.6 * width + 0.4, 2.6 * len(lines) + 0.3), layout="constrained")
    axes = figure.subplots(len(lines), width, squeeze=False)
    for (problem, pictures, place), row in zip(lines, axes, strict=True):
        line = pictures[place : place + width]
        for axis in row[len(line) :]:
            axis.set_visible(False)
        for axis, (run, name) in zip(row, line, strict=False):
            said = caption(run, name)
            title = said if name != "reconstruction" else said.replace("delivered", run.name, 1)
            head = f"{problem}\n" if place == 0 and axis is row[0] else ""
            limits = (0.0, float(run.summary["scale"]))
            shown = show(axis, head + title, run.images[name], run, limits)
            if place == 0 and axis is row[len(line) - 1]:
                add_unit(figure, shown, row[-1], run)  # at the right of all, be it empty there
    return figure


def _pictures(runs: Sequence[Ended]) -> list[tuple[Ended, str]]:
    """The run and the name of each image of a problem."""
    shared = [(run, name) for name in ("reference", "fbp") for run in runs[:1] if name in run.images]
    return [(run, name) for run, name in [*shared, *((run, "reconstruction") for run in runs)]
            if run.images[name].ndim == 2]  # fmt: skip
