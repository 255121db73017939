"""A body's steps against the names in force: assignments here, loops and minimisations with readers of their own."""

from __future__ import annotations

import re
from collections.abc import Mapping as MappingABC

from dipgraph.language import choices
from dipgraph.language.calls import Caller
from dipgraph.language.diagnostics import Abandon, Mark, Report, near
from dipgraph.language.evaluation import fold
from dipgraph.language.loops import RepeatReader
from dipgraph.language.minimisation import MinimiseReader
from dipgraph.language.nodes import Mapping, Node, Scalar, Sequence
from dipgraph.language.program import Assign, Call, Expression, Step
from dipgraph.language.scopes import Definition, Scope, Unknown, is_network
from dipgraph.language.typing import Typist
from dipgraph.signatures.block import Signature
from dipgraph.signatures.ports import LossKind, OptimiserKind
from dipgraph.signatures.spaces import Network, Type


class StepReader:
    """Reads the steps of a recipe into a program, in the order of the text."""

    def __init__(self, signatures: MappingABC[str, Signature], scope: Scope, report: Report) -> None:
        self.scope, self.report = scope, report
        self.caller = Caller(signatures, scope, report)
        self.typist = Typist(scope, report)
        self.written: list[tuple[Mark, str, list[Definition]]] = []
        """What each step assigns, and where, for warnings of waste."""
        self.minimise = MinimiseReader(self)
        self.repeat = RepeatReader(self)

    def read(self, node: Node | None, what: str, mark: Mark) -> tuple[Step, ...]:
        """The steps of a list under the key ``what``; the mark is the place of what needs them."""
        if not isinstance(node, Sequence) or not node.items:
            place = node.mark if node is not None else mark
            advice = "as in [x: f(z)]" if what == "let" else "each step begins with a dash"
            for name, at in (self.pending(node) if node is not None else {}).items():
                self.scope.define(Definition(name, Unknown(), at, "step"))
            raise self.report.fail("E108", f"'{what}' is a list of steps", place, advice)
        steps: list[Step] = []
        for item in node.items:
            try:
                steps.append(self._step(item))
            except Abandon:
                self._forget(item)
        return tuple(steps)

    def settle(self, node: Node) -> Node:
        """The node, or the branch that stands for it."""
        return choices.settle(node, self.scope.words, self.scope.parameters, self.scope.broken, self.report)

    def targets_of(self, key: Scalar) -> list[Scalar]:
        """The names that the key ``a, b`` of a step assigns, each with its place."""
        if key.text == "repeat":
            return []
        targets: list[Scalar] = []
        column = key.mark.column + (1 if key.quoted else 0)
        for part in key.text.split(","):
            lead = len(part) - len(part.lstrip())
            place = (column + lead, max(1, len(part.strip()))) if key.verbatim else (key.mark.column, key.mark.length)
            targets.append(Scalar(Mark(key.mark.source, key.mark.line, *place), part.strip(), False, True))
            column += len(part) + 1
        return targets

    def pending(self, node: Node | None) -> dict[str, Mark]:
        """Every name that a list of steps assigns, and where first; nested bodies and ``let`` included."""
        found: dict[str, Mark] = {}
        items = node.items if isinstance(node, Sequence) else (node,)
        for item in items:
            for key, body in item if isinstance(item, Mapping) else ():
                inner = self._inner(key, body)
                for target in self.targets_of(key):
                    if not self.scope.refusal(target):
                        inner.setdefault(target.name, target.mark)
                for name, mark in inner.items():
                    known = self.scope.names.get(name)
                    if known is None or not isinstance(known.type, Network | Unknown):
                        found.setdefault(name, mark)
        return found

    def _inner(self, key: Scalar, body: Node) -> dict[str, Mark]:
        """Names that the bodies inside a step assign."""
        if key.text == "repeat":
            if not isinstance(body, Mapping):
                return self.pending(body)
            carry = body.get("carry")
            carried = [key for key, _ in carry] if isinstance(carry, Mapping) else []
            mine = {name.name: name.mark for name in carried if not self.scope.refusal(name)}
            return self.pending(body.get("steps")) | mine
        with self.report.quiet():
            body = self.settle(body)
        minimise = body.get("minimise") if isinstance(body, Mapping) else None
        return self.pending(minimise.get("let")) if isinstance(minimise, Mapping) else {}

    def _step(self, item: Node) -> Step:
        if not isinstance(item, Mapping) or len(item.entries) != 1:
            advice = "begin each step with a dash of its own"
            if isinstance(item, Scalar) and ":" in item.text:
                advice = "a space follows the colon"
            raise self.report.fail("E108", "a step is one key and its value, as in '- x: f(z)'", item.mark, advice)
        key, value = item.entries[0]
        if key.text == "repeat":
            return self.repeat.read(key, value)
        if key.text in ("minimise", "choose"):
            wanted = "f: {minimise: ...}" if key.text == "minimise" else "z: {choose: {by: ...}}"
            raise self.report.fail("E108", f"'{key.text}' is no step", key.mark, f"name what it gives: {wanted}")
        targets = self._names(self.targets_of(key))
        value = self.settle(value)
        if isinstance(value, Mapping) and len(value.entries) == 1 and value.entries[0][0].text == "minimise":
            return self.minimise.read(targets, *value.entries[0])
        return self._assign(targets, value, key)

    def _names(self, targets: list[Scalar]) -> list[Scalar]:
        """The targets of a step, refused where they may not be assigned."""
        failed = False
        seen: set[str] = set()
        for target in targets:
            why = self.scope.refusal(target)
            if not why and target.name in seen:
                why = f"'{target.text}' is assigned twice in one step"
            if why:
                self.report.add("E203", why, target.mark)
                failed = True
            seen.add(target.name)
        if failed:
            raise Abandon
        return targets

    def _forget(self, item: Node) -> None:
        """A step has a fault: later reads of what it assigns must not raise further ones."""
        if isinstance(item, Scalar):
            word = re.match(r"\w*", item.text)
            key = Scalar(item.mark, word[0] if word else "", item.quoted, item.verbatim)
            item = Mapping(item.mark, ((key, item),))
        for key, body in item if isinstance(item, Mapping) else ():
            trains = isinstance(body, Mapping) and body.get("minimise") is not None
            targets = [] if trains else [target for target in self.targets_of(key) if not self.scope.refusal(target)]
            mine = {target.name: target.mark for target in targets}
            inner = self.pending(Sequence(item.mark, (Mapping(item.mark, ((key, body),)),)))
            for name, mark in {**inner, **mine}.items():
                if not is_network(self.scope.names.get(name)) and (name in mine or self.scope.is_pending(name)):
                    self.scope.define(Definition(name, Unknown(), mark, "step"))

    def value(self, value: Node, targets: tuple[str, ...]) -> tuple[Expression | Call, tuple[Type, ...], str]:
        """A right-hand side: an expression or a block; its types and a label."""
        if isinstance(value, Mapping):
            if len(value.entries) != 1:
                advice = "as in {prox.tv: {of: x, weight: 0.1}}"
                raise self.report.fail("E404", "a right-hand side is one block", value.mark, advice)
            key, body = value.entries[0]
            call, _ = self.caller.call(key, body, targets)
            if call.signature.gives(LossKind) or call.signature.gives(OptimiserKind):
                message = f"'{key.text}' is {call.signature.outputs[0].kind}, and stands in a minimise"
                raise self.report.fail("E408", message, key.mark, "as in f: {minimise: {optimiser: ..., loss: [...]}}")
            return call, call.outputs, key.text
        expression = self.typist.read(value)
        label = value.text if isinstance(value, Scalar) else ""
        return expression, (expression.type,), label

    def _assign(self, targets: list[Scalar], value: Node, key: Scalar) -> Assign:
        names = tuple(target.name for target in targets)
        found, types, label = self.value(value, names)
        if len(types) < len(names):
            message = f"one value for {len(names)} names"
            raise self.report.fail("E407", message, key.mark, "only a block hands out several values")
        for target in targets:
            if is_network(self.scope.names.get(target.name)):
                message = f"'{target.text}' is a network; only minimise trains it"
                raise self.report.fail("E203", message, target.mark)
        if isinstance(found, Expression) and isinstance(found.type, Network):
            message = f"'{targets[0].text}' would be another name of the network '{found.value}', which has one"
            raise self.report.fail("E203", message, targets[0].mark, f"call it: {found.value}(z)")
        self.define(targets, types)
        return Assign(names, types[: len(names)], found, key.mark, label)

    def define(self, targets: list[Scalar], types: tuple[Type, ...]) -> None:
        """Put a step's targets into force."""
        definitions = [Definition(t.name, type_, t.mark, "step") for t, type_ in zip(targets, types, strict=False)]
        for definition in definitions:
            self.enter(definition)
        if targets:
            self.written.append((targets[0].mark, ", ".join(t.text for t in targets), definitions))

    def enter(self, definition: Definition) -> None:
        """Put a name into force, which keeps the space of what a loop carries."""
        if (begin := self.scope.changed_from(definition)) is not None:
            message = f"'{definition.name}' begins as {begin} and becomes {definition.type}"
            self.report.add("E303", message, definition.mark, "a carried name keeps its space; use another name")
            definition.type = Unknown()
        self.scope.define(definition)

    def count(self, node: Node | None, what: str) -> int:
        """A number of iterations: whole, at least 1, made of parameters; 1 where nothing is said."""
        if node is None:
            return 1
        value = fold(self.typist.read(node))
        if value is None:
            raise self.report.fail("E404", f"'{what}' is made of parameters and numbers", node.mark,
                                   "it is settled before the run")  # fmt: skip
        if isinstance(value, bool) or not isinstance(value, int):
            shown = "a switch" if isinstance(value, bool) else f"{value:g}"
            advice = "" if isinstance(value, bool) else "round it: floor(...)"
            raise self.report.fail("E404", f"'{what}' is a whole number, and this is {shown}", node.mark, advice)
        if value < 1:
            raise self.report.fail("E405", f"'{what}' is {value}; it must be at least 1", node.mark)
        return value

    def unknown_keys(self, body: Mapping, what: str, known: tuple[str, ...]) -> None:
        """Note keys that a part of the language does not have."""
        for name, _ in body:
            if name.name not in known:
                advice = near(name.name, known) or f"it has {', '.join(known)}"
                self.report.add("E108", f"'{what}' has no '{name.text}'", name.mark, advice)
