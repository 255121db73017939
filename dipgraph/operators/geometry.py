"""Scan geometries of a slice: parallel and flat fan beam, by angles or by one vector per view.

Directions. x points right, y up, rows of the image run downwards (:class:`ImageGrid`). At angle t the detector runs
along u = (cos t, sin t); the source of a fan stands at ``source_origin * (sin t, -cos t)``, below the image at t = 0,
and moves counter-clockwise as t grows. Parallel rays run along the same direction. This is ASTRA's convention.
Angles are radians; lengths are in the unit of the grid.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Self

import numpy as np

from dipgraph.operators import geometry_checks as checks
from dipgraph.operators.grid import ImageGrid
from dipgraph.operators.scan import FloatArray, Indices, ScanGeometry
from dipgraph.operators.vector_geometry import FanVectors, ParallelVectors

__all__ = ["FanBeam", "FanVectors", "ImageGrid", "ParallelBeam", "ParallelVectors", "ScanGeometry"]


def _describe(angles: FloatArray) -> str:
    degrees = np.rad2deg(angles)
    return f"{angles.size} views from {degrees.min():.6g} to {degrees.max():.6g} degrees"


def _directions(angles: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the unit vectors along the untilted detector and from the detector to the source, (views, 2) each."""
    along = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    back = np.stack([np.sin(angles), -np.cos(angles)], axis=1)
    return along, back


