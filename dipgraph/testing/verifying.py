"""`dipgraph verify`: the laws on the parts of a user's run, from Python and printed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from dipgraph.blocks import registry
from dipgraph.data.problem import Problem
from dipgraph.data.problem_file import load_problem
from dipgraph.data.shipped import load_recipe
from dipgraph.engine.face import Settings, start
from dipgraph.engine.run import Options, Run
from dipgraph.language import Recipe, Setting, settle_recipe
from dipgraph.testing.run_laws import EXPANSION, Finding, theory, verify_run


def verify(
    recipe: str | Path | Recipe,
    problem: str | Path | Problem = "walnut_phantom",
    *,
    preset: str | None = None,
    settings: Settings | None = None,
    device: str | None = None,
    seed: int = 0,
    threads: int | None = None,
    dtype: torch.dtype = torch.float32,
    expansion: float = EXPANSION,
) -> list[Finding]:
    """Measure the laws on the operators, loss terms, proximal maps and denoisers of a run, which is not run.

    Parameters
    ----------
    recipe, problem, preset, settings, device, seed, threads, dtype
        As for :func:`dipgraph.run`.
    expansion
        The Lipschitz constant allowed of a denoiser, at least 1.

    Returns
    -------
    list of Finding
        Each law on each part; :func:`~dipgraph.testing.run_laws.verify_run` says which. Those with ``ok`` false are
        faults.

    Raises
    ------
    Faults, DipgraphError
        As :func:`dipgraph.run` does, before anything is measured.

    Examples
    --------
    >>> import dipgraph
    >>> all(finding.ok for finding in dipgraph.verify("tv", "denoise", settings={"problem.size": 16, "scales": 2}))
    True
    """
    run = start(
        recipe, problem, preset=preset, settings=settings, device=device, seed=seed, threads=threads, dtype=dtype
    )
    return list(verify_run(run, expansion=expansion))


def verify_and_report(
    recipe: str,
    problem: str,
    settings: Sequence[Setting],
    of_problem: Mapping[str, str],
    preset: str | None,
    *,
    device: str | None,
    seed: int,
    threads: int | None,
    expansion: float,
) -> bool:
    """Print law, measured, bound and verdict for each part of a run; whether nothing is at fault."""
    program = settle_recipe(load_recipe(recipe), registry(), preset, list(settings))
    run = Run(program, load_problem(problem, of_problem), Options(device, seed, threads))
    console = Console(highlight=False)
    with console.status("measuring"):
        findings = list(verify_run(run, expansion=expansion))
    console.print(table(findings, f"{recipe} on {run.bound.problem.name}"))
    for line in theory(findings):
        console.print(line, markup=False, soft_wrap=True)
    broken = [finding for finding in findings if not finding.ok]
    for finding in broken:
        console.print(str(finding), style="red", markup=False, soft_wrap=True)
    count = len(findings)
    said = f"{len(broken)} of {count} laws are broken" if broken else f"{count} laws measured, nothing at fault"
    console.print(said, markup=False)
    return not broken


def table(findings: Iterable[Finding], title: str) -> Table:
    """A table of what was found, a section for each part."""
    made = Table("part", "law", title=title, title_justify="left")
    for heading in ("measured", "bound"):
        made.add_column(heading, justify="right")
    made.add_column("verdict")
    for part, group in groupby(findings, lambda finding: finding.part):
        for number, finding in enumerate(group):
            record = finding.record
            style = "red" if not finding.ok else "yellow" if not record.ok else None
            numbers = (f"{record.measured:.3g}", f"{record.bound:.3g}")
            law = record.law.removeprefix("denoiser ").removeprefix("prox ")
            made.add_row("" if number else part, law, *numbers, finding.verdict, style=style)
        made.add_section()
    return made
