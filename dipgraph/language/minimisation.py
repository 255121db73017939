"""``minimise``: its targets, optimiser, ``let`` and loss, and whether gradients reach from every term to some target."""

from __future__ import annotations

from collections.abc import Mapping as MappingABC
from typing import TYPE_CHECKING

from dipgraph.language.diagnostics import Abandon, listing, near
from dipgraph.language.document import Mapping, Node, Scalar, Sequence
from dipgraph.language.program import Assign, Call, Expression, Minimise
from dipgraph.language.scopes import is_network
from dipgraph.language.typing import described
from dipgraph.signatures.ports import LossKind, OptimiserKind
from dipgraph.signatures.spaces import Network, Type, Vector

if TYPE_CHECKING:
    from dipgraph.language.steps import StepReader

KEYS = ("count", "optimiser", "let", "loss", "restart")
FLAT = frozenset({"constant", "<", "<=", ">", ">=", "==", "!=", "and", "or", "not", "floor", "dim", "zeros", "ones"})
"""Functions through which no gradient flows."""


class MinimiseReader:
    """Reads the minimisations of a recipe."""

    def __init__(self, steps: StepReader) -> None:
        self.steps, self.report, self.scope = steps, steps.report, steps.scope

    def read(self, targets: list[Scalar], key: Scalar, body: Node) -> Minimise:
        """The minimisation that ``targets: {minimise: body}`` says."""
        if not isinstance(body, Mapping):
            raise self.report.fail("E108", "'minimise' is a mapping with 'optimiser' and 'loss'", body.mark)
        if any(body.sort == "let" for body in self.scope.bodies):
            raise self.report.fail("E408", "a minimise has no place in 'let'", key.mark)
        for name, _ in body:
            if name.name not in KEYS:
                self.report.add("E108", f"'minimise' has no '{name.text}'", name.mark, near(name.name, KEYS) or listing(KEYS))
        count = 1
        with self.report.part():
            count = self.steps.count(body.get("count"), 1, "count")
        types = [self._target(target) for target in targets]
        names = tuple(target.name for target in targets)
        optimiser, rates = None, {}
        with self.report.part():
            optimiser, rates = self._optimiser(body.get("optimiser"), names, key)
        inner = self.steps.pending(body.get("let"))
        let: tuple[Assign, ...] = ()
        loss: list[Call] = []
        whole = True
        with self.scope.body(inner, "let"):
            if (lines := body.get("let")) is not None:
                with self.report.part():
                    let = self._let(lines, key)
                whole = isinstance(lines, Sequence) and len(let) == len(lines.items)
            terms = self._terms(body.get("loss"), key)
            for term in terms:
                with self.report.part():
                    loss.append(self._term(term))
            whole = whole and 0 < len(loss) == len(terms)
        if whole and all(type_ is not None for type_ in types):
            self._reach(targets, let, loss)
        self.steps.define([t for t in targets if not is_network(self.scope.names.get(t.name))],
                          tuple(type_ for type_ in types if isinstance(type_, Vector)), "target")  # fmt: skip
        if optimiser is None or not whole or any(type_ is None for type_ in types):
            raise Abandon
        restart = self._switch(body.get("restart"))
        kinds = tuple(type_ for type_ in types if type_ is not None)
        return Minimise(names, kinds, count, optimiser, rates, let, tuple(loss), restart, key.mark)

    def _target(self, target: Scalar) -> Type | None:
        """The type of a target that is trainable; a fault is noted otherwise."""
        with self.report.part():
            found = self.scope.names.get(target.name)
            if found is not None and isinstance(found.type, Network):
                return found.type
            expression = self.scope.look_up(target.name, target.mark)
            if isinstance(expression.type, Vector) and not expression.type.space.batched:
                return expression.type
            self.report.add("E503", f"'{target.text}' is {described(expression)}, which is not trainable", target.mark,
                            "a target is a network, or a name that holds a single image")  # fmt: skip
        return None

    def _optimiser(self, node: Node | None, targets: tuple[str, ...], key: Scalar) -> tuple[Call, dict[str, Expression]]:
        if node is None:
            raise self.report.fail("E403", "'minimise' needs 'optimiser'", key.mark, "as in optimiser: {adam: {rate: 1e-3}}")
        node = self.steps.settle(node)
        if not isinstance(node, Mapping) or len(node.entries) != 1:
            raise self.report.fail("E404", "an optimiser is one block", node.mark, "as in {adam: {rate: 1e-3}}")
        name, body = node.entries[0]
        call, each = self.steps.caller.call(name, body, targets, family="optimiser")
        if not call.signature.gives(OptimiserKind):
            raise self.report.fail("E404", f"'{name.text}' is no optimiser", name.mark)
        return call, each

    def _let(self, node: Node, key: Scalar) -> tuple[Assign, ...]:
        steps = []
        for step in self.steps.read(node, key.mark):
            if not isinstance(step, Assign):
                raise self.report.fail("E408", "'let' holds assignments only", step.mark)
            if isinstance(step.value, Call) and step.value.signature.resets:
                raise self.report.fail("E408", f"'{step.value.signature.name}' has no place in 'let'", step.value.mark,
                                       "averages and stoppers stand after the minimise")  # fmt: skip
            steps.append(step)
        return tuple(steps)

    def _terms(self, node: Node | None, key: Scalar) -> tuple[Node, ...]:
        if isinstance(node, Sequence) and node.items:
            return node.items
        mark = node.mark if node is not None else key.mark
        self.report.add("E403" if node is None else "E108", "'minimise' needs 'loss': a list of terms", mark,
                        "as in loss: [fidelity.l2: {of: A(x), to: y}]")  # fmt: skip
        return ()

    def _term(self, node: Node) -> Call:
        node = self.steps.settle(node)
        if not isinstance(node, Mapping) or len(node.entries) != 1:
            raise self.report.fail("E404", "a loss term is one block", node.mark, "as in fidelity.l2: {of: A(x), to: y}")
        name, body = node.entries[0]
        call, _ = self.steps.caller.call(name, body, ())
        if not call.signature.gives(LossKind):
            raise self.report.fail("E404", f"'{name.text}' is no loss term", name.mark, "loss terms are fidelity.* and penalty.*")
        return call

    def _switch(self, node: Node | None) -> bool:
        if node is None:
            return False
        value = node.value if isinstance(node, Scalar) else None
        if isinstance(node, Scalar) and node.name in self.scope.parameters:
            self.scope.read_parameters.add(node.name)
            value = self.scope.parameters[node.name]  # type: ignore[assignment]
        if not isinstance(value, bool):
            self.report.add("E404", "'restart' is true or false", node.mark)
        return value is True

    def _reach(self, targets: list[Scalar], let: tuple[Assign, ...], loss: list[Call]) -> None:
        """Every term must depend on some target, and every target be reached by some term."""
        names = {target.name for target in targets}
        depends: dict[str, frozenset[str]] = {name: frozenset({name}) for name in names}
        for step in let:
            found = self._of_call(step.value, depends) if isinstance(step.value, Call) else self._of(step.value, depends)
            depends |= dict.fromkeys(step.targets, found)
        reached: set[str] = set()
        for term in loss:
            found = self._of_call(term, depends)
            reached |= found
            if not found:
                self.report.add("E501", f"this term depends on no target ({listing(sorted(names))})", term.mark,
                                "a term that no gradient flows through changes nothing")  # fmt: skip
        for target in targets:
            if target.name not in reached:
                self.report.add("E502", f"no loss term reaches '{target.text}'", target.mark)

    def _of(self, expression: Expression, depends: MappingABC[str, frozenset[str]]) -> frozenset[str]:
        if expression.op in FLAT:
            return frozenset()
        if expression.op == "name":
            return depends.get(expression.value, frozenset())
        return frozenset().union(*(self._of(argument, depends) for argument in expression.arguments))

    def _of_call(self, call: Call, depends: MappingABC[str, frozenset[str]]) -> frozenset[str]:
        if not call.signature.differentiable:
            return frozenset()
        return frozenset().union(*(self._of(port, depends) for port in call.ports.values()))