class _ByAngles(ScanGeometry):
    """The cuts that geometries by angles share."""

    angles: FloatArray
    pitch: float
    detector_offset: float

    @property
    def count(self) -> int:
        """Number of views."""
        return int(self.angles.size)

    def subset(self, indices: Indices) -> Self:
        """Return the geometry of the views named, in the order given."""
        return self._replaced(angles=self.angles[checks.view_indices(indices, self.count)])

    def bin(self, factor: int) -> Self:
        """Return the geometry whose detector pixels each join ``factor`` neighbours."""
        factor = self._divide_detectors(factor)
        return self._replaced(detectors=self.detectors // factor, pitch=self.pitch * factor)

    def crop(self, start: int, stop: int) -> Self:
        """Return the geometry of the detector pixels from ``start`` up to, not including, ``stop``."""
        offset = self.detector_offset + self._check_crop(start, stop) * self.pitch
        return self._replaced(detectors=stop - start, detector_offset=offset)

    def _replaced(self, **changes: Any) -> Self:
        return replace(self, **changes)  # type: ignore[type-var]  # the sub-classes are dataclasses


@dataclass(frozen=True, eq=False)
class ParallelBeam(_ByAngles):
    """Parallel rays on a line of detector pixels.

    Pixel i of view t lies at ``-centre_shift * u + s_i * u'`` with ``s_i = (i - (n - 1) / 2) * pitch +
    detector_offset``, u = (cos t, sin t), and u' = u turned counter-clockwise by the tilt.

    Parameters
    ----------
    angles
        One per view [rad].
    detectors
        Number of detector pixels, n.
    pitch
        Distance of neighbouring detector pixels [unit].
    detector_offset
        Shift of the detector along itself [unit].
    centre_shift
        Position of the rotation axis along u, measured from the ray through the middle of the unshifted detector
        [unit]: the axis falls on column ``(n - 1) / 2 + (centre_shift - detector_offset) / pitch``.
    tilt
        Turn of the detector in the plane of the slice [rad].

    Raises
    ------
    GeometryError
        If there is no view, an angle is repeated or not finite, a number is out of its range.
    """

    angles: FloatArray
    detectors: int
    pitch: float
    detector_offset: float = 0.0
    centre_shift: float = 0.0
    tilt: float = 0.0
    kind: ClassVar[Literal["parallel", "fan"]] = "parallel"

    def __post_init__(self) -> None:
        object.__setattr__(self, "angles", checks.view_angles(self.angles))
        _set_detector(self)

    def vectors(self) -> FloatArray:
        """Return ray direction, detector centre and detector step of each view, ``(views, 6)`` [unit]."""
        along, back = _directions(self.angles)
        tilted, _ = _directions(self.angles + self.tilt)
        centre = -self.centre_shift * along + self.detector_offset * tilted
        return np.concatenate([back, centre, self.pitch * tilted], axis=1)

    def __str__(self) -> str:
        return f"parallel beam, {_describe(self.angles)}, {_describe_detector(self)}"


@dataclass(frozen=True, eq=False)
class FanBeam(_ByAngles):
    """A point source and a flat line of detector pixels, turning together around the axis.

    With u = (cos t, sin t), b = (sin t, -cos t), and u' = u turned counter-clockwise by the tilt, the source of view t
    stands at ``source_origin * b - centre_shift * u`` and pixel i at ``-origin_detector * b - centre_shift * u +
    s_i * u'``, ``s_i = (i - (n - 1) / 2) * pitch + detector_offset``.

    Parameters
    ----------
    angles
        One per view [rad].
    detectors
        Number of detector pixels, n.
    pitch
        Distance of neighbouring detector pixels, on the detector [unit].
    source_origin, origin_detector
        Distance from the source to the rotation axis and from there to the detector, along the central ray [unit].
        The latter may be 0, for a virtual detector through the axis.
    detector_offset
        Shift of the detector along itself; the source stays [unit].
    centre_shift
        Position of the rotation axis along u, measured from the central ray [unit].
    tilt
        Turn of the detector around its point on the central ray, in the plane of the slice [rad].

    Raises
    ------
    GeometryError
        If there is no view, an angle is repeated or not finite, a distance is negative or the first 0.
    """

    angles: FloatArray
    detectors: int
    pitch: float
    source_origin: float
    origin_detector: float
    detector_offset: float = 0.0
    centre_shift: float = 0.0
    tilt: float = 0.0
    kind: ClassVar[Literal["parallel", "fan"]] = "fan"

    def __post_init__(self) -> None:
        object.__setattr__(self, "angles", checks.view_angles(self.angles))
        _set_detector(self)
        object.__setattr__(self, "source_origin", checks.length(self.source_origin, "source_origin", positive=True))
        behind = checks.length(self.origin_detector, "origin_detector", positive=self.origin_detector != 0)
        object.__setattr__(self, "origin_detector", behind)

    @property
    def magnification(self) -> float:
        """Magnification of an object at the rotation axis."""
        return (self.source_origin + self.origin_detector) / self.source_origin

    def vectors(self) -> FloatArray:
        """Return source, detector centre and detector step of each view, ``(views, 6)`` [unit]."""
        along, back = _directions(self.angles)
        tilted, _ = _directions(self.angles + self.tilt)
        source = self.source_origin * back - self.centre_shift * along
        centre = -self.origin_detector * back - self.centre_shift * along + self.detector_offset * tilted
        return np.concatenate([source, centre, self.pitch * tilted], axis=1)

    def __str__(self) -> str:
        return (
            f"flat fan beam, {_describe(self.angles)}, {_describe_detector(self)}, "
            f"source {self.source_origin:g} before and detector {self.origin_detector:g} behind the axis"
        )


def _set_detector(geometry: ParallelBeam | FanBeam) -> None:
    object.__setattr__(geometry, "detectors", checks.whole(geometry.detectors, "detectors"))
    object.__setattr__(geometry, "pitch", checks.length(geometry.pitch, "pitch", positive=True))
    for name in ("detector_offset", "centre_shift"):
        object.__setattr__(geometry, name, checks.length(getattr(geometry, name), name))
    object.__setattr__(geometry, "tilt", checks.tilt_angle(geometry.tilt))


def _describe_detector(geometry: ParallelBeam | FanBeam) -> str:
    text = f"{geometry.detectors} detector pixels of {geometry.pitch:g}"
    for name in ("detector_offset", "centre_shift", "tilt"):
        if getattr(geometry, name):
            text += f", {name.replace('_', ' ')} {getattr(geometry, name):g}{' rad' if name == 'tilt' else ''}"
    return text
