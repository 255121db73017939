"""A plan becomes flat lists of calls on slots: one closure an operation, compiled once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch

from dipgraph.engine.bounds import Demands, guard
from dipgraph.engine.functions import FUNCTIONS
from dipgraph.engine.memory import refuse_too_large
from dipgraph.graph import Body, Loop, Operation, Plan, Training, Value
from dipgraph.language.diagnostics import Faults, Report
from dipgraph.language.program import Call, Program
from dipgraph.signatures.block import Signature
from dipgraph.signatures.errors import DipgraphError
from dipgraph.signatures.spaces import Network

Slots = list[Any]
Plain = Callable[[Slots], None]


@dataclass
class Calls:
    """A body ready to run: calls that return at once, and nested bodies in between."""

    items: list[Plain | CompiledLoop | CompiledTraining]

    @property
    def plain(self) -> list[Plain]:
        """The calls of a body without nested ones."""
        assert all(callable(item) for item in self.items), "a minimise holds plain calls only"
        return self.items  # type: ignore[return-value]


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
class Machine:
    """Everything that a run holds: slots, and state by the key of the step it belongs to."""

    slots: Slots
    calls: Calls
    epilogue: list[Plain]
    returns: dict[str, int]
    networks: dict[str, torch.nn.Module]
    blocks: dict[str, Any]
    """Instances of blocks with settings or state."""
    functions: dict[Operation, Callable[..., Any]]
    """What each block's step calls, by its ports."""
    streams: dict[str, torch.Generator]
    injected: dict[str, Any]
    seed: int
    device: torch.device

    def trainings(self) -> Iterator[CompiledTraining]:
        """Every minimise of the run."""
        yield from _trainings(self.calls)


def _trainings(calls: Calls) -> Iterator[CompiledTraining]:
    for item in calls.items:
        if isinstance(item, CompiledLoop):
            yield from _trainings(item.calls)
        elif isinstance(item, CompiledTraining):
            yield item


