"""Layered layout of one body: ranks from topological generations, orders by barycentres, places by least squares.

What passes a rank without stopping bends there, so that lines run beside the parts and never through them. All lines of
one value share their bends.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field

import networkx as nx

SIDE = 22.0
"""Least distance between two parts beside each other."""
NARROW = 14.0
"""The same, where one of them is a line."""
SWEEPS = 12


@dataclass(eq=False)
class Spot:
    """What takes a place in a rank; ``x`` is its centre, ``y`` its top, ``group`` keeps parts of a row together."""

    width: float
    height: float
    row: str = ""
    """``top`` or ``bottom`` for what stands at the begin or end of the body."""
    group: int = 0
    place: int = 0
    is_bend: bool = False
    twin: Spot | None = field(default=None, repr=False)
    """For the end of a carried name: its begin. Twins keep one order in both rows, so that no dashed lines cross."""
    rank: int = 0
    x: float = 0.0
    y: float = 0.0


@dataclass(eq=False)
class Link:
    """A value from one spot to another: where it leaves and arrives, measured from their centres."""

    source: Spot
    target: Spot
    value: Hashable
    out: float = 0.0
    into: float = 0.0
    label: str = ""


@dataclass(eq=False)
class Segment:
    """A piece of a link between two ranks that follow each other."""

    source: Spot
    target: Spot
    out: float
    into: float
    links: list[Link] = field(default_factory=list)


@dataclass
class Layout:
    """Spots with their places, and the pieces of the lines between them."""

    layers: list[list[Spot]]
    segments: list[Segment]
    width: float
    height: float


def arrange(spots: Sequence[Spot], links: Sequence[Link], gap: Callable[[int, float], float]) -> Layout:
    """Place spots and lines.

    Parameters
    ----------
    spots, links
        What is placed; sizes in pixels. Ranks, places and bends are found here.
    gap
        The space below a rank, of how many lines cross it and how far the widest of them swings sideways.
    """
    _rank(spots, links)
    count = max((spot.rank for spot in spots), default=0) + 1
    layers: list[list[Spot]] = [[] for _ in range(count)]
    for place, spot in enumerate(spots):
        spot.place = place
        layers[spot.rank].append(spot)
    segments = _bend(links, layers)
    for layer in layers:
        layer.sort(key=lambda spot: spot.place)
    _order(layers, segments)
    if _pair(layers):
        _order(layers, segments)
    _place(layers, segments)
    left = min((spot.x - spot.width / 2 for layer in layers for spot in layer), default=0.0)
    width = 0.0
    for layer in layers:
        for spot in layer:
            spot.x -= left
            width = max(width, spot.x + spot.width / 2)
    y = 0.0
    for number, layer in enumerate(layers):
        tallest = max((spot.height for spot in layer), default=0.0)
        for spot in layer:
            spot.y = y
            if spot.is_bend:
                spot.height = tallest
        y += tallest
        if number + 1 < count:
            crossing = [each for each in segments if each.source.rank == number]
            swing = max((abs(each.source.x + each.out - each.target.x - each.into) for each in crossing), default=0.0)
            y += gap(len(crossing), swing)
    return Layout(layers, segments, width, y)


def _rank(spots: Sequence[Spot], links: Sequence[Link]) -> None:
    """Give each spot its rank: the top row first, the bottom row last, sources as late as they are needed."""
    graph = nx.DiGraph()
    graph.add_nodes_from(spots)
    graph.add_edges_from((link.source, link.target) for link in links)
    top = [spot for spot in spots if spot.row == "top"]
    bottom = [spot for spot in spots if spot.row == "bottom"]
    inner = [spot for spot in spots if not spot.row]
    graph.add_edges_from((above, spot) for above in top for spot in [*inner, *bottom])
    graph.add_edges_from((spot, below) for spot in inner for below in bottom)
    for rank, generation in enumerate(nx.topological_generations(graph)):
        for spot in generation:
            spot.rank = rank
    last = max((spot.rank for spot in spots), default=0)
    for spot in bottom:
        spot.rank = last
    for spot in reversed(list(nx.topological_sort(graph))):
        feeds = [link.target.rank for link in links if link.source is spot]
        fed = [link for link in links if link.target is spot and link.source.row != "top"]
        if not spot.row and feeds and not fed:
            spot.rank = min(feeds) - 1


def _bend(links: Sequence[Link], layers: list[list[Spot]]) -> list[Segment]:
    """Cut links into pieces of one rank each."""
    bends: dict[tuple[Hashable, int], Spot] = {}
    segments: dict[tuple[Spot, Spot, float, float], Segment] = {}
    for link in links:
        before, out = link.source, link.out
        for rank in range(link.source.rank + 1, link.target.rank):
            key = ((link.source, link.value), rank)
            if key not in bends:
                bends[key] = Spot(2.0, 0.0, is_bend=True, rank=rank, place=link.source.place)
                layers[rank].append(bends[key])
            _join(segments, before, bends[key], out, 0.0, link)
            before, out = bends[key], 0.0
        _join(segments, before, link.target, out, link.into, link)
    return list(segments.values())


def _join(
    segments: dict[tuple[Spot, Spot, float, float], Segment],
    source: Spot,
    target: Spot,
    out: float,
    into: float,
    link: Link,
) -> None:
    segments.setdefault((source, target, out, into), Segment(source, target, out, into)).links.append(link)


def _order(layers: list[list[Spot]], segments: Sequence[Segment]) -> None:
    """Order each rank so that few lines cross: barycentres down and up, the best order kept."""
    for layer in layers:
        layer.sort(key=lambda spot: spot.group)
    best, fewest = [list(layer) for layer in layers], _crossings(layers, segments)
    for sweep in range(2 * SWEEPS):
        is_down = sweep % 2 == 0
        for layer in layers if is_down else reversed(layers):
            seen = {}
            position = {spot: float(place) for row in layers for place, spot in enumerate(row)}
            for spot in layer:
                near = _neighbours(spot, segments, position, above=is_down)
                seen[spot] = sum(near) / len(near) if near else position[spot]
            layer.sort(key=lambda spot: (spot.group, seen[spot]))
        if (now := _crossings(layers, segments)) < fewest:
            best, fewest = [list(layer) for layer in layers], now
    for layer, order in zip(layers, best, strict=True):
        layer[:] = order


def _pair(layers: list[list[Spot]]) -> bool:
    """Agree on one order for twins, where the two rows have two; whether there was anything to agree on."""
    place = {spot: number for layer in layers for number, spot in enumerate(layer)}
    twins = [(spot, spot.twin) for layer in layers for spot in layer if spot.twin is not None]
    twins.sort(key=lambda pair: place[pair[0]] + place[pair[1]])
    for number, (end, begin) in enumerate(twins):
        end.group = begin.group = end.group + number
    return bool(twins)


def _neighbours(spot: Spot, segments: Sequence[Segment], position: dict[Spot, float], *, above: bool) -> list[float]:
    """Where the lines of a spot come from, or go to, as places in their rank."""
    found = []
    for each in segments:
        mine, other, offset = (each.target, each.source, each.out) if above else (each.source, each.target, each.into)
        if mine is spot:
            found.append(position[other] + (0.8 * offset / other.width if other.width else 0.0))
    return found


def _crossings(layers: list[list[Spot]], segments: Sequence[Segment]) -> int:
    """How many pairs of lines cross, from the orders alone."""
    position = {spot: float(place) for layer in layers for place, spot in enumerate(layer)}
    count = 0
    for rank in range(len(layers)):
        ends = [
            (
                position[each.source] + 0.8 * each.out / each.source.width,
                position[each.target] + 0.8 * each.into / each.target.width,
            )
            for each in segments
            if each.source.rank == rank
        ]
        count += sum((a - c) * (b - d) < 0 for i, (a, b) in enumerate(ends) for c, d in ends[:i])
    return count


def _place(layers: list[list[Spot]], segments: Sequence[Segment]) -> None:
    """Give each spot its x: near what it is joined to, never over its neighbours."""
    for layer in layers:
        x = 0.0
        for before, spot in zip([None, *layer], layer, strict=False):
            x += _apart(before, spot) if before is not None else 0.0
            spot.x = x
    pulls: dict[Spot, list[tuple[Spot, float, float, bool]]] = {spot: [] for layer in layers for spot in layer}
    for each in segments:
        straight = sum(spot.is_bend or bool(spot.row) for spot in (each.source, each.target))
        weight = (1.0, 3.0, 9.0)[straight]
        pulls[each.source].append((each.target, each.into - each.out, weight, False))
        pulls[each.target].append((each.source, each.out - each.into, weight, True))
    for sweep in range(6 * SWEEPS):
        late = sweep >= 2 * SWEEPS
        for layer in layers if sweep % 2 == 0 else reversed(layers):
            wanted, weights = [], []
            for spot in layer:
                near = [pull for pull in pulls[spot] if late or pull[3] == (sweep % 2 == 0)]
                total = sum(weight for _, _, weight, _ in near)
                mean = sum(weight * (other.x + offset) for other, offset, weight, _ in near) / total if near else spot.x
                wanted.append(mean)
                weights.append(total or 0.1)
            _settle(layer, wanted, weights)


def _apart(left: Spot, right: Spot) -> float:
    """The least distance of two centres."""
    return (left.width + right.width) / 2 + (NARROW if left.is_bend or right.is_bend else SIDE)


def _settle(layer: Sequence[Spot], wanted: Iterable[float], weights: Iterable[float]) -> None:
    """The places nearest to the wanted ones in least squares that keep order and distances: pooled neighbours."""
    shifts, shift = [], 0.0
    for place, spot in enumerate(layer):
        shift += _apart(layer[place - 1], spot) if place else 0.0
        shifts.append(shift)
    pools: list[list[float]] = []  # [mean, weight, members]
    for want, weight, moved in zip(wanted, weights, shifts, strict=True):
        pools.append([want - moved, weight, 1])
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            mean, much, many = pools.pop()
            before = pools[-1]
            before[0] = (before[0] * before[1] + mean * much) / (before[1] + much)
            before[1] += much
            before[2] += many
    means = [mean for mean, _, many in pools for _ in range(int(many))]
    for spot, mean, moved in zip(layer, means, shifts, strict=True):
        spot.x = mean + moved
