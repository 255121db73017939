"""What a name stands for at each place of the text, who reads it, and which names may not be assigned."""

from __future__ import annotations

import keyword
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from dipgraph.language.diagnostics import Abandon, Mark, Report, near
from dipgraph.language.document import Scalar
from dipgraph.language.expressions import FUNCTIONS
from dipgraph.language.program import Expression
from dipgraph.signatures.spaces import GIVEN, Map, Network, Number, SpaceName, Switch, Type, Word

WORDS = frozenset({"true", "false"})


class Unknown(Type):
    """The type of a name whose step has a fault: whatever reads it is left alone."""

    def __str__(self) -> str:
        return "unknown"


@dataclass(eq=False)
class Definition:
    """One assignment of a name: a step's target, a carried name, a parameter, a network."""

    name: str
    type: Type
    mark: Mark
    sort: str
    is_read: bool = False
    feeds: list[Definition] = field(default_factory=list)
    """Definitions that are read where this one is: the end of a loop's body for a carried name."""

    def read(self) -> None:
        """Note that something reads this definition."""
        if not self.is_read:
            self.is_read = True
            for other in self.feeds:
                other.read()


@dataclass(eq=False)
class Body:
    """A body being walked: the names that it assigns further down."""

    pending: dict[str, Mark]
    sort: Literal["top", "loop", "let"]


class Scope:
    """The names in force at one place of the text."""

    def __init__(self, parameters: Mapping[str, object], words: Mapping[str, tuple[str, ...]], report: Report) -> None:
        self.report = report
        self.parameters = parameters
        self.words = words
        self.names: dict[str, Definition] = {}
        self.bodies: list[Body] = []
        self.given: dict[str, Mark] = {}
        self.channels: dict[str, tuple[int, Mark]] = {}
        self.read_parameters: set[str] = set()

    def define(self, definition: Definition) -> None:
        """Put a name into force; it is pending no longer."""
        self.names[definition.name] = definition
        for body in self.bodies:
            body.pending.pop(definition.name, None)

    @contextmanager
    def body(self, pending: Mapping[str, Mark], sort: Literal["top", "loop", "let"]) -> Iterator[None]:
        """Walk a body; names it assigns are pending until they are."""
        self.bodies.append(Body(dict(pending), sort))
        try:
            yield
        finally:
            self.bodies.pop()

    def look_up(self, name: str, mark: Mark) -> Expression:
        """The name as an expression, or a fault."""
        for body in reversed(self.bodies):
            if name in body.pending:
                line = body.pending[name].line + 1
                advice = f"add `carry: {{{name}: ...}}` with its initial value" if body.sort == "loop" else "move the step up"
                carried = " and not carried" if body.sort == "loop" else ""
                raise self.report.fail("E202", f"'{name}' is read before line {line} assigns it{carried}", mark, advice)
        found = self.names.get(name)
        if found is not None:
            found.read()
            if isinstance(found.type, Unknown):
                raise Abandon
            return Expression("name", (), found.type, mark, name)
        if name in self.parameters:
            self.read_parameters.add(name)
            value = self.parameters[name]
            if name in self.words:
                return Expression("literal", (), Word(self.words[name]), mark, value)
            if isinstance(value, bool | int | float):
                kind = Switch() if isinstance(value, bool) else Number(isinstance(value, int))
                return Expression("literal", (), kind, mark, value)
            raise self.report.fail("E306", f"'{name}' is a file, and a file has no place in a formula", mark)
        if name in GIVEN:
            self.given.setdefault(name, mark)
            return Expression("name", (), GIVEN[name], mark, name)
        known = [*self.names, *self.parameters, *GIVEN, *FUNCTIONS]
        raise self.report.fail("E201", f"nothing is called '{name}'", mark, near(name, known))

    def feed(self, network: str, channels: int, mark: Mark) -> None:
        """Note the channels that a network is fed: its first use fixes them."""
        first, place = self.channels.setdefault(network, (channels, mark))
        if first != channels:
            message = f"'{network}' is fed X[{channels}] here, and X[{first}] in line {place.line + 1}"
            self.report.add("E302", message, mark, "a network takes the same number of channels at every use")


def refusal(key: Scalar, others: Iterable[str] = ()) -> str:
    """Why a name may not be assigned, or the empty string."""
    name = key.name
    if not key.is_name:
        return f"'{key.text}' is no name"
    if keyword.iskeyword(name) or name in WORDS:
        advice = {"lambda": ": write lam"}.get(name, "")
        return f"'{name}' is a keyword and cannot be a name{advice}"
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
