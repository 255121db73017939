"""`dipgraph refit`: what a run held out to find its stop is used as well, up to that stop."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from dipgraph.blocks import registry
from dipgraph.engine.outcome import Outcome
from dipgraph.language import settle_recipe
from dipgraph.reports import folder
from dipgraph.reports.job import View
from dipgraph.reports.running import again, begin_and_report, check_texts, told_of
from dipgraph.signatures.errors import InputError

PRESET = "all_rays"
"""The preset of a recipe under which it holds nothing out."""


def refit_and_report(where: Path, *, out: str | None, overwrite: bool, view: View) -> int:
    """Run once more what a folder holds, by the preset ``all_rays``, and end at the step that its image is from.

    Returns
    -------
    int
        The exit code, as of a run.

    Raises
    ------
    InputError
        If the run has not come to its end, if its recipe or problem was changed since, if its image is of no single
        step, if its recipe has no such preset, or if it held nothing out.
    """
    told = told_of(where)
    summary = folder.read_summary(where) or {}
    if not Outcome.is_end(summary.get("outcome")):
        raise InputError("the run has not come to its end", where=str(where),
                         remedy=f"end it with: dipgraph resume {where}")  # fmt: skip
    step = summary.get("delivered_step")
    if not isinstance(step, int):
        raise InputError("the run's image is of no single step to go to", where=str(where),
                         remedy="its recipe has to return the image of a stopper, or a tracked one")  # fmt: skip
    recipe, program, run, texts = again(where, told)
    check_texts(where, told, texts)
    if PRESET not in recipe.parameters.presets:
        raise InputError(
            f"the run's recipe has no preset '{PRESET}', under which it would hold nothing out",
            where=str(where),
            remedy="one that never does has no use for a refit; else add the preset to your recipe and run that",
        )
    whole = settle_recipe(recipe, registry(), PRESET)
    if dict(whole.parameters) == dict(program.parameters):
        raise InputError("the run held nothing out: its image is made of all data already", where=str(where))
    inputs = [record.path for record in run.problem.provenance]
    target = folder.choose(out or f"{where}-refit", recipe.name, run.problem.name, overwrite=overwrite, inputs=inputs)
    options = replace(run.options, run_on=False, stop_at=step)
    return begin_and_report(
        recipe,
        whole,
        run.problem,
        options,
        target,
        overwrite=overwrite,
        checkpoint_every=told["checkpoint_every"],
        view=view,
    )
