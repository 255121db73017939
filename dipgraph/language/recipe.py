"""A recipe: its text read once, its parameters declared, checked for every choice, settled into a program."""

from __future__ import annotations

from collections.abc import Mapping as MappingABC, Sequence as SequenceABC
from dataclasses import dataclass
from pathlib import Path

from dipgraph.language.choices import combinations, deciding, settle
from dipgraph.language.diagnostics import Fault, Report, Source, listing, near, order
from dipgraph.language.document import Mapping, Node, Scalar, Sequence, parse, read
from dipgraph.language.expressions import parse_expression
from dipgraph.language.parameters import Parameters, Setting, Value, read_parameters
from dipgraph.language.program import Call, Expression, Program, Step
from dipgraph.language.scopes import Definition, Scope, refusal
from dipgraph.language.steps import StepReader
from dipgraph.language.typing import described
from dipgraph.signatures.block import Signature
from dipgraph.signatures.ports import NetworkKind
from dipgraph.signatures.spaces import Network, Number, Switch, Vector, X

KEYS = ("recipe", "about", "cite", "params", "presets", "networks", "steps", "track", "returns")
VERSION = 1


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
    _frame(document, report)
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
    """Every fault of a recipe, whichever words are chosen; warnings only where they hold for all words."""
    values, faults = _settled(recipe, preset, settings)
    if any(not fault.is_warning for fault in faults):
        return order(faults)
    wasted: set[Fault] | None = None
    for words in combinations(recipe.document, recipe.parameters.declared, values):
        report = Report()
        _read_program(recipe, {**values, **words}, signatures, report)
        faults += report.errors
        warnings = {fault for fault in report.faults if fault.is_warning}
        wasted = warnings if wasted is None else wasted & warnings
    return order([*faults, *(wasted or ())])


def settle_recipe(
    recipe: Recipe,
    signatures: MappingABC[str, Signature],
    preset: str | None = None,
    settings: SequenceABC[Setting] = (),
) -> Program:
    """The program that a recipe is with its parameters settled; raises :class:`Faults`."""
    values, faults = _settled(recipe, preset, settings)
    report = Report()
    report.faults += faults
    report.settle()
    program = _read_program(recipe, values, signatures, report)
    report.settle()
    assert program is not None, "a recipe without faults is a program"
    return program


def _settled(
    recipe: Recipe, preset: str | None, settings: SequenceABC[Setting]
) -> tuple[dict[str, Value], list[Fault]]:
    """The parameters' values and the faults so far."""
    report = Report()
    report.faults += recipe.faults
    values = recipe.parameters.settle(report, preset, settings)
    for name in recipe.parameters.presets:  # every preset has to be good, not only the one that is used
        if name != preset:
            recipe.parameters.settle(report, name)
    return values, report.faults


def _frame(document: Mapping, report: Report) -> None:
    """The top level: its keys and the language's version."""
    for key, _ in document:
        if key.name not in KEYS:
            report.add("E108", f"a recipe has no '{key.text}'", key.mark, near(key.name, KEYS) or f"it has {listing(KEYS)}")
    version = document.get("recipe")
    if version is None:
        report.add("E108", "'recipe' is missing: the version of the language", document.mark, f"begin with 'recipe: {VERSION}'")
    elif not isinstance(version, Scalar) or version.value != VERSION or isinstance(version.value, bool):
        report.add("E108", f"this is not version {VERSION} of the language", version.mark, f"write 'recipe: {VERSION}'")
    about = document.get("about")
    if about is not None and not isinstance(about, Scalar):
        report.add("E108", "'about' is a text", about.mark, "a text that holds ': ' needs quotes")
    for needed in ("steps", "track", "returns"):
        if document.get(needed) is None:
            report.add("E108", f"'{needed}' is missing", document.mark)


def _cite(node: Node | None, report: Report) -> tuple[str, ...]:
    if node is None:
        return ()
    items = node.items if isinstance(node, Sequence) else (node,)
    if not all(isinstance(item, Scalar) for item in items):
        report.add("E108", "'cite' is a key of docs/references.bib, or a list of them", node.mark)
    return tuple(item.text for item in items if isinstance(item, Scalar))


def _read_program(
    recipe: Recipe, values: MappingABC[str, Value], signatures: MappingABC[str, Signature], report: Report
) -> Program | None:
    """The program for settled parameters, or None where there are faults."""
    document = recipe.document
    words = {name: known.words for name, known in recipe.parameters.declared.items() if known.words}
    scope = Scope(values, words, report)
    reader = StepReader(signatures, scope, report)
    networks = _networks(document.get("networks"), reader)
    pending = reader.pending(document.get("steps"))
    steps_node = document.get("steps")
    steps: tuple[Step, ...] = ()
    with scope.body(pending, "top"), report.part():
        steps = reader.read(steps_node, document.mark)
    broken = bool(report.errors)
    track = _track(document.get("track"), reader, broken)
    returns = _returns(document.get("returns"), reader)
    _waste(recipe, reader, networks, broken, report)
    if report.errors:
        return None
    return Program(
        about=recipe.about,
        cite=_cite(document.get("cite"), report),
        parameters=dict(values),
        networks=networks,
        inputs={name: channels for name, (channels, _) in scope.channels.items()},
        steps=steps,
        track=track,
        returns=returns,
        given=dict(scope.given),
        places={name: call.mark for name, call in networks.items()},
    )


