"""Proximal maps and projections: optimality, closed forms, and pyproximal as oracle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from block_laws import few, lawful
from hypothesis import given
from hypothesis import strategies as st

from dipgraph.blocks import project, prox
from dipgraph.blocks.prox_pyproximal import OPERATORS, PyproximalProx
from dipgraph.blocks.total_variation import TVSolver
from dipgraph.signatures import InputError

G = st.tuples(st.just(1), st.integers(1, 2), st.just(2), st.integers(1, 5), st.integers(1, 5))
weights = st.floats(0, 3)


def drawn(shape: tuple[int, ...], seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


def groups(x: torch.Tensor) -> torch.Tensor:
    return x.norm(dim=-3, keepdim=True)


FUNCTIONALS: dict[str, tuple[Callable[..., torch.Tensor], Callable[[torch.Tensor], torch.Tensor]]] = {
    "l1": (prox.l1, lambda x: x.abs().sum()),
    "l21": (prox.l21, lambda x: groups(x).sum()),
    "l2": (prox.l2, lambda x: 0.5 * x.square().sum()),
}


@pytest.mark.parametrize("name", FUNCTIONALS)
@lawful
@given(shape=G, weight=weights, seed=st.integers(0, 20))
def test_no_other_point_is_lower(name: str, shape: tuple[int, ...], weight: float, seed: int) -> None:
    """The prox minimises ½‖x − v‖² + γg(x), strongly: any other point is higher by half its squared distance."""
    proximal, functional = FUNCTIONALS[name]
    v = drawn(shape, seed)
    best = proximal(v, weight)

    def value(x: torch.Tensor) -> float:
        return float(0.5 * (x - v).square().sum() + weight * functional(x))

    for trial in range(8):
        other = best + 10.0 ** (-trial) * drawn(shape, 100 + trial)
        assert value(other) >= value(best) + 0.5 * float((other - best).square().sum()) - 1e-9
    assert value(torch.zeros_like(v)) >= value(best)


@pytest.mark.parametrize("name", FUNCTIONALS)
@few
@given(shape=G, weight=weights)
def test_firmly_non_expansive(name: str, shape: tuple[int, ...], weight: float) -> None:
    proximal, _ = FUNCTIONALS[name]
    a, b = drawn(shape, 0), drawn(shape, 1)
    x, y = proximal(a, weight), proximal(b, weight)
    assert ((x - y) * (a - b)).sum() >= (x - y).square().sum() - 1e-12


@few
@given(shape=G, weight=st.floats(0.01, 3))
def test_pyproximal_agrees(shape: tuple[int, ...], weight: float) -> None:
    pyproximal = pytest.importorskip("pyproximal")
    v = drawn((1, 1, *shape[2:]))
    flat = v.numpy().ravel()
    for ours, theirs in (
        (prox.l1(v, weight), pyproximal.L1().prox(flat, weight)),
        (prox.l21(v, weight), pyproximal.L21(ndim=2).prox(flat, weight)),
        (prox.l2(v, weight), pyproximal.L2().prox(flat, weight)),
        (prox.l2(v, weight, drawn(v.shape, 9)), pyproximal.L2(b=drawn(v.shape, 9).numpy().ravel()).prox(flat, weight)),
        (prox.box(v, -0.2, 0.5), pyproximal.Box(-0.2, 0.5).prox(flat, weight)),
        (prox.nonnegative(v), pyproximal.Box(0).prox(flat, weight)),
        (project.ball(v, weight), pyproximal.EuclideanBall(0.0, weight).prox(flat, 1.0)),
        (project.pointwise(v, weight), pyproximal.L21(ndim=2, sigma=weight).proxdual(flat, 1.0)),
        (project.pointwise(v, weight, "anisotropic"), np.clip(flat, -weight, weight)),
    ):
        np.testing.assert_allclose(ours.numpy().ravel(), theirs, rtol=1e-6, atol=1e-8)


def test_weight_zero_and_zero_vectors() -> None:
    zero = torch.zeros(1, 1, 2, 3, 3)
    assert not prox.l21(zero, 0.0).any()
    assert not project.pointwise(zero, 0.0).any()
    v = drawn((1, 1, 2, 3, 3))
    for proximal, _ in FUNCTIONALS.values():
        assert torch.equal(proximal(v, 0.0), v)


def test_gradients_at_zero_are_finite() -> None:
    for function in (lambda x: prox.l21(x, 1.0), lambda x: project.pointwise(x, 1.0), lambda x: project.ball(x, 1.0)):
        zero = torch.zeros(1, 1, 2, 2, 2, requires_grad=True)
        function(zero).sum().backward()
        assert zero.grad is not None
        assert zero.grad.isfinite().all()


@lawful
@given(radius=st.floats(0.01, 5), seed=st.integers(0, 20))
def test_ball_projection(radius: float, seed: int) -> None:
    v, centre = drawn((3, 1, 4, 5), seed), drawn((1, 1, 4, 5), 50)
    x = project.ball(v, radius, centre)
    for one, before in zip(x - centre, v - centre, strict=True):
        inside = before.norm() <= radius
        torch.testing.assert_close(one, before if inside else before * (radius / before.norm()))


@pytest.mark.parametrize("functional", sorted(OPERATORS))
def test_the_adapter_applies_each_operator_to_each_member(functional: str) -> None:
    pytest.importorskip("pyproximal")
    v: Any = drawn((2, 2, 6, 5)).abs() + 0.1
    block = PyproximalProx(functional)
    joint = block(v, 0.3)
    apart = torch.stack([block(v[i : i + 1, j : j + 1], 0.3)[0, 0] for i in range(2) for j in range(2)])
    assert torch.equal(joint, apart.reshape(v.shape))


def test_the_adapter_means_what_our_own_blocks_mean() -> None:
    pytest.importorskip("pyproximal")
    v = drawn((1, 1, 2, 6, 5))
    torch.testing.assert_close(PyproximalProx("l1")(v, 0.3), prox.l1(v, 0.3))
    torch.testing.assert_close(PyproximalProx("l21")(v, 0.3), prox.l21(v, 0.3))


def test_what_the_adapter_cannot_use_is_refused() -> None:
    pytest.importorskip("pyproximal")
    with pytest.raises(InputError, match="it counts entries"):
        PyproximalProx("l0_ball", 0.5)
    with pytest.raises(InputError, match="'weight' is not above 0"):
        PyproximalProx("l1")(drawn((1, 1, 3, 3)), torch.tensor(torch.nan))


def test_a_box_that_is_found_empty_on_the_device_gives_no_image() -> None:
    v = drawn((1, 1, 3, 3))
    assert torch.isnan(prox.box(v, torch.tensor(0.6), 0.5)).all()
    assert torch.equal(prox.box(v, torch.tensor(0.5), 0.5), torch.full_like(v, 0.5))


@pytest.mark.parametrize("kind", ["isotropic", "anisotropic"])
def test_total_variation_with_an_infinite_weight_leaves_the_mean_and_a_bad_image_spoils_no_later_one(kind: str) -> None:
    v = drawn((1, 1, 8, 8))
    solver = TVSolver(kind, 0.01, 2000)
    assert torch.isnan(solver.solve(v * torch.nan, 0.1)).all()
    torch.testing.assert_close(solver.solve(v, 0.1), TVSolver(kind, 0.01, 2000).solve(v, 0.1))
    torch.testing.assert_close(solver.solve(v, torch.inf), v.mean().expand_as(v))
