"""Scan geometries as a problem file states them: equally spaced views or angles from a file."""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import Literal

import numpy as np

from dipgraph.data.doubts import doubt_of_angles
from dipgraph.data.measurement import Array, check_array
from dipgraph.data.readers import load_array
from dipgraph.operators.devices import refuse_too_large
from dipgraph.operators.geometry import FanBeam, ParallelBeam
from dipgraph.signatures.errors import InputError

Turn = Literal["counterclockwise", "clockwise"]
Shape = tuple[int, int] | None


def parallel_beam(
    shape: Shape,
    pitch: float,
    views: int | None = None,
    detectors: int | None = None,
    start: float | None = None,
    arc: float | None = None,
    angles: Path | None = None,
    key: str | None = None,
    angle_unit: Literal["deg", "rad"] | None = None,
    turn: Turn = "counterclockwise",
    detector_offset: float = 0.0,
    centre_shift: float = 0.0,
    tilt: float = 0.0,
) -> ParallelBeam:
    """Return a parallel beam: views equally spaced over an arc, the end left out, or at angles from a file.

    Parameters
    ----------
    shape
        Views and detector pixels of the data, or none where they are to be simulated.
    pitch
        Width of a detector pixel [unit].
    views, detectors
        How many; may be left out where data are read.
    start, arc
        First angle (0), and the arc that the views divide (half a turn) [rad].
    angles, key, angle_unit
        A file with one angle per view, the array's name in it, and the unit there ("deg", or "rad").
    turn
        Which way the object (or the scanner) turns as the angles grow, seen on the image.
    detector_offset, centre_shift, tilt
        As for :class:`~dipgraph.operators.geometry.ParallelBeam`.
    """
    count, pixels = _counts(shape, views, detectors, angles)
    at = _angles(count, start, arc, math.pi, angles, key, angle_unit, turn)
    return ParallelBeam(at, _pixels(pixels), pitch, detector_offset, centre_shift, tilt)


def fan_beam(
    shape: Shape,
    pitch: float,
    source_origin: float,
    origin_detector: float,
    views: int | None = None,
    detectors: int | None = None,
    start: float | None = None,
    arc: float | None = None,
    angles: Path | None = None,
    key: str | None = None,
    angle_unit: Literal["deg", "rad"] | None = None,
    turn: Turn = "counterclockwise",
    detector_offset: float = 0.0,
    centre_shift: float = 0.0,
    tilt: float = 0.0,
) -> FanBeam:
    """Return a flat fan beam: as for :func:`parallel_beam`, with the source's and the detector's distance [unit].

    The views divide a full turn unless an arc is given.
    """
    count, pixels = _counts(shape, views, detectors, angles)
    at = _angles(count, start, arc, 2.0 * math.pi, angles, key, angle_unit, turn)
    return FanBeam(at, _pixels(pixels), pitch, source_origin, origin_detector, detector_offset, centre_shift, tilt)


def _counts(
    shape: Shape, views: int | None, detectors: int | None, angles: Path | None
) -> tuple[int | None, int | None]:
    """Views and detector pixels, from the data where there are any."""
    for name, stated, held in (("views", views, shape and shape[0]), ("detectors", detectors, shape and shape[1])):
        if stated is not None and held is not None and stated != held:
            raise InputError(
                f"the geometry states {stated} {name}, and the data have {held}",
                where="geometry",
                remedy=f"leave '{name}' out: the data say it; 'prepare' selects",
            )
    count = views if shape is None else shape[0]
    if count is None and angles is None:
        raise InputError("the geometry does not say how many views there are", where="geometry", remedy="give 'views'")
    if shape is None and count is not None and detectors is not None:
        refuse_too_large(count * detectors, f"a scan of {count} views of {detectors} detector pixels", "geometry")
    return count, detectors if shape is None else shape[1]


def _pixels(detectors: int | None) -> int:
    if detectors is None:
        raise InputError(
            "the geometry does not say how many detector pixels there are", where="geometry", remedy="give 'detectors'"
        )
    return detectors


def _angles(
    count: int | None, start: float | None, arc: float | None, whole: float,
    path: Path | None, key: str | None, unit: str | None, turn: Turn,
) -> Array:  # fmt: skip
    """The angles of the views, from a file or equally spaced over an arc, which is ``whole`` unless said."""
    sign = -1.0 if turn == "clockwise" else 1.0
    if path is None:
        _refuse("there is no file of angles", "name it: angles", key=key, angle_unit=unit)
        assert count is not None
        first, span = 0.0 if start is None else start, whole if arc is None else arc
        return np.asarray(sign * (first + span * np.arange(count) / count))
    _refuse(f"the angles are those of {path.name}", "leave it out", start=start, arc=arc)
    angles = check_array(load_array(path, key), "the angles", str(path), zero=True).reshape(-1)
    if count is not None and angles.size != count:
        found = "is 1 angle" if angles.size == 1 else f"are {angles.size} angles"
        raise InputError(
            f"there {found} in {path.name}, and {count} views", where="geometry", remedy="give one angle per view"
        )
    if unit is None and (doubt := doubt_of_angles(angles, path)):
        warnings.warn(doubt, UserWarning, stacklevel=2)
    return sign * (angles if unit == "rad" else np.deg2rad(angles))


def _refuse(why: str, remedy: str, **given: object) -> None:
    """Refuse options that would have no effect."""
    for name, value in given.items():
        if value is not None:
            raise InputError(f"'{name}' is given, and {why}", where="geometry", remedy=remedy)
