"""The package's own exceptions: what a user can cause, said as what, where and what to do."""

from __future__ import annotations

from typing import Any


class DipgraphError(Exception):
    """Base of every error that a user's input can cause; the command line prints it without a traceback.

    Parameters
    ----------
    what
        The fault in one sentence, naming the value that is wrong.
    where
        The place: a file, ``file:line:column``, an argument's name. Empty where the fault has no place.
    remedy
        What to do about it. Empty where nothing helps.
    """

    def __init__(self, what: str, *, where: str = "", remedy: str = "") -> None:
        self.what, self.where, self.remedy = what, where, remedy
        super().__init__(what, where, remedy)

    def __reduce__(self) -> tuple[Any, ...]:
        # As a whole, whatever arguments a subclass takes: an error has to come back from a process of a pool.
        return _rebuilt, (type(self), self.args, vars(self))

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        return f"{head}\n  {self.remedy}" if self.remedy else head


def _rebuilt(kind: type[DipgraphError], arguments: tuple[Any, ...], state: dict[str, Any]) -> DipgraphError:
    error = kind.__new__(kind, *arguments)
    vars(error).update(state)
    return error


class InputError(DipgraphError):
    """A value, array or file that does not fit what is asked for."""


class GeometryError(InputError):
    """A scan geometry or image grid that cannot be built."""


class MissingExtra(DipgraphError):  # noqa: N818 - it says what is missing
    """An optional package is absent; the remedy names the command that installs it."""
