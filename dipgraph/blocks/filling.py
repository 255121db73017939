"""Filling gaps in the data from their neighbours: a linear map, so that whatever reads it stays one."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

import torch
from torch import Tensor


class Filling:
    """The linear map that replaces some entries of a vector by what stands next to them, ``(..., *shape)`` to itself.

    A gap takes the value on the straight line between the nearest known entries before and after it along the axis; at
    an end of the axis the nearest known one; 0 where the whole line is a gap.

    Parameters
    ----------
    known
        Which entries stay as they are, ``(*shape,)``.
    axis
        Along which to interpolate.

    Notes
    -----
    With a and b the distances to the two neighbours, ``x = (b·before + a·after)/(a + b)``. The values in the gaps are
    not read, be they NaN.
    """

    scale = 1.0

    def __init__(self, known: Tensor, axis: int) -> None:
        self.domain_shape = self.codomain_shape = tuple(known.shape)
        lines = known.movedim(axis, -1)
        places = torch.arange(lines.shape[-1], device=known.device).expand_as(lines)
        before = torch.where(lines, places, -1).cummax(-1).values
        after = torch.where(lines, places, lines.shape[-1]).flip(-1).cummin(-1).values.flip(-1)
        share = ((places - before).double() / (after - before).clamp(min=1)).clamp(0, 1)
        share = torch.where(before < 0, 1.0, torch.where(after >= lines.shape[-1], 0.0, share))
        empty = (before < 0) & (after >= lines.shape[-1])
        flat = torch.arange(known.numel(), device=known.device).reshape(known.shape).movedim(axis, -1)

        def taken(neighbour: Tensor) -> Tensor:
            return flat.gather(-1, neighbour.clamp(0, lines.shape[-1] - 1))

        gap = ~lines
        self.gaps = flat[gap]
        self.sources = torch.stack([taken(before)[gap], taken(after)[gap]])
        self.shares = torch.stack([1 - share, share])[:, gap] * ~empty[gap]

    def __call__(self, vectors: Tensor) -> Tensor:
        """The vectors with their gaps filled."""
        from dipgraph.operators.linear_function import apply_linear

        return apply_linear(self, vectors)

    def evaluate(self, vectors: Tensor) -> Tensor:
        """The vectors with their gaps filled, without a record for derivatives."""
        flat = _flat(vectors, self.domain_shape).clone()
        taken = flat[..., self.sources] * self.shares.to(flat)
        # A line without any known entry has shares of 0, which would keep a NaN.
        flat[..., self.gaps] = torch.where(self.shares.to(flat) == 0, 0.0, taken).sum(-2)
        return flat.reshape(vectors.shape)

    @cached_property
    def adjoint(self) -> FillingAdjoint:
        """The adjoint map; made once, since that waits for the device."""
        return FillingAdjoint(self)

    @property
    def op(self) -> Any:
        """The same as a PyLops operator."""
        import scipy.sparse
        from pylops import LinearOperator, MatrixMult

        size = math.prod(self.domain_shape)
        stay = torch.ones(size, dtype=torch.float64)
        stay[self.gaps.cpu()] = 0.0
        rows = self.gaps.cpu().expand(2, -1).flatten().numpy()
        entries = (self.shares.double().cpu().flatten().numpy(), (rows, self.sources.cpu().flatten().numpy()))
        matrix = scipy.sparse.diags_array(stay.numpy()) + scipy.sparse.coo_array(entries, shape=(size, size))
        return LinearOperator(Op=MatrixMult(matrix.tocsr()), dims=self.domain_shape, dimsd=self.codomain_shape)


class FillingAdjoint:
    """The adjoint of a filling: what stands in a gap goes to the entries that it would be filled from.

    Parameters
    ----------
    adjoint
        The filling.
    """

    scale = 1.0

    def __init__(self, adjoint: Filling) -> None:
        self.adjoint = adjoint
        self.domain_shape = self.codomain_shape = adjoint.domain_shape
        sources = adjoint.sources.flatten()
        self.order = sources.argsort(stable=True)
        sources = sources[self.order]
        self.takers, self.counts = sources.unique_consecutive(return_counts=True)  # type: ignore[no-untyped-call]

    def __call__(self, vectors: Tensor) -> Tensor:
        """The vectors with their gaps given away."""
        from dipgraph.operators.linear_function import apply_linear

        return apply_linear(self, vectors)

    def evaluate(self, vectors: Tensor) -> Tensor:
        """The same, without a record for derivatives."""
        flat = _flat(vectors, self.domain_shape).clone()
        given = flat[..., self.adjoint.gaps]
        flat[..., self.adjoint.gaps] = 0.0
        if len(self.takers):
            given = (given.unsqueeze(-2) * self.adjoint.shares.to(flat)).flatten(-2)[..., self.order]
            # In a fixed order: to add at an index leaves that to chance on a GPU, and so the last bits.
            sums = torch.segment_reduce(given.movedim(-1, 0).contiguous(), "sum", lengths=self.counts, axis=0)
            flat[..., self.takers] += sums.movedim(0, -1)
        return flat.reshape(vectors.shape)

    @property
    def op(self) -> Any:
        """The same as a PyLops operator."""
        return self.adjoint.op.H


def _flat(vectors: Tensor, shape: tuple[int, ...]) -> Tensor:
    lead = vectors.shape[: vectors.ndim - len(shape)]
    return vectors.detach().reshape(*lead, math.prod(shape))
