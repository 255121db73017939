"""Preparation of data: a fixed vocabulary of steps, each a function from a measurement to a measurement."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dipgraph.data.measurement import Array, Measurement
from dipgraph.data.noise import add_noise, from_counts
from dipgraph.operators.geometry import FanBeam, ParallelBeam, ScanGeometry
from dipgraph.signatures.errors import InputError

SELECTING = ("views",)
"""Steps that thin out the data: a reference made of all views leaves them out."""
CORRUPTING = ("noise",)
"""Steps that a reference leaves out likewise."""


def views(
    measurement: Measurement,
    count: int | None = None,
    every: int | None = None,
    start: int = 0,
    arc: float | None = None,
    begin: float | None = None,
) -> Measurement:
    """Keep some views.

    Parameters
    ----------
    measurement
        Data of a scan.
    count
        So many views, equally spaced in their order: of n views those numbered floor(i n / count).
    every
        Or every so many-th.
    start
        The first view kept, from 0; the views before it are dropped (``every``) or turn to the end (``count``).
    arc
        First, only views within this arc [rad].
    begin
        Where the arc begins, by default at the first view's angle [rad].
    """
    geometry = measurement.scan("views")
    chosen = np.arange(geometry.count)
    if arc is not None:
        angles = _angles(geometry, "views")
        first = float(angles[0]) if begin is None else begin
        along = np.mod(angles - first + 1e-9, 2.0 * np.pi)
        chosen = np.flatnonzero(along < arc + 2e-9) if arc < 2.0 * np.pi - 1e-9 else chosen
        if not chosen.size:
            raise InputError(f"no view lies within the arc of {np.rad2deg(arc):g} degrees", where="views")
    elif begin is not None:
        raise InputError("'begin' says where an arc begins, and there is no 'arc'", where="views")
    if count is not None and every is not None:
        raise InputError("give 'count' or 'every', not both", where="views")
    if not 0 <= start < chosen.size:
        raise InputError(f"there is no view {start} among {chosen.size}", where="views")
    if count is not None:
        if not 1 <= count <= chosen.size:
            raise InputError(
                f"{count} views are asked for, and there are {chosen.size}",
                where="views",
                remedy=f"ask for 1 to {chosen.size}",
            )
        chosen = np.sort(chosen[(start + np.arange(count) * chosen.size // count) % chosen.size])
    elif every is not None and every < 1:
        raise InputError(f"every {every}-th view", where="views", remedy="give a whole number of at least 1")
    else:
        chosen = chosen[start :: every or 1]
    return _keep_views(measurement, geometry, chosen)


def drop(measurement: Measurement, views: Sequence[int]) -> Measurement:
    """Drop the views of these numbers, counted from 0."""
    geometry = measurement.scan("drop")
    outside = [view for view in views if not 0 <= view < geometry.count]
    if outside:
        raise InputError(
            f"there is no view {outside[0]}", where="drop", remedy=f"views go from 0 to {geometry.count - 1}"
        )
    return _keep_views(measurement, geometry, np.setdiff1d(np.arange(geometry.count), np.asarray(views, dtype=int)))


def _keep_views(measurement: Measurement, geometry: ScanGeometry, chosen: NDArray[np.integer]) -> Measurement:
    if not chosen.size:
        raise InputError("no view is left", where="views")

    def part(array: Array | None) -> Array | None:
        return array if array is None or array.shape[0] == 1 < geometry.count else array[chosen]

    return replace(
        measurement, data=measurement.data[chosen], geometry=geometry.subset(chosen), counts=part(measurement.counts),
        blank=part(measurement.blank), white=part(measurement.white), dark=part(measurement.dark),
    )  # fmt: skip


def bin(measurement: Measurement, by: int = 1, views: int = 1) -> Measurement:
    """Join neighbouring detector pixels, and neighbouring views; data are averaged, photons summed.

    Parameters
    ----------
    measurement
        Data of a scan.
    by
        Detector pixels joined to one; it must divide their number.
    views
        Views joined to one, at their mean angle; it must divide their number.
    """
    geometry = measurement.scan("bin")
    if by < 1 or views < 1:
        raise InputError(f"binning by {by} pixels and {views} views", where="bin", remedy="give whole numbers >= 1")
    if geometry.count % views:
        raise InputError(
            f"{geometry.count} views cannot be joined by {views}",
            where="bin",
            remedy="keep a number of views that it divides first",
        )
    binned = geometry.bin(by) if by > 1 else geometry
    if views > 1:
        angles = np.unwrap(_angles(geometry, "bin")).reshape(-1, views).mean(axis=1)
        binned = replace(_with_angles(binned, "bin"), angles=angles)

    def mean(array: Array) -> Array:
        rows = views if array.shape[0] == geometry.count else 1
        return np.asarray(array.reshape(array.shape[0] // rows, rows, -1, by).mean(axis=(1, 3)))

    def mean_of(array: Array | None) -> Array | None:
        return None if array is None else mean(array)

    joined = by * views
    counts = None if measurement.counts is None else mean(measurement.counts) * joined
    blank = None if measurement.blank is None else mean(measurement.blank) * joined
    data = mean(measurement.data)
    if measurement.drawn and counts is not None and blank is not None:
        data = from_counts(counts, blank)
    level = None if measurement.noise_level is None else measurement.noise_level / float(np.sqrt(joined))
    return replace(
        measurement,
        data=data,
        geometry=binned,
        counts=counts,
        blank=blank,
        noise_level=level,
        white=mean_of(measurement.white),
        dark=mean_of(measurement.dark),
    )


def crop(measurement: Measurement, columns: Sequence[int]) -> Measurement:
    """Keep the detector pixels from the first column up to, not including, the second, counted from 0."""
    if len(columns) != 2:
        raise InputError(f"crop takes two columns, and got {len(columns)}", where="crop", remedy="[first, end]")
    first, end = columns
    geometry = measurement.scan("crop").crop(first, end)

    def part(array: Array | None) -> Array | None:
        return None if array is None else array[:, first:end]

    return replace(
        measurement, data=measurement.data[:, first:end], geometry=geometry, counts=part(measurement.counts),
        blank=part(measurement.blank), white=part(measurement.white), dark=part(measurement.dark),
    )  # fmt: skip


def centre(measurement: Measurement, column: float) -> Measurement:
    """Say on which detector column the rotation axis falls: 0 is the middle of the first pixel of those left.

    The detector is shifted along itself; a fan's source stays on the ray through the axis.
    """
    geometry = _with_angles(measurement.scan("centre"), "centre")
    if not 0 <= column <= geometry.detectors - 1:
        raise InputError(
            f"the rotation axis falls on column {column:g}",
            where="centre",
            remedy=f"columns go from 0 to {geometry.detectors - 1}",
        )
    offset = ((geometry.detectors - 1) / 2 - column) * geometry.pitch
    return replace(measurement, geometry=replace(geometry, detector_offset=offset, centre_shift=0.0))


def flat_field(measurement: Measurement) -> Measurement:
    r"""Divide raw counts by the white field: :math:`t = (c - \bar d)/(\bar w - \bar d)`, the transmission.

    The problem's ``counts``, :math:`\max(c - \bar d, 0)`, and ``blank``, :math:`\bar w - \bar d`, are then known: the
    detector's readings stand for photons.
    """
    if measurement.quantity != "counts" or measurement.white is None:
        lack = f"these are {measurement.quantity}" if measurement.quantity != "counts" else "there is none"
        raise InputError(f"'flat_field' needs raw counts and a white field, and {lack}", where="flat_field")
    dark = np.zeros_like(measurement.white) if measurement.dark is None else measurement.dark
    bright = measurement.white - dark
    if not (bright > 0).all():
        column = int(np.argwhere(bright <= 0)[0][-1])
        raise InputError(
            f"the white field is no brighter than the dark one in column {column}",
            where="flat_field",
            remedy="crop the dead pixels away",
        )
    counts = measurement.data - dark
    return replace(
        measurement, data=counts / bright, quantity="transmission", white=None, dark=None,
        counts=np.maximum(counts, 0.0), blank=np.broadcast_to(bright, counts.shape),
    )  # fmt: skip


def log(measurement: Measurement, least: float | None = None) -> Measurement:
    """Take −log of the transmission: line integrals.

    Parameters
    ----------
    measurement
        Transmission, about in (0, 1].
    least
        Raise smaller values to this one; without it a value that is not positive is an error.
    """
    if measurement.quantity != "transmission":
        raise InputError(
            f"'log' needs transmission, and these are {measurement.quantity}",
            where="log",
            remedy="flat_field makes it of raw counts",
        )
    data = measurement.data if least is None else np.maximum(measurement.data, least)
    if not (data > 0).all():
        view, column = (int(i) for i in np.argwhere(data <= 0)[0])
        raise InputError(
            f"the transmission is {data[view, column]:.3g} in view {view}, column {column}",
            where="log",
            remedy="say the smallest that is taken, as in log: {least: 1e-3}",
        )
    return replace(measurement, data=-np.log(data), quantity="line integrals", noise_level=None)


def multiply(measurement: Measurement, by: float) -> Measurement:
    """Multiply the data by a number, to change their unit; they are then no longer what the counts behind them say."""
    if by == 0:
        raise InputError("the data are multiplied by 0", where="multiply", remedy="give another number")
    level = None if measurement.noise_level is None else measurement.noise_level * abs(by)
    return replace(measurement, data=measurement.data * by, noise_level=level, counts=None, blank=None)


def _with_angles(geometry: ScanGeometry, step: str) -> ParallelBeam | FanBeam:
    if not isinstance(geometry, ParallelBeam | FanBeam):
        raise InputError(f"'{step}' needs a geometry by angles, not by vectors", where=step)
    return geometry


def _angles(geometry: ScanGeometry, step: str) -> Array:
    return _with_angles(geometry, step).angles


STEPS: dict[str, Callable[..., Measurement]] = {
    "views": views, "drop": drop, "bin": bin, "crop": crop, "centre": centre, "flat_field": flat_field, "log": log,
    "multiply": multiply, "noise": add_noise,
}  # fmt: skip
"""What a problem file may name under ``prepare``."""
