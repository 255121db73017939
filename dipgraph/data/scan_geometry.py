"""Scan geometries as a problem file states them: equally spaced views or angles from a file."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal

import numpy as np

from dipgraph.data.measurement import Array
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
    start: float = 0.0,
    arc: float = math.pi,
    angles: Path | None = None,
    key: str | None = None,
    angle_unit: Literal["deg", "rad"] = "deg",
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
        First angle, and the arc that the views divide [rad].
    angles, key, angle_unit
        A file with one angle per view, the array's name in it, and the unit there.
    turn
        Which way the object (or the scanner) turns as the angles grow, seen on the image.
    detector_offset, centre_shift, tilt
        As for :class:`~dipgraph.operators.geometry.ParallelBeam`.
    """
    count, pixels = _counts(shape, views, detectors, angles)
    at = _angles(count, start, arc, angles, key, angle_unit, turn)
    return ParallelBeam(at, _pixels(pixels), pitch, detector_offset, centre_shift, tilt)


def fan_beam(
    shape: Shape,
    pitch: float,
    source_origin: float,
    origin_detector: float,
    views: int | None = None,
    detectors: int | None = None,
    start: float = 0.0,
    arc: float = 2.0 * math.pi,
    angles: Path | None = None,
    key: str | None = None,
    angle_unit: Literal["deg", "rad"] = "deg",
    turn: Turn = "counterclockwise",
    detector_offset: float = 0.0,
    centre_shift: float = 0.0,
    tilt: float = 0.0,
) -> FanBeam:
    """Return a flat fan beam: as for :func:`parallel_beam`, with the source's and the detector's distance [unit]."""
    count, pixels = _counts(shape, views, detectors, angles)
    at = _angles(count, start, arc, angles, key, angle_unit, turn)
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
    count: int | None, start: float, arc: float, path: Path | None, key: str | None, unit: str, turn: Turn
) -> Array:
    sign = -1.0 if turn == "clockwise" else 1.0
    if path is None:
        assert count is not None
        return np.asarray(sign * (start + arc * np.arange(count) / count))
    angles = np.asarray(load_array(path, key), dtype=np.float64).reshape(-1)
    if count is not None and angles.size != count:
        raise InputError(
            f"there are {angles.size} angles in {path.name}, and {count} views",
            where="geometry",
            remedy="give one angle per view",
        )
    return sign * (np.deg2rad(angles) if unit == "deg" else angles)
