"""Files that ship with the package: recipes and problems by name."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Literal

from dipgraph.language import Recipe, load
from dipgraph.signatures.errors import InputError

Kind = Literal["recipes", "problems"]
ENDINGS = (".yaml", ".yml")
_ASIDE: dict[Kind, str] = {
    "recipes": "name a recipe first, and this one with --problem",
    "problems": "a recipe is named first, and --problem says what is solved",
}
"""What to do with the name of a file of the other kind."""


def shipped_folder(kind: Kind) -> Path:
    """Return the folder of shipped files: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / kind
    return installed if installed.is_dir() else package.parent / kind


def shipped(kind: Kind) -> dict[str, Path]:
    """Return the shipped files by name, sorted."""
    return {path.stem: path for path in sorted(shipped_folder(kind).glob("*.yaml"))}


def locate(kind: Kind, name: str | Path) -> Path:
    """Return the file that a path or a shipped name stands for.

    What ends in ``.yaml`` or ``.yml``, holds a slash, or names a file that exists is a path, relative to the working
    directory; anything else is a shipped name.

    Raises
    ------
    InputError
        If there is no such file or name.
    """
    single = kind.removesuffix("s")
    if not isinstance(name, str | Path):
        built = ", or what dipgraph.Problem(A, y) makes" if kind == "problems" else ""
        raise InputError(f"the {single} is a {type(name).__name__}", remedy=f"give a path{built}, or {_list(kind)}")
    if not str(name):
        raise InputError(f"the name of the {single} is empty", remedy=f"give a path, or {_list(kind)}")
    path, text = Path(name), str(name)
    try:
        path = path.expanduser()
        is_folder, is_there = path.is_dir(), path.exists()
    except (OSError, RuntimeError) as error:  # a name too long, a folder that may not be searched, no such home
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"cannot look for the {single} file: {reason}", where=text, remedy="check the path") from None
    if is_there and not is_folder:  # a device or a pipe will do: what it holds is for the reader to judge
        return path
    if is_folder:
        raise InputError(
            f"'{text}' is a folder, not a {single} file", where=text, remedy=f"name a file in it, or {_list(kind)}"
        )
    known = shipped(kind)
    if text in known:
        return known[text]
    other: Kind = "problems" if kind == "recipes" else "recipes"
    if text in shipped(other):
        raise InputError(f"'{text}' is a {other.removesuffix('s')}, not a {single}", remedy=_ASIDE[kind])
    near = difflib.get_close_matches(text, known, n=1, cutoff=0.6)
    advice = f"did you mean '{near[0]}'?" if near else f"a name, without a path, is {_list(kind)}"
    if path.suffix in ENDINGS or "/" in text:
        raise InputError(
            f"there is no {single} file '{text}'", remedy=f"the path is relative to {Path.cwd()}; {_list(kind)}"
        )
    raise InputError(f"no {single} is called '{text}'", remedy=advice)


def load_recipe(recipe: str | Path | Recipe) -> Recipe:
    """The recipe of a path or shipped name; its steps are checked when it is run, or by :func:`dipgraph.check`.

    Raises
    ------
    InputError
        If there is no such recipe.
    Faults
        If the text is not YAML.
    """
    if isinstance(recipe, Recipe):
        return recipe
    path = locate("recipes", recipe)
    return load(path, path.stem)


def _list(kind: Kind) -> str:
    return "one of the shipped " + ", ".join(shipped(kind))
