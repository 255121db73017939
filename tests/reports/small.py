"""Runs of the command line, small: recipes with every kind of state on a problem of 16 x 16 pixels."""

from __future__ import annotations

import os
from pathlib import Path

import tifffile

from dipgraph.data.shipped import load_recipe
from tests.engine.resumed import RECIPES

TINY = ["--set", "problem.size=16", "--set", "problem.views=9", "--set", "problem.detectors=24",
        "--device", "cpu", "--threads", "1", "--quiet"]  # fmt: skip
SHORT = {"gradient_steps": 12, "inner": 2, "every": 2, "outer": 4, "iterations": 6, "channels": 4, "scales": 2}
"""Parameters that make a run short, where the recipe has them."""
KILLED = ("admm_denoiser", "self_guided", "deep_red")
"""Shipped recipes that a run is killed of."""


def recipes(folder: Path) -> dict[str, list[str]]:
    """What to say after ``dipgraph run``, for the shipped recipes and one with quasi-Newton steps."""
    found = {name: [name, *short(name), *TINY] for name in KILLED}
    return found | {"quasi-Newton": [written(folder, "quasi-Newton"), *TINY]}


def short(name: str) -> list[str]:
    """What makes a run of a shipped recipe short."""
    declared = load_recipe(name).parameters.declared
    return [word for key, value in SHORT.items() if key in declared for word in ("--set", f"{key}={value}")]


def written(folder: Path, name: str) -> str:
    """The path of a file with the small recipe of that name."""
    path = folder / f"{name.replace(' ', '_')}.yaml"
    path.write_text(RECIPES[name])
    return str(path)


def delivered(folder: Path) -> bytes:
    """Every number that a run delivers, history included."""
    image = tifffile.imread(folder / "reconstruction.tiff")
    return image.tobytes() + (folder / "history.csv").read_bytes()


def half_written(folder: Path) -> list[str]:
    """Files in a run's folder that are not whole."""
    return [os.fspath(path) for path in folder.rglob("*") if path.name.endswith(".part")]
