"""A minimise at run time: gradient steps on the sum of its terms, with an optimiser whose moments survive."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from dipgraph.engine.machine import CompiledTraining, Machine
from dipgraph.signatures.block import Signature


class Trainer:
    """One minimise's optimiser and the leaves that it changes; lives as long as the run."""

    def __init__(self, compiled: CompiledTraining, machine: Machine) -> None:
        self.compiled, self.machine = compiled, machine
        step = compiled.training.step
        self.signature: Signature = step.optimiser.signature
        self.settings = dict(step.optimiser.settings)
        self.count = step.count
        self.leaves: dict[str, Tensor] = {}
        self.optimiser: torch.optim.Optimizer | None = None

    def prepare(self) -> torch.optim.Optimizer:
        """The optimiser, made at the first visit, with the rates of this one."""
        slots = self.machine.slots
        for name, before, inside, _, is_network in self.compiled.targets:
            value = slots[before]
            if not is_network:
                if name not in self.leaves:
                    self.leaves[name] = torch.empty_like(value)
                value = self.leaves[name].requires_grad_(False).copy_(value).requires_grad_(True)
            slots[inside] = value
        if self.optimiser is None or self.compiled.training.step.restart or self.moved(self.optimiser):
            self.optimiser = self.make()
        self.set_rates(self.optimiser)
        return self.optimiser

    def groups(self) -> list[dict[str, Any]]:
        """What the optimiser changes: of each target its name and its tensors, as they stand inside."""
        slots = self.machine.slots
        return [
            {"name": name, "params": list(slots[inside].parameters()) if is_network else [self.leaves[name]]}
            for name, _, inside, _, is_network in self.compiled.targets
        ]

    def make(self) -> torch.optim.Optimizer:
        """A fresh optimiser of the networks and leaves."""
        slots = self.machine.slots
        said = {name: _number(slots[slot]) for name, slot in self.compiled.rates.items() if self.signature.port(name)}
        per_target = [port.name for port in self.signature.ports if getattr(port.kind, "per_target", False)]
        for port in per_target:  # one rate for each target: any of them serves to build the optimiser
            if port not in said and self.compiled.training.rates:
                said[port] = _number(slots[next(iter(self.compiled.rates.values()))])
        groups = self.groups()
        handed = {argument: groups for argument, what, _ in self.signature.injected if what == "parameters"}
        made: torch.optim.Optimizer = self.signature.make(**handed, **said, **self.settings)
        return made

    def moved(self, optimiser: torch.optim.Optimizer) -> bool:
        """Whether a target is another network than the optimiser's moments are of: a block has handed out a new one."""
        held = [parameter for group in optimiser.param_groups for parameter in group["params"]]
        wanted = [parameter for group in self.groups() for parameter in group["params"]]
        return len(held) != len(wanted) or any(old is not new for old, new in zip(held, wanted, strict=True))

    def state_dict(self) -> dict[str, Any]:
        """The targets that are images as they stand, and the optimiser's moments."""
        optimiser = None if self.optimiser is None else self.optimiser.state_dict()
        return {"leaves": dict(self.leaves), "optimiser": optimiser}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take both back; the machine's slots must stand already."""
        self.leaves = {name: leaf.requires_grad_(True) for name, leaf in state["leaves"].items()}
        self.optimiser = None
        if state["optimiser"] is not None:
            self.optimiser = self.make()
            self.optimiser.load_state_dict(state["optimiser"])

    def thaw(self) -> None:
        """Let gradients flow to the networks that are targets, and to no other that the loss reads."""
        slots = self.machine.slots
        for slot in self.compiled.networks:
            slots[slot].requires_grad_(False)
        for _, before, _, _, is_network in self.compiled.targets:
            if is_network:
                slots[before].requires_grad_(True)

    def apart(self, value: Any) -> Any:
        """A value as it stands before the update, which changes the leaves in place."""
        if not isinstance(value, Tensor):
            return value
        storages = {leaf.untyped_storage().data_ptr() for leaf in self.leaves.values()}
        return value.detach().clone() if value.untyped_storage().data_ptr() in storages else value.detach()

    def set_rates(self, optimiser: torch.optim.Optimizer) -> None:
        """Put the rates of this visit into the optimiser's groups."""
        slots, rates = self.machine.slots, self.compiled.rates
        for group in optimiser.param_groups:
            slot = rates.get(group["name"], rates.get("rate"))
            if slot is not None:
                group["lr"] = float(slots[slot])

    def run(self, done: int = 0) -> Iterator[list[Tensor]]:
        """Take the gradient steps; after each, the values of the terms before its update."""
        slots, calls, terms = self.machine.slots, self.compiled.calls, self.compiled.terms
        self.thaw()
        optimiser = self.prepare() if not done else self.resume()
        leaves = [(name, inside) for name, _, inside, _, is_network in self.compiled.targets if not is_network]
        held: list[Any] = []
        values: list[Tensor] = []
        replay = _Replay(self.machine, self.compiled.random) if _evaluates_often(optimiser) else None

        def closure() -> Tensor:
            with torch.enable_grad():
                optimiser.zero_grad(set_to_none=True)
                for name, inside in leaves:  # a check of bounds may have put something else there
                    slots[inside] = self.leaves[name]
                if replay is not None:
                    replay.rewind()
                for call in calls:
                    call(slots)
                total: Tensor = slots[terms[0]]
                for term in terms[1:]:
                    total = total + slots[term]
                total.backward()  # type: ignore[no-untyped-call]
            if not values:
                values.extend(slots[term].detach() for term in terms)
                held.extend(self.apart(slots[inside]) for inside, _ in self.compiled.exports)
            return total

        for _ in range(done, self.count):
            values.clear()
            held.clear()
            if replay is not None:
                replay.begin()
            optimiser.step(closure)  # type: ignore[arg-type]
            for (_, after), value in zip(self.compiled.exports, held, strict=True):
                slots[after] = value
            yield list(values)
        for name, _, inside, after, is_network in self.compiled.targets:
            slots[after] = slots[inside] if is_network else self.leaves[name].detach().clone()

    def resume(self) -> torch.optim.Optimizer:
        """The optimiser in the middle of a visit: leaves and moments stand as they were."""
        slots = self.machine.slots
        for name, before, inside, _, is_network in self.compiled.targets:
            slots[inside] = slots[before] if is_network else self.leaves[name]
        assert self.optimiser is not None, "a visit is resumed with its optimiser"
        return self.optimiser


def _number(value: Any) -> Any:
    """A number on the host; a whole one stays whole."""
    return value.item() if isinstance(value, Tensor) else value


def _evaluates_often(optimiser: torch.optim.Optimizer) -> bool:
    """Whether one step of the optimiser evaluates the loss more than once."""
    return isinstance(optimiser, torch.optim.LBFGS)


class _Replay:
    """Lets every evaluation within one gradient step draw the same numbers."""

    def __init__(self, machine: Machine, keys: list[str]) -> None:
        parts = machine.parts()
        self.parts = [part for key in keys for part in parts.get(key, [])]
        self.saved: list[Mapping[str, Any]] = []

    def begin(self) -> None:
        """Note the state at the first evaluation of a step."""
        self.saved = [part.state_dict() for part in self.parts]

    def rewind(self) -> None:
        """Return to it."""
        for part, state in zip(self.parts, self.saved, strict=True):
            part.load_state_dict(state)
