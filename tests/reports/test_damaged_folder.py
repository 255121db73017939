"""Folders whose files were lost, cut or changed: one message from each command that reads them, never a traceback."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.command_line import call
from tests.reports.small import TINY, short

DAMAGE = {"gone": None, "empty": b"", "junk": bytes(range(200)), "null": b"null", "mapping": b"{}", "list": b"[]"}
READ = {
    "resume": ["run.json", "recipe.yaml", "problem.yaml"],
    "rerun": ["run.json", "recipe.yaml", "problem.yaml", "summary.json", "reconstruction.tiff", "history.csv"],
    "plot": ["summary.json", "reconstruction.tiff", "history.csv"],
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "out"
    call("run", "vanilla", *short("vanilla"), *TINY, "--out", str(out))
    return out


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    shutil.copytree(whole, tmp_path / "out")
    return tmp_path / "out"


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize(("command", "name"), [(command, name) for command, names in READ.items() for name in names])
def test_a_damaged_file_is_one_message(command: str, name: str, damage: str, copy: Path) -> None:
    if command == "resume":
        (copy / "summary.json").unlink()
    content = DAMAGE[damage]
    (copy / name).unlink()
    if content is not None:
        (copy / name).write_bytes(content)
    if (command, name) == ("rerun", "history.csv") and content is not None:
        assert "the history differs" in call(command, str(copy))
        return
    told = call(command, str(copy), code=2)
    assert name in told or "holds no run" in told or "has not ended" in told


@pytest.mark.parametrize("value", [None, [], "x", -1.5])
@pytest.mark.parametrize("key", ["recipe", "problem", "inputs", "options", "checkpoint_every", "machine", "resumed"])
def test_a_changed_entry_is_named(key: str, value: Any, copy: Path) -> None:
    told = json.loads((copy / "run.json").read_text())
    if type(told[key]) is type(value):
        return
    for changed in ({**told, key: value}, {name: held for name, held in told.items() if name != key}):
        (copy / "run.json").write_text(json.dumps(changed))
        said = call("rerun", str(copy), code=2)
        assert "is not what a run writes" in said
        assert f"'{key}'" in said
