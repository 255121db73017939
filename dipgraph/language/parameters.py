"""Parameters of a recipe or problem: declared with kind and bounds, settled from values, presets and ``--set``."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping as MappingABC, Sequence as SequenceABC
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dipgraph.language.diagnostics import Mark, Report, Source, listing, near
from dipgraph.language.document import Mapping, Node, Scalar, Sequence
from dipgraph.language.expressions import Syntax, evaluate, parse_expression
from dipgraph.signatures.ports import describe_bounds, within

BOUNDS = ("min", "above", "max", "below")
Value = int | float | bool | str | None


@dataclass(frozen=True, eq=False)
class Parameter:
    """One parameter: its default as an expression (of other parameters), or its words, or its file."""

    name: str
    mark: Mark
    default: Node
    bounds: MappingABC[str, float] = field(default_factory=dict)
    words: tuple[str, ...] = ()
    is_file: bool = False
    about: str = ""

    @property
    def is_required(self) -> bool:
        """Whether it is a file that the user has to name."""
        return self.is_file and isinstance(self.default, Scalar) and self.default.text == "required"


@dataclass(frozen=True, eq=False)
class Setting:
    """One ``--set name=value``."""

    name: str
    node: Scalar
    mark: Mark

    @classmethod
    def read(cls, text: str, option: str = "--set", prefix: str = "") -> Setting:
        """The setting that ``name=value`` says; the name loses the prefix."""
        source = Source(option, text)
        name, equals, value = text.partition("=")
        start = len(name) + len(equals)
        quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
        inner = value[1:-1] if quoted else value
        node = Scalar(Mark(source, 0, start, max(1, len(value))), inner, False, not quoted)
        return cls(name.strip().removeprefix(prefix), node, Mark(source, 0, 0, max(1, len(name))))


@dataclass(frozen=True, eq=False)
class Parameters:
    """What a file declares under ``params`` and ``presets``."""

    declared: MappingABC[str, Parameter]
    presets: MappingABC[str, tuple[Mark, MappingABC[str, tuple[Mark, Node]]]]
    base: Path
    """The folder that paths in the file are relative to."""

    def settle(
        self, report: Report, preset: str | None = None, settings: SequenceABC[Setting] = ()
    ) -> dict[str, Value]:
        """The value of every parameter: a setting beats the preset beats the default.

        A required file that nobody named is None; :meth:`missing` lists them.
        """
        chosen: dict[str, tuple[Node, bool]] = {name: (known.default, False) for name, known in self.declared.items()}
        if preset is not None:
            if preset not in self.presets:
                mark = Mark(Source("--preset", preset), 0, 0, len(preset))
                known = listing(self.presets) or "none"
                report.add("E205", f"no preset '{preset}'; there is {known}", mark, near(preset, self.presets))
            else:
                chosen |= {name: (node, False) for name, (_, node) in self.presets[preset][1].items() if name in chosen}
        for setting in settings:
            if not setting.node.mark.source.text.partition("=")[1]:
                report.add("E205", "a setting is name=value", setting.mark, "as in --set rate=1e-3")
            elif setting.name not in self.declared:
                known = listing(self.declared) or "none"
                advice = near(setting.name, self.declared) or f"there is {known}"
                report.add("E205", f"no parameter '{setting.name}'", setting.mark, advice)
            else:
                chosen[setting.name] = (setting.node, True)
        return _Settling(self, chosen, report).all()

    def missing(self, values: MappingABC[str, Value]) -> list[Parameter]:
        """Required files that have no value."""
        return [known for name, known in self.declared.items() if known.is_required and values.get(name) is None]


class _Settling:
    """Evaluates parameters in the order that their expressions ask for."""

    def __init__(self, parameters: Parameters, chosen: dict[str, tuple[Node, bool]], report: Report) -> None:
        self.parameters, self.chosen, self.report = parameters, chosen, report
        self.values: dict[str, Value] = {}
        self.under_way: list[str] = []

    def all(self) -> dict[str, Value]:
        for name in self.chosen:
            with self.report.part():
                self._settle(name)
        return self.values

    def _settle(self, name: str) -> None:
        if name in self.values:
            return
        known = self.parameters.declared[name]
        node, from_user = self.chosen[name]
        if name in self.under_way:
            ring = " -> ".join([*self.under_way[self.under_way.index(name) :], name])
            raise self.report.fail("E206", f"the parameters define each other: {ring}", node.mark)
        self.under_way.append(name)
        try:
            if known.is_file:
                self.values[name] = self._file(known, node, from_user)
            elif known.words:
                self.values[name] = self._word(known, node)
            else:
                self.values[name] = self._number(known, node)
        finally:
            self.under_way.pop()

    def _file(self, known: Parameter, node: Node, from_user: bool) -> str | None:
        if not isinstance(node, Scalar):
            raise self.report.fail("E206", f"'{known.name}' is a file", node.mark)
        if node.text in ("none", "required", ""):
            return None
        base = Path.cwd() if from_user else self.parameters.base
        return os.path.normpath(base / Path(node.text).expanduser())

    def _word(self, known: Parameter, node: Node) -> str:
        text = node.text if isinstance(node, Scalar) else ""
        if text not in known.words:
            advice = near(text, known.words)
            raise self.report.fail("E206", f"'{known.name}' is one of {listing(known.words)}", node.mark, advice)
        return text

    def _number(self, known: Parameter, node: Node) -> Value:
        value = self._value(node)
        if node is not known.default:
            value = self._of_kind(known, value, node)
        if not isinstance(value, bool) and not within(float(value), **known.bounds):  # type: ignore[arg-type]
            bounds = describe_bounds(**known.bounds)
            shown = f"{value:g}" if isinstance(value, float) else str(value)
            raise self.report.fail("E206", f"'{known.name}' is {shown}; it must be {bounds}", node.mark)
        return value

    def _value(self, node: Node) -> Value:
        syntax = parse_expression(node, self.report)
        for read in syntax.names():
            if read.value in self.parameters.declared:
                self._settle(read.value)
                if read.value not in self.values:  # its own fault has been noted
                    raise self.report.fail("E206", f"'{read.value}' has no value", read.mark)
        value: Value = evaluate(syntax, self.values, self.report)
        return value

    def _of_kind(self, known: Parameter, value: Value, node: Node) -> Value:
        """The value in the kind of the default: a whole number may stand for a real one, nothing else."""
        default = self._value(known.default)
        if isinstance(default, bool) != isinstance(value, bool):
            wanted = "true or false" if isinstance(default, bool) else "a number"
            raise self.report.fail("E206", f"'{known.name}' is {wanted}", node.mark)
        if isinstance(default, bool):
            return value
        if isinstance(default, int) and not isinstance(value, int):
            raise self.report.fail("E206", f"'{known.name}' is a whole number", node.mark)
        return float(value) if isinstance(default, float) else value  # type: ignore[arg-type]


def read_parameters(
    document: Mapping, report: Report, base: Path, refuse: Callable[[Scalar], str] | None = None
) -> Parameters:
    """The ``params`` and ``presets`` of a document; ``refuse`` says why a name may not be used (empty if it may)."""
    declared: dict[str, Parameter] = {}
    node = document.get("params")
    for key, value in _entries(node, "params", report):
        why = refuse(key) if refuse else ""
        if not key.is_name:
            why = why or f"'{key.text}' is no name"
        if why:
            report.add("E203", why, key.mark)
            continue
        with report.part():
            declared[key.name] = _declare(key, value, report)
    presets: dict[str, tuple[Mark, dict[str, tuple[Mark, Node]]]] = {}
    for key, body in _entries(document.get("presets"), "presets", report):
        changes: dict[str, tuple[Mark, Node]] = {}
        for name, value in _entries(body, f"preset {key.text}", report):
            if name.name in declared:
                changes[name.name] = (name.mark, value)
            else:
                advice = near(name.name, declared)
                report.add("E205", f"preset '{key.text}' sets '{name.text}', which is no parameter", name.mark, advice)
        presets[key.name] = (key.mark, changes)
    return Parameters(declared, presets, base)


def _entries(node: Node | None, what: str, report: Report) -> Collection[tuple[Scalar, Node]]:
    if node is None or (isinstance(node, Scalar) and node.value is None):
        return ()
    if not isinstance(node, Mapping):
        report.add("E108", f"'{what}' is a mapping of names", node.mark)
        return ()
    return node.entries


def _declare(key: Scalar, node: Node, report: Report) -> Parameter:
    """One parameter, as a mapping or as its bare value."""
    if isinstance(node, Scalar):
        return Parameter(key.name, key.mark, node)
    if not isinstance(node, Mapping):
        raise report.fail("E108", f"parameter '{key.text}' is a value or a mapping", node.mark)
    known = ("value", "file", "of", "about", *BOUNDS)
    for found, _ in node:
        if found.name not in known:
            report.add("E108", f"a parameter has no '{found.text}'", found.mark, near(found.name, known) or listing(known))
    about_node = node.get("about")
    about = about_node.text if isinstance(about_node, Scalar) else ""
    file, value = node.get("file"), node.get("value")
    if (file is None) == (value is None):
        raise report.fail("E108", f"parameter '{key.text}' has either a value or a file", key.mark)
    if file is not None:
        return Parameter(key.name, key.mark, file, is_file=True, about=about)
    assert value is not None
    return Parameter(key.name, key.mark, value, _bounds(node, report), _words(node.get("of"), report), about=about)


def _bounds(node: Mapping, report: Report) -> dict[str, float]:
    bounds: dict[str, float] = {}
    for name in BOUNDS:
        bound = node.get(name)
        if bound is None:
            continue
        found: Any = bound.value if isinstance(bound, Scalar) else None
        if isinstance(found, bool) or not isinstance(found, int | float):
            report.add("E108", f"'{name}' is a number", bound.mark)
        else:
            bounds[name] = found
    return bounds


def _words(node: Node | None, report: Report) -> tuple[str, ...]:
    if node is None:
        return ()
    if not isinstance(node, Sequence) or not node.items or not all(isinstance(item, Scalar) for item in node.items):
        raise report.fail("E108", "'of' is a list of words, as in of: [noise, grid]", node.mark)
    return tuple(item.text for item in node.items if isinstance(item, Scalar))


def reference_texts(values: MappingABC[str, Value]) -> dict[str, str]:
    """Settled values as the texts that ``--set`` would take."""
    shown = {True: "true", False: "false", None: "none"}
    return {
        name: shown[value] if isinstance(value, bool) or value is None else repr(value) if isinstance(value, float) else str(value)
        for name, value in values.items()
    }
