"""State as plain data: whatever a part of a run hands out becomes a tree that JSON holds, and a table of tensors.

Every part of a run that has a past (networks, optimisers, blocks, random streams, loops, the record) hands it out by
``state_dict()`` and takes it back by ``load_state_dict()``, as torch's modules and optimisers do. What is handed out
may share memory with the part: :class:`Packer` copies it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor


class Stateful(Protocol):
    """A part of a run with a past."""

    def state_dict(self) -> Mapping[str, Any]:
        """The past: tensors, numbers, texts, and lists, tuples and mappings of them."""

    def load_state_dict(self, state: Mapping[str, Any], /) -> Any:
        """Go on from a past that was handed out."""


@dataclass(frozen=True)
class Attributes:
    """The past of a block: the attributes that its class names under ``state``."""

    owner: Any

    def state_dict(self) -> dict[str, Any]:
        """The attributes by name."""
        return {name: getattr(self.owner, name) for name in getattr(type(self.owner), "state", ())}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Set the attributes."""
        for name, value in state.items():
            setattr(self.owner, name, value)


@dataclass(frozen=True)
class Stream:
    """The past of a random stream."""

    generator: torch.Generator

    def state_dict(self) -> dict[str, Any]:
        """Where the stream stands, as bytes on the host."""
        return {"position": self.generator.get_state()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""
        self.generator.set_state(state["position"].cpu())


@dataclass
class Packer:
    """Turns a tree of state into plain data and copies of its tensors.

    Tensors that share memory share it again after :class:`Unpacker`, with the same strides: an update in place reaches
    the same names, and sums run in the same order.
    """

    tensors: dict[str, Tensor] = field(default_factory=dict)
    """Copies on the host, each the whole memory that some tensors lie in, flat; by name."""
    _names: dict[tuple[str, int], str] = field(default_factory=dict)
    _kept: list[Tensor] = field(default_factory=list)

    def pack(self, value: Any, place: str = "") -> Any:
        """The value as JSON holds it; ``place`` names the tensors in it.

        Raises
        ------
        TypeError
            For an object that is no data.
        """
        if value is None or type(value) in (bool, int, str):
            return value
        if type(value) is float:
            return value if math.isfinite(value) else {"float": str(value)}
        if isinstance(value, Tensor):
            return {"tensor": self._tensor(value.detach(), place)}
        if isinstance(value, np.generic):
            return {"numpy": str(value.dtype), "value": self.pack(value.item(), place)}
        if isinstance(value, list | tuple):
            items = [self.pack(item, f"{place}.{number}") for number, item in enumerate(value)]
            return items if isinstance(value, list) else {"tuple": items}
        if isinstance(value, Mapping):
            return {"map": [[key, self.pack(item, f"{place}.{key}" if place else str(key))]
                            for key, item in value.items()]}  # fmt: skip
        raise TypeError(f"{place} holds {type(value).__name__}, which is no data")

    def _tensor(self, tensor: Tensor, place: str) -> list[Any]:
        """Name of the memory, and where in it the tensor lies."""
        memory = tensor.untyped_storage()
        # Tensors without entries all lie at address 0; of one memory seen in two types each is kept.
        key = (f"{tensor.device}{tensor.dtype}", memory.data_ptr() or -len(self.tensors) - 1)
        if key not in self._names:
            name = place
            while name in self.tensors:
                name += "'"
            width = tensor.element_size()
            flat = tensor.as_strided((memory.nbytes() // width,), (1,), 0) if tensor.numel() else tensor.reshape(0)
            self.tensors[name] = flat.to("cpu", copy=True)
            self._names[key] = name
            self._kept.append(tensor)  # so that no other tensor gets its address meanwhile
        return [self._names[key], str(tensor.device.type), list(tensor.shape), list(tensor.stride()),
                tensor.storage_offset()]  # fmt: skip


@dataclass
class Unpacker:
    """Turns plain data and its table of tensors back into the tree of state.

    Parameters
    ----------
    tensors
        The table.
    device
        The run's device: what was not on the host goes there.
    """

    tensors: Mapping[str, Tensor]
    device: torch.device
    _made: dict[str, Tensor] = field(default_factory=dict)

    def unpack(self, value: Any) -> Any:
        """The value that was packed."""
        if isinstance(value, list):
            return [self.unpack(item) for item in value]
        if not isinstance(value, dict):
            return value
        if "tensor" in value:
            return self._tensor(*value["tensor"])
        if "float" in value:
            return float(value["float"])
        if "numpy" in value:
            return np.dtype(value["numpy"]).type(self.unpack(value["value"]))
        if "tuple" in value:
            return tuple(self.unpack(item) for item in value["tuple"])
        return {key: self.unpack(item) for key, item in value["map"]}

    def _tensor(self, name: str, device: str, shape: list[int], strides: list[int], offset: int) -> Tensor:
        if name not in self._made:
            target = torch.device("cpu") if device == "cpu" else self.device
            # A copy in memory of its own: what a file was read into need not be aligned as torch's own memory is.
            self._made[name] = torch.empty_like(self.tensors[name], device=target).copy_(self.tensors[name])
        return self._made[name].as_strided(shape, strides, offset)


def snapshot(part: Stateful) -> tuple[Any, dict[str, Tensor]]:
    """A part's state as plain data and copies of its tensors on the host."""
    packer = Packer()
    return packer.pack(part.state_dict()), packer.tensors


def restore(part: Stateful, tree: Any, tensors: Mapping[str, Tensor], device: torch.device | None = None) -> None:
    """Give a part, on the host or the device that is named, the state that :func:`snapshot` took."""
    part.load_state_dict(Unpacker(tensors, device or torch.device("cpu")).unpack(tree))
