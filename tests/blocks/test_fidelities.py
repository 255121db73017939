"""Fidelities and penalties against their formulas."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from block_laws import lawful
from hypothesis import given
from hypothesis import strategies as st

from dipgraph.blocks import fidelity, penalty

shapes = st.tuples(st.integers(1, 3), st.integers(1, 2), st.integers(1, 7), st.integers(1, 7))


def drawn(shape: tuple[int, ...], seed: int, low: float = -1.0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).uniform(low, 2.0, shape))


@lawful
@given(shape=shapes, weight=st.floats(0, 10))
def test_l2(shape: tuple[int, ...], weight: float) -> None:
    x, y = drawn(shape, 0), drawn(shape, 1)
    expected = weight / 2 * ((x - y).numpy() ** 2).sum() / shape[0]
    assert float(fidelity.l2(x, y, weight)) == pytest.approx(expected)
    assert float(penalty.l2(x - y, weight)) == pytest.approx(expected)
    weights = drawn(shape, 2, 0.0)
    expected = weight / 2 * (weights * (x - y) ** 2).numpy().sum() / shape[0]
    assert float(fidelity.weighted(x, y, weights, weight)) == pytest.approx(expected)


def test_a_batch_of_predictions_is_compared_with_one_measurement() -> None:
    x, y = drawn((3, 1, 4, 5), 0), drawn((1, 1, 4, 5), 1)
    assert float(fidelity.l2(x, y)) == pytest.approx(((x - y).numpy() ** 2).sum() / 6)


@lawful
@given(shape=shapes, delta=st.floats(1e-2, 3))
def test_huber(shape: tuple[int, ...], delta: float) -> None:
    x, y = drawn(shape, 0), drawn(shape, 1)
    ours = fidelity.huber(x, y, delta)
    theirs = torch.nn.functional.huber_loss(x, y, reduction="sum", delta=delta) / shape[0]
    torch.testing.assert_close(ours, theirs)


@lawful
@given(shape=shapes, blank=st.floats(1, 1e6), unit=st.floats(0.1, 5))
def test_poisson_is_the_likelihood_less_its_least_value(shape: tuple[int, ...], blank: float, unit: float) -> None:
    p = drawn(shape, 0, 0.0)
    counts = torch.from_numpy(np.random.default_rng(1).poisson(blank * np.exp(-unit * p.numpy()))).double()
    mean = blank * np.exp(-unit * p.numpy())
    c = counts.numpy()
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = (mean - c + np.where(c > 0, c * np.log(c / mean), 0)).sum() / shape[0]
    ours = fidelity.poisson(p, counts, torch.tensor(blank, dtype=torch.float64), unit)
    assert float(ours) == pytest.approx(expected, rel=1e-6, abs=1e-6)
    assert float(ours) >= 0


def test_poisson_keeps_its_digits_in_single_precision() -> None:
    counts = torch.full((1, 1, 50, 50), 1e6)
    away = 1e-3 * torch.sign(torch.randn(1, 1, 50, 50))
    loss = fidelity.poisson(torch.log(2e6 / counts.double()).float() + away, counts, torch.tensor(2e6))
    assert float(loss) == pytest.approx(2500 * 1e6 * 1e-6 / 2, rel=1e-2)


def test_poisson_at_no_counts_has_a_finite_gradient() -> None:
    p = torch.zeros(1, 1, 2, 2, requires_grad=True)
    fidelity.poisson(p, torch.zeros(1, 1, 2, 2), torch.tensor(10.0)).backward()
    assert p.grad is not None
    torch.testing.assert_close(p.grad, torch.full_like(p, -10.0))


@lawful
@given(shape=shapes, kind=st.sampled_from(["isotropic", "anisotropic"]), smoothing=st.floats(1e-6, 1e-2))
def test_total_variation_is_within_the_stated_bound(shape: tuple[int, ...], kind: str, smoothing: float) -> None:
    x = drawn(shape, 0)
    down = np.diff(x.numpy(), axis=-2, append=x.numpy()[..., -1:, :])
    right = np.diff(x.numpy(), axis=-1, append=x.numpy()[..., -1:])
    lengths = np.hypot(down, right) if kind == "isotropic" else np.abs(down) + np.abs(right)
    exact, ours = lengths.sum() / shape[0], float(penalty.tv(x, 1.0, kind, smoothing))
    slack = smoothing * lengths[0].size * (1 if kind == "isotropic" else 2)
    assert exact - slack - 1e-9 <= ours <= exact + 1e-9


def test_total_variation_of_a_constant_has_gradient_zero() -> None:
    x = torch.ones(1, 1, 5, 5, requires_grad=True)
    value = penalty.tv(x)
    value.backward()
    assert x.grad is not None
    assert float(value.detach()) == 0
    assert not x.grad.any()
