"""Laws of a linear operator in PyLops form: linearity, and an adjoint that is one."""

from __future__ import annotations

from typing import Any

import numpy as np
from pylops import LinearOperator

from dipgraph.operators.norm import norm
from dipgraph.signatures.errors import InputError
from dipgraph.testing.records import LawRecord, require, worst

Array = Any


def measure_linear(op: LinearOperator, *, draws: int = 3, seed: int = 0, bound: float | None = None) -> LawRecord:
    r"""Measure :math:`\|A(ax + by) - aAx - bAy\|` relative to :math:`\|A\|(\|ax\| + \|by\|)`, and that A0 is 0.

    For :math:`\|A\|` stands the largest :math:`\|Ax\|/\|x\|` of the draws and of a positive x: the adjoint, which may
    be wrong, is not asked.
    """
    _refuse_others(op)
    draw = _Draws(op, seed)
    positive = draw.domain(positive=True)
    ratios, errors, lengths = [_ratio(_length(op.matvec(positive)), _length(positive))], [], []
    for _ in range(draws):
        x, y = draw.domain(), draw.domain()
        a, b = (draw.scalar(x.dtype) for _ in range(2))
        # Copies, lest an operator that returns the same array each time overwrites what is compared.
        images = [op.matvec(v).copy() for v in (a * x + b * y, x, y)]
        errors.append(_length(images[0] - (a * images[1] + b * images[2])))
        lengths.append(_length(a * x) + _length(b * y))
        ratios += [_ratio(_length(image), _length(v)) for image, v in zip(images[1:], (x, y), strict=True)]
    size = worst(ratios)
    errors = [_ratio(error, size * length) for error, length in zip(errors, lengths, strict=True)]
    errors.append(_length(op.matvec(0 * positive)))
    return LawRecord("linear", worst(errors), _default_bound(op) if bound is None else bound)


def assert_linear(op: LinearOperator, *, draws: int = 3, seed: int = 0, bound: float | None = None) -> LawRecord:
    """Raise LawError unless the operator is linear (:func:`measure_linear`)."""
    return require(measure_linear(op, draws=draws, seed=seed, bound=bound))


def measure_adjoint(op: LinearOperator, *, draws: int = 4, seed: int = 0, bound: float | None = None) -> LawRecord:
    r"""Measure :math:`|\langle Ax, y\rangle - \langle x, A^H y\rangle|` relative to :math:`\|A\|\,\|x\|\,\|y\|`.

    Half the vectors drawn are positive, half of mean zero: the former show a wrong scale, which on the latter hides
    below the norms of a smoothing operator. The detail gives the factor the adjoint would have to be multiplied by to
    fit best, and what error that would leave, which tells a mis-scaled adjoint from a wrong one.

    Parameters
    ----------
    op
        The operator.
    draws
        Pairs of vectors, at least 2.
    seed
        Of the draws.
    bound
        What is allowed; by default what the operator declares (``adjoint_bound``), else 1e-6 in single and 1e-12 in
        double precision.
    """
    _refuse_others(op)
    draw = _Draws(op, seed)
    left, right, lengths = [], [], []
    size = _size(op)
    for number in range(max(2, draws)):
        x, y = draw.domain(positive=number % 2 == 0), draw.codomain(positive=number % 2 == 0)
        forward, adjoint = op.matvec(x), op.rmatvec(y)
        left.append(_inner(forward, y))
        right.append(_inner(x, adjoint))
        # The norm is computed with the adjoint; one that is too small must not make ||A|| too small with it.
        size = worst([size, _ratio(_length(forward), _length(x))])
        lengths.append(size * _length(x) * _length(y))
    p, q, sizes = np.array(left), np.array(right), np.array(lengths)
    with np.errstate(all="ignore"):
        scale = float(np.real(np.vdot(q, p) / np.vdot(q, q))) if np.abs(q).max() > 0 else float("nan")
        rest = _worst(np.abs(p - scale * q), sizes)
    allowed = getattr(op, "adjoint_bound", _default_bound(op)) if bound is None else bound
    detail = f"scale {scale:.6g}, error with the scale corrected {rest:.2g}"
    return LawRecord("adjoint", _worst(np.abs(p - q), sizes), float(allowed), detail)


def assert_adjoint(op: LinearOperator, *, draws: int = 4, seed: int = 0, bound: float | None = None) -> LawRecord:
    """Raise LawError unless the operator's adjoint is one (:func:`measure_adjoint`)."""
    return require(measure_adjoint(op, draws=draws, seed=seed, bound=bound))


def _size(op: LinearOperator) -> float:
    """Return the norm, nan where values that are not finite leave none."""
    try:
        return norm(op, tolerance=1e-2)
    except InputError:
        return float("nan")


def _refuse_others(op: object) -> None:
    if not isinstance(op, LinearOperator):
        kind = f"{type(op).__module__}.{type(op).__name__}"
        raise InputError(f"op is a {kind}", where="op", remedy="give a PyLops operator: pylops.MatrixMult(...)")


class _Draws:
    """Random vectors of an operator's two spaces, in its precision and on its device."""

    def __init__(self, op: LinearOperator, seed: int) -> None:
        self._op = op
        self._random = np.random.default_rng(seed)
        self._xp: Any = np
        if getattr(op, "device", None) == "cuda":
            import cupy

            self._xp = cupy

    def domain(self, *, positive: bool = False) -> Array:
        return self._vector(self._op.shape[1], positive)

    def codomain(self, *, positive: bool = False) -> Array:
        return self._vector(self._op.shape[0], positive)

    def scalar(self, dtype: Any) -> Any:
        return np.dtype(dtype).type(self._random.normal())

    def _vector(self, size: int, positive: bool) -> Array:
        drawn = self._random.random(size) if positive else self._random.standard_normal(size)
        if np.dtype(self._op.dtype).kind == "c" and not positive:
            drawn = drawn + 1j * self._random.standard_normal(size)
        return self._xp.asarray(drawn.astype(self._op.dtype))


def _inner(a: Array, b: Array) -> complex:
    double = np.complex128 if "c" in (np.dtype(a.dtype).kind, np.dtype(b.dtype).kind) else np.float64
    return complex((b.astype(double).conj() * a.astype(double)).sum())


def _length(a: Array) -> float:
    return float(np.sqrt(_inner(a, a).real))


def _ratio(value: float, scale: float) -> float:
    if scale == 0:
        return 0.0 if value == 0 else float("inf")
    return value / scale


def _worst(errors: Any, sizes: Any) -> float:
    return worst(_ratio(float(e), float(s)) for e, s in zip(errors, sizes, strict=True))


def _default_bound(op: LinearOperator) -> float:
    return 1e-6 if np.finfo(op.dtype).eps > 1e-10 else 1e-12
