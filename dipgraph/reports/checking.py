"""`dipgraph check`: the faults of a recipe, and what it needs on a problem."""

from __future__ import annotations

from rich.console import Console

from dipgraph.blocks import registry
from dipgraph.data.shipped import load_recipe
from dipgraph.language import Faults, check, settle_recipe
from dipgraph.reports.settings import for_recipe_alone, split


def check_and_report(recipe: str, problem: str | None, settings: tuple[str, ...], preset: str | None) -> None:
    """Print warnings and needs of a recipe that can run; raises :class:`~dipgraph.language.Faults` where it cannot."""
    console = Console(highlight=False, soft_wrap=True)
    loaded = load_recipe(recipe)
    mine, theirs = split(settings) if problem is not None else (for_recipe_alone(settings), {})
    found = check(loaded, registry(), preset, mine)
    if any(not fault.is_warning for fault in found):
        raise Faults(found)
    for fault in found:
        console.print(fault.render(), markup=False)
    if problem is not None:
        from dipgraph.data.problem_file import load_problem
        from dipgraph.engine.memory import estimate
        from dipgraph.engine.run import Options, Run

        run = Run(settle_recipe(loaded, registry(), preset, mine), load_problem(problem, theirs), Options(device="cpu"))
        console.print(f"{run.bound.problem}", markup=False)
        console.print(estimate(run).said(), markup=False)
    console.print(f"{loaded.name}: {len(found)} warning{'s' * (len(found) != 1)}, no error", markup=False)
