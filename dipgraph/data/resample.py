"""Area sampling: functions of the plane and fine images become images whose pixels hold averages."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from dipgraph.signatures.errors import InputError

Field = NDArray[np.float64]


def block_mean(image: NDArray[np.floating], factor: int) -> Field:
    """Average blocks of ``factor`` × ``factor`` pixels, ``(rows, columns)`` to ``(rows/factor, columns/factor)``.

    Raises
    ------
    InputError
        If the factor does not divide both sides.
    """
    rows, columns = image.shape
    if factor < 1 or rows % factor or columns % factor:
        raise InputError(
            f"an image of {rows} x {columns} has no blocks of {factor} x {factor} pixels",
            remedy="take a factor that divides rows and columns",
        )
    blocks = np.asarray(image, dtype=np.float64).reshape(rows // factor, factor, columns // factor, factor)
    return np.asarray(blocks.mean(axis=(1, 3)))


def onto(image: NDArray[np.floating], shape: tuple[int, int], where: str) -> Field:
    """Average an image over the same area onto a grid of ``shape``; its sides must be a common multiple of it.

    Raises
    ------
    InputError
        If the sides are not the same whole multiple of ``shape``.
    """
    if image.ndim != 2:
        raise InputError(f"an image has two axes, this array has shape {image.shape}", where=where)
    factor = image.shape[0] // shape[0]
    if factor < 1 or image.shape != (shape[0] * factor, shape[1] * factor):
        raise InputError(
            f"an image of {image.shape[0]} x {image.shape[1]} pixels does not fit a grid of {shape[0]} x {shape[1]}",
            where=where,
            remedy="its sides must be the grid's, or the same whole multiple of both",
        )
    return block_mean(image, factor)


def area_sample(value: Callable[[Field, Field], Field], shape: tuple[int, int], points: int) -> Field:
    """Average a function over each pixel of a grid, ``(rows, columns)``.

    Coordinates: the origin in the middle, the shorter half side of the image is 1, x runs along the columns, y down the
    rows. Each pixel averages s × s points, s the least number that puts ``points`` along the shorter side, but at
    least 2: where the sides of two grids divide ``points``, the coarser image is the block average of the finer one.
    """
    short = min(shape)
    dense = max(2, -(-points // short))
    rows, columns = shape[0] * dense, shape[1] * dense
    step = 2.0 / (short * dense)
    y = (np.arange(rows) - (rows - 1) / 2) * step
    x = (np.arange(columns) - (columns - 1) / 2) * step
    band = max(1, 2**20 // columns // dense) * dense
    image = np.empty((rows // dense, columns // dense))
    for start in range(0, rows, band):
        part = y[start : start + band]
        xs, ys = np.broadcast_arrays(x[None, :], part[:, None])
        image[start // dense : (start + part.size) // dense] = block_mean(value(xs, ys), dense)
    return image
