"""Checkpoints: when they come, what is refused, and what a damaged, missing or foreign one does."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
from pathlib import Path

import pytest

from dipgraph.engine import files
from dipgraph.engine.schedule import Schedule
from dipgraph.reports.progress import Bars
from dipgraph.signatures.errors import InputError
from tests.command_line import call
from tests.reports.small import TINY, delivered, half_written, written

EVERY = ["--checkpoint-every", "2"]


def leave(run: list[str], out: Path, at: int) -> None:
    """Have a run end without notice after so many steps."""

    class Gone(BaseException):
        pass

    def look(bars: Bars) -> None:
        if bars.run.steps == at:
            raise Gone

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Bars, "look", look)
        with pytest.raises(Gone):
            call(*run, "--out", str(out), *EVERY)


@pytest.fixture(scope="module")
def command(tmp_path_factory) -> list[str]:
    return ["run", written(tmp_path_factory.mktemp("recipe"), "a split with a stop"), *TINY]


@pytest.fixture(scope="module")
def once_left(command, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("left") / "out"
    leave(command, out, 8)
    return out


@pytest.fixture
def left(once_left, tmp_path) -> Path:
    """The folder of a run that was left at step 8, with the checkpoints of steps 5 and 7."""
    return Path(shutil.copytree(once_left, tmp_path / "left"))


@pytest.fixture(scope="module")
def whole(command, tmp_path_factory) -> bytes:
    out = tmp_path_factory.mktemp("whole") / "out"
    call(*command, "--out", str(out))
    return delivered(out)


def test_the_last_two_are_kept_and_none_of_a_run_that_is_complete(left):
    names = {path.name for path in (left / "checkpoints").iterdir()}
    assert names == {f"{step:08d}.{ending}" for step in (5, 7) for ending in ("json", "safetensors")}
    call("resume", str(left))
    assert not (left / "checkpoints").exists()
    assert "complete" in call("resume", str(left), code=2)


def test_a_flipped_bit_is_detected_and_the_one_before_is_used(left, whole):
    draw = random.Random(0)
    kept = {path: path.read_bytes() for path in left.rglob("*") if path.is_file()}
    for ending in ("safetensors", "json") * 3:
        damaged = left / "checkpoints" / f"00000007.{ending}"
        content = bytearray(damaged.read_bytes())
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        damaged.write_bytes(content)
        said = call("resume", str(left), "--quiet")
        assert "the checkpoint of step 7 is damaged" in said
        assert json.loads((left / "run.json").read_text())["resumed"][-1]["after_step"] == 5
        assert delivered(left) == whole
        (left / "summary.json").unlink()
        (left / "checkpoints").mkdir(exist_ok=True)
        for path, before in kept.items():
            path.write_bytes(before)


@pytest.mark.parametrize("lost", ["json", "safetensors", "half"])
def test_where_a_part_is_lost_the_one_before_is_used(lost, left, whole):
    path = left / "checkpoints" / f"00000007.{'safetensors' if lost == 'half' else lost}"
    half = path.read_bytes()[: path.stat().st_size // 2]
    path.unlink()
    if lost == "half":
        path.write_bytes(half)
    call("resume", str(left), "--quiet")
    assert json.loads((left / "run.json").read_text())["resumed"][-1]["after_step"] == 5
    assert delivered(left) == whole


def test_without_a_sound_checkpoint_the_run_begins_anew(left, whole):
    for path in (left / "checkpoints").iterdir():
        path.write_bytes(b"")
    said = call("resume", str(left))
    assert said.count("is damaged") == 2
    assert "begins anew" in said
    assert delivered(left) == whole


@pytest.mark.parametrize("has_checkpoint", [True, False])
@pytest.mark.parametrize(
    ("name", "old", "new"), [("recipe.yaml", "sigma: 0.1", "sigma: 0.2"), ("problem.yaml", "value: 9", "value: 10")]
)
def test_another_recipe_or_problem_is_refused_with_the_difference(name, old, new, has_checkpoint, left):
    path = left / name
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    if not has_checkpoint:
        for checkpoint in (left / "checkpoints").iterdir():
            checkpoint.unlink()
    said = call("resume", str(left), code=2)
    if has_checkpoint:
        assert "belongs to another run" in said
        assert f"-{next(line for line in said.splitlines() if old in line).strip().removeprefix('-')}" in said
        assert new in said
    else:
        assert f"the {path.stem} was changed" in said


def test_another_version_is_refused_with_the_difference(left, monkeypatch):
    monkeypatch.setattr("dipgraph.reports.provenance.versions", lambda: {"dipgraph": "9.9.9", "torch": "0.1"})
    said = call("resume", str(left), code=2)
    assert "dipgraph: 0.1.0 then, 9.9.9 now" in said
    assert "torch: " in said


def test_a_changed_input_is_refused_by_name(tmp_path, monkeypatch):
    import numpy as np

    np.save(tmp_path / "y.npy", np.random.default_rng(0).uniform(0.1, 1, (12, 24)))
    problem = tmp_path / "p.yaml"
    problem.write_text(
        "problem: 1\nparams: {path: {file: y.npy}}\nread: {array: {path: path}}\n"
        "geometry: {parallel: {views: 12, arc: 180 deg, detectors: 24, pitch: 1 pixel}}\n"
        "image: {shape: [16, 16], pixel: 1 mm}\nscale: estimate\n"
    )
    out = tmp_path / "out"
    run = ["run", written(tmp_path, "joint targets under noise"), "--problem", str(problem), "--device", "cpu"]
    leave(run, out, 4)
    monkeypatch.chdir(tmp_path / "out")  # paths in the folder hold from anywhere
    told = json.loads((out / "run.json").read_text())
    assert [entry["path"] for entry in told["inputs"]] == [str(tmp_path / "y.npy")]
    before = (tmp_path / "y.npy").read_bytes()
    (tmp_path / "y.npy").write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
    for command in ("resume", "rerun"):
        if command == "rerun":
            (out / "summary.json").write_text('{"outcome": "interrupted", "iterations": 4, "scale": 1, "files": []}')
        said = call(command, str(out), code=2)
        assert f"{tmp_path / 'y.npy'} has changed" in said
    (tmp_path / "y.npy").write_bytes(before)
    call("resume", str(out))
    assert "bit for bit" in call("rerun", str(out))


@pytest.mark.slow
def test_no_space_at_any_write_gives_one_message_and_leaves_a_usable_checkpoint(command, tmp_path, whole, monkeypatch):
    put, number = files._put, 0
    while True:
        number += 1
        seen, out = 0, tmp_path / f"full{number}"

        def full(path: Path, content: bytes) -> None:
            nonlocal seen
            seen += 1
            if seen == number:  # noqa: B023 - used within this round only
                path.write_bytes(content[: len(content) // 2])
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            put(path, content)

        with monkeypatch.context() as patch:
            patch.setattr(files, "_put", full)
            result, said = attempt([*command, "--out", str(out), "--checkpoint-every", "4"])
        if seen < number:
            break
        assert "No space left on device" in said
        assert said.count("No space left") == 1
        assert half_written(out) == []
        if not (out / "run.json").exists():
            assert result == 2
            call(*command, "--out", str(out))
        elif result == 2:
            assert "dipgraph resume" in said
            call("resume", str(out))
        else:
            assert "no checkpoint of step" in said
        assert delivered(out) == whole
    assert number > 15


def attempt(arguments: list[str]) -> tuple[int, str]:
    from click.testing import CliRunner

    from dipgraph.cli import main

    result = CliRunner().invoke(main, arguments)
    assert "Traceback" not in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def test_lost_permission_is_told_like_a_full_disk(command, tmp_path, monkeypatch):
    def refused(path: Path, content: bytes) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(files, "_put", refused)
    code, said = attempt([*command, "--out", str(tmp_path / "out")])
    assert (code, "Permission denied" in said) == (2, True)


@pytest.mark.parametrize(
    ("text", "steps", "seconds"),
    [("500", 500, None), ("30s", None, 30), ("2.5 min", None, 150), ("1h", None, 3600), ("never", None, None)],
)
def test_schedules_are_read(text, steps, seconds):
    found = Schedule.read(text)
    assert (found.steps, found.seconds) == (steps, seconds)


@pytest.mark.parametrize("text", ["", "0", "0s", "-3", "2.5", "often", "3 days", "1e3", "nan", "9" * 5000])
def test_what_is_no_schedule_is_refused(text):
    with pytest.raises(InputError, match="no schedule"):
        Schedule.read(text)


def test_by_the_clock_checkpoints_never_take_more_than_their_share():
    schedule = Schedule.read("30s")
    assert schedule.is_due(1, 100.0)
    schedule.written(1, 100.0, cost=0.1)
    assert [schedule.is_due(2, now) for now in (100.0, 129.9, 130.0)] == [False, False, True]
    schedule.written(2, 130.0, cost=3.0)
    assert [schedule.is_due(3, now) for now in (160.0, 279.9, 280.0)] == [False, False, True]


def test_by_steps_they_come_after_the_first_and_then_every_so_many():
    schedule, written_at = Schedule.read("3"), []
    for step in range(1, 12):
        if schedule.is_due(step, 0.0):
            written_at.append(step)
            schedule.written(step, 0.0, 1.0)
    assert written_at == [1, 4, 7, 10]


def test_what_may_not_be_read_is_neither_used_nor_removed(left, whole, monkeypatch):
    read = Path.read_bytes

    def refused(path: Path) -> bytes:
        if path.name == "00000007.safetensors":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return read(path)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", refused)
        said = call("resume", str(left), code=2)
    assert "00000007.safetensors: cannot read: Permission denied" in said
    call("resume", str(left), "--quiet")
    assert json.loads((left / "run.json").read_text())["resumed"][-1]["after_step"] == 7
    assert delivered(left) == whole


@pytest.mark.parametrize("content", [b"[]", b"[" * 100_000, b"\xff{}", b'{"checkpoint": 3, "sha256": "0"}', b'"text"'])
def test_json_that_is_no_state_is_damage(content, left, whole):
    (left / "checkpoints" / "00000007.json").write_bytes(content)
    assert "the checkpoint of step 7 is damaged" in call("resume", str(left), "--quiet")
    assert delivered(left) == whole


def test_a_folder_in_the_place_of_a_part_is_damage(left, whole):
    path = left / "checkpoints" / "00000007.safetensors"
    path.unlink()
    path.mkdir()
    assert "the checkpoint of step 7 is damaged" in call("resume", str(left), "--quiet")
    assert delivered(left) == whole


def test_files_that_are_no_checkpoints_are_left_alone(left, whole):
    for name in ("\N{SUPERSCRIPT TWO}.json", "7.json", "notes.json"):
        (left / "checkpoints" / name).write_text("{}")
    call("resume", str(left), "--quiet")
    assert delivered(left) == whole
    assert len(list((left / "checkpoints").iterdir())) == 3


def test_a_checkpoint_of_another_format_is_refused(left):
    from dipgraph.engine.checkpoint import _checksum

    path, content = left / "checkpoints" / "00000007.json", {"format": 2, "what": "else"}
    path.write_text(json.dumps({"sha256": _checksum(content), "checkpoint": content}))
    assert "is of format 2, this version reads 1" in call("resume", str(left), code=2)


def test_a_checkpoint_that_could_not_be_finished_leaves_nothing(command, left, monkeypatch, whole):
    put, names = files._put, []

    def full(path: Path, content: bytes) -> None:
        if path.name.startswith(".000") and path.name.endswith(".json.part"):
            names.extend(found.name for found in path.parent.glob("*.safetensors"))
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        put(path, content)

    (left / "checkpoints" / "00000006.safetensors").write_bytes(b"of a run that was killed before the JSON")
    with monkeypatch.context() as patch:
        patch.setattr(files, "_put", full)
        said = call("resume", str(left), "--checkpoint-every", "1")
    assert said.count("no checkpoint of step") == 5
    assert "00000006.safetensors" not in names
    assert len(names) == 5 * 3, "those before, and the one that is being written"
    assert delivered(left) == whole


def test_packages_that_bring_blocks_belong_to_a_checkpoint(left, monkeypatch):
    from dipgraph.reports import provenance

    known = dict(provenance.versions())
    monkeypatch.setattr(provenance, "plugins", lambda: ("mine",))
    monkeypatch.setattr(provenance, "versions", lambda: known | {"mine": "2", "scikit-image": "0.1"})
    said = call("resume", str(left), code=2)
    assert "mine: none then, 2 now" in said
    assert "scikit-image: " in said
