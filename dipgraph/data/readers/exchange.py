"""APS Data Exchange: raw parallel-beam projections with white and dark fields in HDF5."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from dipgraph.data.measurement import Array, Measurement, check_array, check_views
from dipgraph.data.readers.arrays import refuse, require_file
from dipgraph.operators.geometry import ParallelBeam
from dipgraph.signatures.errors import InputError


def read_exchange(path: Path, slice: int = 0, pitch: float | None = None, unit: str = "mm") -> Measurement:
    """Read one slice of a scan in the Data Exchange layout (De Carlo et al. 2014), as TomoPy writes it.

    ``exchange/data`` (views, slices, detectors), ``exchange/data_white``, ``exchange/data_dark`` and ``exchange/theta``
    [degrees]. The data stay raw counts: ``flat_field`` and ``log`` prepare them. Without ``theta`` the views are taken
    to be equally spaced over 180°, the end left out.

    Parameters
    ----------
    path
        The HDF5 file.
    slice
        Which slice, from 0.
    pitch
        Width of a detector pixel [unit]; without it lengths count in detector pixels, "px".
    unit
        The pitch's unit.

    Raises
    ------
    InputError
        If the file has no such layout or slice, or its numbers do not fit together.
    """
    import h5py

    require_file(path)
    try:
        with h5py.File(path, "r") as file:
            if "exchange/data" not in file:
                raise InputError(
                    "the file has no 'exchange/data'", where=str(path), remedy="is it a Data Exchange file?"
                )
            stack = file["exchange/data"]
            if stack.ndim != 3:
                raise InputError(
                    f"'exchange/data' has shape {stack.shape}, not (views, slices, detectors)", where=str(path)
                )
            if not 0 <= slice < stack.shape[1]:
                raise InputError(
                    f"there is no slice {slice}", where=str(path), remedy=f"slices go from 0 to {stack.shape[1] - 1}"
                )
            raw = check_array(stack[:, slice, :], "exchange/data", str(path))
            white, dark = (_field_image(file, f"exchange/data_{name}", slice, raw) for name in ("white", "dark"))
            degrees = _angles(file, raw.shape[0])
    except InputError:
        raise
    except Exception as error:  # a broken file makes its library raise anything
        refuse(path, error)
    check_views(raw, degrees, str(path))
    pitch, unit = (1.0, "px") if pitch is None else (pitch, unit)
    geometry = ParallelBeam(angles=np.deg2rad(degrees), detectors=raw.shape[1], pitch=pitch)
    return Measurement(raw, "counts", geometry, unit, white=white, dark=dark, files=(path,))


def _field_image(file: Any, name: str, slice: int, raw: Array) -> Array | None:
    """Mean white or dark field of the slice, ``(1, detectors)``; none where the file has none."""
    if name not in file:
        return None
    stack = file[name]
    if stack.ndim != 3 or stack.shape[1] <= slice or stack.shape[2] != raw.shape[1]:
        raise InputError(
            f"'{name}' has shape {stack.shape}, which does not match 'exchange/data'",
            where=str(file.filename),
            remedy="it must be (images, slices, detectors), with the same slices and detectors",
        )
    images = check_array(stack[:, slice, :], f"'{name}'", str(file.filename), zero=True)
    return np.asarray(images.mean(axis=0, keepdims=True))


def _angles(file: Any, views: int) -> Array:
    if "exchange/theta" not in file:
        return np.asarray(np.arange(views) * (180.0 / views), dtype=np.float64)
    theta = file["exchange/theta"]
    angles = np.asarray(theta, dtype=np.float64).reshape(-1)
    units = theta.attrs.get("units", "degrees")
    units = units.decode() if isinstance(units, bytes) else str(units)
    if units.startswith("rad"):
        angles = np.asarray(np.rad2deg(angles), dtype=np.float64)
    return angles
