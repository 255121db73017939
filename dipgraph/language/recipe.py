"""A recipe: its text read once, its parameters declared, checked for every choice, settled into a program."""

from __future__ import annotations

from collections.abc import Mapping as MappingABC
from collections.abc import Sequence as SequenceABC
from dataclasses import dataclass
from pathlib import Path

from dipgraph.language.choices import combinations
from dipgraph.language.diagnostics import Fault, Report, Source, order
from dipgraph.language.document import parse, read
from dipgraph.language.nodes import Mapping, Scalar
from dipgraph.language.outline import Outline, check_frame
from dipgraph.language.parameters import Parameters, Setting, read_parameters
from dipgraph.language.program import Program
from dipgraph.language.scopes import refusal
from dipgraph.language.settling import Value
from dipgraph.signatures.block import Signature


@dataclass(frozen=True, eq=False)
class Recipe:
    """A recipe as written: parsed and its parameters declared, nothing else checked yet."""

    name: str
    document: Mapping
    parameters: Parameters
    faults: tuple[Fault, ...]
    """Found while the text was read; a check reports them with its own."""

    @property
    def about(self) -> str:
        """What the recipe says it is."""
        node = self.document.get("about")
        return node.text if isinstance(node, Scalar) else ""

    @property
    def source(self) -> Source:
        """The text."""
        return self.document.mark.source


def read_recipe(source: Source, base: Path | None = None, name: str | None = None) -> Recipe:
    """The recipe that a text holds; raises :class:`Faults` where it cannot be read as YAML."""
    report = Report()
    document = parse(source, report)
    check_frame(document, report)
    parameters = read_parameters(document, report, base or Path.cwd(), refusal)
    return Recipe(name or Path(source.name).stem, document, parameters, tuple(report.faults))


def load(path: Path, name: str | None = None) -> Recipe:
    """The recipe in a file."""
    return read_recipe(read(path), path.parent.resolve(), name or path.stem)


def check(
    recipe: Recipe,
    signatures: MappingABC[str, Signature],
    preset: str | None = None,
    settings: SequenceABC[Setting] = (),
) -> list[Fault]:
    """Every fault of a recipe, whichever words are chosen and presets taken; warnings only if true for all words.

    Every combination of words is tried (past a limit: every word and every branch), and every preset by itself, so that
    no fault waits for the user who first chooses it.
    """
    report = Report()
    report.faults += recipe.faults
    values = recipe.parameters.settle(report, preset, settings)
    words = {name: known.words for name, known in recipe.parameters.declared.items() if known.words}
    values |= {name: known[0] for name, known in words.items() if name not in values}
    wasted: set[Fault] | None = None
    for chosen in combinations(recipe.document, words, values):
        found = _program(recipe, {**values, **chosen}, signatures)[1].faults
        report.faults += [fault for fault in found if not fault.is_warning]
        warnings = {fault for fault in found if fault.is_warning}
        wasted = warnings if wasted is None else wasted & warnings
    for name in recipe.parameters.presets:
        if name != preset:
            of_preset = recipe.parameters.settle(report, name)
            report.faults += _program(recipe, of_preset, signatures)[1].errors
    return order(report.errors or wasted or ())


def settle_recipe(
    recipe: Recipe,
    signatures: MappingABC[str, Signature],
    preset: str | None = None,
    settings: SequenceABC[Setting] = (),
) -> Program:
    """The program that a recipe is with its parameters settled; raises :class:`Faults`."""
    report = Report()
    report.faults += recipe.faults
    values = recipe.parameters.settle(report, preset, settings)
    program, found = _program(recipe, values, signatures)
    report.faults += found.errors  # a warning is only true if it is for every word: that is for check to say
    report.settle()
    assert program is not None, "a recipe without faults is a program"
    return program


def _program(
    recipe: Recipe, values: MappingABC[str, Value], signatures: MappingABC[str, Signature]
) -> tuple[Program | None, Report]:
    """The program for settled parameters, and the faults that are in the way."""
    report = Report()
    return Outline(recipe.document, recipe.parameters, values, signatures, report).read(), report
