"""``minimise``: its targets, optimiser, ``let`` and loss, and whether gradients reach from each term to a target."""

from __future__ import annotations

from collections.abc import Mapping as MappingABC
from collections.abc import Sequence as SequenceABC
from typing import TYPE_CHECKING

from dipgraph.language.diagnostics import Abandon, listing, near
from dipgraph.language.evaluation import fold
from dipgraph.language.nodes import Mapping, Node, Scalar, Sequence
from dipgraph.language.program import Assign, Call, Expression, Minimise
from dipgraph.language.scopes import Body, Definition, Unknown, is_image, is_network
from dipgraph.language.typing import described
from dipgraph.signatures.ports import LossKind, OptimiserKind
from dipgraph.signatures.spaces import Network, Switch, Type

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
        if any(body.sort == "let" for body in self.scope.bodies):
            raise self.report.fail("E408", "a minimise has no place in 'let'", key.mark, "let holds assignments only")
        if not isinstance(body, Mapping):
            raise self.report.fail("E108", "'minimise' is a mapping with 'optimiser' and 'loss'", body.mark)
        self.steps.unknown_keys(body, "minimise", KEYS)
        count = 1
        with self.report.part():
            count = self.steps.count(body.get("count"), "count")
        types = {target.name: self._target(target) for target in targets}
        for target in targets:
            if types[target.name] is None and self.scope.is_pending(target.name):
                self.scope.define(Definition(target.name, Unknown(), target.mark, "target"))
        names = tuple(types)
        optimiser: Call | None = None
        rates: dict[str, Expression] = {}
        with self.report.part():
            optimiser, rates = self._optimiser(body.get("optimiser"), names, key)
        restart = self._restart(body.get("restart"))
        pending = {name: at for name, at in self.steps.pending(body.get("let")).items() if name not in types}
        inside = Body("let", pending, {}, targets=frozenset(names))
        let: tuple[Assign, ...] | None = None
        loss: list[Call] = []
        with self.scope.body(inside):
            with self.report.part():
                let = self._let(body.get("let"), key)
            terms = self._terms(body.get("loss"), key)
            for term in terms:
                with self.report.part():
                    loss.append(self._term(term))
        kinds = tuple(type_ for type_ in types.values() if type_ is not None)
        readable = len(kinds) == len(names) and let is not None and 0 < len(loss) == len(terms)
        if readable and let is not None:
            self._reach(targets, let, loss)
        for target in targets:
            if (type_ := types[target.name]) is not None and not isinstance(type_, Network):
                definition = Definition(target.name, type_, target.mark, "target")
                self.steps.enter(definition)
                self.steps.written.append((target.mark, target.text, [definition]))
        if optimiser is None or not readable or let is None:
            raise Abandon
        return Minimise(names, kinds, count, optimiser, rates, let, tuple(loss), restart, key.mark)

    def _target(self, target: Scalar) -> Type | None:
        """The type of a target that is trainable; a fault is noted otherwise."""
        with self.report.part():
            found = self.scope.names.get(target.name)
            if found is not None and isinstance(found.type, Network) and not self.scope.is_pending(target.name):
                return found.type
            if found is None:
                self._known(target)
            expression = self.scope.look_up(target.name, target.mark)
            if is_image(expression.type):
                return expression.type
            self.report.add("E503", f"'{target.text}' is {described(expression)}, which is not trainable", target.mark,
                            "a target is a network, or a name that holds a single image")  # fmt: skip
        return None

    def _known(self, target: Scalar) -> None:
        """Refuse a target that nothing has made yet, unless a loop might carry it."""
        networks = [name for name, known in self.scope.names.items() if is_network(known)]
        advice = near(target.name, networks)
        if advice or not self.scope.in_loop:
            advice = advice or "declare it under networks, or give it an image before"
            raise self.report.fail("E201", f"nothing is called '{target.text}' yet", target.mark, advice)

    def _optimiser(
        self, node: Node | None, targets: tuple[str, ...], key: Scalar
    ) -> tuple[Call, dict[str, Expression]]:
        example = "as in optimiser: {adam: {rate: 1e-3}}"
        if node is None:
            raise self.report.fail("E403", "'minimise' needs 'optimiser'", key.mark, example)
        node = self.steps.settle(node)
        if not isinstance(node, Mapping) or len(node.entries) != 1:
            raise self.report.fail("E404", "an optimiser is one block", node.mark, example)
        name, body = node.entries[0]
        call, each = self.steps.caller.call(name, body, targets, family="optimiser")
        if not call.signature.gives(OptimiserKind):
            raise self.report.fail("E404", f"'{name.text}' is no optimiser", name.mark, example)
        return call, each

    def _let(self, node: Node | None, key: Scalar) -> tuple[Assign, ...]:
        if node is None:
            return ()
        steps = self.steps.read(node, "let", key.mark)
        kept = [step for step in steps if isinstance(step, Assign) and self._may_stand(step)]
        if not isinstance(node, Sequence) or len(kept) < len(node.items):
            raise Abandon  # each fault has been noted
        return tuple(kept)

    def _may_stand(self, step: Assign) -> bool:
        """Whether a step may stand in ``let``: it is evaluated as often as the loss is."""
        if not isinstance(step.value, Call) or not step.value.signature.resets:
            return True
        self.report.add("E408", f"'{step.value.signature.name}' has no place in 'let'", step.value.mark,
                        "averages and stoppers stand after the minimise")  # fmt: skip
        return False

    def _terms(self, node: Node | None, key: Scalar) -> tuple[Node, ...]:
        if isinstance(node, Sequence) and node.items:
            return node.items
        example = "as in loss: [fidelity.l2: {of: A(x), to: y}]"
        if node is None:
            self.report.add("E403", "'minimise' needs 'loss': a list of terms", key.mark, example)
        else:
            self.report.add("E108", "'loss' is a list of terms", node.mark, example)
        return ()

    def _term(self, node: Node) -> Call:
        node = self.steps.settle(node)
        if not isinstance(node, Mapping) or len(node.entries) != 1:
            raise self.report.fail(
                "E404", "a loss term is one block", node.mark, "as in fidelity.l2: {of: A(x), to: y}"
            )
        name, body = node.entries[0]
        call, _ = self.steps.caller.call(name, body, ())
        if not call.signature.gives(LossKind):
            advice = "loss terms are fidelity.* and penalty.*"
            raise self.report.fail("E404", f"'{name.text}' is no loss term", name.mark, advice)
        return call

    def _restart(self, node: Node | None) -> bool:
        if node is None:
            return False
        with self.report.part():
            expression = self.steps.typist.read(node)
            value = fold(expression)
            if not isinstance(expression.type, Switch) or value is None:
                raise self.report.fail("E404", "'restart' is true or false", node.mark, "or a parameter that is")
            return bool(value)
        return False

    def _reach(self, targets: list[Scalar], let: tuple[Assign, ...], loss: SequenceABC[Call]) -> None:
        """Every term must depend on some target, and every target be reached by some term."""
        names = {target.name for target in targets}
        depends: dict[str, frozenset[str]] = {name: frozenset({name}) for name in names}
        for step in let:
            depends |= dict.fromkeys(step.targets, _reached(step.value, depends))
        reached: set[str] = set()
        for term in loss:
            found = _reached(term, depends)
            reached |= found
            if not found:
                self.report.add("E501", f"this term depends on no target ({listing(sorted(names))})", term.mark,
                                "no gradient flows from it to a target: it changes nothing")  # fmt: skip
        for target in targets:
            if target.name not in reached:
                self.report.add("E502", f"no loss term reaches '{target.text}'", target.mark,
                                "let a term depend on it, or leave it out")  # fmt: skip


def _reached(value: Expression | Call, depends: MappingABC[str, frozenset[str]]) -> frozenset[str]:
    """The targets to which gradients flow from a value."""
    if isinstance(value, Call):
        inputs = tuple(value.ports.values()) if value.signature.differentiable else ()
    elif value.op == "name":
        return depends.get(value.value, frozenset())
    else:
        inputs = () if value.op in FLAT else value.arguments
    return frozenset[str]().union(*(_reached(each, depends) for each in inputs))
