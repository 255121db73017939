"""Each shipped recipe does what its paper's equations say, iterate by iterate; and a wrong sign anywhere would show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from dipgraph import block
from dipgraph.data.shipped import shipped
from dipgraph.signatures import REGISTRY
from tests.recipes.small import BLOCKS, RECIPES, Edit, Small, edited, reached, small
from tests.recipes.transcriptions import TRANSCRIPTIONS

ITERATIONS = 4
AGREES, DIFFERS = 1e-8, 1e-6

NETWORK = ("network.unet: {channels: channels, scales: scales}", "network.given: {}")
SGD = ("adam: {rate: rate}", "sgd: {rate: rate}")
SGD_SHORT = ("adam: {rate: rate, first: memory, second: memory}", "sgd: {rate: rate}")
DENOISERS = ("own", "tv", "dncnn", "nlm")
SMOOTHING = (*((f"denoise.{word}:", "denoise.smoothing:") for word in DENOISERS), (", weights: weights}", "}"))
"""The tests' own denoiser in each branch of the choice."""
EXACT = ", tolerance: 1e-9, iterations: 100000}}"
HOLD = ("{of: Y, hold: hold}}", "{of: Y, hold: hold}}\n  - held_out: adjoint(held)(held(ones(Y)))")
"""Names what the run drew: 1 for each ray that is held out."""
SCORE = ("- done, best:", "- done, best, score:")
LOOKS = ("patience: patience, every: 10}", "patience: patience}")
"""Has the stopper look at each of the few steps."""
LOOKS_5 = ("patience: patience, every: 5}", "patience: patience}")
SHARE = 0.1


@dataclass(frozen=True)
class Case:
    """How a recipe is made small: what is put into its text, its parameters, what is compared, which signs matter."""

    edits: tuple[Edit, ...]
    settings: Mapping[str, Any]
    names: tuple[str, ...]
    flips: tuple[Edit, ...]
    count: str = "outer"
    """The parameter that says how many iterations there are."""
    drawn: tuple[str, ...] = ("z", "held_out")
    """Names that hold what the run drew at random."""


