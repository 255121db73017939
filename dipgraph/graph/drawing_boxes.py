"""Boxes within boxes: each body laid out by itself, with ports on its edges for the values that come in and go out."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from dipgraph.graph.drawing_diagram import Box, Diagram, Edge, Node
from dipgraph.graph.drawing_layers import Layout, Link, Spot, arrange
from dipgraph.graph.drawing_words import space

LETTER, SMALL = 7.3, 6.4
"""Width of a letter of the fixed-width font at 12 and at 10.5 pixels; a little more than it takes, to be safe."""
LINE, SMALL_LINE, TAB, LANE = 15.0, 13.0, 16.0, 7.0
"""Heights of a line, of a small one, of a tab, and the distance of two dashed lines."""
MARGIN = 14.0
WRAP, SMALL_WRAP = 34, 40
"""Characters of a line."""
BARE = ("given", "network", "carried", "index", "returned", "until", "initial")
"""What has no tabs: its title says what it gives."""

Value = tuple[Node, str]


@dataclass(eq=False)
class Port:
    """Where a value crosses the edge of a box; a carried name's is its node."""

    label: str
    sort: str
    node: Node | None = None
    back: Port | None = None
    """For the end of a carried name: its begin."""
    spot: Spot | None = None


@dataclass(eq=False)
class Card:
    """A node's lines of text and its tabs."""

    node: Node
    title: list[str]
    words: list[str]
    tabs: list[tuple[str, str, float, float]]
    """(name, label, centre from the card's centre, width)."""
    width: float
    height: float
    """Without the tabs."""

    @property
    def size(self) -> tuple[float, float]:
        """Width and height, tabs and all."""
        tabs = sum(width for *_, width in self.tabs) + 6.0 * max(0, len(self.tabs) - 1)
        return max(self.width, tabs), self.height + (TAB if self.tabs else 0.0)

    def out(self, name: str) -> float:
        """Where a value leaves, from the centre."""
        return next((centre for tab, _, centre, _ in self.tabs if tab == name), 0.0)


@dataclass(eq=False)
class Panel:
    """A box laid out: parts at places of its own, ports at its top and bottom."""

    box: Box
    entries: dict[object, Port] = field(default_factory=dict)
    exits: dict[Value, Port] = field(default_factory=dict)
    parts: dict[Spot, Card | Port | Panel] = field(default_factory=dict)
    layout: Layout = field(default_factory=lambda: Layout([], [], 0.0, 0.0))
    left: float = 0.0
    top: float = 0.0
    width: float = 0.0
    height: float = 0.0

    @property
    def backs(self) -> list[Port]:
        """Ports from which a dashed line leads back, the rightmost first."""
        found = [port for port in self.exits.values() if port.back is not None]
        return sorted(found, key=lambda port: -(port.spot.x if port.spot else 0.0))

    def x(self, port: Port) -> float:
        """A port's place from the left edge."""
        assert port.spot is not None, "ports are placed with their panel"
        return self.left + port.spot.x


End = tuple[object, object]
"""A part of a body (node, box or port), and for a box the port that is meant."""


