"""Located YAML: a text becomes mappings, sequences and scalars that know their line and column.

PyYAML composes the tree; scalars follow YAML 1.2's core schema, so that ``1e-3`` is a number and ``off`` a word. Anchors,
aliases, tags, several documents and equal keys are refused, and so is what is too large or too deep to be a recipe.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from dipgraph.language.diagnostics import Faults, Mark, Report, Source
from dipgraph.signatures.errors import InputError

LARGEST = 1_000_000
"""Characters of the largest text that is read."""
DEEPEST = 50
"""Levels of the deepest nesting that is read."""

WHOLE = re.compile(r"[-+]?[0-9]+\Z|0o[0-7]+\Z|0x[0-9a-fA-F]+\Z")
REAL = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
NAME = re.compile(r"[^\W\d]\w*\Z")


@dataclass(frozen=True, eq=False)
class Node:
    """A part of the document and the place where it begins."""

    mark: Mark


@dataclass(frozen=True, eq=False)
class Scalar(Node):
    """A single value; ``text`` is what stands there, without quotes."""

    text: str
    quoted: bool
    verbatim: bool
    """Whether the text stands in the source letter by letter, so that an offset in it is an offset there."""

    @property
    def value(self) -> int | float | bool | str | None:
        """The value by YAML 1.2's core schema."""
        if self.quoted:
            return self.text
        if self.text in ("", "~", "null"):
            return None
        if self.text in ("true", "false"):
            return self.text == "true"
        if WHOLE.match(self.text) and len(self.text) < 400:
            return int(self.text, 0) if self.text[:2] in ("0o", "0x") else int(self.text)
        return float(self.text) if REAL.match(self.text) else self.text

    @property
    def name(self) -> str:
        """The text as a name, in Unicode's NFKC form, as Python's parser gives names."""
        return unicodedata.normalize("NFKC", self.text)

    @property
    def is_name(self) -> bool:
        """Whether the text can name something."""
        return bool(NAME.match(self.name))


@dataclass(frozen=True, eq=False)
class Sequence(Node):
    """A list."""

    items: tuple[Node, ...]


@dataclass(frozen=True, eq=False)
class Mapping(Node):
    """Keys and values in the order of the text."""

    entries: tuple[tuple[Scalar, Node], ...]

    def __iter__(self) -> Iterator[tuple[Scalar, Node]]:
        return iter(self.entries)

    def get(self, key: str) -> Node | None:
        """The value under a key, if it is there."""
        return next((value for found, value in self.entries if found.name == key), None)

    def key(self, key: str) -> Scalar | None:
        """The key itself, for its place."""
        return next((found for found, _ in self.entries if found.name == key), None)


