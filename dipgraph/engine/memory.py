"""How much memory a run will need: weights and moments, activations kept for the backward pass, the operator."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor

from dipgraph.engine.run import Run


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
