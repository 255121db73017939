"""One seed, one result: bit for bit, however often it is reported, and whatever other steps draw."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.engine.small import finish, problem, start, value

DIP = """recipe: 1
networks: {f: {network.unet: {channels: 4, scales: 2}}}
steps:
EXTRA  - z: {input.noise: {std: 0.1}}
  - repeat:
      count: 12
      steps:
        - f:
            minimise:
              optimiser: {adam: {rate: 1e-2}}
              let: [x: f(z)]
              loss: [fidelity.l2: {of: A(x), to: y}]
track: x
returns: {image: x, z: z}
"""


@pytest.mark.parametrize("batch", [1, 5, 1000])
def test_the_reporting_interval_changes_nothing(batch):
    text = DIP.replace("EXTRA", "")
    plain = finish(text, dtype=torch.float32)
    run = start(text, dtype=torch.float32)
    run.record.batch = batch
    for _ in run:
        pass
    other = run.result()
    assert np.array_equal(plain.image, other.image)
    assert {k: e.loss for k, e in plain.record.entries.items()} == {k: e.loss for k, e in other.record.entries.items()}
    assert plain.record.peak == other.record.peak


def test_another_seed_gives_another_run():
    text = DIP.replace("EXTRA", "")
    assert not np.array_equal(finish(text, seed=0).image, finish(text, seed=1).image)


def test_a_further_random_step_moves_no_others_numbers():
    alone = finish(DIP.replace("EXTRA", ""))
    beside = finish(DIP.replace("EXTRA", "  - w: {input.noise: {std: 1.0}}\n").replace("z: z}", "z: z, w: w}"))
    assert np.array_equal(alone.image, beside.image)
    assert np.array_equal(value(alone, "z"), value(beside, "z"))
    assert not np.allclose(value(beside, "w") / 10, value(beside, "z"))


def test_a_name_drawn_twice_draws_anew():
    text = """recipe: 1
steps:
  - a: {input.noise: {std: 1.0}}
  - first: a
  - a: {input.noise: {std: 1.0}}
  - repeat:
      count: 1
      steps: [x: ones(X)]
track: x
returns: {image: x, first: first, second: a}
"""
    result = finish(text)
    assert not np.allclose(value(result, "first"), value(result, "second"))


def test_global_generators_are_left_alone():
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    finish(DIP.replace("EXTRA", ""), on=problem())
    assert torch.equal(torch.rand(1), expected)
