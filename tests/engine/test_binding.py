"""What a problem gives to a recipe: names in the run's units, and one message for what it lacks."""

from __future__ import annotations

import numpy as np
import pylops
import pytest

from dipgraph.data.problem import Problem
from dipgraph.engine.memory import OutOfMemoryError
from dipgraph.language import Faults
from tests.command_line import call
from tests.engine.small import SIDE, finish, problem, start

POISSON = """recipe: 1
steps:
  - repeat:
      count: COUNT
      carry: {x: START}
      steps:
        - x:
            minimise:
              optimiser: {adam: {rate: 0.03}}
              loss: [fidelity.poisson: {of: A(x), counts: counts, blank: blank, unit: data_unit}]
track: x
returns: {image: x}
"""


def counted(scale: float, blank: float = 1e4) -> Problem:
    """Expected counts behind a known image, which is its own prior."""
    draw = np.random.default_rng(0)
    matrix = draw.uniform(0, 0.2, (60, SIDE * SIDE))
    image = scale * draw.uniform(0.2, 1, (SIDE, SIDE))
    lines = matrix @ image.ravel()
    return Problem(
        pylops.MatrixMult(matrix, dtype="float64"), lines, shape=(SIDE, SIDE), scale=scale, region="all",
        counts=blank * np.exp(-lines), blank=np.full(60, blank), reference=image, prior=image,
    )  # fmt: skip


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
def test_counts_that_are_expected_of_an_image_have_no_poisson_loss_there(scale: float) -> None:
    """Whatever the norm of A and the image's scale: data_unit takes A(x) back to line integrals."""
    at_truth = finish(POISSON.replace("COUNT", "1").replace("START", "prior"), on=counted(scale))
    at_zero = finish(POISSON.replace("COUNT", "1").replace("START", "zeros(X)"), on=counted(scale))
    assert at_truth.record.entries[1].loss < 1e-6 * at_zero.record.entries[1].loss


def test_the_poisson_likelihood_leads_to_the_image() -> None:
    result = finish(POISSON.replace("COUNT", "400").replace("START", "ones(X)"), on=counted(1.0))
    first, last = (result.record.entries[k].loss for k in (1, 400))
    assert last < 1e-3 * first


def test_counts_that_a_problem_lacks_are_one_message() -> None:
    with pytest.raises(Faults) as caught:
        finish(POISSON.replace("COUNT", "1").replace("START", "ones(X)"), on=problem())
    (fault,) = caught.value.faults
    assert (fault.code, fault.mark.line + 1, fault.mark.column + 1) == ("E801", 10, 59)
    assert "has no 'counts' and no 'blank'" in fault.message or "has no 'blank' and no 'counts'" in fault.message
    assert "kind: poisson" in fault.advice


UNET = """recipe: 1
networks: {f: {network.unet: {channels: 2, scales: SCALES}}}
steps:
  - z: ones(X)
  - repeat:
      count: 1
      steps:
        - f: {minimise: {optimiser: {adam: {}}, let: [x: f(z)], loss: [fidelity.l2: {of: A(x), to: y}]}}
track: x
returns: {image: x}
"""


def test_more_subsets_than_views_are_refused_before_the_run() -> None:
    told = call("check", "subset_sgd", "--problem", "walnut_phantom", "--set", "subsets=31", "--set",
                "problem.size=32", code=2)  # fmt: skip
    assert "31 subsets of 30 views: some would be empty" in told
    assert "use at most 30" in told
    call("check", "subset_sgd", "--problem", "walnut_phantom", "--set", "subsets=30", "--set", "problem.size=32")


@pytest.mark.parametrize("channels", [10**6, 10**12, 10**30])
def test_a_network_of_any_size_beyond_the_machine_is_refused(channels: int) -> None:
    told = call("check", "vanilla", "--problem", "walnut_phantom", "--set", f"channels={channels}", "--set",
                "problem.size=32", code=2)  # fmt: skip
    assert "vanilla.yaml:" in told
    assert "take fewer channels or scales" in told


def test_an_image_too_small_for_a_network_is_refused_before_the_run() -> None:
    """An image of 6 x 6 pixels leaves two at the coarsest of three scales."""
    start(UNET.replace("SCALES", "3"))
    with pytest.raises(Faults, match="use at most 3 scales") as caught:
        start(UNET.replace("SCALES", "4"))
    (fault,) = caught.value.faults
    assert (fault.code, fault.mark.line + 1, fault.mark.column + 1) == ("E802", 2, 16)


def test_a_network_beyond_the_memory_is_refused_before_it_is_made() -> None:
    with pytest.raises(Faults, match=r"channels 1000000, scales 2.* PiB, and this machine has") as caught:
        start(UNET.replace("channels: 2", "channels: 1000000").replace("SCALES", "2"))
    (fault,) = caught.value.faults
    assert (fault.code, fault.mark.line + 1, fault.mark.column + 1) == ("E802", 2, 16)


def test_memory_that_fails_a_run_is_one_message() -> None:
    """What no estimate foresees: a noise of so many channels."""
    text = UNET.replace("SCALES", "1").replace("ones(X)", "ones(X)\n  - w: {input.noise: {channels: 2000000000000}}")
    text = text.replace("image: x", "image: x, w: w")
    with pytest.raises(OutOfMemoryError, match=r"the memory of 'cpu', .* does not suffice after step 0: one array"):
        finish(text)
