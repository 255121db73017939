"""`dipgraph refit`: all rays up to the step that the first run chose."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import tifffile

from tests.command_line import call

SMALL = ("--set", "gradient_steps=40", "--set", "channels=4", "--set", "scales=2", "--set", "problem.size=32",
         "--set", "problem.views=8", "--threads", "1", "--seed", "3")  # fmt: skip


def image(folder: str) -> np.ndarray:
    return tifffile.imread(Path(folder) / "reconstruction.tiff")


def test_it_is_the_recipe_without_rays_held_out_ended_where_the_image_was_from(tmp_path: Path) -> None:
    first, again, by_hand = (str(tmp_path / name) for name in ("first", "again", "by hand"))
    call("run", "vanilla", *SMALL, "--set", "patience=5", "--run-on", "-o", first)
    step = json.loads(Path(first, "summary.json").read_text())["delivered_step"]
    call("refit", first, "-o", again)
    told = json.loads(Path(again, "summary.json").read_text())
    assert (told["iterations"], told["delivered_step"], told["seed"], told["run_on"]) == (step, step, 3, False)
    call("run", "vanilla", *SMALL, "--set", "hold=0", "--stop-at", str(step), "-o", by_hand)
    assert np.array_equal(image(again), image(by_hand))
    assert not np.array_equal(image(again), image(first))
    call("rerun", again)


def test_what_held_nothing_out_is_refused(tmp_path: Path) -> None:
    run = str(tmp_path / "run")
    call("run", "vanilla", *SMALL, "--set", "hold=0", "-o", run)
    assert "held nothing out" in call("refit", run, code=2)
    assert not Path(f"{run}-refit").exists()


def test_a_recipe_without_the_preset_a_folder_without_a_run_and_one_under_way_are_refused(tmp_path: Path) -> None:
    run = str(tmp_path / "tv")
    call("run", "tv_pdhg", "--set", "iterations=3", "--set", "problem.size=32", "-o", run)
    assert "no preset 'all_rays'" in call("refit", run, code=2)
    assert "holds no run" in call("refit", str(tmp_path), code=2)
    with Path(run, "recipe.yaml").open("a") as file:
        file.write("\n# another\n")
    assert "was changed after the run began" in call("refit", run, code=2)
    Path(run, "summary.json").unlink()
    assert "dipgraph resume" in call("refit", run, code=2)
