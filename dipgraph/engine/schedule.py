"""When a checkpoint is due: every so many steps, or every so many seconds."""

from __future__ import annotations

import re
from dataclasses import dataclass

from dipgraph.signatures.errors import InputError

SHARE = 0.02
"""Most of a run's time that checkpoints by the clock may take."""
UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0}


@dataclass
class Schedule:
    """A checkpoint after the first step, then every ``steps`` steps or ``seconds`` seconds; never, if both are none."""

    steps: int | None = None
    seconds: float | None = None
    last_step: int = 0
    """Step of the last checkpoint; 0 where there is none."""
    due_at: float = 0.0
    """When the next one is due by the clock [s]."""

    @classmethod
    def read(cls, text: str) -> Schedule:
        """The schedule that a text says: ``500``, ``30s``, ``5min``, ``2h`` or ``never``.

        Raises
        ------
        InputError
            For anything else.
        """
        if text == "never":
            return cls()
        found = re.fullmatch(r"(\d{1,15}(?:\.\d{1,15})?)\s*(s|min|h)?", text.strip(), re.ASCII)
        if found is None or not float(found[1]) or (found[2] is None and not found[1].isdigit()):
            raise InputError(f"'{text}' is no schedule", where="--checkpoint-every",
                             remedy="say a number of steps (500), a time (30s, 5min, 2h), or never")  # fmt: skip
        return cls(int(found[1])) if found[2] is None else cls(seconds=float(found[1]) * UNITS[found[2]])

    def is_due(self, step: int, now: float) -> bool:
        """Whether a checkpoint is due at this step and time [s]."""
        if self.steps is None and self.seconds is None:
            return False
        if step == self.last_step:
            return False
        if not self.last_step:
            return True
        return step - self.last_step >= self.steps if self.steps is not None else now >= self.due_at

    def written(self, step: int, now: float, cost: float) -> None:
        """Note a checkpoint, and what it cost [s]: by the clock, costly ones come less often."""
        self.last_step = step
        if self.seconds is not None:
            self.due_at = now + max(self.seconds, cost / SHARE)
