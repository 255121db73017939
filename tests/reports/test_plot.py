"""Figures of runs: what they show, of one and of several, with and without a reference."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from dipgraph.reports.curves import draw_curves
from dipgraph.reports.ended import read_ended
from dipgraph.reports.sheet import bar_length, draw_sheet
from tests.command_line import call
from tests.reports.small import TINY, written


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> list[Path]:
    where = tmp_path_factory.mktemp("runs")
    for name in ("a split with a stop", "no gradients"):
        call("run", written(where, name), *TINY, "--out", str(where / name.split()[-1]), "--run-on")
    return [where / "stop", where / "gradients"]


def test_one_run_gets_its_figures_beside_it(runs):
    said = call("plot", str(runs[0]))
    wanted = [runs[0] / f"{name}.{form}" for name in ("curves", "images") for form in ("png", "svg")]
    assert said.split() == [str(path) for path in wanted]
    for path in wanted:
        if path.suffix == ".png":
            image = np.asarray(Image.open(path).convert("L"))
            assert image.std() > 5
        else:
            ElementTree.fromstring(path.read_text())


def test_the_same_run_gives_the_same_bytes(runs, tmp_path):
    for out in ("one", "two"):
        call("plot", str(runs[0]), "-o", str(tmp_path / out))
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_curves_show_terms_psnr_scores_peak_and_stop(runs):
    run = read_ended(runs[0])
    assert run.terms == ["fidelity.l2", "penalty.l2"]
    assert run.scores == ["stop.variance"]
    figure = draw_curves([run])
    assert [axis.get_ylabel() for axis in figure.axes] == ["loss terms", "PSNR [dB]", "stop scores"]
    labels = [text.get_text() for axis in figure.axes for text in axis.get_legend().get_texts()]
    summary = json.loads((runs[0] / "summary.json").read_text())
    assert {"fidelity.l2", "penalty.l2", "stop.variance", "PSNR"} <= set(labels)
    assert f"peak {summary['peak_psnr']:.2f} dB at {summary['peak_iteration']}" in labels
    if summary["stop_iteration"] is not None:
        assert f"stop at {summary['stop_iteration']}" in labels


def test_several_runs_are_drawn_together_whatever_each_has(runs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    call("plot", *map(str, runs))
    assert {path.name for path in (tmp_path / "figures").iterdir()} == {
        "curves.png", "curves.svg", "images.png", "images.svg",
    }  # fmt: skip
    both = [read_ended(path) for path in runs]
    labels = [text.get_text() for text in draw_curves(both).axes[1].get_legend().get_texts()]
    assert {"stop: PSNR", "gradients: PSNR"} <= set(labels)
    assert len([axis for axis in draw_sheet(both).axes if axis.images]) == 8


def test_the_sheet_has_scale_bars_and_units(runs):
    figure = draw_sheet([read_ended(runs[0])])
    panels = [axis for axis in figure.axes if axis.images]
    titles = [axis.get_title().splitlines()[-1].split(",")[0] for axis in panels]
    assert titles == ["reference", "FBP", "delivered", "delivered − reference"]
    for axis in panels:
        (said,) = (text.get_text() for text in axis.texts)
        (bar,) = axis.lines
        length, unit = said.split()
        pixel = read_ended(runs[0]).pixel
        assert unit == "mm"
        assert float(np.ptp(bar.get_xdata())) == pytest.approx(float(length) / pixel)
    assert "1/mm" in [axis.get_ylabel() for axis in figure.axes]


def test_without_a_reference_the_difference_is_to_fbp(runs, tmp_path):
    out = tmp_path / "run"
    shutil.copytree(runs[0], out)
    (out / "reference.tiff").unlink()
    titles = [
        axis.get_title().splitlines()[-1].split(",")[0] for axis in draw_sheet([read_ended(out)]).axes if axis.images
    ]
    assert titles == ["FBP", "delivered", "delivered − FBP"]
    (out / "fbp.tiff").unlink()
    call("plot", str(out))


@given(st.floats(1e-6, 1e6))
def test_a_scale_bar_is_round_and_between_a_tenth_and_a_third(extent):
    length = bar_length(extent)
    assert 0.1 * extent < length <= 0.3 * extent * (1 + 1e-6)
    assert f"{length:.0e}"[0] in "125"


def test_what_is_no_ended_run_is_told(runs, tmp_path):
    assert "holds no run" in call("plot", str(tmp_path), code=2)
    shutil.copytree(runs[0], tmp_path / "killed")
    (tmp_path / "killed" / "summary.json").unlink()
    assert "has not ended" in call("plot", str(tmp_path / "killed"), code=2)
    shutil.copytree(runs[0], tmp_path / "broken")
    (tmp_path / "broken" / "reconstruction.tiff").write_bytes(b"II")
    assert "no image" in call("plot", str(tmp_path / "broken"), code=2)


@pytest.mark.parametrize(
    "content", ["", "x", "step\n1", "step,loss,psnr\n1,a,b", "step,loss,psnr\n1,2", "a,b\n1,2\n", "\0"]
)
def test_a_history_that_was_changed_is_told(content, runs, tmp_path):
    shutil.copytree(runs[0], tmp_path / "changed")
    (tmp_path / "changed" / "history.csv").write_text(content)
    assert "is no history of a run" in call("plot", str(tmp_path / "changed"), code=2)


@pytest.mark.filterwarnings("error")
def test_a_run_without_a_history_or_a_positive_loss_is_drawn(runs, tmp_path):
    for content in ("step,loss,psnr\n", "step,loss,a,psnr\n1,0,0,\n2,0,0,\n"):
        out = Path(shutil.copytree(runs[0], tmp_path / str(len(content))))
        (out / "history.csv").write_text(content)
        summary = json.loads((out / "summary.json").read_text())
        (out / "summary.json").write_text(json.dumps(summary | {"stop_iteration": None}))
        call("plot", str(out))
