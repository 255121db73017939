"""Small problems and recipes for the engine's tests: 6 x 6 pixels, a dense operator, double precision."""

from __future__ import annotations

from typing import Any

import numpy as np
import pylops
import torch

from dipgraph.blocks import registry
from dipgraph.data.problem import Problem
from dipgraph.engine.run import Options, Result, Run
from dipgraph.language import check, read_recipe, settle_recipe
from dipgraph.language.diagnostics import Source

SIDE = 6
HEAD = "recipe: 1\nnetworks: {f: {network.linear: {}}}\n"


def problem(seed: int = 0, rows: int = 20, sign: float = 1.0) -> Problem:
    """Dense random operator; noise-free data of a random image in [0, 1], or their negative."""
    draw = np.random.default_rng(seed)
    matrix = draw.uniform(0, 1, (rows, SIDE * SIDE))
    image = draw.uniform(0, 1, (SIDE, SIDE))
    operator = pylops.MatrixMult(matrix, dtype="float64")
    data = sign * matrix @ image.ravel()
    return Problem(operator, data, shape=(SIDE, SIDE), reference=image, scale=1.0, region="all")


def start(text: str, *, on: Problem | None = None, seed: int = 0, **options: Any) -> Run:
    """A run of a recipe's text, in double precision on the CPU; the recipe must be clean."""
    recipe = read_recipe(Source("test.yaml", text))
    faults = [fault for fault in check(recipe, registry()) if not fault.is_warning]
    assert not faults, "\n".join(fault.render() for fault in faults)
    program = settle_recipe(recipe, registry())
    options = {"device": "cpu", "seed": seed, "dtype": torch.float64, **options}
    return Run(program, on or problem(), Options(**options))


def finish(text: str, **options: Any) -> Result:
    """The result of a run."""
    run = start(text, **options)
    for _ in run:
        pass
    return run.result()


def value(result: Result, name: str) -> Any:
    """Something that a recipe returned: a number, or an array."""
    found = result.returns[name]
    return found.detach().numpy() if isinstance(found, torch.Tensor) else found
