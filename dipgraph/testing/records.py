"""What a measured law amounts to."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch

from dipgraph.signatures.errors import InputError


class LawError(AssertionError):
    """A law does not hold; ``records`` has the measurements."""

    def __init__(self, records: list[LawRecord]) -> None:
        self.records = records
        super().__init__("\n".join(str(record) for record in records))


@dataclass(frozen=True)
class LawRecord:
    """One law, measured.

    Attributes
    ----------
    law
        Its name.
    measured
        By how much it is broken, on the scale the detail names; nan where it could not be measured.
    bound
        How much is allowed.
    detail
        What was found in words, such as the scale of a mis-scaled adjoint.
    """

    law: str
    measured: float
    bound: float
    detail: str = ""

    @property
    def ok(self) -> bool:
        """Whether the law holds within its bound."""
        return not math.isnan(self.measured) and self.measured <= self.bound

    def __str__(self) -> str:
        verdict = "holds" if self.ok else "BROKEN"
        text = f"{self.law}: measured {self.measured:.3g}, bound {self.bound:.3g}, {verdict}"
        return f"{text} ({self.detail})" if self.detail else text


def tensors(name: str, *values: object) -> None:
    """Refuse points that are no tensors with an :class:`InputError`."""
    for value in values:
        if not isinstance(value, torch.Tensor):
            kind = f"{type(value).__module__}.{type(value).__name__}"
            raise InputError(f"{name} has a {kind}", where=name, remedy="give torch tensors: torch.as_tensor(...)")


def worst(values: Iterable[float]) -> float:
    """Return the largest value, 0 of none; nan if one of them is."""
    most = 0.0
    for value in values:
        if math.isnan(value):
            return math.nan
        most = max(most, value)
    return most


def require(record: LawRecord) -> LawRecord:
    """Return the record, or raise LawError if its law is broken."""
    require_all([record])
    return record


def require_all(records: Iterable[LawRecord], names: Iterable[str] | None = None) -> list[LawRecord]:
    """Return the records, or raise LawError with those broken (among the laws named, if any are)."""
    records = list(records)
    wanted = None if names is None else set(names)
    broken = [record for record in records if not record.ok and (wanted is None or record.law in wanted)]
    if broken:
        raise LawError(broken)
    return records
