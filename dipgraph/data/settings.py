"""Settings of a problem: in the form of the command line, and refused where they would have no effect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dipgraph.language import Setting
from dipgraph.language.settling import setting_text
from dipgraph.signatures.errors import InputError

Settings = Mapping[str, object] | Sequence[Setting]


def as_settings(settings: Settings) -> list[Setting]:
    """Return settings in the form that the command line gives them."""
    if not isinstance(settings, Mapping):
        if isinstance(settings, str) or not all(isinstance(setting, Setting) for setting in settings):
            raise InputError("the settings are no mapping", where="settings",
                             remedy='give values by name, as in {"views": 30}')  # fmt: skip
        return list(settings)
    texts = {name: setting_text(value) for name, value in settings.items()}
    return [Setting.read(f"problem.{name}={text}", "--set", "problem.") for name, text in texts.items()]


def refuse_settings(settings: Mapping[str, object], why: str) -> None:
    """Refuse settings of a problem that would have no effect.

    Parameters
    ----------
    settings
        By name, without ``problem.``; nothing is said where there are none.
    why
        Why they would have none, in a clause.

    Raises
    ------
    InputError
        If there are any.
    """
    if settings:
        names = ", ".join(f"problem.{name}" for name in settings)
        advice = "name the problem file that they are for, as in --problem walnut_phantom, or leave them out"
        raise InputError(f"{names} cannot be set: {why}", where="--set", remedy=advice)
