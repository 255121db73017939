"""The stoppers against plain NumPy transcriptions of their rules."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from block_laws import lawful
from hypothesis import given
from hypothesis import strategies as st

from dipgraph.blocks.stop import FlatStopper, RiseStopper
from dipgraph.blocks.stop_variance import VarianceStopper
from dipgraph.signatures import Verdict


def rule(sequence: np.ndarray, window: int, patience: int, factor: float) -> list[tuple[bool, int, float]]:
    """Algorithm 2 of the survey, with whole windows; until one is better than the first, the present iterate."""
    lowest, first, best, said = np.inf, np.inf, 0, []
    for k in range(1, len(sequence) + 1):
        if k < window:
            said.append((False, k, np.inf))
            continue
        past = sequence[k - window : k].astype(np.float64)
        variance = ((past - past.mean(0)) ** 2).sum() / window
        if k == window or variance < factor * lowest:
            first = variance if k == window else first
            lowest, best = variance, k
        kept = best if lowest < first else k
        said.append((k > best + patience, kept, variance))
    return said


@lawful
@given(
    window=st.integers(2, 12),
    patience=st.integers(1, 10),
    factor=st.floats(0.5, 1),
    offset=st.sampled_from([0.0, 1.0, 1e3, 1e6]),
    seed=st.integers(0, 100),
)
def test_variance_rule(window: int, patience: int, factor: float, offset: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    drift = np.cumsum(random.normal(size=(50, 1, 1, 4, 3)), axis=0)
    sequence = offset + drift * np.exp(random.normal(size=(50, 1, 1, 1, 1)))
    stopper = VarianceStopper(window, patience, factor)
    for iterate, (done, best, variance) in zip(sequence, rule(sequence, window, patience, factor), strict=True):
        said = stopper(torch.from_numpy(iterate))
        assert (bool(said.done), int(said.when)) == (done, best)
        assert float(said.score) == pytest.approx(variance, rel=1e-6)
        assert torch.equal(said.best, torch.from_numpy(sequence[best - 1]))


@pytest.mark.parametrize("offset", [0.0, 1.0, 100.0])
def test_variance_of_settling_iterates_in_single_precision(offset: float) -> None:
    """Plain running sums in single precision go negative here."""
    random = np.random.default_rng(0)
    fades = np.geomspace(1e2, 1e-3, 3000)[:, None, None, None, None]
    sequence = (offset + fades * random.normal(size=(3000, 1, 1, 3, 3))).astype(np.float32)
    stopper = VarianceStopper(10, 1000, 0.99)
    for iterate, (_, _, variance) in zip(sequence, rule(sequence, 10, 1000, 0.99), strict=True):
        score = float(stopper(torch.from_numpy(iterate)).score)
        assert score >= 0
        assert score == pytest.approx(variance, rel=1e-3)


def test_variance_after_a_blow_up() -> None:
    """What an excursion leaves behind in the sums is gone once the window is."""
    stopper, calm = VarianceStopper(5, 100), torch.rand(1, 1, 3, 3)
    for k in range(40):
        said = stopper(calm * 1e12 if k == 7 else calm)
    assert float(said.score) == 0


def test_iterates_that_are_not_numbers_still_end() -> None:
    stopper = VarianceStopper(3, 4)
    done = [bool(stopper(torch.full((1, 1, 2, 2), torch.nan)).done) for _ in range(8)]
    assert done == [False] * 7 + [True]


@lawful
@given(patience=st.integers(1, 5), factor=st.floats(0.8, 1), seed=st.integers(0, 50))
def test_rise_rule(patience: int, factor: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    numbers = random.uniform(0, 1, 30)
    stopper, lowest, best = RiseStopper(patience, factor), np.inf, 0
    for k, value in enumerate(numbers, 1):
        if k == 1 or value < factor * lowest:
            lowest, best = value, k
        said = stopper(torch.tensor(value), torch.full((1, 1, 2, 2), float(k)))
        kept = best if best > 1 else k  # until one improves on the first, the present image
        assert (bool(said.done), int(said.when), float(said.score)) == (k - best > patience, kept, value)
        assert float(said.best.mean()) == kept


@lawful
@given(patience=st.integers(1, 9), every=st.integers(2, 5), seed=st.integers(0, 50))
def test_a_number_looked_at_now_and_then(patience: int, every: int, seed: int) -> None:
    """What is not looked at does not count, but for the time that passes; meanwhile the verdict stands, and the image
    is the best or the present one."""
    random = np.random.default_rng(seed)
    stopper, lowest, best, tired = RiseStopper(patience, 1.0, every), np.inf, 0, False
    for k, value in enumerate(random.uniform(0, 1, 60), 1):
        if k == 1 or k % every == 0:
            if value < lowest:
                lowest, best = value, k
            tired = k - best > max(patience, every)
        said = stopper(torch.tensor(value), torch.full((1, 1, 2, 2), float(k)))
        kept = best if best > 1 else k
        assert (bool(said.done), int(said.when), float(said.score)) == (tired, kept, value)
        assert float(said.best.mean()) == kept
        fell = Verdict.NOT_FALLEN if best > 1 else Verdict.NEVER_IMPROVED
        assert int(said.verdict) == (fell if tired else Verdict.WATCHING)


@lawful
@given(patience=st.integers(1, 4), seed=st.integers(0, 50))
def test_flat_rule(patience: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    numbers = np.cumprod(1 + random.choice([0.0, 5e-4, 0.1], 30))
    stopper, settled = FlatStopper(patience, 1e-3), 0
    for previous, value in zip([np.inf, *numbers], numbers, strict=False):
        settled = settled + 1 if abs(value - previous) <= 1e-3 * abs(previous) < np.inf else 0
        assert bool(stopper(float(value)).done) == (settled >= patience)
