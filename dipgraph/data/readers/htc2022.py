"""Scans of the Helsinki Tomography Challenge 2022: flat fan beam, −log already taken, in a MATLAB struct."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from dipgraph.data.measurement import Measurement, check_array, check_views
from dipgraph.data.readers.arrays import refuse, require_file
from dipgraph.operators.geometry import FanBeam
from dipgraph.signatures.errors import InputError

STRUCTS = ("CtDataFull", "CtDataLimited")


def read_htc2022(path: Path) -> Measurement:
    """Read a scan of HTC2022 (Meaney, Silva de Moura, Siltanen 2022, doi:10.5281/zenodo.6984868).

    A view that repeats the angle of an earlier one (row 720 of a full scan repeats row 0) is dropped. Lengths are
    millimetres, so images are in 1/mm; the challenge's own images are per voxel, which ``voxel`` says.

    Parameters
    ----------
    path
        The MATLAB file with struct ``CtDataFull`` or ``CtDataLimited``.

    Raises
    ------
    InputError
        If the file is none of these, or its numbers do not fit together.
    """
    from scipy.io import loadmat

    require_file(path)
    try:
        held = loadmat(path, squeeze_me=True, struct_as_record=False)
    except Exception as error:  # a broken file makes its library raise anything
        refuse(path, error)
    name = next((name for name in STRUCTS if name in held), None)
    if name is None:
        found = ", ".join(key for key in held if not key.startswith("__")) or "nothing"
        raise InputError(
            f"the file has no struct {' or '.join(STRUCTS)}, but {found}",
            where=str(path),
            remedy="give a file whose name ends in _full.mat or _limited.mat; a reference goes to 'reference'",
        )
    where = f"{path}, {name}"
    data = check_array(_field(held[name], "sinogram", where), "the sinogram", where)
    parameters = _field(held[name], "parameters", where)
    degrees = np.atleast_1d(np.asarray(_field(parameters, "angles", where), dtype=np.float64))
    check_views(data, degrees, where)
    _, first = np.unique(np.round(degrees % 360.0, 6), return_index=True)
    kept = np.sort(first)
    source = _number(parameters, "distanceSourceOrigin", where)
    geometry = FanBeam(
        angles=np.deg2rad(degrees[kept]),
        detectors=data.shape[1],
        pitch=_number(parameters, "pixelSizePost", where),
        source_origin=source,
        origin_detector=_number(parameters, "distanceSourceDetector", where) - source,
    )
    voxel = _number(parameters, "effectivePixelSizePost", where)
    return Measurement(data[kept], "line integrals", geometry, "mm", voxel=voxel, files=(path,))


def _field(struct: Any, name: str, where: str) -> Any:
    if not hasattr(struct, name):
        raise InputError(f"the struct has no field '{name}'", where=where, remedy="is it an HTC2022 scan?")
    return getattr(struct, name)


def _number(struct: Any, name: str, where: str) -> float:
    try:
        return float(_field(struct, name, where))
    except (TypeError, ValueError):
        raise InputError(f"the field '{name}' is no number", where=where, remedy="is it an HTC2022 scan?") from None
