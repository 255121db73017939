"""Bounds of ports hold for numbers that the recipe's text does not settle: each fault once, with its place."""

from __future__ import annotations

import re

import pytest
import torch

from dipgraph.engine.record import DivergedError
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


def test_a_number_on_the_device_divided_by_zero_is_told_before_the_run_too() -> None:
    assert refusal(text('"norm(x)/(k - 3)"')).message == "the expression divides by zero at k = 3"


@pytest.mark.parametrize(
    ("divisor", "said"), [("(k - 3)", "zero at k = 3"), ("data_unit*0", "zero"), ("k*(2 - k)", "zero at k = 2")]
)
def test_so_is_a_vector_divided_by_zero(divisor: str, said: str) -> None:
    step = f'- x: "x/({divisor})"'
    fault = refusal(text("1.0").replace("- x: {project.ball: {of: x, radius: 1.0}}", step))
    assert fault.message == f"the expression divides by {said}"
    assert fault.mark.line + 1 == 11


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
    """Out of bounds it is NaN there: no look at the value, and no refusal."""
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


OUT_OF_BOUNDS = {
    "prox.l1": "{prox.l1: {of: x, weight: -norm(x)}}",
    "prox.l2": "{prox.l2: {of: x, weight: -norm(x)}}",
    "prox.l2, a vector": "{prox.l2: {of: x, weight: -x}}",
    "project.ball": "{project.ball: {of: x, radius: norm(x) - norm(x)}}",
    "average.ema": "{average.ema: {of: x, decay: 1 + norm(x)}}",
    "noise.gaussian": "{noise.gaussian: {of: x, std: -norm(x)}}",
    "prox.l1, of a whole number": "{prox.l1: {of: x, weight: 0 - when}}",
}
"""Steps of a loop with a number, or a vector of them, that changes on the device and is out of bounds."""


@pytest.mark.parametrize("name", OUT_OF_BOUNDS)
def test_what_changes_on_the_device_ends_the_run_where_it_is_out_of_bounds(name: str) -> None:
    """It gives no image that looks right: the number is NaN for whatever reads it, and the advice names the port."""
    step = f"- x: {OUT_OF_BOUNDS[name]}"
    stop = "- done, best, when: {stop.rise: {watch: norm(x), keep: x, patience: 5}}"
    run = text("1.0").replace("- x: {project.ball: {of: x, radius: 1.0}}", f"{stop}\n        {step}")
    with pytest.raises(DivergedError) as caught:
        finish(run)
    port = re.findall(r"(\w+): [^:]*$", OUT_OF_BOUNDS[name])[0]
    assert f"'{port}' in line 12 is to be" in caught.value.remedy


def test_a_vector_that_is_trained_is_held_to_them_at_each_step() -> None:
    step = """- w: {minimise: {count: 50, optimiser: {sgd: {rate: 0.01}},
                         loss: [fidelity.weighted: {of: A(x), to: y, weights: w}]}}"""
    run = text("1.0").replace("- x: {project.ball: {of: x, radius: 1.0}}", step)
    run = run.replace("x: ones(X), mu", "w: ones(Y), x: ones(X), mu").replace("track: x", "  - v: 2*w\ntrack: x")
    with pytest.raises(DivergedError, match="'weights' in line 12 is to be"):
        finish(run)


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ("{residual.whiteness: {of: A(x) - y, lags: floor(norm(x) - 100)}}", "'lags' is -"),
        ("{rays.split: {of: Y, hold: 5 + norm(x)}}", "'hold' is nan"),
    ],
)
def test_what_is_read_on_the_host_anyway_is_refused_there(step: str, said: str) -> None:
    names = "w" if "whiteness" in step else "w, v"
    run = text("1.0").replace("- x: {project.ball: {of: x, radius: 1.0}}", f"- {names}: {step}\n        - x: 2*x")
    with pytest.raises(Faults, match=said):
        finish(run)


def test_a_weight_of_the_loss_too() -> None:
    with pytest.raises(DivergedError):
        finish(RATES.replace("2.5 - k", "0.01").replace("WEIGHT", "-norm(f(z))"))


@pytest.mark.parametrize("optimiser", ["adam", "sgd", "lbfgs"])
def test_a_learning_rate_is_read_on_the_host_and_so_refused(optimiser: str) -> None:
    run = RATES.replace("WEIGHT", "1.0").replace("adam: {rate: 2.5 - k}", f"{optimiser}: {{rate: -norm(f(z))}}")
    with pytest.raises(Faults, match=r"'rate' is -.*; it must be a number, above 0"):
        finish(run)


VECTORS = {
    "weights": "fidelity.weighted: {of: A(x), to: y, weights: WIRED}",
    "counts": "fidelity.poisson: {of: A(x), counts: WIRED, blank: 100}",
    "blank": "fidelity.poisson: {of: A(x), counts: ones(Y), blank: WIRED}",
}
"""Loss terms with a port whose vector has bounds."""


@pytest.mark.parametrize("port", VECTORS)
@pytest.mark.parametrize("wired", ["made", "y"])
def test_the_entries_of_a_vector_keep_the_bounds_too(port: str, wired: str) -> None:
    """One that is made once when it is made, one of the problem before the run."""
    term = VECTORS[port].replace("WIRED", wired)
    text = RATES.replace("2.5 - k", "0.01").replace("fidelity.l2: {of: A(x), to: y, weight: WEIGHT}", term)
    text = text.replace("steps:\n  - z", "steps:\n  - made: -A(ones(X))\n  - z", 1)
    with pytest.raises(Faults, match=rf"'{port}' is -.*; it must be .* (at least|above) 0") as caught:
        finish(text, on=problem(sign=-1.0))
    assert caught.value.faults[0].code == "E803"
