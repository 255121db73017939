"""A plan becomes flat lists of calls on slots: one closure an operation, compiled once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch

from dipgraph.engine.bounds import Demands, Guard
from dipgraph.engine.functions import FUNCTIONS
from dipgraph.engine.machine import (
    Calls,
    CompiledLoop,
    CompiledTraining,
    Machine,
    Made,
    Monitor,
    Plain,
    Reached,
    Slots,
    labels,
)
from dipgraph.engine.memory import FEWER, refuse_too_large
from dipgraph.engine.state import Attributes, Stateful, Stream
from dipgraph.graph import Body, Loop, Operation, Plan, Training, Value
from dipgraph.graph.drawing_words import formula
from dipgraph.graph.sources import Sources
from dipgraph.language.diagnostics import Faults, Report
from dipgraph.language.program import Call, Expression, Program
from dipgraph.signatures.block import Signature
from dipgraph.signatures.errors import DipgraphError, InputError
from dipgraph.signatures.spaces import Network, Number, Switch, Vector

SCORE = "score"
"""The output that is noted for the history of a run, whether the recipe takes it or not."""
VERDICT = "verdict"
"""The output that makes a block a monitor: where a run stopped is explained by it."""
LONGEST_FORMULA = 80
"""Characters of a formula that an explanation quotes."""
CONSTANT = ("literal", "given", "network")
"""Values that stand from the start."""


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
        self.made: list[Made] = []
        self.guarded: list[Guard] = []
        self.scores: dict[str, tuple[str, int]] = {}
        self.verdicts: dict[str, dict[str, int]] = {}
        self.sources = Sources(plan)
        tests = [operation.loop.until for operation in plan.body.operations if operation.loop is not None]
        self.ending = {block for test in tests if test is not None for block in self.sources.behind(test, "done")}
        """Blocks on whose `done` the end of the run depends."""
        self.slot_count = len(self.slot)

    def machine(self) -> Machine:
        networks = {name: self.network(name, call) for name, call in self.program.networks.items()}
        calls = self.body(self.plan.body)
        epilogue = [self.returned(operation) for operation in self.plan.epilogue.operations]
        slots: Slots = [None] * self.slot_count
        for value, number in self.slot.items():
            if value.origin == "literal":
                slots[number] = value.content
            elif value.origin == "given":
                slots[number] = self.given[value.content]
            elif value.origin == "network":
                slots[number] = networks[value.content]
        returns = {name: self.slot[value] for name, value in self.plan.returns.items()}
        constants = frozenset(slot for value, slot in self.slot.items() if value.origin in CONSTANT)
        return Machine(slots, calls, epilogue, returns, networks, self.blocks, self.functions, self.streams, self.made,
                       self.guarded, self.setting.device, constants)  # fmt: skip

    def network(self, name: str, call: Call) -> torch.nn.Module:
        """A network with weights drawn from its own stream."""
        inputs = self.program.inputs.get(name, 1)

        def make() -> torch.nn.Module:
            made: torch.nn.Module = _construct(
                call.signature, call.settings, {"inputs": inputs, "setting": self.setting}
            )
            return made

        def make_if_it_fits() -> torch.nn.Module:
            try:
                with torch.device("meta"):
                    shadow = make()
            except (RuntimeError, TypeError) as error:
                if "overflow" not in str(error).lower():
                    raise
                raise InputError("its weights are more than can be counted", remedy=FEWER) from error
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
        found = [Guard(self.slot[value], self.wanted[value], waits=waits) for value in made if value in self.wanted]
        self.guarded += found
        return [*found]

    def operation(self, operation: Operation) -> Plain | CompiledLoop | CompiledTraining:
        if operation.loop is not None:
            return self.loop(operation, operation.loop)
        if operation.training is not None:
            return self.training(operation, operation.training)
        outputs = self.slots(operation.outputs)
        if operation.sort == "function":
            function = FUNCTIONS[operation.name]
            if all(isinstance(value.type, Number) for value in operation.inputs):
                function = _told(function, operation)
            call = _plain(function, self.slots(operation.inputs), outputs[0])
        else:
            call = self.block(operation)
        if all(isinstance(output.type, Vector | Number | Switch) for output in operation.outputs):
            return call
        parts: list[Stateful] = []
        if operation.key in self.streams:
            parts.append(Stream(self.streams[operation.key]))
        if operation.key in self.blocks:
            parts.append(Attributes(self.blocks[operation.key]))
        self.made.append(Made(call, self.slots(operation.inputs), outputs, parts))
        return self.made[-1]

    def returned(self, operation: Operation) -> Reached:
        """An operation of what is returned: it may be asked for before all that it reads is there."""
        call = self.operation(operation)
        assert not isinstance(call, CompiledLoop | CompiledTraining), "what is returned is made of expressions"
        return Reached(call, self.slots(operation.inputs), self.slots(operation.outputs))

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
            self.blocks[operation.key] = function = made
            if hasattr(made, "check"):
                known = {
                    argument(signature, port): self.given[value.content]
                    for port, value in zip(operation.ports, operation.inputs, strict=True)
                    if value.origin == "given" and value.content in self.given
                }
                self.located(call, lambda: made.check(**known))
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
        outputs = self.slots(operation.outputs)
        names = [output.name for output in signature.outputs]
        if signature.is_tuple and {SCORE, VERDICT} & set(names):
            while len(outputs) < len(names):  # what the recipe leaves out is handed out all the same
                outputs.append(self.slot_count)
                self.slot_count += 1
            slots = dict(zip(names, outputs, strict=True))
            if SCORE in slots:
                self.scores[operation.key] = signature.name, slots[SCORE]
            if VERDICT in slots:
                self.verdicts[operation.key] = slots
        return _block(call, function, wires, outputs)

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
            scores=[self.scores[inner.key] for inner in loop.body.operations if inner.key in self.scores],
            monitors=self.monitors(loop),
            test="" if loop.step.until is None else self.quoted(loop.step.until),
            images=self.images(loop),
        )

    def images(self, loop: Loop) -> bool:
        """Whether the image that the recipe returns is made in a loop's body, as the image of its last step."""
        image = self.plan.returns["image"]
        told = self.sources.output(image)
        is_kept = told is not None and told[0].key in self.verdicts and told[1] == "best"
        return loop.body in self.sources.homes(image) and not is_kept

    def monitors(self, loop: Loop) -> list[Monitor]:
        """Blocks of a loop's body that hand out a verdict, called as in the history."""
        inside = [inner for inner in loop.body.operations if inner.key in self.scores or inner.key in self.verdicts]
        image = self.sources.output(self.plan.returns["image"])
        found = []
        for inner, label in zip(inside, labels([inner.name for inner in inside]), strict=True):
            if inner.key in self.verdicts and inner.call is not None:
                signature = inner.call.signature
                words = {port: self.quoted(expression) for port, expression in inner.call.ports.items()}
                score = signature.score.format_map(words) or label
                slots = self.verdicts[inner.key]
                found.append(Monitor(inner.key, label, score, slots, inner in self.ending, image == (inner, "best")))
        return found

    def quoted(self, expression: Expression) -> str:
        """A formula as the recipe writes it, if need be cut."""
        text = formula(expression, self.program.parameters)
        return text if len(text) <= LONGEST_FORMULA else f"{text[: LONGEST_FORMULA - 1]}…"

    def training(self, operation: Operation, training: Training) -> CompiledTraining:
        slot = self.slot
        calls = [*self.guards([target.inside for target in training.targets], training.body),
                 *self.body(training.body).plain]  # fmt: skip
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


def _told(function: Callable[..., Any], operation: Operation) -> Callable[..., Any]:
    """A function of numbers; where it has no value the run ends with its place in the recipe."""

    def call(*values: Any) -> Any:
        try:
            return function(*values)
        except (ArithmeticError, ValueError) as error:
            shown = ", ".join(f"{float(value):.6g}" for value in values)
            report = Report()
            report.add("E803", f"'{operation.name}' of {shown} has no value: {error}", operation.mark,
                       "keep what it is taken of within its domain at each step")  # fmt: skip
            raise Faults(report.faults) from error

    return call


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
