"""A scan as filtered back projection sees it: angles on a circle, evenly spaced rays.

With u = (cos b, sin b) and the source at R (sin b, -cos b), a ray of the view at angle b is named by the point t u
where it crosses the line through the axis along u. It makes the angle g = atan(t / R) with the central ray, and is the
same line as the ray (b + pi - 2 g, -g). Parallel rays are the case of R infinite.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from dipgraph.operators.geometry import ScanGeometry
from dipgraph.signatures.errors import GeometryError

FloatArray = NDArray[np.float64]

# Relative to a detector pixel: how far rays may be from evenly spaced, and views from alike.
UNEVEN = 1e-6


@dataclass(frozen=True)
class Orbit:
    """Circular scan with evenly spaced rays.

    Attributes
    ----------
    angles
        b of each view [rad].
    radius
        R, infinite for parallel rays [unit].
    start
        t of the first ray of each view [unit].
    step
        Distance of neighbouring rays in t, with sign [unit].
    resample
        Matrix that takes a view's data to the evenly spaced rays, or None where they are.
    detectors
        Rays per view.
    """

    angles: FloatArray
    radius: float
    start: FloatArray
    step: float
    resample: csr_matrix | None
    detectors: int

    def positions(self) -> FloatArray:
        """Return t of every ray, ``(views, detectors)`` [unit]."""
        positions: FloatArray = self.start[:, None] + self.step * np.arange(self.detectors)
        return positions

    def sides(self) -> tuple[float, float]:
        """Return how far every view sees to either side of the axis, where t < 0 and t > 0, along its line [unit].

        Negative where the axis itself is not seen.
        """
        positions = self.positions()
        return -float(positions.min(axis=1).max()), float(positions.max(axis=1).min())

    def seen(self, side: float) -> float:
        """Return the distance from the axis of the ray that crosses at t = `side`, with its half pixel [unit]."""
        t = side + abs(self.step) / 2
        return t / math.hypot(1.0, t / self.radius)

    def uneven_rays(self) -> tuple[int, int]:
        """Return how many rays, before the first and after the last, would make both sides of the axis alike."""
        below, above = self.sides()
        missing = round(abs(above - below) / abs(self.step))
        return (missing, 0) if (above > below) == (self.step > 0) else (0, missing)

    def extended(self, before: int, after: int) -> Orbit:
        """Return the orbit with rays added to either end of the views; the resampling is left behind."""
        start = self.start - before * self.step
        return replace(self, start=start, resample=None, detectors=before + self.detectors + after)


def find_orbit(geometry: ScanGeometry) -> Orbit:
    """Describe a scan as an orbit.

    Raises
    ------
    GeometryError
        If sources are not on a circle around the axis, or views differ in the spacing of their rays.
    """
    vectors, pixels = geometry.vectors(), geometry.detector_centres()
    if geometry.kind == "parallel":
        back = vectors[:, 0:2] / np.linalg.norm(vectors[:, 0:2], axis=1, keepdims=True)
        radius = math.inf
    else:
        distance = np.linalg.norm(vectors[:, 0:2], axis=1)
        radius = float(distance.mean())
        if np.abs(distance - radius).max() > UNEVEN * radius:
            raise _no_orbit("the source is not on a circle around the rotation axis")
        back = vectors[:, 0:2] / distance[:, None]
    along = np.stack([-back[:, 1], back[:, 0]], axis=1)
    t = np.einsum("vik,vk->vi", pixels, along)
    if geometry.kind == "fan":
        t = t * radius / (radius - np.einsum("vik,vk->vi", pixels, back))
    angles = np.arctan2(along[:, 1], along[:, 0])
    start, step, resample = _even(t)
    return Orbit(angles, radius, start, step, resample, geometry.detectors)


def _no_orbit(why: str) -> GeometryError:
    return GeometryError(
        f"filtered back projection does not apply: {why}",
        where="geometry",
        remedy="use dipgraph.operators.LeastSquares, which needs no formula",
    )


def _even(t: FloatArray) -> tuple[FloatArray, float, csr_matrix | None]:
    if t.shape[1] == 1:
        # A single ray a view has no spacing: the filter would scale with it. Nothing sensible can be asked for.
        raise _no_orbit("there is a single detector pixel")
    step = (t[:, -1] - t[:, 0]) / (t.shape[1] - 1)
    mean = float(step.mean())
    if np.abs(step - mean).max() > UNEVEN * abs(mean) * 10:
        raise _no_orbit("views differ in the spacing of their rays at the axis")
    index = np.arange(t.shape[1])
    off = (t - t[:, :1]) / mean - index
    if np.abs(off).max() <= UNEVEN * t.shape[1]:
        return t[:, 0], mean, None
    if np.abs(off - off[0]).max() > UNEVEN * t.shape[1]:
        raise _no_orbit("views differ in the spacing of their rays at the axis")
    # Evenly spaced places among the uneven ones: linear interpolation between the two neighbours.
    left = np.clip(np.searchsorted(off[0] + index, index, side="right") - 1, 0, t.shape[1] - 2)
    place = off[0] + index
    right_weight = (index - place[left]) / (place[left + 1] - place[left])
    matrix = csr_matrix(
        (
            np.stack([1 - right_weight, right_weight], axis=1).reshape(-1),
            np.stack([left, left + 1], axis=1).reshape(-1),
            2 * np.arange(t.shape[1] + 1),
        )
    )
    return t[:, 0], mean, matrix
