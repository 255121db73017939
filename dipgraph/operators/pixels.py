"""Operators that act on pixels alone: a mask, and means over blocks, the way to a coarser grid."""

from __future__ import annotations

import operator
from math import prod

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from dipgraph.operators.batched import Array, BatchedOperator, array_module
from dipgraph.signatures.errors import InputError


class Mask(BatchedOperator):
    """Multiplication by a mask of zeros and ones, or by weights: ``(Mx)_i = m_i x_i``. It is its own adjoint.

    Parameters
    ----------
    mask
        Boolean or real array of the image's shape.
    dtype
        float32 or float64.

    Raises
    ------
    InputError
        If the mask is empty, complex or not finite.
    """

    def __init__(self, mask: ArrayLike, *, dtype: DTypeLike = np.float32) -> None:
        array = np.asarray(mask)
        if array.ndim == 0 or array.size == 0 or array.dtype.kind not in "biuf" or not np.isfinite(array).all():
            raise InputError(
                f"a mask of shape {array.shape} and dtype {array.dtype} cannot be used",
                where="mask",
                remedy="give a non-empty array of finite real numbers or booleans",
            )
        super().__init__(array.shape, array.shape, dtype=dtype, device=None, name="Mask")
        self.mask = array.astype(self.dtype)
        self.nonnegative = bool((array >= 0).all())
        self._held: dict[str, Array] = {"numpy": self.mask.reshape(-1)}

    def forward_batch(self, x: Array) -> Array:
        """Multiply each row of ``(batch, pixels)``."""
        xp = array_module(x)
        if xp.__name__ not in self._held:
            self._held[xp.__name__] = xp.asarray(self.mask.reshape(-1))
        return x * self._held[xp.__name__].astype(x.dtype, copy=False)

    def adjoint_batch(self, y: Array) -> Array:
        """Multiply each row of ``(batch, pixels)``: the operator is its own adjoint."""
        return self.forward_batch(y)

    def closed_norm(self) -> float:
        """Return the largest magnitude of the mask."""
        return float(np.abs(self.mask).max())


class BlockMean(BatchedOperator):
    """Means over blocks of ``factor`` pixels along each axis, from a fine grid to a coarse one.

    The adjoint spreads each coarse value over its block, divided by the pixels in it; times their number it is the
    piecewise constant interpolation back.

    Parameters
    ----------
    shape
        Shape of the fine image.
    factor
        Pixels per block along each axis; it divides every side.
    dtype
        float32 or float64.

    Raises
    ------
    InputError
        If the factor does not divide the sides.
    """

    def __init__(self, shape: tuple[int, ...], factor: int, *, dtype: DTypeLike = np.float32) -> None:
        try:
            shape, factor = tuple(operator.index(n) for n in shape), operator.index(factor)
        except TypeError:
            factor = 0
        if factor < 1 or not shape or any(n < 1 or n % factor for n in shape):
            raise InputError(
                f"an image of shape {shape} has no blocks of {factor}",
                where="factor",
                remedy="give a whole factor that divides every side",
            )
        coarse = tuple(n // factor for n in shape)
        super().__init__(shape, coarse, dtype=dtype, device=None, name="BlockMean")
        self.factor = factor
        self.nonnegative = True
        self._split = tuple(size for n in coarse for size in (n, factor))
        self._inner = tuple(range(2, 2 * len(shape) + 1, 2))
        self._block = factor ** len(shape)

    def forward_batch(self, x: Array) -> Array:
        """Average each row of ``(batch, fine pixels)``."""
        return x.reshape(x.shape[0], *self._split).mean(axis=self._inner).reshape(x.shape[0], prod(self.dimsd))

    def adjoint_batch(self, y: Array) -> Array:
        """Spread each row of ``(batch, coarse pixels)``."""
        xp = array_module(y)
        spread = y.reshape(y.shape[0], *(n for size in self.dimsd for n in (size, 1)))
        full = xp.broadcast_to(spread / self._block, (y.shape[0], *self._split))
        return full.reshape(y.shape[0], prod(self.dims))

    def closed_norm(self) -> float:
        """Return 1 over the square root of the pixels in a block."""
        return float(self._block**-0.5)
