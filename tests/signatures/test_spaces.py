"""Spaces, kinds and bounds: how they compare, and how they read in a message."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dipgraph.signatures.ports import (
    FILE,
    LOSS,
    NETWORK,
    OPTIMISER,
    SWITCH,
    Kind,
    OpaqueKind,
    SpaceKind,
    describe_bounds,
    field,
    linear_map,
    number,
    vector,
    whole,
    within,
    word,
)
from dipgraph.signatures.spaces import (
    GIVEN,
    File,
    G,
    Map,
    Network,
    Number,
    Opaque,
    Space,
    SpaceName,
    Switch,
    Type,
    Vector,
    Word,
    X,
    Y,
)


@pytest.mark.parametrize(
    ("space", "shown"),
    [(X, "X"), (Space("X", 2), "X[2]"), (X.batch(), "X{}"), (Space("Y", 3, True), "Y[3]{}"), (X.batch().member, "X")],
)
def test_spaces_read_as_in_the_language(space: Space, shown: str) -> None:
    assert str(space) == shown


@pytest.mark.parametrize(
    ("type_", "shown"),
    [
        (Number(), "a number"), (Number(True), "a whole number"), (Switch(), "a switch"), (Word(("a",)), "a word"),
        (File(), "a file"), (Vector(Y), "Y"), (Map(X, Y), "a linear map X -> Y"), (Map(X, Y, False), "a map X -> Y"),
        (Network(), "a network"), (SpaceName(G), "the space G"), (Opaque("trajectory"), "a trajectory"),
    ],
)  # fmt: skip
def test_types_read_in_a_message(type_: Type, shown: str) -> None:
    assert str(type_) == shown


@pytest.mark.parametrize(
    ("kind", "shown"),
    [
        (vector("V"), "an image or data vector (V)"), (number(), "a number"), (number(min=0), "a number, at least 0"),
        (whole(above=1, max=9), "a whole number, above 1, at most 9"), (number(below=1.5), "a number, below 1.5"),
        (field("V", min=0), "a number, at least 0, or one for each entry (V)"), (SWITCH, "a switch (true or false)"),
        (word("a", "b"), "one of a, b"), (FILE, "a file"), (linear_map("X", "Y"), "a linear map X -> Y"),
        (NETWORK, "a network"), (SpaceKind("S"), "the name of a space"), (LOSS, "a loss term"),
        (OPTIMISER, "an optimiser"), (OpaqueKind("trajectory"), "a trajectory"),
    ],
)  # fmt: skip
def test_kinds_read_in_a_message(kind: Kind, shown: str) -> None:
    assert str(kind) == shown


def test_what_a_problem_gives() -> None:
    assert GIVEN["A"] == Map(X, Y)
    assert GIVEN["fbp"] == Map(Y, X, linear=False)
    assert GIVEN["grad"] == Map(X, G)
    assert GIVEN["data_unit"] == Number()
    assert "truth" not in GIVEN


BOUND = st.none() | st.floats(-10, 10)


@given(st.floats(), BOUND, BOUND, BOUND, BOUND)
def test_bounds(value: float, low: float | None, above: float | None, high: float | None, below: float | None) -> None:
    expected = (
        not math.isnan(value)
        and (low is None or value >= low)
        and (above is None or value > above)
        and (high is None or value <= high)
        and (below is None or value < below)
    )
    assert within(value, low, above, high, below) == expected
    words = describe_bounds(low, above, high, below)
    assert words.count(",") == max(0, sum(bound is not None for bound in (low, above, high, below)) - 1)


def test_nan_keeps_no_bound() -> None:
    assert not within(math.nan)
    assert within(math.inf)
    assert not within(math.inf, max=1.0)