HELD = {"hold": SHARE, "decay": 0.7}
STOPPED = ("average", "best", "score")
STOPS = (("held(fit - y)", "held(fit + y)"), ("average.ema: {of: p", "average.ema: {of: 2*p"))
INNER = {"inner": 3, "rate": 0.1, **HELD}
CASES: dict[str, Case] = {
    "vanilla": Case(
        (NETWORK, SGD, HOLD, SCORE, LOOKS),
        {"rate": 0.1, "input": "noise", **HELD},
        ("x", *STOPPED),
        (("to: kept(y)}", "to: -kept(y)}"), *STOPS),
        "gradient_steps",
    ),
    "tv": Case(
        (NETWORK, SGD_SHORT, HOLD, SCORE, LOOKS),
        {"rate": 0.1, "alpha": 0.05, "kind": "isotropic", **HELD},
        ("x", *STOPPED),
        (("weight: alpha", "weight: 2*alpha"), ("to: kept(y)}", "to: -kept(y)}")),
        "gradient_steps",
    ),
    "tv_hqs": Case(
        (NETWORK, SGD_SHORT, HOLD, SCORE, ("{of: x, weight: alpha}}", "{of: x, weight: alpha" + EXACT)),
        INNER | {"alpha_1": 2e-3, "alpha_K": 5e-4, "lam": 4e-4},
        ("x", "u", *STOPPED),
        (
            ("of: x - u", "of: x + u"),
            ("weight: lam/alpha", "weight: lam*alpha"),
            ("(alpha_1, alpha_K, k", "(alpha_K, alpha_1, k"),
        ),
    ),
    "wtv_admm": Case(
        (NETWORK, SGD_SHORT, HOLD, SCORE),
        INNER | {"weights": "constant", "alpha": 0.02, "floor_d": 0.05, "gamma": 0.1},
        ("x", "u", "lam", *STOPPED),
        (
            ("of: grad(x) - u + lam", "of: grad(x) - u - lam"),
            ("of: d + lam/gamma", "of: d - lam/gamma"),
            ("of: grad(x) - u", "of: grad(x) + u"),
            ("lam: lam + gamma", "lam: lam - gamma"),
            ("*(d - u)", "*(d + u)"),
        ),
    ),
    "constrained": Case(
        (NETWORK, SGD, HOLD, SCORE),
        INNER | {"rate": 0.02, "beta": 5.0, "ascent": 0.8, "tau": 0.2, "noise": "estimated"},
        ("x", "r", "q", "rho", *STOPPED),
        (
            ("kept(A(x) - y) - r + q", "kept(A(x) - y) - r - q"),
            ("kept(A(x) - y) - r", "kept(A(x) - y) + r"),
            ("of: e + q", "of: e - q"),
            ("q: q + ascent", "q: q - ascent"),
            ("*(e - r)", "*(e + r)"),
        ),
    ),
    "red_apg": Case(
        (NETWORK, SGD_SHORT, *SMOOTHING, HOLD, SCORE),
        INNER | {"lam": 0.2, "L": 2.0, "sigma": 0.1},
        ("x", "v", "u", "t", *STOPPED),
        (
            ("of: x - u", "of: x + u"),
            ("v: x + (t_old", "v: x - (t_old"),
            ("(t_old - 1)/t", "(t_old + 1)/t"),
            ("(x - x_old)", "(x + x_old)"),
            ("d/L + (1", "d/L - (1"),
            ("(1 - 1/L)", "(1 + 1/L)"),
        ),
    ),
    "deep_red": Case(
        (NETWORK, SGD_SHORT, *SMOOTHING, HOLD, SCORE),
        INNER | {"inner": 2, "every": 3, "beta": 0.2, "mu": 0.3, "sigma": 0.1},
        ("v", "x", "u", *STOPPED),
        (
            ("of: v - x + u", "of: v - x - u"),
            ("of: v - x + u", "of: v + x + u"),
            ("beta*d + mu", "beta*d - mu"),
            ("mu*(v + u)", "mu*(v - u)"),
            ("u: u + v - x", "u: u - v + x"),
            ("u: u + v - x", "u: u + v + x"),
        ),
    ),
    "hqs_denoiser": Case(
        (NETWORK, SGD_SHORT, *SMOOTHING, HOLD, SCORE),
        INNER | {"alpha_1": 0.1, "alpha_K": 0.02, "lam": 0.01, "strength": "noise"},
        ("x", "u", *STOPPED),
        (
            ("of: x - u", "of: x + u"),
            ("weight: lam/alpha", "weight: lam*alpha"),
            ("(alpha_1, alpha_K, k", "(alpha_K, alpha_1, k"),
        ),
    ),
    "admm_denoiser": Case(
        (NETWORK, SGD_SHORT, *SMOOTHING, HOLD, SCORE),
        INNER | {"input": "noise", "beta": 0.3, "sigma": 0.1, **HELD},
        ("x", "u", "mu", *STOPPED),
        (
            ("x - u + mu,", "x - u - mu,"),
            ("x - u + mu,", "x + u + mu,"),
            ("mu: mu + x - u", "mu: mu - x + u"),
            ("mu: mu + x - u", "mu: mu + x + u"),
        ),
    ),
    "self_guided": Case(
        (NETWORK, ("adam: {rate: {", "sgd: {rate: {"), ("input.perturb:", "input.known:"), HOLD, SCORE, LOOKS),
        {"rate": 2e-3, "rate_z": 0.2, "lam": 0.3, "spread": 0.4, "samples": 3, **HELD},
        ("x", "z", *STOPPED),
        (("of: x - z", "of: x + z"), ("to: kept(y)}", "to: -kept(y)}"), ("spread*max", "2*spread*max")),
        "gradient_steps",
        ("held_out",),
    ),
    "aseq": Case(
        (NETWORK, SGD, HOLD, SCORE, LOOKS_5),
        INNER | {"start": "adjoint", "rate": 5e-3, "lam": 0.3},
        ("z", *STOPPED),
        (("of: x - z", "of: x + z"), ("to: kept(y)}", "to: -kept(y)}")),
        drawn=("held_out",),
    ),
    "subset_sgd": Case(
        (NETWORK, SGD, HOLD, SCORE, ("order: random", "order: cyclic")),
        {"rate": 0.05, "subsets": 3, **HELD},
        ("x", *STOPPED),
        (("to: y_i", "to: -y_i"), ("weight: subsets", "weight: 1"), ("weights: part(mask)", "weights: 2*part(mask)")),
        "passes",
    ),
    "tv_pdhg": Case(
        (),
        {"alpha": 0.02, "balance": 0.5},
        ("x", "v", "p", "q"),
        (
            ("q + sigma*(A", "q - sigma*(A"),
            ("A(v) - y", "A(v) + y"),
            ("p + sigma*grad", "p - sigma*grad"),
            ("adjoint(A)(q) + adjoint", "adjoint(A)(q) - adjoint"),
            ("x - tau*", "x + tau*"),
            ("v: 2*x - x_old", "v: x_old"),
        ),
        "iterations",
        (),
    ),
    "fista_tv": Case(
        (("weight: alpha}}", "weight: alpha" + EXACT),),
        {"alpha": 1e-3},
        ("x", "v", "t"),
        (
            ("of: v - adjoint", "of: v + adjoint"),
            ("v: x + (t_old", "v: x - (t_old"),
            ("(t_old - 1)/t", "(t_old + 1)/t"),
            ("(x - x_old)", "(x + x_old)"),
        ),
        "iterations",
        (),
    ),
    "sirt": Case((), {}, ("x",), (("x: x + C", "x: x - C"), ("y - A(x)", "y + A(x)")), "iterations", ()),
    "pnp_admm": Case(
        SMOOTHING,
        {"inner": 3, "beta": 0.3, "sigma": 0.1},
        ("x", "u", "mu"),
        (
            ("of: x - u + mu", "of: x - u - mu"),
            ("of: x - u + mu", "of: x + u + mu"),
            ("mu: mu + x - u", "mu: mu - x + u"),
            ("mu: mu + x - u", "mu: mu + x + u"),
        ),
        drawn=(),
    ),
    "red": Case(
        SMOOTHING,
        {"lam": 0.3, "sigma": 0.1},
        ("x",),
        (("+ lam*(x - d)", "- lam*(x - d)"), ("lam*(x - d)", "lam*(x + d)"), ("x: x - (adjoint", "x: x + (adjoint")),
        "iterations",
        (),
    ),
}

