"""Faults of a recipe or problem file: where, which code, what, and what to do; all of them in one go."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property

from dipgraph.signatures.errors import DipgraphError

BREAK = re.compile(r"\r\n|[\n\r\x85\u2028\u2029]")
"""What ends a line in YAML."""
LONGEST_MESSAGE = 300
"""Characters of a message that are shown: it may quote a text of any length."""
LONGEST_NAME = 60
"""Characters of the longest name for which a near one is looked for."""
MOST_NAMES = 1000
"""Names up to which a near one is looked for."""
WIDTH = 110
"""Characters of a source line that are shown."""
UNREADABLE = frozenset({"E103", "E104"})
"""Codes of what has been replaced by a stand-in: any further fault at that place is about the stand-in."""


@dataclass(frozen=True)
class Source:
    """A text and the name it is known by: a file's path, or the option it was given with."""

    name: str
    text: str = field(repr=False)

    @cached_property
    def lines(self) -> list[str]:
        """The lines, as YAML counts them."""
        return BREAK.split(self.text)

    def line(self, number: int) -> str:
        """The line of that number, counted from 0; empty past the end."""
        return self.lines[number] if number < len(self.lines) else ""

    def offset(self, mark: Mark) -> int:
        """Where in the text a place is."""
        ends = [found.end() for found in BREAK.finditer(self.text)]
        return ([0, *ends])[mark.line] + mark.column

    def mark(self, offset: int) -> Mark:
        """The place of the character at an offset."""
        before = BREAK.split(self.text[:offset])
        return Mark(self, len(before) - 1, len(before[-1]))


@dataclass(frozen=True)
class Mark:
    """A place in a source, counted from 0, and how many characters it spans."""

    source: Source
    line: int = 0
    column: int = 0
    length: int = 1

    def __str__(self) -> str:
        return f"{self.source.name}:{self.line + 1}:{self.column + 1}"

    @property
    def place(self) -> tuple[str, int, int]:
        """What faults are sorted by."""
        return self.source.name, self.line, self.column


@dataclass(frozen=True)
class Fault:
    """One fault. Codes that begin with W are warnings: the recipe still runs.

    Parameters
    ----------
    code, message, advice
        As in the message: ``E201``, what is wrong, and what to do about it (empty where that is plain).
    mark
        Where it is, as dipgraph counts inside, from 0. `file`, `line` and `column` say it as the message does.
    """

    code: str
    message: str
    mark: Mark
    advice: str = ""

    @property
    def file(self) -> str:
        """The file, or the option, that the fault is in: ``recipe.yaml``, ``--set``."""
        return self.mark.source.name

    @property
    def line(self) -> int:
        """The line, counted from 1."""
        return self.mark.line + 1

    @property
    def column(self) -> int:
        """The column, in characters, counted from 1."""
        return self.mark.column + 1

    @property
    def is_warning(self) -> bool:
        """Whether the recipe runs all the same."""
        return self.code.startswith("W")

    def __str__(self) -> str:
        return _printable(f"{self.mark}: {self.code} {_cut(self.message)}")

    def render(self) -> str:
        """The fault with its source line (unless that is blank), a caret under the place, and the advice."""
        line = self.mark.source.line(self.mark.line)
        advice = [f"    {_printable(_cut(self.advice))}"] if self.advice else []
        if not line.strip():
            return "\n".join([str(self), *advice])
        lead = min(self.mark.column, len(line))
        start = max(0, lead - WIDTH // 2)
        shown = line[start : start + WIDTH]
        blank = "".join(map(_blank, shown[: lead - start]))
        width = max(1, min(self.mark.length, len(shown) - (lead - start)))
        return "\n".join([str(self), f"    {''.join(map(_visible, shown))}", f"    {blank}{'^' * width}", *advice])


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_MESSAGE else f"{text[: LONGEST_MESSAGE - 1]}…"


def _printable(text: str) -> str:
    """The text without what could steer a terminal, or not be encoded."""
    return text if text.isprintable() else "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )  # fmt: skip


def _visible(char: str) -> str:
    return char if char.isprintable() or char == "\t" else "\ufffd"


def _blank(char: str) -> str:
    """As much room as the character takes."""
    if char == "\t" or unicodedata.combining(char):
        return "\t" if char == "\t" else ""
    return "  " if unicodedata.east_asian_width(char) in "WF" else " "


class Faults(DipgraphError):  # noqa: N818 - it holds faults, each with its own code
    """Every fault that a check found, sorted by place; none of them is a warning."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = order(faults)
        super().__init__(f"{len(self.faults)} fault{'s' if len(self.faults) != 1 else ''}")

    def __str__(self) -> str:
        return "\n".join(fault.render() for fault in self.faults)


def order(faults: Iterable[Fault]) -> list[Fault]:
    """Faults by place, each once; what could not be read at all hides what else was said of its place."""
    unique = dict.fromkeys(faults)
    unreadable = {fault.mark.place for fault in unique if fault.code in UNREADABLE}
    kept = [fault for fault in unique if fault.code in UNREADABLE or fault.mark.place not in unreadable]
    return sorted(kept, key=lambda fault: (*fault.mark.place, fault.code, fault.message))


class Report:
    """Where a check puts the faults it finds, so that one fault does not hide the next."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []

    def add(self, code: str, message: str, mark: Mark, advice: str = "") -> None:
        """Note a fault."""
        self.faults.append(Fault(code, message, mark, advice))

    def fail(self, code: str, message: str, mark: Mark, advice: str = "") -> Abandon:
        """Note a fault, and give what to raise where the part cannot be read on."""
        self.add(code, message, mark, advice)
        return Abandon()

    @contextmanager
    def part(self) -> Iterator[None]:
        """A part that may be given up without giving up the rest."""
        with suppress(Abandon):
            yield

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """A part whose faults will be found, and noted, when it is read in earnest."""
        kept = len(self.faults)
        with suppress(Abandon):
            yield
        del self.faults[kept:]

    @property
    def errors(self) -> list[Fault]:
        """The faults that are no warnings."""
        return [fault for fault in self.faults if not fault.is_warning]

    def settle(self) -> None:
        """Raise the faults that were found; warnings are left out, since the faults may be their cause."""
        if self.errors:
            raise Faults(self.errors)


class Abandon(Exception):  # noqa: N818 - it is no error: the fault has been noted
    """Raised to leave a part whose fault is already in the report."""


def near(name: str, known: Iterable[str]) -> str:
    """``did you mean 'sigma'?`` where a known name is near, else the empty string."""
    names = set(known)
    if len(name) > LONGEST_NAME or len(names) > MOST_NAMES:
        return ""
    folded = {known_name.lower(): known_name for known_name in sorted(names)}
    close = difflib.get_close_matches(name.lower(), list(folded), n=1, cutoff=0.6)
    return f"did you mean '{folded[close[0]]}'?" if close else ""


def listing(names: Iterable[str], limit: int = 12) -> str:
    """Names in a row, cut where there are many."""
    shown = list(names)
    return ", ".join(shown[:limit]) + (f" and {len(shown) - limit} more" if len(shown) > limit else "")
