"""Splitting the data: some rays or views to fit, the others to judge by."""

from __future__ import annotations

import math
from typing import Annotated, Any, NamedTuple, Protocol

import torch
from torch import Tensor

from dipgraph.blocks.filling import Filling
from dipgraph.blocks.values import LinearMap, Scalar
from dipgraph.signatures import STREAM, InputError, block, linear_map, number, word
from dipgraph.signatures.ports import SpaceKind


class Grid(Protocol):
    """A space at run time."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The space's grid."""


class Selection:
    """The linear map that keeps some entries of a vector, ``(..., *shape)`` to ``(..., *kept shape)``.

    Parameters
    ----------
    indices
        Places in the flattened vector, each at most once.
    shape
        Grid of the vector.
    kept_shape
        Grid of what is kept.
    """

    scale = 1.0

    def __init__(self, indices: Tensor, shape: tuple[int, ...], kept_shape: tuple[int, ...]) -> None:
        self.indices, self.domain_shape, self.codomain_shape = indices, shape, kept_shape

    def __call__(self, vectors: Tensor) -> Tensor:
        """The entries kept."""
        from dipgraph.operators.linear_function import apply_linear

        return apply_linear(self, vectors)

    def evaluate(self, vectors: Tensor) -> Tensor:
        """The entries kept, without a record for derivatives."""
        lead = vectors.shape[: vectors.ndim - len(self.domain_shape)]
        flat = vectors.detach().reshape(*lead, math.prod(self.domain_shape))
        return flat[..., self.indices].reshape(*lead, *self.codomain_shape)

    @property
    def adjoint(self) -> Spreading:
        """The map that puts entries back where they were taken."""
        return Spreading(self)

    @property
    def op(self) -> Any:
        """The same as a PyLops operator."""
        from pylops import LinearOperator, Restriction

        flat = Restriction(math.prod(self.domain_shape), self.indices.cpu().numpy())
        return LinearOperator(Op=flat, dims=self.domain_shape, dimsd=self.codomain_shape)


class Spreading:
    """The adjoint of a selection: entries go to their places, all others are 0.

    Parameters
    ----------
    adjoint
        The selection.
    """

    scale = 1.0

    def __init__(self, adjoint: Selection) -> None:
        self.adjoint = adjoint
        self.domain_shape, self.codomain_shape = adjoint.codomain_shape, adjoint.domain_shape

    def __call__(self, entries: Tensor) -> Tensor:
        """The vectors that hold the entries."""
        from dipgraph.operators.linear_function import apply_linear

        return apply_linear(self, entries)

    def evaluate(self, entries: Tensor) -> Tensor:
        """The vectors that hold the entries, without a record for derivatives."""
        lead = entries.shape[: entries.ndim - len(self.domain_shape)]
        full = entries.new_zeros(*lead, math.prod(self.codomain_shape))
        full[..., self.adjoint.indices] = entries.detach().reshape(*lead, -1)
        return full.reshape(*lead, *self.codomain_shape)

    @property
    def op(self) -> Any:
        """The same as a PyLops operator."""
        return self.adjoint.op.H


class Split(NamedTuple):
    """Two maps that part the data, and one that closes the gaps that the first leaves."""

    kept: Annotated[LinearMap, linear_map("V", "K")]
    held: Annotated[LinearMap, linear_map("V", "H")]
    fill: Annotated[LinearMap, linear_map("V", "V")]


@block("rays.split")
def split(
    of: Annotated[Grid, SpaceKind("V")],
    hold: Annotated[Scalar, number(min=0, below=1)],
    stream: Annotated[torch.Generator, STREAM],
    by: Annotated[str, word("rays", "views")] = "rays",
) -> Split:
    """Part the data at random into a share to fit and a share to judge by.

    Parameters
    ----------
    of
        The data's space, ``Y``: its first axis counts the views.
    hold
        The share held out: above 0 at least one ray or view is, and one is not; 0 holds nothing out.
    stream
        The step's random numbers.
    by
        ``rays``: single rays; ``views``: whole views.

    Returns
    -------
    Split
        Maps ``kept`` and ``held`` from the data to each part: vectors of rays in their old order, or of whole views.
        With ``hold: 0`` the first keeps everything, and what the second gives is empty, of norm 0. ``fill`` maps the
        data to data in which those held out are interpolated between the nearest kept ones: along the last axis (the
        detector) for rays, along the first for views; for what wants whole data, a filtered back projection say,
        without a look at those held out.

    Notes
    -----
    The first two only select: what is not selected reaches neither an output nor a gradient, be it NaN. The choice is
    drawn from the step's own stream, so that one seed holds out the same rays always. Cost: a copy of the part at each
    use.
    """
    units = math.prod(of.shape) if by == "rays" else of.shape[0]
    if not 0 <= hold < 1:  # computed on the device: it is read here
        raise InputError(f"'hold' is {float(hold):g}", remedy="hold out a share, at least 0 and below 1")
    if units < 2 and hold > 0:
        raise InputError(f"data of shape {of.shape} cannot be split by {by}: there is only one", where="rays.split")
    count = min(max(round(float(hold) * units), 1), units - 1) if hold > 0 else 0
    order = torch.randperm(units, generator=stream, device=stream.device)
    parts = (order[count:].sort().values, order[:count].sort().values)
    if by == "rays":
        picked = [Selection(part, tuple(of.shape), (len(part),)) for part in parts]
    else:
        rays = torch.arange(math.prod(of.shape), device=stream.device).reshape(of.shape)
        picked = [Selection(rays[part].flatten(), tuple(of.shape), (len(part), *of.shape[1:])) for part in parts]
    known = torch.zeros(math.prod(of.shape), dtype=torch.bool, device=stream.device)
    known[picked[0].indices] = True
    kept, held = picked
    return Split(kept, held, Filling(known.reshape(tuple(of.shape)), axis=-1 if by == "rays" else 0))