def read(path: Path) -> Source:
    """The text of a file, or one clear error."""
    try:
        if path.stat().st_size > 4 * LARGEST:
            raise InputError(
                f"the file holds {path.stat().st_size} bytes, more than a recipe or problem file may",
                where=str(path),
                remedy="is it the data file? A recipe is a short YAML text",
            )
        return Source(str(path), path.read_bytes().decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise InputError(
            f"the file is not UTF-8 text (byte {error.start})", where=str(path), remedy="save it as UTF-8 text"
        ) from None
    except OSError as error:
        raise InputError(
            f"cannot read the file: {error.strerror}", where=str(path), remedy="check the path and its permissions"
        ) from None


def parse(source: Source, report: Report) -> Mapping:
    """The mapping that a text holds; faults that leave something to read on go to the report, others are raised."""
    node = compose(source, report)
    if node is None:
        raise Faults(report.faults)
    if not isinstance(node, Mapping):
        report.add("E106", "the document is not a mapping", node.mark, "begin with keys, as in 'recipe: 1'")
        raise Faults(report.faults)
    return node


def compose(source: Source, report: Report) -> Node | None:
    """The located tree of a text; faults go to the report."""
    start = Mark(source)
    if len(source.text) > LARGEST:
        report.add("E109", f"the text has {len(source.text)} characters, more than {LARGEST}", start)
        return None
    try:
        depth = 0
        for event in yaml.parse(source.text, Loader=yaml.SafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > DEEPEST:
                report.add("E109", f"lists or mappings nested more than {DEEPEST} deep", _mark(source, event.start_mark))
                return None
            _refuse_event(event, source, report)
        if report.errors:
            return None
        tree = yaml.compose(source.text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        _syntax_fault(error, source, report)
        return None
    except yaml.YAMLError as error:
        position = getattr(error, "position", 0)
        line = source.text.count("\n", 0, position)
        column = position - (source.text.rfind("\n", 0, position) + 1)
        report.add("E101", f"a character that YAML does not allow: {_reason(error)}", Mark(source, line, column))
        return None
    if tree is None or (isinstance(tree, yaml.ScalarNode) and not tree.value.strip()):
        report.add("E106", "the document is empty", start, "begin with 'recipe: 1' or 'problem: 1'")
        return None
    return _convert(tree, source, report)


def _refuse_event(event: yaml.Event, source: Source, report: Report) -> None:
    """Refuse what YAML allows and a recipe does not."""
    mark = _mark(source, event.start_mark)
    if isinstance(event, yaml.AliasEvent):
        advice = f'quote an expression that begins with a star: "*{event.anchor}"'
        report.add("E103", f"alias '*{event.anchor}': a recipe has no aliases", mark, advice)
    elif getattr(event, "anchor", None):
        advice = f'quote a text that begins with an ampersand: "&{event.anchor}"'
        report.add("E103", f"anchor '&{event.anchor}': a recipe has no anchors", mark, advice)
    elif getattr(event, "tag", None):
        report.add("E104", f"tag '{event.tag}': a recipe has no tags", mark, "remove it; values know their kind by form")
    elif isinstance(event, yaml.DocumentStartEvent) and event.explicit and mark.line > 0:
        before = "\n".join(source.text.splitlines()[: mark.line])
        if re.sub(r"#[^\n]*", "", before).strip():
            report.add("E106", "a second document begins here", mark, "a file holds one recipe or problem")


def _syntax_fault(error: yaml.MarkedYAMLError, source: Source, report: Report) -> None:
    """Put a YAML syntax error into the report, with advice for the usual causes."""
    place = error.problem_mark or error.context_mark
    mark = _mark(source, place) if place else Mark(source)
    problem = error.problem or "not YAML"
    line = source.line(mark.line)
    advice = ""
    if "\\t" in problem or "\t" in line[: mark.column + 1]:
        report.add("E105", "a tab: YAML indents with spaces", Mark(source, mark.line, max(line.find("\t"), 0)),
                   "replace each tab by spaces")  # fmt: skip
        return
    if "mapping values are not allowed" in problem:
        advice = "a value that holds ': ' needs quotes"
    elif "expected ',' or" in problem:
        advice = "a bracket or brace is not closed, or a text with ', ' or ': ' inside needs quotes"
    elif "alias" in problem or "anchor" in problem or "cannot start any token" in problem:
        advice = "a text that begins with *, &, %, @ or ` needs quotes"
    report.add("E101", f"not YAML: {problem}", mark, advice)


def _reason(error: yaml.YAMLError) -> str:
    character = getattr(error, "character", None)
    return f"#x{character:04x}" if isinstance(character, int) else str(error).splitlines()[0]


def _mark(source: Source, mark: yaml.Mark, length: int = 1) -> Mark:
    return Mark(source, mark.line, mark.column, length)


def _convert(node: yaml.Node, source: Source, report: Report) -> Node:
    """PyYAML's node as ours; equal keys are refused on the way."""
    if isinstance(node, yaml.ScalarNode):
        return _scalar(node, source)
    if isinstance(node, yaml.SequenceNode):
        items = tuple(_convert(item, source, report) for item in node.value)
        return Sequence(_mark(source, node.start_mark), items)
    entries: list[tuple[Scalar, Node]] = []
    seen: dict[str, Mark] = {}
    for key_node, value_node in node.value:
        if not isinstance(key_node, yaml.ScalarNode):
            report.add("E108", "a list or mapping as a key", _mark(source, key_node.start_mark), "keys are plain words")
            continue
        key = _scalar(key_node, source)
        if key.name in seen:
            first = seen[key.name].line + 1
            report.add("E102", f"the key '{key.name}' stands twice", key.mark, f"it stands in line {first} already")
            continue
        seen[key.name] = key.mark
        if entries and not key.quoted and key.text.count(")") > key.text.count("("):
            entries[-1] = (entries[-1][0], _rejoin(key, entries[-1][1], report))
            continue
        entries.append((key, _convert(value_node, source, report)))
    return Mapping(_mark(source, node.start_mark), tuple(entries))


def _rejoin(key: Scalar, before: Node, report: Report) -> Node:
    """A comma inside braces ends a value: ``{weight: max(a, b)}`` reads as the keys ``weight`` and ``b)``."""
    report.add("E107", f"'{key.text}' is no key: a comma inside braces ended the value before it", key.mark,
               'put the expression that holds the comma in quotes: {weight: "max(a, b)"}')  # fmt: skip
    if not isinstance(before, Scalar):
        return before
    return Scalar(before.mark, f"{before.text}, {key.text}", before.quoted, before.verbatim)


def _scalar(node: yaml.ScalarNode, source: Source) -> Scalar:
    start, end = node.start_mark, node.end_mark
    quoted = node.style is not None
    raw = source.line(start.line)[start.column : end.column] if start.line == end.line else ""
    inner = raw[1:-1] if node.style in ("'", '"') else raw
    length = max(1, len(raw)) if start.line == end.line else 1
    return Scalar(_mark(source, start, length), node.value, quoted, inner == node.value and node.style not in ("|", ">"))
