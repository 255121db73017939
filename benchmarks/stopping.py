"""Where each monitor would stop a run, and what that costs against the run's own peak with all rays in use.

For each recipe, problem and seed there are two runs. One goes to the end of its budget with all rays, and every monitor
that needs no held-out rays side by side: it gives the peak, and what each of these monitors would have delivered. The
other is the recipe as it ships, which holds rays out. What `dipgraph refit` would deliver, all rays up to the step that
the other chose, is read off the first. On real scans, whose references are made of the same data and share their noise,
images are also compared with the total variation of all views, and with the views that the problem leaves unused.

Rows are kept as they come, so that a study that was cut off goes on.

    python benchmarks/stopping.py --data ../shared/data [--jobs 2] [--full] [--recipe vanilla] [--problem tooth]
    python benchmarks/stopping.py --tables              # only print what is there
    python benchmarks/stopping.py --costs               # what monitors add to a step of vanilla
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import re
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np
import torch
from all_views import of_all_views
from machine import digest, is_of, machine
from stopping_tables import MONITORS, tables
from unused import MOST, UnusedViews

import dipgraph
from dipgraph.data.scores import DevicePsnr, psnr
from dipgraph.data.shipped import shipped

RECIPES = ("vanilla", "tv_hqs", "admm_denoiser")
FULL = (*RECIPES, "tv", "wtv_admm", "constrained", "red_apg", "deep_red", "hqs_denoiser", "self_guided", "aseq")
FILES = ("problem.path", "problem.reference")
EVERY = 10
"""Steps between two looks at the images."""
LINES = """\
        - seen: A(average)
        - variance_done, variance: {{stop.variance: {{watch: {iterate}, window: {window}, patience: {patience}}}}}
        - ema_done, ema: {{stop.ema_variance: {{watch: {iterate}, patience: {patience}}}}}
        - discrepancy_done, discrepancy: {{stop.discrepancy: {{of: seen, to: y, sigma: sigma_y, keep: average}}}}
        - white: {{residual.whiteness: {{of: seen - y}}}}
        - whiteness_done, whiteness: {{stop.rise: {{watch: white, keep: average, patience: {patience}}}}}
