"""A checked program becomes bodies of operations: names resolved to versions, pure steps lifted out and shared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dipgraph.graph.body import Body, Carried, Loop, Operation, Plan, Term, Training, Value
from dipgraph.graph.schedule import schedule
from dipgraph.language.diagnostics import Mark
from dipgraph.language.program import Assign, Call, Expression, Minimise, Program, Repeat, Step, assigned
from dipgraph.signatures.spaces import GIVEN, Network, Number, Type


def build(program: Program) -> Plan:
    """The program as a plan, each body scheduled."""
    builder = _Builder(program)
    root = builder.root
    builder.steps(program.steps, root)
    epilogue = Body(root, "returns")
    returns = {name: builder.expression(value, epilogue) for name, value in program.returns.items()}
    plan = Plan(root, builder.values, returns, epilogue, builder.networks, builder.given)
    for body in (*root.bodies(), epilogue):
        schedule(body)
    return plan


class _Builder:
    """Walks the program in the order of the text; ``names`` is what each name stands for at that place."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.root = Body(None, "run")
        self.values: list[Value] = []
        self.given: dict[str, Value] = {}
        self.names: dict[str, Value] = {}
        self.networks: dict[str, Value] = {}
        self.keys: dict[str, int] = {}
        self.count = 0
        for name in program.networks:
            self.networks[name] = self.names[name] = self.value(name, Network(), self.root, "network", name)

    def value(self, name: str, type_: Type, body: Body, origin: Any = "operation", content: Any = None) -> Value:
        made = Value(name, type_, body, origin, content)
        self.values.append(made)
        return made

    def operation(
        self,
        sort: Any,
        name: str,
        inputs: Sequence[Value],
        outputs: Sequence[tuple[str, Type]],
        body: Body,
        mark: Mark,
        **more: Any,
    ) -> Operation:
        """A new operation of a body, with fresh outputs."""
        self.count += 1
        made = tuple(self.value(label, type_, body) for label, type_ in outputs)
        operation = Operation(sort, name, tuple(inputs), made, mark, self.count, **more)
        body.operations.append(operation)
        return operation

    def shared(
        self, identity: Any, inputs: Sequence[Value], body: Body, make: Any
    ) -> tuple[Value, ...]:
        """A pure operation: in the outermost body that holds its inputs, and made there once."""
        home = self.root
        for value in inputs:
            if value.body.depth > home.depth:
                home = value.body
        if body.name == "returns" and home is self.root:
            home = body  # what is returned is made at the end, of what then stands
        key = (identity, tuple(id(value) for value in inputs))
        if key not in home.made:
            home.made[key] = make(home).outputs
        return home.made[key]

    def expression(self, expression: Expression, body: Body) -> Value:
        """The value of an expression."""
        op, mark = expression.op, expression.mark
        if op == "literal":
            key = ("literal", type(expression.value), expression.value)
            if key not in self.root.made:
                self.root.made[key] = (self.value("", expression.type, self.root, "literal", expression.value),)
            return self.root.made[key][0]
        if op == "name":
            return self.name(expression.value, expression.type)
        inputs = [self.expression(argument, body) for argument in expression.arguments]
        outputs = [("", expression.type)]
        return self.shared(op, inputs, body, lambda home: self.operation("function", op, inputs, outputs, home, mark))[0]

    def name(self, name: str, type_: Type) -> Value:
        if name in self.names:
            return self.names[name]
        if name not in self.given:
            self.given[name] = self.value(name, GIVEN.get(name, type_), self.root, "given", name)
        return self.given[name]

    def call(self, call: Call, targets: tuple[str, ...], body: Body) -> tuple[Value, ...]:
        """The outputs of a block."""
        signature = call.signature
        ports = tuple(call.ports)
        inputs = [self.expression(call.ports[port], body) for port in ports]
        labels = [targets[i] if i < len(targets) else "" for i in range(len(call.outputs))]
        outputs = list(zip(labels, call.outputs, strict=True))

        def make(home: Body) -> Operation:
            key = self.key(",".join(targets) or signature.name)
            return self.operation("block", signature.name, inputs, outputs, home, call.mark, ports=ports, call=call, key=key)

        if not signature.pure:
            return make(body).outputs
        identity = (signature.name, ports, tuple(sorted((name, repr(value)) for name, value in call.settings.items())))
        return self.shared(identity, inputs, body, make)

    def key(self, name: str) -> str:
        """A key that no other block has: the names it assigns, numbered from the second on."""
        self.keys[name] = self.keys.get(name, 0) + 1
        return name if self.keys[name] == 1 else f"{name}#{self.keys[name]}"

    def steps(self, steps: Sequence[Step], body: Body) -> None:
        for step in steps:
            if isinstance(step, Repeat):
                self.repeat(step, body)
            elif isinstance(step, Minimise):
                self.minimise(step, body)
            else:
                self.assign(step, body)

    def assign(self, step: Assign, body: Body) -> None:
        if isinstance(step.value, Expression):
            made: tuple[Value, ...] = (self.expression(step.value, body),)
        else:
            made = self.call(step.value, step.targets, body)
        for target, value in zip(step.targets, made, strict=False):
            if value.origin == "operation" and not value.name:
                value.name = target
            self.names[target] = value

    def enter(self, steps: Sequence[Step], carry: Mapping[str, Value], inner: Body) -> list[Carried]:
        """Put carried names and trained networks into force inside a body."""
        begins = dict(carry) | {name: self.names[name] for name in trained(steps) if name in self.names}
        carried = []
        for name, begin in begins.items():
            type_ = Number() if isinstance(begin.type, Number) else begin.type
            inside = self.value(name, type_, inner, "carried")
            carried.append(Carried(name, begin, inside, inside))
            self.names[name] = inside
        return carried

    def leave(self, names: Sequence[str], inner: Body, outer: Body) -> list[tuple[Value, Value]]:
        """Names that a body made stand after it; what was lifted out of it stands as it is."""
        exports: dict[int, tuple[Value, Value]] = {}
        for name in names:
            value = self.names[name]
            if value.body.within(inner):
                if id(value) not in exports:
                    exports[id(value)] = (value, self.value(name, value.type, outer))
                self.names[name] = exports[id(value)][1]
        return list(exports.values())

    def repeat(self, step: Repeat, body: Body) -> None:
        begins = {name: self.expression(initial, body) for name, initial in step.carry.items()}
        inner = Body(body, f"repeat:{step.mark.line + 1}")
        loop = Loop(step, inner)
        hidden = self.names.get(step.index) if step.index else None
        loop.carried = self.enter(step.steps, begins, inner)
        if step.index:
            loop.index = self.names[step.index] = self.value(step.index, Number(True), inner, "index")
        self.steps(step.steps, inner)
        if step.until is not None:
            loop.until = self.expression(step.until, inner)
        for carried in loop.carried:
            carried.end = self.names[carried.name]
        track = self.program.track
        if track is not None and track in own(step.steps) | set(step.carry):
            loop.track = self.names[track]
        if step.index:
            del self.names[step.index]
            if hidden is not None:
                self.names[step.index] = hidden
        names = list(dict.fromkeys([*step.carry, *assigned(step.steps), *(c.name for c in loop.carried)]))
        loop.exports = self.leave(names, inner, body)
        inputs = [*free(inner), *(c.begin for c in loop.carried)]
        self.close("repeat", inner.name, inputs, loop.exports, body, step.mark, loop=loop)

    def minimise(self, step: Minimise, body: Body) -> None:
        inner = Body(body, f"minimise:{step.mark.line + 1}")
        training = Training(step, inner)
        training.rates = {name: self.expression(rate, body) for name, rate in step.rates.items()}
        training.options = {name: self.expression(port, body) for name, port in step.optimiser.ports.items()}
        for target in step.targets:
            begin = self.names[target]
            inside = self.value(target, begin.type, inner, "carried")
            training.targets.append(Carried(target, begin, inside, inside))
            self.names[target] = inside
        for line in step.let:
            self.assign(line, inner)
        for term in step.loss:
            training.terms.append(Term(term.signature.name, self.call(term, (), inner)[0]))
        lets = [name for line in step.let for name in line.targets]
        training.exports = self.leave(lets, inner, body)
        inputs = [*free(inner), *(t.begin for t in training.targets), *training.rates.values(), *training.options.values()]
        fresh = []
        for carried in training.targets:
            made = self.value(carried.name, carried.begin.type, body)
            fresh.append((carried.inside, made))
            self.names[carried.name] = made
        training.exports += fresh
        self.close("minimise", inner.name, inputs, training.exports, body, step.mark, training=training)

    def close(
        self,
        sort: Any,
        name: str,
        inputs: Sequence[Value],
        exports: Sequence[tuple[Value, Value]],
        body: Body,
        mark: Mark,
        **more: Any,
    ) -> None:
        """Append the operation that runs a nested body."""
        self.count += 1
        key = self.key(name)
        unique = tuple(dict.fromkeys(inputs))
        outputs = tuple(after for _, after in exports)
        body.operations.append(Operation(sort, name, unique, outputs, mark, self.count, key=key, **more))


def free(body: Body) -> list[Value]:
    """Values that a body reads and that are made outside it."""
    found: dict[Value, None] = {}
    read: list[Value] = []
    for operation in body.operations:
        read += operation.inputs
        for nested in (operation.loop, operation.training):
            if nested is not None:
                read += [inside for inside, _ in nested.exports]
    for value in read:
        if not value.body.within(body) and value.origin not in ("literal",):
            found[value] = None
    return list(found)


def trained(steps: Sequence[Step]) -> list[str]:
    """Networks that a body trains, nested bodies included."""
    names: dict[str, None] = {}
    for step in steps:
        if isinstance(step, Repeat):
            names |= dict.fromkeys(trained(step.steps))
        elif isinstance(step, Minimise):
            pairs = zip(step.targets, step.types, strict=True)
            names |= dict.fromkeys(name for name, type_ in pairs if isinstance(type_, Network))
    return list(names)


def own(steps: Sequence[Step]) -> set[str]:
    """Names that a body assigns itself, nested repeats left out."""
    return set(assigned(tuple(step for step in steps if not isinstance(step, Repeat))))
