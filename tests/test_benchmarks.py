"""The scripts of `benchmarks` ask for what they say that they ask for."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

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
