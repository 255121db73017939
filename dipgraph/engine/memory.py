"""How much memory a run will need: weights and moments, activations kept for the backward pass, the operator."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from dipgraph.engine.run import Run
from dipgraph.signatures.errors import DipgraphError

LOWER = "lower channels or scales, the samples of a batch, a stopper's window, or the problem's size"
"""What to do where memory does not suffice."""


class OutOfMemoryError(DipgraphError):
    """A run that needs more memory than there is."""


@contextmanager
def memory_told(run: Run | None = None) -> Iterator[None]:
    """Within, an allocation that fails is told with what the run needs and what to lower.

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
        needed = "" if run is None else f"; {estimate(run).said()}"
        step = "" if run is None else f" after step {run.steps}"
        raise OutOfMemoryError(f"the memory does not suffice{step}{needed}", remedy=LOWER) from error


def _is_shortage(error: Exception) -> bool:
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return any(words in str(error) for words in ("not enough memory", "can't allocate memory", "out of memory"))


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
    width = torch.empty((), dtype=setting.dtype).element_size()
    weights = activations = 0
    for name, network in run.executor.machine.networks.items():
        weights += 4 * width * sum(parameter.numel() for parameter in network.parameters())
        channels = run.program.inputs.get(name, 1)
        shadow = copy.deepcopy(network).to("meta")
        image = torch.empty(1, channels, *setting.shapes["X"], device="meta", dtype=setting.dtype)
        activations = max(activations, _saved(shadow, image))
    return Memory(weights, activations, int(getattr(run.problem.A, "bytes_estimate", 0)))


def _saved(network: torch.nn.Module, image: Tensor) -> int:
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
