"""What a reader or a simulation hands on: data, geometry and units, before and between the preparation steps."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dipgraph.operators.geometry import ScanGeometry
from dipgraph.signatures.errors import InputError

Array = NDArray[np.float64]
Quantity = Literal["counts", "transmission", "line integrals", "values"]


@dataclass(frozen=True, eq=False)
class Measurement:
    """Data on their way to a problem; each preparation step returns a changed copy.

    Parameters
    ----------
    data
        ``(views, detectors)`` for a scan, else of the operator's data shape; what they are, ``quantity`` says.
    quantity
        "counts" (raw detector readings), "transmission" (share of the radiation that passes), "line integrals"
        (−log of the transmission, no unit) or "values" (data of another operator).
    geometry
        The scan, or none for another operator; lengths in ``unit``.
    unit
        Name of the length unit, "mm" where lengths are known, else "px".
    white, dark
        Mean readings without object and without radiation, ``(views or 1, detectors)``, for raw counts.
    noise_level
        Standard deviation of the noise in the data's unit, where it is known.
    counts, blank
        Photons behind the data and without object, of the data's shape, where they are known: drawn, or what the
        detector read, less the dark field.
    drawn
        Whether the counts were drawn: joined data are then the line integrals of joined counts, else the mean.
    voxel
        Length that one value of the data set's own reference images stands for, where they are given per voxel
        [unit].
    files
        What was read.
    """

    data: Array
    quantity: Quantity
    geometry: ScanGeometry | None = None
    unit: str = "mm"
    white: Array | None = None
    dark: Array | None = None
    noise_level: float | None = None
    counts: Array | None = None
    blank: Array | None = None
    drawn: bool = False
    voxel: float | None = None
    files: tuple[Path, ...] = field(default=())

    def scan(self, step: str) -> ScanGeometry:
        """Return the geometry, for a step that needs one.

        Raises
        ------
        InputError
            If these are no data of a scan.
        """
        if self.geometry is None:
            raise InputError(f"'{step}' needs the data of a scan, and these have no geometry", remedy="remove the step")
        return self.geometry


def as_array(values: ArrayLike, what: str) -> NDArray[np.generic]:
    """Return values as an array.

    Raises
    ------
    InputError
        For lists whose parts differ in length, and for an array of which part is masked.
    """
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        count = int(np.count_nonzero(values.mask))
        said = "1 value is" if count == 1 else f"{count} values are"
        raise InputError(f"{said} masked in {what}", where=what,
                         remedy="fill them in, or leave them out of the data: pylops.Restriction(...) @ A")  # fmt: skip
    if hasattr(values, "detach"):  # a tensor of torch, on any device
        values = values.detach().cpu()
    try:
        return np.asarray(values)
    except ValueError:
        raise InputError(f"{what} is no array: its rows differ in length", where=what,
                         remedy="give an array of numbers") from None  # fmt: skip


def check_array(data: NDArray[np.generic], what: str, where: str = "", *, zero: bool = False) -> Array:
    """Return data as finite float64, or say what is wrong with them.

    Raises
    ------
    InputError
        For complex or non-numeric data, no data, NaN or infinity, or (unless ``zero`` is allowed) nothing but zeros.
    """
    if np.iscomplexobj(data):
        raise InputError(f"{what} is complex ({data.dtype})", where=where, remedy="give real data")
    if data.dtype.kind not in "biuf":  # a time span is a kind of whole number to NumPy
        raise InputError(f"{what} holds {data.dtype}, not numbers", where=where, remedy="give real numbers")
    if data.size == 0:
        raise InputError(f"{what} is empty, of shape {data.shape}", where=where)
    array = np.asarray(data, dtype=np.float64)
    bad = ~np.isfinite(array)
    if bad.any():
        first = tuple(int(i) for i in np.argwhere(bad)[0])
        place = ", ".join(map(str, first))
        count = int(np.count_nonzero(bad))
        said = "1 value that is" if count == 1 else f"{count} values that are"
        raise InputError(
            f"{what} has {said} NaN or infinite, {'the first ' * (count > 1)}at index ({place})",
            where=where,
            remedy="repair or remove them before the data are read",
        )
    if not zero and not array.any():
        raise InputError(f"every value of {what} is 0", where=where, remedy="is it the right file and key?")
    return array


def check_views(data: Array, angles: Array, where: str = "") -> None:
    """Check that a sinogram ``(views, detectors)`` has one row per angle.

    Raises
    ------
    InputError
        If it does not.
    """
    if data.ndim != 2:
        raise InputError(
            f"a sinogram has two axes, views and detector pixels; these data have shape {data.shape}",
            where=where,
            remedy="give one slice of the scan",
        )
    if data.shape[0] != angles.size:
        turned = " (its columns do: is it transposed?)" if data.shape[1] == angles.size else ""
        raise InputError(
            f"the sinogram has {data.shape[0]} rows, and there are {angles.size} angles{turned}",
            where=where,
            remedy="give one row per view",
        )
