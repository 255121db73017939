"""Settings of a comparison: each goes to those that it is meant for, and is a fault where nobody has it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from dipgraph.language import Fault, Setting
from dipgraph.language.diagnostics import listing, near
from dipgraph.language.nodes import normal
from dipgraph.language.parameters import Parameters

ALL_PROBLEMS = "problem"


@dataclass
class Party:
    """A recipe or a problem, and the settings that have come to it."""

    name: str
    parameters: Parameters
    for_all: list[tuple[Setting, str]] = field(default_factory=list)
    for_it: list[tuple[Setting, str]] = field(default_factory=list)
    """Settings with their parameter's ``name=value`` as it was given: for several, and for this one by its name."""

    @property
    def settings(self) -> list[Setting]:
        """All, those for it alone last: they beat the others."""
        return [setting for setting, _ in (*self.for_all, *self.for_it)]

    def texts(self, prefix: str = "") -> tuple[str, ...]:
        """All as ``dipgraph run --set`` takes them."""
        return tuple(f"{prefix}{text}" for _, text in (*self.for_all, *self.for_it))

    def has(self, parameter: str) -> bool:
        """Whether it declares the parameter, soundly or not."""
        return parameter in self.parameters.declared or parameter in self.parameters.broken


def route(texts: Sequence[str], recipes: Sequence[Party], problems: Sequence[Party]) -> list[Fault]:
    """Give each setting to those that have its parameter; the faults of those that nobody has.

    ``rate=1e-3`` is for every recipe, ``tv.rate=1e-3`` for what is called ``tv``, ``problem.views=30`` for every
    problem.
    """
    return [fault for text in texts if (fault := _route(text, recipes, problems)) is not None]


def _route(text: str, recipes: Sequence[Party], problems: Sequence[Party]) -> Fault | None:
    said = Setting.read(text)
    if not said.is_whole:
        return Fault("E205", "a setting is name=value", said.mark, "as in --set rate=1e-3")
    named = sorted((*recipes, *problems), key=lambda party: -len(party.name))
    owner = next((party.name for party in named if said.name.startswith(f"{normal(party.name)}.")), None)
    if owner is None and said.name.startswith(f"{ALL_PROBLEMS}."):
        prefix, asked, whom = ALL_PROBLEMS, list(problems), "no problem has a"
    elif owner is not None:
        prefix, asked = normal(owner), [party for party in named if party.name == owner]
        whom = f"'{owner}' has no"
    elif "." in said.name:
        called, names = said.name.split(".")[0], [ALL_PROBLEMS, *(party.name for party in named)]
        advice = near(called, names) or f"there is {listing(names)}"
        return Fault("E205", f"no recipe or problem here is called '{called}'", said.mark, advice)
    else:
        prefix, asked, whom = "", list(recipes), "no recipe has a"
    lead = f"{prefix}." if prefix else ""
    setting = Setting.read(text, "--set", lead)
    takers = [party for party in asked if party.has(setting.name)]
    if not takers:
        known = list(dict.fromkeys(name for party in asked for name in party.parameters.declared))
        advice = near(setting.name, known) or f"there is {listing(known) or 'none'}"
        return Fault("E205", f"{whom} parameter '{setting.name}'", said.mark, advice)
    pair = (setting, f"{setting.name}={text.partition('=')[2]}")
    for party in takers:
        (party.for_all if owner is None else party.for_it).append(pair)
    return None
