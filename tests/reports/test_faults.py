"""What goes wrong in the numbers or the memory ends a run with one message, and with the last good state."""

from __future__ import annotations

import json
import re
import signal

import numpy as np
import pytest
import tifffile
import torch

from dipgraph.engine.checkpoint import Checkpoints
from dipgraph.engine.executor import Executor
from dipgraph.engine.record import DivergedError
from dipgraph.reports.progress import Bars
from tests.command_line import call
from tests.engine.small import start
from tests.reports.small import TINY, short

BLOWS_UP = """recipe: 1
steps:
  - repeat:
      count: 300
      index: k
      carry: {x: zeros(X)}
      steps:
        - x:
            minimise:
              optimiser: {sgd: {rate: RATE}}
              loss:
                - fidelity.l2: {of: A(x), to: y}
                - penalty.l2: {of: x, weight: WEIGHT}
track: x
returns: {image: x}
"""


def diverges(rate: str, weight: str) -> DivergedError:
    run = start(BLOWS_UP.replace("RATE", rate).replace("WEIGHT", weight))
    with pytest.raises(DivergedError) as found:
        for _ in run:
            pass
    return found.value


@pytest.mark.parametrize(
    ("weight", "step", "first"),
    [("sqrt(norm(y)/norm(y)*(2.05 - k/10))", 21, ("penalty.l2",)), ("norm(y)/(norm(y)*(11 - k))", 11, ("penalty.l2",))],
)
def test_the_step_and_term_that_went_first_are_named(weight, step, first):
    found = diverges("0.01", f'"{weight}"')
    assert (found.step, found.first) == (step, first)
    assert "no longer finite" in str(found)


def test_a_loss_that_grows_out_of_bounds_has_diverged_though_it_is_finite():
    found = diverges("100.0", "0")
    assert found.first == ("fidelity.l2",)
    assert found.step < 30
    assert "out of all bounds" in str(found)


def test_a_loss_that_begins_at_nothing_has_not_diverged():
    text = (
        BLOWS_UP.replace("RATE", "0.1").replace("WEIGHT", "0").replace("of: A(x), to: y", "of: x, to: (k - 1)*ones(X)")
    )
    run = start(text)
    for _ in run:
        pass
    assert run.result().outcome.name == "COMPLETED"


def test_a_run_that_diverges_delivers_its_last_good_state(tmp_path):
    path, out = tmp_path / "r.yaml", tmp_path / "out"
    path.write_text(BLOWS_UP.replace("RATE", "100.0").replace("WEIGHT", "0.5"))
    said = call("run", str(path), *TINY, "--out", str(out), "--checkpoint-every", "2", code=1)
    assert "the run diverged: at step" in said
    assert "the last good one that was kept" in said
    summary = json.loads((out / "summary.json").read_text())
    assert summary["outcome"] == "diverged"
    assert np.isfinite(tifffile.imread(out / "reconstruction.tiff")).all()
    assert summary["iterations"] == Checkpoints(out / "checkpoints", {}).steps()[0]
    assert "it would do so again" in call("resume", str(out), code=2)
    assert "bit for bit" in call("rerun", str(out))


def test_a_run_that_diverges_before_it_has_an_image_says_so(tmp_path):
    path, out = tmp_path / "r.yaml", tmp_path / "out"
    path.write_text(BLOWS_UP.replace("RATE", "100.0").replace("WEIGHT", "0.5"))
    said = call("run", str(path), *TINY, "--out", str(out), "--checkpoint-every", "never", code=1)
    assert "no state before it was kept" in said
    assert not (out / "summary.json").exists()
    assert json.loads((out / "run.json").read_text())["diverged"] in said
    assert "it would do so again" in call("resume", str(out), code=2)


def test_no_checkpoint_holds_what_is_not_finite(tmp_path):
    run = start(BLOWS_UP.replace("RATE", "0.1").replace("WEIGHT", "0"))
    steps = iter(run)
    next(steps)
    assert run.is_sound
    trainer = next(iter(run.executor.trainers.values()))
    with torch.no_grad():
        trainer.leaves["x"][..., 2, 2] = torch.nan
    assert not run.is_sound


SHORTAGES = {
    "Python": MemoryError(),
    "GPU": torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB"),
    "CPU": RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you tried ..."),
}


@pytest.mark.parametrize("shortage", SHORTAGES)
def test_too_little_memory_is_told_with_what_to_lower(shortage, tmp_path, monkeypatch):
    def fails(executor: Executor):
        raise SHORTAGES[shortage]
        yield executor

    monkeypatch.setattr(Executor, "run", fails)
    said = call("run", "vanilla", *short("vanilla"), *TINY, "--out", str(tmp_path / "out"), code=2)
    assert re.search(r"the memory of 'cpu', .*, does not suffice after step 0; memory: about", said)
    assert "lower channels" in said


def test_other_errors_are_not_taken_for_a_shortage(tmp_path, monkeypatch):
    def fails(executor: Executor):
        raise RuntimeError("a bug")
        yield executor

    monkeypatch.setattr(Executor, "run", fails)
    with pytest.raises(RuntimeError, match="a bug"):
        call("run", "vanilla", *short("vanilla"), *TINY, "--out", str(tmp_path / "out"))


def test_a_run_that_is_interrupted_when_it_has_diverged_says_so(tmp_path, monkeypatch):
    path, out = tmp_path / "r.yaml", tmp_path / "out"
    path.write_text(BLOWS_UP.replace("RATE", "0.01").replace("WEIGHT", '"norm(y)/(norm(y)*(11 - k))"'))
    monkeypatch.setattr(Bars, "look", lambda bars: bars.run.steps == 12 and signal.raise_signal(signal.SIGTERM))
    said = call("run", str(path), *TINY, "--out", str(out), "--checkpoint-every", "9", code=1)
    assert "the run diverged: at step 11 penalty.l2" in said
    assert json.loads((out / "summary.json").read_text())["outcome"] == "diverged"
    assert np.isfinite(tifffile.imread(out / "reconstruction.tiff")).all()


def test_a_history_is_judged_alike_however_it_is_read():
    text = """recipe: 1
steps:
  - repeat:
      count: 6
      index: k
      carry: {x: zeros(X)}
      steps:
        - x:
            minimise:
              optimiser: {sgd: {rate: 0.1}}
              loss: [fidelity.l2: {of: A(x), to: y, weight: 1e-12}, penalty.l2: {of: x}]
        - x:
            minimise:
              optimiser: {sgd: {rate: 0.1}}
              loss: [penalty.l2: {of: x}, fidelity.l2: {of: A(x), to: y}]
track: x
returns: {image: x}
"""
    run = start(text)
    for _ in run:
        pass
    again = start(text)
    again.record.load_state_dict(run.record.state_dict())
    assert again.record._first == run.record._first
