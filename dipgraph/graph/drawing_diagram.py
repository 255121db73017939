"""What every drawing shows: the steps of a recipe as nodes in nested boxes, and the values that go between them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from dipgraph.graph.body import Plan
from dipgraph.graph.build import tracks, trained
from dipgraph.graph.drawing_words import details, formula, space, times
from dipgraph.language.program import Assign, Call, Expression, Minimise, Program, Repeat, Step
from dipgraph.signatures.spaces import GIVEN, Network, Number, SpaceName, Type

TRACKED = "● tracked"
Sort = Literal["given", "network", "initial", "carried", "index", "step", "term", "update", "until", "returned"]


@dataclass(eq=False)
class Node:
    """A step, or something else that makes or takes values.

    ``given`` and ``network`` stand at the top; ``initial`` is the formula that a carried name begins with, ``carried``
    the name inside the loop, ``term`` a term of a loss, ``update`` the gradient step that the terms lead to.
    """

    id: str
    sort: Sort
    title: str
    box: Box = field(repr=False)
    line: int = 0
    """The line of the recipe, counted from 1; 0 for what has none."""
    details: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)
    gives: tuple[tuple[str, Type], ...] = ()


@dataclass(eq=False)
class Box:
    """The recipe, a repeat or a minimise, with its parts in the order of the text."""

    id: str
    sort: Literal["recipe", "repeat", "minimise"]
    title: str
    notes: tuple[str, ...]
    parent: Box | None = field(repr=False)
    line: int = 0
    parts: list[Node | Box] = field(default_factory=list, repr=False)

    def path(self) -> list[Box]:
        """The boxes around this one and itself, outermost first."""
        return [*(self.parent.path() if self.parent else []), self]

    def nodes(self) -> Iterator[Node]:
        """Every node in this box and those inside it, in the order of the text."""
        for part in self.parts:
            if isinstance(part, Box):
                yield from part.nodes()
            else:
                yield part

    def boxes(self) -> Iterator[Box]:
        """The boxes inside this one, nested ones too."""
        for part in self.parts:
            if isinstance(part, Box):
                yield part
                yield from part.boxes()


@dataclass(frozen=True, eq=False)
class Edge:
    """A value on its way: ``name: space``. Dashed, it goes from the end of a body back to its begin."""

    source: Node
    target: Node
    name: str
    label: str
    is_dashed: bool = False


@dataclass(eq=False)
class Diagram:
    """A recipe's drawing before it takes a form."""

    root: Box
    edges: list[Edge]

    def into(self, node: Node) -> list[Edge]:
        """The edges that reach a node."""
        return [edge for edge in self.edges if edge.target is node]


def diagram(program: Program, plan: Plan | None = None) -> Diagram:
    """The diagram of a program; a plan says which steps are lifted out of their loops."""
    return _Drawer(program, plan).drawn()