OTHER_WORDS = {
    "vanilla": [{"input": "grid", "rate": 2e-3}, {"input": "fbp", "rate": 2e-3}, {"input": "adjoint", "rate": 2e-3},
                {"input": "prior", "rate": 5e-3}],
    "admm_denoiser": [{"input": word, "rate": 2e-3} for word in ("grid", "fbp", "adjoint")],
    "tv": [{"kind": "anisotropic"}],
    "wtv_admm": [{"weights": "adaptive"}],
    "constrained": [{"noise": "known"}],
    "hqs_denoiser": [{"strength": "prox"}],
    "aseq": [{"start": "fbp"}],
}  # fmt: skip
DENOISED = {
    "red_apg": ("v", "-v"), "deep_red": ("x", "-x"), "hqs_denoiser": ("x", "-x"), "admm_denoiser": ("x + mu", "x - mu"),
    "pnp_admm": ("x + mu", "x - mu"), "red": ("x", "-x"),
}  # fmt: skip
"""What is denoised in each branch of a recipe's choice of the denoiser, and the same with a wrong sign."""
BRANCHES = [(name, {"denoiser": word}) for name in DENOISED for word in DENOISERS]
RUNS = [(name, {}) for name in CASES] + [(name, more) for name, others in OTHER_WORDS.items() for more in others]
FLIPS = [(name, {}, flip) for name, case in CASES.items() for flip in case.flips]
FLIPS += [
    (name, more, tuple(f"{more['denoiser']}: {{denoise.smoothing: {{of: {what}," for what in DENOISED[name]))
    for name, more in BRANCHES
]

pytestmark = pytest.mark.filterwarnings("ignore:.*has no cheap subsets")


@pytest.fixture(scope="module", autouse=True)
def blocks() -> Iterator[None]:
    """The tests' own network and denoiser, brought in as a user brings in blocks."""
    for name, made in BLOCKS.items():
        block(name)(made)
    yield
    for name in BLOCKS:
        REGISTRY.pop(name)


@pytest.fixture(scope="module")
def given() -> Small:
    return small()


def distances(text: str, name: str, given: Small, more: Mapping[str, Any], folder: Path) -> Iterator[float]:
    """After each iteration, the largest difference between the recipe's iterate and the transcription's."""
    case = CASES[name]
    drawn: list[Mapping[str, Any]] = []
    for k in range(1, ITERATIONS + 1):
        settings = {**case.settings, **more, case.count: k}
        found = reached(text, given, settings, [*case.names, *case.drawn], folder)
        drawn.append({name: found[name] for name in case.drawn})
        wanted = TRANSCRIPTIONS[name](given, SimpleNamespace(**settings), drawn)
        assert set(wanted) == set(case.names)
        yield max(float(np.max(np.abs(found[n] - wanted[n]))) for n in case.names)


def test_every_shipped_recipe_has_a_transcription() -> None:
    assert set(CASES) == set(TRANSCRIPTIONS) == set(shipped("recipes"))


@pytest.mark.parametrize(("name", "more"), RUNS + BRANCHES, ids=str)
def test_every_iterate_is_the_papers(name: str, more: Mapping[str, Any], given: Small, tmp_path: Path) -> None:
    text = edited((RECIPES / f"{name}.yaml").read_text(encoding="utf-8"), CASES[name].edits)
    assert max(distances(text, name, given, more, tmp_path)) < AGREES


@pytest.mark.parametrize(("name", "more", "flip"), FLIPS, ids=str)
def test_a_wrong_sign_shows(name: str, more: Mapping[str, Any], flip: Edit, given: Small, tmp_path: Path) -> None:
    text = (RECIPES / f"{name}.yaml").read_text(encoding="utf-8")
    wrong = edited(text, [*CASES[name].edits, flip])
    assert any(distance > DIFFERS for distance in distances(wrong, name, given, more, tmp_path))
