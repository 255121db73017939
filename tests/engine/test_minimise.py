"""Gradient steps: what a minimise takes, gives and keeps, against NumPy."""

from __future__ import annotations

import copy
from typing import Annotated

import numpy as np
import pytest
import torch

from dipgraph.signatures import NETWORK, REGISTRY
from dipgraph.signatures.block import read_signature
from tests.engine.small import HEAD, SIDE, finish, problem, start, value

SGD = "optimiser: {sgd: {rate: 0.1}}"


def normalised(given):
    from dipgraph.operators import norm

    scale = norm(given.A)
    return given.A.todense() / scale, np.asarray(given.y, dtype=np.float64).ravel() / scale


def on_image(count: int, *, start_at: str = "zeros(X)", more: str = "", rate: str = "0.1", repeats: int = 1) -> str:
    return f"""recipe: 1
steps:
  - repeat:
      count: {repeats}
      carry: {{x: {start_at}}}
      steps:
        - x:
            minimise:
              count: {count}
              optimiser: {{sgd: {{rate: {rate}}}}}
              loss: [fidelity.l2: {{of: A(x), to: y}}{more}]
track: x
returns: {{image: x}}
"""


def test_gradient_descent_on_an_image():
    given = problem()
    matrix, data = normalised(given)
    x = np.zeros(SIDE * SIDE)
    for _ in range(7):
        x -= 0.1 * (matrix.T @ (matrix @ x - data))
    assert np.allclose(finish(on_image(7)).image.ravel(), x, atol=1e-7)
    assert np.allclose(finish(on_image(1, repeats=7)).image.ravel(), x, atol=1e-7)


def test_let_names_stand_afterwards_at_the_value_before_the_last_update():
    text = (
        HEAD
        + """steps:
  - z: ones(X)
  - repeat:
      count: 1
      steps:
        - f:
            minimise:
              count: COUNT
              optimiser: {sgd: {rate: 0.01}}
              let: [x: f(z)]
              loss: [fidelity.l2: {of: A(x), to: y}]
        - after: f(z)
track: x
returns: {image: x, after: after}
"""
    )
    two, one = finish(text.replace("COUNT", "2")), finish(text.replace("COUNT", "1"))
    assert np.allclose(two.image.ravel(), value(one, "after").ravel(), atol=1e-7)
    assert not np.allclose(two.image.ravel(), value(two, "after").ravel())


@pytest.mark.parametrize("same", ["x", "constant(x)", "x - 0*x"])
def test_let_names_that_are_the_target_itself_stand_before_its_update(same):
    text = on_image(3).replace("loss:", f"let: [w: {same}]\n              loss:")
    text = text.replace("{image: x}", "{image: x, w: w}")
    before = finish(on_image(2)).image
    assert np.allclose(value(finish(text), "w").ravel(), before.ravel(), atol=1e-7)


def test_each_loss_term_is_recorded_before_the_update_of_its_step():
    result = finish(on_image(5, more=", penalty.l2: {of: x, weight: 0.5}"))
    given = problem()
    matrix, data = normalised(given)
    x = np.zeros(SIDE * SIDE)
    for k in range(1, 6):
        entry = result.record.entries[k]
        fit, size = 0.5 * np.sum((matrix @ x - data) ** 2), 0.25 * np.sum(x**2)
        assert np.allclose([entry.terms["fidelity.l2"], entry.terms["penalty.l2"]], [fit, size])
        assert np.isclose(entry.loss, fit + size)
        x -= 0.1 * (matrix.T @ (matrix @ x - data) + 0.5 * x)


TWO = """recipe: 1
steps:
  - repeat:
      count: 3
      carry: {a: zeros(X), b: ones(X)}
      steps:
        - a, b:
            minimise:
              optimiser: {sgd: {rate: {a: 0.1, b: 0.05}}}
              let: [x: a + b]
              loss: [fidelity.l2: {of: A(x), to: y}]
track: x
returns: {image: x, a: a, b: b}
"""


def test_joint_targets_have_their_own_rates():
    matrix, data = normalised(problem())
    a, b = np.zeros(SIDE * SIDE), np.ones(SIDE * SIDE)
    for _ in range(3):
        gradient = matrix.T @ (matrix @ (a + b) - data)
        a, b = a - 0.1 * gradient, b - 0.05 * gradient
    result = finish(TWO)
    assert np.allclose(value(result, "a").ravel(), a)
    assert np.allclose(value(result, "b").ravel(), b)


@pytest.mark.parametrize("restart", ["false", "true"])
def test_moments_survive_between_visits_unless_restarted(restart):
    text = f"""recipe: 1
steps:
  - repeat:
      count: 4
      carry: {{x: zeros(X)}}
      steps:
        - x:
            minimise:
              count: 2
              restart: {restart}
              optimiser: {{sgd: {{rate: 0.1, momentum: 0.9}}}}
              loss: [fidelity.l2: {{of: A(x), to: y}}]
track: x
returns: {{image: x}}
"""
    matrix, data = normalised(problem())
    x, moment = np.zeros(SIDE * SIDE), np.zeros(SIDE * SIDE)
    for k in range(8):
        if restart == "true" and k % 2 == 0:
            moment[:] = 0
        moment = 0.9 * moment + matrix.T @ (matrix @ x - data)
        x = x - 0.1 * moment
    assert np.allclose(finish(text).image.ravel(), x, atol=1e-7)


