"""``choose``: which branch a word parameter takes, and which combinations of words a check has to try."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from collections.abc import Mapping as MappingABC

from dipgraph.language.diagnostics import Abandon, Report, listing, near
from dipgraph.language.nodes import Mapping, Node, Scalar, Sequence

MOST = 64
"""Combinations of words up to which a check tries every one; past that it reaches every branch at least once."""
Words = MappingABC[str, tuple[str, ...]]


def choice(node: Node) -> Mapping | None:
    """The body of a ``choose``, if the node is one."""
    if isinstance(node, Mapping) and len(node.entries) == 1 and node.entries[0][0].text == "choose":
        body = node.entries[0][1]
        return body if isinstance(body, Mapping) else Mapping(node.mark, ())
    return None


def decider(body: Mapping) -> Scalar | None:
    """The word parameter that a ``choose`` goes by."""
    by = body.get("by")
    return by if isinstance(by, Scalar) else None


def settle(node: Node, words: Words, values: MappingABC[str, object], broken: frozenset[str], report: Report) -> Node:
    """The branch that the settled words choose, or the node itself where nothing is chosen."""
    while (body := choice(node)) is not None:
        by = decider(body)
        if by is None:
            raise report.fail("E108", "'choose' needs 'by': the word parameter that decides", node.mark,
                              "as in choose: {by: input, noise: ..., grid: ...}")  # fmt: skip
        if by.name in broken:
            raise Abandon
        if by.name not in words:
            advice = near(by.name, words) or "declare it: {value: noise, of: [noise, grid]}"
            raise report.fail("E201", f"'{by.text}' is no word parameter", by.mark, advice)
        known = words[by.name]
        branches = {key.name: value for key, value in body if key is not body.key("by")}
        for key, _ in body:
            if key.name != "by" and key.name not in known:
                advice = near(key.name, known)
                report.add("E406", f"'{by.text}' is one of {listing(known)}, never '{key.text}'", key.mark, advice)
        if missing := [word for word in known if word not in branches]:
            report.add("E403", f"'choose' by '{by.text}' says nothing for {listing(missing)}", by.mark,
                       "each word has its branch")  # fmt: skip
        chosen = branches.get(str(values.get(by.name)))
        if chosen is None:
            raise Abandon  # the word that is missing has been noted
        node = chosen
    return node


def deciding(node: Node) -> set[str]:
    """Word parameters that some ``choose`` within a node goes by."""
    body = choice(node)
    by = decider(body) if body is not None else None
    found = {by.name} if by is not None else set()
    return found.union(*map(deciding, _children(node)))


def combinations(node: Node, words: Words, values: MappingABC[str, object]) -> Iterator[dict[str, str]]:
    """Settlements of the word parameters that together reach every branch and every word; the present one first."""
    used = set(_texts(node))
    present = {name: str(values[name]) for name in sorted(words) if name in values and name in used}
    words = {name: words[name] for name in present}
    count = 1
    for name in present:
        count *= len(words[name])
    yield present
    others = _every(words) if count <= MOST else _some(node, words)
    seen = [present]
    for other in others:
        if (whole := present | other) not in seen:
            seen.append(whole)
            yield whole


def _every(words: Words) -> Iterator[dict[str, str]]:
    for chosen in itertools.product(*words.values()):
        yield dict(zip(words, chosen, strict=True))


def _some(node: Node, words: Words) -> Iterator[dict[str, str]]:
    """Each word by itself, and for every branch of every ``choose`` the words that lead to it."""
    for name, known in words.items():
        for word in known:
            yield {name: word}
    for path in _paths(node, {}):
        yield {name: word for name, word in path.items() if word in words.get(name, ())}


def _paths(node: Node, path: dict[str, str]) -> Iterator[dict[str, str]]:
    """For every branch of every ``choose``, the words that lead to it."""
    body = choice(node)
    by = decider(body) if body is not None else None
    if body is None or by is None:
        for child in _children(node):
            yield from _paths(child, path)
        return
    for key, value in body:
        if key.name != "by":
            yield (inner := {**path, by.name: key.name})
            yield from _paths(value, inner)


def _texts(node: Node) -> Iterator[str]:
    """Every value that stands in a tree; a word parameter that no value names is read nowhere."""
    if isinstance(node, Scalar):
        yield node.name
    for child in _children(node):
        yield from _texts(child)


def _children(node: Node) -> list[Node]:
    if isinstance(node, Mapping):
        return [value for _, value in node]
    return list(node.items) if isinstance(node, Sequence) else []
