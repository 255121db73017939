"""The image grid: square pixels around the rotation axis."""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass

from dipgraph.operators.geometry_checks import length
from dipgraph.signatures.errors import GeometryError


@dataclass(frozen=True)
class ImageGrid:
    """A grid of square pixels, its centre on the rotation axis.

    Row 0 is the top row: with x to the right and y upwards, the pixel in row ``r`` and column ``c`` of an image of
    shape ``(rows, columns)`` has its centre at

        x = (c - (columns - 1) / 2) * pixel,    y = ((rows - 1) / 2 - r) * pixel.

    Parameters
    ----------
    shape
        Rows and columns.
    pixel
        Side of a pixel [unit].
    unit
        Name of the length unit, shared by every length of the geometry it is used with.

    Raises
    ------
    GeometryError
        If a size is not a whole number of at least 1, or the pixel's side no length from 1e-9 to 1e9 [unit].
    """

    shape: tuple[int, int]
    pixel: float = 1.0
    unit: str = "mm"

    def __post_init__(self) -> None:
        try:
            shape = tuple(operator.index(n) for n in self.shape)
        except TypeError:
            shape = ()
        if len(shape) != 2 or min(shape, default=0) < 1:
            raise GeometryError(
                f"image shape is {self.shape!r}", where="shape", remedy="give two whole numbers of at least 1"
            )
        pixel = length(self.pixel, "pixel", positive=True)
        object.__setattr__(self, "shape", shape)
        object.__setattr__(self, "pixel", pixel)

    @property
    def rows(self) -> int:
        """Number of rows."""
        return self.shape[0]

    @property
    def columns(self) -> int:
        """Number of columns."""
        return self.shape[1]

    @property
    def size(self) -> int:
        """Number of pixels."""
        return self.shape[0] * self.shape[1]

    @property
    def extent(self) -> tuple[float, float]:
        """Height and width [unit]."""
        return self.rows * self.pixel, self.columns * self.pixel

    @property
    def circumradius(self) -> float:
        """Radius of the disc around the grid, half its diagonal [unit]."""
        return 0.5 * math.hypot(*self.extent)

    @property
    def inradius(self) -> float:
        """Radius of the disc inscribed in the grid [unit]."""
        return 0.5 * min(self.extent)

    def coarsen(self, factor: int) -> ImageGrid:
        """Return the grid over the same area whose pixels are ``factor`` times as wide.

        Raises
        ------
        GeometryError
            If the factor does not divide both sides of the image.
        """
        factor = _whole_factor(factor)
        if self.rows % factor or self.columns % factor:
            raise GeometryError(
                f"an image of {self.rows} x {self.columns} has no coarse grid of factor {factor}",
                where="factor",
                remedy="give a factor that divides rows and columns",
            )
        return ImageGrid((self.rows // factor, self.columns // factor), self.pixel * factor, self.unit)

    def refine(self, factor: int) -> ImageGrid:
        """Return the grid over the same area whose pixels are ``factor`` times as narrow."""
        factor = _whole_factor(factor)
        return ImageGrid((self.rows * factor, self.columns * factor), self.pixel / factor, self.unit)

    def __str__(self) -> str:
        height, width = self.extent
        return f"{self.rows} x {self.columns} pixels of {self.pixel:g} {self.unit} ({height:g} x {width:g} {self.unit})"


def _whole_factor(factor: int) -> int:
    try:
        whole = operator.index(factor)
    except TypeError:
        whole = 0
    if whole < 1:
        raise GeometryError(f"factor is {factor!r}", where="factor", remedy="give a whole number of at least 1")
    return whole
