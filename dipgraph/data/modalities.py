"""Forward operators beyond the ray transform, all from PyLops: denoising, inpainting, deblurring."""

from __future__ import annotations

import numpy as np
import pylops
from pylops import LinearOperator

from dipgraph.signatures.errors import InputError


def identity(shape: tuple[int, int]) -> LinearOperator:
    """Return the identity: the data are the image with noise.

    Parameters
    ----------
    shape
        Rows and columns; data have the same shape.
    """
    return _shaped(pylops.Identity(shape[0] * shape[1], dtype=np.float32), shape, shape)


def mask(shape: tuple[int, int], keep: float = 0.5, seed: int = 0) -> LinearOperator:
    """Return the restriction to a random part of the pixels: the data are those pixels, as one row of numbers.

    Parameters
    ----------
    shape
        Rows and columns.
    keep
        Share of the pixels that is measured, rounded to whole pixels.
    seed
        Equal seeds measure the same pixels.
    """
    size = shape[0] * shape[1]
    count = round(keep * size)
    if not 1 <= count <= size:
        raise InputError(f"a mask that keeps {keep:g} of the pixels", where="mask", remedy="give a share in (0, 1]")
    draw = np.random.Generator(np.random.PCG64([seed, 5]))
    kept = np.sort(draw.permutation(size)[:count])
    return pylops.Restriction(size, kept, dtype=np.float32) * identity(shape)


def blur(shape: tuple[int, int], width: float = 1.5) -> LinearOperator:
    r"""Return the convolution with a Gaussian, zero beyond the image's edge.

    .. math:: h_{ij} \propto \exp(-(i^2 + j^2)/(2 w^2)), \quad |i|, |j| \le \lceil 3 w \rceil, \quad \sum h = 1

    Parameters
    ----------
    shape
        Rows and columns; data have the same shape.
    width
        Standard deviation w [pixels].
    """
    reach = int(np.ceil(3.0 * width))
    if not width > 0 or 2 * reach + 1 > min(shape):
        raise InputError(
            f"a blur of {width:g} pixels on an image of {shape[0]} x {shape[1]}",
            where="blur",
            remedy="give a positive width whose sixfold fits into the image",
        )
    line = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
    kernel = np.outer(line, line)
    kernel = (kernel / kernel.sum()).astype(np.float32)
    return pylops.signalprocessing.Convolve2D(shape, kernel, offset=(reach, reach), dtype=np.float32)


def _shaped(operator: LinearOperator, dims: tuple[int, int], dimsd: tuple[int, int]) -> LinearOperator:
    """Give a flat operator the shapes of its image and data."""
    operator.dims, operator.dimsd = dims, dimsd
    return operator
