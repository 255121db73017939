"""The tables of the study of stopping: per monitor over all runs, and each run for itself."""

from __future__ import annotations

from typing import Any

import numpy as np

MONITORS = {"variance": "windowed variance", "ema": "running variance", "discrepancy": "discrepancy, estimated noise",
            "whiteness": "whiteness of the residual"}  # fmt: skip


def gap(row: dict[str, Any], monitor: str, *, whole: bool) -> float:
    """What a monitor delivered minus the peak [dB]; on real scans by the image of all views, if ``whole``."""
    delivered = row["monitors"][monitor]
    whole = whole and row["all_views_peak"] is not None
    found = delivered["all_views"] - row["all_views_peak"] if whole else delivered["psnr"] - row["peak"]
    return float(found)


def monitors(rows: list[dict[str, Any]]) -> list[str]:
    """What each monitor delivered over these runs, as the lines of a table."""
    heads = ["monitor", "gap [dB]: mean", "worst", "with the scans judged by all views: mean", "worst", "fired",
             "stop after the peak, median [steps]", "misfit on unused views over the least, mean"]  # fmt: skip
    out = [_row(heads), _row(["---"] * len(heads))]
    for name in rows[0]["monitors"]:
        gaps = [[gap(row, name, whole=whole) for row in rows] for whole in (False, True)]
        stops = [row["monitors"][name]["at"] - row["peak_at"] for row in rows if row["monitors"][name]["at"]]
        shares = [row["monitors"][name]["unused"] / row["unused_least"] for row in rows if row.get("unused_least")]
        late = f"{np.median(stops):.0f}" if stops else "–"
        share = f"{np.mean(shares):.3f}" if shares else "–"
        means = [f"{function(of):+.2f}" for of in gaps for function in (np.mean, min)]
        out.append(_row([MONITORS.get(name, name), *means, f"{len(stops)} of {len(rows)}", late, share]))
    return out


def tables(rows: list[dict[str, Any]]) -> str:
    """The study as Markdown: per monitor, with the tooth and without it, and the default per recipe and problem."""
    out = monitors(rows)
    others = [row for row in rows if not row["problem"].startswith("tooth")]
    if others and others != rows:
        out += ["", "Without the tooth:", "", *monitors(others)]
    heads = ["recipe", "problem", "seed", "peak", "at", "delivered", "gap", "of step", "refit", "windowed variance",
             "by all views: peak", "delivered", "gap", "windowed variance",
             "misfit [%]: delivered", "average at its peak", "reference", "all views"]  # fmt: skip
    out += ["", _row(heads), _row(["---"] * len(heads))]
    for row in sorted(rows, key=lambda row: (row["recipe"], row["problem"], row["seed"])):
        default, refit, window = (row["monitors"][name] for name in
                                  ("held-out rays", "held-out rays, refit", "variance"))  # fmt: skip
        cells = [f"`{row['recipe']}`", row["problem"], row["seed"], f"{row['peak']:.2f}", row["peak_at"],
                 f"{default['psnr']:.2f}", f"{gap(row, 'held-out rays', whole=False):+.2f}", default["step"],
                 f"{refit['psnr']:.2f}", f"{window['psnr']:.2f}"]  # fmt: skip
        if row["all_views_peak"] is None:
            cells += ["–"] * 8
        else:
            cells += [f"{row['all_views_peak']:.2f}", f"{default['all_views']:.2f}",
                      f"{gap(row, 'held-out rays', whole=True):+.2f}", f"{window['all_views']:.2f}"]  # fmt: skip
            cells += [f"{100 * value:.2f}" for value in (default["unused"], row["unused_at_peak"],
                                                         row["unused_reference"], row["unused_all_views"])]  # fmt: skip
        out.append(_row(cells))
    return "\n".join(out)


def _row(cells: list[Any]) -> str:
    return f"| {' | '.join(map(str, cells))} |"
