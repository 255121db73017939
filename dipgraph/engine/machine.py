"""What a compiled plan is: flat lists of calls on slots, nested bodies in between, and the state that they keep."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dipgraph.engine.bounds import Guard
from dipgraph.engine.state import Attributes, Stateful, Stream
from dipgraph.graph import Loop, Operation, Training

Slots = list[Any]
Plain = Callable[[Slots], None]
DATA = (Tensor, bool, int, float, str, np.generic)
"""What a state holds as it is."""


@dataclass
class Calls:
    """A body ready to run: calls that return at once, and nested bodies in between."""

    items: list[Plain | CompiledLoop | CompiledTraining]

    @property
    def plain(self) -> list[Plain]:
        """The calls of a body without nested ones."""
        assert all(callable(item) for item in self.items), "a minimise holds plain calls only"
        return self.items  # type: ignore[return-value]


@dataclass(frozen=True)
class Monitor:
    """A block that hands out a ``verdict`` on its scores."""

    key: str
    label: str
    """What its score is called in the history."""
    score: str
    """What its score is, in the words of the block and the recipe."""
    slots: Mapping[str, int]
    """Its outputs by name."""
    ends: bool
    """Whether an outermost loop's ``until`` depends on whether it is ``done``."""
    delivers: bool
    """Whether the image that the recipe returns is its ``best``."""


@dataclass
class CompiledLoop:
    """A repeat: slots of what it carries and hands out, and its body."""

    key: str
    loop: Loop
    calls: Calls
    enter: list[tuple[int, int]]
    again: list[tuple[int, int]]
    exports: list[tuple[int, int]]
    index: int | None
    until: int | None
    track: int | None
    resets: list[Any] = field(default_factory=list)
    scores: list[tuple[str, int]] = field(default_factory=list)
    """(block, slot) of each number that a block of the body hands out as its ``score``."""
    monitors: list[Monitor] = field(default_factory=list)
    test: str = ""
    """What ``until`` says."""
    images: bool = False
    """Whether the image that the recipe returns is made in the body."""


@dataclass
class CompiledTraining:
    """A minimise: slots of its targets, terms and rates, and the calls that make the terms."""

    key: str
    training: Training
    calls: list[Plain]
    targets: list[tuple[str, int, int, int, bool]]
    """(name, slot before, slot inside, slot after, whether it is a network)."""
    networks: list[int]
    """Every network of outside that the loss reads, the targets among them."""
    terms: list[int]
    rates: dict[str, int]
    exports: list[tuple[int, int]]
    random: list[str]


@dataclass
class Made:
    """A call that hands out something other than data, a map say: no state holds that, so it is made again.

    Before each call it notes the state of what the call draws from; made again from there, and from the same slots, it
    is the same.
    """

    call: Plain
    inputs: list[int]
    outputs: list[int]
    parts: list[Stateful]
    note: list[Mapping[str, Any]] | None = None

    def __call__(self, slots: Slots) -> None:
        """Note the state and call."""
        self.note = [part.state_dict() for part in self.parts]
        self.call(slots)

    def again(self, slots: Slots) -> None:
        """Make the same once more; the parts stand afterwards as before."""
        assert self.note is not None, "only what has been made can be made again"
        now = [part.state_dict() for part in self.parts]
        for part, noted in zip(self.parts, self.note, strict=True):
            part.load_state_dict(noted)
        self.call(slots)
        for part, stood in zip(self.parts, now, strict=True):
            part.load_state_dict(stood)


@dataclass
class Reached:
    """A call of what is returned: None, where something that it reads has not been reached yet."""

    call: Plain
    inputs: list[int]
    outputs: list[int]

    def __call__(self, slots: Slots) -> None:
        """Call, if everything is there that is read."""
        if all(slots[slot] is not None for slot in self.inputs):
            self.call(slots)
        else:
            for slot in self.outputs:
                slots[slot] = None


