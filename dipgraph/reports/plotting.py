"""`dipgraph plot`: the curves and images of one run or several, as PNG and SVG."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure

from dipgraph.engine.files import StorageError, write_whole
from dipgraph.reports.curves import draw_curves
from dipgraph.reports.ended import read_ended
from dipgraph.reports.sheet import draw_sheet

RESOLUTION = 150
"""Dots per inch of a PNG."""


def plot(folders: Sequence[Path], out: Path | None) -> list[Path]:
    """Draw the runs together; the files that were written.

    Parameters
    ----------
    folders
        Folders of runs that have ended.
    out
        Folder for the figures: by default that of the run, or ``figures`` where there are several.

    Raises
    ------
    InputError
        If a folder holds no run that has ended.
    StorageError
        If a figure cannot be written.
    """
    runs = [read_ended(folder) for folder in folders]
    where = out or (folders[0] if len(folders) == 1 else Path("figures"))
    try:
        where.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError.of(error, where, "make the folder") from None
    figures = {"curves": draw_curves(runs), "images": draw_sheet(runs)}
    return [save(figure, where / f"{name}.{form}") for name, figure in figures.items() for form in ("png", "svg")]


def save(figure: Figure, path: Path) -> Path:
    """Write a figure; the same figure gives the same bytes."""
    drawn = io.BytesIO()
    form = path.suffix[1:]
    metadata = {"Date": None} if form == "svg" else {"Software": None}
    with rc_context({"svg.hashsalt": "dipgraph"}):
        figure.savefig(drawn, format=form, dpi=RESOLUTION, metadata=metadata)
    write_whole(path, drawn.getvalue())
    return path
