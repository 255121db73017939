"""Blocks without an implementation, recipes around a few steps, and faults expected at marks in the text.

``<<E301>>`` in a text stands before the character where a check has to find that fault::

    expect(steps("- u: x + <<E301>>y"))
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from textwrap import dedent, indent
from typing import Annotated, Any, NamedTuple

from dipgraph.language import Fault, Faults, Program, Recipe, Setting, Source, check, read_recipe, settle_recipe
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
    OpaqueKind,
    SpaceKind,
    field,
    linear_map,
    number,
    vector,
    whole,
    word,
)

MADE_UP: dict[str, Signature] = {}
"""The blocks that tests know."""
EVERYTHING: dict[str, Signature] = {}
"""These, and those that only the sketches use."""

Vector = Annotated[Any, vector("V")]
Single = Annotated[Any, vector("V", single=True)]
Image = Annotated[Any, vector("X")]
Number = Annotated[Any, number()]
Weight = Annotated[Any, number(min=0)]
Whole = Annotated[Any, whole(min=1)]
Rate = Annotated[Any, number(above=0, per_target=True)]
Stream = Annotated[Any, STREAM]
Loss = Annotated[Any, LOSS]
Optimiser = Annotated[Any, OPTIMISER]
Trajectory = Annotated[Any, OpaqueKind("trajectory")]


def block(name: str, *, known: bool = True, resets: bool = False, differentiable: bool = True) -> Callable[[Any], Any]:
    """Declare a made-up block, outside the package's own registry."""

    def declare(thing: Any) -> Any:
        thing.__doc__ = thing.__doc__ or "Made up."
        EVERYTHING[name] = read_signature(name, thing, resets=resets, differentiable=differentiable)
        if known:
            MADE_UP[name] = EVERYTHING[name]
        return thing

    return declare


@block("network.unet")
class Unet:
    def __init__(self, inputs: Annotated[int, INPUTS], channels: Whole = 32, scales: Whole = 5) -> None: ...

    def forward(self) -> None: ...


@block("network.decoder", known=False)
class Decoder:
    def __init__(self, inputs: Annotated[int, INPUTS], channels: Whole = 64, layers: Whole = 5) -> None: ...

    def forward(self) -> None: ...


@block("network.subspace", known=False)
def subspace(of: Annotated[Any, NETWORK], along: Trajectory, rank: Number, keep: Number) -> Annotated[Any, NETWORK]: ...


@block("input.noise")
class Noise:
    def __init__(
        self,
        law: Annotated[str, word("normal", "uniform")] = "normal",
        std: Weight = 0.1,
        high: Weight = 0.1,
        channels: Whole = 1,
    ) -> None: ...

    def __call__(
        self, stream: Stream, for_: Annotated[Any, NETWORK] = None
    ) -> Annotated[Any, vector("X[channels]")]: ...


@block("input.grid")
def grid() -> Annotated[Any, vector("X[2]")]: ...


@block("input.perturb")
def perturb(
    stream: Stream,
    of: Single,
    amplitude: Weight,
    samples: Whole = 1,
    law: Annotated[str, word("uniform", "normal")] = "uniform",
) -> Annotated[Any, vector("V", batched=True)]: ...


@block("sample.images")
def samples(stream: Stream, count: Whole = 4) -> Annotated[Any, vector("X", batched=True)]: ...


class Sampled(NamedTuple):
    truths: Annotated[Any, vector("X", batched=True)]
    scans: Annotated[Any, vector("Y", batched=True)]


@block("sample.ellipses", known=False)
def ellipses(stream: Stream, of: Annotated[Any, linear_map("X", "Y")], samples: Whole, noise: Number) -> Sampled: ...


@block("snapshots.collect", known=False)
class Collect:
    state = ("taken",)

    def __init__(self, every: Whole = 1) -> None: ...

    def __call__(self, of: Annotated[Any, NETWORK]) -> Trajectory: ...


@block("trail.begin")
def begin(of: Annotated[Any, NETWORK]) -> Trajectory: ...


@block("trail.other")
def other(of: Annotated[Any, NETWORK]) -> Annotated[Any, OpaqueKind("diary")]: ...


@block("trail.end")
def end(of: Trajectory) -> Image: ...


@block("network.copy")
def copy(of: Annotated[Any, NETWORK]) -> Annotated[Any, NETWORK]: ...


@block("fidelity.l2")
def fidelity(of: Vector, to: Vector, weight: Weight = 1.0) -> Loss: ...


@block("fidelity.poisson")
def poisson(
    of: Vector, counts: Vector, blank: Annotated[Any, field("V", above=0)], unit: Number = 1.0, weight: Weight = 1.0
) -> Loss: ...


