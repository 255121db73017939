"""`dipgraph graph`: a recipe's drawing, to a file or as text."""

from __future__ import annotations

from pathlib import Path

from dipgraph.blocks import registry
from dipgraph.data.shipped import load_recipe
from dipgraph.graph import build
from dipgraph.graph.drawing import form_of, render
from dipgraph.language import settle_recipe
from dipgraph.reports.settings import split
from dipgraph.signatures.errors import InputError


def draw_recipe(recipe: str, out: str | None, settings: tuple[str, ...], preset: str | None) -> str:
    """The drawing; written to the file, if one is named."""
    form = form_of(Path(out)) if out is not None else "text"
    mine, _ = split(settings)
    program = settle_recipe(load_recipe(recipe), registry(), preset, mine)
    text = render(program, build(program), form)
    if out is not None:
        try:
            Path(out).write_text(text, encoding="utf-8")
        except OSError as error:
            raise InputError(
                f"cannot write the file: {error.strerror}", where=out, remedy="name a file in a folder you may write to"
            ) from None
    return text
