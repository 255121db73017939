"""Where a run stops, why, and which image it hands out: on scores that can be followed by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dipgraph.engine.run import Outcome, Result
from tests.engine.small import HEAD, finish, start


def watching(score: str, *, patience: int = 3, count: int = 40, until: str = "done", image: str = "best") -> str:
    """A recipe whose iterate k is the constant image k, and whose score is a formula of n = k."""
    return f"""recipe: 1
steps:
  - repeat:
      count: {count}
      carry: {{n: 0.0}}
      steps:
        - n: n + 1
        - x: n*ones(X)
        - w: {score}
        - done, best, score, when, verdict: {{stop.rise: {{watch: w, keep: x, patience: {patience}}}}}
        - flat: {{stop.flat: {{watch: w, patience: 2}}}}
      until: {until}
track: x
returns: {{image: {image}, when: when, verdict: verdict, last: x, flat: flat}}
"""


def told(result: Result) -> tuple[str, str]:
    return result.outcome.name, result.explanation


def test_a_stop_is_explained_and_the_best_image_delivered() -> None:
    result = finish(watching("abs(n - 5)"))
    assert told(result) == (
        "STOPPED",
        "stopped at step 9: w had not fallen for 4 iterations; delivered the image of step 5",
    )
    assert np.all(result.image == 5)
    summary = result.summary()
    assert (summary["stop_iteration"], summary["delivered_step"]) == (9, 5)
    assert summary["explanation"] == result.explanation
    assert summary["stoppers"][0] == {
        "stopper": "stop.rise", "score": "w", "verdict": "not_fallen", "fired": True, "in_until": True,
        "best_iteration": 5, "best_step": 5, "best_score": 0.0,
    }  # fmt: skip
    assert (summary["stoppers"][1]["stopper"], summary["stoppers"][1]["in_until"]) == ("stop.flat", False)


FAILURES = {
    "n": ("NEVER_IMPROVED", "stopped at step 5: w never fell below its first value; delivered the image of step 5"),
    "2.5 + 0*n": ("CONSTANT_SCORE", "stopped at step 5: w did not change at all; delivered the image of step 5"),
    "-2.5 + 1e-14*n": ("CONSTANT_SCORE", "stopped at step 5: w did not change at all; delivered the image of step 5"),
    "n*norm(x)*1e300*1e300": ("SCORE_NOT_FINITE", "stopped at step 5: w was no finite number; "
                                                  "delivered the image of step 5"),
    "-norm(x)*1e300*1e300": ("SCORE_NOT_FINITE", "stopped at step 5: w was no finite number; "
                                                 "delivered the image of step 5"),
    "norm(x)*1e300*1e300 - norm(x)*1e300*1e300": ("SCORE_NOT_FINITE", "stopped at step 5: w was no finite number; "
                                                  "delivered the image of step 5"),
    "where(n < 3, 9 - n, norm(x)*1e300*1e300)": ("SCORE_NOT_FINITE", "stopped at step 6: w was no finite number; "
                                                 "delivered the image of step 2"),
    "where(n < 2, 9 - n, norm(x)*1e300*1e300)": ("SCORE_NOT_FINITE", "stopped at step 5: w was no finite number; "
                                                 "delivered the image of step 5"),
    "max(9 - n, 6)": ("CONSTANT_SCORE", "stopped at step 7: w did not change at all; delivered the image of step 3"),
}  # fmt: skip


@pytest.mark.parametrize("score", FAILURES)
@pytest.mark.parametrize("run_on", [False, True])
def test_a_score_that_cannot_tell_ends_with_the_outcome_that_says_so(score: str, run_on: bool) -> None:
    outcome, explanation = FAILURES[score]
    result = finish(watching(score), run_on=run_on)
    if run_on:
        explanation = f"would have {explanation}, and ran on to step 40"
    assert told(result) == (outcome, explanation)
    assert np.all(result.image == int(explanation.split("image of step ")[1].split(",")[0]))
    assert result.summary()["outcome"] == outcome.lower()


@pytest.mark.parametrize(
    ("score", "outcome", "said"),
    [
        ("norm(x)*1e300*1e300", "SCORE_NOT_FINITE", "ran to the end of its budget of 9: w was no finite number; "),
        ("7 + 0*n", "CONSTANT_SCORE", "ran to the end of its budget of 9: w did not change at all; "),
        ("n", "COMPLETED", "ran to the end of its budget of 9; "),
    ],
)
def test_so_does_one_whose_patience_outlasts_the_budget(score: str, outcome: str, said: str) -> None:
    result = finish(watching(score, count=9, patience=100))
    assert told(result) == (outcome, f"{said}delivered the image of step 9")
    assert np.all(result.image == 9)


SELDOM = {
    "abs(n - 25)": ("STOPPED",
                    "stopped at step 40: w had not fallen for 20 iterations; delivered the image of step 20"),
    "n": ("NEVER_IMPROVED", "stopped at step 20: w never fell below its first value; delivered the image of step 20"),
    "7 + 0*n": ("CONSTANT_SCORE", "stopped at step 20: w did not change at all; delivered the image of step 20"),
    "norm(x)*1e300*1e300": ("SCORE_NOT_FINITE",
                            "stopped at step 20: w was no finite number; delivered the image of step 20"),
    "where(abs(n - 30) < 1, norm(x)*1e300*1e300, 99 - n)": (
        "COMPLETED", "ran to the end of its budget of 60; delivered the image of step 60"),
}  # fmt: skip


@pytest.mark.parametrize("score", SELDOM)
def test_a_score_looked_at_now_and_then_is_judged_by_more_than_one_look(score: str) -> None:
    text = watching(score, count=60).replace("patience: 3", "patience: 3, every: 10")
    assert told(finish(text)) == SELDOM[score]


def test_a_run_that_could_never_stop_says_so() -> None:
    """`a and b`, where b's score is never finite: the run goes to its end, and its outcome tells."""
    text = watching("abs(n - 5)", until="done and other").replace(
        "      until:",
        "        - other: {stop.rise: {watch: norm(x)*1e300*1e300, keep: x, patience: 99}}\n      until:",
    )
    result = finish(text)
    assert result.outcome is Outcome.SCORE_NOT_FINITE
    assert result.explanation == (
        "ran to the end of its budget of 40: norm(x)*1e+300*1e+300 was no finite number; delivered the image of step 5"
    )


