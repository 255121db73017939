"""Laws of a proximal map: optimality, firm non-expansiveness, Moreau's identity against closed forms."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch

from dipgraph.testing.records import LawRecord, require, require_all, tensors, worst

Prox = Callable[[torch.Tensor, float], torch.Tensor]
Functional = Callable[[torch.Tensor], torch.Tensor]

#: Values of g asked for, at most, to take one point back into its domain.
MOST_ASKED = 40


def measure_prox(
    prox: Prox,
    functional: Functional | None,
    points: Sequence[torch.Tensor],
    *,
    gamma: float = 0.7,
    closed_form: Prox | None = None,
    conjugate: Prox | None = None,
    bound: float = 1e-5,
) -> list[LawRecord]:
    r"""Measure the laws of :math:`p = \mathrm{prox}_{\gamma g}(v) = \arg\min_x g(x) + \frac{1}{2\gamma}\|x - v\|^2`.

    - *optimality*: :math:`s = (v - p)/\gamma` is a subgradient of g at p, that is
      :math:`g(z) \ge g(p) + \langle s, z - p\rangle` for all z. Points z are drawn, and sought by ascent on the
      violation, which finds a threshold that is off by a little; where g is infinite they are taken back towards p,
      coordinate by coordinate, until it is not. Relative to :math:`|g(p)| + \|s\|\|z - p\|`. An infinite g(p) breaks
      the law.
    - *firm*: :math:`\|p - q\|^2 \le \langle p - q, v - w\rangle` for each two points, relative to
      :math:`\|v - w\|^2`.
    - *closed form*, where one is given: the largest difference, relative to the largest value.
    - *Moreau*, where the prox of the conjugate is given in closed form (a prox defined by this identity would prove
      nothing): :math:`v = \mathrm{prox}_{\gamma g}(v) + \gamma\,\mathrm{prox}_{g^*/\gamma}(v/\gamma)`.

    Parameters
    ----------
    prox
        ``prox(v, gamma)``.
    functional
        g, convex, from a tensor to a scalar; None leaves optimality out. Infinite values mark points outside g's
        domain, where no result of the prox may lie: leave room for rounding.
    points
        At least two points v of one shape, best in float64.
    gamma
        Step of the prox.
    closed_form
        ``closed_form(v, gamma)``, what the prox should be.
    conjugate
        ``conjugate(v, gamma)``, the prox of gamma times the conjugate of g, in closed form.
    bound
        What is allowed; a prox solved to a tolerance needs a bound that goes with it.
    """
    tensors("points", *points)
    with torch.no_grad():
        images = [prox(v, gamma) for v in points]
    records = []
    if functional is not None:
        violations = [_violation(functional, v, p, gamma) for v, p in zip(points, images, strict=True)]
        records.append(LawRecord("prox optimality", worst(violations), bound))
    pairs = [(i, j) for i in range(len(points)) for j in range(i)]
    excess = [_expansion(points[i] - points[j], images[i] - images[j]) for i, j in pairs]
    records.append(LawRecord("prox firm", worst(excess) if pairs else float("nan"), bound))
    if closed_form is not None:
        errors = [_difference(p, closed_form(v, gamma)) for v, p in zip(points, images, strict=True)]
        records.append(LawRecord("prox closed form", worst(errors), bound))
    if conjugate is not None:
        errors = [
            _difference(v, p + gamma * conjugate(v / gamma, 1 / gamma)) for v, p in zip(points, images, strict=True)
        ]
        records.append(LawRecord("prox Moreau", worst(errors), bound))
    return records


def assert_prox(
    prox: Prox,
    functional: Functional | None,
    points: Sequence[torch.Tensor],
    *,
    gamma: float = 0.7,
    closed_form: Prox | None = None,
    conjugate: Prox | None = None,
    bound: float = 1e-5,
) -> list[LawRecord]:
    """Raise LawError unless a proximal map obeys its laws (:func:`measure_prox`)."""
    return require_all(
        measure_prox(prox, functional, points, gamma=gamma, closed_form=closed_form, conjugate=conjugate, bound=bound)
    )


def measure_resolvent(
    prox: Prox, points: Sequence[torch.Tensor], *, gamma: float = 0.7, share: float = 0.5, bound: float = 1e-4
) -> LawRecord:
    r"""Measure how the proximal map depends on its step, without knowing g.

    With :math:`p = \mathrm{prox}_{\gamma g}(v)`, the step :math:`t\gamma` from the point :math:`p + t(v - p)` leads to
    p again, for any t in (0, 1): the same subgradient is left over. Holds for every g, convex or not, and finds a step
    that is forgotten, squared, or added to. The largest distance of the two, relative to :math:`\|v - p\|`.

    Parameters
    ----------
    prox
        ``prox(v, gamma)``.
    points
        Points v that the prox moves; those it leaves where they are prove nothing.
    gamma
        Step of the prox.
    share
        t.
    bound
        What is allowed.

    References
    ----------
    Bauschke, Combettes, *Convex analysis and monotone operator theory in Hilbert spaces*, 2017, proposition 23.31.
    """
    tensors("points", *points)
    errors = []
    with torch.no_grad():
        for v in points:
            p = prox(v, gamma)
            moved = float((v - p).norm())
            again = prox(p + share * (v - p), share * gamma)
            errors.append(float((again - p).norm()) / moved if moved > 0 else 0.0)
    if not errors:
        return LawRecord("prox resolvent", float("nan"), bound, "no points were given")
    return LawRecord("prox resolvent", worst(errors), bound, f"step times {share:g}")


def assert_resolvent(
    prox: Prox, points: Sequence[torch.Tensor], *, gamma: float = 0.7, share: float = 0.5, bound: float = 1e-4
) -> LawRecord:
    """Raise LawError unless the proximal map depends on its step as one does (:func:`measure_resolvent`)."""
    return require(measure_resolvent(prox, points, gamma=gamma, share=share, bound=bound))


def _expansion(given: torch.Tensor, mapped: torch.Tensor) -> float:
    scale = float(given.double().square().sum())
    if scale == 0:
        return float(mapped.abs().max())
    return float((mapped.double().square().sum() - (mapped.double() * given.double()).sum()) / scale)


def _difference(a: torch.Tensor, b: torch.Tensor) -> float:
    scale = float(b.abs().max())
    error = float((a - b).abs().max())
    return error / scale if scale > 0 else error


def _violation(functional: Functional, v: torch.Tensor, p: torch.Tensor, gamma: float, seed: int = 0) -> float:
    """Return the worst relative violation of the subgradient inequality that could be found."""
    s = ((v - p) / gamma).detach()
    base = float(functional(p))
    if not math.isfinite(base):
        return math.inf if base == math.inf else math.nan  # p lies outside the domain of g, or is not finite
    scale = float(p.abs().max()) or float(v.abs().max()) or 1.0
    draw = torch.Generator(device="cpu").manual_seed(seed)
    noise = [torch.randn(p.shape, generator=draw, dtype=p.dtype).to(p.device) for _ in range(4)]
    starts = [v, torch.zeros_like(p), *(p + scale * n for n in noise[:2]), *(p + 1e-2 * scale * n for n in noise[2:])]
    # Against the slope of g at p: where g is smooth there, any other s shows at once.
    slope = s - _slope(functional, p)
    length = float(slope.norm())
    starts += [p + step * scale * slope / length for step in (1e-3, 1e-1, 1.0) if length > 0]
    # Along p itself g is smooth if it is homogeneous, and so it is where p is not 0 if it is separable.
    starts += [(1 + step) * p for step in (-0.5, -1e-3, 1e-3, 0.5)]
    starts += [p + step * torch.where(p == 0, 0.0, slope) for step in (1e-3, 1e-1)]
    # Inside a restricted domain, one coordinate may go up or down where the others cannot.
    starts += [p + step * scale for step in (-1e-1, -1e-3, 1e-3, 1e-1)]
    return worst(_ascend(functional, s, p, base, z, scale) for z in starts)


def _ascend(
    functional: Functional, s: torch.Tensor, p: torch.Tensor, base: float, z: torch.Tensor, scale: float
) -> float:
    z = _inside(functional, p, z)
    gaps = [_gap(functional, s, p, base, z)]
    size = 0.1 * scale * z.numel() ** 0.5
    for turn in range(12):
        direction = s - _slope(functional, z)
        length = float(direction.norm())
        if length == 0:
            break
        z = _inside(functional, p, z + size / (1 + turn) * direction / length)
        gaps.append(_gap(functional, s, p, base, z))
    return worst(gaps)


def _inside(functional: Functional, p: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
    """Return z, or, where g is infinite there, a point between p and z that lies in the domain of g.

    Coordinates, in the order of their values in z, are halved into runs until each run alone may go from p to z: of a
    domain given coordinate by coordinate, few runs are left out. Else the way from p is halved.
    """

    def finite(point: torch.Tensor) -> bool:
        with torch.no_grad():
            return math.isfinite(float(functional(point)))

    if finite(z):
        return z
    flat, order = p.reshape(-1), torch.argsort(z.reshape(-1))
    target, mixed = z.reshape(-1), p.reshape(-1).clone()
    runs, asked = [order], 0
    while runs and asked < MOST_ASKED:
        run = runs.pop(0)
        trial = flat.clone()
        trial[run] = target[run]
        asked += 1
        if finite(trial.reshape(p.shape)):
            mixed[run] = target[run]
        elif run.numel() > 1:
            runs += [run[: run.numel() // 2], run[run.numel() // 2 :]]
    candidate = mixed.reshape(p.shape)
    if not torch.equal(candidate, p) and finite(candidate):
        return candidate
    for halving in range(1, 12):
        candidate = p + 0.5**halving * (z - p)
        if finite(candidate):
            return candidate
    return p.clone()


def _gap(functional: Functional, s: torch.Tensor, p: torch.Tensor, base: float, z: torch.Tensor) -> float:
    with torch.no_grad():
        value = float(functional(z))
    if value == float("inf"):
        return 0.0
    step = (z - p).double()
    missing = base + float((s.double() * step).sum()) - value
    # A domain that is given with room for rounding lets steps of that room out: they count by the size of p.
    size = abs(base) + float(s.double().norm() * torch.maximum(step.norm(), p.double().norm()))
    if not math.isfinite(missing):
        return missing  # nothing can be said of p
    return max(0.0, missing) / size if size > 0 else max(0.0, missing)


def _slope(functional: Functional, z: torch.Tensor) -> torch.Tensor:
    """Return a subgradient as autograd sees it, 0 where it sees none."""
    point = z.detach().clone().requires_grad_()
    with torch.enable_grad():
        value = functional(point)
        if not value.requires_grad or not torch.isfinite(value):
            return torch.zeros_like(z)
        (slope,) = torch.autograd.grad(value, point, allow_unused=True)
    return torch.zeros_like(z) if slope is None else torch.nan_to_num(slope, nan=0.0, posinf=0.0, neginf=0.0)
