"""Held-out rays judge a run and never enter it, and monitors side by side leave each other alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import dipgraph

SETTINGS = {"problem.size": 16, "problem.views": 12, "problem.detectors": 24}

RECIPE = """recipe: 1
params:
  gradient_steps: {value: 24, min: 1}
  hold: {value: 0.1, min: 0, below: 1}
  patience: {value: 4, min: 1}
networks:
  f: {network.unet: {channels: 4, scales: 2}}
steps:
  - z: {input.noise: {std: 0.1}}
  - kept, held: {rays.split: {of: Y, hold: hold, by: BY}}
  - repeat:
      count: gradient_steps
      steps:
        - f:
            minimise:
              optimiser: {adam: {rate: 1e-2}}
              let: [x: f(z), p: A(x)]
              loss: [fidelity.l2: {of: kept(p), to: kept(y)}]
        - average: {average.ema: {of: x, decay: 0.7}}
        - q: {average.ema: {of: p, decay: 0.7}}
        - done, best, score: {stop.rise: {watch: norm(held(q - y)), keep: average, patience: patience}}
      until: done
track: x
returns: {image: best, average: average, ones: "adjoint(held)(held(ones(Y)))", last: x}
"""
PLAIN = (
    RECIPE.replace("  - kept, held: {rays.split: {of: Y, hold: hold, by: BY}}\n", "")
    .replace("of: kept(p), to: kept(y)", "of: p, to: y")
    .replace("  hold: {value: 0.1, min: 0, below: 1}\n  patience: {value: 4, min: 1}\n", "")
    .replace("        - q: {average.ema: {of: p, decay: 0.7}}\n", "")
    .replace(
        "        - done, best, score: {stop.rise: {watch: norm(held(q - y)), keep: average, patience: patience}}\n", ""
    )
    .replace("      until: done\n", "")
    .replace(
        '{image: best, average: average, ones: "adjoint(held)(held(ones(Y)))", last: x}', "{image: average, last: x}"
    )
)


def begun(text: str, folder: Path, *, by: str = "rays", **settings: Any) -> dipgraph.Run:
    path = folder / "recipe.yaml"
    path.write_text(text.replace("BY", by), encoding="utf-8")
    return dipgraph.start(path, settings=SETTINGS | settings, device="cpu", threads=1)


def iterates(run: dipgraph.Run) -> list[torch.Tensor]:
    """The tracked image after each step."""
    found = []
    for state in run:
        image = state.image
        assert image is not None
        found.append(torch.from_numpy(image.copy()))
    return found


@pytest.mark.filterwarnings("ignore:invalid value")  # of the FBP that the result is compared with
@pytest.mark.parametrize("by", ["rays", "views"])
@pytest.mark.parametrize("value", [1e6, -3.0, float("nan"), float("inf")])
def test_values_of_held_out_rays_change_no_iterate_before_the_stop(value: float, by: str, tmp_path: Path) -> None:
    first = begun(RECIPE, tmp_path, by=by)
    plain = iterates(first)
    at = first.result().returns["ones"]
    assert 0 < at.mean() < 0.2
    run = begun(RECIPE, tmp_path, by=by)
    y = run.bound.given["y"]
    y[at == 1] = value
    other = iterates(run)
    common = min(len(plain), len(other))
    assert common >= 5
    assert all(torch.equal(a, b) for a, b in zip(plain, other, strict=False))
    if not np.isfinite(value):
        assert run.result().outcome is dipgraph.Outcome.SCORE_NOT_FINITE
        assert np.isfinite(run.result().image).all()
        assert run.result().explanation == (
            "stopped at step 6: norm(held(q - y)) was no finite number; delivered the image of step 6"
        )


def test_kept_rays_do_change_them(tmp_path: Path) -> None:
    """The law above would hold of a loop that trains on nothing."""
    first = begun(RECIPE, tmp_path)
    plain = iterates(first)
    at = first.result().returns["ones"]
    run = begun(RECIPE, tmp_path)
    run.bound.given["y"][at == 0] *= 1.5
    other = iterates(run)
    assert torch.equal(plain[0], other[0])
    assert not torch.equal(plain[2], other[2])


@pytest.mark.parametrize("by", ["rays", "views"])
def test_with_nothing_held_out_it_is_the_recipe_without_a_split(by: str, tmp_path: Path) -> None:
    none, plain = begun(RECIPE, tmp_path, by=by, hold=0), begun(PLAIN, tmp_path)
    for left, right in zip(iterates(none), iterates(plain), strict=True):
        assert torch.equal(left, right)
    one, other = none.result(), plain.result()
    assert np.array_equal(one.image, other.image)
    losses = [[entry.loss for entry in result.record.entries.values()] for result in (one, other)]
    assert losses[0] == losses[1]
    assert one.explanation == "ran to the end of its budget of 24; delivered the image of step 24"
    assert one.outcome is other.outcome is dipgraph.Outcome.COMPLETED


def test_a_split_recipe_stops_and_keeps_the_image_of_the_lowest_held_out_residual(tmp_path: Path) -> None:
    run = begun(RECIPE, tmp_path, gradient_steps=400, patience=5)
    averages = []
    for state in run:
        averages.append(state.executor.returned()["average"])
    result = run.result()
    assert result.outcome is dipgraph.Outcome.STOPPED
    scores = [entry.scores["stop.rise"] for entry in result.record.entries.values()]
    best = int(np.argmin(scores)) + 1
    assert 1 < best < len(scores)
    assert result.summary()["delivered_step"] == best
    assert result.stopped_at == best + 6
    # After a gradient step the average still is that of the iteration before.
    kept = (averages[best][0, 0] * run.bound.scale).numpy().astype(np.float32)
    np.testing.assert_allclose(result.image, kept, rtol=1e-6)


OTHERS = """        - a, a_best: {stop.variance: {watch: x, window: 3, patience: 2}}
        - b, b_best: {stop.ema_variance: {watch: x, decay: 0.6, patience: 2}}
        - c, c_best: {stop.discrepancy: {of: p, to: y, sigma: 0.01, keep: x}}
        - w: {residual.whiteness: {of: p - y}}
        - d, d_best: {stop.rise: {watch: w, keep: x, patience: 3}}