class Arranger:
    """Lays out a diagram's boxes, innermost first."""

    def __init__(self, diagram: Diagram) -> None:
        self.diagram = diagram
        self.panels = {box: Panel(box) for box in [diagram.root, *diagram.root.boxes()]}
        self.links: dict[Box, dict[tuple[End, End, Value], None]] = {box: {} for box in self.panels}
        for box, panel in self.panels.items():
            for node in box.parts:
                if isinstance(node, Node) and node.sort in ("carried", "index"):
                    panel.entries[node] = Port(node.title, node.sort, node)
        for edge in diagram.edges:
            self.route(edge)

    def root(self) -> Panel:
        """The whole drawing."""
        return self.lay(self.diagram.root)

    def end(self, node: Node) -> End:
        """A node as a part of its own body."""
        return (self.panels[node.box].entries.get(node, node), None)

    def route(self, edge: Edge) -> None:
        """Lead an edge out of boxes and into boxes, through a port at each of their edges."""
        value = (edge.source, edge.name)
        source, target = edge.source.box.path(), edge.target.box.path()
        shared = sum(a is b for a, b in zip(source, target, strict=False))
        at = self.end(edge.source)
        keep = shared - 1 if edge.is_dashed else shared
        for box in reversed(source[keep:]):
            port = self.panels[box].exits.setdefault(value, Port(edge.label, "export"))
            self.links[box][at, (port, None), value] = None
            at = (box, port)
            if edge.is_dashed and box is edge.target.box:
                port.back, port.sort = self.panels[box].entries[edge.target], "carried"
                return
        for outer, box in zip(target[shared - 1 :], target[shared:], strict=False):
            key: object = edge.target if box is edge.target.box and edge.target.sort == "carried" else value
            port = self.panels[box].entries.setdefault(key, Port(edge.label, "import"))
            self.links[outer][at, (box, port), value] = None
            at = (port, None)
        if edge.target.sort != "carried":
            self.links[edge.target.box][at, self.end(edge.target), value] = None

    def lay(self, box: Box) -> Panel:
        """Lay out a box, those inside it first."""
        panel = self.panels[box]
        spots: dict[object, Spot] = {}
        for port in panel.entries.values():
            group = {"carried": 9, "index": 2}.get(port.sort, 0)
            port.spot = Spot(SMALL * len(port.label) + 14, TAB, "top", group)
        for port in panel.exits.values():
            twin = port.back.spot if port.back is not None else None
            port.spot = Spot(SMALL * len(port.label) + 14, TAB, "bottom", 9 if twin else 1, twin=twin)
        for port in [*panel.entries.values(), *panel.exits.values()]:
            assert port.spot is not None, "just made"
            spots[port] = port.spot
            panel.parts[port.spot] = port
        for part in box.parts:
            if isinstance(part, Box):
                inner = self.lay(part)
                spots[part] = Spot(inner.width, inner.height)
                panel.parts[spots[part]] = inner
            elif part not in panel.entries:
                made = card(part)
                row = {"given": "top", "network": "top", "until": "bottom", "returned": "bottom"}.get(part.sort, "")
                spots[part] = Spot(*made.size, row, 1 if part.sort == "until" else 0)
                panel.parts[spots[part]] = made
        links = [
            Link(
                spots[a],
                spots[b],
                value,
                self.offset(panel, spots[a], port, value),
                self.offset(panel, spots[b], into, value),
            )
            for (a, port), (b, into), value in self.links[box]
        ]
        panel.layout = arrange(list(panel.parts), links, _gap)
        self.spread(panel)
        self.frame(panel)
        return panel

    def offset(self, panel: Panel, spot: Spot, port: object, value: Value) -> float:
        """Where on a part a value leaves or arrives, from the part's centre."""
        part = panel.parts[spot]
        if isinstance(part, Panel):
            assert isinstance(port, Port), "a box is reached through a port"
            return part.x(port) - part.width / 2
        return part.out(value[1]) if isinstance(part, Card) and value[0] is part.node else 0.0

    def spread(self, panel: Panel) -> None:
        """Let lines reach a card side by side, in the order in which they come."""
        for spot, part in panel.parts.items():
            if isinstance(part, Card):
                coming = [each for each in panel.layout.segments if each.target is spot]
                coming.sort(key=lambda each: each.source.x + each.out)
                step = min(16.0, (part.width - 20) / max(1, len(coming) - 1))
                for place, each in enumerate(coming):
                    each.into = (place - (len(coming) - 1) / 2) * step

    def frame(self, panel: Panel) -> None:
        """Put the edge around a body: title at the top left, lanes for dashed lines at the right."""
        lanes = LANE * len(panel.backs)
        is_root = panel.box.parent is None
        first = (
            min((spot.x - spot.width / 2 for spot in panel.layout.layers[0]), default=0.0)
            if panel.layout.layers
            else 0.0
        )
        title = 0.0 if is_root else title_width(panel.box) + 14
        panel.left = MARGIN + max(0.0, title - first)
        panel.top = MARGIN - 2 + lanes
        panel.width = panel.left + panel.layout.width + MARGIN + (lanes + 4 if lanes else 0.0)
        panel.height = panel.top + panel.layout.height + MARGIN - 2 + lanes


def _gap(lines: int, swing: float) -> float:
    return min(30.0 + 0.05 * swing + 0.6 * lines, 70.0) if lines else 18.0


def card(node: Node) -> Card:
    """A node's text, broken into lines, and its tabs."""
    title = wrapped(node.title, WRAP)
    words = [line for word in joined(node.details) for line in wrapped(word, SMALL_WRAP)] + node.notes
    width = max([LETTER * len(line) for line in title] + [SMALL * len(line) for line in words]) + 20
    height = 10 + LINE * len(title) + SMALL_LINE * len(words)
    labels = [] if node.sort in BARE else [(name, f"{name}: {space(type_)}") for name, type_ in node.gives]
    sizes = [SMALL * len(label) + 12 for _, label in labels]
    left = -(sum(sizes) + 6.0 * max(0, len(sizes) - 1)) / 2
    tabs = []
    for (name, label), size in zip(labels, sizes, strict=True):
        tabs.append((name, label, left + size / 2, size))
        left += size + 6.0
    return Card(node, title, words, tabs, max(width, 44.0), height)


def joined(words: Sequence[str]) -> Iterator[str]:
    """Short details share a line."""
    line = ""
    for word in words:
        if line and len(line) + len(word) + 3 > 30:
            yield line
            line = ""
        line = f"{line} · {word}" if line else word
    if line:
        yield line


def wrapped(text: str, width: int) -> list[str]:
    """A text in lines; what goes on is indented."""
    return textwrap.wrap(text, width, subsequent_indent="  ", break_on_hyphens=False) or [""]


def title_width(box: Box) -> float:
    """What a box's title takes, in the proportional font."""
    return max([8.2 * len(box.title), *(6.2 * len(note) for note in box.notes)])
