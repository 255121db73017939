"""Loops, carries, averages and stops: what language.md says a repeat does, on numbers that can be followed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from tests.engine.small import finish, problem, start, value

IMAGE = "\ntrack: x\nreturns: {image: x"


def loop(body: str, returns: str, *, count: int = 4, carry: str = "n: 0", extra: str = "") -> str:
    steps = "\n".join(f"        {line}" for line in body.strip().splitlines())
    return (
        f"recipe: 1\nsteps:\n  - repeat:\n      count: {count}\n      index: k\n      carry: {{{carry}}}\n{extra}"
        f"      steps:\n{steps}\n        - x: n*ones(X)\ntrack: x\nreturns: {{image: x, {returns}}}\n"
    )


def test_carried_names_give_the_previous_iterate_and_swap_at_once():
    body = "- old: a\n- a: b\n- b: old\n- n: n + 1"
    result = finish(loop(body, "a: a, b: b, old: old", carry="n: 0, a: 1.5, b: 2.5", count=3))
    assert (value(result, "a"), value(result, "b"), value(result, "old")) == (2.5, 1.5, 1.5)


def test_fibonacci_by_carries():
    result = finish(loop("- c: a + b\n- a: b\n- b: c\n- n: n + 1", "c: c", carry="n: 0, a: 0, b: 1", count=10))
    assert value(result, "c") == 89


def test_index_runs_from_one_to_count():
    result = finish(loop("- n: n + k", "n: n", count=5))
    assert value(result, "n") == 15


@pytest.mark.parametrize(("every", "ended"), [(1, 3), (2, 4), (5, 5), (7, 7), (100, 9)])
def test_until_is_tested_after_every_nth_iteration_and_after_the_last(every, ended):
    extra = f"      until: n >= 3\n      every: {every}\n"
    result = finish(loop("- n: n + 1", "n: n", count=9, extra=extra))
    assert value(result, "n") == ended
    assert result.stopped_at == ended


def test_a_loop_whose_test_never_holds_runs_to_its_count():
    result = finish(loop("- n: n + 1", "n: n", extra="      until: n > 100\n"))
    assert (value(result, "n"), result.stopped_at, result.outcome.name) == (4, None, "COMPLETED")


def test_run_on_delivers_what_the_stopped_run_delivers_and_ends_where_the_budget_does():
    text = loop("- n: n + 1", "n: n", count=9, extra="      until: n >= 3\n")
    stopped, on = finish(text), finish(text, run_on=True)
    assert np.array_equal(stopped.image, on.image)
    assert value(on, "n") == value(stopped, "n") == 3
    assert (on.stopped_at, on.steps, stopped.steps) == (3, 9, 3)
    assert np.all(on.final == 9)


def test_nested_loops_begin_afresh_and_hand_out_their_last_values():
    body = "- repeat:\n    count: 3\n    carry: {m: n}\n    steps:\n      - m: m + 1\n- n: m"
    result = finish(loop(body, "n: n, m: m"))
    assert value(result, "n") == value(result, "m") == 12


def test_averages_begin_afresh_each_time_their_loop_is_entered():
    inner = (
        "- repeat:\n    count: 2\n    carry: {m: 0}\n    steps:\n      - m: m + 1\n"
        "      - a: {average.ema: {of: m*ones(X), decay: 0.5}}"
    )
    twice = finish(loop(f"{inner}\n- n: n + 1", "a: a", count=2))
    once = finish(loop(f"{inner}\n- n: n + 1", "a: a", count=1))
    assert np.array_equal(value(twice, "a"), value(once, "a"))
    outer = finish(loop("- n: n + 1\n- a: {average.ema: {of: n*ones(X), decay: 0.5}}", "a: a", count=4))
    weights = 0.5 ** np.arange(3, -1, -1)
    assert np.allclose(value(outer, "a"), np.dot(weights, [1, 2, 3, 4]) / weights.sum())


def test_a_stopped_loop_counts_iterations_where_no_gradient_is_taken():
    result = finish(loop("- n: n + 1", "n: n", extra="      until: n >= 2\n"))
    assert (result.steps, result.stopped_at) == (2, 2)
    assert result.summary()["iterations"] == 2


def test_the_tracked_image_is_scored_at_each_iteration():
    given = problem()
    result = finish(loop("- n: n + 0.1", "n: n", count=9), on=given)
    reference = np.asarray(given.reference, dtype=np.float64)
    expected = [10 * np.log10(reference.max() ** 2 / np.mean((0.1 * k - reference) ** 2)) for k in range(1, 10)]
    measured = [result.record.entries[k].psnr for k in range(1, 10)]
    assert np.allclose(measured, expected, atol=1e-6)
    best = int(np.argmax(expected)) + 1
    assert result.record.peak[0] == best
    assert np.isclose(result.record.peak[1], expected[best - 1])


def test_expressions_agree_with_numpy():
    text = """recipe: 1
steps:
  - v: adjoint(A)(y)
  - repeat:
      count: 1
      steps:
        - x: v/max(v)
  - n: norm(v)
  - d: dot(v, x)
  - m: min(x)
  - w: where(n > d, geometric(1, 16, 3, 5), linear(1, 5, 2, 5))
  - s: sqrt(max(1.0, n, d)) + exp(-m) + log(n) + floor(2.7) + abs(-2) + dim(X) + dim(Y) + norm(A)
  - t: n < d or not (n == n and m <= d)
