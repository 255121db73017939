"""Every shipped recipe checks clean, says what it is, and runs on the shipped problems that need no file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

import dipgraph
from dipgraph.data.shipped import shipped
from tests.recipes.small import edited, small

RECIPES = shipped("recipes")
PROBLEMS = {
    "walnut_phantom": {"problem.size": 32, "problem.views": 6, "problem.detectors": 24},
    "shepp_logan": {"problem.size": 32, "problem.views": 6},
    "denoise": {"problem.size": 32},
}
NEEDS_VIEWS = {"sirt", "subset_sgd"}
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]
FEW = {
    "gradient_steps": 4, "inner": 2, "every": 1, "subsets": 2, "iterations": 3, "outer": 2, "channels": 4, "scales": 2,
}  # fmt: skip
"""Parameters that make a run short, where the recipe has them."""


def parameters(name: str) -> dict[str, Any]:
    """What a recipe declares."""
    declared: dict[str, Any] = yaml.safe_load(RECIPES[name].read_text(encoding="utf-8"))["params"]
    return declared


@pytest.mark.parametrize("name", RECIPES)
def test_checks_clean_and_is_short(name: str) -> None:
    assert dipgraph.check(name) == []
    assert len(RECIPES[name].read_text(encoding="utf-8").splitlines()) < 80


@pytest.mark.parametrize("name", RECIPES)
def test_every_parameter_is_explained(name: str) -> None:
    assert [key for key, said in parameters(name).items() if not (isinstance(said, dict) and said.get("about"))] == []


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_with_a_network_have_a_budget_hold_rays_out_and_offer_the_papers_setting(name: str) -> None:
    text = yaml.safe_load(RECIPES[name].read_text(encoding="utf-8"))
    if "networks" in text:
        assert "gradient_steps" in text["params"]
        setting = {"channels": 128, "scales": 6, "gradient_steps": 10000, "rate": "1e-4"}
        assert text["presets"]["all_rays"] == {"hold": 0}
        assert "hold" in text["params"]
        assert text["presets"]["paper"] == setting  # YAML 1.1, which reads this test's copy, takes 1e-4 for a word
    else:
        assert "presets" not in text


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    ("name", "problem"), [(n, p) for n in RECIPES for p in PROBLEMS if p != "denoise" or n not in NEEDS_VIEWS]
)
def test_runs(name: str, problem: str, device: str) -> None:
    short = {key: value for key, value in FEW.items() if key in parameters(name)}
    result = dipgraph.run(name, problem, settings={**PROBLEMS[problem], **short}, device=device)
    assert result.image.shape == (32, 32)
    assert np.isfinite(result.image).all()
    assert result.steps == (4 if "gradient_steps" in short or "inner" in short else 3)
    assert result.record.peak is not None


@pytest.mark.gpu
@pytest.mark.parametrize("name", [name for name in RECIPES if "gradient_steps" not in parameters(name)])
def test_without_a_network_a_gpu_finds_the_image_that_the_cpu_does(name: str) -> None:
    short = {"outer": 20, "iterations": 50}
    settings = {**PROBLEMS["walnut_phantom"], **{key: short[key] for key in short if key in parameters(name)}}
    images = [dipgraph.run(name, settings=settings, device=device).image for device in ("cpu", "cuda")]
    assert np.linalg.norm(images[1] - images[0]) < 1e-4 * np.linalg.norm(images[0])


@pytest.mark.parametrize("name", [name for name in RECIPES if "denoiser" in parameters(name)])
def test_the_denoiser_is_a_choice(name: str) -> None:
    short = {key: value for key, value in FEW.items() if key in parameters(name)}
    images = [
        dipgraph.run(name, "denoise", settings={"problem.size": 32, **short, "denoiser": word}, device="cpu").image
        for word in ("tv", "nlm")
    ]
    assert not np.array_equal(*images)


HOLDING = [name for name in RECIPES if "hold" in parameters(name)]
WORDS = [
    (name, {parameter: word})
    for name in HOLDING
    for parameter, said in {"hold": {"of": [0.2]}, **parameters(name)}.items()
    for word in said.get("of", ())
    if word not in (said.get("value"), "dncnn")  # which needs a file
]
"""Each recipe that holds rays out, at its defaults and with each other word of each choice."""
NAMED = "  - held_out: adjoint(held)(held(ones(Y)))\n"


def iterates(name: str, words: Mapping[str, Any], folder: Path, noise: float) -> tuple[list[Any], dict[str, Any]]:
    """The tracked images, and what is returned beside the image, where the rays held out have other values."""
    text = RECIPES[name].read_text(encoding="utf-8")
    split = next(line for line in text.splitlines(keepends=True) if "rays.split:" in line)
    path = folder / f"{name}.yaml"
    path.write_text(edited(text, [(split, split + NAMED), ("returns: {", "returns: {held_out: held_out, ")]))
    few = {key: value for key, value in FEW.items() if key in parameters(name) and key != "outer"}
    settings = {**few, "gradient_steps": 8, "hold": 0.2, **words}
    mask = dipgraph.run(path, small().problem, settings=settings, device="cpu").returns["held_out"]
    assert 0.1 < mask.mean() < 0.3
    run = dipgraph.start(path, small().problem, settings=settings, device="cpu")
    y = run.bound.given["y"]
    y += noise * mask * torch.linspace(0.5, 1.5, y.numel()).reshape(y.shape)
    images = [state.image for state in run]
    return images, {key: value for key, value in run.result().returns.items() if isinstance(value, torch.Tensor)}


@pytest.mark.filterwarnings("ignore:.*has no cheap subsets")
@pytest.mark.parametrize(("name", "words"), WORDS, ids=str)
def test_rays_held_out_reach_no_iterate(name: str, words: Mapping[str, Any], tmp_path: Path) -> None:
    (images, returned), (others, again) = (iterates(name, words, tmp_path, noise) for noise in (0.0, 1.0))
    assert len(images) == len(others) >= 4
    assert all(np.array_equal(one, other) for one, other in zip(images, others, strict=True))
    assert returned.keys() == again.keys() >= {"last"}
    assert all(torch.equal(returned[key], again[key]) for key in returned)


def test_a_start_at_the_minimum_is_no_divergence_later() -> None:
    """Where the operator is the identity, plug-and-play begins at the data, where both its terms are zero."""
    result = dipgraph.run("pnp_admm", "denoise", settings={"problem.size": 32, "outer": 20}, device="cpu")
    assert result.outcome is dipgraph.Outcome.COMPLETED
    losses = [entry.loss for entry in result.record.entries.values()]
    assert max(losses) > 1e8 * max(losses[:10])
