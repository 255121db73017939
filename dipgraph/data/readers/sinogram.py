"""A user's own sinogram: an array from any known file, with the geometry that the problem file states."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from dipgraph.data.measurement import Array, Measurement, Quantity, check_array
from dipgraph.data.readers.arrays import load_array


def read_array(
    path: Path,
    key: str | None = None,
    layout: Literal["views_detectors", "detectors_views"] = "views_detectors",
    quantity: Quantity = "line integrals",
    white_key: str | None = None,
    dark_key: str | None = None,
) -> Measurement:
    """Read an array of data, without a geometry.

    Parameters
    ----------
    path
        The file (:func:`~dipgraph.data.readers.load_array` lists the kinds).
    key
        The array's name in the file, where it holds several.
    layout
        Which axis comes first.
    quantity
        What the data are: "line integrals", "transmission", "counts", or "values" of another operator.
    white_key, dark_key
        White and dark fields in the same file, ``(images, detectors)`` or ``(detectors,)``, for raw counts.
    """
    data = check_array(load_array(path, key), "the data", str(path))
    if layout == "detectors_views":
        data = np.ascontiguousarray(data.T)
    white, dark = _mean_field(path, white_key), _mean_field(path, dark_key)
    return Measurement(data, quantity, white=white, dark=dark, files=(path,))


def _mean_field(path: Path, key: str | None) -> Array | None:
    if key is None:
        return None
    images = check_array(load_array(path, key), f"'{key}'", str(path), zero=True)
    return np.asarray(np.atleast_2d(images).mean(axis=0, keepdims=True))
