"""Doubts about a problem whose data were read: what they would look like if they were something else."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from dipgraph.data.measurement import Array, Measurement
from dipgraph.data.problem import Problem
from dipgraph.data.scale import estimate_scale
from dipgraph.signatures.errors import InputError

OPAQUE = 20.0
"""A line integral from which on nothing would come through: exp(−20) is two billionths."""
AROUND_ZERO = 0.05
"""Share of the largest line integral that rays past the object may have on average."""
NEAR = 0.02
"""How near to half a turn or a whole one angles in radians end."""
APART = 10.0
"""Factor between the stated scale and the estimated one that is no matter of taste."""


def doubts(data: Measurement, problem: Problem, stated_scale: float | None) -> Iterator[str]:
    """What is odd about a problem, each with what to look at; nothing for data that were simulated.

    Parameters
    ----------
    data
        The data, prepared.
    problem
        The problem that they make.
    stated_scale
        The scale that the file gives [the image's unit], if it does.
    """
    if not data.files:
        return
    if data.quantity == "line integrals":
        yield from _doubts_of_integrals(data.data, problem)
    if stated_scale is not None:
        yield from _doubts_of_scale(stated_scale, problem)


def _doubts_of_integrals(integrals: Array, problem: Problem) -> Iterator[str]:
    most = float(integrals.max())
    if most > OPAQUE:
        yield (
            f"line integrals go up to {most:.3g}, where nothing would come through: "
            "if these are counts or transmission, say so with the reader's 'quantity', and add flat_field and log"
        )
    if integrals.sum() < 0:
        yield "the line integrals are negative on the whole: if their sign is turned, add multiply: {by: -1}"
    outside = (problem.A @ np.ones(problem.A.shape[1], dtype=np.float32)).reshape(integrals.shape) == 0
    if outside.any() and (beyond := float(integrals[outside].mean())) > AROUND_ZERO * most:
        yield (
            f"rays that miss the image have {beyond:.3g} on average, of at most {most:.3g}: the object is larger than "
            "the image ('shape' times 'pixel'), or its place is another"
        )


def _doubts_of_scale(stated: float, problem: Problem) -> Iterator[str]:
    if problem.fbp is None:
        return
    try:
        estimated = estimate_scale(problem.A, problem.y, problem.shape, problem.fbp)
    except InputError:
        return
    if not 1 / APART < stated / estimated < APART:
        yield f"the scale is {stated:g}, and the data suggest {estimated:g}: images are sought from 0 to the scale"


def doubt_of_angles(degrees: Array, path: Path) -> str | None:
    """The doubt that angles read as degrees are radians: they divide half a turn, or a whole one, of those."""
    if degrees.size < 2:
        return None
    span = float(np.ptp(degrees))
    ends = {span, span * degrees.size / (degrees.size - 1)}
    if any(abs(end / turn - 1) < NEAR for end in ends for turn in (math.pi, 2 * math.pi)):
        return f"the angles in {path.name} span {span:.4g} degrees: if these are radians, say angle_unit: rad"
    return None
