"""The scale of an image: which value maps to 1, estimated where the problem does not say."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pylops import LinearOperator
from scipy.ndimage import gaussian_filter

from dipgraph.data.scores import disc
from dipgraph.operators.norm import adjoint_needed
from dipgraph.signatures.errors import InputError

HEADROOM = 1.2
"""The scale over the brightest part of the smoothed image."""
SMOOTHING = 2.0
"""Standard deviation of the Gaussian that smooths it [pixels]."""
BRIGHTEST = 99.9
"""Percentile that stands for the brightest part."""
CG_STEPS = 10
"""Steps of CGLS where there is no analytic inverse."""
SATURATED = 0.99
"""Share of the scale from which on a value counts as saturated."""
ROUNDING = 1e-3
"""What it may be above the scale and still count."""
TOLERATED = 0.01
"""Share of saturated pixels that calls for no warning."""


def estimate_scale(
    A: LinearOperator, y: NDArray[np.floating], shape: tuple[int, int], fbp: LinearOperator | None = None
) -> float:
    """Estimate the image value that maps to 1 [the image's unit].

    The 99.9th percentile, within the inscribed disc, of a reconstruction smoothed by a Gaussian of 2 pixels, with 20 %
    headroom, rounded to two digits: a few changed rays do not move it. The reconstruction is filtered back projection,
    or 10 steps of CGLS where there is none.

    Raises
    ------
    InputError
        If the reconstruction is nowhere positive.
    """
    # A power of two costs no digit, and keeps the squares of conjugate gradients within single precision.
    size = 2.0 ** math.floor(math.log2(float(np.abs(y).max())))
    first = first_image(A, np.asarray(y / size, dtype=y.dtype), shape, fbp)
    smooth = gaussian_filter(first, SMOOTHING, mode="nearest")
    top = float(np.percentile(smooth[disc(shape)], BRIGHTEST))
    if not (math.isfinite(top) and top > 0):
        raise InputError(
            "the scale cannot be estimated: the first reconstruction is nowhere positive",
            where="scale",
            remedy="give the image value that maps to 1; check the sign of the data (line integrals are positive)",
        )
    return two_digits(HEADROOM * top * size)


def first_image(
    A: LinearOperator, y: NDArray[np.floating], shape: tuple[int, int], fbp: LinearOperator | None = None
) -> NDArray[np.float64]:
    """Return the plain reconstruction that the estimate rests on, ``(rows, columns)``."""
    flat = np.asarray(y).reshape(-1)
    with adjoint_needed(A):
        image = fbp @ flat if fbp is not None else cgls(A, flat, CG_STEPS)
    return np.asarray(image, dtype=np.float64).reshape(shape)


def cgls(A: LinearOperator, y: NDArray[Any], steps: int) -> NDArray[Any]:
    """Take steps of conjugate gradients on ‖Ax − y‖² from 0 (Hestenes and Stiefel 1952); flat arrays."""
    x = np.zeros(A.shape[1], dtype=y.dtype)
    residual = y.copy()
    gradient = A.H @ residual
    direction, power = gradient.copy(), float(np.vdot(gradient, gradient).real)
    for _ in range(steps):
        if power == 0:
            break
        image = A @ direction
        step = power / max(float(np.vdot(image, image).real), np.finfo(np.float64).tiny)
        x = x + step * direction
        residual = residual - step * image
        gradient = A.H @ residual
        power, before = float(np.vdot(gradient, gradient).real), power
        direction = gradient + (power / before) * direction
    return x


def two_digits(value: float) -> float:
    """Round a positive number to two significant digits."""
    return float(f"{value:.1e}")


def saturated_share(image: NDArray[np.floating], scale: float) -> float:
    """Return the share of pixels at the top of a network's range: from 99 % of the scale to the scale.

    Values above it are none of a network whose range ends there.

    Parameters
    ----------
    image
        ``(rows, columns)``, in physical units.
    scale
        The image value that maps to 1.
    """
    values = np.asarray(image) / scale
    return float(np.mean((values >= SATURATED) & (values <= 1 + ROUNDING)))


def saturation_warning(share: float, scale: float) -> str | None:
    """Return advice where more than 1 % of the pixels are at the top of the network's range, else none."""
    if share <= TOLERATED:
        return None
    return (
        f"{share:.1%} of the pixels reach the scale ({scale:g}), the top of a sigmoid network's range: "
        "raise the problem's scale, or use another output"
    )
