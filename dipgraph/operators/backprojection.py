"""Pixel-driven back projection: each pixel sums, over views, the data interpolated where its ray hits the detector."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import DTypeLike
from scipy.sparse import csr_matrix

from dipgraph.operators.assembled import MatrixPair
from dipgraph.operators.batched import Array, array_module
from dipgraph.operators.fbp_orbit import Orbit
from dipgraph.operators.grid import ImageGrid


class PixelDriven:
    """The sum over views of filtered back projection, with 1/U^2 for fans, linear between rays, 0 outside them.

    Parameters
    ----------
    orbit
        The scan.
    grid
        The image.
    """

    def __init__(self, orbit: Orbit, grid: ImageGrid) -> None:
        self._orbit, self._grid = orbit, grid
        self._x = (np.arange(grid.columns) - (grid.columns - 1) / 2) * grid.pixel
        self._y = ((grid.rows - 1) / 2 - np.arange(grid.rows))[:, None] * grid.pixel

    def matrix_bytes(self, itemsize: int) -> int:
        """Return the memory the operator takes as a pair of matrices [bytes]."""
        return 2 * 2 * self._grid.size * self._orbit.angles.size * (itemsize + 4)

    def matrices(self, dtype: DTypeLike) -> MatrixPair:
        """Return the operator, ``(views * detectors)`` to ``(rows * columns)``, as matrices."""
        views, pixels = self._orbit.angles.size, self._grid.size
        indices = np.empty((pixels, views, 2), np.int32)
        data = np.empty((pixels, views, 2), dtype)
        for view in range(views):
            left, right, low, high = self._view(np, view)
            base = view * self._orbit.detectors
            indices[:, view, 0], indices[:, view, 1] = base + left, base + right
            data[:, view, 0], data[:, view, 1] = low, high
        pointers = np.arange(pixels + 1, dtype=np.int32) * (2 * views)
        shape = (pixels, views * self._orbit.detectors)
        matrix = csr_matrix((data.reshape(-1), indices.reshape(-1), pointers), shape=shape)
        matrix.eliminate_zeros()
        return MatrixPair(matrix, matrix.T.tocsr())

    def forward_batch(self, rows: Array) -> Array:
        """Back project each row of ``(batch, views * detectors)``, view after view."""
        xp = array_module(rows)
        views = rows.reshape(rows.shape[0], self._orbit.angles.size, -1)
        out = xp.zeros((rows.shape[0], self._grid.size), rows.dtype)
        for view in range(views.shape[1]):
            left, right, low, high = self._view(xp, view)
            out += views[:, view, left] * low.astype(rows.dtype) + views[:, view, right] * high.astype(rows.dtype)
        return out

    def adjoint_batch(self, rows: Array) -> Array:
        """Apply the adjoint to each row of ``(batch, rows * columns)``."""
        xp = array_module(rows)
        n = self._orbit.detectors
        out = xp.empty((rows.shape[0], self._orbit.angles.size, n), rows.dtype)
        for view in range(out.shape[1]):
            left, right, low, high = self._view(xp, view)
            for member in range(rows.shape[0]):
                total = xp.bincount(left, weights=rows[member] * low, minlength=n)
                out[member, view] = total + xp.bincount(right, weights=rows[member] * high, minlength=n)
        return out.reshape(rows.shape[0], -1)

    def _view(self, xp: Any, view: int) -> tuple[Array, Array, Array, Array]:
        """Return for each pixel the two rays beside it and what each counts."""
        orbit = self._orbit
        x, y = xp.asarray(self._x), xp.asarray(self._y)
        cos, sin = math.cos(orbit.angles[view]), math.sin(orbit.angles[view])
        t = x * cos + y * sin
        weight = xp.ones_like(t)
        if math.isfinite(orbit.radius):
            nearness = 1.0 - (x * sin - y * cos) / orbit.radius
            t /= nearness
            weight /= nearness**2
        place = ((t - orbit.start[view]) / orbit.step).reshape(-1)
        weight = weight.reshape(-1)
        floor = xp.floor(place)
        fraction = place - floor
        last = orbit.detectors - 1
        low = xp.where((floor >= 0) & (floor <= last), (1 - fraction) * weight, 0.0)
        high = xp.where((floor >= -1) & (floor < last), fraction * weight, 0.0)
        left = xp.clip(floor, 0, last).astype(np.int32)
        return left, xp.clip(floor + 1, 0, last).astype(np.int32), low, high