"""


def cases(data: Path, *, full: bool) -> dict[str, tuple[str, dict[str, Any]]]:
    """The problems by a short name: the shipped one, and its settings."""
    found: dict[str, tuple[str, dict[str, Any]]] = {"walnut_phantom": ("walnut_phantom", {}),
                                                    "shepp_logan": ("shepp_logan", {})}  # fmt: skip
    for scan in ("ta", "tc"):
        stem = data / "htc2022" / f"htc2022_{scan}_full"
        for views in (30, 60):
            found[f"{scan}, {views} views"] = ("htc2022", {
                "problem.path": f"{stem}.mat", "problem.reference": f"{stem}_recon_fbp.mat", "problem.views": views,
            })  # fmt: skip
    found["tooth, 30 views"] = ("tooth", {"problem.path": str(data / "tooth.h5"), "problem.views": 30})
    if full:
        for noise in (0.005, 0.05):
            for name in ("walnut_phantom", "shepp_logan"):
                found[f"{name}, noise {noise}"] = (name, {"problem.noise": noise})
    return found


def with_monitors(name: str, folder: str) -> Path:
    """The shipped recipe with every monitor beside its own."""
    text = shipped("recipes")[name].read_text(encoding="utf-8")
    per_step = "inner:" not in text
    averaged = re.search(r"- average: \{average\.ema: \{of: (\w+),", text)
    assert averaged, f"{name} has no average of its iterates"
    lines = LINES.format(iterate=averaged[1], window=100 if per_step else 10, patience=1000 if per_step else 100)
    before, mark, after = text.partition("      until: done\n")
    assert mark, f"{name} has no loop that ends early"
    text = before + lines + mark + after
    text = text.replace("\nsteps:\n", "\nsteps:\n  - sigma_y: {noise.estimate: {of: y}}\n", 1)
    returned = ", ".join(f"{monitor}: {monitor}, {monitor}_done: {monitor}_done" for monitor in MONITORS)
    text = text.replace("returns: {image: best,", f"returns: {{image: best, average: average, {returned},", 1)
    path = Path(folder) / f"{name}.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def study(case: tuple[str, str, int], data: str, threads: int, device: str | None, settings: dict[str, Any]
          ) -> dict[str, Any]:  # fmt: skip
    """One recipe on one problem with one seed."""
    recipe, label, seed = case
    name, own = cases(Path(data), full=True)[label]
    own = own | settings
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        run = dipgraph.start(with_monitors(recipe, folder), name, settings=own | {"hold": 0}, seed=seed,
                             threads=threads, device=device, run_on=True)  # fmt: skip
    problem = run.problem
    free = UnusedViews(name, own) if name in MOST else None
    whole = of_all_views(name, own) if name in MOST else None

    def scores(image: Any) -> dict[str, float | None]:
        """PSNR to the problem's reference and to the image of all views, and the misfit on unused views."""
        found = run.bound.physical(image) if isinstance(image, torch.Tensor) else image
        return {
            "psnr": float(psnr(found, problem.reference, problem.region)),
            "all_views": None if whole is None else float(psnr(found, whole, problem.region)),
            "unused": None if free is None else free.misfit(found),
        }

    tracked = Tracked(run, whole)
    curve: list[dict[str, Any]] = []
    fired: dict[str, dict[str, Any]] = {}

    def look() -> None:
        held = run.executor.returned()
        if held["average"] is None or held["whiteness_done"] is None:
            return
        curve.append({"step": tracked.step} | scores(held["average"]))
        for monitor in MONITORS:
            if monitor not in fired and bool(held[f"{monitor}_done"]):
                fired[monitor] = {"at": tracked.step} | scores(held[monitor])

    for _ in run:
        if run.steps % EVERY == 0:  # where a recipe splits, the image is that of the iteration before
            look()
    look()
    held = run.executor.returned()
    for monitor in MONITORS:
        if monitor not in fired:
            fired[monitor] = {"at": None} | scores(held[monitor])
    peak_at, peak = run.record.peak
    shipped_run = dipgraph.run(recipe, name, settings=own, seed=seed, threads=threads, device=device)
    step = shipped_run.end.delivered_step or shipped_run.steps
    stop = {"at": shipped_run.stopped_at, "step": step}
    fired["held-out rays"] = stop | scores(shipped_run.image)
    again = min(curve, key=lambda point: abs(point["step"] - step))
    fired["held-out rays, refit"] = stop | {key: again[key] for key in ("psnr", "all_views", "unused")}
    best = max(curve, key=lambda point: point["psnr"])
    found = {"peak": peak, "peak_at": peak_at, "end": curve[-1]["psnr"], "steps": run.steps, "all_views_peak": None}
    if free is not None:
        found |= {
            "all_views_peak": tracked.peak, "unused_least": min(point["unused"] for point in curve),
            "unused_at_peak": best["unused"], "unused_reference": free.misfit(problem.reference),
            "unused_all_views": free.misfit(whole),
        }  # fmt: skip
    return found | {
        "recipe": recipe, "problem": label, "seed": seed, "monitors": fired, "settings": settings,
        "text": digest(recipe), "device": shipped_run.device, "machine": machine(),
        "seconds": round(time.perf_counter() - began, 1),
    }  # fmt: skip


class Tracked:
    """The tracked image of a run, compared with the image of all views wherever the run's record scores it."""

    def __init__(self, run: dipgraph.Run, whole: np.ndarray | None) -> None:
        self.step = 0
        """The step of the last image."""
        self._found: list[torch.Tensor] = []
        setting, record = run.bound.setting, run.record
        score = None if whole is None else DevicePsnr(
            whole / run.bound.scale, run.problem.region, setting.device, setting.dtype)  # fmt: skip
        noted = record.tracked

        def tracked(step: int, image: torch.Tensor) -> None:
            noted(step, image)
            self.step = step
            if score is not None:
                self._found.append(score(image[0, 0]))

        record.tracked = tracked

    @property
    def peak(self) -> float:
        """The highest PSNR so far."""
        return float(torch.stack(self._found).max())


