"""How much memory a run will need: weights and moments, activations kept for the backward pass, the operator."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from dipgraph.blocks import Setting
from dipgraph.operators.devices import said_bytes, total_memory
from dipgraph.signatures.errors import DipgraphError, InputError

if TYPE_CHECKING:
    from dipgraph.engine.run import Run

LOWER = "lower channels or scales, the samples of a batch, a stopper's window, or the problem's size"
"""What to do where memory does not suffice."""
FEWER = "take fewer channels or scales, or a smaller image"
"""What to do where a network is too large."""


class OutOfMemoryError(DipgraphError):
    """A run that needs more memory than there is."""


@contextmanager
def memory_told(device: torch.device, run: Run | None = None) -> Iterator[None]:
    """Within, an allocation that fails is told with what the run needs and what to lower.

    Parameters
    ----------
    device
        Whose memory it is.
    run
        The run under way, if there is one yet.

    Raises
    ------
    OutOfMemoryError
        In place of what torch, NumPy or Python raise.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not _is_shortage(error):
            raise
        asked = re.search(r"you tried to allocate (\d+) bytes", str(error))
        array = f": one array takes {said_bytes(int(asked[1]))}" if asked else ""
        step = "" if run is None else f" after step {run.steps}"
        needed = "" if run is None else f"; {estimate(run).said()}"
        raise OutOfMemoryError(
            f"the memory of '{device}', {said_bytes(total_memory(device))}, does not suffice{step}{array}{needed}",
            remedy=LOWER,
        ) from error


def _is_shortage(error: Exception) -> bool:
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return any(words in str(error) for words in ("not enough memory", "can't allocate", "out of memory"))


@dataclass(frozen=True)
class Memory:
    """Bytes that a run needs on its device."""

    weights: int
    """Weights, gradients and two moments of each."""
    activations: int
    operator: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.activations + self.operator

    def said(self) -> str:
        """The estimate in words."""
        parts = {"weights and moments": self.weights, "activations": self.activations, "operator": self.operator}
        listed = ", ".join(f"{name} {size / 2**20:.1f}" for name, size in parts.items())
        return f"memory: about {self.total / 2**20:.0f} MiB ({listed})"


def estimate(run: Run) -> Memory:
    """The memory of a run, found without computing: the networks are traced on torch's ``meta`` device."""
    setting = run.bound.setting
    weights = activations = 0
    for name, network in run.executor.machine.networks.items():
        weights += _weights(network, setting)
        shadow = copy.deepcopy(network).to("meta")
        activations = max(activations, _activations(shadow, run.program.inputs.get(name, 1), setting))
    return Memory(weights, activations, int(getattr(run.problem.A, "bytes_estimate", 0)))


def refuse_too_large(shadow: nn.Module, inputs: int, setting: Setting) -> None:
    """Refuse a network that cannot be trained in the memory of its device.

    Parameters
    ----------
    shadow
        The network, on torch's ``meta`` device: nothing of its size is held yet.
    inputs
        Channels of its input.
    setting
        The run's device, precision and image.

    Raises
    ------
    InputError
        If its weights, gradients and moments, and the activations of one image, are more than there is.
    """
    weights, total = _weights(shadow, setting), total_memory(setting.device)
    activations = 0 if weights > total else _activations(shadow, inputs, setting)
    if weights + activations > total:
        held = f" and {said_bytes(activations)} of activations" if activations else ""
        where = "this GPU" if setting.device.type == "cuda" else "this machine"
        raise InputError(
            f"its weights, gradients and moments take {said_bytes(weights)}{held}, and {where} has {said_bytes(total)}",
            remedy=FEWER,
        )


def _weights(network: nn.Module, setting: Setting) -> int:
    """Bytes of the weights, their gradients and two moments of each."""
    width = torch.empty((), dtype=setting.dtype).element_size()
    return 4 * width * sum(parameter.numel() for parameter in network.parameters())


def _activations(shadow: nn.Module, inputs: int, setting: Setting) -> int:
    """Bytes that autograd keeps of the forward pass of one image."""
    return _saved(
        shadow.to(setting.dtype), torch.empty(1, inputs, *setting.shapes["X"], device="meta", dtype=setting.dtype)
    )


def _saved(network: nn.Module, image: Tensor) -> int:
    """Bytes that autograd keeps of a forward pass; each tensor counts once."""
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        kept[id(tensor.untyped_storage())] = tensor.untyped_storage().nbytes()
        alive.append(tensor)
        return tensor

    alive: list[Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        network(image)
    return sum(kept.values())
