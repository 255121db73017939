"""Options of what a problem file names: an entry is a typed function, an option's kind says how it is read."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from collections.abc import Mapping as MappingABC
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dipgraph.data.quantities import ImageUnits, read_angle, read_density, read_length, read_number
from dipgraph.language.diagnostics import Abandon, Mark, Report, listing, near
from dipgraph.language.document import Mapping, Node, Scalar, Sequence
from dipgraph.language.parameters import Parameters


@dataclass
class Context:
    """What reading an option needs to know: parameters and their values, the image's units, where faults go."""

    parameters: Parameters
    values: MappingABC[str, Any]
    report: Report
    image: ImageUnits = field(default_factory=lambda: ImageUnits("mm", 1.0))
    paths: dict[int, Path] = field(default_factory=dict)
    """Literal paths found in the text, by the identity of their node: a resolved text makes them absolute."""


@dataclass(frozen=True)
class Kind:
    """How an option is read: a reader from node and context to a value, and bounds or words for its message."""

    read: Callable[[Node, Context, Kind], Any]
    least: float | None = None
    words: tuple[str, ...] = ()


def _whole(node: Node, context: Context, kind: Kind) -> int:
    value = read_number(node, context.values, context.report)
    if not isinstance(value, int):
        raise context.report.fail(
            "E703",
            f"a whole number belongs here, not {value:g}",
            node.mark,
            f"write {value:.0f}" if value.is_integer() and value < 1e15 else "round it: floor(...)",
        )
    if kind.least is not None and value < kind.least:
        raise context.report.fail("E703", f"the number is {value}; it must be at least {kind.least:g}", node.mark)
    return value


def _number(node: Node, context: Context, kind: Kind) -> float:
    value = float(read_number(node, context.values, context.report))
    if kind.least is not None and value < kind.least:
        raise context.report.fail("E703", f"the number is {value:g}; it must be at least {kind.least:g}", node.mark)
    return value


def _wholes(node: Node, context: Context, kind: Kind) -> list[int]:
    if not isinstance(node, Sequence):
        raise context.report.fail("E703", "a list of whole numbers belongs here", node.mark, "as in [150, 500]")
    return [_whole(item, context, kind) for item in node.items]


def _text(node: Node, context: Context, kind: Kind) -> str:
    if not isinstance(node, Scalar) or not node.text:
        raise context.report.fail("E703", "a text belongs here", node.mark)
    return node.text


def _word(node: Node, context: Context, kind: Kind) -> str:
    text = _text(node, context, kind)
    known = context.parameters.declared.get(text)
    chosen = str(context.values[text]) if known is not None and known.words and text not in kind.words else text
    if chosen not in kind.words:
        advice = near(chosen, kind.words) or f"one of {listing(kind.words)}"
        raise context.report.fail("E703", f"'{chosen}' is no choice here", node.mark, advice)
    return chosen


def _file(node: Node, context: Context, kind: Kind) -> Path:
    """A file that must be there."""
    path = _file_or_none(node, context, kind)
    if path is None:
        text = _text(node, context, kind)
        advice = "name a file" if text == "none" else f"name it on the command line: --set problem.{text}=FILE"
        raise context.report.fail("E706", "the problem needs a file here", node.mark, advice)
    return path


def _file_or_none(node: Node, context: Context, kind: Kind) -> Path | None:
    """A file parameter's value, or a literal path, relative to the problem file; none is allowed."""
    text = _text(node, context, kind)
    known = context.parameters.declared.get(text)
    if known is not None and known.is_file:
        value = context.values[text]
        return None if value is None else Path(value)
    if known is not None:
        raise context.report.fail("E703", f"the parameter '{text}' is no file", node.mark, "declare it as {file: ...}")
    if text == "none":
        return None
    try:
        path = context.parameters.base / Path(text).expanduser()
        is_there = path.exists()
    except (OSError, RuntimeError) as error:  # a name too long, a folder that may not be searched, no such home
        reason = getattr(error, "strerror", None) or str(error)
        raise context.report.fail("E707", f"cannot look for the file: {reason}", node.mark, "check the path") from None
    if not is_there:
        files = [name for name, parameter in context.parameters.declared.items() if parameter.is_file]
        advice = near(text, files) or "a path is relative to the problem file; a file parameter stands by its name"
        raise context.report.fail("E707", f"there is no file '{text}'", node.mark, advice)
    context.paths[id(node)] = path.resolve()
    return path


