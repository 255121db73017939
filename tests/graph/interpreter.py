"""What a recipe means, told twice: by its text, step for step, and by its plan. Values are hashes of what made them.

The first knows nothing of versions, lifting or sharing: names are overwritten as the text says, networks are trained in
place. The second runs a plan as the engine does, on networks that are trained in place as well. Both must agree.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from dipgraph.graph import Body, Plan, Value
from dipgraph.language import Program
from dipgraph.language.program import Assign, Call, Expression, Minimise, Repeat, Step, assigned
from dipgraph.signatures.spaces import Network


class Net:
    """A network: one object, trained in place."""

    def __init__(self, name: str) -> None:
        self.name, self.state = name, hash(("born", name))


def term(*of: Any) -> int:
    """The value that is made of these."""
    return hash(tuple(("net", each.name, each.state) if isinstance(each, Net) else each for each in of))


def literal(value: Any) -> int:
    return term("literal", type(value).__name__, value)


def holds(value: int) -> bool:
    """Whether a value that is used as a switch is true."""
    return value % 3 == 0


def calls(steps: Sequence[Step]) -> Iterator[Call]:
    """Every block that is called, in the order of the text."""
    for step in steps:
        if isinstance(step, Repeat):
            yield from calls(step.steps)
        elif isinstance(step, Minimise):
            yield from calls(step.let)
            yield from step.loss
        elif isinstance(step.value, Call):
            yield step.value


@dataclass
class World:
    """Networks, and what blocks remember; ``count``: calls of each impure block, ``pure``: what else was computed."""

    program: Program
    nets: dict[str, Net] = field(default_factory=dict)
    memory: dict[int, int] = field(default_factory=dict)
    count: dict[int, int] = field(default_factory=dict)
    pure: int = 0
    tracked: list[Any] = field(default_factory=list)
    losses: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.nets = {name: Net(name) for name in self.program.networks}
        self.number = {call: number for number, call in enumerate(calls(self.program.steps))}

    def function(self, op: str, arguments: Sequence[Any]) -> Any:
        if op == "constant":  # stops gradients, and there are none here
            return arguments[0]
        self.pure += 1
        return term(op, *arguments)

    def block(self, call: Call, wires: dict[str, Any]) -> list[Any]:
        number, signature = self.number[call], call.signature
        seen = term(
            signature.name, *sorted(call.settings.items()), *(each for pair in sorted(wires.items()) for each in pair)
        )
        if signature.random:
            seen = term("random", number, self.count.get(number, 0), seen)
        if signature.state:
            seen = self.memory[number] = term("state", self.memory.get(number, 0), seen)
        if signature.pure:
            self.pure += 1
        else:
            self.count[number] = self.count.get(number, 0) + 1
        outputs: list[Any] = [term(seen, place) for place in range(len(call.outputs))]
        for place, type_ in enumerate(call.outputs):
            if isinstance(type_, Network):
                made = Net("made")
                made.state = outputs[place]
                outputs[place] = made
        return outputs

    def forget(self, call: Call) -> None:
        if call.signature.resets:
            self.memory.pop(self.number[call], None)

    def update(self, name: str, old: Any, terms: Sequence[Any], rates: Sequence[Any]) -> Any:
        """What a gradient step makes of a target."""
        if isinstance(old, Net):
            old.state = term("update", name, old.state, *terms, *rates)
            return old
        return term("update", name, old, *terms, *rates)


class ByText:
    """Runs a program as its text reads."""

    def __init__(self, program: Program) -> None:
        self.program, self.world = program, World(program)
        self.names: dict[str, Any] = dict(self.world.nets)
        self.steps(program.steps)
        self.returns = {name: self.value(expression) for name, expression in program.returns.items()}

    def value(self, expression: Expression) -> Any:
        if expression.op == "literal":
            return literal(expression.value)
        if expression.op == "name":
            return self.names.get(expression.value, term("given", expression.value))
        return self.world.function(expression.op, [self.value(argument) for argument in expression.arguments])

    def call(self, call: Call) -> list[Any]:
        return self.world.block(call, {port: self.value(expression) for port, expression in call.ports.items()})

    def assign(self, step: Assign) -> None:
        made = self.call(step.value) if isinstance(step.value, Call) else [self.value(step.value)]
        self.names |= dict(zip(step.targets, made, strict=False))

    def steps(self, steps: Sequence[Step]) -> None:
        for step in steps:
            if isinstance(step, Repeat):
                self.repeat(step)
            elif isinstance(step, Minimise):
                self.minimise(step)
            else:
                self.assign(step)

    def repeat(self, step: Repeat) -> None:
        self.names |= {name: self.value(initial) for name, initial in step.carry.items()}
        hidden = {name: self.names[name] for name in [step.index] if name in self.names}
        for call in calls(step.steps):
            self.world.forget(call)
        own = assigned(tuple(each for each in step.steps if not isinstance(each, Repeat)))
        nested = assigned(tuple(each for each in step.steps if isinstance(each, Repeat)))
        track = self.program.track
        for number in range(1, step.count + 1):
            if step.index:
                self.names[step.index] = literal(number)
            self.steps(step.steps)
            if track in own or (track in step.carry and track not in nested):
                self.world.tracked.append(self.names[track])
            ends = step.until is not None and holds(self.value(step.until))
            if ends and (number % step.every == 0 or number == step.count):
                break
        if step.index:
            del self.names[step.index]
            self.names |= hidden

    def minimise(self, step: Minimise) -> None:
        rates = [self.value(rate) for _, rate in sorted(step.rates.items())]
        rates += [self.value(port) for _, port in sorted(step.optimiser.ports.items())]
        for _ in range(step.count):
            before = {target: self.names[target] for target in step.targets}
            for line in step.let:
                self.assign(line)
            terms = [self.call(each)[0] for each in step.loss]
            self.world.losses.append(terms)
            for target in step.targets:
                self.names[target] = self.world.update(target, before[target], terms, rates)


class ByPlan:
    """Runs a plan as the engine does: operations in their order, values in slots."""

    def __init__(self, program: Program, plan: Plan) -> None:
        self.world = World(program)
        self.slots: dict[Value, Any] = {}
        for value in plan.values:
            if value.origin == "literal":
                self.slots[value] = literal(value.content)
            elif value.origin == "given":
                self.slots[value] = term("given", value.content)
            elif value.origin == "network":
                self.slots[value] = self.world.nets[value.content]
        self.body(plan.body)
        self.body(plan.epilogue)
        self.returns = {name: self.slots[value] for name, value in plan.returns.items()}

    def move(self, pairs: Sequence[tuple[Value, Value]]) -> None:
        values = [self.slots[before] for before, _ in pairs]
        self.slots |= dict(zip([after for _, after in pairs], values, strict=True))

    def body(self, body: Body) -> None:
        for operation in body.operations:
            inputs = [self.slots[value] for value in operation.inputs]
            if operation.loop is not None:
                self.repeat(operation)
            elif operation.training is not None:
                self.minimise(operation)
            elif operation.call is not None:
                made = self.world.block(operation.call, dict(zip(operation.ports, inputs, strict=True)))
                self.slots |= dict(zip(operation.outputs, made, strict=True))
            else:
                self.slots[operation.outputs[0]] = self.world.function(operation.name, inputs)

    def repeat(self, operation: Any) -> None:
        loop, step = operation.loop, operation.loop.step
        self.move([(carried.begin, carried.inside) for carried in loop.carried])
        for inner in loop.body.walk():
            if inner.call is not None:
                self.world.forget(inner.call)
        for number in range(1, step.count + 1):
            if loop.index is not None:
                self.slots[loop.index] = literal(number)
            self.body(loop.body)
            if loop.track is not None:
                self.world.tracked.append(self.slots[loop.track])
            tested = loop.until is not None and (number % step.every == 0 or number == step.count)
            if (tested and holds(self.slots[loop.until])) or number == step.count:
                break
            self.move([(carried.end, carried.inside) for carried in loop.carried])
        self.move(loop.exports)

    def minimise(self, operation: Any) -> None:
        training = operation.training
        rates = [self.slots[value] for _, value in sorted(training.rates.items())]
        rates += [self.slots[value] for _, value in sorted(training.options.items())]
        self.move([(carried.begin, carried.inside) for carried in training.targets])
        targets = [carried.inside for carried in training.targets]
        lets = [pair for pair in training.exports if pair[0] not in targets]
        for _ in range(training.step.count):
            self.body(training.body)
            self.move(lets)
            terms = [self.slots[each.value] for each in training.terms]
            self.world.losses.append(terms)
            made = [self.world.update(c.name, self.slots[c.inside], terms, rates) for c in training.targets]
            self.slots |= dict(zip(targets, made, strict=True))
        self.move([pair for pair in training.exports if pair[0] in targets])


def plainly(value: Any) -> Any:
    """A value, or the state of a network."""
    return value.state if isinstance(value, Net) else value


def told(run: ByText | ByPlan) -> dict[str, Any]:
    """What can be seen of a run: what it returns, logs and trains, and how often each impure block was called."""
    world = run.world
    return {
        "returns": {name: plainly(value) for name, value in run.returns.items()},
        "networks": {name: net.state for name, net in world.nets.items()},
        "tracked": world.tracked,
        "losses": world.losses,
        "calls": world.count,
    }
