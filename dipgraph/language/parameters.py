"""Parameters of a recipe or problem as declared: with their kind, their bounds, and the presets that set several."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from collections.abc import Mapping as MappingABC
from collections.abc import Sequence as SequenceABC
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dipgraph.language.diagnostics import Abandon, Mark, Report, Source, listing, near
from dipgraph.language.expressions import Syntax, parse_expression
from dipgraph.language.nodes import Mapping, Node, Scalar, Sequence, normal
from dipgraph.language.ordering import in_order, said
from dipgraph.language.program import Expression
from dipgraph.language.settling import Settling, Value
from dipgraph.language.typing import Typist, described
from dipgraph.signatures.spaces import File, Number, Switch, Type, Word

BOUNDS = ("min", "above", "max", "below")
KEYS = ("value", "file", "of", "about", *BOUNDS)


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
        return cls(normal(name.strip()).removeprefix(prefix), node, Mark(source, 0, 0, max(1, len(name))))

    @property
    def is_whole(self) -> bool:
        """Whether it has an equals sign."""
        return "=" in self.mark.source.text


@dataclass(frozen=True, eq=False)
class Parameters:
    """What a file declares under ``params`` and ``presets``."""

    declared: MappingABC[str, Parameter]
    presets: MappingABC[str, tuple[Mark, MappingABC[str, tuple[Mark, Node]]]]
    base: Path
    """The folder that paths in the file are relative to."""
    kinds: MappingABC[str, Type] = field(default_factory=dict)
    """A number, whole or not, a switch, a word or a file; nothing where the default has a fault."""
    broken: frozenset[str] = frozenset()
    """Names whose declaration has a fault: whatever reads them is left alone."""

    def settle(
        self, report: Report, preset: str | None = None, settings: SequenceABC[Setting] = ()
    ) -> dict[str, Value]:
        """The value of every parameter: a setting beats the preset beats the default.

        A required file that nobody named is None; :meth:`missing` lists them. A parameter that has a fault is left out.
        """
        chosen: dict[str, tuple[Node, bool]] = {name: (known.default, False) for name, known in self.declared.items()}
        if preset is not None:
            preset = str(preset)  # from Python it may be anything
            if (found := self.presets.get(normal(preset))) is None:
                mark = Mark(Source("--preset", preset), 0, 0, max(1, len(preset)))
                advice = near(preset, self.presets) or f"there is {listing(self.presets) or 'none'}"
                report.add("E205", f"no preset '{preset}'", mark, advice)
            else:
                chosen |= {name: (node, False) for name, (_, node) in found[1].items()}
        for setting in settings:
            if not setting.is_whole:
                report.add("E205", "a setting is name=value", setting.mark, "as in --set rate=1e-3")
            elif setting.name in self.declared:
                chosen[setting.name] = (setting.node, True)
            elif setting.name not in self.broken:
                advice = near(setting.name, self.declared) or f"there is {listing(self.declared) or 'none'}"
                report.add("E205", f"no parameter '{setting.name}'", setting.mark, advice)
        return Settling(self, chosen, report).all()

    def missing(self, values: MappingABC[str, Value]) -> list[Parameter]:
        """Required files that have no value."""
        return [known for name, known in self.declared.items() if known.is_required and values.get(name) is None]


def read_parameters(
    document: Mapping, report: Report, base: Path, refuse: Callable[[Scalar], str] | None = None
) -> Parameters:
    """The ``params`` and ``presets`` of a document; ``refuse`` says why a name may not be used (empty if it may)."""
    declared: dict[str, Parameter] = {}
    broken: set[str] = set()
    for key, value in _entries(document.get("params"), "params", report):
        why = f"'{key.text}' is no name" if not key.is_name else refuse(key) if refuse else ""
        if why:
            report.add("E203", why, key.mark)
            continue
        broken.add(key.name)
        with report.part():
            declared[key.name] = _declare(key, value, report)
            broken.remove(key.name)
    kinds = _Kinds(declared, broken, report).all()
    presets: dict[str, tuple[Mark, dict[str, tuple[Mark, Node]]]] = {}
    for key, body in _entries(document.get("presets"), "presets", report):
        changes: dict[str, tuple[Mark, Node]] = {}
        for name, value in _entries(body, f"preset {key.text}", report):
            if name.name in declared:
                changes[name.name] = (name.mark, value)
            elif name.name not in broken:
                advice = near(name.name, declared) or f"there is {listing(declared) or 'none'}"
                report.add("E205", f"preset '{key.text}' sets '{name.text}', which is no parameter", name.mark, advice)
        presets[key.name] = (key.mark, changes)
    return Parameters(declared, presets, base, kinds, frozenset(broken | (declared.keys() - kinds.keys())))


def _entries(node: Node | None, what: str, report: Report) -> Iterable[tuple[Scalar, Node]]:
    if node is None or (isinstance(node, Scalar) and node.is_missing):
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
    for found, _ in node:
        if found.name not in KEYS:
            report.add(
                "E108", f"a parameter has no '{found.text}'", found.mark, near(found.name, KEYS) or listing(KEYS)
            )
    about_node = node.get("about")
    about = about_node.text if isinstance(about_node, Scalar) else ""
    file, value = node.get("file"), node.get("value")
    if (file is None) == (value is None):
        raise report.fail("E108", f"parameter '{key.text}' has either a value or a file", key.mark,
                          "as in {value: 0.1, about: ...}")  # fmt: skip
    words = _words(node.get("of"), report)
    default = value if file is None else file
    assert default is not None, "it has one of the two"
    switch = isinstance(default, Scalar) and isinstance(default.value, bool) and not words
    if file is not None or words or switch:
        for name in (*BOUNDS, *(("of",) if file is not None else ())):
            if (bound := node.key(name)) is not None:
                report.add("E108", f"'{name}' has no meaning for '{key.text}', which is no number", bound.mark)
        return Parameter(key.name, key.mark, default, {}, () if file else words, file is not None, about)
    return Parameter(key.name, key.mark, default, _bounds(node, report), about=about)


def _bounds(node: Mapping, report: Report) -> dict[str, float]:
    bounds: dict[str, float] = {}
    for name in BOUNDS:
        bound = node.get(name)
        if bound is None:
            continue
        found: Any = bound.value if isinstance(bound, Scalar) else None
        if isinstance(found, bool) or not isinstance(found, int | float) or not math.isfinite(found):
            report.add("E108", f"'{name}' is a number", bound.mark)
        else:
            bounds[name] = found
    return bounds


def _words(node: Node | None, report: Report) -> tuple[str, ...]:
    if node is None:
        return ()
    if not isinstance(node, Sequence) or not node.items or not all(isinstance(item, Scalar) for item in node.items):
        raise report.fail("E108", "'of' is a list of words, as in of: [noise, grid]", node.mark)
    words: dict[str, None] = {}
    for item in node.items:
        assert isinstance(item, Scalar), "checked above"
        if item.name in words:
            report.add("E102", f"the word '{item.text}' stands twice", item.mark)
        elif item.name == "by":
            report.add("E203", "'by' cannot be a word: it is how 'choose' names its parameter", item.mark)
        words[item.name] = None
    return tuple(words)


class _Kinds:
    """The kind of each parameter, from the form of its default alone: no value is needed for it."""

    def __init__(self, declared: MappingABC[str, Parameter], broken: set[str], report: Report) -> None:
        self.declared, self.broken, self.report = declared, broken, report
        self.kinds: dict[str, Type] = {}
        self.typist = Typist(self, report)

    def all(self) -> dict[str, Type]:
        defaults: dict[str, Syntax] = {}
        for name, known in self.declared.items():
            if known.is_file or known.words:
                self.kinds[name] = File() if known.is_file else Word(known.words)
                continue
            with self.report.part():
                defaults[name] = parse_expression(known.default, self.report)
        order, rings = in_order({name: {read.value for read in syntax.names()} for name, syntax in defaults.items()})
        for ring in rings:
            self.report.add("E206", said(ring), self.declared[ring[0]].default.mark, "one of them has to be a number")
        for name in order:
            with self.report.part():
                self.kinds[name] = self._kind(self.declared[name], defaults[name])
        return {name: self.kinds[name] for name in self.declared if name in self.kinds}

    def _kind(self, known: Parameter, default: Syntax) -> Type:
        expression = self.typist.type(default)
        if not isinstance(expression.type, Number | Switch):
            message = f"'{known.name}' is {described(expression)}"
            advice = "a parameter is a number, a switch, a word or a file"
            raise self.report.fail("E306", message, known.default.mark, advice)
        return expression.type

    def look_up(self, name: str, mark: Mark) -> Expression:
        """A parameter in the default of another."""
        if name in self.kinds:
            return Expression("name", (), self.kinds[name], mark, name)
        if name in self.declared or name in self.broken:
            raise Abandon  # its own fault has been noted
        advice = (
            near(name, self.declared) or "only parameters and numbers may stand here; a word needs its list, of: [...]"
        )
        raise self.report.fail("E201", f"'{name}' is no parameter", mark, advice)

    def feed(self, network: str, channels: int, mark: Mark) -> None:
        """Nothing is fed: no parameter is a network."""


def reads(parameters: Parameters) -> set[str]:
    """Names that defaults and presets of parameters read."""
    report = Report()
    found: set[str] = set()
    nodes = [known.default for known in parameters.declared.values() if not (known.is_file or known.words)]
    nodes += [node for _, changes in parameters.presets.values() for _, node in changes.values()]
    for node in nodes:
        with report.part():
            syntax: Syntax = parse_expression(node, report)
            found |= {read.value for read in syntax.names()}
    return found
