"""A body's steps against the names in force: assignments, loops with what they carry, and minimisations."""

from __future__ import annotations

from collections.abc import Mapping as MappingABC

from dipgraph.language.calls import Caller
from dipgraph.language.choices import settle
from dipgraph.language.diagnostics import Abandon, Mark, Report, near
from dipgraph.language.document import Mapping, Node, Scalar, Sequence
from dipgraph.language.expressions import parse_expression
from dipgraph.language.minimisation import MinimiseReader
from dipgraph.language.program import Assign, Call, Expression, Repeat, Step
from dipgraph.language.scopes import Definition, Scope, Unknown, is_network, refusal
from dipgraph.language.typing import Typist, described, fold
from dipgraph.signatures.block import Signature
from dipgraph.signatures.ports import LossKind, OptimiserKind
from dipgraph.signatures.spaces import Network, Number, Opaque, Switch, Type, Vector

REPEAT_KEYS = ("count", "index", "carry", "steps", "until", "every")


class StepReader:
    """Reads the steps of a recipe into a program, in the order of the text."""

    def __init__(self, signatures: MappingABC[str, Signature], scope: Scope, report: Report) -> None:
        self.scope, self.report = scope, report
        self.caller = Caller(signatures, scope, report)
        self.typist = Typist(scope, report)
        self.written: list[tuple[Mark, str, list[Definition]]] = []
        self.tracked: dict[str, bool] = {}
        self.minimise = MinimiseReader(self)

    def read(self, node: Node | None, mark: Mark) -> tuple[Step, ...]:
        """The steps of a list; the mark is the place of the key that wants them."""
        if not isinstance(node, Sequence) or not node.items:
            place = node.mark if node is not None else mark
            raise self.report.fail("E108", "'steps' is a list of steps, each beginning with a dash", place)
        steps: list[Step] = []
        for item in node.items:
            with self.report.part():
                steps.append(self._step(item))
        return tuple(steps)

    def settle(self, node: Node) -> Node:
        """The node, or the branch that stands for it."""
        return settle(node, self.scope.words, self.scope.parameters, self.report)

    def targets_of(self, item: Node) -> list[Scalar]:
        """The names that a step ``a, b: value`` assigns, each with its place."""
        if not isinstance(item, Mapping) or len(item.entries) != 1:
            return []
        key = item.entries[0][0]
        if key.text == "repeat" and not key.quoted:
            return []
        targets: list[Scalar] = []
        column = key.mark.column
        for part in key.text.split(","):
            lead = len(part) - len(part.lstrip())
            mark = Mark(key.mark.source, key.mark.line, column + lead, max(1, len(part.strip())))
            targets.append(Scalar(mark, part.strip(), False, True))
            column += len(part) + 1
        return targets

    def pending(self, node: Node | None) -> dict[str, Mark]:
        """Every name that a list of steps assigns, and where first; nested bodies and ``let`` included."""
        found: dict[str, Mark] = {}
        for item in node.items if isinstance(node, Sequence) else ():
            if not isinstance(item, Mapping) or len(item.entries) != 1:
                continue
            key, body = item.entries[0]
            if key.text == "repeat" and isinstance(body, Mapping):
                inner = self.pending(body.get("steps"))
            else:
                inner = {}
                with self.quiet():
                    body = self.settle(body)
                if isinstance(body, Mapping) and (minimise := body.get("minimise")) is not None:
                    inner = self.pending(minimise.get("let")) if isinstance(minimise, Mapping) else {}
                inner |= {target.name: target.mark for target in self.targets_of(item)}
            for name, mark in inner.items():
                known = self.scope.names.get(name)
                if known is None or not isinstance(known.type, Network | Unknown):
                    found.setdefault(name, mark)
        return found

    def quiet(self) -> _Quiet:
        """A part whose faults will be found, and noted, when it is read in earnest."""
        return _Quiet(self.report)

    def _step(self, item: Node) -> Step:
        if not isinstance(item, Mapping) or len(item.entries) != 1:
            raise self.report.fail("E108", "a step is one key and its value, as in '- x: f(z)'", item.mark,
                                   "begin each step with a dash of its own")  # fmt: skip
        key, value = item.entries[0]
        if key.text == "repeat":
            return self._repeat(key, value)
        targets = self._names(self.targets_of(item))
        value = self.settle(value)
        if isinstance(value, Mapping) and len(value.entries) == 1 and value.entries[0][0].text == "minimise":
            return self.minimise.read(targets, *value.entries[0])
        return self._assign(targets, value, key)

    def _names(self, targets: list[Scalar]) -> list[Scalar]:
        """The targets of a step, refused where they may not be assigned."""
        failed = False
        seen: set[str] = set()
        for target in targets:
            why = refusal(target, self.scope.parameters)
            if not why and target.name in seen:
                why = f"'{target.text}' is assigned twice in one step"
            if why:
                self.report.add("E203", why, target.mark)
                failed = True
            seen.add(target.name)
        if failed:
            for target in targets:
                self.forget(target)
            raise Abandon
        return targets

    def forget(self, target: Scalar) -> None:
        """A target whose step has a fault: later reads of it must not raise further ones."""
        if not is_network(self.scope.names.get(target.name)):
            self.scope.define(Definition(target.name, Unknown(), target.mark, "step"))

    def value(self, value: Node, targets: tuple[str, ...]) -> tuple[Expression | Call, tuple[Type, ...], str]:
        """A right-hand side: an expression or a block; its types and a label."""
        if isinstance(value, Mapping):
            if len(value.entries) != 1:
                raise self.report.fail("E404", "a right-hand side is one block", value.mark, "as in {prox.tv: {of: x, weight: 0.1}}")
            key, body = value.entries[0]
            call, _ = self.caller.call(key, body, targets)
            if call.signature.gives(LossKind) or call.signature.gives(OptimiserKind):
                raise self.report.fail("E408", f"'{key.text}' is {call.signature.outputs[0].kind}, and stands in a minimise", key.mark)
            return call, call.outputs, key.text
        expression = self.typist.type(parse_expression(value, self.report))
        label = value.text if isinstance(value, Scalar) else ""
        return expression, (expression.type,), label

    def _assign(self, targets: list[Scalar], value: Node, key: Scalar) -> Assign:
        names = tuple(target.name for target in targets)
        try:
            found, types, label = self.value(value, names)
            if len(types) < len(names):
                raise self.report.fail("E407", f"one value for {len(names)} names", key.mark, "only a block hands out several")
            for target in targets:
                if is_network(self.scope.names.get(target.name)):
                    raise self.report.fail("E203", f"'{target.text}' is a network; only minimise trains it", target.mark)
        except Exception:
            for target in targets:
                self.forget(target)
            raise
        self.define(targets, types)
        return Assign(names, types[: len(names)], found, key.mark, label)

    def define(self, targets: list[Scalar], types: tuple[Type, ...], sort: str = "step") -> list[Definition]:
        """Put a step's targets into force."""
        definitions = [Definition(t.name, type_, t.mark, sort) for t, type_ in zip(targets, types, strict=False)]
        for definition in definitions:
            self.scope.define(definition)
            self.tracked[definition.name] = any(body.sort == "loop" for body in self.scope.bodies)
        if targets:
            self.written.append((targets[0].mark, ", ".join(t.text for t in targets), definitions))
        return definitions

    def count(self, node: Node | None, default: int, what: str) -> int:
        """A number of iterations: whole, at least 1, made of parameters."""
        if node is None:
            return default
        expression = self.typist.type(parse_expression(node, self.report))
        value = fold(expression)
        if value is None:
            raise self.report.fail("E404", f"'{what}' is made of parameters and numbers", node.mark)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.report.fail("E404", f"'{what}' is a whole number, and this is {value:g}", node.mark, "round it: floor(...)")
        if value < 1:
            raise self.report.fail("E405", f"'{what}' is {value}; it must be at least 1", node.mark)
        return value

    def _repeat(self, key: Scalar, body: Node) -> Repeat:
        if not isinstance(body, Mapping):
            raise self.report.fail("E108", "'repeat' is a mapping with 'count' and 'steps'", body.mark)
        for name, _ in body:
            if name.name not in REPEAT_KEYS:
                self.report.add("E108", f"'repeat' has no '{name.text}'", name.mark, near(name.name, REPEAT_KEYS))
        count = every = 1
        if body.get("count") is None:
            self.report.add("E403", "'repeat' needs 'count': how often at most", key.mark)
        with self.report.part():
            count = self.count(body.get("count"), 1, "count")
        with self.report.part():
            every = self.count(body.get("every"), 1, "every")
        if body.get("every") is not None and body.get("until") is None:
            self.report.add("E108", "'every' says how often 'until' is tested, and there is no 'until'", body.key("every").mark)  # type: ignore[union-attr]
        carry = self._initials(body.get("carry"))
        pending = {name: mark for name, mark in self.pending(body.get("steps")).items() if name not in carry}
        entered = [Definition(name, initial.type, mark, "carry") for name, (initial, mark) in carry.items()]
        index, hidden = self._index(body.get("index"))
        steps: tuple[Step, ...] = ()
        until = None
        with self.scope.body(pending, "loop"):
            for definition in entered:
                self.scope.define(definition)
                self.tracked[definition.name] = True
            with self.report.part():
                steps = self.read(body.get("steps"), key.mark)
            if (test := body.get("until")) is not None:
                with self.report.part():
                    until = self.typist.type(parse_expression(test, self.report))
                    if not isinstance(until.type, Switch | Unknown):
                        raise self.report.fail("E306", f"'until' is a switch, and this is {described(until)}", test.mark)
        if index is not None:
            self.scope.names.pop(index)
            if hidden is not None:
                self.scope.names[index] = hidden
        self._close(entered)
        return Repeat(count, index, {name: initial for name, (initial, _) in carry.items()}, steps, until, every, key.mark)

    def _initials(self, node: Node | None) -> dict[str, tuple[Expression, Mark]]:
        carry: dict[str, tuple[Expression, Mark]] = {}
        if node is None:
            return carry
        if not isinstance(node, Mapping):
            raise self.report.fail("E108", "'carry' is a mapping of names to initial values", node.mark)
        for key, value in node:
            with self.report.part():
                if why := refusal(key, self.scope.parameters):
                    raise self.report.fail("E203", why, key.mark)
                if is_network(self.scope.names.get(key.name)):
                    raise self.report.fail("E203", f"'{key.text}' is a network, and networks are carried unasked", key.mark)
                expression = self.typist.type(parse_expression(value, self.report))
                if isinstance(expression.type, Vector) and expression.type.space.batched:
                    raise self.report.fail("E305", f"'{key.text}' carries a batch", value.mark, "no batch is carried; take its mean")
                if not isinstance(expression.type, Vector | Number | Switch | Opaque | Unknown):
                    raise self.report.fail("E306", f"'{key.text}' carries {described(expression)}", value.mark,
                                           "images, data vectors, numbers and switches are carried")  # fmt: skip
                type_ = Number() if isinstance(expression.type, Number) else expression.type
                carry[key.name] = (Expression(expression.op, expression.arguments, type_, expression.mark, expression.value), key.mark)
        return carry

    def _index(self, node: Node | None) -> tuple[str | None, Definition | None]:
        if node is None:
            return None, None
        if not isinstance(node, Scalar) or (why := refusal(node, self.scope.parameters)):
            self.report.add("E203", why if isinstance(node, Scalar) else "'index' is a name", node.mark)
            return None, None
        hidden = self.scope.names.get(node.name)
        self.scope.names[node.name] = Definition(node.name, Number(True), node.mark, "index")
        return node.name, hidden

    def _close(self, entered: list[Definition]) -> None:
        """At the end of a loop: what a carried name has become must fit what it began as, and is read where it was."""
        for begin in entered:
            end = self.scope.names[begin.name]
            if end is begin:
                if not isinstance(begin.type, Unknown):
                    self.report.add("W603", f"'{begin.name}' is carried, and the body never assigns it", begin.mark)
                continue
            fits = end.type == begin.type or isinstance(begin.type, Number) and isinstance(end.type, Number)
            if not fits and not isinstance(end.type, Unknown) and not isinstance(begin.type, Unknown):
                self.report.add("E303", f"'{begin.name}' begins in {begin.type} and ends in {end.type}", end.mark,
                                "a carried name keeps its space")  # fmt: skip
            if begin.is_read:
                end.read()
            else:
                begin.feeds.append(end)
                self.written.append((begin.mark, begin.name, [begin]))


class _Quiet:
    """Forgets the faults of a part."""

    def __init__(self, report: Report) -> None:
        self.report = report

    def __enter__(self) -> None:
        self.kept = len(self.report.faults)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        del self.report.faults[self.kept :]
        return kind is not None and issubclass(kind, Abandon)

