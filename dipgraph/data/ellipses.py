"""Phantoms made of ellipses: the Shepp-Logan head and random ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from dipgraph.data.resample import Field, area_sample

POINTS = 1024
"""Sampling points along the shorter side of the image."""


@dataclass(frozen=True)
class Ellipse:
    """An ellipse of constant density, in coordinates whose unit is half the shorter side of the image; y points down.

    Parameters
    ----------
    density
        What it adds inside.
    half_width, half_height
        Its semi-axes before turning.
    x, y
        Its centre.
    turn
        Counter-clockwise turn as seen on the image [degrees].
    """

    density: float
    half_width: float
    half_height: float
    x: float = 0.0
    y: float = 0.0
    turn: float = 0.0

    def add_to(self, total: Field, x: Field, y: Field) -> None:
        """Add the density at the points ``(x, y)`` inside, in place."""
        across = max(self.half_width, self.half_height)
        columns = np.flatnonzero(np.abs(x[0] - self.x) <= across)
        rows = np.flatnonzero(np.abs(y[:, 0] - self.y) <= across)
        if not (rows.size and columns.size):
            return
        box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
        angle = np.deg2rad(self.turn)
        dx, dy = x[box] - self.x, self.y - y[box]
        u = (dx * np.cos(angle) + dy * np.sin(angle)) / self.half_width
        v = (dy * np.cos(angle) - dx * np.sin(angle)) / self.half_height
        total[box] += np.where(u * u + v * v <= 1.0, self.density, 0.0)


def draw_ellipses(shape: tuple[int, int], ellipses: Iterable[Ellipse]) -> Field:
    """Sum of ellipses, each pixel holding the average over its area, ``(rows, columns)``."""
    listed = tuple(ellipses)

    def value(x: Field, y: Field) -> Field:
        total = np.zeros(x.shape)
        for ellipse in listed:
            ellipse.add_to(total, x, y)
        return total

    return area_sample(value, shape, POINTS)


SHEPP_LOGAN = (
    Ellipse(1.0, 0.69, 0.92),
    Ellipse(-0.8, 0.6624, 0.874, 0.0, 0.0184),
    Ellipse(-0.2, 0.11, 0.31, 0.22, 0.0, -18.0),
    Ellipse(-0.2, 0.16, 0.41, -0.22, 0.0, 18.0),
    Ellipse(0.1, 0.21, 0.25, 0.0, -0.35),
    Ellipse(0.1, 0.046, 0.046, 0.0, -0.1),
    Ellipse(0.1, 0.046, 0.046, 0.0, 0.1),
    Ellipse(0.1, 0.046, 0.023, -0.08, 0.605),
    Ellipse(0.1, 0.023, 0.023, 0.0, 0.606),
    Ellipse(0.1, 0.023, 0.046, 0.06, 0.605),
)
"""The head of Shepp and Logan, IEEE Trans. Nucl. Sci. 21 (1974), with the contrast that Toft (1996) raised."""


def shepp_logan(shape: tuple[int, int]) -> Field:
    """Return the modified Shepp-Logan head, ``(rows, columns)``, values in [0, 1]."""
    return np.clip(draw_ellipses(shape, SHEPP_LOGAN), 0.0, 1.0)


def random_ellipses(shape: tuple[int, int], seed: int = 0, count: int = 40) -> Field:
    """Return ``count`` random ellipses inside the inscribed disc, ``(rows, columns)``, values in [0, 1].

    Densities are uniform in [0.1, 1], the sum is divided by its maximum; semi-axes uniform in [0.04, 0.3].
    """
    draw = np.random.Generator(np.random.PCG64([seed, 11]))
    ellipses = []
    for _ in range(count):
        far, at = 0.65 * np.sqrt(draw.uniform()), draw.uniform(-np.pi, np.pi)
        width, height = draw.uniform(0.04, 0.3, 2)
        turn, density = draw.uniform(0.0, 180.0), draw.uniform(0.1, 1.0)
        ellipses.append(Ellipse(density, width, height, far * np.cos(at), far * np.sin(at), turn))
    image = draw_ellipses(shape, ellipses)
    return np.asarray(image / max(float(image.max()), 1e-12))