track: x
returns: {image: x, n: n, d: d, m: m, w: w, s: s, t: t}
"""
    given = problem()
    result = finish(text, on=given)
    scale = np.linalg.norm(given.A.todense(), 2)
    matrix = given.A.todense() / scale
    v = matrix.T @ (np.asarray(given.y, dtype=np.float64) / scale)
    x = v / v.max()
    n, d, m = np.linalg.norm(v), v @ x, x.min()
    assert np.allclose(value(result, "n"), n, rtol=1e-3)  # norm(A) is bounded from above, to a tolerance
    assert np.allclose(result.image.ravel(), x, rtol=1e-5)
    assert np.allclose(value(result, "d"), d, rtol=1e-3)
    assert np.allclose(value(result, "w"), 4.0 if n > d else 2.0)
    expected = np.sqrt(max(1.0, n, d)) + np.exp(-m) + np.log(n) + 2 + 2 + 36 + 20 + 1.0
    assert np.allclose(value(result, "s"), expected, rtol=1e-3)
    assert bool(value(result, "t")) == (n < d)


def test_an_interrupted_run_keeps_what_was_reached():
    run = start(loop("- n: n + 1", "n: n", count=9))
    for number, _ in enumerate(run, start=1):
        if number == 4:
            break
    run.is_interrupted = True
    result = run.result()
    assert result.outcome.name == "INTERRUPTED"
    assert np.all(result.image == 4)


def test_scores_of_stoppers_are_noted_whether_the_recipe_takes_them_or_not():
    body = "- n: n + 1\n- done: {stop.rise: {watch: 5 - n, keep: n*ones(X)}}"
    both = body + "\n- d, best, score: {stop.rise: {watch: 7 - n, keep: n*ones(X)}}"
    one, two = finish(loop(body, "d: done", count=3)), finish(loop(both, "d: done, s: score", count=3))
    assert [one.record.entries[k].scores for k in (1, 2, 3)] == [{"stop.rise": s} for s in (4.0, 3.0, 2.0)]
    assert [two.record.entries[k].scores["stop.rise.2"] for k in (1, 2, 3)] == [6.0, 5.0, 4.0]
    assert value(two, "s") == 4.0
    assert one.record.text().splitlines()[0] == "step,loss,psnr,stop.rise"


@pytest.mark.parametrize("step", [1, 3, 8])
def test_a_run_can_be_ended_at_a_step_with_what_it_would_have_held_there(step):
    text = loop("- n: n + k", "n: n", count=9)
    ended = finish(text, stop_at=step)
    assert (value(ended, "n"), ended.steps) == (step * (step + 1) / 2, step)
    assert ended.explanation.startswith(f"ran to step {step}, as asked")
    assert (ended.outcome.name, ended.stopped_at) == ("COMPLETED", None)


def test_a_run_is_ended_in_nested_loops_too_and_its_schedules_stay():
    body = "- a: linear(1, 4, k, 4)\n- repeat:\n    count: 3\n    carry: {m: n}\n    steps:\n      - m: m + a\n- n: m"
    text = loop(body, "n: n, a: a")
    whole, ended, later = finish(text), finish(text, stop_at=5), finish(text, stop_at=100)
    assert (value(ended, "a"), value(ended, "n")) == (2, 3 * 1 + 2 * 2)
    assert value(later, "n") == value(whole, "n")
    assert whole.explanation.startswith("ran to the end of its budget of 12")
    assert later.explanation.startswith("ran to the end of its budget of 12, before step 100, at which it was asked")


UNDER_WAY = """recipe: 1
steps:
  - x: fbp(y)
  - repeat:
      count: 2
      carry: {x: x}
      steps:
        - x:
            minimise:
              count: 2
              optimiser: {sgd: {rate: 0.1}}
              loss: [fidelity.l2: {of: A(x), to: y}]
        - late: A(x)
        - r: norm(late)
  - after: grad(x)
track: x
returns: {image: "x + 0*x", start: "2*fbp(y)", late: "late + late", back: "adjoint(A)(late)", r: "2*r", g: "0.5*after"}
"""


def test_a_step_within_an_iteration_ends_the_run_with_that_iteration_and_says_so():
    text = UNDER_WAY.replace("count: 2\n              optimiser", "count: 4\n              optimiser")
    ended = finish(text, stop_at=3)
    assert ended.steps == 4
    assert ended.explanation.startswith("ran to step 4, as asked (the first after 3 at which the run can end)")
    assert finish(text, stop_at=4).explanation == "ran to step 4, as asked"


def test_what_is_not_reached_yet_is_none_alone():
    run = start(UNDER_WAY)
    seen = []
    for _ in run:
        found = run.executor.returned()
        seen.append({name for name, value in found.items() if value is not None})
    assert seen == [{"start"}, {"start"}, *[{"image", "start", "late", "back", "r"}] * 2]
    assert all(value is not None for value in run.executor.returned().values())


def test_a_stop_at_the_step_that_was_asked_for_is_a_stop():
    text = loop("- n: n + 1", "n: n", count=9, extra="      until: n >= 3\n")
    ended = finish(text, stop_at=3)
    assert (ended.stopped_at, ended.outcome.name, value(ended, "n")) == (3, "STOPPED", 3)
