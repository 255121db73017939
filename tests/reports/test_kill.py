"""kill -9 at any moment: the resumed run delivers what the uninterrupted one would have, and nothing half written."""

from __future__ import annotations

import json
import multiprocessing
import random
import signal
from pathlib import Path

import pytest

from tests.command_line import call
from tests.reports.small import delivered, half_written, recipes
from tests.reports.victim import run_until

KINDS = ("step", "write", "before renaming", "after renaming")
NAMES = ("admm_denoiser", "self_guided", "deep_red", "quasi-Newton")
FIRST_FILES = 4
"""Files that a run writes before its first checkpoint."""


def moments(name: str) -> list[tuple[str, int]]:
    """Five seeded moments of a run: one of each kind, and a second step."""
    draw = random.Random(name)
    files = [(kind, FIRST_FILES + draw.randint(1, 6)) for kind in KINDS[1:]]
    steps = draw.sample(range(1, 8), 2)
    return [*files, *(("step", step) for step in steps)]


@pytest.fixture(scope="module")
def processes() -> multiprocessing.context.ForkServerContext:
    """Processes that begin with everything imported, and without the threads of this one."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.reports.warm"])
    return context


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_killed_run_goes_on_to_the_same_image(name, tmp_path, processes):
    arguments = recipes(tmp_path)[name]
    whole = tmp_path / "whole"
    call("run", *arguments, "--out", str(whole), "--checkpoint-every", "never")
    from_the_beginning = 0
    for number, moment in enumerate(moments(name)):
        out = tmp_path / str(number)
        every = ["--checkpoint-every", "2"]
        victim = processes.Process(target=run_until, args=(moment, ["run", *arguments, "--out", str(out), *every]))
        victim.start()
        victim.join()
        assert victim.exitcode == -signal.SIGKILL, moment
        assert not (out / "summary.json").exists()
        call("resume", str(out), "--quiet")
        assert delivered(out) == delivered(whole), moment
        assert half_written(out) == []
        from_the_beginning += json.loads((out / "run.json").read_text())["resumed"][0]["after_step"] == 0
    assert from_the_beginning < 5, "no run went on from a checkpoint"


def test_a_run_killed_again_and_again_gets_there(tmp_path, processes):
    arguments = recipes(tmp_path)["deep_red"]
    whole, out = tmp_path / "whole", tmp_path / "out"
    call("run", *arguments, "--out", str(whole))
    command = ["run", *arguments, "--out", str(out), "--checkpoint-every", "1"]
    for moment in (("step", 3), ("write", 3), ("step", 4)):
        victim = processes.Process(target=run_until, args=(moment, command))
        victim.start()
        victim.join()
        assert victim.exitcode == -signal.SIGKILL
        command = ["resume", str(out), "--quiet"]
    call(*command)
    assert delivered(out) == delivered(whole)
    assert [entry["after_step"] for entry in json.loads((out / "run.json").read_text())["resumed"]] == [2, 2, 5]


def test_killed_before_the_run_was_noted_there_is_no_run(tmp_path, processes):
    arguments = recipes(tmp_path)["quasi-Newton"]
    out: Path = tmp_path / "out"
    victim = processes.Process(target=run_until, args=(("write", FIRST_FILES), ["run", *arguments, "--out", str(out)]))
    victim.start()
    victim.join()
    assert "holds no run" in call("resume", str(out), code=2)
    call("run", *arguments, "--out", str(out))
    assert half_written(out) == []
