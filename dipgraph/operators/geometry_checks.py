"""What a scan geometry must satisfy, said once for all kinds of geometry."""

from __future__ import annotations

import math
import operator
import warnings

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dipgraph.signatures.errors import GeometryError

FloatArray = NDArray[np.float64]

# Angles that differ by less than this, modulo a full turn, are one view given twice [rad].
SAME_ANGLE = 1e-9
# No scan of a single slice turns three times: a longer span is degrees taken for radians.
LONGEST_SPAN = 6 * math.pi
# Between the two lies every scan there is, from atoms [mm] to galaxies [light years].
SHORTEST, LONGEST = 1e-9, 1e9


def frozen(array: FloatArray) -> FloatArray:
    """Return a read-only, contiguous float64 copy."""
    copy = np.array(array, dtype=np.float64, order="C")
    copy.flags.writeable = False
    return copy


def length(value: float, name: str, *, positive: bool = False) -> float:
    """Return `value` as a float within the lengths that can be computed with, or raise GeometryError.

    Lengths are at most LONGEST either way, and positive ones at least SHORTEST [unit]: beyond these, squares and
    reciprocals leave the single precision that projectors compute in.
    """
    number = _finite(value, name, positive=positive)
    if abs(number) > LONGEST or (positive and number < SHORTEST):
        least = f"{SHORTEST:g}" if positive else f"-{LONGEST:g}"
        raise GeometryError(f"{name} is {number:g}", where=name, remedy=f"give a length from {least} to {LONGEST:g}")
    return number


def whole(value: int, name: str) -> int:
    """Return `value` as an int of at least 1, or raise GeometryError."""
    try:
        number = operator.index(value)
    except TypeError:
        number = 0
    if number < 1:
        raise GeometryError(f"{name} is {value!r}", where=name, remedy="give a whole number of at least 1")
    return number