def costs(blocks: int = 30, steps: int = 10) -> None:
    """The time that monitors add to a step of vanilla, sides alternating: median ratio and quartiles."""
    with tempfile.TemporaryDirectory() as folder:
        watched = with_monitors("vanilla", folder)
        plain = Path(folder) / "plain.yaml"
        lines = shipped("recipes")["vanilla"].read_text(encoding="utf-8").splitlines(keepends=True)
        begin = next(k for k, line in enumerate(lines) if "- average:" in line)
        end = next(k for k, line in enumerate(lines) if line.startswith("track:"))
        text = "".join([*lines[:begin], "\n", *lines[end:]]).replace("image: best", "image: x")
        plain.write_text(text, encoding="utf-8")
        many = {"gradient_steps": 10**9, "patience": 10**9}
        bare = {"gradient_steps": 10**9, "hold": 0}
        runs = {"no monitor": iter(dipgraph.start(plain, settings=bare)),
                "held-out rays": iter(dipgraph.start("vanilla", settings=many)),
                "all monitors": iter(dipgraph.start(watched, settings=many))}  # fmt: skip
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(blocks + 1):
        for name in list(runs) if number % 2 else list(runs)[::-1]:
            began = time.perf_counter()
            for _ in range(steps):
                next(runs[name])
            if number:
                taken[name].append(time.perf_counter() - began)
    base = np.array(taken.pop("no monitor"))
    for name, values in taken.items():
        low, middle, high = np.percentile(np.array(values) / base, [25, 50, 75])
        print(f"{name}: {middle:.3f} of a step without a monitor, quartiles {low:.3f} to {high:.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results/stopping.jsonl"))
    parser.add_argument(
        "--full", action="store_true", help="every recipe with a network, more noise levels, five seeds"
    )
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--device", help="cpu or cuda")
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="NAME=VALUE", help="to try it")
    parser.add_argument("--recipe", dest="recipes", action="append", help="this one alone; repeatable")
    parser.add_argument("--problem", dest="problems", action="append", help="those whose name begins so; repeatable")
    parser.add_argument("--tables", action="store_true")
    parser.add_argument("--costs", action="store_true")
    asked = parser.parse_args()
    if asked.costs:
        costs()
        print(machine())
        return
    rows = [json.loads(line) for line in asked.results.read_text().splitlines()] if asked.results.exists() else []
    settings = dict(text.split("=", 1) for text in asked.settings)
    rows = [row for row in rows if is_of(row, settings, asked.device)]
    labels = [label for label, (_, own) in cases(asked.data, full=asked.full).items()
              if label.startswith(tuple(asked.problems or [""]))
              and all(Path(own[key]).exists() for key in FILES if key in own)]  # fmt: skip
    recipes = asked.recipes or (FULL if asked.full else RECIPES)
    wanted = [(recipe, label, seed) for seed in range(5 if asked.full else asked.seeds) for label in labels
              for recipe in recipes]  # fmt: skip
    done = {(row["recipe"], row["problem"], row["seed"]) for row in rows}
    left = [] if asked.tables else [case for case in wanted if case not in done]
    threads = max(1, (os.cpu_count() or 1) // asked.jobs)
    with ProcessPoolExecutor(asked.jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        futures = [pool.submit(study, case, str(asked.data), threads, asked.device, settings) for case in left]
        for future in as_completed(futures):
            if future.exception():
                pool.shutdown(cancel_futures=True)
            rows.append(future.result())
            asked.results.parent.mkdir(parents=True, exist_ok=True)
            with asked.results.open("a") as file:
                file.write(json.dumps(rows[-1]) + "\n")
            print({key: rows[-1][key] for key in ("recipe", "problem", "seed", "peak", "seconds")}, flush=True)
    if rows:
        print(tables(rows))
        print("\n" + "; ".join(sorted({row["machine"] for row in rows})))


if __name__ == "__main__":
    main()
