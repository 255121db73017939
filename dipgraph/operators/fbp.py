"""Filtered back projection: the analytic inverse of the ray transform on circular scans, as a linear operator."""

from __future__ import annotations

import warnings
from functools import cached_property
from typing import Any

import numpy as np
import scipy.fft

from dipgraph.operators.assembled import MatrixPair
from dipgraph.operators.backprojection import PixelDriven
from dipgraph.operators.batched import Array, BatchedOperator, array_module
from dipgraph.operators.devices import gpu_module
from dipgraph.operators.fbp_filter import FilterName, frequency_response, padded_length
from dipgraph.operators.fbp_orbit import Orbit, find_orbit
from dipgraph.operators.fbp_weights import ray_weights, sees_one_side
from dipgraph.operators.grid import ImageGrid
from dipgraph.operators.ray_transform import RayTransform

#: Back projection is kept as a matrix up to this size, for each direction [bytes].
MATRIX_LIMIT = 256 * 2**20


class FilteredBackprojection(BatchedOperator):
    r"""Filtered back projection, ``(views, detectors)`` to ``(rows, columns)``; data to image in [1/unit].

    Parallel rays, with p filtered by the windowed ramp h and t the ray's distance from the axis,

    .. math:: x(r) = \int_0^{\pi} (h * p_b)(r \cdot u_b) \, \mathrm{d}b;

    a flat fan, with source distance R, :math:`U = 1 - r \cdot n_b / R` for the direction :math:`n_b` of the source,
    and redundancy weights w that add up to 1 over each line,

    .. math:: x(r) = \int \frac{1}{U^2} \Big(h * \frac{R\, w_b\, p_b}{\sqrt{R^2 + t^2}}\Big)
              \Big(\frac{r \cdot u_b}{U}\Big) \mathrm{d}b.

    Back projection interpolates linearly between rays. Full turns, short scans, limited arcs, uneven angles; detector
    offset, centre shift and tilt are part of the geometry. On a full turn the detector may see one side of the axis
    whole and part of the other. Where views do not see the image's disc otherwise, a warning says so. A tilted or
    shifted fan's rays are resampled to even spacing by linear interpolation. Vector geometries work where the views lie
    on a circle.

    Parameters
    ----------
    A
        The ray transform to invert: its geometry, grid and device are used, not its kernel.
    filter
        "hann", "hamming", "cosine", "shepp-logan" or "ram-lak".
    cutoff
        Where the filter ends, as a share of the Nyquist frequency, in (0, 1].

    Raises
    ------
    GeometryError
        If the scan is not circular.
    InputError
        If the filter or cutoff is not one.

    References
    ----------
    A. C. Kak, M. Slaney, *Principles of Computerized Tomographic Imaging* (1988), chapter 3.
    """

    def __init__(self, A: RayTransform, filter: FilterName = "hann", cutoff: float = 1.0) -> None:
        super().__init__(A.dimsd, A.dims, dtype=A.dtype, device=A.device, name="FilteredBackprojection")
        self.filter, self.cutoff = filter, cutoff
        self.geometry, self.grid = A.geometry, A.grid
        orbit = find_orbit(A.geometry)
        one_side = sees_one_side(orbit, A.grid.circumradius)
        # Filtered, weights that fall to 0 within a view have a part beyond its end.
        self._beyond = orbit.uneven_rays() if one_side else (0, 0)
        filtered = orbit.extended(*self._beyond)
        self._response = frequency_response(filtered.detectors, orbit.step, filter, cutoff)
        self._weights = ray_weights(orbit, A.grid.circumradius)
        self._truncated = _truncated(orbit, A.grid, one_side=one_side)
        self._resample = orbit.resample
        self._driven = PixelDriven(filtered, A.grid)
        self._held: dict[tuple[str, str], Any] = {}

    def forward_batch(self, x: Array) -> Array:
        """Reconstruct from each row of ``(batch, views * detectors)``."""
        if self._truncated:
            warnings.warn(self._truncated, UserWarning, stacklevel=2)
            self._truncated = ""
        views = self._even(x.reshape(x.shape[0], *self.dims))
        weighted = views * self._on("weights", self._weights, x)
        if any(self._beyond):
            weighted = array_module(x).pad(weighted, ((0, 0), (0, 0), self._beyond))
        filtered = self._filter(weighted)
        return self._back.forward_batch(filtered.reshape(x.shape[0], -1))

    def adjoint_batch(self, y: Array) -> Array:
        """Apply the adjoint to each row of ``(batch, rows * columns)``."""
        views = self._filter(self._back.adjoint_batch(y).reshape(y.shape[0], self.dims[0], -1))
        first = self._beyond[0]
        weighted = views[..., first : first + self.dims[1]] * self._on("weights", self._weights, y)
        return self._even(weighted, transposed=True).reshape(y.shape[0], -1)

    def cache_key(self) -> tuple[object, ...]:
        """Return what the operator's values depend on."""
        scan = self.geometry.sha()
        return ("FilteredBackprojection", scan, self.grid, self.filter, self.cutoff, self.device, str(self.dtype))

    def _on(self, name: str, array: Any, like: Array) -> Array:
        """Return one of the operator's own arrays on the device and in the precision of `like`."""
        key = (name, str(like.dtype))
        if key not in self._held:
            self._held[key] = array_module(like).asarray(array).astype(like.dtype)
        return self._held[key]

    def _even(self, views: Array, *, transposed: bool = False) -> Array:
        if self._resample is None:
            return views
        matrix = self._on("resample", self._resample.toarray(), views)
        return views @ (matrix if transposed else matrix.T)

    def _filter(self, views: Array) -> Array:
        fft = scipy.fft if array_module(views) is np else gpu_module("cupyx.scipy.fft")
        length = padded_length(views.shape[-1])
        spectrum = fft.rfft(views, n=length, axis=-1)
        spectrum *= self._on("response", self._response, views)
        return fft.irfft(spectrum, n=length, axis=-1)[..., : views.shape[-1]]

    @cached_property
    def _back(self) -> MatrixPair | PixelDriven:
        """Back projection: as matrices where they are small, else computed at each call."""
        if self._driven.matrix_bytes(self.dtype.itemsize) > MATRIX_LIMIT:
            return self._driven
        pair = self._driven.matrices(self.dtype)
        return pair.to_gpu() if self.device == "cuda" else pair


def _truncated(orbit: Orbit, grid: ImageGrid, *, one_side: bool) -> str:
    """Say that lines through the image's disc are not measured, or nothing where they are."""
    short, long = sorted(orbit.sides())
    seen = max(0.0, orbit.seen(long if one_side else short))
    if seen >= grid.inradius - grid.pixel:
        return ""
    return (
        f"filtered back projection needs whole views, and they see a disc of radius {seen:.4g} {grid.unit} around the "
        f"axis where the image's has {grid.inradius:.4g}: an object that reaches beyond gets a wrong density everywhere"
    )
