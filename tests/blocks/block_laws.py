"""How the tests call any block: values for its ports made from what its signature declares."""

from __future__ import annotations

import copy
import inspect
import math
from dataclasses import dataclass, field
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import settings

from dipgraph.blocks import Setting, registry
from dipgraph.signatures import MissingExtra, Signature
from dipgraph.signatures.ports import (
    FieldKind,
    FileKind,
    Kind,
    LossKind,
    MapKind,
    NumberKind,
    SpaceKind,
    SwitchKind,
    VectorKind,
    WordKind,
    within,
)

lawful = settings(derandomize=True, deadline=None, max_examples=12, database=None)
few = settings(lawful, max_examples=4)

OF_EACH_CALL = {"network", "optimiser"}
"""Families whose blocks are not called with vectors; they have tests of their own."""


def setting(
    rows: int = 9, columns: int = 7, views: int = 6, detectors: int = 8, dtype: torch.dtype = torch.float64
) -> Setting:
    shapes = {"X": (rows, columns), "Y": (views, detectors), "G": (2, rows, columns)}
    return Setting(torch.device("cpu"), dtype, shapes)


def callable_blocks() -> list[str]:
    return sorted(name for name, block in registry().items() if block.family not in OF_EACH_CALL)


def space_of(pattern: str, channels: int = 1, block: Signature | None = None) -> tuple[str, int]:
    """The problem's space that the tests wire into a pattern, and its channels: a map goes from X to Y."""
    name, _, rest = pattern.partition("[")
    said = rest.rstrip("]")
    codomains = {port.kind.codomain for port in block.ports if isinstance(port.kind, MapKind)} if block else set()
    space = name if name in ("X", "Y", "G") else "Y" if name in codomains else "X"
    return space, (int(said) if said.isdigit() else channels)


def a_number(kind: NumberKind) -> float | int:
    """A number within the bounds."""
    for value in (2, 1, 3) if kind.whole else (0.6, 0.3, 1.5, 0.05):
        if within(value, kind.min, kind.above, kind.max, kind.below):
            return value
    raise AssertionError(f"no number for {kind}")


@cache
def matrix_map(dims: tuple[int, ...], dimsd: tuple[int, ...], scale: float = 0.5) -> Any:
    """A linear map without negative entries, as the engine hands one to a block."""
    from pylops import MatrixMult

    from dipgraph.operators.torch_map import TorchMap

    op = MatrixMult(np.abs(np.random.default_rng(3).normal(size=(math.prod(dimsd), math.prod(dims)))))
    op.dims, op.dimsd = dims, dimsd
    return TorchMap(op, scale=scale)


@dataclass
class Caller:
    """A block with its static ports settled, ready to be called as the engine does."""

    signature: Signature
    where: Setting
    files: dict[str, Any] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)
    channels: int = 1
    scalar_tensors: bool = False

    def __post_init__(self) -> None:
        self.instance = self.make()

    def make(self) -> Any:
        if not self.signature.is_class:
            return self.signature.make
        given = {p.argument: self.static(p.name, p.kind, p.default) for p in self.signature.ports if p.static}
        for argument, what, at_start in self.signature.injected:
            if at_start:
                given[argument] = self.injected(what)
        try:
            return self.signature.make(**given)
        except MissingExtra as missing:
            pytest.skip(str(missing))

    def injected(self, what: str) -> Any:
        return {"setting": self.where, "stream": torch.Generator().manual_seed(5), "inputs": self.channels}[what]

    def static(self, name: str, kind: Kind, default: Any) -> Any:
        if isinstance(kind, WordKind):
            return self.words.get(name, default if default is not inspect.Parameter.empty else kind.of[0])
        if isinstance(kind, FileKind):
            return self.files.get(name)
        if default is not inspect.Parameter.empty:
            return default
        return self.dynamic(kind, 0, torch.Generator().manual_seed(1))

    def dynamic(self, kind: Kind, batch: int, random: torch.Generator) -> Any:
        """A value for a port of the kind; a batch of 0 stands for a single vector."""
        where = self.where
        if isinstance(kind, FieldKind):
            return self.scalar(a_number(kind))
        if isinstance(kind, NumberKind):
            value = a_number(kind)
            return value if kind.whole else self.scalar(value)
        if isinstance(kind, VectorKind):
            space, channels = space_of(kind.pattern, self.channels, self.signature)
            members = 1 if kind.single else max(batch, 1)
            # Counts and weights are not negative, and no other block minds.
            return (
                torch.rand(members, channels, *where.shapes[space], generator=random, dtype=torch.float64).to(
                    where.dtype
                )
                + 0.1
            )
        if isinstance(kind, SwitchKind):
            return True
        if isinstance(kind, WordKind):
            return kind.of[0]
        if isinstance(kind, MapKind):
            return matrix_map(where.shapes["X"], where.shapes["Y"])
        if isinstance(kind, SpaceKind):
            return SimpleNamespace(shape=where.shapes["Y"])
        raise AssertionError(f"no value for {kind}")

    def scalar(self, value: float) -> Any:
        return torch.tensor(value, dtype=self.where.dtype) if self.scalar_tensors else value

    def arguments(self, batch: int = 0, seed: int = 0) -> dict[str, Any]:
        random = torch.Generator().manual_seed(seed)
        given: dict[str, Any] = {}
        for port in self.signature.ports:
            if port.static and self.signature.is_class:
                continue
            if port.static:
                given[port.argument] = self.static(port.name, port.kind, port.default)
            elif not port.required and not isinstance(port.kind, VectorKind):
                given[port.argument] = self.scalar(port.default) if isinstance(port.default, float) else port.default
            else:
                given[port.argument] = self.dynamic(port.kind, batch, random)
        return given

    def __call__(self, arguments: dict[str, Any]) -> tuple[Any, ...]:
        given = dict(arguments)
        for argument, what, at_start in self.signature.injected:
            if not (at_start and self.signature.is_class):
                given[argument] = self.injected(what)
        try:
            result = self.instance(**given)
        except MissingExtra as missing:
            pytest.skip(str(missing))
        return tuple(result) if len(self.signature.outputs) > 1 else (result,)

    def state(self) -> dict[str, Any]:
        return {name: copy.deepcopy(getattr(self.instance, name)) for name in self.signature.state}

    def restore(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            setattr(self.instance, name, value)


def same(a: Any, b: Any) -> bool:
    """Whether two outputs are equal bit for bit."""
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    return callable(a) or a == b


def is_loss(kind: Kind) -> bool:
    return isinstance(kind, LossKind)
