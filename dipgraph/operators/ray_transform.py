"""The ray transform: line integrals of an image along the rays of a scan, and its adjoint."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from dipgraph.operators.assembled import Estimate, MatrixPair, assemble, estimate
from dipgraph.operators.astra_cuda import CudaProjector
from dipgraph.operators.astra_kernels import CpuProjector, choose_kernel
from dipgraph.operators.batched import Array, BatchedOperator
from dipgraph.operators.coverage import refuse_outside
from dipgraph.operators.devices import default_memory_limit, resolve_device
from dipgraph.operators.geometry import ScanGeometry
from dipgraph.operators.geometry_checks import view_indices
from dipgraph.operators.grid import ImageGrid
from dipgraph.signatures.errors import InputError

Form = Literal["assembled", "projected"]

#: What ASTRA's own tests allow between its GPU projector and back projector.
CUDA_ADJOINT_BOUND = 0.1


class RayTransform(BatchedOperator):
    r"""Line integrals of an image, ``(rows, columns)`` to ``(views, detectors)``.

    .. math:: (Ax)_{vi} = \int_{\ell_{vi}} x(r) \, \mathrm{d}r

    Image in [1/unit], data without unit: lengths count in the grid's unit. How the integral is discretised is the
    kernel's matter (:func:`~dipgraph.operators.astra_kernels.choose_kernel`).

    Parameters
    ----------
    geometry
        The scan.
    grid
        The image's grid, in the same unit.
    kernel
        "linear", "line" or "strip" for parallel beams, "line" or "strip" for fans; on a GPU and not assembled,
        ASTRA's "linear" alone. The default is "linear" for parallel beams and on the fly on a GPU, else "line".
        Both sample one line per detector pixel: where a detector pixel, scaled to the axis, is over twice as wide as
        an image pixel, "strip" sees what lies between.
    form
        "assembled": a sparse matrix and its transpose; "projected": ASTRA computes each ray anew; "auto": assembled
        where the estimate fits the limit.
    device
        "cpu" or "cuda".
    memory_limit
        What the assembled form may take under "auto" [bytes]; by default 0.35 of the memory now free.
    debug
        Have ASTRA fill NaN-filled outputs, and raise if it leaves one (projected form only).
    dtype
        float32, or float64 for the assembled form. A float32 operator applied to float64 arrays returns float64: its
        weights are float32, the sums float64. ASTRA computes on the fly in float32 whatever it is given.
    matrices
        Projector and transpose, where they have been assembled before for this geometry, grid and kernel.

    Attributes
    ----------
    dims, dimsd
        ``(rows, columns)`` and ``(views, detectors)``.
    form
        "assembled" or "projected".
    adjointness, adjoint_bound
        "exact" or "approximate", and how far the adjoint may be off (see :class:`BatchedOperator`).
    bytes_estimate
        Memory foreseen for the assembled form [bytes]; `bytes_held` says what is held.

    Raises
    ------
    GeometryError
        If the geometry has no such kernel, or does not see the image.
    InputError
        If the device is absent, the form unknown, or float64 is asked of ASTRA on the fly.

    References
    ----------
    W. van Aarle et al., *Fast and flexible X-ray tomography using the ASTRA toolbox*, Optics Express 24 (2016).
    """

    def __init__(
        self,
        geometry: ScanGeometry,
        grid: ImageGrid,
        *,
        kernel: str | None = None,
        form: Literal["auto", "assembled", "projected"] = "auto",
        device: str = "cpu",
        memory_limit: int | None = None,
        debug: bool = False,
        dtype: DTypeLike = np.float32,
        matrices: MatrixPair | None = None,
    ) -> None:
        if form not in ("auto", "assembled", "projected"):
            raise InputError(f"form is {form!r}", where="form", remedy="give 'auto', 'assembled' or 'projected'")
        device = resolve_device(device)
        refuse_outside(geometry, grid)
        super().__init__(grid.shape, geometry.shape, dtype=dtype, device=device, name="RayTransform")
        self.geometry, self.grid, self.debug = geometry, grid, debug
        self.nonnegative = True
        self._requested_kernel = kernel
        self.form: Form = self._choose_form(form, memory_limit) if matrices is None else "assembled"
        self.kernel = choose_kernel(geometry, kernel, cuda=device == "cuda" and self.form == "projected")
        self._projector: MatrixPair | CpuProjector | CudaProjector
        if self.form == "assembled":
            if matrices is None:
                matrices = assemble(geometry, grid, self.kernel, self.dtype)
                matrices = matrices.to_gpu() if device == "cuda" else matrices
            self._projector = matrices
            # Two sums in different order; float32 leaves well under 1e-6 of ||A|| ||x|| ||y||.
            self.adjoint_bound = 1e-6 if self.dtype == np.float32 else 1e-12
        elif device == "cuda":
            self._projector = CudaProjector(geometry, grid, debug=debug)
            self.adjointness, self.adjoint_bound = "approximate", CUDA_ADJOINT_BOUND
        else:
            self._projector = CpuProjector(geometry, grid, self.kernel, debug=debug)

    def _choose_form(self, form: str, memory_limit: int | None) -> Form:
        if form == "auto":
            limit = default_memory_limit(str(self.device)) if memory_limit is None else memory_limit
            form = "assembled" if self.estimate.held <= limit else "projected"
        if form == "projected" and self.dtype != np.float32:
            raise InputError(
                f"ASTRA projects in float32 only, not {self.dtype}",
                where="dtype",
                remedy="ask for form='assembled', or for float32",
            )
        return "assembled" if form == "assembled" else "projected"

    @cached_property
    def estimate(self) -> Estimate:
        """Memory the assembled form takes, foreseen from a few views."""
        kernel = choose_kernel(self.geometry, self._requested_kernel)
        return estimate(self.geometry, self.grid, kernel, self.dtype)

    @property
    def bytes_estimate(self) -> int:
        """Memory the assembled form is foreseen to hold [bytes]."""
        return self.estimate.held

    @property
    def bytes_held(self) -> int:
        """Memory the matrices take, 0 when projecting on the fly [bytes]."""
        return self._projector.bytes if isinstance(self._projector, MatrixPair) else 0

    @property
    def matrix(self) -> Array:
        """The projector as a SciPy (on a GPU CuPy) CSR matrix.

        Raises
        ------
        InputError
            If the operator projects on the fly.
        """
        return self._matrices().forward

    def _matrices(self) -> MatrixPair:
        if not isinstance(self._projector, MatrixPair):
            raise InputError("this ray transform is not assembled", remedy="build it with form='assembled'")
        return self._projector

    @property
    def precision(self) -> np.dtype[Any]:
        """The precision sums are done in when applied to float64 arrays: float32 when ASTRA projects on the fly."""
        return np.dtype(np.float64 if isinstance(self._projector, MatrixPair) else np.float32)

    def cache_key(self) -> tuple[object, ...]:
        """Return what the operator's values depend on, the same for operators that are equal."""
        return ("RayTransform", self.geometry.sha(), self.grid, self.kernel, self.form, self.device, str(self.dtype))

    def forward_batch(self, x: Array) -> Array:
        """Project each row of ``(batch, rows * columns)``."""
        return self._projector.forward_batch(x)

    def adjoint_batch(self, y: Array) -> Array:
        """Apply the adjoint to each row of ``(batch, views * detectors)``."""
        return self._projector.adjoint_batch(y)

    def subset(self, indices: ArrayLike | slice) -> RayTransform:
        """Return the operator of some views, at their share of the cost.

        The assembled form copies the rows concerned: all subsets of a partition together hold as much again.
        """
        chosen = view_indices(indices, self.geometry.count)
        geometry = self.geometry.subset(chosen)
        if not isinstance(self._projector, MatrixPair):
            return self._like(geometry)
        rows = chosen[:, None] * geometry.detectors + np.arange(geometry.detectors)
        return self._like(geometry, self._projector.rows(rows.reshape(-1)))

    def astype(self, dtype: DTypeLike) -> RayTransform:
        """Return the same operator in another precision; it must be assembled."""
        return self._like(self.geometry, self._matrices().astype(dtype), dtype)

    def _like(
        self, geometry: ScanGeometry, matrices: MatrixPair | None = None, dtype: DTypeLike | None = None
    ) -> RayTransform:
        return RayTransform(
            geometry,
            self.grid,
            kernel=self.kernel,
            form=self.form,
            device=str(self.device),
            debug=self.debug,
            dtype=self.dtype if dtype is None else dtype,
            matrices=matrices,
        )

    def __str__(self) -> str:
        return (
            f"ray transform, kernel {self.kernel}, {self.form} on {self.device}: "
            f"{self.grid} to {self.geometry.count} x {self.geometry.detectors} ({self.geometry})"
        )
