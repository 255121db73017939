"""The loop: runs a machine's calls, nested bodies and all, one gradient step or iteration at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from dipgraph.engine.explain import Mark, ending, marked
from dipgraph.engine.machine import Calls, CompiledLoop, CompiledTraining, Machine
from dipgraph.engine.training import Trainer

COUNTS = ("gradient_steps", "iterations", "stopped_at", "delivered", "latest", "marks", "ending")
"""What the executor holds besides its position and its parts."""


@dataclass
class Frame:
    """How far a nested body has come."""

    key: str
    count: int
    begun: int = 0
    """Iterations begun."""
    done: int = 0
    """Whole iterations or gradient steps done."""
    at: int = 0
    """The item of the body's calls that is under way."""
    ended: bool = False
    """Whether the last iteration is done, by the count or by the test."""
    is_training: bool = False


class Observer(Protocol):
    """What is told of a run as it goes."""

    def losses(self, step: int, training: CompiledTraining, values: list[Tensor]) -> None:
        """The loss terms of a gradient step, on the device."""

    def tracked(self, step: int, image: Tensor) -> None:
        """The tracked image at the end of an iteration, on the device."""

    def scored(self, step: int, scores: list[tuple[str, Any]]) -> None:
        """The scores that blocks gave in an iteration, on the device."""