@block("penalty.l2")
def penalty(of: Vector, weight: Weight = 1.0) -> Loss: ...


@block("penalty.tv")
def total_variation(
    of: Vector, weight: Weight = 1.0, kind: Annotated[str, word("isotropic", "anisotropic")] = "isotropic"
) -> Loss: ...


@block("penalty.flat", differentiable=False)
def flat(of: Vector, weight: Weight = 1.0) -> Loss: ...


@block("prox.tv", differentiable=False)
class ProxTv:
    state = ("dual",)

    def __init__(self, tolerance: Annotated[float, number(above=0, below=1)] = 1e-4) -> None: ...

    def __call__(self, of: Vector, weight: Weight = 1.0) -> Vector: ...


@block("prox.l21")
def prox_l21(of: Vector, weight: Annotated[Any, field("W", min=0)]) -> Vector: ...


@block("prox.nonnegative")
def nonnegative(of: Vector) -> Vector: ...


@block("project.ball")
def ball(of: Vector, radius: Number) -> Vector: ...


@block("project.pointwise")
def pointwise(of: Vector, radius: Number) -> Vector: ...


@block("denoise.tv", differentiable=False)
def denoise_tv(of: Vector, sigma: Number) -> Vector:
    """Total variation as a denoiser.

    Parameters
    ----------
    of
        What is denoised.
    sigma
        Standard deviation of the noise.
    """


@block("denoise.own", known=False, differentiable=False)
def denoise_own(of: Vector, sigma: Number) -> Vector: ...


@block("denoise.nlm", known=False, differentiable=False)
def denoise_nlm(of: Vector, sigma: Number) -> Vector: ...


@block("denoise.dncnn", differentiable=False)
def denoise_dncnn(of: Vector, sigma: Number, weights: Annotated[Any, FILE] = None) -> Vector: ...


@block("noise.estimate")
def estimate(of: Vector) -> Number: ...


@block("weights.adaptive")
def adaptive(of: Vector, residual: Annotated[Any, vector("W")], floor: Number) -> Number: ...


@block("weights.entries")
def entries(of: Vector) -> Annotated[Any, field("V")]: ...


class Sirt(NamedTuple):
    columns: Annotated[Any, linear_map("D", "D")]
    rows: Annotated[Any, linear_map("E", "E")]


@block("weights.sirt")
def sirt(of: Annotated[Any, linear_map("D", "E")]) -> Sirt: ...


class Subset(NamedTuple):
    operator: Annotated[Any, linear_map("D", "R")]
    data: Annotated[Any, vector("R")]


@block("subset.next")
class Next:
    state = ("position",)

    def __init__(self, count: Whole = 2, order: Annotated[str, word("random", "golden")] = "random") -> None: ...

    def __call__(
        self, stream: Stream, of: Annotated[Any, linear_map("D", "C")], data: Annotated[Any, vector("C")]
    ) -> Subset: ...


class Split(NamedTuple):
    kept: Annotated[Any, linear_map("S", "K")]
    held: Annotated[Any, linear_map("S", "L")]


@block("rays.split")
def split(
    stream: Stream, of: Annotated[Any, SpaceKind("S")], hold: Annotated[Any, number(above=0, below=1)]
) -> Split: ...


class Coarse(NamedTuple):
    operator: Annotated[Any, linear_map("Q", "E")]
    up: Annotated[Any, linear_map("Q", "D")]
    down: Annotated[Any, linear_map("D", "Q")]


@block("grid.coarsen")
def coarsen(of: Annotated[Any, linear_map("D", "E")], factor: Number) -> Coarse: ...


@block("average.ema", resets=True)
class Average:
    state = ("mean",)

    def __init__(
        self,
        decay: Annotated[float, number(min=0, below=1)] = 0.9,
        start: Annotated[str, word("corrected", "first")] = "corrected",
    ) -> None: ...

    def __call__(self, of: Single) -> Vector: ...


class Stop(NamedTuple):
    done: Annotated[Any, SWITCH]
    best: Vector


@block("stop.variance", resets=True)
class Variance:
    state = ("past",)

    def __init__(self, window: Annotated[int, whole(min=2)] = 10, patience: Whole = 10) -> None: ...

    def __call__(self, watch: Single) -> Stop: ...


@block("stop.rise", resets=True)
class Rise:
    state = ("past",)

    def __init__(self, patience: Whole = 10) -> None: ...

    def __call__(self, watch: Number, keep: Vector) -> Stop: ...


@block("stop.flat", resets=True)
class Flat:
    state = ("past",)

    def __init__(self, patience: Whole = 10, strict: Annotated[bool, SWITCH] = False) -> None: ...

    def __call__(self, watch: Number) -> Annotated[Any, SWITCH]: ...


