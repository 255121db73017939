"""Faults of a recipe or problem file: where, which code, what, and what to do; all of them in one go."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from dipgraph.signatures.errors import DipgraphError


@dataclass(frozen=True)
class Source:
    """A text and the name it is known by: a file's path, or the option it was given with."""

    name: str
    text: str = field(repr=False)

    def line(self, number: int) -> str:
        """The line of that number, counted from 0; empty past the end."""
        lines = self.text.splitlines()
        return lines[number] if number < len(lines) else ""


@dataclass(frozen=True)
class Mark:
    """A place in a source, counted from 0, and how many characters it spans."""

    source: Source
    line: int = 0
    column: int = 0
    length: int = 1

    def __str__(self) -> str:
        return f"{self.source.name}:{self.line + 1}:{self.column + 1}"


@dataclass(frozen=True)
class Fault:
    """One fault. Codes that begin with W are warnings: the recipe still runs."""

    code: str
    message: str
    mark: Mark
    advice: str = ""

    @property
    def is_warning(self) -> bool:
        """Whether the recipe runs all the same."""
        return self.code.startswith("W")

    def __str__(self) -> str:
        return f"{self.mark}: {self.code} {self.message}"

    def render(self) -> str:
        """The fault with its source line, a caret under the place, and the advice."""
        line = self.mark.source.line(self.mark.line)
        lead = min(self.mark.column, len(line))
        start = max(0, lead - 60)
        shown = line[start : start + 110]
        blank = "".join("\t" if char == "\t" else " " for char in shown[: lead - start])
        width = max(1, min(self.mark.length, len(shown) - (lead - start)))
        parts = [str(self), f"    {shown}", f"    {blank}{'^' * width}"]
        return "\n".join([*parts, f"    {self.advice}"] if self.advice else parts)


class Faults(DipgraphError):
    """Every fault that a check found, sorted by place; raised where there is at least one that is no warning."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = order(faults)
        super().__init__(f"{len(self.faults)} fault{'s' if len(self.faults) != 1 else ''}")

    def __str__(self) -> str:
        return "\n".join(fault.render() for fault in self.faults)


def order(faults: Iterable[Fault]) -> list[Fault]:
    """Faults by place, each once."""
    unique = dict.fromkeys(faults)
    return sorted(
        unique, key=lambda fault: (fault.mark.source.name, fault.mark.line, fault.mark.column, fault.code, fault.message)
    )


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
        try:
            yield
        except Abandon:
            pass

    @property
    def errors(self) -> list[Fault]:
        """The faults that are no warnings."""
        return [fault for fault in self.faults if not fault.is_warning]

    def settle(self) -> None:
        """Raise what was found, if anything but warnings was."""
        if self.errors:
            raise Faults(self.faults)


class Abandon(Exception):  # noqa: N818 - it is no error: the fault has been noted
    """Raised to leave a part whose fault is already in the report."""


def near(name: str, known: Iterable[str]) -> str:
    """``did you mean 'sigma'?`` where a known name is near, else the empty string."""
    names = sorted(set(known))
    folded = {known_name.lower(): known_name for known_name in names}
    close = difflib.get_close_matches(name.lower(), list(folded), n=1, cutoff=0.6)
    return f"did you mean '{folded[close[0]]}'?" if close else ""


def listing(names: Sequence[str] | Iterable[str], limit: int = 12) -> str:
    """Names in a row, cut where there are many."""
    shown = list(names)
    return ", ".join(shown[:limit]) + (f" and {len(shown) - limit} more" if len(shown) > limit else "")
