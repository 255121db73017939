"""`dipgraph run`: a run with its live view, its folder and its table."""

from __future__ import annotations

import sys

import click
from rich.console import Console

from dipgraph.blocks import registry
from dipgraph.data.problem_file import load_problem
from dipgraph.data.shipped import load_recipe
from dipgraph.engine.run import Options, Run
from dipgraph.language import settle_recipe
from dipgraph.language.resolve import resolved_text
from dipgraph.reports import folder, table
from dipgraph.reports.progress import Bars
from dipgraph.reports.settings import split


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
    quiet: bool,
) -> bool:
    """Run, write the folder, print the table; whether the run was interrupted."""
    console = Console(stderr=True, quiet=quiet)
    loaded = load_recipe(recipe)
    mine, theirs = split(settings)
    program = settle_recipe(loaded, registry(), preset, mine)
    bound = load_problem(problem, theirs)
    where = folder.prepare(out, loaded.name, bound.name, overwrite=overwrite)
    run = Run(program, bound, Options(device, seed, threads, run_on))
    console.print(f"{loaded.name} on {bound}", highlight=False)
    try:
        with Bars(run, console) as bars:
            for _ in run:
                bars.look()
    except KeyboardInterrupt:
        run.is_interrupted = True
        if not run.has_image:
            click.echo("interrupted before the first iteration was done: there is nothing to keep", err=True)
            return True
    result = run.result()
    text = resolved_text(loaded.source, loaded.parameters, dict(program.parameters))
    head = f"# to run again: dipgraph run recipe.yaml --problem problem.yaml --seed {seed} --threads {result.threads}\n"
    folder.write(where, result, bound, head + text)
    if not quiet:
        table.show(result, bound, Console())
        print(where, file=sys.stdout)
    return run.is_interrupted
