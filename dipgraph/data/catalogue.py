"""Everything a problem file may name, and how its options are read. Units and bounds stand here, the work elsewhere."""

from __future__ import annotations

from pathlib import Path

from dipgraph.data import modalities, prepare
from dipgraph.data.options import (
    ANGLE,
    DENSITY,
    FILE,
    FILE_OR_NONE,
    INDEX,
    LENGTH,
    NUMBER,
    POSITIVE,
    SEED,
    TEXT,
    WHOLE,
    WHOLES,
    Entry,
    word,
)
from dipgraph.data.phantoms import PHANTOMS
from dipgraph.data.readers import load_array, read_array, read_exchange, read_htc2022
from dipgraph.data.resample import Field
from dipgraph.data.scan_geometry import fan_beam, parallel_beam
from dipgraph.operators.geometry import ScanGeometry
from dipgraph.operators.grid import ImageGrid
from dipgraph.operators.ray_transform import RayTransform

READERS = {
    "matlab.htc2022": Entry(read_htc2022, {"path": FILE}),
    "exchange.hdf5": Entry(read_exchange, {"path": FILE, "slice": INDEX, "pitch": LENGTH}),
    "array": Entry(
        read_array,
        {
            "path": FILE,
            "key": TEXT,
            "layout": word("views_detectors", "detectors_views"),
            "quantity": word("line integrals", "transmission", "counts", "values"),
            "white_key": TEXT,
            "dark_key": TEXT,
        },
    ),
}
"""Under ``read``."""

_SCAN = {
    "views": WHOLE, "detectors": WHOLE, "pitch": LENGTH, "start": ANGLE, "arc": ANGLE, "angles": FILE, "key": TEXT,
    "angle_unit": word("deg", "rad"), "turn": word("counterclockwise", "clockwise"), "detector_offset": LENGTH,
    "centre_shift": LENGTH, "tilt": ANGLE,
}  # fmt: skip
GEOMETRIES = {
    "parallel": Entry(parallel_beam, _SCAN),
    "fan": Entry(fan_beam, {**_SCAN, "source_origin": LENGTH, "origin_detector": LENGTH}),
}
"""Under ``geometry``."""

_STEP_OPTIONS = {
    "views": {"count": WHOLE, "every": WHOLE, "start": INDEX, "arc": ANGLE, "begin": ANGLE},
    "drop": {"views": WHOLES},
    "bin": {"by": WHOLE, "views": WHOLE},
    "crop": {"columns": WHOLES},
    "centre": {"column": NUMBER},
    "flat_field": {},
    "log": {"least": POSITIVE},
    "multiply": {"by": NUMBER},
    "noise": {
        "kind": word("gaussian", "poisson"), "level": POSITIVE, "relative_to": word("max", "mean", "none"),
        "photons": POSITIVE, "seed": SEED,
    },
}  # fmt: skip
STEPS = {name: Entry(function, _STEP_OPTIONS[name]) for name, function in prepare.STEPS.items()}
"""Under ``prepare``, a list."""

_PHANTOM_OPTIONS = {"walnut": {"seed": SEED}, "shepp_logan": {}, "ellipses": {"seed": SEED, "count": WHOLE}}
SOURCES = {name: Entry(function, _PHANTOM_OPTIONS[name]) for name, function in PHANTOMS.items()}
"""Under ``simulate: {phantom: ...}``."""


def ray(geometry: ScanGeometry, grid: ImageGrid, kernel: str | None = None, device: str = "cpu") -> RayTransform:
    """Line integrals along the rays of the scan (:class:`~dipgraph.operators.ray_transform.RayTransform`)."""
    return RayTransform(geometry, grid, kernel=kernel, device=device)


RAY = {"ray": Entry(ray, {"kernel": word("line", "linear", "strip")})}
IMAGE_OPERATORS = {
    "identity": Entry(modalities.identity),
    "mask": Entry(modalities.mask, {"keep": POSITIVE, "seed": SEED}),
    "blur": Entry(modalities.blur, {"width": POSITIVE}),
}
OPERATORS = {**RAY, **IMAGE_OPERATORS}
"""Under ``operator``."""


def image_file(path: Path, key: str | None = None, per: float | None = None, value: float = 1.0) -> Field:
    """Read an image from a file: an array by its key where the file holds several.

    Parameters
    ----------
    path
        Any kind that :func:`~dipgraph.data.readers.load_array` knows.
    key
        The array's name.
    per
        Length that each value stands for, where values are per voxel: they are divided by it [unit].
    value
        What 1 in the file means: values are multiplied by it.
    """
    image = load_array(path, key).squeeze() * value
    return image if per is None else image / per


def from_fbp(filter: str = "hann") -> str:
    """Filtered back projection of all views, before any is dropped and before noise is added."""
    return filter


_IMAGE = Entry(image_file, {"path": FILE_OR_NONE, "key": TEXT, "per": LENGTH, "value": DENSITY})
IMAGES = dict.fromkeys(("array", "matlab", "numpy", "tiff", "png"), _IMAGE)
"""Under ``segmentation`` and ``prior``; the file's ending decides how it is read, the word is for the reader's eye."""
REFERENCES = {
    **IMAGES,
    "fbp": Entry(from_fbp, {"filter": word("hann", "hamming", "cosine", "shepp-logan", "ram-lak")}),
}
"""Under ``reference``."""
