"""The order in which parameters are settled: each after those that it reads, and the rings where that cannot be."""

from __future__ import annotations

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter


def in_order(reads: Mapping[str, set[str]]) -> tuple[list[str], list[list[str]]]:
    """Names, each after those that it reads; and rings of names that read each other, each from its first name on."""
    left = {name: reads[name] & reads.keys() for name in sorted(reads)}
    rings: list[list[str]] = []
    while True:
        try:
            return list(TopologicalSorter(left).static_order()), rings
        except CycleError as error:
            ring = list(reversed(error.args[1]))[1:]
            start = ring.index(min(ring))
            rings.append([*ring[start:], *ring[:start]])
            left = {name: of - set(ring) for name, of in left.items() if name not in ring}


def said(ring: list[str]) -> str:
    """A ring in words."""
    return f"the parameters define each other: {' -> '.join([*ring, ring[0]])}"
