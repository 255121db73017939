"""A scan as filtered back projection sees it: angles on a circle, evenly spaced rays, a weight for each ray.

With u = (cos b, sin b) and the source at R (sin b, -cos b), a ray of the view at angle b is named by the point t u
where it crosses the line through the axis along u. It makes the angle g = atan(t / R) with the central ray, and is the
same line as the ray (b + pi - 2 g, -g). Parallel rays are the case of R infinite.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from dipgraph.operators.geometry import ScanGeometry
from dipgraph.signatures.errors import GeometryError

FloatArray = NDArray[np.float64]

# Relative to a detector pixel: how far rays may be from evenly spaced, and views from alike.
UNEVEN = 1e-6
# A gap this many times the usual one between neighbouring angles is a part of the circle not scanned.
GAP = 3.0
# Width over which weights rise at the ends of an arc too short for Parker's [rad].
TAPER = math.radians(10)


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


def ray_weights(orbit: Orbit) -> FloatArray:
    """Return what each ray counts in the integral over angles, ``(views, detectors)`` [rad].

    The product of the angle a view stands for, the cosine of the ray's angle in the fan, and the redundancy weight:
    1 for a line measured once, the weights of a line measured twice adding up to 1. A full turn gives each half, a
    short scan Parker's weights (with Silver's wider ones for longer arcs), a shorter arc a smooth rise at its ends
    where the line is measured again, and 1 where it is not.

    References
    ----------
    D. L. Parker, Med. Phys. 9 (1982); M. D. Silver, Med. Phys. 27 (2000); F. Noo et al., Phys. Med. Biol. 47 (2002).
    """
    period = math.pi if math.isinf(orbit.radius) else 2 * math.pi
    before, after = _cells(orbit.angles % period, period)
    width = (before + after)[:, None]
    if math.isinf(orbit.radius):
        return np.broadcast_to(width, (orbit.angles.size, orbit.detectors)).copy()
    fan_angle = np.arctan2(orbit.positions(), orbit.radius)
    arcs = _arcs(orbit.angles % period, before, after)
    return width * np.cos(fan_angle) * _redundancy(orbit.angles[:, None], fan_angle, arcs)


def _cells(angles: FloatArray, period: float) -> tuple[FloatArray, FloatArray]:
    """Return the half-widths, before and after, of the interval each angle stands for on a circle of the period."""
    order = np.argsort(angles, kind="stable")
    gaps = np.diff(angles[order], append=angles[order[0]] + period)
    distinct = np.sort(gaps[gaps > 1e-9])
    usual = distinct[(distinct.size - 1) // 2]
    half = np.where(gaps > GAP * usual, usual, gaps) / 2
    before, after = np.empty_like(angles), np.empty_like(angles)
    after[order], before[order] = half, np.roll(half, 1)
    return before, after


def _arcs(angles: FloatArray, before: FloatArray, after: FloatArray) -> list[tuple[float, float]]:
    """Return the scanned arcs as (start, length), one of a full turn where nothing is left out."""
    turn = 2 * math.pi
    order = np.argsort(angles, kind="stable")
    angles, before, after = angles[order], before[order], after[order]
    end_to_start = np.roll(angles - before, -1) - (angles + after)
    end_to_start[-1] += turn
    breaks = np.flatnonzero(end_to_start > 1e-6)
    if breaks.size == 0:
        return [(0.0, turn)]
    arcs = []
    for stop, following in zip(breaks, np.roll(breaks, -1), strict=True):
        first = (stop + 1) % angles.size
        begin, end = angles[first] - before[first], angles[following] + after[following]
        arcs.append((float(begin), float((end - begin) % turn)))
    return arcs


def _redundancy(angle: FloatArray, fan_angle: FloatArray, arcs: list[tuple[float, float]]) -> FloatArray:
    begin, length = arcs[0]
    half_fan = float(np.abs(fan_angle).max())
    if len(arcs) == 1 and length >= 2 * math.pi - 1e-6:
        return np.full(fan_angle.shape, 0.5)
    if len(arcs) == 1 and length >= math.pi + 2 * half_fan:
        return _parker((angle - begin) % (2 * math.pi), -fan_angle, (length - math.pi) / 2)
    own = _rise(angle, arcs)
    again = _rise(angle + math.pi - 2 * fan_angle, arcs)
    return own / (own + again)


def _parker(b: FloatArray, g: FloatArray, over: float) -> FloatArray:
    """Parker's weights at angle b from the start of an arc of pi + 2 `over`, lines (b, g) and (b + pi + 2 g, -g)."""
    tiny = 1e-12
    start = np.sin(np.clip(b / np.maximum(2 * (over - g), tiny), 0, 1) * math.pi / 2) ** 2
    end = np.sin(np.clip((math.pi + 2 * over - b) / np.maximum(2 * (over + g), tiny), 0, 1) * math.pi / 2) ** 2
    weights: FloatArray = np.minimum(start, end)
    return weights


def _rise(angle: FloatArray, arcs: list[tuple[float, float]]) -> FloatArray:
    """Return a smooth function of the angle, positive on the arcs and 0 elsewhere."""
    total = np.zeros(np.shape(angle))
    for begin, length in arcs:
        inside = (angle - begin) % (2 * math.pi)
        edge = np.minimum(inside, length - inside)
        rise = np.sin(np.clip(edge / min(TAPER, length / 2), 0, 1) * math.pi / 2) ** 2
        total = np.where(edge > 0, np.maximum(rise, 1e-6), total)
    return total
