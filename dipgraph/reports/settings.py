"""The texts given with ``--set``: those of the recipe, and those of the problem."""

from __future__ import annotations

from dipgraph.data.settings import refuse_settings
from dipgraph.language import Setting
from dipgraph.signatures.errors import InputError


def split(settings: tuple[str, ...]) -> tuple[list[Setting], dict[str, str]]:
    """The recipe's settings, and the problem's, whose names begin with ``problem.``."""
    mine: list[Setting] = []
    theirs: dict[str, str] = {}
    for text in settings:
        if text.startswith("problem."):
            name, equals, value = text.removeprefix("problem.").partition("=")
            if not equals:
                raise InputError(f"'{text}' is no setting", where="--set", remedy="a setting is problem.NAME=VALUE")
            theirs[name.strip()] = value
        else:
            mine.append(Setting.read(text))
    return mine, theirs


def for_recipe_alone(settings: tuple[str, ...]) -> list[Setting]:
    """The recipe's settings, where no problem is given that others could be for."""
    mine, theirs = split(settings)
    refuse_settings(theirs, "no problem is given")
    return mine
