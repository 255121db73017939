"""Single-assignment form: every value is made once, by an operation of one body; a repeat is one operation with a body.

Training is a write: a minimise takes the network it starts from and gives a new version of it, so what reads a network
before or after its training is ordered by the versions alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import networkx as nx

from dipgraph.language.diagnostics import Mark
from dipgraph.language.program import Assign, Call, Minimise, Repeat
from dipgraph.signatures.spaces import Network, Type

Origin = Literal["literal", "given", "network", "carried", "index", "operation"]


@dataclass(eq=False)
class Value:
    """Something that is made once: by the problem, by a loop's entry, or by an operation."""

    name: str
    type: Type
    body: Body
    origin: Origin
    content: Any = None
    """The number of a literal, the name of what the problem gives, the name of a network."""

    def __repr__(self) -> str:
        return f"<{self.name or self.origin}: {self.type}>"


@dataclass(eq=False)
class Operation:
    """One call: of an expression's function, of a block, or of a nested body."""

    sort: Literal["function", "block", "repeat", "minimise"]
    name: str
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    mark: Mark
    order: int
    """The place in the text: ties of the schedule break by it."""
    ports: tuple[str, ...] = ()
    call: Call | None = None
    key: str = ""
    """For a block: what its random stream and its state are known by; unique in the program."""
    loop: Loop | None = None
    training: Training | None = None

    def __repr__(self) -> str:
        return f"<{self.name}: {list(self.inputs)} -> {list(self.outputs)}>"

    @property
    def nested(self) -> Loop | Training | None:
        """What a repeat or a minimise runs."""
        return self.loop or self.training

    @property
    def writes(self) -> tuple[Value, ...]:
        """Networks that the operation trains, as they stood before it: nothing may read these versions afterwards."""
        carried = self.loop.carried if self.loop else self.training.targets if self.training else []
        return tuple(each.begin for each in carried if isinstance(each.begin.type, Network))


@dataclass(eq=False)
class Carried:
    """A name that a loop carries: where it begins, what the body sees, what the body leaves."""

    name: str
    begin: Value
    inside: Value
    end: Value


@dataclass(eq=False)
class Loop:
    """What a repeat runs."""

    step: Repeat
    body: Body
    carried: list[Carried] = field(default_factory=list)
    index: Value | None = None
    until: Value | None = None
    track: Value | None = None
    exports: list[tuple[Value, Value]] = field(default_factory=list)
    """(value of the body, the same after the loop)."""


@dataclass(eq=False)
class Term:
    """A term of a loss."""

    name: str
    value: Value


@dataclass(eq=False)
class Training:
    """What a minimise runs: its body makes the terms, its targets are written."""

    step: Minimise
    body: Body
    targets: list[Carried] = field(default_factory=list)
    terms: list[Term] = field(default_factory=list)
    rates: dict[str, Value] = field(default_factory=dict)
    options: dict[str, Value] = field(default_factory=dict)
    """The optimiser's ports that hold for all targets, and are no settings."""
    exports: list[tuple[Value, Value]] = field(default_factory=list)


@dataclass(eq=False)
class Body:
    """Operations that run once, once an iteration, or once a gradient step."""

    parent: Body | None
    name: str
    operations: list[Operation] = field(default_factory=list)
    """In the order in which they run, once :func:`dipgraph.graph.schedule.schedule` has been."""
    made: dict[Any, tuple[Value, ...]] = field(default_factory=dict)
    """Pure operations by what they compute, so that equal ones are computed once."""

    def __repr__(self) -> str:
        return f"<{self.name}, {len(self.operations)} operations>"

    @property
    def depth(self) -> int:
        """Bodies around this one."""
        return 0 if self.parent is None else self.parent.depth + 1

    def within(self, other: Body) -> bool:
        """Whether this body is the other, or stands inside it."""
        return self is other or (self.parent is not None and self.parent.within(other))

    def bodies(self) -> Iterator[Body]:
        """This body and those inside it."""
        yield self
        for operation in self.operations:
            if operation.nested is not None:
                yield from operation.nested.body.bodies()

    def walk(self) -> Iterator[Operation]:
        """Every operation of this body and those inside it."""
        for body in self.bodies():
            yield from body.operations

    def network(self) -> nx.DiGraph:
        """The body as an acyclic graph: an operation follows what it reads, and a training follows older reads."""
        graph = nx.DiGraph()
        maker = {output: operation for operation in self.operations for output in operation.outputs}
        graph.add_nodes_from(self.operations)
        for operation in self.operations:
            for value in operation.inputs:
                if value in maker:
                    graph.add_edge(maker[value], operation, value=value)
        for writer in self.operations:
            for old in writer.writes:
                readers = [each for each in self.operations if each is not writer and old in each.inputs]
                graph.add_edges_from((reader, writer, {"value": old}) for reader in readers)
        return graph


@dataclass(eq=False)
class Plan:
    """A program in single-assignment form."""

    body: Body
    values: list[Value]
    returns: dict[str, Value]
    epilogue: Body
    """Makes what is returned out of what stands at the end."""
    networks: dict[str, Value]
    given: dict[str, Value]
    lifted: dict[Assign, Body] = field(default_factory=dict)
    """Steps that run further out than they stand, since nothing they read changes in there; and where they run."""
