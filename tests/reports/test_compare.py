"""`dipgraph compare`: cells are runs like any other, what is done is skipped, and a killed comparison goes on."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

import dipgraph
from dipgraph.reports import provenance
from dipgraph.reports.comparison import pool
from dipgraph.reports.comparison.cells import wait_for
from dipgraph.reports.comparison.figures import draw_comparison, draw_images, read_panels
from dipgraph.reports.lock import is_held, locked
from tests.command_line import call
from tests.reports.small import TINY, delivered, half_written, written
from tests.reports.test_faults import BLOWS_UP

SMALL = ["--set", "problem.size=16", "--set", "problem.views=9", "--set", "problem.detectors=24"]
QUIETLY = ["--device", "cpu", "--threads", "1", "--quiet"]
PRIOR = """recipe: 1
steps:
  - repeat: {count: 2, carry: {x: zeros(X)}, steps: [x: x + prior]}
track: x
returns: {image: x}
"""
STEPS = ["--set", "gradient_steps=150", "--set", "channels=4", "--set", "scales=2"]
LONG = ["vanilla", "tv", *SMALL, *QUIETLY, *STEPS, "--checkpoint-every", "5"]  # fmt: skip


@pytest.fixture(scope="module")
def two(tmp_path_factory) -> tuple[list[str], Path]:
    """Two recipes with two seeds, compared: what was said after ``dipgraph compare``, and the folder."""
    where = tmp_path_factory.mktemp("compared")
    recipes = [written(where, name) for name in ("a split with a stop", "no gradients")]
    said = [*recipes, *SMALL, *QUIETLY, "--seeds", "2", "--out", str(where / "out")]
    call("compare", *said)
    return said, where / "out"


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "table.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def numbers(out: Path) -> dict[tuple[str, str, str], dict[str, str]]:
    """Each row of the table by its cell, without what time and memory change."""
    measured = ("seconds", "peak_memory", "folder")
    return {
        (row["problem"], row["recipe"], row["seed"]): {k: v for k, v in row.items() if k not in measured}
        for row in rows(out)
    }


def content(out: Path) -> dict[str, tuple[int, bytes]]:
    """The files of the cells, with their times."""
    return {
        str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in out.glob("*/*/seed-*/*") if path.is_file()
    }


def none_begins(monkeypatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a process was begun")

    monkeypatch.setattr(pool, "_start", refuse)


# --- what it leaves ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_each_cell_is_the_run_that_the_command_run_makes(two, tmp_path):
    said, out = two
    cells = sorted(path.relative_to(out).as_posix() for path in out.glob("*/*/seed-*"))
    assert cells == [f"walnut_phantom/{name}/seed-{seed}"
                     for name in ("a_split_with_a_stop", "no_gradients") for seed in (0, 1)]  # fmt: skip
    for seed, recipe in ((0, said[1]), (1, said[0])):
        alone = tmp_path / str(seed)
        call("run", recipe, *TINY, "--run-on", "--seed", str(seed), "--out", str(alone))
        cell = out / "walnut_phantom" / Path(recipe).stem / f"seed-{seed}"
        assert delivered(cell) == delivered(alone)
        for name in ("recipe.yaml", "problem.yaml"):
            assert (cell / name).read_text() == (alone / name).read_text()
        told = json.loads((cell / "run.json").read_text())
        assert told["options"]["threads"] == 1
        assert "checkpoints" not in {path.name for path in cell.iterdir()}
        call("rerun", str(cell))


@pytest.mark.slow
def test_tables_and_figures_hold_what_the_cells_say(two):
    _, out = two
    assert {path.name for path in out.iterdir()} - {".lock"} == {
        "walnut_phantom", "table.md", "table.csv", "psnr.png", "psnr.svg", "images.png", "images.svg",
    }  # fmt: skip
    for row in rows(out):
        summary = json.loads((out / row["folder"] / "summary.json").read_text())
        assert float(row["psnr"]) == summary["psnr"]
        assert float(row["final_psnr"]) == summary["final_psnr"]
        assert (row["peak_step"], row["steps"]) == (str(summary["peak_iteration"]), str(summary["iterations"]))
        assert int(row["peak_memory"]) == summary["peak_memory"] > 2**24
        assert (row["outcome"], row["reason"], summary["reason"]) == (summary["outcome"], "", None)
    text = (out / "table.md").read_text()
    assert "## walnut_phantom" in text
    first = next(line for line in text.splitlines() if line.startswith("| ---")) + "\n| FBP"
    assert first in text
    assert "1 thread a run" in text
    assert "in the inscribed disc" in text
    svg = (out / "psnr.svg").read_text()
    assert "<svg" in svg


@pytest.mark.slow
def test_figures_show_every_recipe_once(two, monkeypatch):
    said, out = two
    none_begins(monkeypatch)
    size = {"problem.size": 16, "problem.views": 9, "problem.detectors": 24}
    found = dipgraph.compare(said[:2], seeds=2, settings=size, out=out, device="cpu", threads=1)
    panels = read_panels(found.rows)
    curves = draw_comparison(panels)
    (axis,) = curves.axes
    labels = [text.get_text() for text in axis.get_legend().get_texts()]
    first = [row for row in found.rows if row.seed == 0]
    for row, label in zip(first, labels, strict=False):
        assert label.startswith(f"{row.recipe}, peak {row.peak_psnr:.2f} dB at {row.peak_step}")
        assert ("stop at" in label) == (row.stop_step is not None)
    assert labels[-1] == f"FBP {first[0].fbp_psnr:.2f} dB"
    sheet = [axis for axis in draw_images(panels).axes if axis.images]
    assert [axis.get_title().split(",")[0] for axis in sheet] == [
        "walnut_phantom\nreference", "FBP", *(row.recipe for row in first),
    ]  # fmt: skip
    assert all(axis.texts[0].get_text().endswith(" mm") for axis in sheet)
    assert draw_comparison({}) is None
    assert draw_images({}) is None


@pytest.mark.slow
def test_order_and_jobs_change_no_number(two, tmp_path):
    said, out = two
    again = [said[1], said[0], *said[2:-3], "2", "--jobs", "2", "--out", str(tmp_path / "again")]
    call("compare", *again)
    assert numbers(tmp_path / "again") == numbers(out)
    for path in out.glob("*/*/seed-*"):
        assert delivered(path) == delivered(tmp_path / "again" / path.relative_to(out))


# --- going on ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_what_is_done_is_skipped_and_its_files_stand(two, monkeypatch):
    said, out = two
    before, table = content(out), (out / "table.md").read_bytes()
    none_begins(monkeypatch)
    call("compare", *said)
    call("compare", said[0], *said[2:])
    call("compare", said[1], said[0], *said[2:])
    call("compare", *said)
    assert content(out) == before
    assert (out / "table.md").read_bytes() == table


@pytest.mark.slow
def test_from_python_it_is_the_same_comparison(two, monkeypatch):
    said, out = two
    none_begins(monkeypatch)
    size = {"problem.size": 16, "problem.views": 9, "problem.detectors": 24}
    found = dipgraph.compare(said[:2], seeds=2, settings=size, out=out, device="cpu", threads=1)
    assert [(row.recipe, row.seed) for row in found.rows] == [(row["recipe"], int(row["seed"])) for row in rows(out)]
    assert [row.psnr for row in found.rows] == [float(row["psnr"]) for row in rows(out)]
    assert found.exit_code == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("other", "difference"),
    [
        (["--set", "problem.views=10"], "problem:"),
        (["--until-stop"], "run_on: True then, False now"),
        (["--threads", "2"], "threads: 1 then, 2 now"),
    ],
)
def test_another_run_in_a_folder_is_refused_with_the_difference(two, other, difference, monkeypatch):
    said, out = two
    if "--threads" in other and (os.cpu_count() or 1) < 2:
        pytest.skip("has one core")
    before = content(out)
    none_begins(monkeypatch)
    told = call("compare", *said, *other, code=2)
    assert difference in told
    assert "4 folders hold another run" in told
    assert "and 1 more" in told
    assert content(out) == before


@pytest.mark.slow
def test_another_version_is_refused(two, monkeypatch):
    said, _ = two
    none_begins(monkeypatch)
    versions = provenance.versions()
    monkeypatch.setattr(provenance, "versions", lambda: {**versions, "dipgraph": "9.9"})
    assert f"dipgraph: {versions['dipgraph']} then, 9.9 now" in call("compare", *said, code=2)


def begin(arguments: list[str], out: Path, until: Callable[[], bool]) -> subprocess.Popen[bytes]:
    """A comparison in a process of its own, once something has come to be."""
    command = [sys.executable, "-m", "dipgraph.cli", "compare", *arguments, "--out", str(out)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait(lambda: until() or process.poll() is not None)
    assert process.poll() is None, "it ended before it could be stopped"
    return process


def wait(until: Callable[[], bool]) -> None:
    ends = time.monotonic() + 120
    while not until():
        assert time.monotonic() < ends
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_comparison_that_was_stopped_gives_the_numbers_of_one_that_was_not(number, tmp_path):
    out, cell = tmp_path / "out", tmp_path / "out" / "walnut_phantom" / "vanilla" / "seed-0"
    process = begin(LONG, out, lambda: any((cell / "checkpoints").glob("*.json")))
    process.send_signal(number)
    assert process.wait() == (128 + number if number != signal.SIGKILL else -number)
    wait(lambda: not is_held(cell))  # what the killed one had begun saves and ends by itself
    assert not (out / "walnut_phantom" / "tv").exists()
    if number != signal.SIGKILL:
        assert [row["outcome"] for row in rows(out)] == ["interrupted", "not run"]
        assert [row["psnr"] for row in rows(out)] == ["", ""]
    call("compare", *LONG, "--out", str(out))
    assert json.loads((cell / "run.json").read_text())["resumed"][0]["after_step"] > 0
    assert half_written(out) == []
    for row in rows(out):
        alone = tmp_path / row["recipe"]
        call("run", row["recipe"], *TINY, *STEPS, "--run-on", "--out", str(alone))
        assert delivered(out / row["folder"]) == delivered(alone)
        summary = json.loads((alone / "summary.json").read_text())
        assert (float(row["psnr"]), float(row["peak_psnr"])) == (summary["psnr"], summary["peak_psnr"])


# --- faults -----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_cell_that_fails_stands_with_its_reason_and_stops_no_other(tmp_path, monkeypatch):
    texts = {"lacks": PRIOR, "grows": BLOWS_UP.replace("RATE", "100.0").replace("WEIGHT", "0.5")}
    for name, text in texts.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    recipes = [*(str(tmp_path / f"{name}.yaml") for name in texts), written(tmp_path, "no gradients")]
    out = tmp_path / "out"
    told = call("compare", *recipes, *SMALL, *QUIETLY, "--out", str(out), code=1)
    assert "E801" in told
    assert "the run diverged: at step" in told
    lacks, grows, fine = rows(out)
    assert (lacks["outcome"], grows["outcome"], fine["outcome"]) == ("failed", "diverged", "completed")
    assert "no 'prior'" in lacks["reason"]
    assert "fidelity.l2" in grows["reason"]
    assert grows["psnr"] == lacks["psnr"] == ""
    text = (out / "table.md").read_text()
    assert "failed: E801" in text
    assert "diverged: the run diverged: at step" in text

    before = numbers(out)
    begun, start = [], pool._start
    monkeypatch.setattr(pool, "_start", lambda cell, *more: begun.append(str(cell)) or start(cell, *more))
    call("compare", *recipes, *SMALL, *QUIETLY, "--out", str(out), code=1)
    assert begun == ["walnut_phantom/lacks/seed-0"]
    assert numbers(out) == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["vanilla", "tv", "--set", "alpa=1"], ["no recipe has a parameter 'alpa'", "did you mean 'alpha'?"]),
        (["vanilla", "tv", "--set", "vanilla.alpha=1"], ["'vanilla' has no parameter 'alpha'"]),
        (["vanilla", "--set", "tv.alpha=1"], ["no recipe or problem here is called 'tv'"]),
        (["vanilla", "--set", "problem.vews=3"], ["no problem has a parameter 'vews'", "did you mean 'views'?"]),
        (["vanilla", "--set", "walnut_phantom.vews=3"], ["'walnut_phantom' has no parameter 'vews'"]),
        (["vanilla", "--set", "rate"], ["a setting is name=value"]),
        (["vanilla", "--preset", "papre"], ["no recipe has a preset 'papre'", "did you mean 'paper'?"]),
        (["vanilla", "nosuch"], ["no recipe is called 'nosuch'"]),
        (["vanilla", "vanilla"], ["two recipes are called 'vanilla'"]),
        (["vanilla", "-p", "shepp_logan", "-p", "shepp_logan"], ["two problems are called 'shepp_logan'"]),
        (["vanilla", "--checkpoint-every", "often"], ["'often' is no schedule"]),
        (["nosuch", "-p", "neither"], ["no recipe is called 'nosuch'", "no problem is called 'neither'"]),
        (
            ["vanilla", "tv", "-p", "htc2022", "-p", "walnut_phantom",
             "--set", "vanilla.rate=0", "--set", "tv.alpha=-1", "--set", "walnut_phantom.views=0"],
            ["'rate' is 0", "'alpha' is -1", "'views' is 0", "'path'"],
        ),
    ],
)  # fmt: skip
def test_every_mistake_is_told_before_anything_is_made(arguments, said, tmp_path, monkeypatch):
    none_begins(monkeypatch)
    monkeypatch.chdir(tmp_path)
    told = call("compare", *arguments, code=2)
    for part in said:
        assert part in told, told
    assert list(tmp_path.iterdir()) == []


def test_files_that_are_no_yaml_are_told_with_the_rest(tmp_path, monkeypatch):
    none_begins(monkeypatch)
    for name in ("one", "two"):
        (tmp_path / f"{name}.yaml").write_text("recipe: [")
    broken = [str(tmp_path / f"{name}.yaml") for name in ("one", "two")]
    told = call("compare", *broken, "--out", str(tmp_path / "out"), code=2)
    assert told.startswith(broken[0])
    told = call("compare", *broken, "nosuch", "--out", str(tmp_path / "out"), code=2)
    assert told.startswith("error: no recipe is called 'nosuch'")
    for path in broken:
        assert f"\n{path}:1:" in told


def test_two_files_of_one_name_are_refused(tmp_path, monkeypatch):
    none_begins(monkeypatch)
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        written(tmp_path / folder, "no gradients")
    paths = [str(tmp_path / folder / "no_gradients.yaml") for folder in ("a", "b")]
    told = call("compare", *paths, "--out", str(tmp_path / "out"), code=2)
    assert f"two recipes are called 'no_gradients': {paths[0]} and {paths[1]}" in told
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_not_a_comparisons_is_refused(tmp_path, monkeypatch):
    none_begins(monkeypatch)
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "mine.txt").write_text("dear")
    assert "not a comparison's" in call("compare", "sirt", "--out", str(tmp_path / "letters"), code=2)
    (tmp_path / "file").write_text("")
    assert "cannot write there" in call("compare", "sirt", "--out", str(tmp_path / "file"), code=2)
    (tmp_path / "out" / "walnut_phantom" / "sirt" / "seed-0").mkdir(parents=True)
    (tmp_path / "out" / "table.csv").write_text("")
    (tmp_path / "out" / "walnut_phantom" / "sirt" / "seed-0" / "mine.txt").write_text("dear")
    assert "not a run's" in call("compare", "sirt", "--out", str(tmp_path / "out"), code=2)


def test_two_comparisons_do_not_share_a_folder(tmp_path, monkeypatch):
    none_begins(monkeypatch)
    with locked(tmp_path):
        assert "is alive" in call("compare", "sirt", "--out", str(tmp_path), code=2)


def test_a_run_that_is_alive_is_waited_for(tmp_path):
    told: list[str] = []
    holder = contextlib.ExitStack()
    holder.enter_context(locked(tmp_path))

    def say(text: str) -> None:
        told.append(text)
        holder.close()

    wait_for([SimpleNamespace(where=tmp_path), SimpleNamespace(where=tmp_path / "none")], say, 0.01)
    assert told == [f"{tmp_path}: the run is alive; waiting until it has ended"]


def test_from_python_mistakes_are_exceptions(tmp_path):
    for wrong in ({"recipes": []}, {"recipes": [dipgraph.load_recipe("tv")]}, {"recipes": "tv", "jobs": 0},
                  {"recipes": "tv", "seeds": 0}, {"recipes": "tv", "settings": ["rate=1"]}):  # fmt: skip
        with pytest.raises(dipgraph.DipgraphError):
            dipgraph.compare(**wrong, out=tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
