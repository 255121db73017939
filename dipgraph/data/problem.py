"""A problem: what is solved. A forward operator and data, and what is known about them; any PyLops operator will do."""

from __future__ import annotations

import math
import numbers
import operator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pylops import LinearOperator

from dipgraph.data.measurement import as_array, check_array
from dipgraph.data.provenance import FileRecord
from dipgraph.data.scale import estimate_scale
from dipgraph.data.scores import Region, region_mask
from dipgraph.operators.fbp import FilteredBackprojection
from dipgraph.operators.gradient import Gradient
from dipgraph.operators.ray_transform import RayTransform
from dipgraph.signatures.errors import GeometryError, InputError

Float32 = NDArray[np.float32]
REACH = (1e-30, 1e30)
"""Within which the largest value of data and images has to lie: they are held in single precision."""


@dataclass(frozen=True, eq=False, init=False)
class Problem:
    """An inverse problem y ≈ A x; everything in physical units, nothing normalised.

    Parameters
    ----------
    A
        The forward operator, raw: any real PyLops ``LinearOperator`` from images to data.
    y
        The data, of shape ``A.dimsd`` or flat; held as float32 of shape ``A.dimsd``.
    shape
        Rows and columns of the image; by default ``A.dims``.
    pixel, unit
        Side of a pixel [unit], and the name of that unit ("px" where lengths are not known). By default those of a
        :class:`~dipgraph.operators.RayTransform`'s grid, 1 px for any other operator.
    fbp
        An analytic inverse Y -> X, or none: then a recipe's ``fbp`` is a few steps of CG on the least squares. By
        default ("auto") filtered back projection for a ray transform whose scan has one, else none.
    grad
        The discrete gradient X -> G; by default forward differences, zero at the far edges.
    scale
        The image value that maps to 1; by default estimated (:func:`~dipgraph.data.scale.estimate_scale`).
    noise_level
        Standard deviation of the noise, in y's unit.
    counts, blank
        Photons behind the data and without object, of y's shape.
    prior
        A related image, ``(rows, columns)``, in the image's unit.
    reference
        The image to compare with, ``(rows, columns)``, in the image's unit; no recipe sees it.
    segmentation
        True segmentation, ``(rows, columns)``, for the Matthews correlation.
    region
        Where scores are taken: "disc", "all" or a mask.
    name, about
        How the problem is called, and what it is.
    provenance
        The files it was read from.
    resolved_text
        The problem as a YAML text that gives the same numbers again; empty for a problem built in Python.

    Raises
    ------
    InputError
        If any of these do not fit together: :meth:`validate` says what is checked.

    Examples
    --------
    >>> import numpy as np, pylops
    >>> noisy = np.random.default_rng(0).uniform(size=(16, 16)).astype("float32")
    >>> Problem(pylops.Identity(256, dtype="float32"), noisy.ravel(), shape=(16, 16)).shape
    (16, 16)
    """

    A: LinearOperator
    y: Float32
    shape: tuple[int, int]
    pixel: float
    unit: str
    fbp: LinearOperator | None
    grad: LinearOperator
    scale: float
    noise_level: float | None
    counts: Float32 | None
    blank: Float32 | None
    prior: Float32 | None
    reference: Float32 | None
    segmentation: NDArray[np.bool_] | None
    region: Region
    name: str
    about: str
    provenance: tuple[FileRecord, ...]
    resolved_text: str

    def __init__(
        self,
        A: LinearOperator,
        y: ArrayLike,
        shape: tuple[int, int] | None = None,
        *,
        pixel: float | None = None,
        unit: str | None = None,
        fbp: LinearOperator | Literal["auto"] | None = "auto",
        grad: LinearOperator | None = None,
        scale: float | None = None,
        noise_level: float | None = None,
        counts: ArrayLike | None = None,
        blank: ArrayLike | None = None,
        prior: ArrayLike | None = None,
        reference: ArrayLike | None = None,
        segmentation: ArrayLike | None = None,
        region: Region = "disc",
        name: str = "problem",
        about: str = "",
        provenance: tuple[FileRecord, ...] = (),
        resolved_text: str = "",
    ) -> None:
        if isinstance(fbp, str) and fbp == "auto":
            fbp = analytic_inverse(A)
        scan = A.grid if isinstance(A, RayTransform) else None
        pixel = (scan.pixel if scan else 1.0) if pixel is None else pixel
        unit = (scan.unit if scan else "px") if unit is None else unit
        for part, map_ in (("A", A), ("fbp", fbp), ("grad", grad)):
            if not isinstance(map_, LinearOperator) and (map_ is not None or part == "A"):
                raise InputError(
                    f"{part} is a {type(map_).__name__}, not a PyLops LinearOperator",
                    where=part,
                    remedy="wrap a matrix as pylops.MatrixMult(matrix), a function as pylops.FunctionOperator",
                )
        for part, text in (("unit", unit), ("name", name), ("about", about)):
            if not isinstance(text, str):
                raise InputError(f"{part} is a {type(text).__name__}", where=part, remedy="give a text")
        self._set(A=A)
        self._set(shape=self._image_shape(shape))
        self._set(y=self._data(y, "y"))
        self._set(
            counts=None if counts is None else self._data(counts, "counts"),
            blank=None if blank is None else self._data(blank, "blank"),
            prior=None if prior is None else self._image(prior, "prior"),
            reference=None if reference is None else self._image(reference, "reference"),
            segmentation=None if segmentation is None else self._image(segmentation, "segmentation") > 0.5,
            grad=Gradient(self.shape) if grad is None else grad,
            pixel=pixel, unit=unit, fbp=fbp, noise_level=noise_level, region=region, name=name, about=about,
            provenance=tuple(provenance), resolved_text=resolved_text, scale=1.0 if scale is None else scale,
        )  # fmt: skip
        self.validate()
        if scale is None:
            self._set(scale=estimate_scale(self.A, self.y, self.shape, self.fbp))

    def _set(self, **values: object) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def _image_shape(self, shape: tuple[int, int] | None) -> tuple[int, int]:
        size = int(self.A.shape[1])
        try:
            given = tuple(operator.index(side) for side in (self.A.dims if shape is None else shape))
        except TypeError:
            given = ()
        if shape is None and len(given) == 1:
            side = math.isqrt(size)
            example = f", say shape=({side}, {side})" if side * side == size else ""
            raise InputError(
                f"A takes flat images of {size} pixels, and does not say how many rows and columns they have",
                where="shape",
                remedy=f"give shape=(rows, columns){example}",
            )
        if len(given) != 2 or min(given) < 1 or math.prod(given) != size:
            raise InputError(
                f"the image shape is {given or shape}, and A takes images of {size} pixels",
                where="shape",
                remedy="give shape=(rows, columns) whose product is the operator's number of columns",
            )
        if isinstance(self.A, RayTransform) and given != self.A.grid.shape:
            raise InputError(
                f"the image shape is {given}, and A's grid is {self.A.grid.rows} x {self.A.grid.columns}",
                where="shape",
                remedy="leave shape out: a ray transform knows it",
            )
        return given[0], given[1]

    def _data(self, values: ArrayLike, name: str) -> Float32:
        array, dims = as_array(values, name), tuple(int(n) for n in self.A.dimsd)
        if array.shape != dims and array.shape != (math.prod(dims),):
            raise _misfit(array.shape, self.A, name)
        return _single(check_array(array, name, name).reshape(dims), name, name)

    def _image(self, values: ArrayLike, name: str) -> Float32:
        array = as_array(values, name)
        if array.shape != self.shape:
            raise InputError(
                f"the {name} has shape {array.shape}, and the image is {self.shape}",
                where=name,
                remedy="bring it to the image's grid: dipgraph.data.resample.block_mean averages blocks",
            )
        return _single(check_array(array, f"the {name}", name), f"the {name}", name)

    def validate(self) -> None:
        """Check that everything fits together.

        Operator and data real, finite, not all zero, of the operator's shapes; images of the image's shape; pixel and
        scale positive, noise level not negative; photon counts not negative, blank scan positive; an inverse from Y
        to X and a gradient on X; a score region with a pixel in it, and a reference that is positive somewhere in it.

        Raises
        ------
        InputError
            For the first thing that does not.
        """
        if np.issubdtype(np.dtype(self.A.dtype), np.complexfloating):
            raise InputError(f"A is complex ({self.A.dtype})", where="A", remedy="give a real operator")
        for name, least in (("pixel", 0.0), ("scale", 0.0), ("noise_level", -math.ulp(0.0))):
            value = getattr(self, name)
            number = float(value) if isinstance(value, numbers.Real) else math.nan
            if value is not None and not (math.isfinite(number) and number > least):
                wanted = "a number of at least 0" if name == "noise_level" else "a positive number"
                raise InputError(f"{name} is {value!r}", where=name, remedy=f"give {wanted}")
        check_array(self.y, "y", "y")
        for name, strict in (("counts", False), ("blank", True)):
            photons = getattr(self, name)
            if photons is not None and (photons.min() < 0 or (strict and photons.min() == 0)):
                raise InputError(
                    f"{name} has the value {photons.min():g}", where=name, remedy="photons are not negative"
                )
        if self.fbp is not None and tuple(self.fbp.shape) != tuple(self.A.shape[::-1]):
            raise InputError(
                f"fbp has shape {self.fbp.shape}, A {self.A.shape}", where="fbp", remedy="it maps data to images"
            )
        if self.grad.shape[1] != self.A.shape[1]:
            raise InputError(f"grad takes {self.grad.shape[1]} pixels, A {self.A.shape[1]}", where="grad")
        mask = region_mask(self.region, self.shape)
        if self.reference is not None and not float(np.max(self.reference[mask])) > 0:
            raise InputError(
                "the reference is nowhere positive in the score region",
                where="reference",
                remedy="PSNR's data range is its maximum there",
            )

    @property
    def mask(self) -> NDArray[np.bool_]:
        """The pixels of the score region, ``(rows, columns)``."""
        return region_mask(self.region, self.shape)

    @property
    def value_unit(self) -> str:
        """The image's unit: reciprocal lengths for a ray transform, none for other operators."""
        return f"1/{self.unit}" if hasattr(self.A, "geometry") else ""

    def __str__(self) -> str:
        rows, columns = self.shape
        known = [
            word
            for word in ("fbp", "noise_level", "counts", "blank", "prior", "reference", "segmentation")
            if getattr(self, word) is not None
        ]
        return (
            f"{self.name}: {rows} x {columns} pixels of {self.pixel:g} {self.unit}, data {tuple(self.y.shape)}, "
            f"scale {self.scale:g} {self.value_unit}".rstrip()
            + (f"; with {', '.join(known)}" if known else "")
        )


