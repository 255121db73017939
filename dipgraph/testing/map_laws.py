"""Laws of a map on torch tensors: derivatives, batches, and leaving the input alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch

from dipgraph.operators.torch_map import TorchMap
from dipgraph.testing.records import LawRecord, require, worst

TensorMap = Callable[[torch.Tensor], torch.Tensor]


def measure_gradient(
    function: TensorMap, x: torch.Tensor, *, seed: int = 0, order: int = 2, bound: float | None = None
) -> LawRecord:
    r"""Measure derivatives against central differences, up to the second order.

    With a random direction u, the quotient :math:`q = (f(x + hu) - f(x - hu)) / 2h` and w = q, which shows a wrong
    factor or sign whatever the size of x, or w random, which shows what q does not excite, :math:`\langle w, q\rangle`
    is compared with :math:`\langle J^T w, u\rangle` from the backward pass. With ``order=2`` the same is done for the
    map :math:`x \mapsto J(x)^T f(x)`, the slope of :math:`\frac12\|f\|^2`, whose backward pass goes through the
    backward pass. The quotient is extrapolated from h and h/2; what these two differ by proves nothing and is not
    counted. The error is relative to :math:`\|q\|\|w\|`.

    Parameters
    ----------
    function
        A map on tensors, differentiable at x.
    x
        Where; use float64.
    seed
        Of the directions.
    order
        1 or 2.
    bound
        By default 1e-6 in float64, 2e-2 in float32.
    """
    allowed = (1e-6 if x.dtype == torch.float64 else 2e-2) if bound is None else bound
    draw = torch.Generator(device="cpu").manual_seed(seed)
    errors, detail = [], []
    slopes: list[tuple[str, TensorMap]] = [("first order", function), ("second", partial(_slope, function))]
    for name, derived in slopes[:order]:
        try:
            errors.append(_directional(derived, x, draw))
        except _NoDerivativeError as error:
            return LawRecord("gradient", float("nan"), allowed, f"{name}: {error}")
        detail.append(f"{name} {errors[-1]:.2g}")
    return LawRecord("gradient", worst(errors), allowed, ", ".join(detail))


def assert_gradient(
    function: TensorMap, x: torch.Tensor, *, seed: int = 0, order: int = 2, bound: float | None = None
) -> LawRecord:
    """Raise LawError unless derivatives agree with differences (:func:`measure_gradient`)."""
    return require(measure_gradient(function, x, seed=seed, order=order, bound=bound))


class _NoDerivativeError(RuntimeError):
    """The backward pass itself fails."""


def _slope(function: TensorMap, point: torch.Tensor) -> torch.Tensor:
    point = point if point.requires_grad else point.detach().requires_grad_()
    value = function(point)
    energy = (value * value.conj()).real.sum() / 2 if value.is_complex() else value.square().sum() / 2
    return _backward(energy, point, None, create_graph=True)


def _backward(
    value: torch.Tensor, point: torch.Tensor, weight: torch.Tensor | None, *, create_graph: bool = False
) -> torch.Tensor:
    """Return the transposed derivative; of what depends on nothing, as after a detach, it is 0."""
    if not value.requires_grad:
        return torch.zeros_like(point)
    try:
        # A second call goes through the same record.
        slope = torch.autograd.grad(
            value, point, weight, create_graph=create_graph, retain_graph=True, allow_unused=True
        )[0]
    except RuntimeError as error:
        raise _NoDerivativeError(f"the backward pass fails ({error})") from error
    return torch.zeros_like(point) if slope is None else slope


def _directional(function: TensorMap, x: torch.Tensor, draw: torch.Generator) -> float:
    x = x.detach()
    scale = float(x.abs().max().clamp(min=1e-3)) if x.numel() else 1.0
    step = scale * (1e-5 if x.dtype == torch.float64 else 1e-2)
    u = _normal(x, draw)
    point = x.clone().requires_grad_()
    value = function(point)
    whole, half = _quotient(function, x, u, step), _quotient(function, x, u, step / 2)
    # The error of a central difference goes with the square of its step.
    quotient = (4 * half - whole) / 3
    size = max(float(quotient.norm()), float(whole.norm()), float(half.norm()))
    errors = []
    for w in (_normal(value, draw), quotient.to(value.dtype)):
        inner = _inner(_backward(value, point, w), u)
        apart = abs(inner - _inner(quotient, w)) - abs(_inner(whole, w) - _inner(half, w))
        weight = float(w.abs().double().norm())
        if size * weight > 0:
            errors.append((0.0 if apart < 0 else apart) / (size * weight))
        else:
            errors.append(abs(inner))
    return worst(errors)


def _quotient(function: TensorMap, x: torch.Tensor, u: torch.Tensor, step: float) -> torch.Tensor:
    ahead, behind = function(x + step * u).detach(), function(x - step * u).detach()
    return (_double(ahead) - _double(behind)) / (2 * step)


def _double(value: torch.Tensor) -> torch.Tensor:
    return value.to(torch.complex128 if value.is_complex() else torch.float64)


def _inner(a: torch.Tensor, b: torch.Tensor) -> float:
    product = _double(a).conj() * _double(b)
    return float((product.real if product.is_complex() else product).sum())


def _normal(like: torch.Tensor, draw: torch.Generator) -> torch.Tensor:
    return torch.randn(like.shape, generator=draw, dtype=like.dtype).to(like.device)


def measure_batched(
    function: TensorMap, x: torch.Tensor, *, seed: int = 0, vmap: bool | None = None, bound: float | None = None
) -> LawRecord:
    """Measure whether a batch gives what its members give one by one, for leading shapes (), (1,), (3,), (2, 2), (0,).

    Parameters
    ----------
    function
        A map that takes any number of leading dimensions.
    x
        One member, in the shape the map takes.
    seed
        Of the other members.
    vmap
        Whether ``torch.func.vmap`` of the map must agree too; by default for a :class:`TorchMap`.
    bound
        On the largest difference, relative to the largest value: 1e-6 in float32 and 1e-12 in float64.
    """
    allowed = (1e-12 if x.dtype == torch.float64 else 1e-6) if bound is None else bound
    draw = torch.Generator(device="cpu").manual_seed(seed)
    errors: list[float] = []
    shapes: list[str] = []
    for lead in ((1,), (3,), (2, 2), (9,)):
        batch = _normal(x.expand(*lead, *x.shape), draw)
        singly = torch.stack([function(member) for member in batch.reshape(-1, *x.shape)])
        together = function(batch)
        if together.shape != (*lead, *singly.shape[1:]):
            shapes.append(f"{lead} gives {tuple(together.shape)}")
            continue
        scale = float(singly.abs().max())
        results = [together.reshape(singly.shape)]
        if vmap or (vmap is None and isinstance(function, TorchMap)):
            results.append(torch.func.vmap(function)(batch.reshape(-1, *x.shape)))
            results.append(torch.func.vmap(function, in_dims=-1)(batch.reshape(-1, *x.shape).movedim(0, -1)))
        for result in results:
            error = float((result - singly).abs().max())
            errors.append(error / scale if scale > 0 else error)
    empty = function(x.expand(0, *x.shape))
    if empty.shape != (0, *function(x).shape):
        shapes.append(f"(0,) gives {tuple(empty.shape)}")
    if shapes:
        return LawRecord("batched", float("inf"), allowed, f"wrong shapes: leading {'; '.join(shapes)}")
    return LawRecord("batched", worst(errors), allowed)


def assert_batched(
    function: TensorMap, x: torch.Tensor, *, seed: int = 0, vmap: bool | None = None, bound: float | None = None
) -> LawRecord:
    """Raise LawError unless a batch gives what its members give (:func:`measure_batched`)."""
    return require(measure_batched(function, x, seed=seed, vmap=vmap, bound=bound))


def measure_pure(function: TensorMap, x: torch.Tensor) -> LawRecord:
    """Measure whether a map leaves its input alone, and depends on nothing else.

    The input must be unchanged bit by bit; changing the output in place must not change it either; a second call must
    give the same bits, and a call with another input leave the first result as it is; an input that is not contiguous
    must be accepted, left alone too, and give the same values. Measured is the number of these that fail.
    """
    before = x.detach().clone()
    source = x.detach().clone()
    first = function(source)
    failures = [] if torch.equal(source, before) else ["input changed"]
    kept = first.detach().clone()
    if first.numel() and not first.is_inference():
        first.detach().add_(1)
        if not torch.equal(source, before):
            failures.append("output shares the input's memory")
    again = function(before.clone())
    if not torch.equal(again, kept):
        failures.append("two calls differ")
    function(1 - before)
    if not torch.equal(again, kept) and failures[-1:] != ["two calls differ"]:
        failures.append("a later call changes an earlier result")
    failures += _strided(function, before, kept)
    return LawRecord("pure", float(len(failures)), 0.0, ", ".join(failures))


def _strided(function: TensorMap, x: torch.Tensor, expected: torch.Tensor) -> list[str]:
    scale = float(expected.abs().max()) if expected.numel() else 0.0
    if x.ndim == 0:
        return []
    room = torch.zeros((*x.shape[:-1], 2 * x.shape[-1]), dtype=x.dtype, device=x.device)
    room[..., ::2] = x
    forms = {"a strided input": room[..., ::2]}
    if x.ndim > 1:
        forms["a transposed input"] = x.transpose(-1, -2).contiguous().transpose(-1, -2)
    failures = []
    for name, form in forms.items():
        try:
            close = torch.allclose(function(form), expected, rtol=1e-5, atol=1e-6 * scale)
            if not torch.equal(form, x):
                failures.append(f"{name} is changed")
        except Exception as error:  # the law is that it works at all
            failures.append(f"{name} is refused ({type(error).__name__})")
            continue
        if not close:
            failures.append(f"{name} gives other values")
    return failures


def assert_pure(function: TensorMap, x: torch.Tensor) -> LawRecord:
    """Raise LawError unless a map leaves its input alone (:func:`measure_pure`)."""
    return require(measure_pure(function, x))
