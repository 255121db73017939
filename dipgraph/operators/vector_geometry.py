"""Scan geometries given view by view, as vectors: any source, any detector."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Self

import numpy as np

from dipgraph.operators import geometry_checks as checks
from dipgraph.operators.scan import FloatArray, Indices, ScanGeometry


@dataclass(frozen=True, eq=False)
class _Vectors(ScanGeometry):
    """Views given one by one as rows of six numbers."""

    rows: FloatArray
    detectors: int

    def __post_init__(self) -> None:
        rows = checks.view_vectors(self.rows)
        checks.refuse_degenerate(rows, fan=self.kind == "fan")
        object.__setattr__(self, "rows", rows)
        object.__setattr__(self, "detectors", checks.whole(self.detectors, "detectors"))

    @property
    def count(self) -> int:
        """Number of views."""
        return int(self.rows.shape[0])

    def vectors(self) -> FloatArray:
        """Return the rows, ``(views, 6)`` [unit]."""
        return self.rows

    def subset(self, indices: Indices) -> Self:
        """Return the geometry of the views named, in the order given."""
        return replace(self, rows=self.rows[checks.view_indices(indices, self.count)])

    def bin(self, factor: int) -> Self:
        """Return the geometry whose detector pixels each join ``factor`` neighbours."""
        factor = self._divide_detectors(factor)
        rows = self.rows.copy()
        rows[:, 4:6] *= factor
        return replace(self, rows=rows, detectors=self.detectors // factor)

    def crop(self, start: int, stop: int) -> Self:
        """Return the geometry of the detector pixels from ``start`` up to, not including, ``stop``."""
        rows = self.rows.copy()
        rows[:, 2:4] += self._check_crop(start, stop) * rows[:, 4:6]
        return replace(self, rows=rows, detectors=stop - start)

    def __str__(self) -> str:
        name = "flat fan beam" if self.kind == "fan" else "parallel beam"
        pitch = np.hypot(self.rows[:, 4], self.rows[:, 5])
        return f"{name} by vectors, {self.count} views, {self.detectors} detector pixels of {pitch.min():g}" + (
            "" if np.ptp(pitch) < 1e-9 * pitch.max() else f" to {pitch.max():g}"
        )


class ParallelVectors(_Vectors):
    """Parallel rays, each view with its own direction and detector.

    Parameters
    ----------
    rows
        ``(views, 6)``: direction of the rays (x, y), centre of the detector (x, y) and step from one detector pixel to
        the next (x, y) [unit].
    detectors
        Number of detector pixels.

    Raises
    ------
    GeometryError
        If a row is not finite, repeated, or its rays run along the detector.
    """

    kind: ClassVar[Literal["parallel", "fan"]] = "parallel"


class FanVectors(_Vectors):
    """A flat fan, each view with its own source and detector.

    Parameters
    ----------
    rows
        ``(views, 6)``: source (x, y), centre of the detector (x, y) and step from one detector pixel to the next
        (x, y) [unit].
    detectors
        Number of detector pixels.

    Raises
    ------
    GeometryError
        If a row is not finite, repeated, or its rays run along the detector.
    """

    kind: ClassVar[Literal["parallel", "fan"]] = "fan"
