"""What the functions of expressions do at run time, on Python numbers and on tensors alike."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

import torch
from torch import Tensor

from dipgraph.operators.norm import norm


@dataclass(frozen=True)
class RunSpace:
    """A space of the bound problem: its grid, device and precision."""

    shape: tuple[int, ...]
    device: torch.device
    dtype: torch.dtype

    def full(self, value: float) -> Tensor:
        """A constant vector, ``(1, 1, *shape)``."""
        return torch.full((1, 1, *self.shape), value, device=self.device, dtype=self.dtype)


def _unary(host: Callable[[Any], Any], device: Callable[[Tensor], Tensor]) -> Callable[[Any], Any]:
    return lambda value: device(value) if isinstance(value, Tensor) else host(value)


def _as_tensor(value: Any, like: Tensor) -> Tensor:
    return value if isinstance(value, Tensor) else torch.full((), value, device=like.device, dtype=like.dtype)


def _extreme(host: Callable[..., Any], device: Callable[[Tensor, Tensor], Tensor], whole: str) -> Callable[..., Any]:
    """``min`` or ``max``: of an image's entries, or of two or more numbers."""

    def extreme(*values: Any) -> Any:
        if len(values) == 1:
            return getattr(values[0], whole)()
        like = next((value for value in values if isinstance(value, Tensor)), None)
        return host(values) if like is None else reduce(device, (_as_tensor(value, like) for value in values))

    return extreme


def _where(test: Any, yes: Any, no: Any) -> Any:
    if not isinstance(test, Tensor):
        return yes if test else no
    like = next((value for value in (yes, no) if isinstance(value, Tensor)), None)
    if like is None:
        like = torch.empty((), device=test.device, dtype=torch.float64)
    return torch.where(test, _as_tensor(yes, like), _as_tensor(no, like))


def _schedule(host: Callable[..., float]) -> Callable[..., Any]:
    """``geometric`` or ``linear`` of numbers that may be tensors."""
    return lambda first, last, step, count: (
        first if not isinstance(count, Tensor) and count <= 1 else host(first, last, step, count)
    )


def _both(left: Any, right: Any) -> Any:
    either = isinstance(left, Tensor) or isinstance(right, Tensor)
    return torch.logical_and(*_flags(left, right)) if either else left and right


def _any(left: Any, right: Any) -> Any:
    either = isinstance(left, Tensor) or isinstance(right, Tensor)
    return torch.logical_or(*_flags(left, right)) if either else left or right


def _flags(left: Any, right: Any) -> tuple[Tensor, Tensor]:
    like = left if isinstance(left, Tensor) else right
    return tuple(torch.as_tensor(value, device=like.device) for value in (left, right))  # type: ignore[return-value]


def _norm(value: Any) -> Any:
    return torch.linalg.vector_norm(value) if isinstance(value, Tensor) else abs(value.scale) * norm(value.op)


def _apply(map_: Callable[[Tensor], Tensor], value: Tensor) -> Tensor:
    return map_(value)


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "neg": operator.neg,
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne,
    "and": lambda *values: reduce(_both, values), "or": lambda *values: reduce(_any, values),
    "not": _unary(operator.not_, torch.logical_not),
    "sqrt": _unary(math.sqrt, torch.sqrt), "exp": _unary(math.exp, torch.exp), "log": _unary(math.log, torch.log),
    "floor": _unary(math.floor, torch.floor), "abs": abs,
    "min": _extreme(min, torch.minimum, "min"), "max": _extreme(max, torch.maximum, "max"),
    "where": _where,
    "geometric": _schedule(lambda a, b, k, n: a * (b / a) ** ((k - 1) / (n - 1))),
    "linear": _schedule(lambda a, b, k, n: a + (b - a) * (k - 1) / (n - 1)),
    "norm": _norm, "dot": lambda a, b: (a * b).sum(),
    "constant": lambda value: value.detach() if isinstance(value, Tensor) else value,
    "mean": lambda batch: batch.mean(0, keepdim=True),
    "dim": lambda space: math.prod(space.shape),
    "zeros": lambda space: space.full(0.0), "ones": lambda space: space.full(1.0),
    "adjoint": lambda map_: map_.adjoint, "apply": _apply,
}  # fmt: skip
"""What each operator and function of an expression does."""
