"""The norm of an operator, ||A||, with a bound from above."""

from __future__ import annotations

import math
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from pylops import LinearOperator
from scipy.linalg import eigh_tridiagonal

from dipgraph.operators.batched import Array, BatchedOperator
from dipgraph.signatures.errors import InputError

MAX_ITERATIONS = 300
#: Lanczos' iteration takes this many steps at least: the first ones may not yet see a value that stands out a little.
LEAST_ITERATIONS = 10
EXHAUSTED = 4.0

Bounds = tuple[float, float]

_by_key: dict[tuple[object, ...], Bounds] = {}
_by_operator: weakref.WeakKeyDictionary[Any, dict[tuple[float, int], Bounds]] = weakref.WeakKeyDictionary()


def norm(op: LinearOperator, *, tolerance: float = 1e-4, seed: int = 0) -> float:
    r"""Return :math:`\|A\| = \sqrt{\lambda_{\max}(A^H A)}`, rounded up rather than down.

    This is the upper of :func:`norm_bounds`, what a step size :math:`1/\|A\|^2` needs to be safe.

    Parameters
    ----------
    op
        The operator.
    tolerance
        Relative distance of the bounds at which to stop.
    seed
        Of the start vector, where one is drawn.
    """
    return norm_bounds(op, tolerance=tolerance, seed=seed)[1]


def norm_bounds(op: LinearOperator, *, tolerance: float = 1e-4, seed: int = 0) -> Bounds:
    r"""Return a lower and an upper bound of :math:`\|A\|`.

    For an operator without negative entries (it says so by ``nonnegative``), power iteration with the Collatz-Wielandt
    quotient: for any v > 0,

    .. math:: \|Av\|^2/\|v\|^2 \le \|A\|^2 \le \max_i (A^T A v)_i / v_i,

    strictly, the last quotient taken in float64. For any other operator, Lanczos iteration on :math:`A^H A` from a
    random start, ten steps at least: the largest Ritz value and, above it, that value plus its residual. There the
    upper bound holds with probability, not always: some eigenvalue lies within the residual, the leading one once the
    iteration has met its eigenvector. An eigenvalue that hardly stands out from very many others may be missed.

    An operator that offers ``closed_norm`` is asked. Bounds are kept by the operator's ``cache_key`` where it has one,
    which outlives the operator, else by the operator itself. Where ``MAX_ITERATIONS`` do not suffice the bounds are
    further apart than the tolerance, and still bounds.

    Raises
    ------
    InputError
        If the tolerance is not positive, or the operator gives values that are not finite.

    References
    ----------
    L. Collatz, *Einschliessungssatz fuer die charakteristischen Zahlen von Matrizen*, Math. Z. 48 (1942);
    B. N. Parlett, *The Symmetric Eigenvalue Problem* (1998), section 13.
    """
    if not tolerance > 0:
        raise InputError(f"tolerance is {tolerance!r}", where="tolerance", remedy="give a positive number")
    kind = type(op).__name__
    args: tuple[Any, ...] = getattr(op, "args", ())
    # PyLops' own wrappers around another operator change its norm in a known way.
    if kind in ("_AdjointLinearOperator", "_TransposedLinearOperator"):
        return norm_bounds(args[0], tolerance=tolerance, seed=seed)
    if kind == "_ScaledLinearOperator":
        low, high = norm_bounds(args[0], tolerance=tolerance, seed=seed)
        return abs(args[1]) * low, abs(args[1]) * high
    if hasattr(op, "closed_norm"):
        value = float(op.closed_norm())
        return value, value
    return _cached(op, tolerance, seed)


def _cached(op: LinearOperator, tolerance: float, seed: int) -> Bounds:
    if hasattr(op, "cache_key"):
        key = (*op.cache_key(), tolerance, seed)
        if key not in _by_key:
            _by_key[key] = _compute(op, tolerance, seed)
        return _by_key[key]
    kept = _by_operator.setdefault(op, {})
    if (tolerance, seed) not in kept:
        kept[tolerance, seed] = _compute(op, tolerance, seed)
    return kept[tolerance, seed]


