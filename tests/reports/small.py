"""Runs of the command line, small: recipes with every kind of state on a problem of 16 x 16 pixels."""

from __future__ import annotations

import os
from pathlib import Path

import tifffile
from click.testing import CliRunner

from dipgraph.cli import main
from dipgraph.data.shipped import shipped
from tests.engine.resumed import RECIPES

TINY = ["--set", "problem.size=16", "--set", "problem.views=9", "--set", "problem.detectors=24",
        "--device", "cpu", "--threads", "1", "--quiet"]  # fmt: skip
SHIPPED_SIZE = ["--set", "gradient_steps=12", "--set", "channels=4", "--set", "scales=2"]
SHIPPED = {
    "admm_denoiser": ["--set", "inner=3"],
    "self_guided": [],
    "deep_red": ["--set", "inner=2", "--set", "every=2"],
}
"""Shipped recipes that a run is killed of, with what makes them small; one that does not ship has a twin here."""
TWINS = {
    "admm_denoiser": "a split with a stop", "self_guided": "joint targets under noise", "deep_red": "nested repeats",
}  # fmt: skip


def recipes(folder: Path) -> dict[str, list[str]]:
    """What to say after ``dipgraph run``, for the shipped recipes and one with quasi-Newton steps."""
    found = {}
    for name, settings in SHIPPED.items():
        if name in shipped("recipes"):
            found[name] = [name, *SHIPPED_SIZE, *settings, *TINY]
        else:
            found[name] = [written(folder, TWINS[name]), *TINY]
    return found | {"quasi-Newton": [written(folder, "quasi-Newton"), *TINY]}


def written(folder: Path, name: str) -> str:
    """The path of a file with the small recipe of that name."""
    path = folder / f"{name.replace(' ', '_')}.yaml"
    path.write_text(RECIPES[name])
    return str(path)


def call(*arguments: str, code: int = 0) -> str:
    """The output of a command that ends with the code; never a traceback."""
    result = CliRunner().invoke(main, list(arguments))
    assert "Traceback" not in result.output
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.output


def delivered(folder: Path) -> bytes:
    """Every number that a run delivers, history included."""
    image = tifffile.imread(folder / "reconstruction.tiff")
    return image.tobytes() + (folder / "history.csv").read_bytes()


def half_written(folder: Path) -> list[str]:
    """Files in a run's folder that are not whole."""
    return [os.fspath(path) for path in folder.rglob("*") if path.name.endswith(".part")]
