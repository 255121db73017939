"""Ctrl-C and SIGTERM: the first asks a run to stop at its next step, the second ends it."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

from dipgraph.reports.telling import tell_at_once


class Interrupts:
    """While entered, the first signal only notes that it came; a second raises :class:`KeyboardInterrupt`.

    Outside the main thread, where Python gives signals to nobody else, nothing is changed.
    """

    signals = (signal.SIGINT, signal.SIGTERM)

    def __init__(self) -> None:
        self.came: int | None = None
        """The number of the signal that came."""
        self.promise = "stopping at the next step"
        """What the first signal is answered with."""
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in self.signals}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _: FrameType | None) -> None:
        if self.came is not None:
            raise KeyboardInterrupt
        self.came = number
        tell_at_once(f"{self.promise}; once more ends at once")
