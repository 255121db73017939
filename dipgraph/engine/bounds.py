"""Bounds of ports on numbers, and on the entries of vectors, that the recipe's text alone does not settle.

A number that literals, the problem's numbers and loop indices make up is known once the problem is bound: it is
checked before the run, for every iteration. Of the others, what is made once (outside every loop) is checked when it
is made, and a Python number in a loop at each iteration, as are learning rates and whole numbers, which are read on
the host anyway. What else is on the device and changes in a loop is not looked at, since each iteration would wait for
the device: out of bounds it becomes NaN, which ends the run as diverged where it reaches a loss or the tracked image.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dipgraph.engine.functions import FUNCTIONS
from dipgraph.graph import Operation, Plan, Training, Value
from dipgraph.language.diagnostics import Faults, Mark, Report
from dipgraph.signatures.ports import BoundedKind, NumberKind, within
from dipgraph.signatures.spaces import Number, Switch, Vector

MOST_ITERATIONS = 10_000
"""Up to so many iterations all are looked at, beyond that so many among them, the first and the last included."""


@dataclass(frozen=True)
class Demand:
    """What a port asks of a number, or of a vector's entries, wired to it; ``on_host``: it waits for it anyway."""

    port: str
    kind: BoundedKind
    mark: Mark
    on_host: bool = False

    def met(self, number: float) -> bool:
        """Whether the number keeps the bounds."""
        kind = self.kind
        return within(number, kind.min, kind.above, kind.max, kind.below)

    def kept(self, values: Tensor) -> Tensor:
        """The values, on the device: NaN where they do not keep the bounds."""
        bounds = ((self.kind.min, torch.ge), (self.kind.above, torch.gt),
                  (self.kind.max, torch.le), (self.kind.below, torch.lt))  # fmt: skip
        for bound, holds in bounds:
            if bound is not None:
                values = torch.where(holds(values, bound), values, torch.nan)
        return values

    def worst(self, values: Tensor) -> float | None:
        """The first of the values that does not keep the bounds, if any: waits for the device."""
        broken = self.kept(values.double()).isnan()
        return float(values[broken][0]) if bool(broken.any()) else None

    def refusal(self, number: float, when: str = "") -> str:
        """The fault of a number that does not."""
        shown = str(number) if isinstance(number, int) else f"{number:g}"
        return f"'{self.port}' is {shown}{when}; it must be {self.kind}"


Demands = Mapping[Value, Sequence[Demand]]


def demands(plan: Plan) -> dict[Value, list[Demand]]:
    """What ports ask of a plan's values, in the order of the text; literals have been checked with the recipe."""
    found: dict[Value, list[Demand]] = {}
    for operation in plan.body.walk():
        for name, kind, value, mark in _wired(operation):
            is_asked = isinstance(value.type, Number) and isinstance(kind, NumberKind)
            is_asked |= isinstance(value.type, Vector) and isinstance(kind, BoundedKind) and bool(kind.bounds)
            if is_asked and value.origin != "literal":
                on_host = operation.training is not None or getattr(kind, "whole", False)
                found.setdefault(value, []).append(Demand(name, kind, mark, on_host))
    return {value: sorted(asked, key=lambda demand: demand.mark.place) for value, asked in found.items()}


def _wired(operation: Operation) -> Iterator[tuple[str, Any, Value, Mark]]:
    """The ports of a block, or of a minimise's optimiser: name, kind, what is wired there, and its place."""
    if operation.training is not None:
        yield from _optimiser(operation.training)
    elif operation.call is not None:
        for name, value in zip(operation.ports, operation.inputs, strict=True):
            port = operation.call.signature.port(name)
            yield name, port and port.kind, value, operation.call.ports[name].mark