def analytic_inverse(A: LinearOperator) -> FilteredBackprojection | None:
    """Filtered back projection, where the operator is a ray transform whose scan has a formula for it."""
    try:
        return FilteredBackprojection(A) if isinstance(A, RayTransform) else None
    except GeometryError:
        return None


def _single(array: NDArray[np.float64], what: str, where: str) -> Float32:
    """The array in single precision, where its values have a place in it."""
    largest = float(np.abs(array).max())
    if not REACH[0] <= largest <= REACH[1]:
        raise InputError(
            f"the largest value of {what} is {largest:g}, which single precision has no room for",
            where=where,
            remedy=f"give it in another unit: from {REACH[0]:g} to {REACH[1]:g}",
        )
    return np.ascontiguousarray(array, dtype=np.float32)


def _misfit(shape: tuple[int, ...], A: LinearOperator, name: str) -> InputError:
    """What to say of data that are not of the operator's shape."""
    dims = tuple(int(n) for n in A.dimsd)
    size = math.prod(dims)
    if len(dims) > 1:
        what = f"{name} has shape {shape}, and A gives data of shape {dims}"
        rows = ": a row for each of its views" if isinstance(A, RayTransform) else ""
        remedy = f"give {name}.T" if shape == dims[::-1] else f"give {name} of that shape{rows}, or flat"
        return InputError(what, where=name, remedy=remedy)
    if math.prod(shape) == size:
        return InputError(
            f"{name} has shape {shape}, and A gives flat data of {size} values",
            where=name,
            remedy=f"give {name}.ravel(), in the order of A's rows",
        )
    return InputError(
        f"{name} has {math.prod(shape)} values, and A gives flat data of {size}",
        where=name,
        remedy="the operator and the data are not of one scan, or of other sizes",
    )
