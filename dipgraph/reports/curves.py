"""The curves of runs: loss terms, PSNR with its peak, stop scores, and where each run stopped."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dipgraph.reports.ended import Ended

Colour = str | tuple[float, float, float, float]
STYLES = ("-", "--", ":", "-.")


def draw_curves(runs: Sequence[Ended]) -> Figure:
    """One panel each for what there is: loss terms, PSNR [dB], stop scores; over steps, a colour a run."""
    panels: list[tuple[str, Callable[[Axes, Ended, str, str], None]]] = []
    if any(run.terms for run in runs):
        panels.append(("loss terms", _losses))
    if any(len(run.points("psnr")[0]) for run in runs):
        panels.append(("PSNR [dB]", draw_psnr))
    if any(len(run.points(name)[0]) for run in runs for name in run.scores):
        panels.append(("stop scores", _scores))
    figure = Figure(figsize=(7.0, 0.6 + 2.4 * max(len(panels), 1)), layout="constrained")
    axes = figure.subplots(max(len(panels), 1), sharex=True, squeeze=False)[:, 0]
    for axis, (label, draw) in zip(axes, panels, strict=False):
        for number, run in enumerate(runs):
            colour, prefix = f"C{number % 10}", f"{run.label}: " if len(runs) > 1 else ""
            draw(axis, run, colour, prefix)
            mark_stop(axis, run, colour, prefix)
        axis.set_ylabel(label)
        axis.grid(alpha=0.3)
        if axis.get_legend_handles_labels()[0]:
            axis.legend(fontsize="x-small", loc="best")
    axes[-1].set_xlabel("step")
    return figure


def _lines(axis: Axes, run: Ended, headings: Sequence[str], colour: str, prefix: str) -> None:
    """Columns on a logarithmic scale, a style each; what is not positive cannot be shown there."""
    for number, heading in enumerate(headings):
        steps, values = run.points(heading)
        shown = values > 0
        if shown.any():
            axis.plot(steps[shown], values[shown], color=colour, linestyle=STYLES[number % len(STYLES)], linewidth=1.0,
                      label=f"{prefix}{heading}")  # fmt: skip
            axis.set_yscale("log")


def _losses(axis: Axes, run: Ended, colour: str, prefix: str) -> None:
    _lines(axis, run, run.terms, colour, prefix)


def _scores(axis: Axes, run: Ended, colour: str, prefix: str) -> None:
    _lines(axis, run, run.scores, colour, prefix)


def mark_stop(axis: Axes, run: Ended, colour: Colour, prefix: str) -> None:
    """A dashed line where a run stopped, if it did."""
    if (stop := run.summary.get("stop_iteration")) is not None:
        axis.axvline(stop, color=colour, linestyle="--", linewidth=0.8, label=f"{prefix}stop at {stop}")


def draw_psnr(axis: Axes, run: Ended, colour: Colour, prefix: str) -> None:
    """The PSNR over steps, a dot at its peak; nothing where there is no reference."""
    steps, values = run.points("psnr")
    if not len(steps):
        return
    axis.plot(steps, values, color=colour, linewidth=1.0, label=f"{prefix}PSNR".strip())
    peak = int(values.argmax())
    said = f"{prefix}peak {values[peak]:.2f} dB at {steps[peak]}"
    axis.plot(steps[peak], values[peak], "o", color=colour, markersize=4, label=said)
