"""Every shipped recipe checks clean, says what it is, and runs on the shipped problems that need no file."""

from __future__ import annotations

import numpy as np
import pytest
import yaml

import dipgraph
from dipgraph.data.shipped import shipped

RECIPES = shipped("recipes")
PROBLEMS = {
    "walnut_phantom": {"problem.size": 32, "problem.views": 6, "problem.detectors": 24},
    "shepp_logan": {"problem.size": 32, "problem.views": 6},
    "denoise": {"problem.size": 32},
}
NEEDS_VIEWS = {"sirt", "subset_sgd"}
FEW = {
    "gradient_steps": 4, "inner": 2, "every": 1, "subsets": 2, "iterations": 3, "outer": 2, "channels": 4, "scales": 2,
}  # fmt: skip
"""Parameters that make a run short, where the recipe has them."""


def parameters(name: str) -> dict[str, object]:
    """What a recipe declares."""
    declared: dict[str, object] = yaml.safe_load(RECIPES[name].read_text(encoding="utf-8"))["params"]
    return declared


@pytest.mark.parametrize("name", RECIPES)
def test_checks_clean_and_is_short(name: str) -> None:
    assert dipgraph.check(name) == []
    assert len(RECIPES[name].read_text(encoding="utf-8").splitlines()) < 80


@pytest.mark.parametrize("name", RECIPES)
def test_every_parameter_is_explained(name: str) -> None:
    assert [key for key, said in parameters(name).items() if not (isinstance(said, dict) and said.get("about"))] == []


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_with_a_network_have_a_budget_and_the_papers_setting(name: str) -> None:
    text = yaml.safe_load(RECIPES[name].read_text(encoding="utf-8"))
    if "networks" in text:
        assert "gradient_steps" in text["params"]
        setting = {"channels": 128, "scales": 6, "gradient_steps": 10000, "rate": "1e-4"}
        assert text["presets"]["paper"] == setting  # YAML 1.1, which reads this test's copy, takes 1e-4 for a word
    else:
        assert "presets" not in text


@pytest.mark.parametrize(
    ("name", "problem"), [(n, p) for n in RECIPES for p in PROBLEMS if p != "denoise" or n not in NEEDS_VIEWS]
)
def test_runs(name: str, problem: str) -> None:
    short = {key: value for key, value in FEW.items() if key in parameters(name)}
    result = dipgraph.run(name, problem, settings={**PROBLEMS[problem], **short}, device="cpu")
    assert result.image.shape == (32, 32)
    assert np.isfinite(result.image).all()
    assert result.steps == (4 if "gradient_steps" in short or "inner" in short else 3)
    assert result.record.peak is not None


@pytest.mark.parametrize("name", [name for name in RECIPES if "denoiser" in parameters(name)])
def test_the_denoiser_is_a_choice(name: str) -> None:
    short = {key: value for key, value in FEW.items() if key in parameters(name)}
    images = [
        dipgraph.run(name, "denoise", settings={"problem.size": 32, **short, "denoiser": word}, device="cpu").image
        for word in ("tv", "nlm")
    ]
    assert not np.array_equal(*images)