@block("optimiser.adam")
def adam(groups: Annotated[Any, PARAMETERS], rate: Rate = 1e-3) -> Optimiser: ...


@block("optimiser.sgd")
def sgd(groups: Annotated[Any, PARAMETERS], rate: Rate = 1e-3) -> Optimiser: ...


@block("optimiser.lbfgs", known=False)
def lbfgs(groups: Annotated[Any, PARAMETERS], history: Whole = 10) -> Optimiser: ...


HEAD = "networks: {f: {network.unet: {}}}\n"
TAIL = "track: x\nreturns: {image: x}\n"
VANILLA = """
- z: {input.noise: {}}
- repeat:
    count: 5
    steps:
      - f:
          minimise:
            optimiser: {adam: {}}
            let: [x: f(z)]
            loss: [fidelity.l2: {of: A(x), to: y}]
"""
"""Steps that are right, to put others after."""


def steps(text: str, *, head: str = "", tail: str = TAIL) -> str:
    """A recipe of the given steps; it tracks and returns x unless said otherwise."""
    return f"recipe: 1\n{head}steps:\n{indent(dedent(text).strip(), '  ')}\n{tail}"


def loop(text: str, *, count: str = "5", more: str = "", head: str = "", tail: str = TAIL) -> str:
    """A recipe of one loop over the given steps."""
    body = indent(dedent(text).strip(), "      ")
    return steps(
        f"- repeat:\n    count: {count}\n{indent(dedent(more), '    ')}    steps:\n{body}\n", head=head, tail=tail
    )


def after(text: str, *, head: str = "", returns: str = "") -> str:
    """A recipe that is right, with the given steps after it, and what else is returned: ``u``, if they assign it."""
    returns = returns or ("u" if re.search(r"\bu\b[^{]*:", text) else "")
    tail = f"track: x\nreturns: {{image: x{f', u: {returns}' if returns else ''}}}\n"
    return steps(VANILLA.strip() + "\n" + dedent(text).strip(), head=HEAD + head, tail=tail)


def training(target: str = "f", let: str = "x: f(z)", of: str = "A(x)", to: str = "y", more: str = "") -> str:
    """One line of a recipe: a minimise."""
    return (
        f"- {target}: {{minimise: {{optimiser: {{adam: {{}}}}, let: [{let}],"
        f" loss: [fidelity.l2: {{of: {of}, to: {to}}}]{more}}}}}"
    )


def read(text: str) -> Recipe:
    """The recipe that a text is."""
    return read_recipe(Source("r", text))


def program(
    text: str,
    preset: str | None = None,
    settings: Sequence[str] = (),
    signatures: Mapping[str, Signature] = EVERYTHING,
) -> Program:
    """The program that a text is."""
    return settle_recipe(read(text), signatures, preset, [Setting.read(setting) for setting in settings])


def faults(
    text: str,
    preset: str | None = None,
    settings: Sequence[str] = (),
    signatures: Mapping[str, Signature] = MADE_UP,
) -> list[Fault]:
    """What a check finds in a text, also where it is no YAML."""
    try:
        return check(read(text), signatures, preset, [Setting.read(setting) for setting in settings])
    except Faults as found:
        return found.faults


def codes(text: str, preset: str | None = None, settings: Sequence[str] = ()) -> list[str]:
    """The codes of the faults in a text."""
    return [fault.code for fault in faults(text, preset, settings)]


def marked(text: str) -> tuple[str, list[tuple[str, int, int]]]:
    """The text without its marks, and the code, line and column that each mark stands for."""
    expected: list[tuple[str, int, int]] = []
    clean = ""
    for part in re.split(r"(<<[EW]\d+>>)", text):
        if found := re.fullmatch(r"<<([EW]\d+)>>", part):
            lines = re.split(r"\r\n|[\n\r\x85\u2028\u2029]", clean)
            expected.append((found[1], len(lines), len(lines[-1]) + 1))
        else:
            clean += part
    return clean, expected


def expect(text: str, *said: str, preset: str | None = None, settings: Sequence[str] = ()) -> list[Fault]:
    """Assert that a check finds exactly the marked faults, and that what it says holds each given phrase."""
    clean, expected = marked(text)
    found = faults(clean, preset, settings)
    shown = "\n".join(fault.render() for fault in found)
    places = [(fault.code, fault.mark.line + 1, fault.mark.column + 1) for fault in found]
    assert places == sorted(expected, key=lambda each: each[1:]), f"{shown or 'no fault'}\n{clean}"
    for phrase in said:
        assert phrase in shown, shown
    return found