@dataclass
class Machine:
    """Everything that a run holds: slots, and state by the key of the step it belongs to."""

    slots: Slots
    calls: Calls
    epilogue: list[Reached]
    returns: dict[str, int]
    networks: dict[str, torch.nn.Module]
    blocks: dict[str, Any]
    """Instances of blocks with settings or state."""
    functions: dict[Operation, Callable[..., Any]]
    """What each block's step calls, by its ports."""
    streams: dict[str, torch.Generator]
    made: list[Made]
    """Calls that hand out something other than data, in the order of the text."""
    guards: list[Guard]
    """Checks of values against the bounds of the ports that they are wired to."""
    device: torch.device
    constants: frozenset[int]
    """Slots that hold numbers of the recipe, what the problem gives, and networks as they are at first."""

    def trainings(self) -> Iterator[CompiledTraining]:
        """Every minimise of the run."""
        yield from _trainings(self.calls)

    def parts(self) -> dict[str, list[Stateful]]:
        """What has a past besides slots and networks, by the key of its step."""
        found: dict[str, list[Stateful]] = {key: [Stream(stream)] for key, stream in self.streams.items()}
        for key, made in self.blocks.items():
            if getattr(type(made), "state", ()):
                found.setdefault(key, []).append(Attributes(made))
        return found

    def state_dict(self) -> dict[str, Any]:
        """Slots, networks, those that blocks handed out among them, blocks and streams.

        A slot is ``("data", value)``, ``("constant", slot)`` for what another slot holds from the start, or ``("made",
        slot)`` for what is made again by the call that fills that slot; null where it holds none of these.
        """
        constants = {id(self.slots[slot]): slot for slot in sorted(self.constants)}
        sources = {id(self.slots[slot]): slot for made in self.made if made.note is not None for slot in made.outputs}

        def told(value: Any) -> tuple[str, Any] | None:
            if value is None:
                return None
            if isinstance(value, DATA):
                return "data", value
            if id(value) in constants:
                return "constant", constants[id(value)]
            return ("made", sources[id(value)]) if id(value) in sources else None

        return {
            "slots": [None if slot in self.constants else told(value) for slot, value in enumerate(self.slots)],
            "notes": [made.note for made in self.made],
            "handed": {
                slot: self.slots[slot].state_dict()
                for made in self.made
                for slot in made.outputs
                if isinstance(self.slots[slot], torch.nn.Module) and id(self.slots[slot]) not in constants
            },
            "networks": {name: network.state_dict() for name, network in self.networks.items()},
            "parts": {key: [part.state_dict() for part in parts] for key, parts in self.parts().items()},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take the state of a machine of the same plan."""
        slots = self.slots
        copies: dict[int, list[int]] = {}
        what: str
        value: Any
        for slot, told in enumerate(state["slots"]):
            if slot not in self.constants:
                what, value = told or ("data", None)
                slots[slot] = value if what == "data" else slots[value] if what == "constant" else None
                if what == "made":
                    copies.setdefault(value, []).append(slot)
        for name, network in self.networks.items():
            network.load_state_dict(state["networks"][name])
        for key, parts in self.parts().items():
            for part, past in zip(parts, state["parts"][key], strict=True):
                part.load_state_dict(past)
        with torch.no_grad():
            for made, note in zip(self.made, state["notes"], strict=True):
                made.note = note
                # Where an input is gone, a loop has been entered anew since: the call will be made again before any
                # reader of what it made.
                if any(slot in copies for slot in made.outputs) and all(
                    slots[slot] is not None for slot in made.inputs
                ):
                    before = list(slots)
                    made.again(slots)
                    fresh = {slot: slots[slot] for slot in made.outputs}
                    slots[:] = before
                    for source, weights in state["handed"].items():
                        if source in fresh:  # trained since it was handed out
                            fresh[source].load_state_dict(weights)
                    for source, value in fresh.items():
                        for slot in copies.get(source, ()):
                            slots[slot] = value


def labels(names: list[str]) -> list[str]:
    """The names, numbered where one comes several times."""
    return [
        name if names.count(name) == 1 else f"{name}.{names[:place].count(name) + 1}"
        for place, name in enumerate(names)
    ]


def _trainings(calls: Calls) -> Iterator[CompiledTraining]:
    for item in calls.items:
        if isinstance(item, CompiledLoop):
            yield from _trainings(item.calls)
        elif isinstance(item, CompiledTraining):
            yield item
