"""A checked recipe, from which the graph is built: choices and parameters settled, names resolved, types known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dipgraph.language.diagnostics import Mark
from dipgraph.signatures.block import Signature
from dipgraph.signatures.spaces import Type


@dataclass(frozen=True, eq=False)
class Expression:
    """A typed expression; ``op`` as in :class:`~dipgraph.language.expressions.Syntax`, parameters are literals."""

    op: str
    arguments: tuple[Expression, ...]
    type: Type
    mark: Mark
    value: Any = None

    def names(self) -> Iterator[str]:
        """Every name that is read."""
        if self.op == "name":
            yield self.value
        for argument in self.arguments:
            yield from argument.names()


@dataclass(frozen=True, eq=False)
class Call:
    """A block with what is wired to its ports: expressions, and settings known before the run."""

    signature: Signature
    ports: Mapping[str, Expression]
    settings: Mapping[str, Any]
    outputs: tuple[Type, ...]
    mark: Mark


@dataclass(frozen=True, eq=False)
class Assign:
    """``a, b: value``; fewer targets than outputs take the first."""

    targets: tuple[str, ...]
    types: tuple[Type, ...]
    value: Expression | Call
    mark: Mark
    label: str


@dataclass(frozen=True, eq=False)
class Minimise:
    """Gradient steps on the sum of loss terms with respect to networks or images."""

    targets: tuple[str, ...]
    types: tuple[Type, ...]
    count: int
    optimiser: Call
    rates: Mapping[str, Expression]
    let: tuple[Assign, ...]
    loss: tuple[Call, ...]
    restart: bool
    mark: Mark
    label: str = "minimise"


@dataclass(frozen=True, eq=False)
class Repeat:
    """A loop: what it carries with initial values, its body, and when it ends early."""

    count: int
    index: str | None
    carry: Mapping[str, Expression]
    steps: tuple[Step, ...]
    until: Expression | None
    every: int
    mark: Mark


Step = Assign | Minimise | Repeat


@dataclass(frozen=True, eq=False)
class Program:
    """A recipe with everything settled."""

    about: str
    cite: tuple[str, ...]
    parameters: Mapping[str, Any]
    networks: Mapping[str, Call]
    inputs: Mapping[str, int]
    """Channels of each network's input, from its first use."""
    steps: tuple[Step, ...]
    track: str | None
    returns: Mapping[str, Expression]
    given: Mapping[str, Mark]
    """Names of the problem that the recipe reads, and where first."""
    places: Mapping[str, Mark]
    """Where each network is declared."""


def assigned(steps: tuple[Step, ...]) -> list[str]:
    """Every name that a body assigns, ``let`` and nested bodies included, in the order of the text."""
    names: dict[str, None] = {}
    for step in steps:
        if isinstance(step, Repeat):
            names |= dict.fromkeys(step.carry) | dict.fromkeys(assigned(step.steps))
        else:
            if isinstance(step, Minimise):
                names |= dict.fromkeys(name for inner in step.let for name in inner.targets)
            names |= dict.fromkeys(step.targets)
    return list(names)
