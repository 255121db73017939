"""A block in a recipe: its name, its ports and settings against its signature, and what it hands out."""

from __future__ import annotations

from collections.abc import Mapping as MappingABC
from typing import Any

from dipgraph.language.diagnostics import Abandon, Report, listing, near
from dipgraph.language.evaluation import fold
from dipgraph.language.matching import Match
from dipgraph.language.nodes import Mapping, Node, Scalar
from dipgraph.language.program import Call, Expression
from dipgraph.language.scopes import RESERVED, Scope
from dipgraph.language.typing import Typist, described
from dipgraph.signatures.block import Port, Signature
from dipgraph.signatures.ports import (
    FieldKind,
    FileKind,
    Kind,
    LossKind,
    MapKind,
    NetworkKind,
    NumberKind,
    OpaqueKind,
    OptimiserKind,
    SpaceKind,
    SwitchKind,
    VectorKind,
    WordKind,
    within,
)
from dipgraph.signatures.spaces import Map, Network, Number, Opaque, SpaceName, Switch, Type, Vector

TAKEN: dict[type[Kind], tuple[type[Type], ...]] = {
    FieldKind: (Number, Vector), NumberKind: (Number,), SwitchKind: (Switch,), VectorKind: (Vector,),
    MapKind: (Map,), NetworkKind: (Network,), SpaceKind: (SpaceName,), OpaqueKind: (Opaque,),
}  # fmt: skip
"""What an expression has to be for a port of each kind."""


