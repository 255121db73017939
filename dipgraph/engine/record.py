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
from dipgraph.engine.machine import CompiledTraining, labels
from dipgraph.signatures.errors import DipgraphError

BATCH = 64
"""Entries that the device keeps before the host reads them."""
GROWTH = 1e8
"""A loss that grows to so many times the largest of its first ten, and of half the data's square, has diverged."""


class DivergedError(DipgraphError):
    """A run whose numbers are no longer finite, or out of all bounds."""

    def __init__(self, step: int, first: tuple[str, ...], *, is_finite: bool) -> None:
        self.step, self.first = step, first
        verb = "are" if len(first) > 1 else "is"
        how = "grew out of all bounds" if is_finite else f"{verb} no longer finite"
        super().__init__(f"the run diverged: at step {step} {' and '.join(first)} {how}")


@dataclass
class Entry:
    """One gradient step or tracked iteration."""

    step: int
    loss: float = math.nan
    terms: dict[str, float] = field(default_factory=dict)
    psnr: float = math.nan
    scores: dict[str, float] = field(default_factory=dict)
    """What blocks that watch the run gave as their score."""


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
        self.score_names: dict[str, None] = {}
        self._losses: list[tuple[int, list[str], Tensor]] = []
        self._scores: list[tuple[int, Tensor]] = []
        self._given: list[tuple[int, list[str], Tensor]] = []
        self._first: dict[tuple[str, ...], list[float]] = {}
        self.fault: DivergedError | None = None
        """How the run diverged, once that has been read."""
        self._least = 0.5 * float(bound.given["y"].double().square().sum())
        """Half the data's square: the fidelity of an empty image. A run may start at a loss of 0, its minimum."""
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

    def scored(self, step: int, scores: list[tuple[str, Any]]) -> None:
        """Note the scores that blocks gave."""
        values = torch.stack([torch.as_tensor(value).double().reshape(()) for _, value in scores])
        self._given.append((step, labels([name for name, _ in scores]), values))
        if len(self._given) >= self.batch:
            self.flush()

    def flush(self) -> None:
        """Read what the device holds."""
        if self._given:
            flat = torch.cat([values for *_, values in self._given]).tolist()
            for step, names, values in self._given:
                given, flat = flat[: len(values)], flat[len(values) :]
                self.entries.setdefault(step, Entry(step)).scores |= dict(zip(names, given, strict=True))
                self.score_names |= dict.fromkeys(names)
            self._given.clear()
        if self._losses:
            flat = torch.cat([values for _, _, values in self._losses]).tolist()
            for step, names, values in self._losses:
                terms, flat = flat[: len(values)], flat[len(values) :]
                entry = self.entries.setdefault(step, Entry(step))
                called = labels(names)
                entry.terms = dict(zip(called, terms, strict=True))
                self.names |= dict.fromkeys(called)
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
        first = self._first.setdefault(tuple(sorted(entry.terms)), [])  # a state keeps no order of its terms
        if len(first) < 10:
            first.append(abs(loss))
        bound = GROWTH * max(*first, self._least) or math.inf
        if self.fault is None and (not math.isfinite(loss) or abs(loss) > bound):
            bad = tuple(name for name, term in entry.terms.items() if not math.isfinite(term))
            largest = max(entry.terms, key=lambda name: abs(entry.terms[name]))
            self.fault = DivergedError(entry.step, bad or (largest,), is_finite=not bad)

    def state_dict(self) -> dict[str, Any]:
        """The history, as one table."""
        self.flush()
        entries = [self.entries[step] for step in sorted(self.entries)]  # however they were read
        rows = [
            [entry.loss, entry.psnr, *(entry.terms.get(name, math.nan) for name in self.names),
             *(entry.scores.get(name, math.nan) for name in self.score_names)]
            for entry in entries
        ]  # fmt: skip
        width = 2 + len(self.names) + len(self.score_names)
        return {
            "names": list(self.names),
            "scores": list(self.score_names),
            "steps": torch.tensor([entry.step for entry in entries], dtype=torch.int64),
            "rows": torch.tensor(rows, dtype=torch.float64).reshape(len(rows), width),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on with a history."""
        for held in (self._losses, self._scores, self._given):
            held.clear()
        self.names, self.score_names = dict.fromkeys(state["names"]), dict.fromkeys(state["scores"])
        self.entries, self._first, self.fault = {}, {}, None
        for step, (loss, score, *others) in zip(state["steps"].tolist(), state["rows"].tolist(), strict=True):
            named = zip([*self.names, *self.score_names], others, strict=True)
            known = {name: value for name, value in named if not math.isnan(value)}
            terms = {name: value for name, value in known.items() if name in self.names}
            scores = {name: value for name, value in known.items() if name in self.score_names}
            self.entries[step] = Entry(step, terms=terms, psnr=score, scores=scores)
            if terms:
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
        """The latest values that have been read, each of the latest step that has one."""
        found: Entry | None = None
        for entry in reversed(self.entries.values()):
            if found is None:
                found = Entry(entry.step, entry.loss, entry.terms, entry.psnr, entry.scores)
            if not found.terms:
                found.loss, found.terms = entry.loss, entry.terms
            found.scores = found.scores or entry.scores
            found.psnr = entry.psnr if math.isnan(found.psnr) else found.psnr
            if found.step - entry.step > self.batch:  # a recipe may have no scores at all
                break
        return found

    def text(self) -> str:
        """The history as CSV: step, loss, its terms, PSNR [dB], stop scores; what was not measured is left empty."""
        self.flush()
        text = io.StringIO(newline="")
        table = csv.writer(text)
        table.writerow(["step", "loss", *self.names, "psnr", *self.score_names])
        for step in sorted(self.entries):
            entry = self.entries[step]
            terms = [entry.terms.get(name, math.nan) for name in self.names]
            scores = [entry.scores.get(name, math.nan) for name in self.score_names]
            values = (entry.loss, *terms, entry.psnr, *scores)
            table.writerow([step, *("" if math.isnan(value) else repr(value) for value in values)])
        return text.getvalue()
