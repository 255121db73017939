"""`dipgraph verify`: sound runs pass, faults put in through the public face are found and named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pylops
import pytest
import torch
from click.testing import CliRunner
from torch import Tensor

import dipgraph
from dipgraph.blocks import registry
from dipgraph.cli import main
from dipgraph.engine.probe import Probe
from dipgraph.engine.run import Options, Run
from dipgraph.language import settle_recipe
from dipgraph.signatures import REGISTRY, STREAM, number, vector
from dipgraph.signatures.errors import DipgraphError
from dipgraph.testing.run_laws import EXPANSION

SIDE = 16
SMALL = {"problem.size": SIDE, "channels": 2, "scales": 2}
RECIPE = """recipe: 1
params: {{weight: {{value: 0.3, above: 0}}}}
steps:
  - repeat:
      count: 3
      index: k
      carry: {{x: zeros(X)}}
      steps:
        - gamma: weight/k
        - x: {{{call}}}
track: x
returns: {{image: x}}
"""


@pytest.fixture
def blocks() -> Iterator[Any]:
    """Yield the public decorator; what it registers is forgotten after the test."""
    before = set(registry())
    yield dipgraph.block
    for name in set(REGISTRY) - before:
        del REGISTRY[name]


def written(folder: Path, call: str) -> str:
    path = folder / "mine.yaml"
    path.write_text(RECIPE.format(call=call))
    return str(path)


def blurring(scale: float = 1.0) -> dipgraph.Problem:
    """A blur whose adjoint is `scale` times what it should be."""
    true = pylops.Smoothing2D((3, 3), dims=(SIDE, SIDE), dtype="float32")
    op = pylops.FunctionOperator(
        lambda x: true.matvec(x), lambda y: np.float32(scale) * true.rmatvec(y), SIDE**2, SIDE**2, dtype="float32"
    )
    draw = np.random.default_rng(0)
    return dipgraph.Problem(op, draw.random(SIDE**2, dtype=np.float32), shape=(SIDE, SIDE), scale=1.0)


def called(*arguments: str, code: int) -> str:
    result = CliRunner().invoke(main, ["verify", *arguments])
    assert "Traceback" not in result.output
    assert result.exit_code == code, result.output
    return result.output


def broken(findings: list[Any]) -> dict[str, str]:
    return {finding.record.law: str(finding) for finding in findings if not finding.ok}


@pytest.mark.parametrize("name", ["vanilla", "tv", "tv_hqs", "admm_denoiser"])
def test_the_shipped_recipes_are_sound(name: str) -> None:
    chosen = {"denoiser": "tv"} if name == "admm_denoiser" else {}  # the learned one is known to be expansive
    findings = dipgraph.verify(name, "denoise", settings=SMALL | chosen)
    assert broken(findings) == {}
    laws = {(finding.part, finding.record.law) for finding in findings}
    assert {("A", law) for law in ("linear", "adjoint", "gradient", "batched", "pure")} <= laws
    assert ("fidelity.l2", "gradient") in laws
    wanted = {"tv_hqs": ("u: prox.tv", "prox optimality"), "admm_denoiser": ("u: denoise.tv", "denoiser non-expansive")}
    assert wanted.get(name, ("A", "linear")) in laws


def test_the_command_prints_laws_and_what_theory_applies() -> None:
    small = [f"--set={name}={value}" for name, value in (SMALL | {"denoiser": "tv"}).items()]
    said = called("admm_denoiser", "--problem", "denoise", *small, code=0)
    for word in ("law", "measured", "bound", "verdict", "adjoint", "Jacobian symmetric", "non-expansive", "holds"):
        assert word in said
    assert "nothing speaks against plug-and-play's theory" in said
    assert "RED's theory" in said
    assert "nothing at fault" in said


@pytest.mark.parametrize("scale", [2.0, 0.5])
def test_a_mis_scaled_adjoint_is_found_and_its_scale_said(scale: float) -> None:
    found = broken(dipgraph.verify("vanilla", blurring(1 / scale), settings={"channels": 2, "scales": 2}))
    assert f"scale {scale:g}," in found["adjoint"]
    assert found["adjoint"].startswith("A, adjoint: BROKEN")
    assert float(found["adjoint"].split()[-1]) < 1e-6
    assert broken(dipgraph.verify("vanilla", blurring(), settings={"channels": 2, "scales": 2})) == {}


def test_the_command_says_the_scale_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dipgraph.testing.verifying.load_problem", lambda *_: blurring(4.0))
    small = ["--set", "channels=2", "--set", "scales=2"]
    said = called("vanilla", *small, code=1)
    assert "A, adjoint: BROKEN: scale 0.25" in said
    assert "laws are broken" in said


def test_a_wrong_prox_is_found(blocks: Any, tmp_path: Path) -> None:
    def soft(of: Tensor, threshold: Any) -> Tensor:
        return of.sign() * (of.abs() - threshold).clamp(min=0)

    def absolute(x: Tensor, weight: Any) -> Tensor:
        return (weight * x.abs()).sum()

    def registered(name: str, threshold: Any, functional: Any = None) -> str:
        @blocks(f"prox.{name}", functional=functional)
        def proximal(
            of: Annotated[Tensor, vector("V")], weight: Annotated[float, number(min=0)]
        ) -> Annotated[Tensor, vector("V")]:
            """Soft threshold, some are wrong."""
            return soft(of, threshold(weight))

        return written(tmp_path, f"prox.{name}: {{of: x, weight: gamma}}")

    problem = blurring()
    assert broken(dipgraph.verify(registered("sound", lambda w: w), problem)) == {}
    assert broken(dipgraph.verify(registered("declared", lambda w: w, absolute), problem)) == {}
    # Without the functional: a step that is forgotten or squared. With it: a factor too.
    assert set(broken(dipgraph.verify(registered("forgotten", lambda w: 0.3), problem))) == {"prox resolvent"}
    assert set(broken(dipgraph.verify(registered("squared", lambda w: w * w), problem))) == {"prox resolvent"}
    double = registered("double", lambda w: 2 * w, absolute)
    assert set(broken(dipgraph.verify(double, problem))) == {"prox optimality"}
    said = called(registered("squared", lambda w: w * w), "--problem", "denoise", "--set", "problem.size=16", code=1)
    assert "x: prox.squared, prox resolvent: BROKEN" in said


def test_an_expansive_map_is_no_prox(blocks: Any, tmp_path: Path) -> None:
    @blocks("prox.stretch")
    def stretch(of: Annotated[Tensor, vector("V")]) -> Annotated[Tensor, vector("V")]:
        """Stretches."""
        return 1.1 * of

    found = broken(dipgraph.verify(written(tmp_path, "prox.stretch: {of: x}"), blurring()))
    assert set(found) == {"prox firm"}


def test_a_functional_that_is_not_convex_is_not_held_against_its_prox(tmp_path: Path) -> None:
    pytest.importorskip("pyproximal")
    for name in ("l0", "l1"):
        findings = dipgraph.verify(
            written(tmp_path, f"prox.pyproximal: {{of: x, weight: gamma, functional: {name}}}"), blurring()
        )
        assert broken(findings) == {}
        verdicts = {finding.record.law: finding.verdict for finding in findings}
        assert verdicts["prox firm"] == {"l0": "does not hold", "l1": "holds"}[name]


@pytest.mark.parametrize("factor", [1.0, 1.3])
def test_an_expansive_denoiser_is_found(factor: float, blocks: Any, tmp_path: Path) -> None:
    @blocks("denoise.mean")
    def mean(
        of: Annotated[Tensor, vector("X[c]")], sigma: Annotated[float, number(above=0)]
    ) -> Annotated[Tensor, vector("X[c]")]:
        """Mean of a pixel and its neighbours, stretched around mid-grey."""
        kernel = torch.full((1, 1, 3, 3), 1 / 9).to(of)
        smooth = torch.nn.functional.conv2d(torch.nn.functional.pad(of, (1, 1, 1, 1), mode="circular"), kernel)
        return 0.5 + factor * (smooth - 0.5)

    recipe = written(tmp_path, "denoise.mean: {of: x, sigma: gamma}")
    found = broken(dipgraph.verify(recipe, "denoise", settings={"problem.size": SIDE}))
    assert set(found) == ({"denoiser non-expansive"} if factor > 1 else set())
    said = called(recipe, "--problem", "denoise", "--set", "problem.size=16", code=int(factor > 1))
    if factor > 1:
        assert "x: denoise.mean, denoiser non-expansive: BROKEN" in said
        assert "theory for non-expansive denoisers does not apply (Lipschitz constant at least 1.3)" in said
        assert "0 of" not in called(recipe, "-p", "denoise", "--set", "problem.size=16", "--expansion", "1.4", code=0)
    assert "expansion allowed is 0.5" in called(recipe, "--expansion", "0.5", code=2)


@pytest.mark.gpu
def test_runs_on_a_gpu_are_verified_there() -> None:
    settings = {"problem.size": 32, "channels": 2, "scales": 2, "denoiser": "tv"}
    assert broken(dipgraph.verify("admm_denoiser", "walnut_phantom", settings=settings, device="cuda")) == {}


def test_what_cannot_be_called_is_told_not_thrown(blocks: Any, tmp_path: Path) -> None:
    @blocks("denoise.fails")
    def fails(of: Annotated[Tensor, vector("X[c]")]) -> Annotated[Tensor, vector("X[c]")]:
        """Fails."""
        raise ValueError("no such luck")

    @blocks("prox.nan")
    def nan(of: Annotated[Tensor, vector("V")]) -> Annotated[Tensor, vector("V")]:
        """Divides 0 by 0."""
        return of * torch.nan

    found = broken(dipgraph.verify(written(tmp_path, "denoise.fails: {of: x}"), blurring()))
    assert set(found) == {"denoise can be called"}
    assert found["denoise can be called"].endswith("BROKEN: ValueError: no such luck")
    assert set(broken(dipgraph.verify(written(tmp_path, "prox.nan: {of: x}"), blurring()))) == {"prox firm"}


def test_operators_that_blocks_hand_out_are_measured(tmp_path: Path) -> None:
    path = tmp_path / "coarse.yaml"
    path.write_text(
        "recipe: 1\nsteps:\n  - coarse, up: {grid.coarsen: {of: A, factor: 2}}\n"
        "  - repeat:\n      count: 2\n      carry: {x: zeros(X)}\n"
        "      steps: [x: x + up(adjoint(coarse)(y - coarse(adjoint(up)(x))))]\n"
        "track: x\nreturns: {image: x}\n"
    )
    findings = dipgraph.verify(path, "walnut_phantom", settings={"problem.size": 16, "problem.views": 5})
    assert {finding.part for finding in findings} >= {"A", "coarse: grid.coarsen", "up: grid.coarsen"}
    assert broken(findings) == {}


def test_every_map_that_a_recipe_reads_is_measured(tmp_path: Path) -> None:
    path = tmp_path / "maps.yaml"
    path.write_text(
        "recipe: 1\nsteps:\n  - a: {prox.l1: {of: fbp(y), weight: 0.1}}\n"
        "  - repeat:\n      count: 2\n      carry: {x: a}\n      steps:\n"
        "        - g: {prox.l21: {of: grad(x), weight: 0.1}}\n"
        "        - x: {prox.l1: {of: x - adjoint(grad)(g), weight: 0.2}}\n"
        "        - x: {prox.l1: {of: x, weight: 0.3}}\n"
        "track: x\nreturns: {image: x}\n"
    )
    findings = dipgraph.verify(path, "walnut_phantom", settings={"problem.size": 16, "problem.views": 12})
    parts = {finding.part for finding in findings}
    assert parts == {"A", "fbp", "grad", "a: prox.l1", "g: prox.l21", "x: prox.l1, line 9", "x: prox.l1, line 10"}
    assert broken(findings) == {}


def test_a_weight_settled_before_the_run_is_left_alone(blocks: Any, tmp_path: Path) -> None:
    @blocks("prox.fixed")
    class Fixed:
        """Soft threshold at a weight of its own."""

        def __init__(self, weight: Annotated[float, number(min=0)] = 0.2) -> None:
            self.weight = weight

        def __call__(self, of: Annotated[Tensor, vector("V")]) -> Annotated[Tensor, vector("V")]:
            """Shrink."""
            return of.sign() * (of.abs() - self.weight).clamp(min=0)

    findings = dipgraph.verify(written(tmp_path, "prox.fixed: {of: x}"), blurring())
    assert broken(findings) == {}
    assert "prox firm" in {finding.record.law for finding in findings}


def test_the_command_s_default_is_the_function_s() -> None:
    option = next(each for each in main.commands["verify"].params if each.name == "expansion")
    assert option.default == EXPANSION


def start(text: str) -> Run:
    from dipgraph.language import read_recipe
    from dipgraph.language.diagnostics import Source

    return Run(settle_recipe(read_recipe(Source("r.yaml", text)), registry()), blurring(), Options("cpu"))


def test_a_probe_finds_the_values_of_the_first_iteration() -> None:
    run = start(
        "recipe: 1\nsteps:\n  - repeat:\n      count: 4\n      index: k\n"
        "      carry: {x: ones(X), w: 0.5}\n      steps:\n"
        "        - w: w/(k + 1)\n        - x: {prox.l1: {of: x, weight: w}}\n"
        "        - past: {average.ema: {of: x, decay: 0.5}}\n"
        "track: x\nreturns: {image: x, again: past}\n"
    )
    probe = Probe(run)
    steps = {operation.name: operation for operation in run.plan.body.walk()}
    assert probe.ports(steps["prox.l1"])["weight"] == 0.25
    assert bool((probe.ports(steps["prox.l1"])["of"] == 1).all())
    shrink = probe.image_map(steps["prox.l1"])
    assert float(shrink(torch.full((1, 1, 2, 2), 3.0)).max()) == 2.75
    assert float(probe.image_map(steps["prox.l1"], others={"weight": 1.0})(torch.full((1, 1, 2, 2), 3.0)).max()) == 2.0


def test_a_probe_leaves_state_and_random_streams_as_they_were(blocks: Any) -> None:
    @blocks("denoise.dither")
    def dither(
        of: Annotated[Tensor, vector("X[c]")], stream: Annotated[torch.Generator, STREAM]
    ) -> Annotated[Tensor, vector("X[c]")]:
        """Adds random numbers."""
        return of + torch.randn(of.shape, generator=stream)

    text = (
        "recipe: 1\nsteps:\n  - repeat:\n      count: 3\n      carry: {x: ones(X)}\n      steps:\n"
        "        - a: {denoise.dither: {of: x}}\n        - b: {denoise.tv: {of: a, sigma: 0.1}}\n"
        "        - x: {average.ema: {of: b, decay: 0.5}}\ntrack: x\nreturns: {image: x}\n"
    )
    images = []
    for looked in (False, True):
        run = start(text)
        if looked:
            probe = Probe(run)
            image = torch.rand(1, 1, SIDE, SIDE)
            for operation in run.plan.body.walk():
                if operation.sort == "block":
                    apply = probe.image_map(operation)
                    assert torch.equal(apply(image), apply(image))
        for _ in run:
            pass
        images.append(run.result().image)
    assert np.array_equal(*images)


def test_settings_of_a_problem_that_is_built_are_refused() -> None:
    problem = dipgraph.load_problem("denoise", {"size": SIDE})
    with pytest.raises(DipgraphError, match="built already"):
        dipgraph.verify("vanilla", problem, settings={"problem.size": 3})
