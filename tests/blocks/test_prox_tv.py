"""The TV prox: its optimality condition, its stated accuracy, pyproximal as oracle, and what the warm start saves."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from block_laws import few, lawful
from hypothesis import given
from hypothesis import strategies as st

from dipgraph.blocks.denoise_tv import WEIGHT_PER_SIGMA, TVDenoiser
from dipgraph.blocks.prox_tv import TVProx
from dipgraph.operators.gradient import difference, difference_adjoint

KINDS = ("isotropic", "anisotropic")


def image(rows: int, columns: int, seed: int = 0) -> torch.Tensor:
    random = np.random.default_rng(seed)
    steps = np.add.outer(np.arange(rows) > rows // 2, np.arange(columns) > columns // 3)
    return torch.from_numpy(steps + 0.2 * random.normal(size=(rows, columns)))[None, None]


@lawful
@given(rows=st.integers(1, 12), columns=st.integers(1, 12), weight=st.floats(1e-3, 0.5), kind=st.sampled_from(KINDS))
def test_optimality(rows: int, columns: int, weight: float, kind: str) -> None:
    """x = v − Dᵀp with p feasible and ⟨Dx, p⟩ = w·TV(x): then x is the prox, whatever found it."""
    v = image(rows, columns)
    prox = TVProx(kind, tolerance=1e-4, iterations=5000)
    x, p = prox(v, weight), prox.dual
    assert p is not None
    torch.testing.assert_close(x, v - difference_adjoint(p))
    slope = difference(x)
    lengths, duals = (t.norm(dim=-3) if kind == "isotropic" else t.abs() for t in (slope, p))
    assert duals.max() <= weight * (1 + 1e-12)
    gap = float(weight * lengths.sum() - (slope * p).sum())
    assert gap <= 0.5e-8 * float((v - v.mean()).square().sum()) + 1e-15


@few
@given(rows=st.integers(6, 16), columns=st.integers(6, 16), weight=st.floats(0.02, 0.2), kind=st.sampled_from(KINDS))
def test_the_stated_tolerance_holds(rows: int, columns: int, weight: float, kind: str) -> None:
    v = image(rows, columns)
    exact = TVProx(kind, tolerance=1e-5, iterations=3000)(v, weight)
    for tolerance in (0.1, 0.01, 0.001):
        error = (TVProx(kind, tolerance)(v, weight) - exact).norm() / (v - v.mean()).norm()
        assert error <= tolerance + 1e-5


@pytest.mark.parametrize("weight", [0.05, 0.3])
def test_pyproximal_agrees(weight: float) -> None:
    pyproximal = pytest.importorskip("pyproximal")
    v = image(14, 11)
    theirs = pyproximal.TV(dims=(14, 11), sigma=weight, niter=1000, rtol=1e-12).prox(v.numpy().ravel(), 1.0)
    ours = TVProx(tolerance=1e-5, iterations=5000)(v, weight)
    np.testing.assert_allclose(ours.numpy().ravel(), theirs, atol=2e-4)


@lawful
@given(weight=st.floats(0.01, 0.3), shift=st.floats(-1e3, 1e3), kind=st.sampled_from(KINDS))
def test_firmly_non_expansive_and_blind_to_a_constant(weight: float, shift: float, kind: str) -> None:
    a, b = image(8, 9, 0), image(8, 9, 1)
    x, y = (TVProx(kind, 1e-3, 1000)(v, weight) for v in (a, b))
    assert ((x - y) * (a - b)).sum() >= (x - y).square().sum() - 1e-3
    torch.testing.assert_close(TVProx(kind, 1e-3, 1000)(a + shift, weight), x + shift, rtol=0, atol=1e-3)


def test_weight_zero_changes_nothing_and_a_large_one_leaves_the_mean() -> None:
    v = image(10, 10)
    for kind in KINDS:
        assert torch.equal(TVProx(kind)(v, 0.0), v)
        flat = TVProx(kind, 1e-4, 5000)(v, 100.0)
        torch.testing.assert_close(flat, v.mean().expand_as(v), rtol=0, atol=1e-3)


def test_a_warm_start_reaches_in_few_iterations_what_a_cold_one_does_not() -> None:
    v = image(40, 40)
    exact = TVProx(tolerance=1e-5, iterations=5000)(v, 0.3)
    warm, cold = TVProx(tolerance=1e-3), TVProx(tolerance=1e-9, iterations=10)
    warm(v, 0.3)
    warm.iterations = 10
    assert (warm(v, 0.3) - exact).norm() < 0.1 * (cold(v, 0.3) - exact).norm()


def test_the_remembered_dual_is_not_written_to() -> None:
    prox = TVProx()
    prox(image(9, 9), 0.2)
    assert prox.dual is not None
    before, held = prox.dual.clone(), prox.dual
    prox(image(9, 9, 1), 0.1)
    assert torch.equal(held, before)


def test_denoiser_strengths() -> None:
    v = image(12, 12)
    torch.testing.assert_close(TVDenoiser("noise")(v, 0.2), TVProx()(v, 0.2 * WEIGHT_PER_SIGMA))
    torch.testing.assert_close(TVDenoiser("prox")(v, 0.2), TVProx()(v, 0.2))
