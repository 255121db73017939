"""The spaces that a signature's patterns stand for in one call: read off the inputs, given to the outputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dipgraph.language.diagnostics import Mark, Report
from dipgraph.language.program import Expression
from dipgraph.signatures.block import Port
from dipgraph.signatures.ports import (
    FieldKind,
    Kind,
    MapKind,
    NetworkKind,
    NumberKind,
    OpaqueKind,
    SpaceKind,
    SwitchKind,
    VectorKind,
)
from dipgraph.signatures.spaces import G, Map, Network, Number, Opaque, Space, SpaceName, Switch, Type, Vector, X, Y

CONSTANT = {"X": X, "Y": Y, "G": G}
"""Patterns that name a space of the problem."""
ADVICE = {
    ("X", "Y"): "fbp(...) and adjoint(A)(...) make an image of data",
    ("Y", "X"): "A(...) makes data of an image",
    ("G", "X"): "grad(...) makes a gradient of an image",
    ("X", "G"): "adjoint(grad)(...) makes an image of a gradient",
}
"""What brings a vector from the space that it is in to the one that is wanted."""


class Match:
    """The spaces of one call."""

    def __init__(self, report: Report, settings: Mapping[str, Any]) -> None:
        self.report, self.settings = report, settings
        self.spaces: dict[str, Space] = dict(CONSTANT)
        self.channels: dict[str, int] = {}
        self.batched = False

    def take(self, port: Port, expression: Expression) -> None:
        """Match the space of an input; a fault leaves the part."""
        kind, type_ = port.kind, expression.type
        if isinstance(kind, VectorKind | FieldKind) and isinstance(type_, Vector):
            if type_.space.batched and isinstance(kind, VectorKind) and kind.single:
                message = f"'{port.name}' takes a single image, and this is a batch"
                advice = "take the mean of the batch first: mean(...)"
                raise self.report.fail("E305", message, expression.mark, advice)
            self.batched |= type_.space.batched
            self._unify(port, kind.pattern, type_.space.member, expression.mark)
        elif isinstance(kind, MapKind) and isinstance(type_, Map):
            if kind.linear and not type_.linear:
                raise self.report.fail("E404", f"'{port.name}' is {kind}, and this is {type_}", expression.mark)
            self._unify(port, kind.domain, type_.domain, expression.mark)
            self._unify(port, kind.codomain, type_.codomain, expression.mark)
        elif isinstance(kind, SpaceKind) and isinstance(type_, SpaceName):
            self._unify(port, kind.pattern, type_.space, expression.mark)

    def _unify(self, port: Port, pattern: str, space: Space, mark: Mark) -> None:
        name, _, channels = pattern.partition("[")
        bare = replace(space, channels=1) if channels else space
        expected = self.spaces.setdefault(name, bare)
        if channels:
            expected = replace(expected, channels=self._channels(channels.rstrip("]"), space.channels))
        if expected != space:
            advice = ADVICE.get((name, space.name), "")  # what another input has set may itself be wrong
            raise self.report.fail("E302", f"'{port.name}' wants {expected} and got {space}", mark, advice)

    def _channels(self, said: str, otherwise: int) -> int:
        if said.isdigit():
            return int(said)
        if said in self.settings:
            return int(self.settings[said])
        return self.channels.setdefault(said, otherwise)

    def space(self, pattern: str, label: str) -> Space:
        """The space that an output's pattern stands for; a fresh one where no input fixed it."""
        name, _, channels = pattern.partition("[")
        space = self.spaces.setdefault(name, Space(f"{name}({label})"))
        return replace(space, channels=self._channels(channels.rstrip("]"), 1)) if channels else space

    def give(self, kind: Kind, label: str) -> Type:
        """The type of an output."""
        if isinstance(kind, FieldKind):
            return Vector(self.space(kind.pattern, label).batch(self.batched))
        if isinstance(kind, SpaceKind):
            return SpaceName(self.space(kind.pattern, label))
        if isinstance(kind, VectorKind):
            space = self.space(kind.pattern, label)
            return Vector(space.batch(not kind.single and (self.batched or kind.batched)))
        if isinstance(kind, MapKind):
            return Map(self.space(kind.domain, label), self.space(kind.codomain, label), kind.linear)
        if isinstance(kind, SwitchKind):
            return Switch()
        if isinstance(kind, NetworkKind):
            return Network()
        if isinstance(kind, OpaqueKind):
            return Opaque(kind.kind)
        return Number(isinstance(kind, NumberKind) and kind.whole)
