"""``repeat``: its count, index and end, what it carries, and its steps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from dipgraph.language.nodes import Mapping, Node, Scalar
from dipgraph.language.program import Expression, Repeat, Step
from dipgraph.language.scopes import Body, Definition, Unknown, is_image, is_network
from dipgraph.language.typing import described
from dipgraph.signatures.spaces import Number, Opaque, Switch, Vector

if TYPE_CHECKING:
    from dipgraph.language.steps import StepReader

KEYS = ("count", "index", "carry", "steps", "until", "every")


class RepeatReader:
    """Reads the loops of a recipe."""

    def __init__(self, steps: StepReader) -> None:
        self.steps, self.report, self.scope = steps, steps.report, steps.scope

    def read(self, key: Scalar, body: Node) -> Repeat:
        """The loop that ``repeat: body`` says."""
        if any(body.sort == "let" for body in self.scope.bodies):
            raise self.report.fail("E408", "a repeat has no place in 'let'", key.mark, "let holds assignments only")
        if not isinstance(body, Mapping):
            raise self.report.fail("E108", "'repeat' is a mapping with 'count' and 'steps'", body.mark)
        self.steps.unknown_keys(body, "repeat", KEYS)
        count = every = 1
        if body.get("count") is None:
            self.report.add("E403", "'repeat' needs 'count': how often at most", key.mark, "as in count: outer")
        with self.report.part():
            count = self.steps.count(body.get("count"), "count")
        with self.report.part():
            every = self.steps.count(body.get("every"), "every")
        if (said := body.key("every")) is not None and body.get("until") is None:
            advice = "it says how often 'until' is tested: add 'until', or leave it out"
            self.report.add("E108", "'every' without 'until'", said.mark, advice)
        carry: dict[str, Expression] = {}
        entered: list[Definition] = []
        with self._outside():
            self._initials(body, carry, entered)
        index = self._index(body.get("index"), carry)
        began = {begin.name: begin for begin in entered}
        pending = {name: at for name, at in self.steps.pending(body.get("steps")).items() if name not in began}
        steps: tuple[Step, ...] = ()
        until: Expression | None = None
        hidden: Definition | None = None
        with self.scope.body(Body("loop", pending, began, index)):
            for begin in entered:
                self.steps.enter(begin)
            if index is not None:
                hidden = self.scope.names.get(index)
                self.scope.names[index] = Definition(index, Number(True), key.mark, "index")
            with self.report.part():
                steps = self.steps.read(body.get("steps"), "steps", key.mark)
            with self.report.part():
                until = self._until(body.get("until"))
        if index is not None:
            del self.scope.names[index]
            if hidden is not None:
                self.scope.names[index] = hidden
        self._close(entered)
        return Repeat(count, index, carry, steps, until, every, key.mark)

    def _until(self, node: Node | None) -> Expression | None:
        if node is None:
            return None
        until = self.steps.typist.read(node)
        if not isinstance(until.type, Switch):
            raise self.report.fail("E306", f"'until' is a switch, and this is {described(until)}", node.mark,
                                   "as in until: done, or until: norm(r) < 0.1")  # fmt: skip
        return until

    @contextmanager
    def _outside(self) -> Iterator[None]:
        """While initial values are read: what stands inside the loop only does not stand here."""
        before, self.scope.remedy = self.scope.remedy, "initial values are read outside the loop: give it one before"
        try:
            yield
        finally:
            self.scope.remedy = before

    def _initials(self, body: Mapping, carry: dict[str, Expression], entered: list[Definition]) -> None:
        """Initial values, read outside the loop; a name whose initial value has a fault is carried all the same."""
        node = body.get("carry")
        if node is None:
            return
        if not isinstance(node, Mapping):
            advice = "as in carry: {u: zeros(X)}"
            self.report.add("E108", "'carry' is a mapping of names to initial values", node.mark, advice)
            everything = self.steps.pending(body.get("steps"))
            entered += [Definition(name, Unknown(), mark, "carry") for name, mark in everything.items()]
            return
        for key, value in node:
            begin = Definition(key.name, Unknown(), key.mark, "carry")
            with self.report.part():
                if why := self.scope.refusal(key):
                    raise self.report.fail("E203", why, key.mark)
                if is_network(self.scope.names.get(key.name)):
                    message = f"'{key.text}' is a network, and networks are carried unasked"
                    raise self.report.fail("E203", message, key.mark, "leave it out")
                entered.append(begin)
                carry[key.name] = self._initial(key, value)
                begin.type = carry[key.name].type

    def _initial(self, key: Scalar, value: Node) -> Expression:
        expression = self.steps.typist.read(value)
        kind = expression.type
        if isinstance(kind, Vector) and not is_image(kind):
            raise self.report.fail("E305", f"'{key.text}' carries a batch", value.mark, "carry its mean: mean(...)")
        if isinstance(kind, Number):  # a count that becomes a fraction keeps its space
            return replace(expression, type=Number())
        if not isinstance(kind, Vector | Switch | Opaque):
            raise self.report.fail("E306", f"'{key.text}' carries {described(expression)}", value.mark,
                                   "images, data vectors, numbers and switches are carried")  # fmt: skip
        return expression

    def _index(self, node: Node | None, carry: dict[str, Expression]) -> str | None:
        """The name of the iteration's number; inside the loop it hides a name of before."""
        if node is None:
            return None
        with self.report.part():
            if not isinstance(node, Scalar):
                raise self.report.fail("E203", "'index' is a name", node.mark, "as in index: k")
            if why := self.scope.refusal(node):
                raise self.report.fail("E203", why, node.mark)
            if node.name in carry:
                message = f"'{node.text}' is carried by this loop"
                raise self.report.fail("E203", message, node.mark, "choose another name for the index")
            return node.name
        return None

    def _close(self, entered: list[Definition]) -> None:
        """At the end of a loop: what a carried name has become is read where it was."""
        for begin in entered:
            end = self.scope.names[begin.name]
            if end is begin:
                if not isinstance(begin.type, Unknown):
                    message = f"'{begin.name}' is carried, and the body never assigns it"
                    self.report.add("W603", message, begin.mark, "assign it before the loop instead")
            elif begin.is_read:
                end.is_read = True
            else:
                self.steps.written.append((begin.mark, begin.name, [begin]))
