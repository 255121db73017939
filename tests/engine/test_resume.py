"""A run that goes on from its state is the run that never ceased, bit for bit, wherever it was interrupted."""

from __future__ import annotations

import copy
import json
import random
from typing import Annotated

import pytest
import torch

import dipgraph
from dipgraph.blocks import registry
from dipgraph.engine.run import Options, Run
from dipgraph.engine.state import Packer, Unpacker, restore, snapshot
from dipgraph.language import read_recipe, settle_recipe
from dipgraph.language.diagnostics import Source
from dipgraph.signatures import NETWORK, REGISTRY
from dipgraph.signatures.block import read_signature
from tests.engine.resumed import RECIPES

SMALL = dipgraph.load_problem("walnut_phantom", {"size": "16", "views": "9", "detectors": "24"})


def begin(text: str, *, run_on: bool = False, device: str = "cpu") -> Run:
    program = settle_recipe(read_recipe(Source("test.yaml", text)), registry())
    return Run(program, SMALL, Options(device, 0, 1, run_on))


def taken(run: Run):
    """State as a file would hold it."""
    tree, tensors = snapshot(run)
    return json.loads(json.dumps(tree, allow_nan=False)), {name: tensor.cpu() for name, tensor in tensors.items()}


def same(left, right) -> bool:
    """Whether two states are equal to the bit, NaN included; the clock is left out."""
    (tree, tensors), (tree_2, tensors_2) = left, right
    for each in (tree, tree_2):
        each["map"] = [pair for pair in each["map"] if pair[0] != "seconds"]
    return tree == tree_2 and tensors.keys() == tensors_2.keys() and equal(tensors, tensors_2)


def equal(left, right) -> bool:
    """Whether tensors of the same names are equal to the bit."""
    return all(torch.equal(left[name].view(torch.uint8), right[name].view(torch.uint8)) for name in left)


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
@pytest.mark.parametrize("name", RECIPES)
def test_a_resumed_run_equals_the_uninterrupted_one_wherever_it_was_left(name, device):
    run_on = name in ("a split with a stop", "a stop that is run past")
    whole, states, midst = begin(RECIPES[name], run_on=run_on, device=device), [], []
    for run in whole:
        states.append(taken(run))
        midst.append((run.image, [vars(frame).copy() for frame in run.frames], run.has_image))
    end = taken(whole)
    lengths = range(1, len(states)) if len(states) < 10 else random.Random(name).sample(range(1, len(states)), 9)
    for done in lengths:
        run = begin(RECIPES[name], run_on=run_on, device=device)
        restore(run, *states[done - 1], torch.device(device))
        assert same(taken(run), states[done - 1])
        image, frames, has_image = midst[done - 1]
        assert [vars(frame) for frame in run.frames] == frames
        assert run.has_image == has_image
        assert image is None if run.image is None else (run.image == image).all()
        assert len([None for _ in run]) == len(states) - done
        assert same(taken(run), end)
    if name == "a stop that is run past":
        assert (whole.executor.stopped_at, whole.steps) == (4, 8)
    result, again = whole.result(), run.result()
    assert (result.image == again.image).all()
    assert result.summary() | {"seconds": 0} == again.summary() | {"seconds": 0}


def test_taking_states_changes_nothing():
    for text in RECIPES.values():
        plain, watched = begin(text), begin(text)
        for _ in plain:
            pass
        for run in watched:
            snapshot(run)
        assert same(taken(plain), taken(watched))


def test_a_state_is_a_copy():
    run = begin(RECIPES["a split with a stop"])
    steps = iter(run)
    for _ in range(7):
        next(steps)
    early = taken(run)
    held = {name: tensor.clone() for name, tensor in early[1].items()}
    for _ in steps:
        pass
    assert equal(held, early[1])


def test_tensors_that_share_memory_share_it_again_with_the_same_strides():
    base = torch.arange(24.0).reshape(4, 6)
    tree = {"base": base, "view": base.T[1:, ::2], "wide": torch.ones(3, 1).expand(3, 5), "none": torch.empty(0, 2)}
    packer = Packer()
    packed = json.loads(json.dumps(packer.pack(tree)))
    found = Unpacker(packer.tensors, torch.device("cpu")).unpack(packed)
    for name, tensor in tree.items():
        assert torch.equal(found[name], tensor)
        assert found[name].stride() == tensor.stride()
    found["base"][2, 1] = -1.0
    assert found["view"][0, 1] == -1.0
    assert base[2, 1] == 13.0


def test_numbers_keep_every_bit_and_their_kind():
    import numpy as np

    tree = {"a": 0.1 + 0.2, "b": float("inf"), "c": -0.0, "d": 2**70, "e": (1, [True, None]), "f": np.float32(0.1)}
    found = Unpacker({}, torch.device("cpu")).unpack(json.loads(json.dumps(Packer().pack(tree))))
    assert repr(found) == repr(tree)


def test_what_is_no_data_is_refused():
    with pytest.raises(TypeError, match=r"a\.0 holds object"):
        Packer().pack({"a": [object()]})


def copied(of: Annotated[torch.nn.Module, NETWORK]) -> Annotated[torch.nn.Module, NETWORK]:
    """Another network with the same weights."""
    return copy.deepcopy(of)


def test_a_network_that_a_block_handed_out_goes_on_as_it_was_trained(monkeypatch):
    monkeypatch.setitem(REGISTRY, "network.copied", read_signature("network.copied", copied, resets=False,
                                                                   differentiable=True))  # fmt: skip
    text = RECIPES["one long minimise"].replace(
        "  - repeat:", "  - start: f(z)\n  - g: {network.copied: {of: f}}\n  - repeat:"
    )
    text = text.replace("- f:", "- g:").replace("x: f(z)", "x: g(z)").replace("weights: f", "weights: g, start: start")
    whole, states = begin(text), []
    for run in whole:
        states.append(taken(run))
    for state in (states[0], states[5]):
        run = begin(text)
        restore(run, *state, torch.device("cpu"))
        for _ in run:
            pass
        assert (run.result().image == whole.result().image).all()


def test_a_result_taken_on_the_way_says_so():
    run = begin(RECIPES["one long minimise"])
    outcomes = [state.result().outcome.name for state in run]
    assert set(outcomes) == {"UNDER_WAY"}
    assert run.result().outcome.name == "COMPLETED"
