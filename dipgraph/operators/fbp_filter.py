"""The ramp filter of filtered back projection and the windows that tame it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from dipgraph.signatures.errors import InputError

FloatArray = NDArray[np.float64]
FilterName = Literal["ram-lak", "shepp-logan", "cosine", "hamming", "hann"]

#: Windows as functions of the frequency over the cutoff, in [0, 1].
WINDOWS: dict[str, Callable[[FloatArray], FloatArray]] = {
    "ram-lak": lambda w: np.ones_like(w),
    "shepp-logan": lambda w: np.sinc(w / 2),
    "cosine": lambda w: np.cos(math.pi * w / 2),
    "hamming": lambda w: 0.54 + 0.46 * np.cos(math.pi * w),
    "hann": lambda w: 0.5 + 0.5 * np.cos(math.pi * w),
}


def frequency_response(detectors: int, step: float, name: str = "hann", cutoff: float = 1.0) -> FloatArray:
    r"""Return the filter's real response at the frequencies of ``rfft``, padded so that nothing wraps around [1/unit].

    The ramp is taken from its band-limited kernel in space, sampled at the detector,

    .. math:: h_0 = 1 / (4\tau^2), \quad h_k = -1 / (\pi k \tau)^2 (k \text{ odd}), \quad 0 (k \text{ even}),

    so that its mean value is right, and multiplied by :math:`\tau` (the sum stands for an integral) and the window.

    Parameters
    ----------
    detectors
        Rays per view.
    step
        Their distance at the axis, tau [unit].
    name
        "ram-lak" (no window), "shepp-logan", "cosine", "hamming" or "hann".
    cutoff
        Where the window ends, as a share of the Nyquist frequency, in (0, 1]; frequencies above are removed.

    Raises
    ------
    InputError
        If the filter is unknown or the cutoff out of range.

    References
    ----------
    A. C. Kak, M. Slaney, *Principles of Computerized Tomographic Imaging* (1988), section 3.3.
    """
    if name not in WINDOWS:
        raise InputError(f"filter is {name!r}", where="filter", remedy=f"give one of {', '.join(WINDOWS)}")
    if not 0 < cutoff <= 1:
        raise InputError(f"cutoff is {cutoff!r}", where="cutoff", remedy="give a number above 0 and at most 1")
    length = padded_length(detectors)
    lag = np.minimum(np.arange(length), length - np.arange(length))
    kernel = np.zeros(length)
    kernel[0] = 0.25
    odd = lag % 2 == 1
    kernel[odd] = -1.0 / (math.pi * lag[odd]) ** 2
    ramp = fft.rfft(kernel).real / abs(step)
    relative = np.arange(ramp.size) / (length / 2) / cutoff
    response: FloatArray = ramp * np.where(relative <= 1 + 1e-12, WINDOWS[name](np.minimum(relative, 1)), 0.0)
    return response


def padded_length(detectors: int) -> int:
    """Return the length to which views are padded with zeros."""
    return 2 * int(fft.next_fast_len(max(32, detectors), real=True))
