"""The values that blocks compute with: vectors ``(batch, channels, *grid)`` and scalars, on the host or the device."""

from __future__ import annotations

import math
from typing import Any, Protocol, TypeAlias

import torch
from torch import Tensor

Scalar: TypeAlias = float | Tensor
"""A Python number, or a tensor without dimensions on the run's device."""


class LinearMap(Protocol):
    """A linear map at run time, ``(..., *domain_shape)`` to ``(..., *codomain_shape)``; an operator times a number."""

    def __call__(self, x: Tensor, /) -> Tensor:
        """Apply the map."""

    @property
    def adjoint(self) -> LinearMap:
        """The adjoint map."""

    @property
    def op(self) -> Any:
        """The PyLops operator, without the scale."""

    @property
    def scale(self) -> float:
        """The number that the operator is multiplied by."""

    @property
    def domain_shape(self) -> tuple[int, ...]:
        """Grid of the vectors that it takes."""

    @property
    def codomain_shape(self) -> tuple[int, ...]:
        """Grid of those that it gives."""


def total(values: Tensor, weight: Scalar = 1.0) -> Tensor:
    """A loss term: the sum over each member of a batch, averaged over the batch, times the weight."""
    return values.sum() * (weight / values.shape[0])


def indicator(inside: Tensor) -> Tensor:
    """The indicator of a set, for whether a vector lies in it: 0 inside, infinite outside."""
    return torch.where(inside, 0.0, torch.inf)


def member_sums(values: Tensor) -> Tensor:
    """The sum over each member of a batch: ``(batch, *) -> (batch,)``."""
    return values.flatten(1).sum(1)


def per_member(numbers: Tensor, like: Tensor) -> Tensor:
    """Numbers ``(batch,)`` shaped so that they broadcast against vectors ``(batch, *)``."""
    return numbers.reshape(-1, *[1] * (like.ndim - 1))


def as_scalar(value: Scalar, like: Tensor) -> Tensor:
    """A scalar as a tensor without dimensions, of the device and precision of ``like``."""
    if isinstance(value, Tensor):
        return value.to(like)
    if abs(value) > torch.finfo(like.dtype).max:
        value = math.copysign(math.inf, value)
    return torch.full((), value, dtype=like.dtype, device=like.device)
