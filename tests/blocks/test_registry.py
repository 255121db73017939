"""The registry: all blocks, and a faulty one of another package named."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from typing import Any

import pytest

import dipgraph.blocks
from dipgraph.blocks import registry
from dipgraph.signatures import DipgraphError


def test_the_blocks_of_the_first_recipes_are_there() -> None:
    needed = {
        "network.unet", "input.noise", "input.grid", "fidelity.l2", "penalty.l2", "penalty.tv", "prox.tv", "denoise.tv",
        "denoise.dncnn", "average.ema", "stop.variance", "optimiser.adam", "optimiser.sgd",
    }  # fmt: skip
    assert needed <= set(registry())


def test_a_faulty_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def points(**_: Any) -> list[EntryPoint]:
        return [EntryPoint("lab", "no_such_module_of_the_lab", "dipgraph.blocks")]

    monkeypatch.setattr(dipgraph.blocks, "entry_points", points)
    registry.cache_clear()
    with pytest.raises(DipgraphError, match=r"'lab'.*no_such_module_of_the_lab"):
        registry()
    monkeypatch.undo()
    registry.cache_clear()
    assert "network.unet" in registry()
