"""A diagram for Mermaid, which GitHub and many documentation tools draw: boxes as subgraphs."""

from __future__ import annotations

from collections.abc import Iterator

from dipgraph.graph.drawing_diagram import Box, Diagram, Node

SHAPES = {
    "given": ("([", "])"), "network": ("([", "])"), "carried": ("([", "])"), "index": ("([", "])"),
    "returned": ("([", "])"), "initial": ("[", "]"), "step": ("[", "]"), "term": ("[", "]"),
    "update": ("[[", "]]"), "until": ("{{", "}}"),
}  # fmt: skip
LOOKS = {
    "given": "fill:#e3f1e8,stroke:#5f9c78,color:#1f2430",
    "network": "fill:#ece6fa,stroke:#8b72cf,color:#1f2430",
    "initial": "fill:#ffffff,stroke:none,color:#1f2430",
    "carried": "fill:#fdeee3,stroke:#c8662b,stroke-dasharray:4 3,color:#1f2430",
    "index": "fill:#eef0f3,stroke:#98a1b0,color:#1f2430",
    "step": "fill:#ffffff,stroke:#8a94a6,color:#1f2430",
    "term": "fill:#e6eefb,stroke:#5b84c4,color:#1f2430",
    "update": "fill:#e6eefb,stroke:#5b84c4,color:#1f2430",
    "until": "fill:#fbe6e6,stroke:#c05656,color:#1f2430",
    "returned": "fill:#fdf3d8,stroke:#b98a1d,color:#1f2430",
}


def mermaid(diagram: Diagram) -> str:
    """The diagram as a flowchart."""
    lines = ["flowchart TD", *_parts(diagram.root, 1)]
    for edge in diagram.edges:
        arrow = "-.->" if edge.is_dashed else "-->"
        lines.append(f"  {edge.source.id} {arrow}|{quoted(edge.label)}| {edge.target.id}")
    used = {node.sort for node in diagram.root.nodes()}
    lines += [f"  classDef {sort} {look}" for sort, look in LOOKS.items() if sort in used]
    return "\n".join(lines) + "\n"


def _parts(box: Box, depth: int) -> Iterator[str]:
    lead = "  " * depth
    for part in box.parts:
        if isinstance(part, Node):
            opening, closing = SHAPES[part.sort]
            yield f"{lead}{part.id}{opening}{quoted(*_words(part))}{closing}:::{part.sort}"
        else:
            yield f"{lead}subgraph {part.id}[{quoted(', '.join([part.title, *part.notes]))}]"
            yield from _parts(part, depth + 1)
            yield f"{lead}end"


def _words(node: Node) -> list[str]:
    head = f"return {node.title}" if node.sort == "returned" else node.title
    return [head, *node.details, *(f"({note})" for note in node.notes)]


def quoted(*lines: str) -> str:
    """Lines as one quoted label, with what Mermaid would read as its own written as entities."""
    named = {"#": "#35;", '"': "#quot;", "<": "#lt;", ">": "#gt;", "`": "#96;", "\n": " "}
    return '"' + "<br/>".join("".join(named.get(char, char) for char in line) for line in lines) + '"'
