"""Drawings of a recipe: SVG, Graphviz, Mermaid, and text for a terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

from dipgraph.graph.body import Plan
from dipgraph.graph.drawing_diagram import Diagram, diagram
from dipgraph.graph.drawing_dot import dot
from dipgraph.graph.drawing_mermaid import mermaid
from dipgraph.graph.drawing_svg import svg
from dipgraph.graph.drawing_text import text
from dipgraph.language.program import Program
from dipgraph.signatures.errors import InputError

Form = Literal["svg", "dot", "mermaid", "text"]

FORMS: Mapping[Form, Callable[[Diagram], str]] = {"svg": svg, "dot": dot, "mermaid": mermaid, "text": text}
ENDINGS: Mapping[str, Form] = {
    ".svg": "svg", ".dot": "dot", ".gv": "dot", ".mmd": "mermaid", ".mermaid": "mermaid", ".txt": "text",
}  # fmt: skip


def render(program: Program, plan: Plan | None, form: Form) -> str:
    """A recipe's drawing.

    Parameters
    ----------
    program
        The settled recipe: its steps are the nodes.
    plan
        Its graph, which says which steps were lifted out of a loop; none where that does not matter.
    form
        ``svg``, ``dot`` for Graphviz, ``mermaid``, or ``text``.
    """
    return FORMS[form](diagram(program, plan))


def form_of(path: str | Path, *forms: Form) -> Form:
    """The form that a file's ending asks for, of those named or of all; raises :class:`InputError` if it is none."""
    ending = Path(path).suffix.lower()
    endings = [known for known, form in ENDINGS.items() if form in (forms or FORMS)]
    if ending not in endings:
        known = ", ".join(endings)
        what = f"no drawing ends in '{ending}'" if ending else "the file's name has no ending, which says the form"
        raise InputError(what, where=str(path), remedy=f"end it in {'one of ' * (len(endings) > 1)}{known}")
    return ENDINGS[ending]