def stream_seed(seed: int, key: str) -> int:
    """The seed of a step's own stream: of the run's seed and the names the step assigns."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{key}".encode()).digest()[:7], "little")


def compile_plan(
    program: Program, plan: Plan, given: dict[str, Any], setting: Any, seed: int, wanted: Demands
) -> Machine:
    """The machine that runs a plan on a bound problem; ``wanted`` is what ports ask of numbers not known yet."""
    return _Compiler(program, plan, given, setting, seed, wanted).machine()


class _Compiler:
    def __init__(
        self, program: Program, plan: Plan, given: dict[str, Any], setting: Any, seed: int, wanted: Demands
    ) -> None:
        self.program, self.plan, self.given, self.setting, self.seed = program, plan, given, setting, seed
        self.wanted = wanted
        self.slot = {value: number for number, value in enumerate(plan.values)}
        for value in plan.given.values():
            self.slot.setdefault(value, len(self.slot))
        self.blocks: dict[str, Any] = {}
        self.functions: dict[Operation, Callable[..., Any]] = {}
        self.streams: dict[str, torch.Generator] = {}

    def machine(self) -> Machine:
        slots: Slots = [None] * len(self.slot)
        networks = {name: self.network(name, call) for name, call in self.program.networks.items()}
        for value, number in self.slot.items():
            if value.origin == "literal":
                slots[number] = value.content
            elif value.origin == "given":
                slots[number] = self.given[value.content]
            elif value.origin == "network":
                slots[number] = networks[value.content]
        calls = self.body(self.plan.body)
        epilogue = self.body(self.plan.epilogue).plain
        returns = {name: self.slot[value] for name, value in self.plan.returns.items()}
        return Machine(slots, calls, epilogue, returns, networks, self.blocks, self.functions,
                       self.streams, {"setting": self.setting}, self.seed, self.setting.device)  # fmt: skip

    def network(self, name: str, call: Call) -> torch.nn.Module:
        """A network with weights drawn from its own stream."""
        inputs = self.program.inputs.get(name, 1)

        def make() -> torch.nn.Module:
            made: torch.nn.Module = _construct(
                call.signature, call.settings, {"inputs": inputs, "setting": self.setting}
            )
            return made

        def make_if_it_fits() -> torch.nn.Module:
            with torch.device("meta"):
                shadow = make()
            refuse_too_large(shadow, inputs, self.setting)
            torch.manual_seed(stream_seed(self.seed, name))
            return make()

        with torch.random.fork_rng(devices=[]):
            network: torch.nn.Module = self.located(call, make_if_it_fits)
        return network.to(device=self.setting.device, dtype=self.setting.dtype)

    def located(self, call: Call, make: Callable[[], Any]) -> Any:
        """What a block's construction gives; a user's mistake found there is told with its place in the recipe."""
        try:
            return make()
        except DipgraphError as error:
            raise refused(call, error) from error

    def body(self, body: Body) -> Calls:
        items: list[Plain | CompiledLoop | CompiledTraining] = []
        for operation in body.operations:
            items.append(self.operation(operation))
            items += self.guards(operation.outputs, body)
        return Calls(items)

    def guards(self, made: Iterable[Value], body: Body) -> list[Plain]:
        """Checks of numbers against the ports they are wired to: of what is made once, even if that waits for it."""
        waits = body is self.plan.body
        return [guard(self.slot[value], self.wanted[value], waits=waits) for value in made if value in self.wanted]

    def operation(self, operation: Operation) -> Plain | CompiledLoop | CompiledTraining:
        if operation.loop is not None:
            return self.loop(operation, operation.loop)
        if operation.training is not None:
            return self.training(operation, operation.training)
        if operation.sort == "function":
            return _plain(FUNCTIONS[operation.name], self.slots(operation.inputs), self.slot[operation.outputs[0]])
        return self.block(operation)

    def slots(self, values: tuple[Value, ...]) -> list[int]:
        return [self.slot[value] for value in values]

    def block(self, operation: Operation) -> Plain:
        call = operation.call
        assert call is not None
        signature = call.signature
        extra: dict[str, Any] = {"setting": self.setting}
        if signature.random:
            stream = torch.Generator(device=self.setting.device)
            stream.manual_seed(stream_seed(self.seed, operation.key))
            extra["stream"] = self.streams[operation.key] = stream
        if signature.is_class:
            made = self.located(call, lambda: _construct(signature, call.settings, extra))
            self.blocks[operation.key] = made
            function = made
        else:
            settings = {argument(signature, name): value for name, value in call.settings.items()}
            function = partial(signature.make, **settings) if settings else signature.make
        handed = {
            name: extra[what] for name, what, in_init in signature.injected if not (in_init and signature.is_class)
        }
        if handed:
            function = partial(function, **handed)
        self.functions[operation] = function
        wires = [
            (argument(signature, port), slot)
            for port, slot in zip(operation.ports, self.slots(operation.inputs), strict=True)
        ]
        return _block(call, function, wires, self.slots(operation.outputs))

    def loop(self, operation: Operation, loop: Loop) -> CompiledLoop:
        slot = self.slot
        calls = self.body(loop.body)
        calls.items[:0] = self.guards([carried.inside for carried in loop.carried], loop.body)
        resets = [
            self.blocks[inner.key]
            for inner in loop.body.walk()
            if inner.call is not None and inner.call.signature.resets
        ]
        return CompiledLoop(
            key=operation.key,
            loop=loop,
            calls=calls,
            enter=[(slot[carried.begin], slot[carried.inside]) for carried in loop.carried],
            again=[
                (slot[carried.end], slot[carried.inside])
                for carried in loop.carried
                if carried.end is not carried.inside
            ],
            exports=[(slot[inside], slot[after]) for inside, after in loop.exports],
            index=None if loop.index is None else slot[loop.index],
            until=None if loop.until is None else slot[loop.until],
            track=None if loop.track is None else slot[loop.track],
            resets=resets,
        )

    def training(self, operation: Operation, training: Training) -> CompiledTraining:
        slot = self.slot
        calls = self.body(training.body).plain
        after = {id(inside): made for inside, made in training.exports}
        targets = [
            (carried.name, slot[carried.begin], slot[carried.inside], slot[after[id(carried.inside)]],
             isinstance(carried.begin.type, Network))
            for carried in training.targets
        ]  # fmt: skip
        inside = {id(carried.inside) for carried in training.targets}
        whole = {name: slot[value] for name, value in (training.options | training.rates).items()}
        return CompiledTraining(
            key=operation.key,
            training=training,
            calls=calls,
            targets=targets,
            networks=[slot[value] for value in operation.inputs if isinstance(value.type, Network)],
            terms=[slot[term.value] for term in training.terms],
            rates=whole,
            exports=[(slot[value], slot[made]) for value, made in training.exports if id(value) not in inside],
            random=[
                inner.key
                for inner in training.body.operations
                if inner.call is not None and not inner.call.signature.pure
            ],
        )


def _plain(function: Callable[..., Any], inputs: list[int], output: int) -> Plain:
    """A function's call on slots, unrolled for the usual numbers of arguments."""
    if len(inputs) == 1:
        (a,) = inputs

        def one(slots: Slots) -> None:
            slots[output] = function(slots[a])

        return one
    if len(inputs) == 2:
        a, b = inputs

        def two(slots: Slots) -> None:
            slots[output] = function(slots[a], slots[b])

        return two

    def many(slots: Slots) -> None:
        slots[output] = function(*[slots[i] for i in inputs])

    return many


def _block(call: Call, function: Callable[..., Any], wires: list[tuple[str, int]], outputs: list[int]) -> Plain:
    """A block's call on slots; a user's mistake that the block finds is told with its place in the recipe."""
    if not call.signature.is_tuple:
        output = outputs[0]

        def single(slots: Slots) -> None:
            try:
                slots[output] = function(**{port: slots[i] for port, i in wires})
            except DipgraphError as error:
                raise refused(call, error) from error

        return single

    def tupled(slots: Slots) -> None:
        try:
            values = function(**{port: slots[i] for port, i in wires})
        except DipgraphError as error:
            raise refused(call, error) from error
        for output, value in zip(outputs, values, strict=False):
            slots[output] = value

    return tupled


def refused(call: Call, error: DipgraphError) -> Faults:
    """What a block refuses, with its place in the recipe."""
    name = call.signature.name
    settings = ", ".join(f"{word} {value}" for word, value in call.settings.items() if type(value) is int)
    what = error.what if name in error.what else f"{name}{f' ({settings})' * bool(settings)}: {error.what}"
    report = Report()
    report.add("E802", what, call.mark, error.remedy)
    return Faults(report.faults)


def _construct(signature: Signature, settings: Any, extra: dict[str, Any]) -> Any:
    """An instance of a block's class."""
    handed = {name: extra[what] for name, what, in_init in signature.injected if in_init}
    return signature.make(**{argument(signature, name): value for name, value in settings.items()}, **handed)


def argument(signature: Signature, port: str) -> str:
    """The argument of a port: a Python keyword stands with an underscore."""
    found = signature.port(port)
    return found.argument if found is not None else port
