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

OPPOSED = -0.3
"""Correlation of the data with the rays' lengths in the image below which they are no line integrals."""
ALIKE = 0.1
"""Relative spread of those lengths below which it says nothing."""
BEYOND = 0.05
"""Share of the largest line integral that rays past the image may have on average."""
NEAR = 0.02
"""How near to half a turn or a whole one angles in radians end."""
FEW = 4
"""Views of which fewer show no such pattern."""
APART = 10.0
"""Factor between the stated scale and the estimated one that is no matter of taste."""
NARROW = math.radians(20)
"""An arc from which the scale is estimated too small [rad]."""


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
    if data.quantity != "line integrals" or data.geometry is None:
        return
    lengths = (problem.A @ np.ones(problem.A.shape[1], dtype=np.float32)).reshape(data.data.shape)
    if _opposed(data.data, lengths):
        yield (
            "the data fall where rays are long in the image, as counts and transmission do and line integrals do not: "
            "say the reader's 'quantity', and add flat_field and log; or, if their sign is turned, multiply: {by: -1}"
        )
        return
    most, past = float(data.data.max()), lengths == 0
    if past.any() and (beyond := float(data.data[past].mean())) > BEYOND * most:
        yield (
            f"rays that miss the image have {beyond:.3g} on average, of at most {most:.3g}: the object is larger than "
            "the image ('shape' times 'pixel'), its place is another, or rays through nothing are not at 0"
        )
    arc = float(np.ptp(getattr(data.geometry, "angles", (0.0, np.pi))))
    if stated_scale is not None and arc > NARROW:
        yield from _doubts_of_scale(stated_scale, problem)


def _opposed(integrals: Array, lengths: Array) -> bool:
    """Whether data fall where the rays' lengths in the image grow."""
    if integrals.std() == 0 or lengths.std() < ALIKE * lengths.mean():
        return False
    return float(np.corrcoef(integrals.ravel(), lengths.ravel())[0, 1]) < OPPOSED


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
    if degrees.size < FEW:
        return None
    span = float(np.ptp(degrees))
    ends = {span, span * degrees.size / (degrees.size - 1)}
    if any(abs(end / turn - 1) < NEAR for end in ends for turn in (math.pi, 2 * math.pi)):
        return f"the angles in {path.name} span {span:.4g} degrees: if these are radians, say angle_unit: rad"
    return None
