"""Optimisers: their steps, rates by target, and the bound on the gradient."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from block_laws import lawful
from hypothesis import given
from hypothesis import strategies as st

from dipgraph.blocks.optimiser import lbfgs, sgd
from dipgraph.blocks.optimiser_adam import adam


def target(*values: float) -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.tensor(values, dtype=torch.float64))


def closure_of(optimiser: torch.optim.Optimizer, *parameters: torch.nn.Parameter) -> Any:
    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        loss = sum((0.5 * k * p.square().sum() for k, p in enumerate(parameters, 1)), torch.zeros(()))
        loss.backward()
        return loss

    return closure


def test_gradient_descent() -> None:
    x = target(1.0, -2.0)
    optimiser = sgd([{"name": "x", "params": [x]}], 0.1, momentum=0.5)
    for _ in range(2):
        optimiser.step(closure_of(optimiser, x))
    v1 = torch.tensor([1.0, -2.0]).double()
    x1 = 0.9 * v1
    torch.testing.assert_close(x.detach(), x1 - 0.1 * (0.5 * v1 + x1))


def test_adam() -> None:
    x, y = target(1.0, -2.0), target(1.0, -2.0)
    ours = adam([{"name": "x", "params": [x]}], 0.1, first=0.9, second=0.999)
    theirs = torch.optim.Adam([y], 0.1)
    for _ in range(5):
        ours.step(closure_of(ours, x))
        theirs.step(closure_of(theirs, y))
    torch.testing.assert_close(x, y)


@lawful
@given(scale=st.floats(1e-6, 1e6), decay=st.floats(0.5, 0.99), seed=st.integers(0, 20))
def test_with_equal_decays_no_step_of_adam_exceeds_the_rate(scale: float, decay: float, seed: int) -> None:
    x = target(*[0.0] * 5)
    optimiser = adam([{"name": "x", "params": [x]}], 0.01, first=decay, second=decay)
    random = np.random.default_rng(seed)
    for _ in range(60):
        before = x.detach().clone()
        x.grad = torch.from_numpy(scale * 10.0 ** random.uniform(-6, 3) * random.normal(size=5))
        optimiser.step(lambda: None)
        assert (x.detach() - before).abs().max() <= 0.01 * (1 + 1e-9)


@pytest.mark.parametrize("make", [adam, sgd])
def test_rates_by_target_may_change(make: Any) -> None:
    x, z = target(1.0), target(1.0)
    groups = [{"name": "f", "params": [x]}, {"name": "z", "params": [z]}]
    optimiser = make(groups, {"f": 0.1, "z": 0.2})
    assert [group["lr"] for group in optimiser.param_groups] == [0.1, 0.2]
    assert [group["name"] for group in optimiser.param_groups] == ["f", "z"]
    optimiser.param_groups[1]["lr"] = 1e-9
    optimiser.step(closure_of(optimiser, x, z))
    assert float(x.detach()) == pytest.approx(0.9, rel=1e-6)
    assert float(z.detach()) == pytest.approx(1.0)


def test_the_gradient_is_bounded_over_all_targets_together() -> None:
    x, z = target(3.0), target(2.0)
    optimiser = sgd([{"name": "f", "params": [x]}, {"name": "z", "params": [z]}], 1.0, clip=0.5)
    optimiser.step(closure_of(optimiser, x, z))
    moved = torch.tensor([3.0 - float(x.detach()), 2.0 - float(z.detach())])
    torch.testing.assert_close(moved, torch.tensor([0.3, 0.4]), rtol=1e-5, atol=1e-5)


def test_lbfgs_solves_a_quadratic_of_two_targets() -> None:
    x, z = target(3.0, 1.0), target(2.0)
    optimiser = lbfgs([{"name": "f", "params": [x]}, {"name": "z", "params": [z]}])
    for _ in range(10):
        optimiser.step(closure_of(optimiser, x, z))
    assert max(float(x.detach().abs().max()), float(z.detach().abs())) < 1e-8


@pytest.mark.parametrize("make", [adam, sgd])
def test_moments_survive_a_checkpoint(make: Any) -> None:
    options = {"momentum": 0.9} if make is sgd else {}
    x, y = target(1.0, -2.0), target(5.0, 5.0)
    one, other = (make([{"name": "x", "params": [p]}], 0.05, **options) for p in (x, y))
    for _ in range(3):
        one.step(closure_of(one, x))
    y.data.copy_(x.data)
    other.load_state_dict(copy.deepcopy(one.state_dict()))
    for _ in range(3):
        one.step(closure_of(one, x))
        other.step(closure_of(other, y))
    assert torch.equal(x, y)
