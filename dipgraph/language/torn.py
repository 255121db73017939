"""What a comma tears apart: inside braces ``{weight: max(a, b)}`` reads as the two keys ``weight`` and ``b)``."""

from __future__ import annotations

from collections.abc import Sequence as SequenceABC
from dataclasses import replace

from dipgraph.language.diagnostics import Mark, Report
from dipgraph.language.nodes import Mapping, Node, Scalar

MOST = 20
"""Pieces up to which a torn expression is looked for."""


def mend_mapping(pairs: SequenceABC[tuple[Scalar, Node]], report: Report) -> list[tuple[Scalar, Node]]:
    """Pairs of a flow mapping, with what commas tore apart joined again, and a fault for each."""
    mended: list[tuple[Scalar, Node]] = []
    at = 0
    while at < len(pairs):
        key, value = pairs[at]
        at += 1
        if isinstance(value, Scalar) and _opened(value) > 0:
            bare = []
            for name, nothing in pairs[at : at + MOST]:
                if not (isinstance(nothing, Scalar) and nothing.is_missing):
                    break
                bare.append(name)
            pieces = _closing(value, bare)
            value = _join(value, pieces, report)
            at += len(pieces)
        mended.append((key, value))
    return mended


def mend_list(items: SequenceABC[Node], report: Report) -> list[Node]:
    """Items of a flow list, likewise; an item ``name: value`` may be torn in its value, or in its names."""
    mended: list[Node] = []
    at = 0
    while at < len(items):
        item = items[at]
        at += 1
        pair = item.entries[0] if isinstance(item, Mapping) and len(item.entries) == 1 else None
        value = pair[1] if pair else item
        if isinstance(value, Scalar) and _opened(value) > 0:
            pieces = _closing(value, _scalars(items[at : at + MOST]))
            joined = _join(value, pieces, report)
            item = Mapping(item.mark, ((pair[0], joined),)) if pair else joined
            at += len(pieces)
        elif pair and isinstance(value, Mapping):
            mended, item = _with_names(mended, item.mark, pair, report)
        mended.append(item)
    return mended


def _scalars(items: SequenceABC[Node]) -> list[Scalar]:
    """The scalars that a list begins with."""
    found: list[Scalar] = []
    for item in items:
        if not isinstance(item, Scalar):
            break
        found.append(item)
    return found


def _closing(value: Scalar, following: SequenceABC[Scalar]) -> list[Scalar]:
    """The pieces that close the parentheses which a plain value leaves open; none if none close it."""
    still_open = _opened(value)
    for number, piece in enumerate(following):
        if piece.quoted:
            break
        still_open += _opened(piece)
        if still_open <= 0:
            return list(following[: number + 1])
    return []


def _opened(piece: Scalar) -> int:
    return 0 if piece.quoted else piece.text.count("(") - piece.text.count(")")


def _join(value: Scalar, pieces: SequenceABC[Scalar], report: Report) -> Scalar:
    """The whole expression, and a fault that advises quotes."""
    if not pieces:
        return value
    joined = _together((value, *pieces))
    advice = f'put the expression in quotes: "{joined.text}"'
    report.add("E107", "the comma inside brackets or braces ends this value", joined.mark, advice)
    return joined


def _with_names(
    before: list[Node], mark: Mark, pair: tuple[Scalar, Node], report: Report
) -> tuple[list[Node], Mapping]:
    """A step ``[a, b: {...}]`` whose first names the comma made items of their own."""
    names: list[Scalar] = []
    while before and isinstance(last := before[-1], Scalar) and last.is_name and not last.quoted:
        names.insert(0, last)
        before = before[:-1]
    if not names:
        return before, Mapping(mark, (pair,))
    key = _together((*names, pair[0]))
    advice = f'put the names in quotes: "{key.text}": {{...}}'
    report.add("E107", "the comma inside brackets ends this step", key.mark, advice)
    return before, Mapping(key.mark, ((key, pair[1]),))


def _together(pieces: SequenceABC[Scalar]) -> Scalar:
    """Pieces as one scalar, as the source has it if that is in one line."""
    start, end = pieces[0].mark, pieces[-1].mark
    if start.line != end.line:
        return Scalar(start, ", ".join(piece.text for piece in pieces), False, False)
    text = start.source.line(start.line)[start.column : end.column + end.length]
    return Scalar(replace(start, length=len(text)), text, False, True)
