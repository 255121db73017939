"""The scripts of `benchmarks` ask for what they say that they ask for."""

from __future__ import annotations

import importlib
import re
import runpy
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import dipgraph

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"


def test_the_table_of_results_is_made_with_every_setting_that_stands_above_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}

    def compare(recipes: list[str], problems: list[str], **options: Any) -> SimpleNamespace:
        asked[problems[0]] = options["settings"]
        return SimpleNamespace(table=lambda name: name, origin="", exit_code=0)

    page = tmp_path / "results.md"
    names = ("htc2022", "walnut_phantom")
    page.write_text("".join(f"<!-- results: {name} -->\n<!-- end of {name} -->\n" for name in names))
    mine = {"gradient_steps": "5", "tv.alpha": "1e-3", "problem.noise": "0.02", "htc2022.views": "45"}
    words = [word for name, value in mine.items() for word in ("--set", f"{name}={value}")]
    chosen = [word for name in names for word in ("--problem", name)]
    monkeypatch.setattr(dipgraph, "compare", compare)
    monkeypatch.setattr(sys, "argv", ["results.py", "--htc", "scans", "--page", str(page), *chosen, *words])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(FOLDER / "results.py"), run_name="__main__")
    assert ended.value.code == 0
    assert asked["walnut_phantom"] == {name: value for name, value in mine.items() if name != "htc2022.views"}
    assert asked["htc2022"].items() >= mine.items()
    assert asked["htc2022"]["htc2022.path"] == "scans/htc2022_ta_full.mat"
    assert "walnut_phantom\nDefaults with gradient_steps=5, tv.alpha=1e-3" in page.read_text()


def test_the_study_of_stopping_watches_the_iterate_that_is_averaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    study = runpy.run_path(str(FOLDER / "stopping.py"))
    for name in study["FULL"]:
        path = study["with_monitors"](name, str(tmp_path))
        assert dipgraph.check(path) == []
        watched = re.findall(r"stop\.\w*variance: \{watch: (\w+),", path.read_text())
        assert set(watched[-2:]) == set(re.findall(r"- average: .*\{of: (\w+),", path.read_text()))


SMALL = {"gradient_steps": "40", "inner": "10", "channels": "4", "scales": "2", "patience": "2"}


def test_a_row_of_the_study_of_stopping_is_made_of_the_runs_own_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    stopping, tables, machine = (importlib.import_module(name) for name in ("stopping", "stopping_tables", "machine"))
    asked = {**SMALL, "problem.size": "32"}
    row = stopping.study(("tv_hqs", "walnut_phantom", 0), "", 1, "cpu", asked)
    assert machine.is_of(row, asked, "cpu")
    assert not machine.is_of(row, {}, "cpu")
    assert not machine.is_of(row | {"text": "another"}, asked, "cpu")
    alone = dipgraph.run("tv_hqs", "walnut_phantom", settings=asked, device="cpu", threads=1)
    held = row["monitors"]["held-out rays"]
    assert (held["psnr"], held["step"]) == (pytest.approx(alone.score.psnr), alone.end.delivered_step)
    whole = dipgraph.run(
        "tv_hqs", "walnut_phantom", settings={**asked, "hold": 0}, device="cpu", threads=1, run_on=True
    )
    assert row["peak"] == pytest.approx(whole.record.peak[1])
    again = row["monitors"]["held-out rays, refit"]
    assert held["step"] == whole.steps == 40
    assert again["psnr"] == pytest.approx(whole.score.psnr)  # the run with all rays, at the step that the other chose
    text = tables.tables([row])
    assert f"| {row['peak']:.2f} |" in text
    assert f"| {held['psnr'] - row['peak']:+.2f} |" in text


def test_a_row_of_the_study_of_weights_is_judged_thrice(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    transfer, machine = (importlib.import_module(name) for name in ("transfer", "machine"))
    judges: list[np.ndarray] = []

    def of_all_views(name: str, settings: dict[str, Any]) -> np.ndarray:
        own = {key.removeprefix("problem."): value for key, value in settings.items()}
        judges.append(dipgraph.load_problem(name, own).reference)
        return judges[-1]

    monkeypatch.setattr(transfer, "of_all_views", of_all_views)
    asked = {key: SMALL[key] for key in ("gradient_steps", "channels", "scales")}
    row = transfer.measure(("tv", "tooth", 2.0), str(shared), 1, "cpu", asked)
    assert machine.is_of(row, asked, "cpu")
    assert row["weight"] == 2 * transfer.default("tv")
    assert row["all_views"] == pytest.approx(row["psnr"])
    assert 0 < row["unused"] < 1
    text = transfer.table([row])
    for value in (f"{row['psnr']:.2f}", f"{100 * row['unused']:.2f}"):
        assert f"| – | – | – | {value} | – | – |" in text
