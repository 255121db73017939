"""Parts of a problem: subsets of the views, and the same scan on a coarser image grid."""

from __future__ import annotations

import operator
import warnings
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pylops import LinearOperator, Restriction

from dipgraph.operators.geometry_checks import view_indices
from dipgraph.operators.ray_transform import RayTransform
from dipgraph.signatures.errors import InputError

Order = Literal["interlaced", "sequential", "random"]


def partition(views: int, parts: int, order: Order = "interlaced", *, seed: int = 0) -> list[NDArray[np.int64]]:
    """Split the numbers 0 to views - 1 into parts whose sizes differ by one at most.

    Parameters
    ----------
    views
        Number of views.
    parts
        Number of parts, 1 to `views`; it need not divide them.
    order
        "interlaced": part i holds the views i, i + parts, ...; "sequential": neighbours stay together; "random":
        drawn without replacement, each part sorted.
    seed
        Of the random order.

    Raises
    ------
    InputError
        If there are more parts than views, fewer than one, or the order is unknown.
    """
    try:
        views, parts = operator.index(views), operator.index(parts)
    except TypeError:
        raise InputError(f"cannot split {views!r} views into {parts!r} parts", remedy="give whole numbers") from None
    if not 1 <= parts <= views:
        raise InputError(
            f"cannot split {views} views into {parts} parts", where="parts", remedy=f"give 1 to {views} parts"
        )
    if order not in get_args(Order):
        raise InputError(f"order is {order!r}", where="order", remedy=f"give one of {', '.join(get_args(Order))}")
    if order == "interlaced":
        return [np.arange(start, views, parts) for start in range(parts)]
    if order == "sequential":
        return [np.asarray(part) for part in np.array_split(np.arange(views), parts)]
    shuffled = np.random.default_rng(seed).permutation(views)
    return [np.sort(part) for part in np.array_split(shuffled, parts)]


def view_subset(A: LinearOperator, indices: ArrayLike | slice) -> LinearOperator:
    """Return the operator of some views: the rows of A that belong to them, in the order given.

    A :class:`RayTransform` costs its share. Another operator is evaluated whole and then restricted, which saves
    nothing: a warning says so. Views are the first axis of its codomain.

    Raises
    ------
    InputError
        If there is no view, one is named twice or does not exist.
    """
    if isinstance(A, RayTransform):
        return A.subset(indices)
    chosen = view_indices(indices, int(A.dimsd[0]))
    warnings.warn(f"{type(A).__name__} has no cheap subsets: each costs a full application", UserWarning, stacklevel=2)
    return Restriction(tuple(A.dimsd), chosen, axis=0, dtype=A.dtype) @ A


def coarsen(A: RayTransform, factor: int) -> RayTransform:
    """Return the ray transform of the same scan onto a grid whose pixels are `factor` times as wide.

    It maps to the same data space. :class:`~dipgraph.operators.pixels.BlockMean` goes between the two grids.

    Raises
    ------
    GeometryError
        If the factor does not divide the image's sides.
    """
    form = A.form if A.form == "assembled" else "projected"
    return RayTransform(
        A.geometry,
        A.grid.coarsen(factor),
        kernel=A.kernel,
        form=form,
        device=str(A.device),
        debug=A.debug,
        dtype=A.dtype,
    )
