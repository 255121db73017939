"""Every proximal map and projection against the functional that it declares: a new one is tested by existing."""

from __future__ import annotations

import inspect

import pytest
import torch
from block_laws import Caller, setting

from dipgraph.blocks import registry
from dipgraph.signatures.ports import WordKind
from dipgraph.testing import assert_prox, assert_resolvent, measure_prox

MAPS = sorted(name for name, block in registry().items() if block.family in ("prox", "project"))
KNOWN = [name for name in MAPS if registry()[name].functional is not None]
FROM_ELSEWHERE = {"prox.pyproximal"}
"""Blocks whose functional depends on another package."""


def test_each_declares_its_functional() -> None:
    assert set(MAPS) - set(KNOWN) == FROM_ELSEWHERE


def words_of(name: str) -> list[dict[str, str]]:
    words = [port for port in registry()[name].ports if isinstance(port.kind, WordKind)]
    return [{port.name: word} for port in words for word in port.kind.of] if words else [{}]  # type: ignore[attr-defined]


@pytest.mark.parametrize(("name", "words"), [(name, words) for name in KNOWN for words in words_of(name)])
def test_it_is_the_proximal_map_of_its_functional(name: str, words: dict[str, str]) -> None:
    signature = registry()[name]
    call = Caller(signature, setting(), words=words)
    given = call.arguments()
    tolerance = getattr(call.instance, "tolerance", 0.0)
    assert signature.functional is not None
    held = {port.argument: port.default for port in signature.ports} | given | words
    wanted = list(inspect.signature(signature.functional).parameters)[1:]
    shape = given["of"].shape
    draw = torch.Generator().manual_seed(0)
    points = [2 * torch.randn(shape, generator=draw, dtype=torch.float64) for _ in range(3)]

    def functional(x: torch.Tensor) -> torch.Tensor:
        value: torch.Tensor = signature.functional(x, **{name: held[name] for name in wanted})  # type: ignore[misc]
        return value

    def proximal(v: torch.Tensor, gamma: float) -> torch.Tensor:
        scaled = {"weight": gamma * given["weight"]} if "weight" in given else {}
        fresh = Caller(signature, setting(), words=words)
        result: torch.Tensor = fresh(given | {"of": v} | scaled)[0]
        return result

    bound = max(1e-6, 5 * tolerance)
    assert_prox(proximal, functional, points, gamma=1.0, bound=bound)
    if "weight" in given:
        assert_resolvent(proximal, points, gamma=1.0, bound=bound)

    # The law can fail: a map that goes a tenth too far is found.
    def too_far(v: torch.Tensor, gamma: float) -> torch.Tensor:
        return v + 1.1 * (proximal(v, gamma) - v)

    assert not all(record.ok for record in measure_prox(too_far, functional, points, gamma=1.0, bound=bound))