def _networks(node: Node | None, reader: StepReader) -> dict[str, Call]:
    """The networks that a recipe declares."""
    calls: dict[str, Call] = {}
    report, scope = reader.report, reader.scope
    if node is None:
        return calls
    if not isinstance(node, Mapping):
        report.add("E108", "'networks' is a mapping of names to network blocks", node.mark)
        return calls
    for key, value in node:
        scope.define(Definition(key.name, Network(), key.mark, "network"))
        with report.part():
            if why := refusal(key, scope.parameters):
                raise report.fail("E203", why, key.mark)
            chosen = settle(value, scope.words, scope.parameters, report)
            if not isinstance(chosen, Mapping) or len(chosen.entries) != 1:
                raise report.fail("E404", "a network is one block", chosen.mark, "as in f: {network.unet: {channels: 32}}")
            name, body = chosen.entries[0]
            call, _ = reader.caller.call(name, body, (key.name,))
            if not call.signature.gives(NetworkKind):
                raise report.fail("E404", f"'{name.text}' is no network", name.mark, "networks are network.*")
            calls[key.name] = call
    return calls


def _track(node: Node | None, reader: StepReader, broken: bool) -> str | None:
    """The image that is logged."""
    report = reader.report
    with report.part():
        if node is None:
            return None
        if not isinstance(node, Scalar) or not node.is_name:
            raise report.fail("E307", "'track' names an image", node.mark)
        if broken and node.name not in reader.scope.names:
            return None
        expression = reader.scope.look_up(node.name, node.mark)
        if expression.type != Vector(X):
            raise report.fail("E307", f"'{node.text}' is {described(expression)}; track names a single image in X", node.mark)
        if not reader.tracked.get(node.name):
            raise report.fail("E307", f"no repeat assigns '{node.text}'", node.mark, "track is logged at the end of each iteration")
        return node.name
    return None


def _returns(node: Node | None, reader: StepReader) -> dict[str, Expression]:
    """What a run hands out."""
    report = reader.report
    found: dict[str, Expression] = {}
    if node is None:
        return found
    if not isinstance(node, Mapping):
        report.add("E108", "'returns' is a mapping with 'image'", node.mark)
        return found
    for key, value in node:
        with report.part():
            expression = reader.typist.type(parse_expression(value, report))
            single = isinstance(expression.type, Vector) and not expression.type.space.batched
            if not (single or isinstance(expression.type, Number | Switch | Network)):
                raise report.fail("E307", f"'{key.text}' is {described(expression)}, which is not returned", value.mark,
                                  "images, numbers, switches and networks are")  # fmt: skip
            if key.name == "image" and expression.type != Vector(X):
                raise report.fail("E307", f"'image' is {described(expression)}; it is a single image in X", value.mark)
            found[key.name] = expression
    if node.get("image") is None:
        report.add("E307", "'returns' needs 'image'", node.mark)
    return found


def _waste(
    recipe: Recipe, reader: StepReader, networks: MappingABC[str, Call], broken: bool, report: Report
) -> None:
    """Warn of what nothing reads; only where the rest is whole, since a fault hides reads."""
    if broken or report.errors:
        return
    scope = reader.scope
    feeding = _reads_of_parameters(recipe)
    for name, known in recipe.parameters.declared.items():
        if name not in scope.read_parameters and name not in feeding:
            report.add("W601", f"nothing reads the parameter '{name}'", known.mark)
    for name in networks:
        if name not in scope.channels and not scope.names[name].is_read:
            report.add("W602", f"nothing reads the network '{name}'", scope.names[name].mark)
    track = recipe.document.get("track")
    tracked = track.name if isinstance(track, Scalar) else ""
    for mark, text, definitions in reader.written:
        if definitions and definitions[0].name != tracked and not any(definition.is_read for definition in definitions):
            if definitions[0].sort == "carry":
                report.add("W603", f"'{text}' is carried, and nothing reads it", mark)
            else:
                report.add("W604", f"nothing reads '{text}'", mark)


def _reads_of_parameters(recipe: Recipe) -> set[str]:
    """Parameters that other parameters are made of, or that decide a choice."""
    report = Report()
    found = deciding(recipe.document)
    for known in recipe.parameters.declared.values():
        if not known.is_file and not known.words:
            with report.part():
                found |= {read.value for read in parse_expression(known.default, report).names()}
    return found

