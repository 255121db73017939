"""Made-up blocks without torch, and recipes read against them: what the graph's tests are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from textwrap import dedent, indent
from typing import Annotated, Any, NamedTuple

from dipgraph.graph import Plan, build
from dipgraph.language import Program, read_recipe, settle_recipe
from dipgraph.language.diagnostics import Source
from dipgraph.signatures.block import Signature, read_signature
from dipgraph.signatures.ports import (
    FILE,
    INPUTS,
    LOSS,
    NETWORK,
    OPTIMISER,
    PARAMETERS,
    STREAM,
    SWITCH,
    linear_map,
    number,
    vector,
    whole,
    word,
)

Image = Annotated[Any, vector("X")]
Any_ = Annotated[Any, vector("V")]
Number = Annotated[Any, number()]
Rate = Annotated[Any, number(above=0, per_target=True)]
Whole = Annotated[int, whole(min=1)]
Stream = Annotated[Any, STREAM]

SIGNATURES: dict[str, Signature] = {}


def block(name: str, *, resets: bool = False, differentiable: bool = True) -> Callable[[Any], Any]:
    """Declare a made-up block, out of the package's own registry."""

    def declare(thing: Any) -> Any:
        thing.__doc__ = "Made up."
        SIGNATURES[name] = read_signature(name, thing, resets=resets, differentiable=differentiable)
        return thing

    return declare


@block("network.unet")
class Unet:
    def __init__(self, inputs: Annotated[int, INPUTS], channels: Whole = 32, scales: Whole = 5) -> None: ...

    def forward(self) -> None: ...


@block("network.copy")
def copy(of: Annotated[Any, NETWORK]) -> Annotated[Any, NETWORK]: ...


@block("weights.size")
def size(of: Annotated[Any, NETWORK]) -> Number: ...


@block("input.noise")
def noise(stream: Stream, std: Number = 0.1) -> Image: ...


@block("input.grid")
def grid() -> Annotated[Any, vector("X[2]")]: ...


@block("input.perturb")
def perturb(
    stream: Stream,
    of: Any_,
    amplitude: Number = 1.0,
    samples: Number = 1,
    law: Annotated[str, word("uniform", "normal")] = "normal",
) -> Annotated[Any, vector("V", batched=True)]: ...


@block("input.jitter")
def jitter(stream: Stream, of: Any_) -> Any_: ...


@block("fidelity.l2")
def fidelity(of: Any_, to: Any_, weight: Number = 1.0) -> Annotated[Any, LOSS]: ...


@block("penalty.l2")
def penalty(of: Any_, weight: Number = 1.0) -> Annotated[Any, LOSS]: ...


@block("denoise.own", differentiable=False)
def own(of: Any_, sigma: Number) -> Any_: ...


@block("denoise.tv", differentiable=False)
def denoise_tv(of: Any_, sigma: Number) -> Any_: ...


@block("denoise.dncnn", differentiable=False)
class Dncnn:
    def __init__(self, weights: Annotated[Any, FILE] = None) -> None: ...

    def __call__(self, of: Any_, sigma: Number) -> Any_: ...


@block("prox.tv", differentiable=False)
class ProxTv:
    state = ("dual",)

    def __call__(self, of: Any_, weight: Number = 1.0) -> Any_: ...


class Pair(NamedTuple):
    image: Any_
    level: Number


@block("split.pair")
def pair(of: Any_) -> Pair: ...


class Part(NamedTuple):
    map: Annotated[Any, linear_map("D", "R")]
    data: Annotated[Any, vector("R")]


@block("subset.next")
def subset(
    stream: Stream, of: Annotated[Any, linear_map("D", "C")], data: Annotated[Any, vector("C")], count: Whole = 2
) -> Part: ...


@block("average.ema", resets=True)
class Average:
    state = ("mean",)

    def __init__(self, decay: Number = 0.9) -> None: ...

    def __call__(self, of: Any_) -> Any_: ...


class Stopped(NamedTuple):
    done: Annotated[Any, SWITCH]
    best: Any_


@block("stop.variance", resets=True)
class Variance:
    state = ("past",)

    def __init__(self, window: Whole = 10, patience: Whole = 10) -> None: ...

    def __call__(self, watch: Any_) -> Stopped: ...


@block("stop.flat", resets=True)
class Flat:
    state = ("past",)

    def __init__(self, patience: Whole = 10) -> None: ...

    def __call__(self, watch: Number) -> Annotated[Any, SWITCH]: ...


@block("optimiser.adam")
def adam(groups: Annotated[Any, PARAMETERS], rate: Rate = 1e-3) -> Annotated[Any, OPTIMISER]: ...


HEAD = "recipe: 1\nnetworks: {f: {network.unet: {}}, g: {network.unet: {channels: 8}}}\n"
TAIL = "track: x\nreturns: {image: x}\n"


def steps(text: str, *, head: str = HEAD, tail: str = TAIL) -> str:
    """A recipe of the given steps; networks f and g, tracking and returning x unless said otherwise."""
    return f"{head}steps:\n{indent(dedent(text).strip(), '  ')}\n{tail}"


def program(text: str, signatures: Mapping[str, Signature] = SIGNATURES) -> Program:
    """The program that a recipe's text is."""
    return settle_recipe(read_recipe(Source("made_up.yaml", text)), signatures)


def plan(text: str) -> Plan:
    """The plan of a recipe's text."""
    return build(program(text))


def training(target: str = "f", let: str = "x: f(z)", of: str = "A(x)", to: str = "y", more: str = "") -> str:
    """One line of a recipe: a minimise."""
    loss = ", ".join([f"fidelity.l2: {{of: {of}, to: {to}}}", *([more] if more else [])])
    return f"{target}: {{minimise: {{optimiser: {{adam: {{}}}}, let: [{let}], loss: [{loss}]}}}}"