def _length(node: Node, context: Context, kind: Kind) -> float:
    return read_length(node, context.values, context.image, context.report)


def _density(node: Node, context: Context, kind: Kind) -> float:
    return read_density(node, context.values, context.image, context.report)


def _angle(node: Node, context: Context, kind: Kind) -> float:
    return read_angle(node, context.values, context.report)


WHOLE = Kind(_whole, least=1)
INDEX = Kind(_whole, least=0)
SEED = Kind(_whole, least=0)
NUMBER = Kind(_number)
POSITIVE = Kind(_number, least=0)
WHOLES = Kind(_wholes, least=0)
TEXT = Kind(_text)
FILE = Kind(_file)
FILE_OR_NONE = Kind(_file_or_none)
LENGTH = Kind(_length)
DENSITY = Kind(_density)
ANGLE = Kind(_angle)


def word(*words: str) -> Kind:
    """One of some words; a word parameter may stand for it."""
    return Kind(_word, words=words)


@dataclass(frozen=True)
class Entry:
    """A function that a problem file may name, and how its options are read."""

    make: Callable[..., Any]
    options: MappingABC[str, Kind] = field(default_factory=dict)

    @property
    def required(self) -> list[str]:
        """Options that have no default."""
        taken = inspect.signature(self.make).parameters
        return [name for name in self.options if taken[name].default is inspect.Parameter.empty]

    @property
    def about(self) -> str:
        """The first line of the function's docstring."""
        return (inspect.getdoc(self.make) or "").partition("\n")[0]


@dataclass(frozen=True)
class Call:
    """An entry with its options read: what will be done, and where the file says so."""

    name: str
    entry: Entry
    given: MappingABC[str, Any]
    mark: Mark

    def __call__(self, *arguments: Any, **more: Any) -> Any:
        """Do it."""
        return self.entry.make(*arguments, **self.given, **more)


def read_call(node: Node, entries: MappingABC[str, Entry], what: str, context: Context) -> Call:
    """Return the call that ``{name: {options}}`` or a bare ``name`` says; a fault leaves the part."""
    report = context.report
    if isinstance(node, Scalar) and node.text:
        name, options = node, None
    elif isinstance(node, Mapping) and len(node.entries) == 1:
        name, options = node.entries[0]
    elif isinstance(node, Mapping) and len(node.entries) > 1:
        raise report.fail("E703", f"more than one {what} is named", node.entries[1][0].mark, "name one")
    else:
        raise report.fail("E703", f"a {what} belongs here", node.mark, f"as in {{{next(iter(entries))}: {{...}}}}")
    if name.text not in entries:
        advice = near(name.text, entries) or f"there is {listing(entries, 20)}"
        raise report.fail("E704", f"there is no {what} '{name.text}'", name.mark, advice)
    entry = entries[name.text]
    return Call(name.text, entry, read_options(options, entry, name, context), name.mark)


def read_options(node: Node | None, entry: Entry, name: Scalar, context: Context) -> dict[str, Any]:
    """Return an entry's options; every fault in them goes to the report."""
    report, given = context.report, dict[str, Any]()
    if node is not None and not isinstance(node, Mapping) and not (isinstance(node, Scalar) and node.value is None):
        listed = ", ".join(f"{option}: ..." for option in entry.options) or ""
        raise report.fail("E703", f"'{name.text}' takes options by name", node.mark, f"as in {name.text}: {{{listed}}}")
    before = len(report.errors)
    for key, value in node if isinstance(node, Mapping) else ():
        kind = entry.options.get(key.text)
        if kind is None:
            known = listing(entry.options) or "none"
            advice = near(key.text, entry.options) or f"its options are: {known}"
            report.add("E701", f"'{name.text}' has no option '{key.text}'", key.mark, advice)
            continue
        if isinstance(value, Scalar) and value.value is None and not value.quoted:
            report.add("E703", f"the option '{key.text}' has no value", key.mark)
            continue
        with report.part():
            given[key.text] = kind.read(value, context, kind)
    present = {key.text for key, _ in node} if isinstance(node, Mapping) else set()
    for option in entry.required:
        if option not in present:
            report.add("E702", f"'{name.text}' needs the option '{option}'", name.mark)
    if len(report.errors) > before:
        raise Abandon
    return given
