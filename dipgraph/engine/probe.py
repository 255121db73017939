"""A run looked at before it begins: the values its first iteration finds, and its blocks as maps of one port."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from dipgraph.engine.compile import argument
from dipgraph.engine.functions import FUNCTIONS
from dipgraph.engine.run import Run
from dipgraph.graph import Operation, Value


class Probe:
    """What a run would compute first, computed without running it.

    A carried value is what the loop begins with, an index is 1, a trained network or image stands as before its
    training. Blocks with state or random numbers are put back after each call, so that nothing here changes the run,
    and equal calls give equal results.

    Parameters
    ----------
    run
        A run that has not been stepped.
    """

    def __init__(self, run: Run) -> None:
        self.run, self.machine = run, run.executor.machine
        self._makers: dict[Value, Operation] = {}
        self._sources: dict[Value, Value] = {}
        self._values: dict[Value, Any] = {}
        for body in (run.plan.body, run.plan.epilogue):
            for operation in body.walk():
                self._note(operation)

    def _note(self, operation: Operation) -> None:
        nested = operation.nested
        if nested is None:
            self._makers |= dict.fromkeys(operation.outputs, operation)
            return
        carried = operation.loop.carried if operation.loop else operation.training.targets if operation.training else []
        self._sources |= {each.inside: each.begin for each in carried}
        self._sources |= {after: inside for inside, after in nested.exports}

    def value(self, value: Value) -> Any:
        """A value of the plan as the first iteration finds it."""
        if value not in self._values:
            with torch.no_grad():
                self._values[value] = self._evaluate(value)
        return self._values[value]

    def _evaluate(self, value: Value) -> Any:
        if value.origin == "literal":
            return value.content
        if value.origin == "given":
            return self.run.bound.given[value.content]
        if value.origin == "network":
            return self.machine.networks[value.content]
        if value.origin == "index":
            return 1
        if value in self._sources:
            return self.value(self._sources[value])
        operation = self._makers[value]
        return self._results(operation)[operation.outputs.index(value)]

    def _results(self, operation: Operation) -> tuple[Any, ...]:
        inputs = [self.value(each) for each in operation.inputs]
        if operation.call is None:
            return (FUNCTIONS[operation.name](*inputs),)
        signature = operation.call.signature
        named = {argument(signature, port): value for port, value in zip(operation.ports, inputs, strict=True)}
        result = self._call(operation, named)
        return tuple(result) if signature.is_tuple else (result,)

    def ports(self, operation: Operation) -> dict[str, Any]:
        """The values at a block's ports, by port."""
        return {port: self.value(each) for port, each in zip(operation.ports, operation.inputs, strict=True)}

    def image_map(
        self, operation: Operation, port: str = "of", others: Mapping[str, Any] | None = None
    ) -> Callable[[Tensor], Any]:
        """A block as a map of what is wired to one of its ports, to its first output.

        Parameters
        ----------
        operation
            A block's operation.
        port
            The port left free.
        others
            Values at further ports; those not named have their value at the run's start.
        """
        assert operation.call is not None, "only a block has ports"
        signature = operation.call.signature
        is_tuple = signature.is_tuple
        held = {argument(signature, each): value
                for each, value in (self.ports(operation) | dict(others or {})).items()}  # fmt: skip
        free = argument(signature, port)

        def apply(image: Tensor) -> Any:
            result = self._call(operation, held | {free: image})
            return result[0] if is_tuple else result

        return apply

    def _call(self, operation: Operation, given: dict[str, Any]) -> Any:
        """Call a block and put its state and its random stream back."""
        parts = self.machine.parts().get(operation.key, [])
        kept = [copy.deepcopy(part.state_dict()) for part in parts]
        try:
            return self.machine.functions[operation](**given)
        finally:
            for part, past in zip(parts, kept, strict=True):
                part.load_state_dict(past)
