"""A block in a recipe: its name, its ports and settings against its signature, and what it hands out."""

from __future__ import annotations

from collections.abc import Mapping as MappingABC
from dataclasses import replace
from typing import Any

from dipgraph.language.diagnostics import Abandon, Mark, Report, listing, near
from dipgraph.language.document import Mapping, Node, Scalar
from dipgraph.language.expressions import parse_expression
from dipgraph.language.program import Call, Expression
from dipgraph.language.scopes import Scope
from dipgraph.language.typing import Typist, described, fold
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
from dipgraph.signatures.spaces import G, Map, Network, Number, Opaque, Space, SpaceName, Switch, Type, Vector, X, Y

CONSTANT = {"X": X, "Y": Y, "G": G}


class Caller:
    """Checks block calls at one place of the text."""

    def __init__(self, signatures: MappingABC[str, Signature], scope: Scope, report: Report) -> None:
        self.signatures, self.scope, self.report = signatures, scope, report
        self.typist = Typist(scope, report)

    def signature(self, key: Scalar, family: str = "") -> Signature:
        """The block of that name; a family is put before a bare word."""
        name = f"{family}.{key.text}" if family else key.text
        if name in self.signatures:
            return self.signatures[name]
        known = [known.removeprefix(f"{family}.") for known in self.signatures if known.startswith(family)]
        sort = family or "block"
        advice = near(key.text, known)
        if not advice and not family:
            siblings = [other for other in known if other.startswith(key.text.partition(".")[0] + ".")]
            advice = f"there is {listing(siblings)}" if siblings else "`dipgraph blocks` lists them"
        elif not advice:
            advice = f"there is {listing(known)}"
        raise self.report.fail("E401", f"no {sort} '{key.text}'", key.mark, advice)

    def call(
        self, key: Scalar, body: Node, targets: tuple[str, ...], family: str = ""
    ) -> tuple[Call, dict[str, Expression]]:
        """The block that ``key: body`` calls, and numbers that are said for each target of a minimise."""
        signature = self.signature(key, family)
        entries = self._entries(signature, key, body)
        ports: dict[str, Expression] = {}
        settings: dict[str, Any] = {}
        each: dict[str, Expression] = {}
        failed = False
        for port in signature.ports:
            if port.name not in entries:
                if port.required:
                    self.report.add("E403", f"'{signature.name}' needs the port '{port.name}'", key.mark,
                                    f"it is {port.kind}" + (f": {port.about}" if port.about else ""))  # fmt: skip
                    failed = True
                continue
            node = entries[port.name]
            done = False
            with self.report.part():
                if isinstance(port.kind, NumberKind) and port.kind.per_target and isinstance(node, Mapping):
                    each |= self._each(port, node, targets)
                elif port.static:
                    settings[port.name] = self._setting(port, node, signature)
                else:
                    ports[port.name] = self._port(port, node)
                done = True
            failed |= not done
        if failed:
            raise Abandon  # each fault has been noted
        outputs = self._outputs(signature, ports, settings, key, targets)
        return Call(signature, ports, settings, outputs, key.mark), each

    def _entries(self, signature: Signature, key: Scalar, body: Node) -> dict[str, Node]:
        if isinstance(body, Scalar) and body.value is None:
            return {}
        if not isinstance(body, Mapping):
            raise self.report.fail("E404", f"'{signature.name}' takes its ports as a mapping", body.mark,
                                   f"as in {signature.name}: {{{signature.ports[0].name}: ...}}" if signature.ports else "")  # fmt: skip
        entries: dict[str, Node] = {}
        for name, node in body:
            if signature.port(name.name) is None:
                known = [port.name for port in signature.ports]
                advice = near(name.name, known) or f"it has {listing(known) or 'none'}"
                self.report.add("E402", f"'{signature.name}' has no port '{name.text}'", name.mark, advice)
            else:
                entries[name.name] = node
        return entries

    def _each(self, port: Port, node: Mapping, targets: tuple[str, ...]) -> dict[str, Expression]:
        each: dict[str, Expression] = {}
        for name, value in node:
            if name.name not in targets:
                self.report.add("E402", f"'{name.text}' is no target of this minimise", name.mark,
                                near(name.name, targets) or f"its targets are {listing(targets)}")  # fmt: skip
            else:
                each[name.name] = self._port(port, value)
        missing = [target for target in targets if target not in each]
        if missing and not self.report.errors:
            raise self.report.fail("E403", f"'{port.name}' says nothing for {listing(missing)}", node.mark)
        return each

    def _setting(self, port: Port, node: Node, signature: Signature) -> Any:
        """A value that is known before the run."""
        kind = port.kind
        if isinstance(kind, WordKind):
            return self._word(port, kind, node)
        if isinstance(kind, FileKind):
            return self._file(port, node)
        expression = self.typist.type(parse_expression(node, self.report))
        value = fold(expression)
        if value is None:
            raise self.report.fail("E404", f"'{port.name}' of {signature.name} is settled before the run", node.mark,
                                   "only parameters and numbers may stand here")  # fmt: skip
        self._fits(port, expression)
        if isinstance(kind, NumberKind) and not kind.whole:
            return float(value)
        return value

    def _word(self, port: Port, kind: WordKind, node: Node) -> str:
        text = node.text if isinstance(node, Scalar) else ""
        if isinstance(node, Scalar) and not node.quoted and node.name in self.scope.words:
            self.scope.read_parameters.add(node.name)
            text = str(self.scope.parameters.get(node.name, ""))
        if text not in kind.of:
            shown = f"'{text}' is not" if text else "this is not"
            raise self.report.fail("E406", f"'{port.name}' is one of {listing(kind.of)}; {shown}", node.mark, near(text, kind.of))
        return text

    def _file(self, port: Port, node: Node) -> str | None:
        name = node.name if isinstance(node, Scalar) else ""
        if name == "none":
            return None
        value = self.scope.parameters.get(name)
        if name not in self.scope.parameters or isinstance(value, bool | int | float) or name in self.scope.words:
            raise self.report.fail("E404", f"'{port.name}' is a file", node.mark,
                                   "declare a parameter {file: ...} and name it here")  # fmt: skip
        self.scope.read_parameters.add(name)
        return value if isinstance(value, str) else None

    def _port(self, port: Port, node: Node) -> Expression:
        if isinstance(node, Mapping):
            raise self.report.fail("E404", f"'{port.name}' is {port.kind}, not a block", node.mark,
                                   "give the block's value a name in a step of its own, and name it here")  # fmt: skip
        expression = self.typist.type(parse_expression(node, self.report))
        self._fits(port, expression)
        return expression

    def _fits(self, port: Port, expression: Expression) -> None:
        """Refuse an expression of the wrong kind or a known value out of bounds. Spaces are matched later, together."""
        wanted: dict[type[Kind], tuple[type[Type], ...]] = {
            FieldKind: (Number, Vector), NumberKind: (Number,), SwitchKind: (Switch,), VectorKind: (Vector,),
            MapKind: (Map,), NetworkKind: (Network,), SpaceKind: (SpaceName,), OpaqueKind: (Opaque,),
        }  # fmt: skip
        kind = port.kind
        if not isinstance(expression.type, wanted[type(kind)]):
            raise self.report.fail("E404", f"'{port.name}' is {kind}, and this is {described(expression)}", expression.mark)
        if isinstance(kind, OpaqueKind) and expression.type != Opaque(kind.kind):
            raise self.report.fail("E404", f"'{port.name}' is {kind}, and this is {expression.type}", expression.mark)
        if not isinstance(kind, NumberKind):
            return
        value = fold(expression)
        if kind.whole and not (isinstance(expression.type, Number) and expression.type.whole):
            raise self.report.fail("E404", f"'{port.name}' is a whole number", expression.mark)
        if value is not None and not within(value, kind.min, kind.above, kind.max, kind.below):
            shown = str(value) if isinstance(value, int) else f"{value:g}"
            raise self.report.fail("E405", f"'{port.name}' is {shown}; it must be {kind}", expression.mark)

    def _outputs(
        self,
        signature: Signature,
        ports: MappingABC[str, Expression],
        settings: MappingABC[str, Any],
        key: Scalar,
        targets: tuple[str, ...],
    ) -> tuple[Type, ...]:
        """Match the spaces of the inputs with the patterns, and read those of the outputs off them."""
        defaults = {port.name: port.default for port in signature.ports if port.static and not port.required}
        match = _Match(self.report, defaults | dict(settings))
        for port in signature.ports:
            if port.name in ports:
                match.take(port, ports[port.name])
        if len(targets) > len(signature.outputs) and not signature.gives(LossKind) and not signature.gives(OptimiserKind):
            count = len(signature.outputs)
            raise self.report.fail("E407", f"'{signature.name}' hands out {count} value{'s' * (count != 1)}, not {len(targets)}",
                                   key.mark, f"they are {listing(output.name for output in signature.outputs)}")  # fmt: skip
        label = targets[0] if targets else signature.name
        return tuple(match.give(output.kind, label) for output in signature.outputs)


