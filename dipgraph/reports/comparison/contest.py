"""Who is compared on what: recipes and problems read and checked together, each with the settings meant for it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from dipgraph.blocks import registry
from dipgraph.data.problem import Problem
from dipgraph.data.problem_file import ProblemFile, problem_file
from dipgraph.data.shipped import load_recipe
from dipgraph.language import Fault, Faults, Mark, Program, Recipe, Source, check, settle_recipe
from dipgraph.language.diagnostics import listing, near
from dipgraph.language.document import Scalar
from dipgraph.language.nodes import normal
from dipgraph.reports.comparison.routing import Party, route
from dipgraph.signatures.errors import DipgraphError, InputError

Read = TypeVar("Read")


class MistakesError(DipgraphError):
    """Mistakes of several files, told together: those without a place in a text, and those with one."""

    def __init__(self, plain: Sequence[DipgraphError], faults: Sequence[Fault]) -> None:
        self.plain, self.faults = tuple(plain), tuple(faults)
        super().__init__(f"{len(plain) + len(faults)} mistakes")

    def __str__(self) -> str:
        return "\n".join(["\nerror: ".join(map(str, self.plain)), *([str(Faults(self.faults))] if self.faults else [])])


@dataclass(frozen=True, eq=False)
class Contender:
    """A recipe as it takes part."""

    name: str
    given: str
    """The path or shipped name."""
    recipe: Recipe
    program: Program
    settings: tuple[str, ...]
    """As ``--set`` of ``dipgraph run`` takes them."""
    preset: str | None


@dataclass(frozen=True, eq=False)
class Task:
    """A problem as it takes part; its data are read again by each run."""

    name: str
    given: str
    settings: tuple[str, ...]
    text: str
    """The problem as it is settled."""
    about: str
    scores: str
    """Where the scores are taken, in words; empty where there is no reference."""


@dataclass(frozen=True)
class Contest:
    """All who take part."""

    recipes: tuple[Contender, ...]
    problems: tuple[Task, ...]


def read_contest(
    recipes: Sequence[str], problems: Sequence[str], settings: Sequence[str], preset: str | None
) -> Contest:
    """Read recipes and problems, and settle them.

    Parameters
    ----------
    recipes, problems
        Paths or shipped names.
    settings
        ``NAME=VALUE``: see :func:`dipgraph.reports.comparison.routing.route`.
    preset
        A preset of the recipes that have it.

    Raises
    ------
    DipgraphError
        With every fault of all of them, the settings included.
    """
    errors: list[DipgraphError] = []
    found = [(given, recipe) for given in recipes if (recipe := _tried(errors, load_recipe, given)) is not None]
    files = [(given, file) for given in problems if (file := _tried(errors, problem_file, given)) is not None]
    errors += _refuse_twins("recipes", [(recipe.name, given) for given, recipe in found])
    errors += _refuse_twins("problems", [(_name(file), given) for given, file in files])
    runners = [Party(recipe.name, recipe.parameters) for _, recipe in found]
    tasks = [Party(_name(file), file.parameters) for _, file in files]
    faults: list[Fault] = []
    if not errors:  # else who is missing may be the one that has it
        faults += route(settings, runners, tasks)
        faults += _preset_faults(preset, [recipe for _, recipe in found])
    contenders = []
    for (given, recipe), runner in zip(found, runners, strict=True):
        mine = preset if preset is not None and normal(preset) in recipe.parameters.presets else None
        said = [fault for fault in check(recipe, registry(), mine, runner.settings) if not fault.is_warning]
        faults += said
        if not said:
            program = settle_recipe(recipe, registry(), mine, runner.settings)
            contenders.append(Contender(recipe.name, given, recipe, program, runner.texts(), mine))
    settled = []
    for (given, file), party in zip(files, tasks, strict=True):
        try:
            problem = file.load(party.settings)
        except Faults as error:
            faults += error.faults
        except DipgraphError as error:
            errors.append(error)
        else:
            texts = party.texts("problem.")
            settled.append(Task(problem.name, given, texts, problem.resolved_text, problem.about, _scores(problem)))
    faults += [fault for error in errors if isinstance(error, Faults) for fault in error.faults]
    plain = [error for error in errors if not isinstance(error, Faults)]
    if len(plain) + bool(faults) > 1:
        raise MistakesError(plain, faults)
    if plain or faults:
        raise plain[0] if plain else Faults(faults)
    return Contest(tuple(contenders), tuple(settled))


def _tried(errors: list[DipgraphError], read: Callable[[str], Read], given: str) -> Read | None:
    """What a name stands for; none, and the error noted, where it cannot be read."""
    try:
        return read(given)
    except DipgraphError as error:
        errors.append(error)
        return None


def _name(file: ProblemFile) -> str:
    """What the problem will be called once it is read."""
    node = file.document.get("name")
    return node.text if isinstance(node, Scalar) else file.name


def _refuse_twins(kind: str, named: Iterable[tuple[str, str]]) -> list[InputError]:
    """Two of one name, which would have one folder."""
    ordered = sorted(named, key=lambda pair: pair[0].casefold())
    found = []
    for _, group in itertools.groupby(ordered, key=lambda pair: pair[0].casefold()):
        twins = list(group)
        if len(twins) > 1:
            which = " and ".join(given for _, given in twins)
            found.append(InputError(f"two {kind} are called '{twins[0][0]}': {which}",
                                    remedy="give each once, and each file a name of its own"))  # fmt: skip
    return found


def _preset_faults(preset: str | None, recipes: Sequence[Recipe]) -> list[Fault]:
    known = list(dict.fromkeys(name for recipe in recipes for name in recipe.parameters.presets))
    if preset is None or normal(preset) in known:
        return []
    mark = Mark(Source("--preset", preset), 0, 0, max(1, len(preset)))
    advice = near(preset, known) or f"there is {listing(known) or 'none'}"
    return [Fault("E205", f"no recipe has a preset '{preset}'", mark, advice)]


def _scores(problem: Problem) -> str:
    if problem.reference is None:
        return ""
    return {"disc": "in the inscribed disc", "all": "over the image"}.get(str(problem.region), "in the score region")
