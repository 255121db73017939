"""The running average against its closed form."""

from __future__ import annotations

import numpy as np
import torch
from block_laws import lawful
from hypothesis import given
from hypothesis import strategies as st

from dipgraph.blocks.average import ExponentialAverage


@lawful
@given(decay=st.floats(0, 0.999), count=st.integers(1, 30), offset=st.floats(-100, 100))
def test_closed_forms(decay: float, count: int, offset: float) -> None:
    iterates = torch.from_numpy(np.random.default_rng(0).normal(size=(count, 1, 1, 3, 4))) + offset
    corrected, first = ExponentialAverage("corrected"), ExponentialAverage("first")
    for x in iterates:
        a, b = corrected(x, decay), first(x, decay)
    past = decay ** torch.arange(count - 1, -1, -1, dtype=torch.float64)
    weights = (1 - decay) * past / (1 - decay**count)
    torch.testing.assert_close(a, torch.tensordot(weights, iterates, 1))
    weights = (1 - decay) * past
    weights[0] = past[0]
    torch.testing.assert_close(b, torch.tensordot(weights, iterates, 1))


def test_the_first_average_is_the_first_iterate_and_a_constant_stays() -> None:
    x = torch.rand(1, 1, 4, 4)
    for start in ("corrected", "first"):
        average = ExponentialAverage(start)
        assert all(torch.equal(average(x, 0.9), x) for _ in range(5))


def test_an_average_handed_out_does_not_change_later() -> None:
    average = ExponentialAverage()
    first = average(torch.zeros(1, 1, 2, 2), 0.9)
    average(torch.ones(1, 1, 2, 2), 0.9)
    assert not first.any()