def test_a_number_that_is_zero_from_the_beginning_is_not_watched() -> None:
    result = finish(watching("0*n"))
    assert told(result) == ("COMPLETED", "ran to the end of its budget of 40; delivered the image of step 40")
    assert np.all(result.image == 40)


@pytest.mark.parametrize(
    ("until", "stop", "why"),
    [
        ("done and flat", 10, "w had not fallen for 5 iterations and w had settled"),
        ("flat or done", 9, "w had not fallen for 4 iterations"),
        ("both", 10, "w had not fallen for 5 iterations and w had settled"),
        ("w > 2.5 and n > 5", 8, "'w > 2.5 and n > 5' held"),
        ("not not done", 9, "w had not fallen for 4 iterations"),
    ],
)
def test_stoppers_combine_and_all_that_fired_are_named(until: str, stop: int, why: str) -> None:
    text = watching("min(abs(n - 5), 3)", until=until)
    if until == "both":
        text = text.replace("      until:", "        - both: done and flat\n      until:")
    result = finish(text)
    delivered = 5
    assert result.explanation == f"stopped at step {stop}: {why}; delivered the image of step {delivered}"


def test_a_stop_delivers_the_last_image_where_the_recipe_returns_that() -> None:
    result = finish(watching("abs(n - 5)", image="x"))
    assert result.explanation == "stopped at step 9: w had not fallen for 4 iterations; delivered the image of step 9"
    mixed = finish(watching("abs(n - 5)", image="0.5*(x + best)"))
    assert mixed.explanation == "stopped at step 9: w had not fallen for 4 iterations"
    assert mixed.summary()["delivered_step"] is None


