"""Subsets of the views: a gradient step that projects only some of them."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, NamedTuple

import torch
from torch import Tensor

from dipgraph.blocks.rays import Selection
from dipgraph.blocks.values import LinearMap
from dipgraph.signatures import STREAM, InputError, block, linear_map, vector, whole, word


class Part(NamedTuple):
    """A subset's operator, and the map that takes its views out of the data."""

    map: LinearMap
    views: Selection


class Subset(NamedTuple):
    """The part of the forward operator and of the data that belongs to some views."""

    map: Annotated[LinearMap, linear_map("U", "S")]
    data: Annotated[Tensor, vector("S")]
    part: Annotated[LinearMap, linear_map("V", "S")]


@block("subset.next")
class SubsetSampler:
    """The next subset of the views, with its forward operator and its data.

    Parameters
    ----------
    count
        Into how many subsets to part the views.
    order
        ``random``: each pass takes all subsets once, in a fresh random order; ``cyclic``: always one after the other.
    of
        The forward operator, whose codomain has the views as its first axis.
    data
        The data, ``(batch, channels, views, detectors)``.
    stream
        The step's random numbers.

    Returns
    -------
    Subset
        ``map``: the operator of the subset's views; ``data``: their data; ``part``: the map that takes these views out
        of data, for what belongs to each ray: weights, say.

    Notes
    -----
    Subset i of n holds the views i, i + n, i + 2n and so on, so that each sees the object from all sides. A ray
    transform projects only the subset's views. The gradient of ``n/2·‖A_i x − y_i‖²`` is that of the whole on average
    over a pass, where n divides the number of views.

    References
    ----------
    Hudson, Larkin, *Accelerated image reconstruction using ordered subsets of projection data*, IEEE TMI 13, 1994.
    """

    state: ClassVar[tuple[str, ...]] = ("seed", "position")

    def __init__(
        self,
        count: Annotated[int, whole(min=1)],
        order: Annotated[str, word("random", "cyclic")] = "random",
    ) -> None:
        self.count, self.order = count, order
        self.seed: int | None = None
        self.position = 0
        self._whole: LinearMap | None = None
        self._parts: list[Part] = []
        self._pass: tuple[int, list[int]] | None = None

    def check(self, of: LinearMap | None = None, **_: object) -> None:
        """Refuse, before the run, more subsets than the problem's own operator has views."""
        if of is not None:
            _refuse_empty(self.count, of.codomain_shape[0])

    def __call__(
        self,
        of: Annotated[LinearMap, linear_map("U", "V")],
        data: Annotated[Tensor, vector("V")],
        stream: Annotated[torch.Generator, STREAM],
    ) -> Subset:
        """Go on to the next subset."""
        if self._whole is not of:
            self._parts, self._whole = _parts(of, self.count, data.device), of
        part = self._parts[self._choose(stream)]
        self.position += 1
        return Subset(part.map, part.views(data), part.views)

    def _choose(self, stream: torch.Generator) -> int:
        """The number of the subset at the present position."""
        passes, place = divmod(self.position, self.count)
        if self.order == "cyclic":
            return place
        if self.seed is None:
            # Read once: the passes' orders then come from the host's own generator, and no step waits for the device.
            self.seed = int(torch.randint(2**62, (), generator=stream, device=stream.device))
        if self._pass is None or self._pass[0] != passes:
            random = torch.Generator().manual_seed((self.seed + passes) % 2**63)
            self._pass = passes, torch.randperm(self.count, generator=random).tolist()
        return self._pass[1][place]


def _parts(of: LinearMap, count: int, device: torch.device) -> list[Part]:
    """The subsets."""
    from dipgraph.operators.subsets import partition, view_subset
    from dipgraph.operators.torch_map import TorchMap

    views = of.codomain_shape[0]
    _refuse_empty(count, views)
    shape = of.codomain_shape
    rays = torch.arange(math.prod(shape), device=device).reshape(shape)
    return [
        Part(
            TorchMap(view_subset(of.op, part), scale=of.scale),
            Selection(rays[torch.from_numpy(part).to(device)].flatten(), shape, (len(part), *shape[1:])),
        )
        for part in partition(views, count)
    ]


def _refuse_empty(count: int, views: int) -> None:
    if count > views:
        raise InputError(
            f"{count} subsets of {views} views: some would be empty",
            where="subset.next",
            remedy=f"use at most {views}",
        )