@dataclass
class Executor:
    """Runs a machine. Iterate over :meth:`run`; after each item one gradient step, or one iteration, is done."""

    machine: Machine
    observer: Observer
    run_on: bool = False
    stop_at: int | None = None
    """End every loop with the iteration in which so many steps are done."""
    gradient_steps: int = 0
    iterations: int = 0
    """Iterations of loops that hold no minimise."""
    frames: list[Frame] = field(default_factory=list)
    stopped_at: int | None = None
    """Steps done when the ``until`` of an outermost loop first held."""
    delivered: dict[str, Any] | None = None
    """What would have been returned then, kept under ``run_on``."""
    marks: dict[str, Mark] = field(default_factory=dict)
    """Of each monitor: iterations of its loop so far, and steps done at the end of its best one, on the device."""
    ending: dict[str, Any] | None = None
    """Why the run stopped: what :func:`~dipgraph.engine.explain.ending` read then."""
    trainers: dict[str, Trainer] = field(default_factory=dict)
    active: list[CompiledLoop | CompiledTraining] = field(default_factory=list)
    """The nested bodies under way, outermost first; beside :attr:`frames`."""
    latest: Tensor | None = None
    """The tracked image as last logged."""

    def __post_init__(self) -> None:
        for compiled in self.machine.trainings():
            self.trainers[compiled.key] = Trainer(compiled, self.machine)

    @property
    def steps(self) -> int:
        """Gradient steps done; iterations where the recipe takes none."""
        return self.gradient_steps if self.trainers else self.iterations

    @property
    def is_at_the_end(self) -> bool:
        """Whether as many steps are done as were asked for."""
        return self.stop_at is not None and self.steps >= self.stop_at

    def run(self) -> Iterator[Frame]:
        """Run to the end, from the beginning or from where :attr:`frames` say that the run stands."""
        if not self.frames:
            self.frames.append(Frame("", 1))
        steps = self._body(self.machine.calls, 0)
        while True:
            with torch.no_grad():  # not around the yield: between steps the caller's own mode holds
                frame = next(steps, None)
            if frame is None:
                break
            yield frame
        self.frames.pop()

    def state_dict(self) -> dict[str, Any]:
        """Position, counts, and the state of every part; may be asked for after each item of :meth:`run`."""
        return {
            "machine": self.machine.state_dict(),
            "trainers": {key: trainer.state_dict() for key, trainer in self.trainers.items()},
            "frames": [vars(frame).copy() for frame in self.frames],
            **{name: getattr(self, name) for name in COUNTS},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take the position and state of a run of the same plan."""
        self.machine.load_state_dict(state["machine"])
        for key, trainer in self.trainers.items():
            trainer.load_state_dict(state["trainers"][key])
        for name in COUNTS:
            setattr(self, name, state[name])
        self.frames[:] = [Frame(**frame) for frame in state["frames"]]
        self.active.clear()
        items: list[Any] = self.machine.calls.items
        for outer in self.frames[:-1]:
            item = items[outer.at]
            self.active.append(item)
            items = item.calls.items if isinstance(item, CompiledLoop) else []

    def returned(self) -> dict[str, Any]:
        """What the recipe returns, of what stands now; None for what has not been reached."""
        slots, saved = self.machine.slots, list(self.machine.slots)
        try:
            with torch.no_grad():
                for item in reversed(self.active):  # loops under way hand out what their bodies made so far
                    _move(slots, item.exports)
                for call in self.machine.epilogue:
                    call(slots)
            return {name: slots[slot] for name, slot in self.machine.returns.items()}
        finally:
            slots[:] = saved

    def tracked(self) -> Any:
        """The tracked image as it stands, in the midst of an iteration too; None before there is one."""
        slots, saved = self.machine.slots, list(self.machine.slots)
        try:
            for item in reversed(self.active):
                if isinstance(item, CompiledLoop) and item.track is not None and slots[item.track] is not None:
                    return slots[item.track]
                _move(slots, item.exports)
            return self.latest
        finally:
            slots[:] = saved

    def _body(self, calls: Calls, depth: int) -> Iterator[Frame]:
        """Run the calls from where the frame at that depth stands."""
        slots, frame = self.machine.slots, self.frames[depth]
        for at in range(frame.at, len(calls.items)):
            item = calls.items[at]
            if isinstance(item, CompiledLoop | CompiledTraining):
                frame.at = at
                if len(self.frames) == depth + 1:  # else the nested body is under way: the run goes on from a state
                    is_training = isinstance(item, CompiledTraining)
                    nested = item.training if isinstance(item, CompiledTraining) else item.loop
                    self.frames.append(Frame(item.key, nested.step.count, is_training=is_training))
                    self.active.append(item)
                yield from self._nested(item, depth + 1)
                self.frames.pop()
                self.active.pop()
            else:
                item(slots)

    def _nested(self, item: CompiledLoop | CompiledTraining, depth: int) -> Iterator[Frame]:
        return self._training(item, depth) if isinstance(item, CompiledTraining) else self._loop(item, depth)

    def _training(self, item: CompiledTraining, depth: int) -> Iterator[Frame]:
        frame = self.frames[depth]
        for values in self.trainers[item.key].run(frame.done):
            self.gradient_steps += 1
            frame.done += 1
            self.observer.losses(self.gradient_steps, item, values)
            yield frame

    def _loop(self, item: CompiledLoop, depth: int) -> Iterator[Frame]:
        slots, frame = self.machine.slots, self.frames[depth]
        counts = not self.trainers and not any(isinstance(inner, CompiledLoop) for inner in item.calls.items)
        if not frame.begun:
            _move(slots, item.enter)
            for block in item.resets:
                block.reset()
            for monitor in item.monitors:
                self.marks.pop(monitor.key, None)
        while not frame.ended:
            if frame.begun == frame.done:  # else the run goes on from within an iteration
                if frame.begun:
                    _move(slots, item.again)
                frame.begun, frame.at = frame.begun + 1, 0
                if item.index is not None:
                    slots[item.index] = frame.begun
            yield from self._body(item.calls, depth)
            frame.done = frame.begun
            if counts:
                self.iterations += 1
            if item.track is not None:
                self.latest = slots[item.track]
                self.observer.tracked(self.steps, self.latest)
            for monitor in item.monitors:
                self.marks[monitor.key] = marked(monitor, slots, frame.done, self.steps, self.marks.get(monitor.key))
            if item.scores:
                self.observer.scored(self.steps, [(name, slots[slot]) for name, slot in item.scores])
            frame.ended = self._ends(item, frame.done, outermost=depth == 1) or frame.done == frame.count
            if counts:
                yield frame
        _move(slots, item.exports)

    def _ends(self, item: CompiledLoop, number: int, *, outermost: bool) -> bool:
        """Whether the loop ends early after this iteration: by its own test, or since the run was asked to."""
        return self._stops(item, number, outermost=outermost) or self.is_at_the_end

    def _stops(self, item: CompiledLoop, number: int, *, outermost: bool) -> bool:
        """Whether the loop's test ends it; where that would change nothing it is not read."""
        step = item.loop.step
        if self.run_on and not outermost:
            return False
        if item.until is None or (number % step.every and number != step.count):
            return False
        if outermost and self.stopped_at is not None:
            return False
        if not bool(self.machine.slots[item.until]):
            return False
        if outermost:
            self.stopped_at = self.steps
            self.ending = ending(item, self.machine.slots, self.marks)
            if self.run_on:
                self._keep(item)
        return not self.run_on

    def _keep(self, item: CompiledLoop) -> None:
        """Under ``run_on``: what would be returned, had the loop ended here."""
        slots = self.machine.slots
        later = self.machine.calls.items[self.frames[0].at + 1 :]
        if not all(callable(call) for call in later):
            return  # a further loop would have gone on from here: only a run that stops can tell what it returns
        saved = list(slots)
        _move(slots, item.exports)
        for call in later:
            call(slots)  # type: ignore[operator]
        self.delivered = {name: _copied(value) for name, value in self.returned().items()}
        slots[:] = saved


def _move(slots: list[Any], pairs: list[tuple[int, int]]) -> None:
    """Copy slots at once, so that a swap swaps."""
    values = [slots[source] for source, _ in pairs]
    for (_, target), value in zip(pairs, values, strict=True):
        slots[target] = value


def _copied(value: Any) -> Any:
    if isinstance(value, torch.nn.Module):
        return {name: tensor.detach().clone() for name, tensor in value.state_dict().items()}
    return value.detach().clone() if isinstance(value, Tensor) else value
