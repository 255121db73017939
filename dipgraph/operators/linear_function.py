"""The derivative of a linear map is the map itself: autograd for all of them."""

from __future__ import annotations

from typing import Any, Protocol, cast

import torch
from torch.autograd import forward_ad


class LinearMap(Protocol):
    """A linear map on tensors that can compute its values and knows its adjoint.

    ``evaluate`` takes any number of leading dimensions, records nothing for derivatives and leaves its input as it is.
    """

    @property
    def adjoint(self) -> LinearMap:
        """The adjoint map."""

    def evaluate(self, x: torch.Tensor) -> torch.Tensor:
        """Compute the values."""


def apply_linear(linear: LinearMap, x: torch.Tensor) -> torch.Tensor:
    """Apply a linear map such that derivatives of every order, ``torch.func`` vmap, jvp and vjp work."""
    if _transforms_active():
        return cast(torch.Tensor, _Transformable.apply(x, linear))  # type: ignore[no-untyped-call]
    if (x.requires_grad and torch.is_grad_enabled()) or forward_ad._current_level >= 0:
        return cast(torch.Tensor, _Linear.apply(x, linear))  # type: ignore[no-untyped-call]
    return linear.evaluate(x)


def _always() -> bool:
    return True


# torch runs a function that `torch.func` can transform through inspect.signature at each call, which costs as much as
# a small projection: it is used only inside a transform. The test is the one torch.autograd.Function itself makes.
_transforms_active = getattr(torch._C, "_are_functorch_transforms_active", _always)


class _Linear(torch.autograd.Function):
    """Backward is the adjoint, itself differentiable; forward mode is the map."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, linear: LinearMap) -> torch.Tensor:
        ctx.linear, ctx.real = linear, not x.is_complex()
        return linear.evaluate(x)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, None]:
        out = apply_linear(ctx.linear.adjoint, grad)
        return (out.real if ctx.real and out.is_complex() else out), None

    @staticmethod
    def jvp(ctx: Any, tangent: torch.Tensor, _: None) -> torch.Tensor:
        return apply_linear(ctx.linear, tangent)


class _Transformable(torch.autograd.Function):
    """The same in the form ``torch.func`` asks for."""

    @staticmethod
    def forward(x: torch.Tensor, linear: LinearMap) -> torch.Tensor:
        return linear.evaluate(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[torch.Tensor, LinearMap], output: torch.Tensor) -> None:
        x, ctx.linear = inputs
        ctx.real = not x.is_complex()

    backward = _Linear.backward
    jvp = _Linear.jvp

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, None], x: torch.Tensor, linear: LinearMap
    ) -> tuple[torch.Tensor, int | None]:
        axis = in_dims[0]
        return (apply_linear(linear, x), None) if axis is None else (apply_linear(linear, x.movedim(axis, 0)), 0)
