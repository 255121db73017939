"""What a run notes as it goes: loss terms and scores, kept on the device and read by the host in batches."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from dipgraph.data.scores import DevicePsnr
from dipgraph.engine.binding import Bound
from dipgraph.engine.machine import CompiledTraining
from dipgraph.signatures.errors import DipgraphError

BATCH = 64
"""Entries that the device keeps before the host reads them."""
GROWTH = 1e8
"""A loss that grows to so many times the largest of its first ten has diverged."""


class DivergedError(DipgraphError):
    """A run whose numbers are no longer finite, or out of all bounds."""

    def __init__(self, step: int, first: tuple[str, ...], *, is_finite: bool) -> None:
        self.step, self.first = step, first
        how = "grew out of all bounds" if is_finite else "is no longer finite"
        super().__init__(
            f"the run diverged: at step {step} {' and '.join(first)} {how}",
            remedy="lower the rate of the optimiser, or the weight of that term; or bound the gradient with clip",
        )


@dataclass
class Entry:
    """One gradient step or tracked iteration."""

    step: int
    loss: float = math.nan
    terms: dict[str, float] = field(default_factory=dict)
    psnr: float = math.nan


class Record:
    """The history of a run.

    Parameters
    ----------
    bound
        The problem; its reference, where there is one, is scored against and never shown to the recipe.
    batch
        How many entries are held on the device before they are read: it changes no number.
    """

    def __init__(self, bound: Bound, batch: int = BATCH) -> None:
        self.batch = batch
        self.entries: dict[int, Entry] = {}
        self.names: dict[str, None] = {}
        self._losses: list[tuple[int, list[str], Tensor]] = []
        self._scores: list[tuple[int, Tensor]] = []
        self._first: dict[tuple[str, ...], list[float]] = {}
        self.fault: DivergedError | None = None
        """How the run diverged, once that has been read."""
        problem, setting = bound.problem, bound.setting
        self.psnr: DevicePsnr | None = None
        if problem.reference is not None:
            self.psnr = DevicePsnr(problem.reference / bound.scale, problem.region, setting.device, setting.dtype)

    def losses(self, step: int, training: CompiledTraining, values: list[Tensor]) -> None:
        """Note the loss terms of a gradient step."""
        names = [term.name for term in training.training.terms]
        self._losses.append((step, names, torch.stack([value.double().reshape(()) for value in values])))
        if len(self._losses) >= self.batch:
            self.flush()

    def tracked(self, step: int, image: Tensor) -> None:
        """Score the tracked image."""
        # Without a reference there is no score, but a sum that is not finite still tells.
        self._scores.append((step, image.sum() if self.psnr is None else self.psnr(image[0, 0])))
        if len(self._scores) >= self.batch:
            self.flush()

    def flush(self) -> None:
        """Read what the device holds."""
        if self._losses:
            flat = torch.cat([values for _, _, values in self._losses]).tolist()
            for step, names, values in self._losses:
                terms, flat = flat[: len(values)], flat[len(values) :]
                entry = self.entries.setdefault(step, Entry(step))
                labels = [
                    name if names.count(name) == 1 else f"{name}.{names[:i].count(name) + 1}"
                    for i, name in enumerate(names)
                ]
                entry.terms = dict(zip(labels, terms, strict=True))
                self.names |= dict.fromkeys(labels)
                self._take(entry, math.fsum(terms) if all(map(math.isfinite, terms)) else sum(terms))
            self._losses.clear()
        if self._scores:
            for (step, _), value in zip(
                self._scores, torch.stack([score for _, score in self._scores]).tolist(), strict=True
            ):
                entry = self.entries.setdefault(step, Entry(step))
                if math.isnan(value) or (self.psnr is None and math.isinf(value)):
                    self.fault = self.fault or DivergedError(step, ("the tracked image",), is_finite=False)
                elif self.psnr is not None:
                    entry.psnr = value
            self._scores.clear()

    def _take(self, entry: Entry, loss: float) -> None:
        """Note a loss, and whether the run diverged with it."""
        entry.loss = loss
        first = self._first.setdefault(tuple(entry.terms), [])
        if len(first) < 10:
            first.append(abs(loss))
        bound = GROWTH * max(first) or math.inf  # a run may start at a loss of 0
        if self.fault is None and (not math.isfinite(loss) or abs(loss) > bound):
            bad = tuple(name for name, term in entry.terms.items() if not math.isfinite(term))
            largest = max(entry.terms, key=lambda name: abs(entry.terms[name]))
            self.fault = DivergedError(entry.step, bad or (largest,), is_finite=not bad)

    def state_dict(self) -> dict[str, Any]:
        """The history, as one table."""
        self.flush()
        names = list(self.names)
        rows = [[entry.loss, entry.psnr, *(entry.terms.get(name, math.nan) for name in names)]
                for entry in self.entries.values()]  # fmt: skip
        return {
            "names": names,
            "steps": torch.tensor(list(self.entries), dtype=torch.int64),
            "rows": torch.tensor(rows, dtype=torch.float64).reshape(len(rows), 2 + len(names)),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on with a history."""
        self._losses.clear()
        self._scores.clear()
        self.names = dict.fromkeys(state["names"])
        self.entries, self._first, self.fault = {}, {}, None
        for step, (loss, score, *terms) in zip(state["steps"].tolist(), state["rows"].tolist(), strict=True):
            known = {name: term for name, term in zip(self.names, terms, strict=True) if not math.isnan(term)}
            self.entries[step] = Entry(step, terms=known, psnr=score)
            if known:
                self._take(self.entries[step], loss)

    @property
    def peak(self) -> tuple[int, float] | None:
        """Where the tracked image came closest to the reference: (step, PSNR [dB])."""
        self.flush()
        scored = [(entry.psnr, -entry.step) for entry in self.entries.values() if not math.isnan(entry.psnr)]
        if not scored:
            return None
        value, step = max(scored)
        return -step, value

    @property
    def last(self) -> Entry | None:
        """The latest entry that has been read."""
        return self.entries[max(self.entries)] if self.entries else None

    def text(self) -> str:
        """The history as CSV: step, loss, its terms, PSNR [dB]; what was not measured is left empty."""
        self.flush()
        text = io.StringIO(newline="")
        table = csv.writer(text)
        table.writerow(["step", "loss", *self.names, "psnr"])
        for step in sorted(self.entries):
            entry = self.entries[step]
            terms = [entry.terms.get(name, math.nan) for name in self.names]
            table.writerow([step, *("" if math.isnan(v) else repr(v) for v in (entry.loss, *terms, entry.psnr))])
        return text.getvalue()