class Caller:
    """Checks block calls at one place of the text."""

    def __init__(self, signatures: MappingABC[str, Signature], scope: Scope, report: Report) -> None:
        self.signatures, self.scope, self.report = signatures, scope, report
        self.typist = Typist(scope, report)

    def signature(self, key: Scalar, family: str = "") -> Signature:
        """The block of that name; a family is put before a bare word."""
        prefix = f"{family}." if family else ""
        if (found := self.signatures.get(prefix + key.text)) is not None:
            return found
        known = [known.removeprefix(prefix) for known in self.signatures if known.startswith(prefix)]
        siblings = (
            [other for other in known if other.startswith(key.text.partition(".")[0] + ".")] if not family else known
        )
        advice = f"there is {listing(siblings)}" if siblings else "`dipgraph blocks` lists them"
        raise self.report.fail(
            "E401",
            f"no {family or 'block'} '{key.text}'",
            key.mark,
            near(key.text.removeprefix(prefix), known if family else [*known, *RESERVED]) or advice,
        )

    def call(
        self, key: Scalar, body: Node, targets: tuple[str, ...], family: str = ""
    ) -> tuple[Call, dict[str, Expression]]:
        """The block that ``key: body`` calls, and numbers that are said for each target of a minimise."""
        signature = self.signature(key, family)
        entries = self._entries(signature, key, body)
        ports: dict[str, Expression] = {}
        settings: dict[str, Any] = {}
        each: dict[str, Expression] = {}
        whole = True
        for port in signature.ports:
            node = entries.get(port.name)
            if node is None:
                if port.required:
                    advice = f"it is {port.kind}" + (f": {port.about}" if port.about else "")
                    self.report.add("E403", f"'{signature.name}' needs the port '{port.name}'", key.mark, advice)
                    whole = False
                continue
            done = False
            with self.report.part():
                if isinstance(port.kind, NumberKind) and port.kind.per_target and isinstance(node, Mapping):
                    each |= self._each(port, node, targets)
                elif port.static:
                    settings[port.name] = self._setting(port, node)
                else:
                    ports[port.name] = self._port(port, node)
                done = True
            whole &= done
        match = self._match(signature, ports, settings)
        if match is None or not whole:
            raise Abandon  # each fault has been noted
        outputs = self._outputs(signature, match, key, targets)
        return Call(signature, ports, settings, outputs, key.mark), each

    def _entries(self, signature: Signature, key: Scalar, body: Node) -> dict[str, Node]:
        """What the recipe says for each port; a misspelt name counts for the port it is near."""
        if isinstance(body, Scalar) and body.is_missing:
            return {}
        if not isinstance(body, Mapping):
            example = (
                f"{signature.name}: {{{signature.ports[0].name}: ...}}"
                if signature.ports
                else f"{signature.name}: {{}}"
            )
            message = f"'{signature.name}' takes its ports as a mapping"
            raise self.report.fail("E404", message, body.mark, f"as in {example}")
        known = [port.name for port in signature.ports]
        entries = {name.name: node for name, node in body if name.name in known}
        for name, node in body:
            if name.name in known:
                continue
            advice = near(name.name, known)
            self.report.add("E402", f"'{signature.name}' has no port '{name.text}'", name.mark,
                            advice or f"it has {listing(known) or 'none'}")  # fmt: skip
            for meant in known:
                if f"'{meant}'" in advice:
                    entries.setdefault(meant, node)
        return entries

    def _each(self, port: Port, node: Mapping, targets: tuple[str, ...]) -> dict[str, Expression]:
        """A number for each target of a minimise."""
        each: dict[str, Expression] = {}
        failed = False
        for name, value in node:
            if name.name not in targets:
                self.report.add("E402", f"'{name.text}' is no target of this minimise", name.mark,
                                near(name.name, targets) or f"its targets are {listing(targets)}")  # fmt: skip
                failed = True
                continue
            done = False
            with self.report.part():
                each[name.name] = self._port(port, value)
                done = True
            failed |= not done
        missing = [target for target in targets if node.get(target) is None]
        if missing and not failed:
            self.report.add("E403", f"'{port.name}' says nothing for {listing(missing)}", node.mark,
                            "say it for each target, or once for all")  # fmt: skip
        if missing or failed:
            raise Abandon
        return each

    def _setting(self, port: Port, node: Node) -> Any:
        """A value that is known before the run."""
        kind = port.kind
        if isinstance(kind, WordKind):
            return self._word(port, kind, node)
        if isinstance(kind, FileKind):
            return self._file(port, node)
        value = fold(self._port(port, node, settled=True))
        return float(value) if value is not None and isinstance(kind, NumberKind) and not kind.whole else value

    def _word(self, port: Port, kind: WordKind, node: Node) -> str:
        """A word of the port's list, or a word parameter that holds one."""
        text = node.name if isinstance(node, Scalar) else ""
        whose = ""
        if isinstance(node, Scalar) and not node.quoted and text not in kind.of and text in self.scope.words:
            self.scope.read_parameters.add(text)
            whose, text = text, str(self.scope.parameters[text])
        if not whose and text in self.scope.broken:
            raise Abandon
        if text not in kind.of:
            said = (
                f"the parameter '{whose}' may be '{text}'"
                if whose
                else f"'{text}' is not"
                if text
                else "no word stands here"
            )
            message = f"'{port.name}' is one of {listing(kind.of)}; {said}"
            raise self.report.fail("E406", message, node.mark, near(text, (*kind.of, *self.scope.words)))
        return text

    def _file(self, port: Port, node: Node) -> str | None:
        name = node.name if isinstance(node, Scalar) else ""
        if name == "none":
            return None
        if name in self.scope.broken:
            raise Abandon
        value = self.scope.parameters.get(name)
        if name not in self.scope.parameters or isinstance(value, bool | int | float) or name in self.scope.words:
            raise self.report.fail("E404", f"'{port.name}' is a file", node.mark,
                                   "declare a parameter {file: ...} and name it here")  # fmt: skip
        self.scope.read_parameters.add(name)
        return value if isinstance(value, str) else None

    def _port(self, port: Port, node: Node, settled: bool = False) -> Expression:
        """An expression of the port's kind, known before the run if it has to be settled by then."""
        if not isinstance(node, Scalar):
            raise self.report.fail("E404", f"'{port.name}' is {port.kind}, not a block or a list", node.mark,
                                   "give the block's value a name in a step of its own, and name it here")  # fmt: skip
        expression = self.typist.read(node)
        kind = port.kind
        wrong = not isinstance(expression.type, TAKEN[type(kind)])
        if wrong or (isinstance(kind, OpaqueKind) and expression.type != Opaque(kind.kind)):
            message = f"'{port.name}' is {kind}, and this is {described(expression)}"
            raise self.report.fail("E404", message, expression.mark)
        if settled and fold(expression) is None:
            message = f"'{port.name}' is settled before the run"
            raise self.report.fail("E404", message, node.mark, "only parameters and numbers may stand here")
        if isinstance(kind, NumberKind):
            self._within(port, kind, expression)
        return expression

    def _within(self, port: Port, kind: NumberKind, expression: Expression) -> None:
        """Refuse a real number for a whole one, and a known value out of bounds."""
        value = fold(expression)
        if kind.whole and not (isinstance(expression.type, Number) and expression.type.whole):
            message = f"'{port.name}' is a whole number, and this is {described(expression)}"
            raise self.report.fail("E404", message, expression.mark, "round it: floor(...)")
        if value is not None and not within(value, kind.min, kind.above, kind.max, kind.below):
            shown = str(value) if isinstance(value, int) else f"{value:g}"
            raise self.report.fail("E405", f"'{port.name}' is {shown}; it must be {kind}", expression.mark)

    def _match(
        self, signature: Signature, ports: MappingABC[str, Expression], settings: MappingABC[str, Any]
    ) -> Match | None:
        """The spaces of the inputs against the patterns; None where one does not fit."""
        defaults = {port.name: port.default for port in signature.ports if port.static and not port.required}
        match = Match(self.report, defaults | dict(settings))
        whole = True
        for port in signature.ports:
            if port.name in ports:
                done = False
                with self.report.part():
                    match.take(port, ports[port.name])
                    done = True
                whole &= done
        return match if whole else None

    def _outputs(self, signature: Signature, match: Match, key: Scalar, targets: tuple[str, ...]) -> tuple[Type, ...]:
        """The types of what the block hands out."""
        stands_alone = not (signature.gives(LossKind) or signature.gives(OptimiserKind))
        if stands_alone and len(targets) > (count := len(signature.outputs)):
            message = f"'{signature.name}' hands out {count} value{'s' * (count != 1)}, not {len(targets)}"
            names = f"they are {listing(output.name for output in signature.outputs)}" if count > 1 else "name one"
            raise self.report.fail("E407", message, key.mark, names)
        label = self.scope.fresh_label(targets[0] if targets else signature.name)
        return tuple(match.give(output.kind, label) for output in signature.outputs)
