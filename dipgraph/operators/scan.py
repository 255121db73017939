"""What every scan geometry offers, whichever way its views are given."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from dataclasses import fields
from typing import ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dipgraph.operators import geometry_checks as checks
from dipgraph.signatures.errors import GeometryError

FloatArray = NDArray[np.float64]
Indices = ArrayLike | slice


class ScanGeometry(ABC):
    """What every scan geometry offers: views of a line of detector pixels, as six numbers each."""

    kind: ClassVar[Literal["parallel", "fan"]]
    detectors: int

    @property
    @abstractmethod
    def count(self) -> int:
        """Number of views."""

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of a sinogram, ``(views, detectors)``."""
        return self.count, self.detectors

    @abstractmethod
    def vectors(self) -> FloatArray:
        """Return the views as a ``(views, 6)`` array [unit].

        For a fan each row is source (x, y), centre of the detector (x, y), step from one detector pixel to the next
        (x, y); for parallel rays the source gives way to the direction of the rays.
        """

    @abstractmethod
    def subset(self, indices: Indices) -> Self:
        """Return the geometry of the views named, in the order given."""

    @abstractmethod
    def bin(self, factor: int) -> Self:
        """Return the geometry whose detector pixels each join ``factor`` neighbours."""

    @abstractmethod
    def crop(self, start: int, stop: int) -> Self:
        """Return the geometry of the detector pixels from ``start`` up to, not including, ``stop``."""

    def sha(self) -> str:
        """Return a hash of everything that defines the geometry, the same in every process."""
        digest = hashlib.sha256(type(self).__name__.encode())
        for field in fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            digest.update(value.tobytes() if isinstance(value, np.ndarray) else repr(value).encode())
            digest.update(b"\0")
        return digest.hexdigest()

    def detector_centres(self) -> FloatArray:
        """Return the centres of all detector pixels, ``(views, detectors, 2)`` [unit]."""
        vectors = self.vectors()
        position = np.arange(self.detectors) - (self.detectors - 1) / 2
        return vectors[:, None, 2:4] + position[None, :, None] * vectors[:, None, 4:6]

    def ray_distances(self) -> FloatArray:
        """Return how far each ray passes from the rotation axis, with sign, ``(views, detectors)`` [unit]."""
        pixels = self.detector_centres()
        first = self.vectors()[:, None, 0:2]
        ray = pixels - first if self.kind == "fan" else np.broadcast_to(first, pixels.shape)
        cross: FloatArray = (pixels[..., 1] * ray[..., 0] - pixels[..., 0] * ray[..., 1]) / np.hypot(
            ray[..., 0], ray[..., 1]
        )
        return cross

    def field_of_view(self) -> float:
        """Return the radius of the disc around the axis that every view sees whole, 0 if there is none [unit]."""
        distance = self.ray_distances()
        half = 0.5 * np.abs(np.diff(distance, axis=1)).max() if self.detectors > 1 else 0.0
        low, high = distance.min(axis=1), distance.max(axis=1)
        return float(max(0.0, min(high.min(), -low.max()) + half))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ScanGeometry) and self.sha() == other.sha()

    def __hash__(self) -> int:
        return hash(self.sha())

    def _divide_detectors(self, factor: int) -> int:
        factor = checks.whole(factor, "factor")
        if self.detectors % factor:
            raise GeometryError(
                f"{self.detectors} detector pixels cannot be joined by {factor}",
                where="factor",
                remedy="give a factor that divides their number, or crop the detector first",
            )
        return factor

    def _check_crop(self, start: int, stop: int) -> float:
        if not 0 <= start < stop <= self.detectors:
            raise GeometryError(
                f"detector pixels {start} to {stop} of {self.detectors}",
                where="crop",
                remedy=f"give 0 <= start < stop <= {self.detectors}",
            )
        return (start + stop - 1) / 2 - (self.detectors - 1) / 2
