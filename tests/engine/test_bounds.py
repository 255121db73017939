"""Bounds of ports hold for numbers that the recipe's text does not settle: each fault once, with its place."""

from __future__ import annotations

import pytest
import torch

from dipgraph.language import Fault, Faults
from tests.engine.small import finish, problem, start

TEXT = """recipe: 1
params: {tau: {value: 1.0}}
steps:
  - made: BEFORE
  - repeat:
      count: 12
      index: k
      carry: {x: ones(X), mu: 1.0}
      steps:
        - mu: NEXT
        - x: {project.ball: {of: x, radius: RADIUS}}
track: x
returns: {image: x}
"""


def text(radius: str, *, before: str = "2.0", after: str = "mu") -> str:
    """The recipe with a radius in its loop, a number before the loop, and a number that the loop carries."""
    return TEXT.replace("RADIUS", radius).replace("BEFORE", before).replace("NEXT", after)


def refusal(run: str) -> Fault:
    """The one fault of a recipe before its first step."""
    with pytest.raises(Faults) as caught:
        start(run)
    (fault,) = caught.value.faults
    assert fault.code == "E803"
    return fault


@pytest.mark.parametrize("radius", ["0*data_unit", "0*dim(Y)", "min(made - 2, 1/k)", "exp(data_unit)*(made - 2)"])
def test_a_number_of_the_problem_is_held_against_the_bounds_before_the_run(radius: str) -> None:
    fault = refusal(text(f'"{radius}"'))
    assert fault.message.startswith("'radius' is 0")
    assert fault.message.endswith("it must be a number, above 0")
    assert (fault.mark.line + 1, fault.mark.column + 1) == (11, 46)


def test_the_message_says_which_number_of_the_problem_it_comes_from() -> None:
    assert refusal(text("-data_unit")).advice.startswith("data_unit is ")


@pytest.mark.parametrize(("radius", "first"), [("7 - k", 7), ("k - 1", 1), ("0.5 - floor(k/12)", 12)])
def test_every_iteration_of_a_schedule_is_looked_at_before_the_run(radius: str, first: int) -> None:
    assert f" at k = {first}; it must be" in refusal(text(radius)).message
    start(text("13 - k"))


def test_very_many_iterations_are_looked_at_from_the_first_to_the_last() -> None:
    long = text("1000000 - k").replace("count: 12", "count: 1000000")
    assert "at k = 1000000" in refusal(long).message


@pytest.mark.parametrize(
    ("radius", "said"),
    [
        ("1/(data_unit - data_unit)", "divides by zero"),
        ("sqrt(3.5 - k)", "sqrt(-0.5) has no value at k = 4"),
        ("exp(1000*k)", "too large"),
    ],
)
def test_an_expression_without_a_value_is_told_before_the_run(radius: str, said: str) -> None:
    assert said in refusal(text(f'"{radius}"')).message


def test_one_mistake_is_one_message() -> None:
    twice = text("made", before="-data_unit").replace("track", "  - x: {project.ball: {of: x, radius: made}}\ntrack")
    assert refusal(twice).mark.line + 1 == 11


@pytest.mark.parametrize("before", ["norm(y) - norm(y)", "-norm(y)", "0/norm(zeros(X))"])
def test_a_number_that_is_made_once_is_held_against_the_bounds_when_it_is_made(before: str) -> None:
    """On the device too: to look at it waits for the device only once."""
    run = start(text("made", before=f'"{before}"'))
    with pytest.raises(Faults, match=r"'radius' is .*; it must be a number, above 0") as caught:
        next(iter(run))
    assert (caught.value.faults[0].code, run.steps) == ("E803", 0)


def test_a_python_number_that_a_loop_carries_is_held_against_them_at_each_iteration() -> None:
    run = start(text("mu", after="mu - 0.3"))
    with pytest.raises(Faults, match=r"'radius' is -0\.2"):
        for _ in run:
            pass
    assert run.steps == 3


def test_a_loop_never_waits_for_a_number_of_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounds there are the recipe's care: no look at the value, and no refusal."""
    run = start(text("norm(x) - 10"))
    steps = iter(run)
    next(steps)

    def waits(*_: object) -> None:
        raise AssertionError("a wait for the device")

    with monkeypatch.context() as patch:
        patch.setattr(torch.Tensor, "item", waits)
        patch.setattr(torch.Tensor, "__float__", waits)
        patch.setattr(torch.Tensor, "__bool__", waits)
        for _ in range(5):
            next(steps)


RATES = """recipe: 1
networks: {f: {network.linear: {}}}
steps:
  - z: ones(X)
  - repeat:
      count: 3
      index: k
      steps:
        - f: {minimise: {optimiser: {adam: {rate: 2.5 - k}}, let: [x: f(z)],
                         loss: [fidelity.l2: {of: A(x), to: y, weight: WEIGHT}]}}
track: x
returns: {image: x}
"""


def test_a_learning_rate_is_a_port_like_any_other() -> None:
    assert "'rate' is -0.5 at k = 3" in refusal(RATES.replace("WEIGHT", "1.0")).message


def test_so_is_the_weight_of_a_loss_term() -> None:
    fault = refusal(RATES.replace("2.5 - k", "0.01").replace("WEIGHT", "2 - k"))
    assert fault.message == "'weight' is -1 at k = 3; it must be a number, at least 0"
    assert fault.mark.line + 1 == 10


SUBSETS = """recipe: 1
steps:
  - repeat:
      count: 2
      carry: {x: ones(X)}
      steps:
        - B, b: {subset.next: {of: A, data: y, count: 50}}
        - x: x + adjoint(B)(b)
track: x
returns: {image: x}
"""


def test_what_a_block_refuses_when_it_is_called_is_told_with_its_place() -> None:
    with pytest.raises(Faults, match="50 subsets of 20 views") as caught:
        finish(SUBSETS, on=problem(rows=20))
    (fault,) = caught.value.faults
    assert (fault.code, fault.mark.line + 1, fault.mark.column + 1) == ("E802", 7, 18)
    assert "at most 20" in fault.advice
