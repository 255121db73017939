"""A diagram as SVG: boxes within boxes, values on tabs, carried state dashed. Follows the viewer's dark mode."""

from __future__ import annotations

from collections.abc import Iterator
from xml.sax.saxutils import escape

from dipgraph.graph.drawing_boxes import LANE, LINE, MARGIN, SMALL_LINE, TAB, Arranger, Card, Panel, Port
from dipgraph.graph.drawing_diagram import Diagram
from dipgraph.graph.drawing_layers import Segment, Spot

STYLE = """
.paper{fill:#ffffff} text{fill:#1f2430;font:12px 'DejaVu Sans Mono',Menlo,Consolas,monospace}
.small{font-size:10.5px;fill:#5b6474} .tab text,.port text{font-size:10.5px}
.title{font:600 13px 'Helvetica Neue',Helvetica,'Segoe UI',Arial,'DejaVu Sans',sans-serif}
.about{font-size:16px}
.note{font:11px 'Helvetica Neue',Helvetica,'Segoe UI',Arial,'DejaVu Sans',sans-serif;fill:#5b6474}
.box>rect{stroke-width:1.2} .repeat>rect{fill:#f5f7fa;stroke:#b3bccb} .minimise>rect{fill:#ecf2fc;stroke:#8fabdb}
.card rect{fill:#ffffff;stroke:#98a3b5}
.given rect{fill:#e3f1e8;stroke:#6aa583} .network rect{fill:#ece6fa;stroke:#9780d3}
.term rect,.update rect{fill:#dbe7fa;stroke:#6f95d2} .until rect{fill:#fbe6e6;stroke:#cf7f7f}
.returned rect{fill:#fdf1d0;stroke:#c79a33} .initial rect{fill:none;stroke:none} .lifted rect{stroke-dasharray:2 2}
.card .tab rect{fill:#ffffff;stroke:#98a3b5} .term .tab rect,.update .tab rect{fill:#ffffff;stroke:#6f95d2}
.port rect{fill:#ffffff;stroke:#98a3b5} .port.carried rect{fill:#fdeee3;stroke:#cf7236;stroke-dasharray:3 2}
.port.index rect{fill:#e6e9ee;stroke:#98a3b5}
.wire{fill:none;stroke:#7d8797;stroke-width:1.2} .head{fill:#7d8797}
.back{fill:none;stroke:#cf7236;stroke-width:1.3;stroke-dasharray:5 3} .back-head{fill:#cf7236}
@media (prefers-color-scheme:dark){
.paper{fill:#15181e} text{fill:#e6e9ef} .small,.note{fill:#a3adbd}
.repeat>rect{fill:#1b2027;stroke:#4a5567} .minimise>rect{fill:#1a2333;stroke:#47679d}
.card rect,.port rect,.card .tab rect,.term .tab rect,.update .tab rect{fill:#242a34;stroke:#5d6879}
.given rect{fill:#1d3327;stroke:#4f8a68} .network rect{fill:#2b2442;stroke:#7b66b8}
.term rect,.update rect{fill:#22314a;stroke:#5579b5} .until rect{fill:#3c2224;stroke:#a65a5a}
.returned rect{fill:#3a3018;stroke:#a9822b} .initial rect{fill:none;stroke:none}
.port.carried rect{fill:#3a2718;stroke:#cf7236} .port.index rect{fill:#2b313b;stroke:#5d6879}
.wire{stroke:#8791a1} .head{fill:#8791a1}}
"""
EDGE = 18.0
"""White around the drawing."""


def svg(diagram: Diagram) -> str:
    """The diagram as an SVG document."""
    panel = Arranger(diagram).root()
    about = diagram.root.title
    head = 34.0 if about else 0.0
    width = max(panel.width, 9.6 * len(about) + 2 * MARGIN) + 2 * EDGE
    height = panel.height + head + 2 * EDGE + 14
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" role="img">',
        f"<title>{escape(about or 'recipe')}</title>",
        "<desc>Boxes are loops and minimisations; dashed lines carry a name to the next pass.</desc>",
        f"<style>{STYLE}</style>",
        '<rect class="paper" width="100%" height="100%"/>',
    ]
    if about:
        lines.append(f'<text class="title about" x="{EDGE + MARGIN:.0f}" y="{EDGE + 18:.0f}">{escape(about)}</text>')
    if any(edge.is_dashed for edge in diagram.edges):
        lines += _legend(EDGE + MARGIN, height - EDGE - 4)
    lines += _panel(panel, EDGE + max(0.0, (width - 2 * EDGE - panel.width) / 2), EDGE + head)
    return "\n".join([*lines, "</svg>"]) + "\n"


def _legend(x: float, y: float) -> Iterator[str]:
    yield f'<path class="back" d="M{x:.1f} {y - 4:.1f}h32"/>'
    yield f'<text class="note" x="{x + 40:.1f}" y="{y:.1f}">carried to the next pass</text>'


