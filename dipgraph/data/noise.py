"""Simulated noise, from seeded streams that do not depend on the platform."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from dipgraph.data.measurement import Array, Measurement
from dipgraph.signatures.errors import InputError

STREAM = 7
"""Names the noise's random stream beside the seed, so that a phantom of the same seed has another."""


def add_noise(
    measurement: Measurement,
    kind: Literal["gaussian", "poisson"] = "gaussian",
    level: float | None = None,
    relative_to: Literal["max", "mean", "none"] = "max",
    photons: float | None = None,
    seed: int = 0,
) -> Measurement:
    r"""Add noise to data.

    Gaussian: independent, of standard deviation ``level`` times the largest absolute value of the data ("max"), their
    mean absolute value ("mean"), or in the data's own unit ("none"). The problem's ``noise_level`` is then known: that
    of all noise so added; noise that data from a file have already is not in it. Behind data with counts it is unknown,
    as the counts are then.

    Poisson, for line integrals s: counts :math:`c \sim \mathrm{Poisson}(I_0 e^{-s})` with I₀ = ``photons`` in each
    detector pixel and view, data :math:`-\log(\max(c, 1)/I_0)`. The problem's ``counts`` and ``blank`` are then known.

    Parameters
    ----------
    measurement
        The data.
    kind
        "gaussian" or "poisson".
    level
        For Gaussian noise; 0 adds none.
    relative_to
        What the level refers to.
    photons
        For Poisson noise, I₀.
    seed
        Equal seeds give equal noise (PCG64).

    Raises
    ------
    InputError
        If the numbers do not go with the kind, or the data are no line integrals.
    """
    draw = np.random.Generator(np.random.PCG64([seed, STREAM]))
    if kind == "gaussian":
        return _gaussian(measurement, _given(level, "level", kind, photons), relative_to, draw)
    if kind == "poisson":
        return _poisson(measurement, _given(photons, "photons", kind, level), draw)
    raise InputError(f"the noise is of kind {kind!r}", where="noise", remedy="give 'gaussian' or 'poisson'")


def _given(value: float | None, name: str, kind: str, other: float | None) -> float:
    if value is None or other is not None:
        wrong = f"{kind} noise needs '{name}'" if value is None else f"{kind} noise takes '{name}' alone"
        raise InputError(wrong, where="noise", remedy="level for gaussian, photons for poisson")
    if not value >= 0 or (name == "photons" and value < 1):
        raise InputError(f"the noise's {name} is {value:g}", where="noise", remedy="give a level >= 0, photons >= 1")
    return value


def _gaussian(measurement: Measurement, level: float, relative_to: str, draw: np.random.Generator) -> Measurement:
    data = measurement.data
    size = np.abs(data)
    sizes = {"max": float(size.max()), "mean": float(size.mean()), "none": 1.0}
    if relative_to not in sizes:
        raise InputError(f"the noise is relative to {relative_to!r}", where="noise", remedy="give max, mean or none")
    deviation = level * sizes[relative_to]
    noisy = data + deviation * draw.standard_normal(data.shape)
    if measurement.counts is not None:  # of another kind: together they have no one level
        return measurement if not deviation else replace(measurement, data=noisy, counts=None, blank=None)
    known = measurement.noise_level or 0.0
    return replace(measurement, data=noisy, noise_level=float(np.hypot(deviation, known)))


def _poisson(measurement: Measurement, photons: float, draw: np.random.Generator) -> Measurement:
    if measurement.quantity != "line integrals":
        raise InputError(f"Poisson noise needs line integrals, these are {measurement.quantity}", where="noise")
    expected = photons * np.exp(-measurement.data)
    if expected.max() > 1e15:
        raise InputError(f"Poisson noise of {expected.max():.3g} photons cannot be drawn", where="noise")
    counts: Array = draw.poisson(expected).astype(np.float64)
    blank = np.full_like(counts, photons)
    return replace(measurement, data=from_counts(counts, blank), counts=counts, blank=blank, noise_level=None,
                   drawn=True)  # fmt: skip


def from_counts(counts: Array, blank: Array) -> Array:
    """Line integrals −log(max(counts, 1)/blank)."""
    return np.asarray(-np.log(np.maximum(counts, 1.0) / blank))
