"""The parts of a document, each with its place: scalars by YAML 1.2's core schema, lists, mappings."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from dipgraph.language.diagnostics import Mark

MOST_DIGITS = 301
"""Digits of the longest whole number."""

WHOLE = re.compile(r"[-+]?[0-9]+\Z|0o[0-7]+\Z|0x[0-9a-fA-F]+\Z")
REAL = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
NAME = re.compile(r"[^\W\d]\w*\Z")


def normal(text: str) -> str:
    """The text in Unicode's NFKC form, in which Python's parser gives names."""
    return unicodedata.normalize("NFKC", text)


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
        """The value by YAML 1.2's core schema; a number that is too large is infinite."""
        if self.quoted:
            return self.text
        if self.is_missing:
            return None
        if self.text in ("true", "false"):
            return self.text == "true"
        if WHOLE.match(self.text):
            if len(self.text) > MOST_DIGITS:
                return float("inf")
            return int(self.text, 0) if self.text[:2] in ("0o", "0x") else int(self.text)
        return float(self.text) if REAL.match(self.text) else self.text

    @property
    def is_missing(self) -> bool:
        """Whether nothing stands there, or ``null``."""
        return not self.quoted and self.text in ("", "~", "null")

    @property
    def name(self) -> str:
        """The text as a name."""
        return normal(self.text)

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
