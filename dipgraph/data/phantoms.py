"""Phantoms by name: functions of a shape and a seed that return images with values in [0, 1]."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from dipgraph.data.ellipses import random_ellipses, shepp_logan
from dipgraph.data.resample import Field, area_sample
from dipgraph.data.walnut import Walnut

__all__ = ["PHANTOMS", "random_ellipses", "shepp_logan", "walnut"]

WALNUT_POINTS = 512
"""Sampling points along the shorter side: images of 512, 256, 128, ... pixels are block averages of one another."""


def walnut(shape: tuple[int, int], seed: int = 0) -> Field:
    """Return the procedural walnut, ``(rows, columns)``, each pixel the average over its area, values in [0, 1].

    A walnut in its shell: smooth and textured, not piecewise constant. The same seed gives the same nut at every
    resolution.

    Parameters
    ----------
    shape
        Rows and columns; the shorter side spans the nut.
    seed
        Which nut.
    """
    return _walnut(tuple(shape), seed).copy()


@lru_cache(maxsize=8)
def _walnut(shape: tuple[int, int], seed: int) -> Field:
    return area_sample(Walnut(seed), shape, WALNUT_POINTS)


PHANTOMS: dict[str, Callable[..., Field]] = {
    "walnut": walnut,
    "shepp_logan": shepp_logan,
    "ellipses": random_ellipses,
}
"""What a problem file may name under ``simulate: {phantom: ...}``."""
