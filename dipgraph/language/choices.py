"""``choose``: which branch a word parameter takes, and which combinations of words a check has to try."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping as MappingABC

from dipgraph.language.diagnostics import Report, listing, near
from dipgraph.language.document import Mapping, Node, Scalar, Sequence
from dipgraph.language.parameters import Parameter

MOST = 64
"""Combinations of words up to which a check tries every one; past that it reaches every branch at least once."""


def choice(node: Node) -> Mapping | None:
    """The body of a ``choose``, if the node is one."""
    if isinstance(node, Mapping) and len(node.entries) == 1 and node.entries[0][0].text == "choose":
        body = node.entries[0][1]
        return body if isinstance(body, Mapping) else Mapping(node.mark, ())
    return None


def settle(node: Node, words: MappingABC[str, tuple[str, ...]], values: MappingABC[str, object], report: Report) -> Node:
    """The branch that the settled words choose, or the node itself where nothing is chosen."""
    while (body := choice(node)) is not None:
        by = body.get("by")
        if not isinstance(by, Scalar):
            raise report.fail("E108", "'choose' needs 'by': the word parameter that decides", node.mark,
                              "as in choose: {by: input, noise: ..., grid: ...}")  # fmt: skip
        if by.name not in words:
            raise report.fail("E201", f"'{by.text}' is no word parameter", by.mark,
                              near(by.name, words) or "declare it: {value: noise, of: [noise, grid]}")  # fmt: skip
        known = words[by.name]
        for key, _ in body:
            if key.name != "by" and key.text not in known:
                advice = near(key.text, known)
                report.add("E406", f"'{by.text}' is one of {listing(known)}, never '{key.text}'", key.mark, advice)
        branches = {key.text: value for key, value in body if key.name != "by"}
        missing = [word for word in known if word not in branches]
        if missing:
            report.add("E403", f"'choose' by '{by.text}' says nothing for {listing(missing)}", by.mark)
        chosen = branches.get(str(values.get(by.name)))
        if chosen is None:
            raise report.fail("E403", f"no branch for '{values.get(by.name)}'", by.mark)
        node = chosen
    return node


def deciding(node: Node) -> set[str]:
    """Word parameters that some ``choose`` within a node goes by."""
    found: set[str] = set()
    body = choice(node)
    if body is not None:
        by = body.get("by")
        found |= {by.name} if isinstance(by, Scalar) else set()
    if isinstance(node, Mapping):
        for _, value in node:
            found |= deciding(value)
    elif isinstance(node, Sequence):
        for item in node.items:
            found |= deciding(item)
    return found


def combinations(
    node: Node, declared: MappingABC[str, Parameter], values: MappingABC[str, object]
) -> Iterator[dict[str, str]]:
    """Settlements of the deciding words that together reach every branch; the present one first."""
    names = sorted(name for name in deciding(node) if name in declared and declared[name].words)
    present = {name: str(values.get(name)) for name in names}
    yield present
    count = 1
    for name in names:
        count *= len(declared[name].words)
    if count <= MOST:
        for words in itertools.product(*(declared[name].words for name in names)):
            if (other := dict(zip(names, words, strict=True))) != present:
                yield other
        return
    for path in _paths(node, {}):
        if (other := present | {name: word for name, word in path.items() if name in present}) != present:
            yield other


def _paths(node: Node, path: dict[str, str]) -> Iterator[dict[str, str]]:
    """For every branch of every ``choose``, the words that lead to it."""
    body = choice(node)
    if body is not None:
        by = body.get("by")
        for key, value in body:
            if key.name != "by" and isinstance(by, Scalar):
                yield (inner := {**path, by.name: key.text})
                yield from _paths(value, inner)
    elif isinstance(node, Mapping):
        for _, value in node:
            yield from _paths(value, path)
    elif isinstance(node, Sequence):
        for item in node.items:
            yield from _paths(item, path)
