"""What stoppers watch and say, against plain NumPy transcriptions and the laws of white noise."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from block_laws import few, lawful
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from dipgraph.blocks import registry
from dipgraph.blocks.residual import whiteness
from dipgraph.blocks.stop import FlatStopper, RiseStopper
from dipgraph.blocks.stop_discrepancy import DiscrepancyStopper
from dipgraph.blocks.stop_ema_variance import RunningVarianceStopper
from dipgraph.blocks.stop_variance import VarianceStopper
from dipgraph.blocks.sure import generalised
from dipgraph.signatures import InputError, Verdict

STOPPERS = sorted(name for name, block in registry().items() if block.family == "stop")


def image(value: float) -> Tensor:
    return torch.full((1, 1, 2, 3), float(value), dtype=torch.float64)


@pytest.mark.parametrize("name", STOPPERS)
def test_every_stopper_hands_out_the_same(name: str) -> None:
    block = registry()[name]
    names = [output.name for output in block.outputs]
    image_too = [] if name == "stop.flat" else ["best"]
    assert names == ["done", *image_too, "score", "when", "verdict"]
    assert block.score
    assert block.resets


@lawful
@given(
    decay=st.sampled_from([0.5, 0.8, 0.9, 0.95]),
    patience=st.integers(1, 10),
    factor=st.floats(0.5, 1),
    offset=st.sampled_from([0.0, 1.0, 1e3]),
    seed=st.integers(0, 100),
)
def test_running_variance_rule(decay: float, patience: int, factor: float, offset: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    drift = np.cumsum(random.normal(size=(60, 1, 1, 4, 3)), axis=0)
    sequence = offset + drift * np.exp(random.normal(size=(60, 1, 1, 1, 1)))
    stopper = RunningVarianceStopper(decay, patience, factor)
    lowest = first = np.inf
    least, best = max(2, round(1 / (1 - decay))), 0
    for k in range(1, 61):
        weights = decay ** np.arange(k - 1, -1, -1)
        weights = (weights / weights.sum())[:, None, None, None, None]
        past = sequence[:k]
        variance = np.inf if k < least else float((weights * (past - (weights * past).sum(0)) ** 2).sum())
        if k <= least:
            lowest, first, best = variance, variance, k
        elif variance < factor * lowest:
            lowest, best = variance, k
        said = stopper(torch.from_numpy(sequence[k - 1]))
        kept = best if lowest < first else k
        assert float(said.score) == pytest.approx(variance, rel=1e-6)
        assert (bool(said.done), int(said.when)) == (k > best + patience, kept)
        assert torch.equal(said.best, torch.from_numpy(sequence[kept - 1]))


def test_running_variance_becomes_the_papers_recurrence() -> None:
    random, alpha = np.random.default_rng(0), 0.1
    sequence = random.normal(size=(400, 1, 1, 3, 3))
    stopper, mean, variance = RunningVarianceStopper(1 - alpha), sequence[0], 0.0
    for x in sequence:
        variance = (1 - alpha) * (variance + alpha * float(((x - mean) ** 2).sum()))
        mean = (1 - alpha) * mean + alpha * x
        said = stopper(torch.from_numpy(x))
    assert float(said.score) == pytest.approx(variance, rel=1e-6)


@lawful
@given(sigma=st.floats(0.1, 2), tau=st.floats(0.5, 2), seed=st.integers(0, 50))
def test_discrepancy_rule(sigma: float, tau: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    y = random.normal(size=(1, 1, 4, 5))
    stopper, found = DiscrepancyStopper(), 0
    for k, size in enumerate(2 * np.exp(-0.2 * np.arange(20)) * random.uniform(0.5, 1.5, 20), 1):
        p = y + size * random.normal(size=y.shape)
        norm = np.linalg.norm(p - y)
        found = found or k * (norm**2 <= tau * sigma**2 * 20)
        said = stopper(torch.from_numpy(p), torch.from_numpy(y), sigma, image(k), tau)
        assert float(said.score) == pytest.approx(norm / (sigma * math.sqrt(20)))
        assert (bool(said.done), int(said.when)) == (found > 0, found or k)
        assert float(said.best.mean()) == (found or k)
        assert int(said.verdict) == (Verdict.REACHED if found else Verdict.WATCHING)


@pytest.mark.parametrize("size", [1.0, 0.0])
def test_no_noise_is_no_level_to_reach(size: float) -> None:
    stopper, y = DiscrepancyStopper(), torch.zeros(1, 1, 4, 5)
    for k in range(1, 4):
        said = stopper(y + size, y, 0.0, image(k))
        assert (bool(said.done), int(said.verdict), float(said.best.mean())) == (False, Verdict.NOT_FINITE, k)


@lawful
@given(
    shape=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    channels=st.integers(1, 2),
    lags=st.integers(1, 5),
    scale=st.sampled_from([1.0, 1e-6, 1e6]),
    seed=st.integers(0, 99),
)
def test_whiteness_is_the_mean_of_squared_autocorrelations(
    shape: tuple[int, int], channels: int, lags: int, scale: float, seed: int
) -> None:
    r = scale * np.random.default_rng(seed).normal(size=(1, channels, *shape))
    terms = []
    for axis in (2, 3):
        for lag in range(1, min(lags, r.shape[axis] - 1) + 1):
            ahead, behind = np.split(r, [lag], axis)[1], np.split(r, [-lag], axis)[0]
            terms.append(r.size**2 * ((ahead * behind).sum() / (r**2).sum()) ** 2 / ahead.size)
    if not terms:
        with pytest.raises(InputError, match="two values"):
            whiteness(torch.from_numpy(r), lags)
        return
    assert float(whiteness(torch.from_numpy(r), lags)) == pytest.approx(np.mean(terms))


def test_whiteness_of_noise_is_one_and_of_structure_is_more() -> None:
    random = np.random.default_rng(0)
    noise = [torch.from_numpy(random.normal(size=(1, 1, 30, 40))) for _ in range(400)]
    mean = np.mean([float(whiteness(one)) for one in noise])
    assert mean == pytest.approx(1, abs=0.1)
    ramp = torch.linspace(-1, 1, 40, dtype=torch.float64).expand(1, 1, 30, 40)
    assert float(whiteness(noise[0] + ramp)) > 10 * mean


def test_whiteness_needs_neighbours() -> None:
    with pytest.raises(InputError, match="views and detectors"):
        whiteness(torch.rand(1, 1, 12))


@few
@given(sigma=st.floats(0, 2), seed=st.integers(0, 99))
def test_risk_of_a_linear_fit_is_steins_with_the_probes_divergence(sigma: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    matrix, y, b = random.normal(size=(12, 12)), random.normal(size=12), random.normal(size=12)
    shaped = [torch.from_numpy(v).reshape(1, 1, 3, 4) for v in (matrix @ y, matrix @ (y + 1e-2 * b), b, y)]
    said = generalised(*shaped, sigma, 1e-2)
    assert float(said.divergence) == pytest.approx(b @ matrix @ b)
    expected = np.sum((matrix @ y - y) ** 2) - 12 * sigma**2 + 2 * sigma**2 * (b @ matrix @ b)
    assert float(said.risk) == pytest.approx(expected)


def test_the_risk_is_the_error_of_the_true_data_on_average() -> None:
    random, sigma = np.random.default_rng(1), 0.3
    truth = random.normal(size=20)
    shrink = 0.2 * np.diag(np.arange(20) / 4.0)
    risks, errors = [], []
    for _ in range(4000):
        y, b = truth + sigma * random.normal(size=20), random.normal(size=20)
        shaped = [torch.from_numpy(v).reshape(1, 1, 4, 5) for v in (shrink @ y, shrink @ (y + 0.01 * b), b, y)]
        risks.append(float(generalised(*shaped, sigma, 0.01).risk))
        errors.append(float(np.sum((shrink @ y - truth) ** 2)))
    assert np.mean(risks) == pytest.approx(np.mean(errors), abs=4 * np.std(risks) / math.sqrt(len(risks)))


# --- verdicts ---------------------------------------------------------------------------------------------------------


def verdicts(scores: list[float], patience: int = 3, factor: float = 1.0) -> list[tuple[bool, int, int]]:
    """(done, when, verdict) after each score."""
    stopper = RiseStopper(patience, factor)
    said = [stopper(torch.tensor(v, dtype=torch.float64), image(k)) for k, v in enumerate(scores, 1)]
    assert [float(one.best.mean()) for one in said] == [float(one.when) for one in said]
    return [(bool(one.done), int(one.when), int(one.verdict)) for one in said]


NAN, INF = math.nan, math.inf
ENDS: dict[str, tuple[list[float], int, int, Verdict]] = {
    "falls, then rises": ([5, 4, 3, 4, 5, 6, 7], 7, 3, Verdict.NOT_FALLEN),
    "never improves": ([1, 2, 3, 4, 5], 5, 5, Verdict.NEVER_IMPROVED),
    "constant": ([2, 2, 2, 2, 2], 5, 5, Verdict.CONSTANT),
    "constant but for rounding": ([2, 2 + 4e-16, 2, 2 - 4e-16, 2], 5, 5, Verdict.CONSTANT),
    "falls, then constant": ([3, 2, 2, 2, 2, 2], 6, 2, Verdict.CONSTANT),
    "NaN": ([NAN] * 5, 5, 5, Verdict.NOT_FINITE),
    "infinite": ([INF] * 5, 5, 5, Verdict.NOT_FINITE),
    "minus infinite": ([-INF] * 5, 5, 5, Verdict.NOT_FINITE),
    "falls, then NaN": ([3, 2, NAN, NAN, NAN, NAN], 6, 2, Verdict.NOT_FINITE),
    "one number, then NaN": ([3, NAN, NAN, NAN, NAN], 5, 5, Verdict.NOT_FINITE),
    "NaN, then falls and rises": ([NAN, 3, 2, 3, 4, 5, 6], 7, 3, Verdict.NOT_FALLEN),
    "below 0": ([-1, -3, -2, -2.5, -1, -1], 6, 2, Verdict.NOT_FALLEN),
}


@pytest.mark.parametrize("case", ENDS)
def test_each_kind_of_end_has_its_verdict_and_its_image(case: str) -> None:
    scores, stop, when, verdict = ENDS[case]
    said = verdicts(scores)
    assert [done for done, *_ in said] == [False] * (stop - 1) + [True]
    assert said[stop - 1] == (True, when, verdict)


def test_a_factor_asks_for_less_below_zero_too() -> None:
    """Of scores below 0 a share below 1 would be a higher score: the bound lies as far below."""
    assert [when for _, when, _ in verdicts([-1, -10, -10.5, -11.5], 9, 0.9)] == [1, 2, 2, 4]


def test_zero_from_the_beginning_is_not_watched_and_zero_later_is() -> None:
    assert verdicts([0.0] * 9) == [(False, k, 0) for k in range(1, 10)]
    assert verdicts([0.0, 0.0, 3, 2, 1, 2, 2.5, 2, 3])[-1] == (True, 5, Verdict.NOT_FALLEN)
    assert verdicts([1.0, 0.0, 0, 0, 0, 0])[-1] == (True, 2, Verdict.CONSTANT)


@pytest.mark.parametrize("stopper", [VarianceStopper(3, 4), RunningVarianceStopper(0.7, 4)])
def test_iterates_that_are_no_numbers_or_stand_still_have_verdicts(stopper: Any) -> None:
    for value, verdict in ((NAN, Verdict.NOT_FINITE), (1.0, Verdict.CONSTANT)):
        stopper.reset()
        for _ in range(12):
            said = stopper(image(value))
        assert (bool(said.done), int(said.verdict), int(said.when)) == (True, verdict, 12)


@pytest.mark.parametrize(
    ("scores", "done", "verdict"),
    [([5, 3, 3.001, 3.0], True, Verdict.SETTLED), ([3, 3, 3], True, Verdict.CONSTANT),
     ([3, 2, 1], False, Verdict.WATCHING), ([3, 3, NAN], False, Verdict.NOT_FINITE)],
)  # fmt: skip
def test_verdicts_of_what_settles(scores: list[float], done: bool, verdict: Verdict) -> None:
    stopper = FlatStopper(2, 1e-3)
    said = [stopper(value) for value in scores][-1]
    assert (bool(said.done), int(said.verdict), int(said.when)) == (done, verdict, len(scores))


@pytest.mark.parametrize("name", STOPPERS)
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.gpu
def test_no_stopper_waits_for_the_device(name: str) -> None:
    calls: dict[str, Callable[[Any, Tensor], Any]] = {
        "stop.discrepancy": lambda stopper, x: stopper(x, 2 * x, x.mean(), x),
        "stop.rise": lambda stopper, x: stopper(x.mean(), x),
        "stop.flat": lambda stopper, x: stopper(x.mean()),
    }
    stopper = RiseStopper(every=3) if name == "stop.rise" else registry()[name].make()
    call = calls.get(name, lambda stopper, x: stopper(x))
    x = torch.rand(1, 1, 4, 4, device="cuda")
    call(stopper, x)
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(5):
            assert call(stopper, x).verdict.is_cuda
    finally:
        torch.cuda.set_sync_debug_mode("default")
