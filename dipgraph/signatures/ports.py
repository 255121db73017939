"""What a port of a block takes, or an output gives: the kinds that a block's annotations name.

A pattern names a space: ``X``, ``Y`` and ``G`` are the problem's; any other name stands for whatever space is wired in,
the same wherever it occurs in one signature. An output pattern that no input fixes is a fresh space. ``X[2]`` has two
channels, ``X[channels]`` as many as the setting of that name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Kind:
    """Base of the kinds below."""


@dataclass(frozen=True, kw_only=True)
class BoundedKind(Kind):
    """A kind whose values, or all of their entries, keep bounds."""

    min: float | None = None
    above: float | None = None
    max: float | None = None
    below: float | None = None

    @property
    def bounds(self) -> str:
        """The bounds in words; empty if there are none."""
        return describe_bounds(self.min, self.above, self.max, self.below)


@dataclass(frozen=True)
class VectorKind(BoundedKind):
    """A vector of the space that the pattern names; ``single`` refuses a batch, ``batched``: an output is one."""

    pattern: str
    single: bool = False
    batched: bool = False

    def __str__(self) -> str:
        return f"an image or data vector ({self.pattern})" + (f", {self.bounds}" if self.bounds else "")


@dataclass(frozen=True, kw_only=True)
class NumberKind(BoundedKind):
    """A number within bounds; ``per_target`` also takes a mapping from a minimise's targets to numbers."""

    whole: bool = False
    per_target: bool = False

    def __str__(self) -> str:
        return ("a whole number" if self.whole else "a number") + (f", {self.bounds}" if self.bounds else "")


@dataclass(frozen=True, kw_only=True)
class FieldKind(NumberKind):
    """A number, or a vector of the pattern's space holding one number for each entry."""

    pattern: str = "V"

    def __str__(self) -> str:
        return f"{super().__str__()}, or one for each entry ({self.pattern})"


@dataclass(frozen=True)
class SwitchKind(Kind):
    """True or false."""

    def __str__(self) -> str:
        return "a switch (true or false)"


@dataclass(frozen=True)
class WordKind(Kind):
    """One word from a fixed list."""

    of: tuple[str, ...]

    def __str__(self) -> str:
        return "one of " + ", ".join(self.of)


@dataclass(frozen=True)
class FileKind(Kind):
    """A file of the user's, or none."""

    def __str__(self) -> str:
        return "a file"


@dataclass(frozen=True)
class MapKind(Kind):
    """A map between the spaces that two patterns name."""

    domain: str
    codomain: str
    linear: bool = True

    def __str__(self) -> str:
        return f"a {'linear ' if self.linear else ''}map {self.domain} -> {self.codomain}"


@dataclass(frozen=True)
class NetworkKind(Kind):
    """A network."""

    def __str__(self) -> str:
        return "a network"


@dataclass(frozen=True)
class SpaceKind(Kind):
    """The name of a space."""

    pattern: str

    def __str__(self) -> str:
        return "the name of a space"


@dataclass(frozen=True)
class LossKind(Kind):
    """A term of a minimise's loss."""

    def __str__(self) -> str:
        return "a loss term"


@dataclass(frozen=True)
class OptimiserKind(Kind):
    """An optimiser of a minimise."""

    def __str__(self) -> str:
        return "an optimiser"


@dataclass(frozen=True)
class OpaqueKind(Kind):
    """A value that only blocks of the same kind understand."""

    kind: str

    def __str__(self) -> str:
        return f"a {self.kind}"


@dataclass(frozen=True)
class Injected(Kind):
    """Not a port: what the engine hands to the block by itself."""

    what: str


STREAM = Injected("stream")
"""The step's own random generator (``torch.Generator``); a block that asks for it is random."""
SETTING = Injected("setting")
"""Device, precision and the shapes of the problem's spaces (:class:`dipgraph.blocks.Setting`)."""
INPUTS = Injected("inputs")
"""For a network: the number of channels of its input (``int``)."""
PARAMETERS = Injected("parameters")
"""For an optimiser: the parameter groups, one a target, each with its ``name`` and ``params``."""

LOSS = LossKind()
OPTIMISER = OptimiserKind()
NETWORK = NetworkKind()
SWITCH = SwitchKind()
FILE = FileKind()


def vector(pattern: str, *, single: bool = False, batched: bool = False, **bounds: Any) -> VectorKind:
    """A vector of the space that the pattern names, its entries with ``min``, ``above``, ``max`` or ``below``."""
    return VectorKind(pattern, single, batched, **bounds)


def number(**bounds: Any) -> NumberKind:
    """A number with ``min``, ``above``, ``max`` or ``below``."""
    return NumberKind(**bounds)


def whole(**bounds: Any) -> NumberKind:
    """A whole number with ``min``, ``above``, ``max`` or ``below``."""
    return NumberKind(whole=True, **bounds)


def field(pattern: str = "V", **bounds: Any) -> FieldKind:
    """A number within bounds, or a vector of numbers."""
    return FieldKind(pattern=pattern, **bounds)


def word(*of: str) -> WordKind:
    """One of the given words."""
    return WordKind(of)


def linear_map(domain: str, codomain: str) -> MapKind:
    """A linear map between two spaces."""
    return MapKind(domain, codomain)


def describe_bounds(
    min: float | None = None, above: float | None = None, max: float | None = None, below: float | None = None
) -> str:
    """Bounds in words: ``at least 1, below 2``."""
    said = [("at least", min), ("above", above), ("at most", max), ("below", below)]
    return ", ".join(f"{text} {bound:g}" for text, bound in said if bound is not None)


def within(
    value: float,
    min: float | None = None,
    above: float | None = None,
    max: float | None = None,
    below: float | None = None,
) -> bool:
    """Whether a value keeps the bounds; NaN keeps none."""
    return (
        value == value
        and (min is None or value >= min)
        and (above is None or value > above)
        and (max is None or value <= max)
        and (below is None or value < below)
    )