"""


def test_monitors_side_by_side_do_not_touch_each_other(tmp_path: Path) -> None:
    alone = begun(RECIPE, tmp_path)
    steps = iterates(alone)
    together = begun(RECIPE.replace("      until: done", f"{OTHERS}      until: done"), tmp_path)
    assert all(torch.equal(a, b) for a, b in zip(steps, iterates(together), strict=True))
    one, other = alone.result(), together.result()
    assert np.array_equal(one.image, other.image)
    assert one.explanation == other.explanation
    for entry in one.record.entries.values():
        assert entry.scores["stop.rise"] == other.record.entries[entry.step].scores["stop.rise.1"]
    labels = [told["stopper"] for told in other.summary()["stoppers"]]
    assert labels == ["stop.rise.1", "stop.variance", "stop.ema_variance", "stop.discrepancy", "stop.rise.2"]


def test_each_stopper_alone_ends_where_it_fires_beside_the_others(tmp_path: Path) -> None:
    text = RECIPE.replace("      until: done", f"{OTHERS}      until: done")
    stops = {}
    for name in ("a", "b", "d"):
        run = begun(text.replace("until: done", f"until: {name}"), tmp_path, gradient_steps=60)
        for _ in run:
            pass
        stops[name] = run.result().stopped_at or 61
    pair = begun(text.replace("until: done", "until: a or b"), tmp_path, gradient_steps=60)
    for _ in pair:
        pass
    assert (pair.result().stopped_at or 61) == min(stops["a"], stops["b"])
