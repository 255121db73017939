"""Types of the values a recipe names: numbers, switches, vectors of a space, maps, networks, files.

A vector is an array ``(batch, channels, *grid)`` of the space's grid. ``X`` is the image space, ``Y`` the data space,
``G`` the space of image gradients; blocks may hand out fresh ones (a subset of the data, a coarser grid).
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Space:
    """A vector space: the grid's name, the channels on it, and whether a value is a batch of such vectors."""

    name: str
    channels: int = 1
    batched: bool = False

    def __str__(self) -> str:
        channels = f"[{self.channels}]" if self.channels != 1 else ""
        return f"{self.name}{channels}{'{}' if self.batched else ''}"

    @property
    def member(self) -> Space:
        """The space of one member of a batch."""
        return replace(self, batched=False)

    def batch(self, batched: bool = True) -> Space:
        """The space of batches of such vectors (or of single ones)."""
        return replace(self, batched=batched)


X = Space("X")
Y = Space("Y")
G = Space("G")


class Type:
    """Base of the types below."""


@dataclass(frozen=True)
class Number(Type):
    """A real number, or a whole one."""

    whole: bool = False

    def __str__(self) -> str:
        return "a whole number" if self.whole else "a number"


@dataclass(frozen=True)
class Switch(Type):
    """True or false."""

    def __str__(self) -> str:
        return "a switch"


@dataclass(frozen=True)
class Word(Type):
    """A word from a fixed list; only `choose` and word ports take it."""

    of: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "a word"


@dataclass(frozen=True)
class File(Type):
    """A file named by the user, or none."""

    def __str__(self) -> str:
        return "a file"


@dataclass(frozen=True)
class Vector(Type):
    """A vector of a space."""

    space: Space

    def __str__(self) -> str:
        return str(self.space)


@dataclass(frozen=True)
class Map(Type):
    """A map from one space to another; only a linear one has an adjoint and a norm. Acts on each channel and member."""

    domain: Space
    codomain: Space
    linear: bool = True

    def __str__(self) -> str:
        return f"a {'linear ' if self.linear else ''}map {self.domain} -> {self.codomain}"


@dataclass(frozen=True)
class Network(Type):
    """A network: from an image on any grid, its channels fixed by the first use, to an image on the same grid."""

    def __str__(self) -> str:
        return "a network"


@dataclass(frozen=True)
class SpaceName(Type):
    """The name of a space itself, as in ``zeros(X)``."""

    space: Space

    def __str__(self) -> str:
        return f"the space {self.space}"


@dataclass(frozen=True)
class Opaque(Type):
    """A value that only blocks of the same kind understand (a trajectory of weights, say)."""

    kind: str

    def __str__(self) -> str:
        return f"a {self.kind}"


GIVEN: dict[str, Type] = {
    "X": SpaceName(X),
    "Y": SpaceName(Y),
    "G": SpaceName(G),
    "A": Map(X, Y),
    "y": Vector(Y),
    "fbp": Map(Y, X, linear=False),
    "grad": Map(X, G),
    "data_unit": Number(),
    "noise_level": Number(),
    "counts": Vector(Y),
    "blank": Vector(Y),
    "prior": Vector(X),
}
"""Names that a problem gives; `noise_level`, `counts`, `blank` and `prior` only where the problem has them.

`fbp` may stand for a few steps of conjugate gradients, so that it is no linear map.
"""