def _compute(op: LinearOperator, tolerance: float, seed: int) -> Bounds:
    if getattr(op, "nonnegative", False):
        return _collatz_wielandt(op, tolerance)
    return _lanczos(op, tolerance, seed)


def _module(op: LinearOperator) -> Any:
    if getattr(op, "device", None) == "cuda":
        import cupy

        return cupy
    return np


def _gram(op: LinearOperator, v: Array) -> tuple[Array, Array]:
    """Return Av and A^H A v."""
    forward = op.matvec(v)
    with adjoint_needed(op):
        return forward, op.rmatvec(forward)


@contextmanager
def adjoint_needed(op: LinearOperator) -> Iterator[None]:
    """Within, tell an operator that has no adjoint by name; raises :class:`InputError`."""
    try:
        yield
    except NotImplementedError as error:
        raise InputError(
            f"{type(op).__name__} has no adjoint",
            remedy="give one: pylops.FunctionOperator(forward, adjoint, rows, columns)",
        ) from error


def _collatz_wielandt(op: LinearOperator, tolerance: float) -> Bounds:
    xp = _module(op)
    # One application from a positive vector leaves 0 exactly at the pixels no ray meets, which take no part.
    v = _gram(op, xp.ones(op.shape[1], dtype=op.dtype))[1]
    for _ in range(MAX_ITERATIONS):
        scale = float(v.max())
        if scale == 0:
            return 0.0, 0.0
        v /= scale
        forward, u = _gram(op, v)
        low, high = float(xp.vdot(forward, forward)), float(xp.vdot(v, v))
        if _quotient(xp, u, v) <= low / high * (1 + tolerance):
            break
        v = u
    v = v.astype(np.float64)
    forward, u = _gram(op, v)
    low = math.sqrt(float(xp.vdot(forward, forward)) / float(xp.vdot(v, v)))
    high = math.sqrt(_quotient(xp, u, v))
    margin = _rounding(op)
    return low / (1 + margin), high * (1 + margin)


def _quotient(xp: Any, u: Array, v: Array) -> float:
    seen = v > 0
    return float((u[seen] / v[seen]).max())


def _rounding(op: LinearOperator) -> float:
    """Bound the relative error of sums of non-negative terms: their number times the precision they are added in."""
    precision = np.finfo(op.precision if isinstance(op, BatchedOperator) else op.dtype).eps
    return float((2 * sum(op.dims) + 4 * sum(op.dimsd)) * precision)


def _lanczos(op: LinearOperator, tolerance: float, seed: int) -> Bounds:
    xp = _module(op)
    v = xp.asarray(np.random.default_rng(seed).standard_normal(op.shape[1])).astype(op.dtype)
    v /= xp.linalg.norm(v)
    before, diagonal = xp.zeros_like(v), list[float]()
    off = list[float]()
    ritz, residual, margin = 0.0, math.inf, 64 * float(np.finfo(op.dtype).eps)
    for turn in range(min(MAX_ITERATIONS, op.shape[1])):
        u = _gram(op, v)[1].astype(v.dtype, copy=False)
        diagonal.append(float(xp.vdot(v, u).real))
        u = u - diagonal[-1] * v - (off[-1] if off else 0.0) * before
        # Once more against the last vector: cheap, and keeps the leading Ritz value clean.
        u -= xp.vdot(v, u) * v
        length = float(xp.linalg.norm(u))
        if not math.isfinite(length):
            raise InputError(
                f"{type(op).__name__} or its adjoint gives values that are not finite",
                remedy="look for a division by 0 or an array that is not filled in its _matvec and _rmatvec",
            )
        values, vectors = eigh_tridiagonal(diagonal, off)
        ritz, residual = float(values[-1]), length * abs(float(vectors[-1, -1]))
        converged = turn + 1 >= LEAST_ITERATIONS and residual <= tolerance * ritz
        # Nothing is left of the vector but rounding: the space is exhausted.
        if converged or length <= EXHAUSTED * float(np.finfo(op.dtype).eps) * max(ritz, 1e-300):
            break
        off.append(length)
        before, v = v, u / length
    ritz = max(ritz, 0.0)
    return math.sqrt(ritz) * (1 - margin), math.sqrt(ritz + residual) * (1 + margin)
