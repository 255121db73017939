"""Located YAML: a text becomes mappings, sequences and scalars that know their line and column.

PyYAML gives the events, from which the tree is composed here. Anchors, aliases, tags, several documents and equal keys
are refused, and so is what is too large or too deep to be a recipe.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from dipgraph.language.diagnostics import Abandon, Faults, Mark, Report, Source
from dipgraph.language.nodes import Mapping, Node, Scalar, Sequence
from dipgraph.language.torn import mend_list, mend_mapping
from dipgraph.signatures.errors import InputError

__all__ = ["Mapping", "Node", "Scalar", "Sequence", "parse", "read"]

LARGEST = 100_000
"""Characters of the largest text that is read."""
DEEPEST = 50
"""Levels of the deepest nesting that is read."""
YAML_TAG = "tag:yaml.org,2002:"
"""What YAML writes as two exclamation marks."""


def read(path: Path) -> Source:
    """The text of a file, or one clear error."""
    most = 4 * LARGEST  # a character takes at most four bytes
    try:
        with path.open("rb") as file:
            content = file.read(most + 1)
            size = max(len(content), os.fstat(file.fileno()).st_size)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(
            f"cannot read the file: {reason}", where=str(path), remedy="check the path and its permissions"
        ) from None
    if len(content) > most:
        raise InputError(
            f"the file holds {size} bytes, more than a recipe or problem file may",
            where=str(path),
            remedy="is it the data file? A recipe is a short YAML text",
        )
    try:
        return Source(str(path), content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise InputError(
            f"the file is not UTF-8 text (byte {error.start})", where=str(path), remedy="save it as UTF-8 text"
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
    """The located tree of a text, or None where it cannot be read; faults go to the report."""
    source = Source(source.name, source.text.removeprefix("\ufeff"))
    if len(source.text) > LARGEST:
        report.add("E109", f"the text has {len(source.text)} characters, more than {LARGEST}", Mark(source),
                   "a recipe is a short text; is this another file?")  # fmt: skip
        return None
    if (second := source.text.find("\ufeff")) >= 0:
        report.add("E101", "a character that YAML does not allow: #xfeff", source.mark(second), "remove it")
        return None
    try:
        return _Composer(source, report).document()
    except Abandon:
        return None
    except yaml.MarkedYAMLError as error:
        _syntax_fault(error, source, report)
    except yaml.reader.ReaderError as error:
        report.add("E101", f"a character that YAML does not allow: #x{error.character:04x}",
                   source.mark(error.position), "remove it")  # fmt: skip
    return None


class _Composer:
    """Makes a tree of the events, refusing what YAML allows and a recipe does not."""

    def __init__(self, source: Source, report: Report) -> None:
        self.source, self.report = source, report
        self.events: Iterator[Any] = yaml.parse(source.text, Loader=yaml.SafeLoader)
        self.depth = 0

    def document(self) -> Node | None:
        tree: Node | None = None
        for event in self.events:
            if isinstance(event, yaml.DocumentStartEvent) and tree is not None:
                mark = self.mark(event.start_mark)
                self.report.add("E106", "a second document begins here", mark, "a file holds one recipe or problem")
                break
            if isinstance(event, yaml.NodeEvent):
                tree = self.node(event)
        if tree is None or (isinstance(tree, Scalar) and not tree.text.strip()):
            advice = "begin with 'recipe: 1' or 'problem: 1'"
            self.report.add("E106", "the document is empty", Mark(self.source), advice)
            return None
        return tree

    def mark(self, mark: Any, length: int = 1) -> Mark:
        return Mark(self.source, mark.line, mark.column, length)

    def node(self, event: Any) -> Node:
        """The tree that begins with an event."""
        mark = self.mark(event.start_mark)
        if isinstance(event, yaml.AliasEvent):
            advice = f'quote an expression that begins with a star: "*{event.anchor}"'
            self.report.add("E103", f"alias '*{event.anchor}': a recipe has no aliases", mark, advice)
            return Scalar(mark, f"*{event.anchor}", False, True)
        if event.anchor:
            advice = f'quote a text that begins with an ampersand: "&{event.anchor}"'
            self.report.add("E103", f"anchor '&{event.anchor}': a recipe has no anchors", mark, advice)
        elif event.tag:
            advice = "remove it: values know their kind by their form"
            self.report.add("E104", f"tag '{event.tag.replace(YAML_TAG, '!!')}': a recipe has no tags", mark, advice)
        if isinstance(event, yaml.ScalarEvent):
            return self.scalar(event)
        self.depth += 1
        if self.depth > DEEPEST:
            raise self.report.fail("E109", f"lists or mappings nested more than {DEEPEST} deep", mark)
        made = self.list(event, mark) if isinstance(event, yaml.SequenceStartEvent) else self.mapping(event, mark)
        self.depth -= 1
        return made

    def list(self, event: Any, mark: Mark) -> Sequence:
        items: list[Node] = []
        while not isinstance(inner := next(self.events), yaml.SequenceEndEvent):
            items.append(self.node(inner))
        return Sequence(mark, tuple(mend_list(items, self.report) if event.flow_style else items))

    def mapping(self, event: Any, mark: Mark) -> Mapping:
        pairs: list[tuple[Scalar, Node]] = []
        while not isinstance(inner := next(self.events), yaml.MappingEndEvent):
            key = self.node(inner)
            value = self.node(next(self.events))
            if isinstance(key, Scalar):
                pairs.append((key, value))
            else:
                self.report.add("E108", "a list or mapping as a key", key.mark, "keys are plain words")
        if event.flow_style:
            pairs = mend_mapping(pairs, self.report)
        entries: dict[str, tuple[Scalar, Node]] = {}
        for key, value in pairs:
            if key.name in entries:
                advice = f"it stands in line {entries[key.name][0].mark.line + 1} already"
                self.report.add("E102", f"the key '{key.name}' stands twice", key.mark, advice)
            else:
                entries[key.name] = (key, value)
        return Mapping(mark, tuple(entries.values()))

    def scalar(self, event: Any) -> Scalar:
        start, end = self.mark(event.start_mark), self.mark(event.end_mark)
        covered = self.source.text[event.start_mark.index : event.end_mark.index].rstrip()
        raw = self.source.line(start.line)[start.column : end.column] if start.line == end.line else ""
        inner = raw[1:-1] if event.style in ("'", '"') else raw
        mark = Mark(self.source, start.line, start.column, max(1, len(covered)))
        return Scalar(
            mark, event.value, event.style is not None, inner == event.value and event.style not in ("|", ">")
        )


def _syntax_fault(error: yaml.MarkedYAMLError, source: Source, report: Report) -> None:
    """Put a YAML syntax error into the report, with advice for the usual causes."""
    place: Any = error.problem_mark or error.context_mark
    mark = Mark(source, place.line, place.column) if place else Mark(source)
    problem, context = error.problem or "not YAML", error.context or ""
    line = source.line(mark.line)
    if line[mark.column : mark.column + 1] == "\t" or "\t" in line[: len(line) - len(line.lstrip())]:
        mark = Mark(source, mark.line, mark.column if line[mark.column : mark.column + 1] == "\t" else line.find("\t"))
        report.add("E105", "a tab: YAML indents with spaces", mark, "replace each tab by spaces")
        return
    advice = ""
    if "mapping values are not allowed" in problem:
        advice = "a value that holds ': ' needs quotes"
    elif "sequence entries are not allowed" in problem:
        advice = "a list begins on a line of its own; a value that begins with '- ' needs quotes"
    elif "expected ',' or" in problem:
        advice = "a bracket or brace is not closed, or a text with ', ' or ': ' inside needs quotes"
    elif "alias" in context or "anchor" in context or "block scalar" in context or "cannot start any token" in problem:
        advice = "a text that begins with *, &, !, %, @, |, > or ` needs quotes"
    elif "expected <block end>" in problem or "could not find expected ':'" in problem:
        advice = "is a line indented differently from its neighbours, or a colon missing?"
    report.add("E101", f"not YAML: {problem}", mark, advice)
