"""The shipped recipes on problems that are no tomography: an operator is a plug, and no recipe knows which."""

from __future__ import annotations

import numpy as np
import pytest

import dipgraph

RECIPES: dict[str, dict[str, int]] = {"vanilla": {}, "tv": {}, "tv_hqs": {"inner": 2}, "admm_denoiser": {"inner": 2}}
PROBLEMS = ("denoise", "inpaint", "deblur")


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_runs_unchanged(recipe, problem):
    small = {"gradient_steps": 6, "channels": 4, "scales": 2, "problem.size": 32}
    result = dipgraph.run(recipe, problem, settings=small | RECIPES[recipe], device="cpu")
    assert (result.steps, result.outcome) == (6, dipgraph.Outcome.COMPLETED)
    assert result.image.shape == (32, 32)
    assert np.isfinite(result.image).all()
    misfit = [entry.terms["fidelity.l2"] for entry in result.record.entries.values()]
    assert len(misfit) == 6
    assert misfit[-1] < misfit[0]


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("recipe", RECIPES)
def test_its_defaults_fit_the_problem_as_shipped(recipe, problem):
    assert dipgraph.check(recipe, problem) == []
