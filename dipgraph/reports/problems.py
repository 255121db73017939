"""`dipgraph problem show`: what a problem holds, and its geometry drawn."""

from __future__ import annotations

from pathlib import Path

from dipgraph.data.problem_file import load_problem
from dipgraph.graph.drawing import form_of
from dipgraph.operators.drawing import render_geometry
from dipgraph.operators.ray_transform import RayTransform
from dipgraph.reports.drawing import write_drawing
from dipgraph.reports.settings import split
from dipgraph.signatures.errors import InputError


def show(name: str, settings: tuple[str, ...], out: Path | None) -> str:
    """A problem in words; its geometry goes to the file, if one is named."""
    if out is not None:
        form_of(out, "svg")
    plain = tuple(text if text.startswith("problem.") else f"problem.{text}" for text in settings)
    problem = load_problem(name, split(plain)[1])
    lines = [str(problem)]
    if isinstance(problem.A, RayTransform):
        lines += [str(problem.A.geometry), str(problem.A.grid), str(problem.A)]
        if out is not None:
            write_drawing(out, render_geometry(problem.A.geometry, problem.A.grid))
            lines.append(f"drawn to {out}")
    elif out is not None:
        raise InputError(f"'{name}' has no scan geometry to draw", remedy="leave --out away")
    lines += [f"{record}" for record in problem.provenance]
    return "\n".join(lines)