def test_rates_may_follow_the_index():
    text = """recipe: 1
steps:
  - repeat:
      count: 3
      index: k
      carry: {x: zeros(X)}
      steps:
        - x:
            minimise:
              optimiser: {sgd: {rate: 0.1/k}}
              loss: [fidelity.l2: {of: A(x), to: y}]
track: x
returns: {image: x}
"""
    matrix, data = normalised(problem())
    x = np.zeros(SIDE * SIDE)
    for k in range(1, 4):
        x -= 0.1 / k * (matrix.T @ (matrix @ x - data))
    assert np.allclose(finish(text).image.ravel(), x, atol=1e-7)


def test_a_network_that_is_no_target_is_left_alone():
    text = """recipe: 1
networks: {f: {network.linear: {}}, g: {network.linear: {}}}
steps:
  - z: ones(X)
  - repeat:
      count: 3
      steps:
        - f:
            minimise:
              optimiser: {sgd: {rate: 0.01}}
              let: [x: f(g(z))]
              loss: [fidelity.l2: {of: A(x), to: y}]
track: x
returns: {image: x, f: f, g: g}
"""
    run = start(text)
    before = {n: {k: v.clone() for k, v in m.state_dict().items()} for n, m in run.executor.machine.networks.items()}
    for _ in run:
        pass
    after = run.executor.machine.networks
    assert torch.equal(before["g"]["matrix"], after["g"].state_dict()["matrix"])
    assert not torch.equal(before["f"]["matrix"], after["f"].state_dict()["matrix"])


def test_what_does_not_depend_on_the_targets_is_computed_outside_and_changes_nothing():
    text = on_image(3, more=", penalty.l2: {of: x - adjoint(A)(y)/norm(y), weight: 0.3}")
    matrix, data = normalised(problem())
    pull = matrix.T @ data / np.linalg.norm(data)
    x = np.zeros(SIDE * SIDE)
    for _ in range(3):
        x -= 0.1 * (matrix.T @ (matrix @ x - data) + 0.3 * (x - pull))
    assert np.allclose(finish(text).image.ravel(), x, atol=1e-7)


def test_lbfgs_draws_once_a_gradient_step():
    text = (
        HEAD
        + """steps:
  - z: ones(X)
  - repeat:
      count: 2
      steps:
        - f:
            minimise:
              optimiser: {OPT}
              let:
                - noisy: {input.perturb: {of: z, law: uniform, amplitude: 0.1, samples: 2}}
                - x: mean(f(noisy))
              loss: [fidelity.l2: {of: A(x), to: y}]
        - draw: mean(noisy)
track: x
returns: {image: x, draw: draw}
"""
    )
    newton = finish(text.replace("OPT", "lbfgs: {}"))
    plain = finish(text.replace("OPT", "sgd: {rate: 1e-9}"))
    assert np.array_equal(value(newton, "draw"), value(plain, "draw"))


def copied(of: Annotated[torch.nn.Module, NETWORK]) -> Annotated[torch.nn.Module, NETWORK]:
    """Another network with the same weights."""
    return copy.deepcopy(of)


@pytest.fixture
def handing_out(monkeypatch):
    """A block that hands out a network."""
    monkeypatch.setitem(REGISTRY, "network.copied", read_signature("network.copied", copied, resets=False,
                                                                   differentiable=True))  # fmt: skip


TRAINED = """{minimise: {count: 3, optimiser: {sgd: {rate: 0.01, momentum: 0.9}}, let: [x: NAME(z)],
                 loss: [fidelity.l2: {of: A(x), to: y}]}}"""


def steps_of(*lines: str) -> str:
    return HEAD + "steps:\n  - z: ones(X)\n" + "".join(f"  - {line}\n" for line in lines)


@pytest.mark.usefixtures("handing_out")
def test_a_network_that_a_block_hands_out_is_trained_as_a_declared_one_is():
    loop = "repeat: {count: 2, steps: [NAME: " + TRAINED + ", after: NAME(z)]}"
    tail = "track: x\nreturns: {image: x, after: after, start: start}\n"
    plain = finish(steps_of("start: f(z)", loop.replace("NAME", "f")) + tail)
    handed = start(steps_of("start: f(z)", "g: {network.copied: {of: f}}", loop.replace("NAME", "g")) + tail)
    before = handed.executor.machine.networks["f"].matrix.detach().clone()
    for _ in handed:
        pass
    assert np.allclose(value(plain, "start"), value(handed.result(), "start"))
    assert np.allclose(value(plain, "after"), value(handed.result(), "after"))
    assert torch.equal(handed.executor.machine.networks["f"].matrix, before)


@pytest.mark.usefixtures("handing_out")
def test_a_network_that_a_block_hands_out_and_the_loss_reads_gets_no_gradients():
    read = TRAINED.replace("NAME(z)", "f(g(z))")
    text = steps_of("g: {network.copied: {of: f}}", f"repeat: {{count: 1, steps: [f: {read}]}}")
    run = start(text + "track: x\nreturns: {image: x, g: g}\n")
    for _ in run:
        pass
    assert run.result().returns["g"].matrix.grad is None
    assert run.executor.machine.networks["f"].matrix.grad is not None


@pytest.mark.usefixtures("handing_out")
def test_moments_are_of_one_network_and_not_of_the_next_that_a_block_hands_out():
    """Each iteration trains a new copy of f: from the same start, each ends where the first did."""
    loop = "repeat: {count: COUNT, steps: [g: {network.copied: {of: f}}, g: " + TRAINED.replace("NAME", "g")
    text = steps_of("start: f(z)", loop + ", after: g(z)]}") + "track: x\nreturns: {image: x, after: after}\n"
    one, three = finish(text.replace("COUNT", "1")), finish(text.replace("COUNT", "3"))
    assert np.allclose(value(one, "after"), value(three, "after"))
