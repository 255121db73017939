"""A diagram for Graphviz: boxes as clusters."""

from __future__ import annotations

from collections.abc import Iterator

from dipgraph.graph.drawing_diagram import Box, Diagram, Node

LOOKS = {
    "given": 'shape=box, style="rounded,filled", fillcolor="#e3f1e8", color="#5f9c78"',
    "network": 'shape=box, style="rounded,filled", fillcolor="#ece6fa", color="#8b72cf"',
    "initial": "shape=plaintext",
    "carried": 'shape=box, style="rounded,dashed,filled", fillcolor="#fdeee3", color="#c8662b"',
    "index": 'shape=box, style="rounded,filled", fillcolor="#eef0f3", color="#98a1b0"',
    "step": 'shape=box, style="filled", fillcolor="#ffffff", color="#8a94a6"',
    "term": 'shape=box, style="filled", fillcolor="#e6eefb", color="#5b84c4"',
    "update": 'shape=box, style="bold,filled", fillcolor="#e6eefb", color="#5b84c4"',
    "until": 'shape=octagon, style="filled", fillcolor="#fbe6e6", color="#c05656"',
    "returned": 'shape=box, style="rounded,bold,filled", fillcolor="#fdf3d8", color="#b98a1d"',
}
BOXES = {"repeat": 'color="#98a1b0"; bgcolor="#f5f7fa"', "minimise": 'color="#5b84c4"; bgcolor="#f0f5fd"'}


def dot(diagram: Diagram) -> str:
    """The diagram as a ``digraph``."""
    lines = ["digraph recipe {"]
    if diagram.root.title:
        lines.append(f"  label={quoted(diagram.root.title)}; labelloc=t;")
    lines += [
        '  rankdir=TB; fontname="Helvetica"; fontsize=12;',
        '  node [fontname="monospace", fontsize=10, fontcolor="#1f2430"];',
        '  edge [fontname="monospace", fontsize=9, color="#6b7587", fontcolor="#4a5262"];',
        *_parts(diagram.root, 1),
    ]
    for edge in diagram.edges:
        look = f"label={quoted(edge.label)}"
        if edge.is_dashed:
            look += ', style=dashed, constraint=false, color="#c8662b", fontcolor="#c8662b"'
        lines.append(f"  {edge.source.id} -> {edge.target.id} [{look}];")
    return "\n".join([*lines, "}"]) + "\n"


def _parts(box: Box, depth: int) -> Iterator[str]:
    lead = "  " * depth
    for part in box.parts:
        if isinstance(part, Node):
            yield f"{lead}{part.id} [label={quoted(*_words(part))}, {LOOKS[part.sort]}];"
        else:
            yield f"{lead}subgraph cluster_{part.id} {{"
            yield f"{lead}  label={quoted(', '.join([part.title, *part.notes]))}; labeljust=l; style=rounded;"
            yield f"{lead}  {BOXES[part.sort]};"
            yield from _parts(part, depth + 1)
            yield f"{lead}}}"


def _words(node: Node) -> list[str]:
    head = f"return {node.title}" if node.sort == "returned" else node.title
    return [head, *node.details, *(f"({note})" for note in node.notes)]


def quoted(*lines: str) -> str:
    """Lines as one quoted string of the DOT language."""
    escaped = (line.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ") for line in lines)
    return '"' + "\\n".join(escaped) + '"'
