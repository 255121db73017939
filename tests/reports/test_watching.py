"""What is told of a run while it goes: bars, JSON lines, TensorBoard; none of it changes a number."""

from __future__ import annotations

import errno
import importlib
import json
import os
import re
import signal
import subprocess
import sys
import time

import click
import pytest
from rich.console import Console

from dipgraph.engine.checkpoint import Checkpoints
from dipgraph.engine.run import Run
from dipgraph.reports.folder import CHECKPOINTS
from dipgraph.reports.news import Audience, News
from dipgraph.reports.progress import Bars
from dipgraph.reports.tensorboard import TensorBoard
from tests.command_line import call
from tests.engine.resumed import RECIPES
from tests.engine.small import start
from tests.reports.small import TINY, delivered, written

QUIETLY = TINY[:-1]
SPLIT = "a split with a stop"


def split() -> Run:
    return start(RECIPES[SPLIT].replace("network.unet: {channels: 4, scales: 2}", "network.linear: {}"))


@pytest.mark.parametrize("interval", [0.0, 1e9])
def test_news_are_each_entry_once_in_order_and_complete(interval):
    run = split()
    news, told = News(run, interval), []
    for _ in run:
        told += [(entry.step, entry.loss, entry.psnr, dict(entry.scores)) for entry in news.since()]
    told += [(entry.step, entry.loss, entry.psnr, dict(entry.scores)) for entry in news.since(is_over=True)]
    entries = run.record.entries
    assert repr(told) == repr([(k, entries[k].loss, entries[k].psnr, entries[k].scores) for k in sorted(entries)])
    assert list(news.since(is_over=True)) == []


def test_json_lines_tell_every_step_and_nothing_else(tmp_path):
    recipe, plain, lines = written(tmp_path, SPLIT), tmp_path / "plain", tmp_path / "lines"
    call("run", recipe, *TINY, "--out", str(plain))
    events = [
        json.loads(line) for line in call("run", recipe, *QUIETLY, "--out", str(lines), "--json-lines").splitlines()
    ]
    assert [event["event"] for event in events] == ["begin", *["step"] * (len(events) - 2), "end"]
    assert delivered(plain) == delivered(lines)
    begin, *steps, end = events
    assert (begin["after_step"], begin["folder"]) == (0, str(lines))
    assert [event["step"] for event in steps] == list(range(1, end["iterations"] + 1))
    assert set(steps[0]["terms"]) == {"fidelity.l2", "penalty.l2"}
    assert {"psnr", "scores"} <= set(steps[2])
    assert steps[2]["scores"] == {"stop.variance": None}  # infinite: the window is not yet full
    assert end["outcome"] in ("completed", "stopped")
    assert end["peak_memory_mib"] > 0


def test_the_live_view_shows_loops_terms_scores_and_memory():
    run = split()
    console = Console(force_terminal=True, width=200, record=True)
    with console.capture() as shown, Bars(run, console, interval=0.0) as bars:
        for _ in run:
            bars.look()
        bars.progress.refresh()
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.get())
    for word in ("repeat", "minimise", "loss", "PSNR", "fidelity.l2", "penalty.l2", "stop.variance", "memory", "MiB"):
        assert word in text


def test_quiet_prints_nothing(tmp_path):
    assert call("run", written(tmp_path, SPLIT), *TINY, "--out", str(tmp_path / "out")) == ""


class Events:
    """In place of torch's writer."""

    def __init__(self) -> None:
        self.scalars: list[tuple[str, float, int]] = []
        self.images: list[str] = []
        self.is_closed = False

    def add_scalar(self, name: str, value: float, step: int) -> None:
        self.scalars.append((name, value, step))

    def add_image(self, name: str, image, step: int) -> None:
        assert image.shape[0] == 1
        self.images.append(name)

    def close(self) -> None:
        self.is_closed = True


