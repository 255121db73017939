"""`dipgraph graph`: a recipe's drawing, to a file or as text."""

from __future__ import annotations

from pathlib import Path

from dipgraph.blocks import registry
from dipgraph.data.shipped import load_recipe
from dipgraph.graph import build
from dipgraph.graph.drawing import form_of, render
from dipgraph.language import settle_recipe
from dipgraph.reports.settings import for_recipe_alone
from dipgraph.signatures.errors import InputError


def draw_recipe(recipe: str, out: str | None, settings: tuple[str, ...], preset: str | None) -> str:
    """The drawing; written to the file, if one is named."""
    form = form_of(Path(out)) if out is not None else "text"
    mine = for_recipe_alone(settings)
    program = settle_recipe(load_recipe(recipe), registry(), preset, mine)
    text = render(program, build(program), form)
    if out is not None:
        write_drawing(Path(out), text)
    return text


def write_drawing(path: Path, text: str) -> None:
    """Write a drawing to the file that the user named; raises :class:`InputError` where that cannot be."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"cannot write the file: {error.strerror}",
            where=str(path),
            remedy="name a file in a folder you may write to",
        ) from None
