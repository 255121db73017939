"""A diagram for a terminal: one line a step, nested bodies indented, what each step reads and gives beside it."""

from __future__ import annotations

from dipgraph.graph.drawing_diagram import Box, Diagram, Node
from dipgraph.graph.drawing_words import space

WIDEST = 64
"""Characters of the left column; a longer step has its reads on the next line."""


def text(diagram: Diagram) -> str:
    """The diagram as lines of text."""
    rows: list[tuple[str, str]] = []
    _parts(diagram, diagram.root, "", rows)
    width = max((len(left) for left, right in rows if right and len(left) <= WIDEST), default=0)
    lines = [diagram.root.title, ""] if diagram.root.title else []
    for left, right in rows:
        if right and len(left) > width:
            stem = "".join("│" if char in "│├" else " " for char in left[: len(left) - len(left.lstrip("│├└─ "))])
            lines += [left, f"{stem.ljust(width)}  {right}"]
        else:
            lines.append(f"{left.ljust(width)}  {right}".rstrip())
    return "\n".join(lines) + "\n"


def _parts(diagram: Diagram, box: Box, lead: str, rows: list[tuple[str, str]]) -> None:
    """Append a row for every part of a box."""
    last = box.parts[-1] if box.parts else None
    for part in box.parts:
        bend, stem = ("", "") if box.parent is None else ("└─ ", "   ") if part is last else ("├─ ", "│  ")
        if isinstance(part, Box):
            rows.append((f"{lead}{bend}{', '.join([part.title, *part.notes])}", ""))
            _parts(diagram, part, lead + stem, rows)
        else:
            rows.append((f"{lead}{bend}{_said(part)}", _flow(diagram, part)))


def _said(node: Node) -> str:
    words = f"({', '.join(node.details)})" if node.details else ""
    notes = "".join(f"  [{note}]" for note in node.notes)
    if node.sort == "returned":
        return f"return {node.title}" + (f" = {node.details[0]}" if node.details else "")
    head = {"initial": "begin with ", "carried": "↻ ", "term": "loss "}.get(node.sort, "")
    return f"{head}{node.title}{words}{notes}"


def _flow(diagram: Diagram, node: Node) -> str:
    """What a node reads, and what it gives."""
    edges = diagram.into(node)
    solid = list(dict.fromkeys(edge.name for edge in edges if not edge.is_dashed))
    if node.sort in ("given", "network"):
        return ""
    if node.sort == "carried":
        begin = next((edge for edge in edges if not edge.is_dashed), None)
        is_formula = begin is not None and begin.source.sort == "initial"
        again = [f"line {edge.source.line}" for edge in edges if edge.is_dashed]
        begins = "" if begin is None else begin.source.title if is_formula else begin.name
        return f"begins as {begins}" + (f", then from {again[0]}" if again else "")
    given = ", ".join(f"{name}: {space(type_)}" for name, type_ in node.gives)
    return " ".join(part for part in (", ".join(solid), f"→ {given}" if given else "") if part)
