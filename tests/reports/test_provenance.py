"""The folder of a run suffices to know it, cite it and run it again."""

from __future__ import annotations

import hashlib
import json
import signal
from pathlib import Path

import numpy as np
import pytest
import tifffile

import dipgraph
from dipgraph.data.references import bibliography, entries
from dipgraph.data.shipped import shipped
from dipgraph.engine import files
from dipgraph.reports import folder
from dipgraph.reports.progress import Bars
from tests.command_line import call
from tests.engine.resumed import RECIPES
from tests.reports.small import TINY, delivered, short, written


@pytest.mark.slow
@pytest.mark.parametrize("name", shipped("recipes"))
def test_rerun_gives_every_shipped_recipe_again_bit_for_bit(name, tmp_path):
    out = tmp_path / "out"
    call("run", name, *short(name), *TINY, "--out", str(out))
    assert "the same again, bit for bit" in call("rerun", str(out), "--quiet")


def test_rerun_of_an_interrupted_run_goes_as_far(tmp_path, monkeypatch):
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(Bars, "look", lambda bars: bars.run.steps == 7 and signal.raise_signal(signal.SIGTERM))
        call("run", written(tmp_path, "nested repeats"), *TINY, "--out", str(out), code=143)
    assert json.loads((out / "summary.json").read_text())["iterations"] == 7
    assert "the 7 steps" in call("rerun", str(out))
    whole = tmp_path / "whole"
    call("run", written(tmp_path, "nested repeats"), *TINY, "--out", str(whole))
    call("resume", str(out))
    assert delivered(out) == delivered(whole)
    first, second = (json.loads((path / "summary.json").read_text()) for path in (out, whole))
    measured = {"seconds": 0, "peak_memory": 0}
    assert first | measured == second | measured


def test_a_second_signal_ends_at_once(tmp_path, monkeypatch):
    def look(bars: Bars) -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Bars, "look", look)
    call("run", written(tmp_path, "nested repeats"), *TINY, "--out", str(tmp_path / "out"), code=130)
    assert not (tmp_path / "out" / "summary.json").exists()


def test_rerun_tells_another_image_from_the_same(tmp_path):
    out = tmp_path / "out"
    call("run", written(tmp_path, "no gradients"), *TINY, "--out", str(out))
    image = tifffile.imread(out / "reconstruction.tiff")
    image[3, 3] = np.nextafter(image[3, 3], np.float32(np.inf))
    tifffile.imwrite(out / "reconstruction.tiff", image)
    told = json.loads((out / "run.json").read_text())
    told["versions"]["torch"] = "0.1"
    (out / "run.json").write_text(json.dumps(told))
    said = call("rerun", str(out), code=1)
    assert "another image" in said
    assert "torch: 0.1 then" in said


def test_the_folder_says_what_the_run_was(tmp_path):
    out = tmp_path / "out"
    call("run", "admm_denoiser", *short("admm_denoiser"), *TINY, "--seed", "3", "--out", str(out))
    told = json.loads((out / "run.json").read_text())
    assert told["options"] == {"device": "cpu", "seed": 3, "threads": 1, "run_on": False, "dtype": "float32",
                               "stop_at": None}  # fmt: skip
    for name in ("recipe", "problem"):
        content = (out / f"{name}.yaml").read_bytes()
        assert told[name]["sha256"] == hashlib.sha256(content).hexdigest()
    assert told["recipe"]["parameters"]["inner"] == 2
    assert {"dipgraph", "python", "torch", "numpy", "astra-toolbox"} <= set(told["versions"])
    assert told["versions"]["dipgraph"] == dipgraph.__version__
    assert (out / "citations.bib").read_text().startswith("@misc{arridge2026,")


def test_entries_of_the_bibliography_are_whole():
    text = bibliography().read_text()
    found = entries(["ulyanov2018", "no_such_key", "arridge2026", "ulyanov2018"])
    assert list(found) == ["ulyanov2018", "arridge2026"]
    for entry in found.values():
        assert entry in text
        assert entry.count("{") == entry.count("}")


@pytest.mark.parametrize("command", ["resume", "rerun"])
def test_a_folder_without_a_run_is_told(command, tmp_path):
    assert "holds no run" in call(command, str(tmp_path), code=2)
    assert "holds no run" in call(command, str(tmp_path / "nowhere"), code=2)
    (tmp_path / "run.json").write_text("{")
    assert "is no JSON" in call(command, str(tmp_path), code=2)


@pytest.mark.parametrize("ends", ["\r\n", "\n"])
def test_a_recipe_keeps_the_ends_of_its_lines(ends, tmp_path):
    out, recipe = tmp_path / "out", tmp_path / "r.yaml"
    recipe.write_bytes(RECIPES["no gradients"].replace("\n", ends).encode())
    call("run", str(recipe), *TINY, "--out", str(out))
    assert "bit for bit" in call("rerun", str(out))
    (out / "summary.json").unlink()
    call("resume", str(out), "--quiet")


def test_files_of_a_run_that_were_changed_are_told(tmp_path):
    out = tmp_path / "out"
    call("run", written(tmp_path, "no gradients"), *TINY, "--out", str(out))
    for name in ("run.json", "summary.json"):
        before = (out / name).read_text()
        for content in ("[]", "{}", "null", "3", '{"inputs": 3}', "[" * 100_000):
            (out / name).write_text(content)
            for command in ("rerun", "resume"):
                assert f"{name}: is no" in call(command, str(out), code=2)
        for key in ("recipe", "inputs", "options", "outcome", "iterations", "files"):
            told = json.loads(before)
            if key in told:
                for value in (None, [[]], True):
                    (out / name).write_text(json.dumps(told | {key: value}))
                    assert f"{name}: is not what a run writes: '{key}" in call("rerun", str(out), code=2)
        (out / name).write_text(before)
    for name in ("reconstruction.tiff", "history.csv"):
        before = (out / name).read_bytes()
        (out / name).write_bytes(b"\xff")
        told = call("rerun", str(out), code=2 if name.endswith("tiff") else 0)
        assert name in told or "the history differs" in told
        (out / name).unlink()
        assert "No such file" in call("rerun", str(out), code=2)
        (out / name).write_bytes(before)
    call("rerun", str(out))


def test_what_stands_after_an_interruption_is_never_mixed(tmp_path, monkeypatch):
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(Bars, "look", lambda bars: bars.run.steps == 7 and signal.raise_signal(signal.SIGTERM))
        call("run", written(tmp_path, "nested repeats"), *TINY, "--out", str(out), code=143)

    class Gone(BaseException):
        pass

    def gone(path: Path, content: bytes | str) -> None:
        if path.name == "summary.json":
            raise Gone
        files.write_whole(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(folder, "write_whole", gone)
        with pytest.raises(Gone):
            call("resume", str(out))
    assert "has not ended" in call("rerun", str(out), code=2)
    call("resume", str(out))
    assert "bit for bit" in call("rerun", str(out))


def test_a_signal_while_results_are_written_holds_nothing_back(tmp_path, monkeypatch):
    out, write = tmp_path / "out", folder.write

    def interrupted(*arguments, **options) -> None:
        signal.raise_signal(signal.SIGINT)
        write(*arguments, **options)

    monkeypatch.setattr(folder, "write", interrupted)
    call("run", written(tmp_path, "no gradients"), *TINY, "--out", str(out))
    assert json.loads((out / "summary.json").read_text())["outcome"] == "completed"
