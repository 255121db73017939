"""The proximal map of total variation: accelerated projected gradients on the dual, with a warm start.

The dual variable p has one vector for each pixel, ``(batch, channels, 2, rows, columns)``, no longer than the weight w.
It gives the image x = v − Dᵀp, D the forward differences to the next row and column, and the duality gap
w·TV(x) − ⟨Dx, p⟩, which bounds half the squared distance of x from the exact proximal map.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from dipgraph.blocks.gradient import gradient
from dipgraph.blocks.values import Scalar, as_scalar, member_sums

STEP = 1 / 8
"""At most 1/‖D‖²: ‖D‖² is below 8 in two dimensions."""
CHECK_EVERY = 10
"""Iterations between two looks at the duality gap, each of which waits for the device."""


def total_variation(image: Tensor, weight: Scalar, kind: str) -> Tensor:
    """The weight times the sum of the gradients' lengths, of the absolute differences if anisotropic; not smoothed."""
    slope = gradient(image)
    lengths = slope.abs() if kind == "anisotropic" else torch.linalg.vector_norm(slope, dim=-3)
    return weight * lengths.sum()


class TVSolver:
    """Proximal map of total variation that remembers its dual variable from call to call.

    Parameters
    ----------
    kind
        ``isotropic`` or ``anisotropic``.
    tolerance
        Relative error at which to stop.
    iterations
        Most iterations a call.
    """

    state: ClassVar[tuple[str, ...]] = ("dual",)

    def __init__(self, kind: str, tolerance: float, iterations: int) -> None:
        self.kind, self.tolerance, self.iterations = kind, tolerance, iterations
        self.dual: Tensor | None = None

    @torch.no_grad()
    def solve(self, image: Tensor, weight: Scalar) -> Tensor:
        """argmin over x of ``½‖x − image‖² + weight·TV(x)``, for each image; NaN if the weight is negative."""
        radius = as_scalar(weight, image).clamp(max=torch.finfo(image.dtype).max)
        dual = self._project(self._start(image), radius)
        ahead, x, bound = dual.clone(), torch.empty_like(image), self._bound(image)
        for iteration in range(self.iterations):
            _take_divergence(image, ahead, out=x)
            ahead[..., 0, :-1, :].add_(x[..., 1:, :] - x[..., :-1, :], alpha=STEP)
            ahead[..., 1, :, :-1].add_(x[..., :, 1:] - x[..., :, :-1], alpha=STEP)
            self._project(ahead, radius)
            # The older of the two buffers becomes the extrapolation of both.
            dual.lerp_(ahead, 1 + iteration / (iteration + 3))
            dual, ahead = ahead, dual
            if iteration % CHECK_EVERY == CHECK_EVERY - 1:
                gap = self._gap(_take_divergence(image, dual, out=x), dual, radius)
                if bool((gap <= bound).all()):
                    break
        self.dual = dual
        return torch.where(radius >= 0, _take_divergence(image, dual, out=x), torch.nan)

    def _start(self, image: Tensor) -> Tensor:
        """A copy of the remembered dual variable, or zeros where none fits, and where a bad image has spoilt it."""
        shape = (*image.shape[:-2], 2, *image.shape[-2:])
        if self.dual is None or self.dual.shape != shape:
            return image.new_zeros(shape)
        return self.dual.to(image).nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)

    def _project(self, dual: Tensor, radius: Tensor) -> Tensor:
        """The nearest feasible dual variable, in place."""
        if self.kind == "anisotropic":
            return dual.clamp_(-radius, radius)
        length = torch.hypot(dual[..., 0, :, :], dual[..., 1, :, :])
        # Under the smallest normal number only where both are 0: then the quotient is 0, not 0/0.
        length.clamp_(min=radius.clamp(min=torch.finfo(dual.dtype).tiny))
        return dual.mul_((radius / length).unsqueeze(-3))

    def _gap(self, x: Tensor, dual: Tensor, radius: Tensor) -> Tensor:
        """The duality gap of each member of a batch."""
        slope = gradient(x)
        if self.kind == "anisotropic":
            return member_sums(radius * slope.abs() - slope * dual)
        length = torch.hypot(slope[..., 0, :, :], slope[..., 1, :, :])
        return member_sums(radius * length - (slope * dual).sum(-3))

    def _bound(self, image: Tensor) -> Tensor:
        """The duality gap at which each member of a batch is within the tolerance."""
        spread = image - image.mean(dim=(-2, -1), keepdim=True)
        return 0.5 * self.tolerance**2 * member_sums(spread.square())


def _take_divergence(image: Tensor, dual: Tensor, out: Tensor) -> Tensor:
    """``image − Dᵀ dual``, for a dual variable that is 0 past the border."""
    torch.add(image, dual[..., 0, :, :], out=out).add_(dual[..., 1, :, :])
    out[..., 1:, :].sub_(dual[..., 0, :-1, :])
    out[..., :, 1:].sub_(dual[..., 1, :, :-1])
    return out