def _panel(panel: Panel, x: float, y: float) -> Iterator[str]:
    """A box at a place of the box around it; everything in it is placed from its own corner."""
    box = panel.box
    yield f'<g class="box {box.sort}" transform="translate({x:.1f} {y:.1f})">'
    if box.parent is not None:
        yield f"<title>line {box.line}</title>"
        yield f'<rect width="{panel.width:.1f}" height="{panel.height:.1f}" rx="9"/>'
        yield f'<text class="title" x="{MARGIN}" y="{MARGIN + 9}">{escape(box.title)}</text>'
        for number, note in enumerate(box.notes):
            yield f'<text class="note" x="{MARGIN}" y="{MARGIN + 25 + 14 * number}">{escape(note)}</text>'
    placed = [(spot, part, panel.left + spot.x, panel.top + spot.y) for spot, part in panel.parts.items()]
    for _, part, centre, top in placed:
        if isinstance(part, Panel):
            yield from _panel(part, centre - part.width / 2, top)
    for lane, port in enumerate(panel.backs):
        yield from _back(panel, port, lane)
    for segment in panel.layout.segments:
        yield _wire(panel, segment)
    for _, part, centre, top in placed:
        if isinstance(part, Card):
            yield from _card(part, centre, top)
        elif isinstance(part, Port):
            yield from _port(part, centre, top)
    yield "</g>"


def _wire(panel: Panel, segment: Segment) -> str:
    """One piece of a line: straight down out of its rank, a bow across, straight down into the next."""
    source, target = segment.source, segment.target
    x1, x2 = panel.left + source.x + segment.out, panel.left + target.x + segment.into
    tallest = max(spot.height for spot in panel.layout.layers[source.rank])
    begin, leave = panel.top + _leaves(panel, source, segment), panel.top + source.y + tallest
    enter, end = panel.top + target.y, panel.top + _arrives(panel, target, segment)
    middle = (leave + enter) / 2
    curve = f"L{x1:.1f} {leave:.1f}C{x1:.1f} {middle:.1f} {x2:.1f} {middle:.1f} {x2:.1f} {enter:.1f}"
    if abs(x1 - x2) < 0.5:
        curve = f"L{x2:.1f} {enter:.1f}"
    path = f'<path class="wire" d="M{x1:.1f} {begin:.1f}{curve}L{x2:.1f} {end:.1f}"/>'
    return path if target.is_bend else path + _head(x2, end, "head")


def _leaves(panel: Panel, spot: Spot, segment: Segment) -> float:
    part = panel.parts.get(spot)
    if isinstance(part, Panel):
        ports = [port for port in part.exits.values() if abs(part.x(port) - part.width / 2 - segment.out) < 0.01]
        if ports and ports[0].spot is not None:
            return spot.y + part.top + ports[0].spot.y + TAB
    return spot.y + spot.height


def _arrives(panel: Panel, spot: Spot, segment: Segment) -> float:
    part = panel.parts.get(spot)
    if isinstance(part, Panel):
        ports = [port for port in part.entries.values() if abs(part.x(port) - part.width / 2 - segment.into) < 0.01]
        if ports and ports[0].spot is not None:
            return spot.y + part.top + ports[0].spot.y
    return spot.y + (spot.height if spot.is_bend else 0.0)


def _back(panel: Panel, port: Port, lane: int) -> Iterator[str]:
    """A dashed line from the end of a body round to its begin."""
    assert port.back is not None, "only carried names lead back"
    assert port.spot is not None, "ports are placed with their panel"
    assert port.back.spot is not None, "ports are placed with their panel"
    away = LANE * (lane + 1)
    x1, x2 = panel.x(port), panel.x(port.back)
    bottom, top = panel.top + port.spot.y + TAB, panel.top + port.back.spot.y
    right = panel.left + panel.layout.width + away + 4
    y1, y2, bow = bottom + away, top - away - 2, 5.0
    yield (
        f'<path class="back" d="M{x1:.1f} {bottom:.1f}V{y1 - bow:.1f}q0 {bow} {bow} {bow}H{right - bow:.1f}'
        f'q{bow} 0 {bow} -{bow}V{y2 + bow:.1f}q0 -{bow} -{bow} -{bow}H{x2 + bow:.1f}q-{bow} 0 -{bow} {bow}V{top:.1f}"/>'
        + _head(x2, top, "back-head")
    )


def _head(x: float, y: float, style: str) -> str:
    return f'<path class="{style}" d="M{x:.1f} {y:.1f}l-3.5 -6.5h7z"/>'


def _card(card: Card, centre: float, top: float) -> Iterator[str]:
    node = card.node
    left = centre - card.width / 2
    style = f"card {node.sort}" + (" lifted" if any(note.startswith("lifted") for note in node.notes) else "")
    yield f'<g class="{style}" id="{node.id}">'
    if node.line:
        yield f"<title>line {node.line}</title>"
    round_ = 10 if node.sort in ("given", "network", "until", "returned") else 4
    yield f'<rect x="{left:.1f}" y="{top:.1f}" width="{card.width:.1f}" height="{card.height:.1f}" rx="{round_}"/>'
    y = top + 4
    for line in card.title:
        y += LINE
        yield _text(centre, y - 2, escape(line))
    for line in card.words:
        y += SMALL_LINE
        yield _text(centre, y - 2, escape(line), "small")
    for _, label, offset, width in card.tabs:
        yield _tab(label, centre + offset, top + card.height, width, "tab")
    yield "</g>"


def _port(port: Port, centre: float, top: float) -> Iterator[str]:
    width = port.spot.width - 4 if port.spot is not None else 0.0
    yield _tab(port.label, centre, top, width, f"port {port.sort}")


def _tab(label: str, centre: float, top: float, width: float, style: str) -> str:
    left = centre - width / 2
    return (
        f'<g class="{style}"><rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{TAB}" rx="8"/>'
        f"{_text(centre, top + 11.5, escape(label))}</g>"
    )


def _text(x: float, y: float, shown: str, style: str = "") -> str:
    named = f' class="{style}"' if style else ""
    return f'<text{named} x="{x:.1f}" y="{y:.1f}" text-anchor="middle" xml:space="preserve">{shown}</text>'
