"""What a run has noted since one last asked: for whoever reports it while it goes."""

from __future__ import annotations

import math
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Protocol

import torch

from dipgraph.engine.record import Entry
from dipgraph.engine.run import Result, Run


class Watcher(Protocol):
    """Whoever reports a run: entered before its first step and left after its last."""

    def __enter__(self) -> Any:
        """Begin."""

    def __exit__(self, *_: object) -> None:
        """End, however the run ends."""

    def look(self) -> None:
        """A step is done."""

    def ended(self, result: Result) -> None:
        """The run has ended, or was interrupted, with this result."""


class Audience:
    """Watchers together; one that cannot go on, for a closed pipe or a full disk, is left out, and the run goes on.

    Parameters
    ----------
    watchers
        The watchers.
    tell
        Takes a sentence on each that is left out.
    """

    def __init__(self, watchers: Sequence[Watcher], tell: Callable[[str], Any]) -> None:
        self.watchers, self.tell = list(watchers), tell

    def __enter__(self) -> Audience:
        self._each(lambda watcher: watcher.__enter__())
        return self

    def __exit__(self, *error: object) -> None:
        self._each(lambda watcher: watcher.__exit__(*error))

    def look(self) -> None:
        """A step is done."""
        self._each(lambda watcher: watcher.look())

    def ended(self, result: Result) -> None:
        """The run has ended, or was interrupted, with this result."""
        self._each(lambda watcher: watcher.ended(result))

    def _each(self, act: Callable[[Watcher], Any]) -> None:
        for watcher in list(self.watchers):
            try:
                act(watcher)
            except (OSError, SystemExit) as error:  # rich asks to leave where its pipe is closed
                self.watchers.remove(watcher)
                why = getattr(error, "strerror", None) or "its pipe is closed"
                self.tell(f"warning: {type(watcher).__name__} ends here: {why}; the run goes on")


class News:
    """The entries of a run's history in the order of their steps, each once, when it is complete.

    Parameters
    ----------
    run
        The run; what it has noted before is no news.
    interval
        Least time between two readings of the device [s]: how often one looks changes no number.
    """

    def __init__(self, run: Run, interval: float) -> None:
        self.run, self.interval = run, interval
        self.told = run.steps
        self.read_at = time.perf_counter()

    def since(self, *, is_over: bool = False) -> Iterator[Entry]:
        """What is new; of the step under way only once the run is over."""
        now = time.perf_counter()
        if now - self.read_at < self.interval and not is_over:
            return
        self.read_at = now
        record = self.run.record
        record.flush()
        last = self.run.steps - (not is_over)
        for step in range(self.told + 1, last + 1):
            if step in record.entries:
                yield record.entries[step]
        self.told = max(self.told, last)


def peak_memory(run: Run) -> int:
    """The most memory that the run's device has held for this process so far [bytes]."""
    device = run.bound.setting.device
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else _peak_resident()


def _peak_resident() -> int:
    """The most memory of this process that was resident so far [bytes]."""
    # Not first ``getrusage``: a program begins there with the peak of the one that started it.
    with suppress(OSError, StopIteration, ValueError), open("/proc/self/status", encoding="ascii") as lines:
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def known(values: dict[str, float]) -> dict[str, float]:
    """Those that were measured."""
    return {name: value for name, value in values.items() if not math.isnan(value)}