def test_tensorboard_gets_scalars_of_each_step_and_images():
    run, events = split(), Events()
    with TensorBoard(run, events, interval=0.0) as board:
        for _ in run:
            board.look()
        board.ended(run.result())
    assert events.is_closed
    assert {name for name, *_ in events.scalars} == {
        "loss/sum", "loss/fidelity.l2", "loss/penalty.l2", "PSNR [dB]", "score/stop.variance",
    }  # fmt: skip
    losses = {step: value for name, value, step in events.scalars if name == "loss/sum"}
    assert losses == {step: entry.loss for step, entry in run.record.entries.items()}
    assert events.images == ["tracked", "delivered"]


def test_tensorboard_writes_its_files(tmp_path):
    pytest.importorskip("tensorboard")
    call("run", written(tmp_path, SPLIT), *TINY, "--tensorboard", "--out", str(tmp_path / "out"))
    assert list((tmp_path / "out" / "tensorboard").glob("events.*"))


def test_without_tensorboard_the_command_that_installs_it_is_named(tmp_path, monkeypatch):
    found = importlib.import_module

    def absent(name: str, package: str | None = None):
        if name == "tensorboard":
            raise ImportError("No module named 'tensorboard'")
        return found(name, package)

    monkeypatch.setattr(importlib, "import_module", absent)
    out = tmp_path / "out"
    said = call("run", written(tmp_path, SPLIT), *TINY, "--tensorboard", "--out", str(out), code=2)
    assert 'pip install "dipgraph[tensorboard]"' in said
    assert not out.exists()


def test_a_listener_that_leaves_does_not_hold_the_run_back(tmp_path, monkeypatch):
    recipe, whole, out = written(tmp_path, SPLIT), tmp_path / "whole", tmp_path / "out"
    call("run", recipe, *TINY, "--out", str(whole))
    echo, lines = click.echo, []

    def broken(text: str, **options) -> None:
        if not options.get("err"):
            lines.append(text)
            if len(lines) > 3:
                raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
        echo(text, **options)

    monkeypatch.setattr(click, "echo", broken)
    said = call("run", recipe, *QUIETLY, "--out", str(out), "--json-lines")
    assert said.count("JsonLines ends here: Broken pipe; the run goes on") == 1
    assert len(lines) == 4
    assert delivered(out) == delivered(whole)


def test_whoever_cannot_go_on_is_left_out_wherever_that_is():
    class Broken(Events):
        def __init__(self, at: str) -> None:
            super().__init__()
            self.at = at

        def _maybe(self, at: str) -> None:
            if at == self.at:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        def add_scalar(self, *arguments) -> None:
            self._maybe("scalar")

        def add_image(self, *arguments) -> None:
            self._maybe("image")

        def close(self) -> None:
            self._maybe("close")

    for at in ("scalar", "image", "close"):
        run, told, others = split(), [], Events()
        with Audience([TensorBoard(run, Broken(at), 0.0), TensorBoard(run, others, 0.0)], told.append) as audience:
            for _ in run:
                audience.look()
            audience.ended(run.result())
        assert told == ["warning: TensorBoard ends here: No space left on device; the run goes on"]
        assert others.is_closed


@pytest.mark.slow
@pytest.mark.parametrize("closed", ["stdout", "stderr"])
def test_an_interrupted_pipeline_saves_the_run(closed, tmp_path):
    out = tmp_path / "out"
    command = [sys.executable, "-m", "dipgraph.cli", "run", "vanilla", *QUIETLY, "--set", "problem.size=32", "--set",
               "channels=4", "--set", "scales=2", "--out", str(out), "--set",
               "gradient_steps=1000000", "--checkpoint-every", "2"]  # fmt: skip
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    kept = Checkpoints(out / CHECKPOINTS, {})
    while max(kept.steps(), default=0) < 2:  # within the first iteration there is no image, and no summary
        assert run.poll() is None
        time.sleep(0.05)
    getattr(run, closed).close()  # as where `| tee log` has got the signal too
    run.send_signal(signal.SIGINT)
    run.communicate(timeout=60)
    assert run.returncode == 130
    assert json.loads((out / "summary.json").read_text())["outcome"] == "interrupted"