def _optimiser(training: Training) -> Iterator[tuple[str, Any, Value, Mark]]:
    optimiser, rates = training.step.optimiser, training.step.rates
    ports = {port.name: port for port in optimiser.signature.ports}
    each = next((port for port in ports.values() if getattr(port.kind, "per_target", False)), None)
    for name, value in training.rates.items():
        if (port := ports.get(name, each)) is not None:
            yield port.name, port.kind, value, rates[name].mark
    for name, value in training.options.items():
        yield name, ports[name].kind, value, optimiser.ports[name].mark


def check_numbers(plan: Plan, given: Mapping[str, Any], problem: str) -> Demands:
    """Refuse numbers that are known once the problem is, and that have no value or are out of a port's bounds.

    Parameters
    ----------
    plan
        The recipe's plan.
    given
        What the problem gives, by name.
    problem
        The problem's name, for the message.

    Returns
    -------
    Mapping
        What ports ask of the numbers that are not known yet.

    Raises
    ------
    Faults
        Each number once, at the first port that refuses it.
    """
    wanted = demands(plan)
    known = _Known(plan, given)
    report = Report()
    refused: set[Value] = set()
    for indices in known.dependences():
        for at in known.iterations(indices):
            when = "".join(f" at {index.name} = {number}" for index, number in at.items())
            for value, number, error in known.values(indices, at):
                if value in refused:
                    continue
                advice = known.whence(value, problem)
                if error is not None:
                    report.add("E803", f"{error}{when}", known.makers[value].mark, advice)
                    refused.add(value)
                    continue
                for demand in wanted.get(value, ()):
                    if value not in refused and not demand.met(number):
                        report.add("E803", demand.refusal(number, when), demand.mark, advice)
                        refused.add(value)
                if value in known.divisors and number == 0 and value not in refused:
                    report.add("E803", f"the expression divides by zero{when}", known.divisors[value], advice)
                    refused.add(value)
    for value, asked in wanted.items():
        if value.origin == "given" and isinstance(given[value.content], Tensor):
            for demand in asked:
                if (found := demand.worst(given[value.content])) is not None:
                    report.add("E803", demand.refusal(found), demand.mark, f"see '{value.content}' of '{problem}'")
                    break
    report.settle()
    return {value: asked for value, asked in wanted.items() if value not in known.reach}


class _Known:
    """The numbers of a plan that are known before it runs, each with the indices and given names it is made of."""

    def __init__(self, plan: Plan, given: Mapping[str, Any]) -> None:
        self.given = given
        self.makers: dict[Value, Operation] = {}
        self.counts: dict[Value, int] = {}
        self.fixed: dict[Value, Any] = {}
        self.reach: dict[Value, frozenset[Value]] = {}
        """Indices that a known value depends on."""
        self.names: dict[Value, frozenset[str]] = {}
        self.divisors: dict[Value, Mark] = {}
        """Numbers that what is on the device is divided by, and where: there it gives infinities, and no error."""
        for value in plan.values:
            if value.origin == "literal":
                self._leaf(value, value.content)
        for name, value in plan.given.items():
            if not isinstance(given[name], Tensor):
                self._leaf(value, given[name], name)
        for operation in (*plan.body.walk(), *plan.epilogue.walk()):  # makers come before readers
            if operation.loop is not None and (index := operation.loop.index) is not None:
                self.counts[index] = operation.loop.step.count
                self.reach[index], self.names[index] = frozenset({index}), frozenset()
            if operation.sort == "function" and isinstance(operation.outputs[0].type, Number | Switch):
                self._function(operation, operation.outputs[0])
            if operation.sort == "function" and operation.name == "/" and operation.outputs[0] not in self.reach:
                self.divisors.setdefault(operation.inputs[1], operation.mark)

    def _leaf(self, value: Value, content: Any, *names: str) -> None:
        self.fixed[value] = content
        self.reach[value], self.names[value] = frozenset(), frozenset(names)

    def _function(self, operation: Operation, output: Value) -> None:
        if all(value in self.reach for value in operation.inputs):
            self.makers[output] = operation
            self.reach[output] = frozenset[Value]().union(*(self.reach[value] for value in operation.inputs))
            self.names[output] = frozenset[str]().union(*(self.names[value] for value in operation.inputs))

    def dependences(self) -> list[frozenset[Value]]:
        """Each set of indices that some value depends on, the empty one first."""
        return sorted({frozenset(), *self.reach.values()}, key=len)

    def iterations(self, indices: frozenset[Value]) -> Iterator[dict[Value, int]]:
        """Numbers for the indices: every iteration, thinned out where there are very many."""
        order = [index for index in self.counts if index in indices]
        most = max(2, int(MOST_ITERATIONS ** (1 / max(1, len(order)))))
        for numbers in itertools.product(*(_spread(self.counts[index], most) for index in order)):
            yield dict(zip(order, numbers, strict=True))

    def values(self, indices: frozenset[Value], at: Mapping[Value, int]) -> Iterator[tuple[Value, Any, str | None]]:
        """The values that depend on just these indices: the number, or why there is none."""
        now: dict[Value, Any] = {**self.fixed, **at}
        for value in [value for value, reach in self.reach.items() if reach <= indices]:
            error = None
            if value not in now:
                maker = self.makers[value]
                if any(each not in now for each in maker.inputs):
                    continue  # what it is made of has no value
                number, error = _result(maker, [now[each] for each in maker.inputs])
                if error is None:
                    now[value] = number
            if self.reach[value] == indices:
                yield value, now.get(value), error
        if not indices:
            self.fixed = now

    def whence(self, value: Value, problem: str) -> str:
        """The problem's numbers that a value is made of."""
        numbers = {name: self.given[name] for name in sorted(self.names[value])}
        said = [f"{name} is {number:g}" for name, number in numbers.items() if isinstance(number, int | float)]
        return f"{' and '.join(said)} on the problem '{problem}'" if said else ""


