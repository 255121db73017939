"""What a name stands for at each place of the text, who reads it, and which names may not be assigned."""

from __future__ import annotations

import keyword
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from dipgraph.language.diagnostics import Abandon, Mark, Report, near
from dipgraph.language.expressions import FUNCTIONS
from dipgraph.language.nodes import Scalar
from dipgraph.language.program import Expression
from dipgraph.signatures.spaces import GIVEN, Map, Network, Number, SpaceName, Switch, Type, Vector, Word

CONSTANTS = frozenset({"true", "false", "null"})
RESERVED = frozenset({"repeat", "minimise", "choose"})


class Unknown(Type):
    """The type of a name whose step has a fault: whatever reads it is left alone."""

    def __str__(self) -> str:
        return "unknown"


@dataclass(eq=False)
class Definition:
    """One assignment of a name: a step's target, a carried name, an index, a network."""

    name: str
    type: Type
    mark: Mark
    sort: Literal["step", "target", "carry", "index", "network"]
    is_read: bool = False


@dataclass(eq=False)
class Body:
    """A body being walked: the names that it assigns further down, and what it fixes from its beginning."""

    sort: Literal["top", "loop", "let"]
    pending: dict[str, Mark]
    carried: Mapping[str, Definition]
    index: str | None = None
    targets: frozenset[str] = frozenset()
    """Of a ``let``: what its minimise trains."""


class Scope:
    """The names in force at one place of the text."""

    def __init__(
        self,
        parameters: Mapping[str, object],
        words: Mapping[str, tuple[str, ...]],
        report: Report,
        broken: frozenset[str] = frozenset(),
    ) -> None:
        self.report = report
        self.parameters = parameters
        self.words = words
        self.broken = broken
        self.names: dict[str, Definition] = {}
        self.in_loops: dict[str, list[Definition]] = {}
        """Assignments inside some loop, by name, for ``track``; those with a fault too."""
        self.bodies: list[Body] = []
        self.given: dict[str, Mark] = {}
        self.channels: dict[str, tuple[int, Mark]] = {}
        self.read_parameters: set[str] = set()
        self.fresh: dict[str, int] = {}
        self.remedy = "move the step up"
        """What to do about a name that is read too early, where no loop could carry it."""

    def define(self, definition: Definition) -> None:
        """Put a name into force; it is pending no longer."""
        self.names[definition.name] = definition
        if self.in_loop:
            self.in_loops.setdefault(definition.name, []).append(definition)
        for body in self.bodies:
            body.pending.pop(definition.name, None)

    @contextmanager
    def body(self, body: Body) -> Iterator[None]:
        """Walk a body; names it assigns are pending until they are. One that never was, its step has a fault."""
        self.bodies.append(body)
        try:
            yield
        finally:
            for name, mark in tuple(body.pending.items()):
                self.define(Definition(name, Unknown(), mark, "step"))
            self.bodies.pop()

    def is_pending(self, name: str) -> bool:
        """Whether a body around this place assigns the name further down."""
        return any(name in body.pending for body in self.bodies)

    @property
    def in_loop(self) -> bool:
        """Whether a loop is around this place."""
        return any(body.sort == "loop" for body in self.bodies)

    def look_up(self, name: str, mark: Mark) -> Expression:
        """The name as an expression, or a fault."""
        for body in reversed(self.bodies):
            if name == body.index:
                break
            if name in body.pending:
                raise self._too_early(name, mark, body)
        found = self.names.get(name)
        if found is not None:
            found.is_read = True
            if isinstance(found.type, Unknown):
                raise Abandon
            return Expression("name", (), found.type, mark, name)
        if name in self.parameters:
            return self._parameter(name, mark)
        if name in self.broken:
            raise Abandon
        if name in GIVEN:
            self.given.setdefault(name, mark)
            return Expression("name", (), GIVEN[name], mark, name)
        known = [*self.names, *self.parameters, *GIVEN, *FUNCTIONS]
        raise self.report.fail("E201", f"nothing is called '{name}'", mark, near(name, known))

    def _too_early(self, name: str, mark: Mark, body: Body) -> Exception:
        line = body.pending[name].line + 1
        if body.sort == "loop":
            message = f"'{name}' is read before line {line} assigns it, and not carried"
            return self.report.fail("E202", message, mark, f"add `carry: {{{name}: ...}}` with its initial value")
        return self.report.fail("E202", f"'{name}' is read before line {line} assigns it", mark, self.remedy)

    def _parameter(self, name: str, mark: Mark) -> Expression:
        self.read_parameters.add(name)
        value = self.parameters[name]
        if name in self.words:
            return Expression("literal", (), Word(self.words[name]), mark, value)
        if isinstance(value, bool | int | float):
            kind = Switch() if isinstance(value, bool) else Number(isinstance(value, int))
            return Expression("literal", (), kind, mark, value)
        raise self.report.fail("E306", f"'{name}' is a file, and a file has no place in a formula", mark)

    def feed(self, network: str, channels: int, mark: Mark) -> None:
        """Note the channels that a network is fed: its first use fixes them."""
        first, place = self.channels.setdefault(network, (channels, mark))
        if first != channels:
            message = f"'{network}' is fed X[{channels}] here, and X[{first}] in line {place.line + 1}"
            self.report.add("E302", message, mark, "a network takes the same number of channels at every use")

    def fresh_label(self, label: str) -> str:
        """A label for fresh spaces that no other step has."""
        self.fresh[label] = self.fresh.get(label, 0) + 1
        return label if self.fresh[label] == 1 else f"{label}#{self.fresh[label]}"

    def refusal(self, key: Scalar) -> str:
        """Why a step may not assign a name here, or the empty string."""
        name = key.name
        if why := refusal(key, (*self.parameters, *self.broken)):
            return why
        if any(name == body.index for body in self.bodies):
            return f"'{key.text}' is the index of the loop and cannot be assigned"
        if any(name in body.targets for body in self.bodies):
            return f"'{key.text}' is a target of this minimise and cannot be assigned in its 'let'"
        return ""

    def changed_from(self, definition: Definition) -> Type | None:
        """What a name began as in a loop that carries it, where this does not fit it."""
        for body in self.bodies:
            begin = body.carried.get(definition.name)
            if begin is not None and not fits(begin.type, definition.type):
                return begin.type
        return None


def fits(begin: Type, end: Type) -> bool:
    """Whether a carried name may go from one type to the other."""
    return (
        begin == end or Unknown in (type(begin), type(end)) or (isinstance(begin, Number) and isinstance(end, Number))
    )


def refusal(key: Scalar, others: Iterable[str] = ()) -> str:
    """Why a name may not be assigned anywhere, or the empty string."""
    name = key.name
    if not key.is_name:
        return f"'{key.text}' is no name"
    if keyword.iskeyword(name) or name in CONSTANTS or name in RESERVED:
        return f"'{name}' is a keyword and cannot be a name" + (": write lam" if name == "lambda" else "")
    if name in FUNCTIONS:
        return f"'{name}' is a function and cannot be assigned"
    if name in GIVEN:
        kinds = {SpaceName: "a space", Map: "a map of the problem"}
        return f"'{name}' is {kinds.get(type(GIVEN[name]), 'given by the problem')} and cannot be assigned"
    if name in others:
        return f"'{name}' is a parameter and cannot be assigned"
    return ""


def is_network(definition: Definition | None) -> bool:
    """Whether a name stands for a network."""
    return definition is not None and isinstance(definition.type, Network)


def is_image(type_: Type) -> bool:
    """Whether a value is a single vector, of any space."""
    return isinstance(type_, Vector) and not type_.space.batched
