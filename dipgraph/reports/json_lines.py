"""`--json-lines`: a run as JSON objects on the standard output, one a line, for programs."""

from __future__ import annotations

import json
from typing import Any

import click

from dipgraph.engine.record import Entry
from dipgraph.engine.run import Result, Run
from dipgraph.reports.folder import plain
from dipgraph.reports.news import News, known, peak_memory
from dipgraph.reports.telling import silence

INTERVAL = 0.5
"""Least time between two readings of the device [s]."""


class JsonLines:
    """Prints ``begin``, then a ``step`` for each entry of the history, then ``end``.

    Parameters
    ----------
    run
        The run.
    where
        Its folder.
    """

    def __init__(self, run: Run, where: str, interval: float = INTERVAL) -> None:
        self.run, self.where = run, where
        self.news = News(run, interval)

    def __enter__(self) -> JsonLines:
        _print("begin", folder=self.where, after_step=self.run.steps, problem=self.run.problem.name)
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def look(self) -> None:
        """Print what is new."""
        for entry in self.news.since():
            self._step(entry)

    def ended(self, result: Result) -> None:
        """Print the rest, and the summary."""
        for entry in self.news.since(is_over=True):
            self._step(entry)
        _print("end", **result.summary(), peak_memory_mib=round(peak_memory(self.run) / 2**20, 1))

    def _step(self, entry: Entry) -> None:
        numbers = known({"loss": entry.loss, "psnr": entry.psnr})
        _print("step", step=entry.step, **numbers, terms=entry.terms, scores=entry.scores)


def _print(event: str, **content: Any) -> None:
    try:
        click.echo(json.dumps(plain({"event": event, **content}), allow_nan=False))
    except OSError:
        silence(err=False)
        raise
