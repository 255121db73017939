"""A checked program becomes bodies of operations: names resolved to versions, pure steps lifted out and shared."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from dipgraph.graph.body import Body, Carried, Loop, Operation, Plan, Term, Training, Value
from dipgraph.graph.schedule import schedule
from dipgraph.language.diagnostics import Mark
from dipgraph.language.program import Assign, Call, Expression, Minimise, Program, Repeat, Step, assigned
from dipgraph.signatures.spaces import GIVEN, Network, Number, Type, Vector, X


def build(program: Program) -> Plan:
    """The program as a plan, each body scheduled."""
    builder = _Builder(program)
    root = builder.root
    builder.steps(program.steps, root)
    epilogue = Body(root, "returns")
    made = {name: builder.expression(program.returns[name], epilogue) for name in sorted(program.returns)}
    returns = {name: made[name] for name in program.returns}
    plan = Plan(root, builder.values, returns, epilogue, builder.networks, builder.given, builder.lifted)
    for body in (*root.bodies(), epilogue):
        schedule(body)
    return plan


class _Builder:
    """Walks the program in the order of the text; ``names`` is what each name stands for at that place.

    Mappings (carried names, rates, returns) are walked in the order of their names, so that shuffling one in the recipe
    changes nothing.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.root = Body(None, "run")
        self.values: list[Value] = []
        self.given: dict[str, Value] = {}
        self.names: dict[str, Value] = {}
        self.networks: dict[str, Value] = {}
        self.lifted: dict[Assign, Body] = {}
        self.keys: dict[str, int] = {}
        self.count = 0
        for name in sorted(program.networks):
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
        self, identity: Any, inputs: Sequence[Value], body: Body, make: Callable[[Body], Operation]
    ) -> tuple[Value, ...]:
        """A pure operation: in the outermost body that holds its inputs, and made there once."""
        home = self.root
        for value in inputs:
            if value.body.depth > home.depth:
                home = value.body
        assert body.within(home), "a body reads what stands around it, never what stands in a body that it left"
        if body.name == "returns" and home is self.root:
            home = body  # what is returned is made at the end, of what then stands
        key = (identity, tuple(id(value) for value in inputs))
        if key not in home.made:
            home.made[key] = make(home).outputs
        return home.made[key]

    def function(self, op: str, inputs: Sequence[Value], type_: Type, body: Body, mark: Mark) -> Value:
        """The value of an expression's function."""
        return self.shared(
            op, inputs, body, lambda home: self.operation("function", op, inputs, [("", type_)], home, mark)
        )[0]

    def expression(self, expression: Expression, body: Body) -> Value:
        """The value of an expression."""
        if expression.op == "literal":
            key = ("literal", type(expression.value), repr(expression.value))
            if key not in self.root.made:
                self.root.made[key] = (self.value("", expression.type, self.root, "literal", expression.value),)
            return self.root.made[key][0]
        if expression.op == "name":
            return self.name(expression.value, expression.type)
        inputs = [self.expression(argument, body) for argument in expression.arguments]
        return self.function(expression.op, inputs, expression.type, body, expression.mark)

    def name(self, name: str, type_: Type) -> Value:
        if name in self.names:
            return self.names[name]
        if name not in self.given:
            self.given[name] = self.value(name, GIVEN.get(name, type_), self.root, "given", name)
        return self.given[name]

    def call(self, call: Call, targets: tuple[str, ...], body: Body) -> tuple[Value, ...]:
        """The outputs of a block."""
        signature, ports = call.signature, tuple(call.ports)
        inputs = [self.expression(call.ports[port], body) for port in ports]
        labels = [targets[i] if i < len(targets) else "" for i in range(len(call.outputs))]
        outputs = list(zip(labels, call.outputs, strict=True))

        def make(home: Body) -> Operation:
            key = self.key(",".join(targets) if targets and signature.random else signature.name)
            more = {"ports": ports, "call": call, "key": key}
            return self.operation("block", signature.name, inputs, outputs, home, call.mark, **more)

        if not signature.pure or any(isinstance(type_, Network) for type_ in call.outputs):
            return make(body).outputs  # a network is trained in place: two steps never hand out one
        identity = (signature.name, ports, tuple(sorted((name, repr(value)) for name, value in call.settings.items())))
        return self.shared(identity, inputs, body, make)

    def key(self, name: str) -> str:
        """A key that nothing else has: a random step's is the names it assigns; numbered from the second on."""
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
            is_made = step.value.op not in ("name", "literal")
        else:
            made = self.call(step.value, step.targets, body)
            is_made = True
        if is_made and made[0].body is not body:
            self.lifted[step] = made[0].body
        for target, value in zip(step.targets, made, strict=False):
            if value.origin == "operation" and not value.name:
                value.name = target
            self.names[target] = value

    def enter(self, carry: Mapping[str, Value], inner: Body) -> list[Carried]:
        """Put names that a body writes into force inside it."""
        carried = []
        for name, begin in carry.items():
            type_ = Number() if isinstance(begin.type, Number) else begin.type
            inside = self.value(name, type_, inner, "carried")
            carried.append(Carried(name, begin, inside, inside))
            self.names[name] = inside
        return carried

    def leave(self, names: Iterable[str], inner: Body, outer: Body) -> list[tuple[Value, Value]]:
        """Names that a body made stand after it; what was lifted out of it stands as it is."""
        ends = {name: self.names[name] for name in sorted(set(names))}
        exports: dict[Value, Value] = {}
        for name, value in ends.items():
            if value.body is inner:
                if value not in exports:  # one that two names share goes by its own
                    label = value.name if ends.get(value.name) is value else name
                    exports[value] = self.value(label, value.type, outer)
                self.names[name] = exports[value]
        return list(exports.items())

    def repeat(self, step: Repeat, body: Body) -> None:
        begins = {name: self.expression(step.carry[name], body) for name in sorted(step.carry)}
        networks = {name: self.names[name] for name in trained(step.steps) if name in self.names}
        inner = Body(body, f"repeat:{step.mark.line + 1}")
        loop = Loop(step, inner)
        hidden = self.names.get(step.index) if step.index else None
        loop.carried = self.enter(begins | networks, inner)
        if step.index:
            loop.index = self.names[step.index] = self.value(step.index, Number(True), inner, "index")
        self.steps(step.steps, inner)
        if step.until is not None:
            loop.until = self.expression(step.until, inner)
        for carried in loop.carried:
            carried.end = self.names[carried.name]
        track = self.program.track
        if track is not None and tracks(step, track) and self.names[track].type == Vector(X):
            loop.track = self.names[track]
        if step.index:
            del self.names[step.index]
            if hidden is not None:
                self.names[step.index] = hidden
        names = {*step.carry, *networks, *assigned(step.steps)}
        loop.exports = self.leave(names, inner, body)
        reads = [loop.until, loop.track, *(carried.end for carried in loop.carried)]
        inputs = [*free(inner, reads), *(carried.begin for carried in loop.carried)]
        self.close("repeat", inputs, loop.exports, body, step.mark, loop=loop)

    def minimise(self, step: Minimise, body: Body) -> None:
        inner = Body(body, f"minimise:{step.mark.line + 1}")
        training = Training(step, inner)
        training.rates = {name: self.expression(step.rates[name], body) for name in sorted(step.rates)}
        training.options = {name: self.expression(port, body) for name, port in step.optimiser.ports.items()}
        training.targets = self.enter({target: self.names[target] for target in step.targets}, inner)
        for line in step.let:
            self.assign(line, inner)
        for term in step.loss:
            training.terms.append(Term(term.signature.name, self.call(term, (), inner)[0]))
        lets = [name for line in step.let for name in line.targets]
        targets = [carried.inside for carried in training.targets]
        for name in lets:
            if (value := self.names[name]) in targets:  # another name for a target keeps what it was before the update
                self.names[name] = self.function("constant", [value], value.type, inner, step.mark)
        training.exports = self.leave(lets, inner, body)
        reads = [*training.rates.values(), *training.options.values(), *(carried.begin for carried in training.targets)]
        inputs = [*free(inner, [term.value for term in training.terms]), *reads]
        for carried in training.targets:
            made = self.names[carried.name] = self.value(carried.name, carried.begin.type, body)
            training.exports.append((carried.inside, made))
        self.close("minimise", inputs, training.exports, body, step.mark, training=training)

    def close(
        self,
        sort: Any,
        inputs: Iterable[Value],
        exports: Sequence[tuple[Value, Value]],
        body: Body,
        mark: Mark,
        **nested: Any,
    ) -> None:
        """Append the operation that runs a nested body."""
        self.count += 1
        name = f"{sort}:{mark.line + 1}"
        outputs = tuple(after for _, after in exports)
        unique = tuple(dict.fromkeys(inputs))
        body.operations.append(Operation(sort, name, unique, outputs, mark, self.count, key=self.key(name), **nested))


def free(body: Body, more: Iterable[Value | None] = ()) -> list[Value]:
    """Values made outside a body that its operations read, or that are among some more."""
    read = [value for operation in body.operations for value in operation.inputs]
    read += [value for value in more if value is not None]
    return [value for value in dict.fromkeys(read) if not value.body.within(body) and value.origin != "literal"]


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


def tracks(step: Repeat, name: str) -> bool:
    """Whether a loop logs the tracked image: it assigns that name, and not through a loop within it."""
    own = assigned(tuple(each for each in step.steps if not isinstance(each, Repeat)))
    nested = assigned(tuple(each for each in step.steps if isinstance(each, Repeat)))
    return name in own or (name in step.carry and name not in nested)