class _Match:
    """The spaces that a signature's patterns stand for in one call."""

    def __init__(self, report: Report, settings: MappingABC[str, Any]) -> None:
        self.report, self.settings = report, settings
        self.spaces: dict[str, Space] = dict(CONSTANT)
        self.channels: dict[str, int] = {}
        self.batched = False

    def take(self, port: Port, expression: Expression) -> None:
        """Match the space of an input."""
        kind, type_ = port.kind, expression.type
        if isinstance(kind, VectorKind | FieldKind) and isinstance(type_, Vector):
            if type_.space.batched and isinstance(kind, VectorKind) and kind.single:
                raise self.report.fail("E305", f"'{port.name}' takes a single image, and this is a batch", expression.mark,
                                       "take the mean of the batch first: mean(...)")  # fmt: skip
            self.batched |= type_.space.batched
            self._unify(port, kind.pattern, type_.space.member, expression.mark)
        elif isinstance(kind, MapKind) and isinstance(type_, Map):
            if kind.linear and not type_.linear:
                raise self.report.fail("E404", f"'{port.name}' is {kind}, and this is {type_}", expression.mark)
            self._unify(port, kind.domain, type_.domain, expression.mark)
            self._unify(port, kind.codomain, type_.codomain, expression.mark)
        elif isinstance(kind, SpaceKind) and isinstance(type_, SpaceName):
            self._unify(port, kind.pattern, type_.space, expression.mark)

    def _unify(self, port: Port, pattern: str, space: Space, mark: Mark) -> None:
        name, _, channels = pattern.partition("[")
        bare = replace(space, channels=1) if channels else space
        expected = self.spaces.setdefault(name, bare)
        fits = expected == bare
        if fits and channels:
            fits = self._channels(channels.rstrip("]"), space.channels) == space.channels
        if not fits:
            raise self.report.fail("E302", f"'{port.name}' wants {expected} and got {space}", mark)

    def _channels(self, said: str, otherwise: int) -> int:
        if said.isdigit():
            return int(said)
        if said in self.settings:
            return int(self.settings[said])
        return self.channels.setdefault(said, otherwise)

    def space(self, pattern: str, label: str) -> Space:
        """The space that an output's pattern stands for; a fresh one where no input fixed it."""
        name, _, channels = pattern.partition("[")
        space = self.spaces.setdefault(name, Space(f"{name}({label})"))
        return replace(space, channels=self._channels(channels.rstrip("]"), 1)) if channels else space

    def give(self, kind: Kind, label: str) -> Type:
        """The type of an output."""
        if isinstance(kind, VectorKind):
            space = self.space(kind.pattern, label)
            return Vector(space.batch(not kind.single and (self.batched or kind.batched)))
        if isinstance(kind, MapKind):
            return Map(self.space(kind.domain, label), self.space(kind.codomain, label), kind.linear)
        if isinstance(kind, SwitchKind):
            return Switch()
        if isinstance(kind, NetworkKind):
            return Network()
        if isinstance(kind, OpaqueKind):
            return Opaque(kind.kind)
        return Number(isinstance(kind, NumberKind) and kind.whole)
