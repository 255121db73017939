"""`dipgraph run`, `resume` and `rerun`: a run out of a recipe and a problem, or out of its folder."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

import click
import numpy as np
import torch
from rich.console import Console

from dipgraph.blocks import registry
from dipgraph.data.problem import Problem
from dipgraph.data.problem_file import load_problem, read_problem
from dipgraph.data.shipped import load_recipe, locate
from dipgraph.engine.checkpoint import Checkpoints
from dipgraph.engine.files import whole_bytes, whole_text, write_whole
from dipgraph.engine.run import Options, Outcome, Run
from dipgraph.engine.schedule import Schedule
from dipgraph.language import Program, Recipe, settle_recipe
from dipgraph.language.document import read
from dipgraph.language.recipe import load
from dipgraph.language.resolve import resolved_text
from dipgraph.reports import folder, provenance
from dipgraph.reports.ended import read_image
from dipgraph.reports.folder import CHECKPOINTS, CITATIONS, HISTORY, PROBLEM, RECIPE, RUN
from dipgraph.reports.interrupting import Interrupts
from dipgraph.reports.job import Job, View
from dipgraph.reports.lock import locked
from dipgraph.reports.progress import Bars
from dipgraph.reports.settings import split
from dipgraph.reports.shape import RUN_SHAPE
from dipgraph.reports.telling import tell
from dipgraph.signatures.errors import InputError

AGAIN = "# to run again: "
"""Begins the last line of a settled recipe."""


def run_and_report(
    recipe: str,
    problem: str,
    settings: tuple[str, ...],
    preset: str | None,
    *,
    out: str | None,
    overwrite: bool,
    device: str | None,
    seed: int,
    threads: int | None,
    run_on: bool,
    stop_at: int | None = None,
    checkpoint_every: str,
    view: View,
) -> int:
    """Run, write the folder, print the table; the exit code."""
    loaded = load_recipe(recipe)
    mine, theirs = split(settings)
    program = settle_recipe(loaded, registry(), preset, mine)
    bound = load_problem(problem, theirs)
    inputs = [Path(loaded.source.name), locate("problems", problem), *(record.path for record in bound.provenance)]
    options = Options(device, seed, threads, run_on, stop_at=stop_at)
    where = folder.choose(out, loaded.name, bound.name, overwrite=overwrite, inputs=inputs)
    return begin_and_report(
        loaded, program, bound, options, where, overwrite=overwrite, checkpoint_every=checkpoint_every, view=view
    )


def begin_and_report(
    loaded: Recipe,
    program: Program,
    bound: Problem,
    options: Options,
    where: Path,
    *,
    overwrite: bool,
    checkpoint_every: str,
    view: View,
) -> int:
    """Run a settled recipe on a problem in a folder that was chosen for it; the exit code."""
    schedule = Schedule.read(checkpoint_every)
    run = Run(program, bound, options)
    view.say(f"{loaded.name} on {bound}")
    text = settled_recipe(loaded, program, provenance.options_of(run))
    texts = {RECIPE: text, PROBLEM: bound.resolved_text, CITATIONS: provenance.citations(program)}
    told = provenance.facts(loaded, program, run, texts, sys.argv, checkpoint_every)
    folder.make(where)
    with locked(where):
        if not overwrite:
            folder.refuse_a_run(where)  # another process may have come first
        folder.begin(where, texts | {RUN: folder.json_text(told)})
        checkpoints = Checkpoints(where / CHECKPOINTS, provenance.identity(run, texts))
        return Job(run, where, checkpoints, schedule, view).finish()


def settled_recipe(recipe: Recipe, program: Program, asked: Mapping[str, Any]) -> str:
    """The text of a run's recipe: with the values of its parameters, and how to run it again.

    Parameters
    ----------
    recipe, program
        The recipe as written and as settled.
    asked
        What was asked for beside it, from :func:`dipgraph.reports.provenance.settled_options`.
    """
    text = resolved_text(recipe.source, recipe.parameters, dict(program.parameters))
    # Below the text, so that each line keeps its number: steps without a name are known by it.
    words = [f"--{name} {asked[name]}" for name in ("device", "seed", "threads")] + ["--run-on"] * asked["run_on"]
    words += [] if asked["stop_at"] is None else [f"--stop-at {asked['stop_at']}"]
    foot = f"{AGAIN}dipgraph run {RECIPE} --problem {PROBLEM} {' '.join(words)}\n"
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith(AGAIN)) + foot


def resume_and_report(where: Path, *, checkpoint_every: str | None, view: View) -> int:
    """Go on with a run that was interrupted or killed; the exit code."""
    told_of(where)
    with locked(where):
        return _resume(where, checkpoint_every, view)


def _resume(where: Path, checkpoint_every: str | None, view: View) -> int:
    told = told_of(where)
    outcome = "diverged" if "diverged" in told else (folder.read_summary(where) or {}).get("outcome")
    if Outcome.is_end(outcome):
        raise InputError("the run is complete: there is nothing to go on with", where=str(where))
    if outcome == "diverged":
        raise InputError("the run diverged: it would do so again", where=str(where),
                         remedy="run anew with a lower rate, or weights in better proportion")  # fmt: skip
    schedule = Schedule.read(checkpoint_every or told["checkpoint_every"])
    *_, run, texts = again(where, told)
    checkpoints = Checkpoints(where / CHECKPOINTS, provenance.identity(run, texts))
    found, said = checkpoints.latest()
    for line in said:
        tell(f"warning: {line}")
    check_texts(where, told, texts)
    step = 0
    if found is not None:
        found.give_to(run)
        schedule.written(found.step, perf_counter(), 0.0)
        step = found.step
    view.say(f"{where} goes on after step {step}" if step else f"{where} has no checkpoint: it begins anew")
    told["resumed"].append({"at": provenance.now(), "after_step": step, "command": sys.argv})
    write_whole(where / RUN, folder.json_text(told))
    return Job(run, where, checkpoints, schedule, view).finish()


def rerun_and_report(where: Path, *, quiet: bool) -> int:
    """Run once more what a folder holds, to as many steps, and compare; 0 if every bit of the image is the same."""
    told = told_of(where)
    summary = folder.read_summary(where)
    if summary is None:
        raise InputError("the run has not ended: there is nothing to compare with", where=str(where),
                         remedy=f"end it with: dipgraph resume {where}")  # fmt: skip
    *_, run, texts = again(where, told)
    check_texts(where, told, texts)
    with Interrupts() as interrupts, Bars(run, Console(stderr=True, quiet=quiet)) as bars:
        for _ in run:
            bars.look()
            if interrupts.came is not None:
                return 128 + interrupts.came
            if run.steps >= summary["iterations"] and summary["outcome"] in ("interrupted", "diverged"):
                break
    result = run.result()
    image, _ = read_image(where / "reconstruction.tiff")
    is_same = image.shape == result.image.shape and image.tobytes() == result.image.tobytes()
    history = result.record.text().encode() == whole_bytes(where / HISTORY)
    if is_same and history:
        click.echo(f"{where}: the same again, bit for bit: the image and the {run.steps} steps of its history")
        return 0
    if is_same:
        click.echo(f"{where}: the same image again, bit for bit; the history differs")
    else:
        worst = (
            float(np.abs(image.astype(np.float64) - result.image).max()) if image.shape == result.image.shape else None
        )
        click.echo(f"{where}: another image: the largest difference is {worst:.3g} {run.problem.value_unit}"
                   if worst is not None else f"{where}: another image, of another shape")  # fmt: skip
    then, here = told["versions"], provenance.versions()
    for name in dict.fromkeys([*then, *here]):
        if then.get(name) != here.get(name):
            click.echo(f"  {name}: {then.get(name, 'none')} then, {here.get(name, 'none')} now")
    model = provenance.device_name(run.bound.setting.device)
    if told["machine"]["device"] != model:
        click.echo(f"  device: {told['machine']['device']} then, {model} now")
    return 0 if is_same else 1


def told_of(where: Path) -> dict[str, Any]:
    """What the folder says of its run."""
    if not folder.stands(where / RUN):
        raise InputError("holds no run", where=str(where), remedy=f"name the folder of a run, which holds {RUN}")
    return folder.read_run(where)


def again(where: Path, told: dict[str, Any]) -> tuple[Recipe, Program, Run, dict[str, str]]:
    """The run that a folder holds, at its beginning, and the texts that it is made of."""
    provenance.check_inputs(told["inputs"])
    texts = {name: whole_text(where / name) for name in (RECIPE, PROBLEM)}
    recipe = load(where / RECIPE, told["recipe"]["name"])
    program = settle_recipe(recipe, registry())
    problem = read_problem(read(where / PROBLEM), where.resolve(), told["problem"]["name"]).load()
    asked = {name: told["options"].get(name) for name in (*RUN_SHAPE["options"], "stop_at")}
    options = Options(**(asked | {"dtype": getattr(torch, asked["dtype"], asked["dtype"])}))
    return recipe, program, Run(program, problem, options), texts


def check_texts(where: Path, told: dict[str, Any], texts: dict[str, str]) -> None:
    """Refuse a recipe or problem that was changed after the run began."""
    for name, of in ((RECIPE, "recipe"), (PROBLEM, "problem")):
        if provenance.text_hash(texts[name]) != told[of]["sha256"]:
            raise InputError(f"the {of} was changed after the run began", where=str(where / name),
                             remedy="put back what it was, or run it anew in another folder")  # fmt: skip