def _spread(count: int, most: int) -> list[int]:
    if count <= most:
        return list(range(1, count + 1))
    return [1 + step * (count - 1) // (most - 1) for step in range(most)]


def _result(operation: Operation, inputs: list[Any]) -> tuple[Any, str | None]:
    try:
        return FUNCTIONS[operation.name](*inputs), None
    except ZeroDivisionError:
        return None, "the expression divides by zero"
    except OverflowError:
        return None, "the value is too large"
    except ValueError:
        return None, f"{operation.name}({', '.join(f'{value:g}' for value in inputs)}) has no value"


class Guard:
    """A call that refuses what is out of bounds in a slot; on the device, where it does not wait, it makes it NaN.

    Parameters
    ----------
    slot
        Where the value is.
    asked
        What ports ask of it.
    waits
        Whether a value on the device is looked at: it is too where a port reads it on the host anyway.
    """

    def __init__(self, slot: int, asked: Sequence[Demand], *, waits: bool) -> None:
        self.slot, self.asked = slot, asked
        self.waits = waits or any(demand.on_host for demand in asked)
        self.seen: dict[Demand, Tensor] = {}
        """Whether a value was found out of bounds, on the device."""

    def __call__(self, slots: list[Any]) -> None:
        """Look at what is in the slot."""
        value = slots[self.slot]
        for demand in self.asked:
            if isinstance(value, Tensor) and not self.waits:
                kept = demand.kept(value)
                if kept is not value:
                    new = (kept.isnan() & ~value.isnan()).any()
                    self.seen[demand] = self.seen[demand] | new if demand in self.seen else new
                    slots[self.slot] = value = kept
                continue
            found = demand.worst(value) if isinstance(value, Tensor) else None if demand.met(value) else value
            if found is not None:
                report = Report()
                report.add("E803", demand.refusal(found), demand.mark, "it came up in the run: see what it is made of")
                raise Faults(report.faults)

    def broken(self) -> list[Demand]:
        """What was found not to be kept, without an end of the run there; waits for the device."""
        return [demand for demand, is_broken in self.seen.items() if bool(is_broken)]
