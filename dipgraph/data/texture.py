"""Smooth random textures as functions of the plane, and soft edges: what the procedural phantoms are made of."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

Field: TypeAlias = NDArray[np.float64]

LATTICE = 64


class Noise:
    """A smooth random field of the plane with mean 0 and standard deviation about 1, the same at every resolution.

    A cubic B-spline over a periodic lattice of 64 × 64 independent normal values, one unit of the plane being
    ``frequency`` cells; octaves halve the cell and scale the amplitude by ``fall``.

    Parameters
    ----------
    seed
        Whole numbers that name the field (PCG64): equal seeds give equal fields.
    """

    def __init__(self, *seed: int) -> None:
        self._lattice = np.random.Generator(np.random.PCG64(list(seed))).standard_normal((LATTICE, LATTICE))

    def __call__(self, x: Field, y: Field, frequency: float, octaves: int = 1, fall: float = 0.5) -> Field:
        """Values at the points ``(x, y)``, arrays of one shape.

        Parameters
        ----------
        x, y
            Coordinates [any unit].
        frequency
            Cells per unit of the coordinates.
        octaves
            How many scales are summed.
        fall
            Factor on the amplitude from one octave to the next finer one.
        """
        total = np.zeros(np.broadcast_shapes(x.shape, y.shape))
        power = 0.0
        for octave in range(octaves):
            cells, weight, shift = frequency * 2.0**octave, fall**octave, 17.3 * octave
            points = np.stack(np.broadcast_arrays(x * cells + shift, y * cells - shift))
            total += weight * map_coordinates(self._lattice, points, order=3, mode="grid-wrap", prefilter=False)
            power += weight**2
        spline = 0.479  # mean over a cell of the sum of the four squared cubic B-splines, per axis: 151/315
        return np.asarray(total / (spline * np.sqrt(power)))


class Ripple:
    """A smooth random function of an angle with period 2π, mean 0 and standard deviation 1: a finite Fourier sum.

    Parameters
    ----------
    low, high
        The first and the last harmonic.
    fall
        The amplitude of harmonic n is n to the power −``fall``.
    seed
        Whole numbers that name the function (PCG64).
    """

    def __init__(self, low: int, high: int, fall: float, *seed: int) -> None:
        draw = np.random.Generator(np.random.PCG64(list(seed)))
        self._order = np.arange(low, high + 1, dtype=np.float64)
        amplitude = self._order**-fall * draw.uniform(0.5, 1.5, self._order.size)
        self._amplitude = amplitude / np.sqrt(0.5 * np.sum(amplitude**2))
        self._phase = draw.uniform(0.0, 2.0 * np.pi, self._order.size)

    def __call__(self, angle: Field) -> Field:
        """Values at the angles [rad]."""
        knots = np.linspace(-np.pi, np.pi, 4097)
        values = np.cos(np.outer(knots, self._order) + self._phase) @ self._amplitude
        wrapped = np.mod(np.asarray(angle) + np.pi, 2.0 * np.pi) - np.pi
        return np.asarray(np.interp(wrapped, knots, values))


def rise(value: Field, width: float) -> Field:
    """A soft step: 0 below −width/2, 1 above width/2, a cubic between them."""
    t = np.clip(value / width + 0.5, 0.0, 1.0)
    return np.asarray(t * t * (3.0 - 2.0 * t))


def bump(value: Field, width: Field | float) -> Field:
    """A soft ridge about 0: ``exp(−(value/width)²)``."""
    return np.asarray(np.exp(-np.minimum((value / width) ** 2, 50.0)))


def soft_min(a: Field, b: Field, blend: float) -> Field:
    """The smaller of two distances, the crease between them rounded over ``blend`` (polynomial smooth minimum)."""
    h = np.maximum(blend - np.abs(a - b), 0.0) / blend
    return np.asarray(np.minimum(a, b) - h * h * blend * 0.25)
