"""What each ray counts in filtered back projection: the angle a view stands for, and how often a line is measured."""

from __future__ import annotations

import math

import numpy as np

from dipgraph.operators.fbp_orbit import FloatArray, Orbit

# A gap between neighbouring angles is a part of the circle not scanned if it is this many times the next largest one,
GAP = 4.0
# and at least this share of the circle: what a few lost views leave is filled by their neighbours.
LEAST_GAP = 1 / 18
# Arcs not scanned are at most this share of the gaps, or one: the rest tells what is usual.
FEW = 1 / 8
# Width over which weights rise at the ends of an arc too short for Parker's [rad].
TAPER = math.radians(10)


def ray_weights(orbit: Orbit, reach: float = 0.0) -> FloatArray:
    """Return what each ray counts in the integral over angles, ``(views, detectors)`` [rad].

    The product of the angle a view stands for, the cosine of the ray's angle in the fan, and the redundancy weight:
    1 for a line measured once, the weights of a line measured twice adding up to 1. A full turn gives each half, a
    short scan Parker's weights (with Silver's wider ones for longer arcs), a shorter arc a smooth rise at its ends
    where the line is measured again, and 1 where it is not. Where a full turn's detector sees the image on one side
    of the axis only, weights rise from 0 to 1 over the part that it sees on both sides.

    A view stands for half the way to its neighbours, whatever the spacing: the angles' sum is the circle, or the arcs
    scanned. An arc is not scanned where a gap is over 4 times the next largest and over 1/18 of the circle (10 degrees
    of a half turn), which angles drawn at random hardly ever are: 12 of them in one of 110 draws, 30 in one of 1400.

    Parameters
    ----------
    orbit
        The scan.
    reach
        How far the image reaches from the axis [unit].

    References
    ----------
    D. L. Parker, Med. Phys. 9 (1982); M. D. Silver, Med. Phys. 27 (2000); F. Noo et al., Phys. Med. Biol. 47 (2002);
    G. Wang, Med. Phys. 29 (2002), for the detector on one side.
    """
    turn, parallel = 2 * math.pi, math.isinf(orbit.radius)
    fan_angle = np.arctan2(orbit.positions(), orbit.radius)
    if sees_one_side(orbit, reach):
        before, after = _cells(orbit.angles % turn, turn)
        return (before + after)[:, None] * np.cos(fan_angle) * _one_side(orbit)
    period = math.pi if parallel else turn
    before, after = _cells(orbit.angles % period, period)
    width = (before + after)[:, None]
    if parallel:
        return np.broadcast_to(width, fan_angle.shape).copy()
    arcs = _arcs(orbit.angles % period, before, after)
    return width * np.cos(fan_angle) * _redundancy(orbit.angles[:, None], fan_angle, arcs)


def sees_one_side(orbit: Orbit, reach: float) -> bool:
    """Tell whether views of a full turn see the image on one side of the axis and only part of it on the other."""
    turn = 2 * math.pi
    short, long = sorted(orbit.sides())
    if short <= 0 or long - short <= abs(orbit.step) or orbit.seen(short) >= reach:
        return False
    before, after = _cells(orbit.angles % turn, turn)
    return bool((before + after).sum() > turn - 1e-6)


def _one_side(orbit: Orbit) -> FloatArray:
    """Return weights of a line and of the same seen from behind, t and -t, that add up to 1."""
    below, above = orbit.sides()
    share = orbit.positions() / math.copysign(min(below, above), above - below)
    weights: FloatArray = np.sin(math.pi / 4 * (1 + np.clip(share, -1, 1))) ** 2
    return weights


def _cells(angles: FloatArray, period: float) -> tuple[FloatArray, FloatArray]:
    """Return the half-widths, before and after, of the interval each angle stands for on a circle of the period."""
    order = np.argsort(angles, kind="stable")
    gaps = np.diff(angles[order], append=angles[order[0]] + period)
    largest = np.sort(gaps[gaps > 1e-9])[::-1]
    few = max(1, int(FEW * largest.size))
    stand_out = (largest[:-1] > GAP * largest[1:]) & (largest[:-1] > LEAST_GAP * period)
    missing = np.flatnonzero(stand_out[:few])
    if missing.size:
        rest = largest[missing[-1] + 1 :]
        gaps = np.where(gaps > rest[0], np.median(rest), gaps)
    half = gaps / 2
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