class _Drawer:
    """Walks the program in the order of the text; ``names`` says which node made what each name stands for."""

    def __init__(self, program: Program, plan: Plan | None) -> None:
        self.program, self.plan = program, plan
        self.root = Box("recipe", "recipe", program.about, (), None)
        self.edges: list[Edge] = []
        self.names: dict[str, tuple[Node, Type]] = {}
        self.given: dict[str, Node] = {}
        self.count = 0

    def drawn(self) -> Diagram:
        program = self.program
        for name, call in program.networks.items():
            words = self.details(call)
            node = self.node("network", f"{name}: {call.signature.name}", self.root, call.mark.line + 1, words)
            self.gives(node, [(name, Network())])
        self.steps(program.steps, self.root)
        for name, expression in program.returns.items():
            shown = () if expression.op == "name" else (self.formula(expression),)
            node = self.node("returned", name, self.root, expression.mark.line + 1, shown)
            self.reads(node, [expression])
        order = [self.given[name] for name in GIVEN if name in self.given]
        self.root.parts = [*order, *self.root.parts]
        return Diagram(self.root, self.edges)

    def formula(self, expression: Expression) -> str:
        return formula(expression, self.program.parameters)

    def details(self, call: Call) -> tuple[str, ...]:
        return details(call, self.program.parameters)

    def node(
        self, sort: Sort, title: str, box: Box, line: int = 0, details: tuple[str, ...] = (), listed: bool = True
    ) -> Node:
        self.count += 1
        made = Node(f"n{self.count}", sort, title, box, line, details)
        if listed:
            box.parts.append(made)
        return made

    def gives(self, node: Node, outputs: Sequence[tuple[str, Type]]) -> None:
        """Put a node's outputs into force."""
        node.gives = tuple(outputs)
        for name, type_ in outputs:
            self.names[name] = (node, type_)

    def edge(self, name: str, target: Node, is_dashed: bool = False) -> None:
        source, type_ = self.names[name] if name in self.names else (self.given[name], GIVEN[name])
        self.edges.append(Edge(source, target, name, f"{name}: {space(type_)}", is_dashed))

    def reads(self, node: Node, expressions: Iterable[Expression]) -> None:
        """Edges to a node from whatever made the names that it reads."""
        for name in dict.fromkeys(name for expression in expressions for name in expression.names()):
            if name not in self.names and name not in self.given:
                if isinstance(GIVEN[name], SpaceName):
                    continue
                given = self.node("given", f"{name}: {space(GIVEN[name])}", self.root, listed=False)
                given.gives = ((name, GIVEN[name]),)
                self.given[name] = given
            self.edge(name, node)

    def steps(self, steps: Sequence[Step], box: Box) -> None:
        for step in steps:
            if isinstance(step, Repeat):
                self.repeat(step, box)
            elif isinstance(step, Minimise):
                self.minimise(step, box)
            else:
                self.assign(step, box)

    def assign(self, step: Assign, box: Box) -> None:
        if isinstance(step.value, Expression):
            words: tuple[str, ...] = ()
            label, read = self.formula(step.value), [step.value]
        else:
            words, label, read = self.details(step.value), step.value.signature.name, list(step.value.ports.values())
        node = self.node("step", f"{', '.join(step.targets)}: {label}", box, step.mark.line + 1, words)
        if self.plan is not None and step in self.plan.lifted:
            outer = self.plan.lifted[step].name
            node.notes.append("lifted: runs once" if outer == "run" else f"lifted to line {outer.partition(':')[2]}")
        self.reads(node, read)
        self.gives(node, list(zip(step.targets, step.types, strict=True)))

    def box(
        self, sort: Literal["repeat", "minimise"], title: str, notes: tuple[str, ...], outer: Box, line: int
    ) -> Box:
        self.count += 1
        made = Box(f"b{self.count}", sort, title, notes, outer, line)
        outer.parts.append(made)
        return made

    def repeat(self, step: Repeat, outer: Box) -> None:
        line = step.mark.line + 1
        initial: dict[str, Node] = {}
        for expression in step.carry.values():
            if expression.op != "name" and (text := self.formula(expression)) not in initial:
                initial[text] = self.node("initial", text, outer, expression.mark.line + 1)
                self.reads(initial[text], [expression])
        box = self.box("repeat", f"repeat {step.count}×", (), outer, line)
        carried: list[tuple[str, Type, Node]] = []
        for name, expression in step.carry.items():
            type_ = Number() if isinstance(expression.type, Number) else expression.type
            node = self.carried(name, type_, box, expression.mark.line + 1)
            carried.append((name, type_, node))
            if expression.op == "name":
                self.reads(node, [expression])
            else:
                self.edges.append(Edge(initial[self.formula(expression)], node, name, node.title))
        for name in trained(step.steps):
            if name in self.names:
                carried.append((name, Network(), self.carried(name, Network(), box, line)))
                self.edge(name, carried[-1][2])
        for name, type_, node in carried:
            self.gives(node, [(name, type_)])
        hidden = {step.index: self.names[step.index]} if step.index in self.names else {}
        if step.index is not None:
            self.gives(self.node("index", f"{step.index} = 1…{step.count}", box, line), [(step.index, Number(True))])
        self.steps(step.steps, box)
        if step.until is not None:
            every = (f"tested every {step.every}",) if step.every > 1 else ()
            place = step.until.mark.line + 1
            self.reads(self.node("until", f"until {self.formula(step.until)}", box, place, every), [step.until])
        self.close(carried)
        if self.program.track is not None and tracks(step, self.program.track):
            notes = self.names[self.program.track][0].notes
            notes += [] if TRACKED in notes else [TRACKED]
        if step.index is not None:
            del self.names[step.index]
            self.names |= hidden

    def carried(self, name: str, type_: Type, box: Box, line: int) -> Node:
        return self.node("carried", f"{name}: {space(type_)}", box, line)

    def close(self, carried: Iterable[tuple[str, Type, Node]]) -> None:
        """Dashed edges from what stands at the end of a body back to its begin."""
        for name, _, begin in carried:
            if self.names[name][0] is not begin:
                self.edge(name, begin, is_dashed=True)

    def minimise(self, step: Minimise, outer: Box) -> None:
        line, targets = step.mark.line + 1, ", ".join(step.targets)
        notes = [times(step.count, "gradient step"), *(["moments dropped at each visit"] if step.restart else [])]
        before = dict(self.names)
        box = self.box("minimise", f"minimise {targets}", tuple(notes), outer, line)
        types = dict(zip(step.targets, step.types, strict=True))
        carried = [(name, type_, self.carried(name, type_, box, line)) for name, type_ in types.items()]
        for name, type_, node in carried:
            self.edge(name, node)
            self.gives(node, [(name, type_)])
        for inner in step.let:
            self.assign(inner, box)
        terms = []
        for term in step.loss:
            terms.append(self.node("term", term.signature.name, box, term.mark.line + 1, self.details(term)))
            self.reads(terms[-1], term.ports.values())
        rates = [f"rate of {name}: {self.formula(rate)}" for name, rate in step.rates.items()]
        words = (*self.details(step.optimiser), *rates)
        label = f"{targets}: {step.optimiser.signature.name.partition('.')[2]} step"
        update = self.node("update", label, box, step.optimiser.mark.line + 1, words)
        self.edges += [Edge(term, update, "loss", "loss") for term in terms]
        after, self.names = self.names, before  # rates are read before the steps
        self.reads(update, [*step.rates.values(), *step.optimiser.ports.values()])
        self.names = after
        self.gives(update, list(types.items()))
        self.close(carried)
