"""The folder of a run: what may become one, what no name can take away, and that one process has it at a time."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
from contextlib import nullcontext

import numpy as np
import pytest
import tifffile

from dipgraph.engine.files import StorageError, write_whole
from dipgraph.reports import folder
from dipgraph.reports.folder import stems
from dipgraph.reports.lock import locked
from dipgraph.signatures.errors import InputError
from tests.command_line import call
from tests.reports.small import TINY

WALK = """recipe: 1
steps:
  - start: fbp(y)
  - repeat:
      count: 3
      index: k
      carry: {x: start}
      steps: [x: x - EXPRESSION*adjoint(A)(A(x) - y)]
track: x
returns: {image: x, reconstruction: start, Fbp: 2*start, n: norm(x)}
"""


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "walk.yaml"
    path.write_text(WALK.replace("EXPRESSION", "0.1"))
    return str(path)


def test_no_returned_name_takes_the_place_of_a_file_of_the_run(recipe, tmp_path):
    out = tmp_path / "out"
    call("run", recipe, *TINY, "--out", str(out))
    start, image = (tifffile.imread(out / f"{name}.tiff") for name in ("fbp", "reconstruction"))
    assert np.allclose(tifffile.imread(out / "reconstruction_.tiff"), start, atol=1e-6)
    assert np.allclose(tifffile.imread(out / "Fbp_.tiff"), 2 * start, atol=1e-6)
    assert not np.allclose(image, start, atol=1e-6)
    assert set(json.loads((out / "summary.json").read_text())["files"]) < {path.name for path in out.iterdir()}


def test_names_of_files_are_never_alike():
    found = stems(["x", "X", "x_", "curves", "x-y", "x.y"])
    assert len({stem.casefold() for stem in found.values()}) == 6
    assert found["x"] == "x"
    assert found["curves"] == "curves_"


def test_results_that_cannot_be_written_are_one_message_and_the_others_are_written(recipe, tmp_path):
    out = tmp_path / "out"
    call("run", recipe, *TINY, "--out", str(out))
    (out / "reconstruction.tiff").unlink()
    (out / "reconstruction.tiff").mkdir()
    said = call("run", recipe, *TINY, "--out", str(out), "--overwrite", code=2)
    assert said.startswith(f"error: {out / 'reconstruction.tiff'}: cannot write: Is a directory")
    assert "dipgraph resume" in said
    assert (out / "fbp.tiff").is_file()
    assert (out / "history.csv").is_file()
    assert not (out / "summary.json").exists()
    (out / "reconstruction.tiff").rmdir()
    call("resume", str(out), "--quiet")
    assert (out / "summary.json").is_file()


def test_the_settled_files_give_the_same_run_and_say_so_once(recipe, tmp_path):
    call("run", recipe, *TINY, "--out", str(tmp_path / "one"), "--run-on", "--seed", "4")
    first = (tmp_path / "one" / "recipe.yaml").read_text()
    last = first.splitlines()[-1]
    assert last.startswith("# to run again: dipgraph run recipe.yaml --problem problem.yaml --device cpu --seed 4")
    assert last.endswith("--run-on")
    assert json.loads((tmp_path / "one" / "summary.json").read_text())["run_on"] is True
    files = [str(tmp_path / "one" / "recipe.yaml"), "--problem", str(tmp_path / "one" / "problem.yaml")]
    words = last.partition("problem.yaml ")[2].split()
    call("run", *files, *words, "--quiet", "--out", str(tmp_path / "two"))
    assert (tmp_path / "two" / "recipe.yaml").read_text() == first
    images = [(tmp_path / name / "reconstruction.tiff").read_bytes() for name in ("one", "two")]
    assert images[0] == images[1]


def test_files_that_are_not_a_runs_are_left_alone(recipe, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipe.yaml").write_text(WALK.replace("EXPRESSION", "0.2"))
    before = (tmp_path / "recipe.yaml").read_text()
    for extra in ([], ["--overwrite"]):
        assert "would write over" in call("run", "recipe.yaml", *TINY, "--out", ".", *extra, code=2)
        assert "not a run's" in call("run", recipe, *TINY, "--out", ".", *extra, code=2)
    assert (tmp_path / "recipe.yaml").read_text() == before


def test_a_run_that_cannot_begin_leaves_no_folder(tmp_path):
    call("run", "vanilla", *TINY, "--out", str(tmp_path / "out"), code=2)  # the U-Net is too deep for 16 x 16
    assert not (tmp_path / "out").exists()


def test_overwriting_leaves_nothing_of_the_run_before(recipe, tmp_path):
    out, other = tmp_path / "out", tmp_path / "other.yaml"
    call("run", recipe, *TINY, "--out", str(out))
    (out / "notes.txt").write_text("mine")
    other.write_text(WALK.replace("EXPRESSION", "0.1").replace(", reconstruction: start, Fbp: 2*start, n: norm(x)", ""))
    call("run", str(other), *TINY, "--out", str(out), "--overwrite")
    assert not any((out / f"{name}.{end}").exists() for name in ("reconstruction_", "Fbp_") for end in ("tiff", "png"))
    assert (out / "notes.txt").exists()


def test_a_run_that_is_alive_is_not_resumed_or_overwritten(recipe, tmp_path):
    out = tmp_path / "out"
    call("run", recipe, *TINY, "--out", str(out))
    (out / "summary.json").unlink()
    with locked(out):
        assert f"process {os.getpid()} has the folder" in call("resume", str(out), code=2)
        assert "the run is alive" in call("run", recipe, *TINY, "--out", str(out), "--overwrite", code=2)
    call("resume", str(out), "--quiet")
    assert not (out / ".lock").exists()


def test_files_follow_the_umask(tmp_path):
    path = tmp_path / "weights.yaml"
    path.write_text(
        "recipe: 1\nnetworks: {f: {network.linear: {}}}\nsteps:\n"
        "  - z: ones(X)\n  - repeat: {count: 1, steps: [x: f(z)]}\n"
        "track: x\nreturns: {image: x, weights: f}\n"
    )
    before = os.umask(0o022)
    try:
        call("run", str(path), *TINY, "--out", str(tmp_path / "out"))
    finally:
        os.umask(before)
    assert {file.stat().st_mode & 0o777 for file in (tmp_path / "out").iterdir()} == {0o644}


def test_an_expression_without_a_value_is_told_with_its_place(tmp_path):
    path = tmp_path / "log.yaml"
    path.write_text(WALK.replace("EXPRESSION", "log(2 - k)"))
    said = call("run", str(path), *TINY, "--out", str(tmp_path / "out"), code=2)
    assert "log.yaml:8:22: E803 log(0) has no value at k = 2" in said


@pytest.mark.parametrize("name", ["a[/b]", "[red]x", "with space", "\N{SNOWMAN} $x^$", "_under$"])
def test_a_folder_may_have_any_name(name, recipe, tmp_path, monkeypatch):
    out = str(tmp_path / name)
    call("run", recipe, *TINY[:-1], "--out", out)
    (tmp_path / name / "summary.json").unlink()
    assert out in call("resume", out)
    call("plot", out)
    call("plot", out, out, "--out", str(tmp_path / "figures"))


def test_a_run_that_came_first_is_not_written_over(recipe, tmp_path, monkeypatch):
    out, make = tmp_path / "out", folder.make

    def other_comes_first(where) -> None:
        monkeypatch.setattr(folder, "make", make)
        call("run", recipe, *TINY, "--out", str(where))
        make(where)

    monkeypatch.setattr(folder, "make", other_comes_first)
    assert "holds a run already" in call("run", recipe, *TINY, "--seed", "3", "--out", str(out), code=2)
    assert json.loads((out / "run.json").read_text())["options"]["seed"] == 0
    assert (out / "summary.json").is_file()


def test_a_lock_that_was_taken_away_holds_nothing(tmp_path, monkeypatch):
    take, path = fcntl.flock, tmp_path / ".lock"

    def ended_in_between(handle: int, how: int) -> None:
        path.unlink()
        monkeypatch.setattr(fcntl, "flock", take)
        take(handle, how)

    monkeypatch.setattr(fcntl, "flock", ended_in_between)
    with locked(tmp_path):
        assert path.is_file(), "whoever comes now meets this lock"
        with pytest.raises(InputError, match="alive"), locked(tmp_path):
            pass


def test_a_full_disk_shows_where_it_matters_and_not_at_the_lock(tmp_path, monkeypatch):
    def full(handle: int, content: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    with locked(tmp_path):
        pass


def test_a_run_killed_before_its_first_file_leaves_a_folder_that_may_be_taken(recipe, tmp_path):
    folder.make(tmp_path / "out")
    call("run", recipe, *TINY, "--out", str(tmp_path / "out"))


@pytest.mark.parametrize(("number", "is_told"), [(errno.EINVAL, False), (errno.EIO, True)])
def test_file_systems_that_settle_no_folders_are_no_fault(number, is_told, tmp_path, monkeypatch):
    settle = os.fsync

    def refused(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(number, os.strerror(number))
        settle(handle)

    monkeypatch.setattr(os, "fsync", refused)
    with pytest.raises(StorageError) if is_told else nullcontext():
        write_whole(tmp_path / "file", "text")
    assert (tmp_path / "file").read_text() == "text"
