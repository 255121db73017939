"""The registry: all blocks, and a faulty one of another package named."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

import dipgraph.blocks
from dipgraph.blocks import registry
from dipgraph.signatures import DipgraphError, block

ROOT = Path(__file__).parents[2]
EXTENDING = ROOT / "docs" / "extending.md"
RECIPE = """recipe: 1
steps:
  - repeat:
      count: 3
      carry: {x: fbp(y)}
      steps:
        - x:
            minimise:
              optimiser: {sgd: {rate: 0.1}}
              loss: [fidelity.l2: {of: A(x), to: y}, penalty.cubic: {of: x, weight: 0.1}]
track: x
returns: {image: x}
"""


def test_the_blocks_of_the_first_recipes_are_there() -> None:
    needed = {
        "network.unet", "input.noise", "input.grid", "fidelity.l2", "penalty.l2", "penalty.tv", "prox.tv", "denoise.tv",
        "denoise.dncnn", "average.ema", "stop.variance", "optimiser.adam", "optimiser.sgd",
    }  # fmt: skip
    assert needed <= set(registry())


def test_a_faulty_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def points(**_: Any) -> list[EntryPoint]:
        return [EntryPoint("lab", "no_such_module_of_the_lab", "dipgraph.blocks")]

    monkeypatch.setattr(dipgraph.blocks, "entry_points", points)
    registry.cache_clear()
    with pytest.raises(DipgraphError, match=r"'lab'.*no_such_module_of_the_lab"):
        registry()
    monkeypatch.undo()
    registry.cache_clear()
    assert "network.unet" in registry()


def installed(folder: Path, module: str) -> None:
    """Write what an installer leaves of the package in docs/extending.md: its metadata and its module."""
    text = EXTENDING.read_text(encoding="utf-8")
    (toml,) = re.findall(r"^```toml\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    package = tomllib.loads(toml)
    project = package["project"]
    assert package["tool"]["setuptools"]["py-modules"] == ["lab_blocks"]
    info = folder / f"lab_blocks-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    points = [
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in given.items())
        for group, given in project["entry-points"].items()
    ]
    (info / "entry_points.txt").write_text("".join(points))
    (folder / "lab_blocks.py").write_text(module, encoding="utf-8")
    (folder / "cubic.yaml").write_text(RECIPE)


def command(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join([str(folder), str(ROOT)])
    return subprocess.run([sys.executable, "-m", "dipgraph.cli", *words], capture_output=True, text=True, cwd=folder,
                          env=os.environ | {"PYTHONPATH": paths, "COLUMNS": "120"}, check=False)  # fmt: skip


def module_of_the_page() -> str:
    text = EXTENDING.read_text(encoding="utf-8")
    (module,) = re.findall(r"^<!-- test: lab_blocks.py -->\n```python\n(.*?)^```", text, flags=re.M | re.S)
    return str(module)


def test_the_package_of_the_page_brings_its_block_to_the_command_line(tmp_path: Path) -> None:
    installed(tmp_path, module_of_the_page())
    shown = command(tmp_path, "blocks", "penalty.cubic")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "Cubic penalty" in shown.stdout
    ran = command(tmp_path, "run", "cubic.yaml", "--set", "problem.size=16", "--threads", "1", "-o", "out", "-q")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "penalty.cubic" in (tmp_path / "out" / "history.csv").read_text().splitlines()[0]


def test_a_package_cannot_take_the_name_of_a_block_that_is_there(tmp_path: Path) -> None:
    installed(tmp_path, module_of_the_page().replace("penalty.cubic", "penalty.tv"))
    told = command(tmp_path, "check", "tv")
    assert told.returncode == 2
    assert "Traceback" not in told.stderr
    for part in ("lab-blocks", "penalty.tv", "dipgraph.blocks.penalty", "repair or uninstall"):
        assert part in told.stderr


def test_a_block_may_be_declared_again_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    made = registry()["penalty.l2"].make
    block("penalty.l2")(made)
    assert registry()["penalty.l2"].make is made
    monkeypatch.setattr(made, "__module__", "elsewhere")
    with pytest.raises(TypeError, match="elsewhere"):
        block("penalty.l2")(lambda of: of)
