"""The image sheet of runs: reference, filtered backprojection, what was delivered, and the difference."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from dipgraph.reports.ended import Ended, Image

NAMES = {"reference": "reference", "fbp": "FBP", "reconstruction": "delivered"}


def draw_sheet(runs: Sequence[Ended]) -> Figure:
    """A row a run: images from 0 to the scale in grey, the difference to the reference (to FBP without one) in colour.

    Each image has a bar of round length in the problem's unit, each colour bar its unit.
    """
    rows = [_row(run) for run in runs]
    width = max(len(row) for row in rows)
    figure = Figure(figsize=(2.6 * width + 0.4, 2.5 * len(runs) + 0.3), layout="constrained")
    axes = figure.subplots(len(runs), width, squeeze=False)
    for run, row, line in zip(runs, rows, axes, strict=True):
        for axis in line[len(row) :]:
            axis.set_visible(False)
        for axis, (title, image, is_difference) in zip(line, row, strict=False):
            scale = float(run.summary["scale"])
            low, high, colours = 0.0, scale, "gray"
            if is_difference:
                high = float(np.percentile(np.abs(image), 99.5)) or scale
                low, colours = -high, "RdBu_r"
            shown = show(axis, title, image, run, (low, high), colours)
            if is_difference or axis is line[len(row) - 2]:
                add_unit(figure, shown, axis, run)
    return figure


def show(
    axis: Axes, title: str, image: Image, run: Ended, limits: tuple[float, float], colours: str = "gray"
) -> AxesImage:
    """An image of a run with a bar of round length."""
    low, high = limits
    shown = axis.imshow(image, cmap=colours, vmin=low, vmax=high, interpolation="nearest")
    axis.set_title(title, fontsize="small")
    axis.set_axis_off()
    _scale_bar(axis, image, run)
    return shown


def add_unit(figure: Figure, shown: AxesImage, axis: Axes, run: Ended) -> None:
    """A colour bar with the image's unit beside an axis."""
    bar = figure.colorbar(shown, ax=axis, shrink=0.85)
    bar.set_label(str(run.summary.get("unit") or ""), fontsize="x-small")
    bar.ax.tick_params(labelsize="x-small")


def _row(run: Ended) -> list[tuple[str, Image, bool]]:
    """Title, image and whether it is a difference, of each panel of a run."""
    found: list[tuple[str, Image, bool]] = []
    for name in NAMES:
        if name in run.images and run.images[name].ndim == 2:
            said = caption(run, name)
            found.append((f"{run.label}\n{said}" if name == "reconstruction" else said, run.images[name], False))
    delivered = run.images["reconstruction"]
    against = next((name for name in ("reference", "fbp") if name in run.images), None)
    if against is not None and delivered.shape == run.images[against].shape:
        found.append((f"delivered − {NAMES[against]}", delivered - run.images[against], True))
    return found


def caption(run: Ended, name: str) -> str:
    """What an image of a run is called, with its PSNR where it has one."""
    score = run.summary.get({"fbp": "fbp_psnr", "reconstruction": "psnr"}.get(name, ""))
    return NAMES[name] if score is None else f"{NAMES[name]}, {score:.2f} dB"


def bar_length(extent: float) -> float:
    """The largest of 1, 2 and 5 times a power of ten that is at most 30 % of an extent."""
    most = 0.3 * extent
    power = 10.0 ** math.floor(math.log10(most))
    return max(factor * power for factor in (1, 2, 5) if factor * power <= most * (1 + 1e-9))


def _scale_bar(axis: Axes, image: Image, run: Ended) -> None:
    rows, columns = image.shape
    length = bar_length(columns * run.pixel)
    pixels = length / run.pixel
    left, bottom = 0.05 * columns - 0.5, 0.95 * rows - 0.5
    axis.plot([left, left + pixels], [bottom, bottom], color="tab:orange", linewidth=2.5, solid_capstyle="butt")
    axis.text(
        left, bottom - 0.03 * rows, f"{length:g} {run.length}", color="tab:orange", fontsize="x-small", va="bottom"
    )
