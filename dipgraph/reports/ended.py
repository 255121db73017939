"""A run that has ended, as its folder holds it: history, summary and images, for figures."""

from __future__ import annotations

import csv
import io
import json
import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from dipgraph.engine.files import StorageError, whole_text
from dipgraph.reports import folder
from dipgraph.signatures.errors import InputError

Image = NDArray[np.float32]


@dataclass(frozen=True)
class Ended:
    """What a folder holds.

    Parameters
    ----------
    name
        What the run is called: its folder's name.
    steps
        The steps of the history.
    columns
        Values at these steps by the history's headings; NaN where nothing was measured.
    summary
        The run in numbers.
    images
        ``reconstruction``, and ``fbp`` and ``reference`` where the problem has them, in the problem's unit.
    pixel, length
        Side of a pixel, and the unit of that.
    """

    name: str
    steps: NDArray[np.int64]
    columns: dict[str, NDArray[np.float64]]
    summary: dict[str, Any]
    images: dict[str, Image]
    pixel: float
    length: str

    @property
    def label(self) -> str:
        """The name as a figure takes it: it would read a formula between dollars, and hide what begins with ``_``."""
        return self.name.replace("$", r"\$").replace("_", "\u200a_", self.name.startswith("_"))

    @property
    def terms(self) -> list[str]:
        """Headings of the loss terms."""
        headings = list(self.columns)
        return headings[1 : headings.index("psnr")]

    @property
    def scores(self) -> list[str]:
        """Headings of the stop scores."""
        headings = list(self.columns)
        return headings[headings.index("psnr") + 1 :]

    def points(self, heading: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Steps and values of a column, where there are finite ones."""
        values = self.columns[heading]
        known = np.isfinite(values)
        return self.steps[known], values[known]


def read_ended(where: Path) -> Ended:
    """Read a run's folder.

    Raises
    ------
    InputError
        If it holds no run, or one that has not ended.
    StorageError
        If a file of it is missing or cannot be read.
    """
    summary = folder.read_summary(where)
    if summary is None:
        known = folder.stands(where / folder.RUN)
        what, remedy = "holds no run", "name the folder of a run"
        if known:
            what, remedy = "the run has not ended", f"end it with: dipgraph resume {where}"
        raise InputError(what, where=str(where), remedy=remedy)
    steps, columns = _history(where / folder.HISTORY)
    images: dict[str, Image] = {}
    told: dict[str, Any] = {}
    for name in ("reconstruction", "fbp", "reference"):
        path = where / f"{name}.tiff"
        if path.exists() or name == "reconstruction":
            images[name], told[name] = read_image(path)
    about = told["reconstruction"]
    return Ended(where.resolve().name, steps, columns, summary, images,
                 float(about.get("pixel") or 1.0), str(about.get("length") or "pixel"))  # fmt: skip


def _history(path: Path) -> tuple[NDArray[np.int64], dict[str, NDArray[np.float64]]]:
    """Steps and columns of a history."""
    try:
        heads, *rows = csv.reader(io.StringIO(whole_text(path)))
        values = [[float(cell) if cell else math.nan for cell in row] for row in rows]
        table = np.array(values, dtype=np.float64).reshape(len(values), len(heads))
        if heads[:2] != ["step", "loss"] or "psnr" not in heads:
            raise ValueError("its headings are others")
    except (ValueError, csv.Error) as error:
        raise StorageError(f"is no history of a run: {error}", where=str(path)) from None
    return table[:, 0].astype(np.int64), {head: table[:, place] for place, head in enumerate(heads) if place}


def read_image(path: Path) -> tuple[Image, dict[str, Any]]:
    """An image of a run, and what its file says of it: unit, side of a pixel, and the unit of that.

    Raises
    ------
    StorageError
        If it is missing, cannot be read, or is no image of a run.
    """
    try:
        with tifffile.TiffFile(path) as file:
            image = file.asarray().astype(np.float32)
            said = file.pages[0].tags["ImageDescription"].value  # type: ignore[union-attr]
        return image, json.loads(said)
    except OSError as error:
        raise StorageError.of(error, path, "read") from None
    except (tifffile.TiffFileError, struct.error, ValueError, KeyError) as error:
        raise StorageError(f"is no image of a run: {error}", where=str(path)) from None
