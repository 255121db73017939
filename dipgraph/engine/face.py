"""Recipes and problems by name, path or object: load, check, run, and step through a run."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from dipgraph.blocks import registry
from dipgraph.data.problem import Problem
from dipgraph.data.problem_file import load_problem
from dipgraph.data.scale import saturation_warning
from dipgraph.data.settings import refuse_settings
from dipgraph.data.shipped import load_recipe
from dipgraph.engine.run import Options, Result, Run
from dipgraph.language import Fault, Faults, Recipe, Setting, settle_recipe
from dipgraph.language import check as check_language
from dipgraph.language.diagnostics import order
from dipgraph.language.settling import setting_text
from dipgraph.signatures.errors import InputError

Settings = Mapping[str, Any]


def split_settings(settings: Settings | None) -> tuple[list[Setting], dict[str, str]]:
    """Settings of the recipe, and those of the problem, whose names begin with ``problem.``."""
    mine: list[Setting] = []
    theirs: dict[str, str] = {}
    if not isinstance(settings, Mapping | None):
        raise InputError(f"the settings are a {type(settings).__name__}, not a mapping", where="settings",
                         remedy='give values by name, as in settings={"rate": 1e-3}')  # fmt: skip
    for name, value in (settings or {}).items():
        if not isinstance(name, str):
            raise InputError(f"the name of a setting is {name!r}", where="settings", remedy="names are texts")
        text = setting_text(value)
        if name.startswith("problem."):
            theirs[name.removeprefix("problem.")] = text
        else:
            mine.append(Setting.read(f"{name}={text}"))
    return mine, theirs


def _problem(problem: str | Path | Problem, settings: Mapping[str, str]) -> Problem:
    """The problem itself, or the one that a file describes; settings are refused where there is no file to set."""
    if not isinstance(problem, Problem):
        return load_problem(problem, settings)
    refuse_settings(settings, "the problem is built already")
    return problem


def check(
    recipe: str | Path | Recipe,
    problem: str | Path | Problem | None = None,
    *,
    preset: str | None = None,
    settings: Settings | None = None,
) -> list[Fault]:
    """Every fault of a recipe, sorted by place; with a problem, of the two together as well.

    Parameters
    ----------
    recipe
        A path, a shipped name, or a loaded recipe.
    problem
        A path, a shipped name, or a problem; its data are read.
    preset, settings
        As on the command line: ``settings={"sigma": 0.1, "problem.views": 30}``.

    Returns
    -------
    list of Fault
        Empty where there is nothing to say. Warnings (codes that begin with W) are among them.
    """
    try:
        loaded = load_recipe(recipe)
    except Faults as faults:
        return faults.faults
    mine, theirs = split_settings(settings)
    if problem is None:
        refuse_settings(theirs, "no problem is given")
    found = check_language(loaded, registry(), preset, mine)
    if problem is None or any(not fault.is_warning for fault in found):
        return found
    program = settle_recipe(loaded, registry(), preset, mine)
    try:
        Run(program, _problem(problem, theirs), Options(device="cpu"))
    except Faults as faults:
        return order([*faults.faults, *found])
    return found


def start(
    recipe: str | Path | Recipe,
    problem: str | Path | Problem = "walnut_phantom",
    *,
    preset: str | None = None,
    settings: Settings | None = None,
    device: str | None = None,
    seed: int = 0,
    threads: int | None = None,
    run_on: bool = False,
    dtype: torch.dtype = torch.float32,
    stop_at: int | None = None,
) -> Run:
    """A run at its beginning; the arguments are those of :func:`run`. Iterate over it to take the steps."""
    loaded = load_recipe(recipe)
    mine, theirs = split_settings(settings)
    program = settle_recipe(loaded, registry(), preset, mine)
    options = Options(device, seed, threads, run_on, dtype, stop_at)
    return Run(program, _problem(problem, theirs), options)


def iterate(
    recipe: str | Path | Recipe, problem: str | Path | Problem = "walnut_phantom", **options: Any
) -> Iterator[Run]:
    """Step through a run: the run after each gradient step, or after each iteration where there are none.

    Takes the arguments of :func:`run`; the guide has an example.
    """
    return iter(start(recipe, problem, **options))


def run(
    recipe: str | Path | Recipe,
    problem: str | Path | Problem = "walnut_phantom",
    *,
    preset: str | None = None,
    settings: Settings | None = None,
    device: str | None = None,
    seed: int = 0,
    threads: int | None = None,
    run_on: bool = False,
    dtype: torch.dtype = torch.float32,
    stop_at: int | None = None,
) -> Result:
    """Run a recipe on a problem.

    Parameters
    ----------
    recipe
        A path, a shipped name, or a loaded recipe.
    problem
        A path, a shipped name, or a :class:`~dipgraph.Problem`.
    preset, settings
        A preset of the recipe; parameters by name, those of the problem with ``problem.`` before them.
    device
        ``cpu``, ``cuda`` or ``cuda:1``; CUDA where there is one by default.
    seed
        Seed of every random stream.
    threads
        CPU threads.
    run_on
        Run every loop to its count, and note where it would have stopped.
    dtype
        Precision of the run.
    stop_at
        End with the iteration in which so many steps are done; the recipe, its schedules too, stays as it is.

    Returns
    -------
    Result
        The image in the problem's unit, scores, history and whatever else the recipe returns.

    Raises
    ------
    Faults
        If the recipe, or the recipe on this problem, has a fault.
    DipgraphError
        For other mistakes of input.
    """
    under_way = start(
        recipe, problem, preset=preset, settings=settings, device=device, seed=seed, threads=threads, run_on=run_on,
        dtype=dtype, stop_at=stop_at,
    )  # fmt: skip
    for _ in under_way:
        pass
    result = under_way.result()
    if said := saturation_warning(result.saturated, under_way.problem.scale):
        warnings.warn(said, UserWarning, stacklevel=2)
    return result
