"""What a block declares: ports, outputs and kinds, read from annotations and the docstring."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

import pytest

from dipgraph.signatures import REGISTRY, DipgraphError, block
from dipgraph.signatures.block import Signature, parameter_abouts, read_signature
from dipgraph.signatures.ports import (
    FILE,
    INPUTS,
    LOSS,
    OPTIMISER,
    PARAMETERS,
    SETTING,
    STREAM,
    SWITCH,
    LossKind,
    MapKind,
    NetworkKind,
    NumberKind,
    OptimiserKind,
    SwitchKind,
    VectorKind,
    linear_map,
    number,
    vector,
    whole,
    word,
)

Image = Annotated[Any, vector("V")]


def signature(thing: Any, name: str = "family.name", **more: bool) -> Signature:
    return read_signature(
        name, thing, resets=more.get("resets", False), differentiable=more.get("differentiable", True)
    )


def shrink(
    of: Image,
    stream: Annotated[Any, STREAM],
    weight: Annotated[float, number(min=0)] = 1.0,
    kind: Annotated[str, word("a", "b")] = "a",
    for_: Annotated[Any, FILE] = None,
    plain: int = 3,
) -> Image:
    """Shrink an image
    towards nothing.

    Parameters
    ----------
    of : Tensor
        The image,
        of any space.
    weight, kind
        How much, and how.

    Returns
    -------
    Tensor
        The image.
    """


class Stopped(NamedTuple):
    done: Annotated[Any, SWITCH]
    best: Image
    other: int


class Stopper:
    """Stop."""

    state = ("past", "count")

    def __init__(self, setting: Annotated[Any, SETTING], window: Annotated[int, whole(min=2)] = 10) -> None: ...

    def __call__(self, watch: Annotated[Any, vector("X", single=True)]) -> Stopped: ...


class Network:
    """A network."""

    def __init__(self, inputs: Annotated[int, INPUTS], channels: Annotated[int, whole(min=1)] = 8) -> None: ...

    def forward(self, image: Any) -> Any: ...


def test_a_function_is_a_block_without_state() -> None:
    read = signature(shrink)
    assert [port.name for port in read.ports] == ["of", "weight", "kind", "for"]
    assert [port.static for port in read.ports] == [False, False, True, True]
    assert [port.required for port in read.ports] == [True, False, False, False]
    assert [port.about for port in read.ports][:3] == ["The image, of any space.", *["How much, and how."] * 2]
    assert read.injected == (("stream", "stream", False),)
    assert (read.family, read.random, read.pure, read.is_class, read.state) == ("family", True, False, False, ())
    assert read.about == "Shrink an image towards nothing."
    assert [(output.name, output.kind) for output in read.outputs] == [("value", VectorKind("V"))]
    assert read.port("for") is not None
    assert read.port("for_") is None
    assert read.port("plain") is None


def test_a_class_has_settings_state_and_a_tuple_of_outputs() -> None:
    read = signature(Stopper, resets=True)
    assert [(port.name, port.static) for port in read.ports] == [("window", True), ("watch", False)]
    assert read.state == ("past", "count")
    assert read.resets
    assert read.is_class
    assert read.is_tuple
    assert not read.pure
    assert not read.random
    assert [(output.name, type(output.kind)) for output in read.outputs] == [("done", SwitchKind), ("best", VectorKind)]
    assert read.gives(SwitchKind)
    assert not read.gives(VectorKind)


def test_a_class_with_forward_is_a_network() -> None:
    read = signature(Network)
    assert [output.kind for output in read.outputs] == [NetworkKind()]
    assert read.injected == (("inputs", "inputs", True),)


def test_losses_and_optimisers_are_functions() -> None:
    def loss(of: Image) -> Annotated[Any, LOSS]:
        """A loss."""

    def adam(
        groups: Annotated[Any, PARAMETERS], rate: Annotated[Any, number(above=0, per_target=True)] = 1e-3
    ) -> Annotated[Any, OPTIMISER]:
        """An optimiser."""

    assert signature(loss).gives(LossKind)
    read = signature(adam)
    assert read.gives(OptimiserKind)
    assert [port.name for port in read.ports] == ["rate"]
    assert isinstance(read.ports[0].kind, NumberKind)
    assert read.ports[0].kind.per_target


@pytest.mark.parametrize(
    "name", ["", "tv", "Prox.tv", "prox.TV", "prox.", ".tv", "prox.tv.more", "prox tv", "2.a", "prox._a"]
)
def test_names_are_family_and_name(name: str) -> None:
    with pytest.raises(TypeError, match=r"family\.name"):
        signature(shrink, name)


def test_what_a_block_has_to_say() -> None:
    def silent(of: Image) -> None:
        """It does not say what it returns."""

    def undocumented(of: Image) -> Image: ...

    with pytest.raises(TypeError, match="what it returns"):
        signature(silent)
    with pytest.raises(TypeError, match="no docstring"):
        signature(undocumented)


def test_the_decorator_registers_and_returns_the_thing() -> None:
    name = "made_up_for_a_test"
    try:
        assert block(f"test.{name}", differentiable=False)(shrink) is shrink
        assert REGISTRY[f"test.{name}"].make is shrink
        assert not REGISTRY[f"test.{name}"].differentiable
    finally:
        REGISTRY.pop(f"test.{name}", None)


def test_patterns_of_maps_come_through() -> None:
    def make(of: Annotated[Any, linear_map("D", "E")]) -> Annotated[Any, linear_map("E", "D")]:
        """Turn it."""

    assert signature(make).outputs[0].kind == MapKind("E", "D")


def test_abouts_end_with_the_section() -> None:
    abouts = parameter_abouts(shrink)
    assert set(abouts) == {"of", "weight", "kind"}
    assert parameter_abouts(Network) == {}


def test_errors_say_what_where_and_what_to_do() -> None:
    assert str(DipgraphError("wrong", where="a:1:2", remedy="change it")) == "a:1:2: wrong\n  change it"
    assert str(DipgraphError("wrong")) == "wrong"


def test_what_a_verdict_speaks_of_names_ports_that_exist() -> None:
    def stopper(watch: Annotated[float, number()]) -> Annotated[float, number()]:
        """Say something.

        Parameters
        ----------
        watch
            What is watched.
        """
        return watch

    with pytest.raises(TypeError, match=r"stop\.odd has no port wacth"):
        block("stop.odd", score="the size of {wacth}")(stopper)