TRAINED = (
    HEAD
    + """steps:
  - z: {input.noise: {law: uniform, high: 1.0}}
  - repeat:
      count: 30
      carry: {n: 0.0}
      steps:
        - f:
            minimise:
              count: INNER
              optimiser: {sgd: {rate: 1e-3}}
              let: [x: f(z)]
              loss: [fidelity.l2: {of: A(x), to: y}]
        - n: n + 1
        - keep: n*ones(X)
        - done, best: {stop.rise: {watch: abs(n - 4), keep: keep, patience: 2}}
      until: done
      every: EVERY
track: x
returns: {image: best}
"""
)


@pytest.mark.parametrize(("inner", "every", "stop"), [(1, 1, 7), (5, 1, 35), (5, 4, 40)])
def test_steps_are_gradient_steps(inner: int, every: int, stop: int) -> None:
    result = finish(TRAINED.replace("INNER", str(inner)).replace("EVERY", str(every)))
    waited = stop // inner - 4
    assert result.explanation == (
        f"stopped at step {stop}: abs(n - 4) had not fallen for {waited} iterations;"
        f" delivered the image of step {4 * inner}"
    )
    assert np.all(result.image == 4)


@pytest.mark.parametrize("batch", [1, 3, 64])
def test_how_often_the_host_reads_changes_no_stop(batch: int) -> None:
    run = start(watching("abs(n - 5)"))
    run.record.batch = batch
    for state in run:
        if state.steps % batch == 0 and state.has_image:
            state.result()
    assert run.result().explanation == finish(watching("abs(n - 5)")).explanation
    assert np.all(run.result().image == 5)


def test_an_inner_loop_that_is_entered_again_counts_afresh() -> None:
    text = """recipe: 1
steps:
  - repeat:
      count: 3
      carry: {m: 0.0}
      steps:
        - repeat:
            count: 6
            carry: {m: m, n: 0.0}
            steps:
              - n: n + 1
              - m: m + 1
              - x: m*ones(X)
              - done, best: {stop.rise: {watch: abs(n - 2), keep: x, patience: 50}}
track: x
returns: {image: best}
"""
    result = finish(text)
    assert result.explanation == "ran to the end of its budget of 18; delivered the image of step 14"
    assert np.all(result.image == 14)


NESTED = """recipe: 1
steps:
  - repeat:
      count: 4
      carry: {m: 0.0}
      steps:
        - m: m + 1
        - x: m*ones(X)
        - repeat:
            count: 9
            carry: {n: 0.0}
            steps:
              - n: n + 1
              - inner: {stop.flat: {watch: 0*n + 5, patience: 3}}
            until: inner
        - done, best: {stop.rise: {watch: abs(m - 2), keep: x, patience: 9}}
      until: UNTIL
track: x
returns: {image: best}
"""


def test_a_stopper_of_an_inner_loop_says_nothing_of_the_run() -> None:
    result = finish(NESTED.replace("UNTIL", "done"))
    assert told(result) == ("COMPLETED", "ran to the end of its budget of 16; delivered the image of step 8")
    assert [stopper["in_until"] for stopper in result.summary()["stoppers"]] == [True, False]


def test_unless_the_run_ends_by_it() -> None:
    result = finish(NESTED.replace("UNTIL", "inner and m > 2"))
    assert result.explanation == "stopped at step 12: 0*n + 5 did not change at all; delivered the image of step 8"


def test_on_the_way_the_result_tells_where_it_stands() -> None:
    run = start(watching("abs(n - 5)"))
    said: list[Any] = [(state.steps, state.result().explanation) for state in run]
    assert said[2] == (3, "under way at step 3; delivered the image of step 3")
    assert said[7] == (8, "under way at step 8; delivered the image of step 5")