def _finite(value: float, name: str, *, positive: bool = False) -> float:
    """Return `value` as a finite (if asked, positive) float, or raise GeometryError."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number) or (positive and number <= 0):
        kind = "positive finite" if positive else "finite"
        raise GeometryError(f"{name} is {value!r}", where=name, remedy=f"give a {kind} number")
    return number


def tilt_angle(value: float) -> float:
    """Return a detector tilt strictly between -pi/2 and pi/2 [rad], or raise GeometryError."""
    number = _finite(value, "tilt")
    if abs(number) >= math.pi / 2:
        raise GeometryError(
            f"tilt is {number:g} rad: the detector would be seen edge-on or from behind",
            where="tilt",
            remedy="give radians strictly between -pi/2 and pi/2",
        )
    return number


def view_angles(values: ArrayLike) -> FloatArray:
    """Return angles as a read-only 1D array [rad], or raise GeometryError; warn when they look like degrees."""
    try:
        angles = frozen(np.asarray(values, dtype=np.float64))
    except (TypeError, ValueError):
        raise GeometryError("angles are not numbers", where="angles", remedy="give radians, one per view") from None
    if angles.ndim != 1 or angles.size == 0:
        raise GeometryError(
            f"angles have shape {angles.shape}", where="angles", remedy="give a 1D array with at least one view"
        )
    if not np.isfinite(angles).all():
        view = int(np.flatnonzero(~np.isfinite(angles))[0])
        raise GeometryError(f"angle of view {view} is {angles[view]}", where="angles", remedy="give finite radians")
    span = float(np.ptp(angles))
    if span > LONGEST_SPAN:
        warnings.warn(
            f"the angles span {span:.6g} radians, {span / (2 * math.pi):.3g} turns: "
            "if they are degrees, pass numpy.deg2rad(angles)",
            UserWarning,
            stacklevel=4,
        )
    _refuse_repeats(angles)
    return angles


def _refuse_repeats(angles: FloatArray) -> None:
    turn = 2 * math.pi
    order = np.argsort(angles % turn, kind="stable")
    wrapped = (angles % turn)[order]
    gaps = np.diff(wrapped, append=wrapped[0] + turn)
    close = np.flatnonzero(gaps < SAME_ANGLE) if angles.size > 1 else np.empty(0, dtype=np.int64)
    if close.size:
        first, second = sorted((int(order[close[0]]), int(order[(close[0] + 1) % angles.size])))
        raise GeometryError(
            f"views {first} and {second} have the same angle "
            f"({angles[first]:.9g} and {angles[second]:.9g} rad, equal modulo a full turn)",
            where="angles",
            remedy="drop the repeated view, or average its data with the first",
        )


def view_vectors(values: ArrayLike) -> FloatArray:
    """Return a read-only (views, 6) array of geometry vectors, or raise GeometryError."""
    try:
        vectors = frozen(np.asarray(values, dtype=np.float64))
    except (TypeError, ValueError):
        raise GeometryError("vectors are not numbers", where="vectors", remedy="give six lengths per view") from None
    if vectors.ndim != 2 or vectors.shape[1] != 6 or vectors.shape[0] == 0:
        raise GeometryError(
            f"vectors have shape {vectors.shape}", where="vectors", remedy="give shape (views, 6), at least one view"
        )
    if not np.isfinite(vectors).all():
        view = int(np.flatnonzero(~np.isfinite(vectors).all(axis=1))[0])
        raise GeometryError(f"the vector of view {view} is not finite", where="vectors", remedy="give finite numbers")
    far = np.abs(vectors).max(axis=1) > LONGEST
    if far.any():
        view = int(np.flatnonzero(far)[0])
        raise GeometryError(
            f"the vector of view {view} has a length of {np.abs(vectors[view]).max():g}",
            where="vectors",
            remedy=f"give lengths from -{LONGEST:g} to {LONGEST:g}",
        )
    unique, first = np.unique(vectors, axis=0, return_index=True)
    if len(unique) < len(vectors):
        view = int(np.setdiff1d(np.arange(len(vectors)), first)[0])
        raise GeometryError(f"view {view} repeats an earlier view", where="vectors", remedy="drop the repeated view")
    return vectors


def refuse_degenerate(vectors: FloatArray, *, fan: bool) -> None:
    """Raise GeometryError where the detector has no width, the rays no direction, or run along the detector."""
    first, centre, step = vectors[:, 0:2], vectors[:, 2:4], vectors[:, 4:6]
    ray = centre - first if fan else first
    width, size = np.hypot(*step.T), np.hypot(*ray.T)
    across = np.abs(ray[:, 0] * step[:, 1] - ray[:, 1] * step[:, 0])
    bad = (width == 0) | (size == 0) | (across <= 1e-9 * width * size)
    if bad.any():
        view = int(np.flatnonzero(bad)[0])
        raise GeometryError(
            f"in view {view} the detector has no width, the ray no direction, or the ray runs along the detector",
            where="vectors",
            remedy="give a detector step that is not parallel to the ray",
        )


def view_indices(indices: ArrayLike | slice, count: int) -> NDArray[np.int64]:
    """Return distinct view numbers from 0 to count - 1, or raise GeometryError."""
    if isinstance(indices, slice):
        chosen = np.arange(count)[indices]
    else:
        chosen = np.asarray(indices)
        if chosen.dtype == np.bool_ and chosen.shape == (count,):
            chosen = np.flatnonzero(chosen)
    if chosen.ndim != 1 or chosen.size == 0 or not np.issubdtype(chosen.dtype, np.integer):
        raise GeometryError(
            f"a subset of views is {indices!r}", where="indices", remedy="give at least one whole view number"
        )
    chosen = chosen.astype(np.int64)
    outside = chosen[(chosen < 0) | (chosen >= count)]
    if outside.size:
        raise GeometryError(f"there is no view {outside[0]}", where="indices", remedy=f"views go from 0 to {count - 1}")
    if np.unique(chosen).size < chosen.size:
        raise GeometryError("a subset names a view twice", where="indices", remedy="name each view once")
    return chosen
