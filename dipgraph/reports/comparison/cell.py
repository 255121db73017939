"""The process of one cell: reads what to run from the standard input, runs it, and tells how far it is.

It is `dipgraph run` or `resume`, without their output. The standard output has a JSON object a line: the share that is
done, the step, the last PSNR. The standard input stays open as long as the comparison lives: when it closes, the run
stops at its next step and saves, as on SIGTERM.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dipgraph.engine.run import Result, Run

INTERVAL = 0.25
"""Least time between two words on how far the run is [s]."""


def main() -> None:
    """Run the cell; the exit code is that of `dipgraph run`."""
    with os.fdopen(os.dup(0), "rb", buffering=0) as lines:
        order = json.loads(lines.readline())
    threading.Thread(target=_end_with_the_comparison, daemon=True).start()
    from dipgraph.language import Faults
    from dipgraph.signatures.errors import DipgraphError

    sys.argv[:] = order.pop("command")
    try:
        code = _work(**order)
    except Faults as error:
        print("error:", "; ".join(f"{fault.code} {fault.message}" for fault in error.faults), file=sys.stderr)
        code = 2
    except DipgraphError as error:
        print("error:", error, file=sys.stderr)
        code = 2
    except KeyboardInterrupt:
        code = 128 + signal.SIGINT
    sys.stdout.flush()
    sys.exit(code)


def _end_with_the_comparison() -> None:
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _work(*, where: str, resumed: bool, checkpoint_every: str, recipe: str, problem: str, **options: Any) -> int:
    from dipgraph.reports.job import View
    from dipgraph.reports.news import Watcher
    from dipgraph.reports.running import resume_and_report, run_and_report

    @dataclass(frozen=True)
    class Unseen(View):
        """Told to the comparison alone."""

        def watchers(self, run: Run, where: Path) -> list[Watcher]:
            return [Pulse(run)]

    view = Unseen(quiet=True)
    if resumed:
        return resume_and_report(Path(where), checkpoint_every=checkpoint_every, view=view)
    settings = tuple(options.pop("settings"))
    return run_and_report(
        recipe, problem, settings, options.pop("preset"), out=where, overwrite=False,
        checkpoint_every=checkpoint_every, view=view, **options,
    )  # fmt: skip


class Pulse:
    """Prints now and then how far the run is."""

    def __init__(self, run: Run) -> None:
        self.run, self.told_at = run, 0.0

    def __enter__(self) -> Pulse:
        self.look()
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def look(self) -> None:
        """Tell it, at most every so often."""
        now = time.perf_counter()
        if now - self.told_at < INTERVAL:
            return
        self.told_at = now
        if self.run.bound.setting.device.type == "cpu":
            self.run.record.flush()
        last = self.run.record.last
        score = None if last is None or last.psnr != last.psnr else last.psnr
        print(json.dumps({"share": share(self.run), "step": self.run.steps, "psnr": score}), flush=True)

    def ended(self, result: Result) -> None:
        """The folder says the rest."""


def share(run: Run) -> float:
    """The part of its loops that a run has done, from 0 to 1."""
    done = 0.0
    for frame in reversed(run.frames):
        done = min(1.0, (frame.done + done) / max(frame.count, 1))
    return done
