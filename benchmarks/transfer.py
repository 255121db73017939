"""How a recipe's main weight carries over: a quarter, half, once, twice and four times its default on real scans.

Prints what is delivered for each, and how far the default is below the best of the five, by three judges: the problem's
reference, the total variation of all views, and how well views are explained that the problem leaves unused; the
references are made of the same scans. Beside them stands the score of the run's own held-out rays, which needs none of
them. The defaults were chosen on `shepp_logan` and the scan `tc` of HTC2022; here are `ta` and a tooth, and both once
more on a grid twice as fine. Rows are kept as they come, so that a study that was cut off goes on.

    python benchmarks/transfer.py --data ../shared/data [--jobs 2] [--fine] [--device cuda]
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from all_views import of_all_views
from machine import digest, is_of, machine
from unused import UnusedViews, own

import dipgraph
from dipgraph.data.scores import psnr
from dipgraph.data.shipped import load_recipe

WEIGHTS = {"tv": "alpha", "tv_hqs": "lam", "red_apg": "lam", "admm_denoiser": "beta"}
SCORES = ("psnr", "all_views", "unused")
FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)


def problems(data: Path, *, fine: bool) -> dict[str, tuple[str, dict[str, Any]]]:
    """The scans by a short name: the shipped problem and its settings."""
    stem = data / "htc2022" / "htc2022_ta_full"
    scan = {"problem.path": f"{stem}.mat", "problem.reference": f"{stem}_recon_fbp.mat", "problem.views": 30}
    tooth = {"problem.path": str(data / "tooth.h5"), "problem.views": 30}
    found = {"ta": ("htc2022", scan), "tooth": ("tooth", tooth)}
    if fine:
        found |= {"ta, twice as fine": ("htc2022", scan | {"problem.binning": 2}),
                  "tooth, twice as fine": ("tooth", tooth | {"problem.binning": 1})}  # fmt: skip
    return found


def default(recipe: str) -> float:
    """A recipe's weight as it ships."""
    return float(load_recipe(recipe).parameters.declared[WEIGHTS[recipe]].default.text)


def measure(case: tuple[str, str, float], data: str, threads: int, device: str | None, tried: dict[str, str]
            ) -> dict[str, Any]:  # fmt: skip
    """One recipe on one scan with its weight times a factor."""
    recipe, label, factor = case
    name, settings = problems(Path(data), fine=True)[label]
    weight, problem = WEIGHTS[recipe], dipgraph.load_problem(name, own(settings))
    usual = default(recipe)
    result = dipgraph.run(recipe, problem, settings=tried | {weight: factor * usual}, threads=threads, device=device)
    summary = result.summary()
    told = {key: summary[key] for key in ("psnr", "peak_psnr", "stop_iteration", "iterations", "seconds")}
    told["all_views"] = float(psnr(result.image, of_all_views(name, settings), problem.region))
    told["unused"] = UnusedViews(name, settings).misfit(result.image)
    told["held_out"] = summary["stoppers"][0]["best_score"]
    about = {"recipe": recipe, "problem": label, "factor": factor, "weight": factor * usual, "text": digest(recipe)}
    about |= {"settings": tried, "device": result.device}
    return about | told | {"machine": machine()}


def table(rows: list[dict[str, Any]]) -> str:
    """The rows as Markdown: for each recipe and problem two lines of PSNR and one of misfits."""
    heads = [f"×{factor:g}" for factor in FACTORS]
    out = [
        f"| recipe | weight | problem | | {' | '.join(heads)} | default behind the best |",
        f"|---|---|---|---|{'---|' * 6}",
    ]
    found = {(row["recipe"], row["problem"], row["factor"]): row for row in rows}
    for recipe, problem in sorted({key[:2] for key in found}):
        cells = [found.get((recipe, problem, factor)) for factor in FACTORS]
        given, whole, misfit = ([cell and cell[name] for cell in cells] for name in SCORES)
        out.append(_row(f"`{recipe}` | `{WEIGHTS[recipe]}` | {problem} | PSNR [dB]", given, max))
        out.append(_row(" | | | PSNR to TV of all views [dB]", whole, max))
        out.append(_row(" | | | misfit [%]", [cell and 100 * cell for cell in misfit], min))
        if any(seen := [cell and cell.get("held_out") for cell in cells]):
            out.append(_row(" | | | held-out score, ×1000", [score and 1000 * score for score in seen], min))
    return "\n".join(out)


def _row(begin: str, values: list[float | None], best: Callable[..., float]) -> str:
    known = [value for value in values if value is not None]
    loss = "–" if values[2] is None else f"{abs(best(known) - values[2]):.2f}"
    said = " | ".join("–" if value is None else f"{value:.2f}" for value in values)
    return f"| {begin} | {said} | {loss} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results/transfer.jsonl"))
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--device", help="cpu or cuda")
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="NAME=VALUE", help="to try it")
    parser.add_argument("--fine", action="store_true", help="on the finer grids too, which take four times as long")
    parser.add_argument("--tables", action="store_true", help="only print what is there")
    asked = parser.parse_args()
    rows = [json.loads(line) for line in asked.results.read_text().splitlines()] if asked.results.exists() else []
    tried = dict(text.split("=", 1) for text in asked.settings)
    rows = [row for row in rows if is_of(row, tried, asked.device)]
    done = {(row["recipe"], row["problem"], row["factor"]) for row in rows}
    labels = list(problems(asked.data, fine=asked.fine))[::-1]  # the longest runs first
    nearest = sorted(FACTORS, key=lambda factor: max(factor, 1 / factor))
    wanted = [(recipe, label, factor) for label in labels for factor in nearest for recipe in WEIGHTS]
    left = [] if asked.tables else [case for case in wanted if case not in done]
    threads = max(1, (os.cpu_count() or 1) // asked.jobs)
    with ProcessPoolExecutor(asked.jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        futures = [pool.submit(measure, case, str(asked.data), threads, asked.device, tried) for case in left]
        for future in as_completed(futures):
            if future.exception():
                pool.shutdown(cancel_futures=True)
            rows.append(future.result())
            asked.results.parent.mkdir(parents=True, exist_ok=True)
            with asked.results.open("a") as file:
                file.write(json.dumps(rows[-1]) + "\n")
            print({key: value for key, value in rows[-1].items() if key != "machine"}, flush=True)
    if rows:
        print(table(rows))
        print("\n" + "; ".join(sorted({row["machine"] for row in rows})))


if __name__ == "__main__":
    main()
