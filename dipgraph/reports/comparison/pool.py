"""The processes of a comparison: so many cells at a time, what each tells, and how it ended."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO, Any, Protocol

from dipgraph.reports.comparison.cells import Cell, State
from dipgraph.reports.interrupting import Interrupts
from dipgraph.reports.provenance import HOME

BOOT = "import sys; sys.path.insert(0, sys.argv.pop()); import dipgraph; del sys.path[0]; " \
       "from dipgraph.reports.comparison.cell import main; main()"  # fmt: skip
"""Loads the package from where it is loaded here, whatever folder we are in."""
TICK = 0.2
"""Longest time between two looks at signals [s]."""
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(eq=False)
class Worker:
    """A process and the cell that it runs."""

    cell: Cell
    process: subprocess.Popen[bytes]
    complaints: IO[bytes]
    """What it writes to the standard error."""
    began: float = field(default_factory=time.perf_counter)
    told: dict[str, Any] = field(default_factory=dict)
    """The last that it told: share, step, psnr."""
    rest: bytes = b""

    def take(self, data: bytes) -> None:
        """Read what it told."""
        *lines, self.rest = (self.rest + data).split(b"\n")
        for line in lines:
            try:
                self.told = json.loads(line)
            except ValueError:  # printed by a block
                continue


class Audience(Protocol):
    """Whoever watches the processes."""

    def look(self, workers: Sequence[Worker]) -> None:
        """Time has passed."""

    def ended(self, worker: Worker, reason: str, said: str) -> None:
        """A cell has ended: why, where it failed, and all that its process complained of."""


def run_cells(
    cells: Sequence[tuple[Cell, State]],
    jobs: int,
    checkpoint_every: str,
    interrupts: Interrupts,
    audience: Audience,
) -> dict[Cell, str]:
    """Run cells, so many at a time; why those failed that did.

    Parameters
    ----------
    cells
        What is to run, and how far each has come.
    jobs
        Most processes at a time.
    checkpoint_every
        As for ``dipgraph run``.
    interrupts
        After a signal no cell is begun, and those under way are told to stop.
    audience
        Who watches.
    """
    waiting, workers, reasons = list(cells), list[Worker](), dict[Cell, str]()
    is_told = False
    with selectors.DefaultSelector() as selector:
        try:
            while True:
                while waiting and len(workers) < jobs and interrupts.came is None:
                    workers.append(_start(*waiting.pop(0), checkpoint_every))
                    output = workers[-1].process.stdout
                    assert output is not None, "it is a pipe"
                    selector.register(output, selectors.EVENT_READ, workers[-1])
                if not workers:
                    return reasons
                if interrupts.came is not None and not is_told:
                    is_told = True
                    for worker in workers:
                        worker.process.terminate()
                for key, _ in selector.select(TICK):
                    if data := os.read(key.fd, 65536):
                        key.data.take(data)
                        continue
                    selector.unregister(key.fileobj)
                    workers.remove(key.data)
                    _close(key.data, reasons, interrupts, audience)
                audience.look(workers)
        finally:
            for worker in workers:
                worker.process.kill()
                worker.process.wait()


def _start(cell: Cell, state: State, checkpoint_every: str) -> Worker:
    """Begin a cell, or go on with it, in a process that a terminal's Ctrl-C does not reach."""
    options = cell.options
    order = {
        "command": sys.argv, "where": str(cell.where), "resumed": state is State.BEGUN,
        "checkpoint_every": checkpoint_every, "recipe": cell.contender.given, "problem": cell.task.given,
        "settings": [*cell.contender.settings, *cell.task.settings], "preset": cell.contender.preset,
        "device": options.device, "seed": options.seed, "threads": options.threads, "run_on": options.run_on,
    }  # fmt: skip
    environment = os.environ | dict.fromkeys(THREADS, str(options.threads))
    complaints = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the process has ended
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", BOOT, str(HOME)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=complaints,
        env=environment, start_new_session=True,
    )  # fmt: skip
    assert process.stdin is not None, "it is a pipe"
    with suppress(BrokenPipeError):  # it has ended already, which its output tells
        process.stdin.write(json.dumps(order).encode() + b"\n")
        process.stdin.flush()
    return Worker(cell, process, complaints)


def _close(worker: Worker, reasons: dict[Cell, str], interrupts: Interrupts, audience: Audience) -> None:
    """Note how a cell ended."""
    code = worker.process.wait()
    for pipe in (worker.process.stdin, worker.process.stdout):
        if pipe is not None:
            with suppress(BrokenPipeError):
                pipe.close()
    worker.complaints.seek(0)
    said = worker.complaints.read().decode(errors="replace")
    worker.complaints.close()
    reason = ""
    if code and interrupts.came is None:
        reason = reasons[worker.cell] = _reason(said, code)
    audience.ended(worker, reason, said)


def _reason(said: str, code: int) -> str:
    """Why a process failed, in one line."""
    lines = [line for line in said.splitlines() if line.strip()]
    told = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    if told:
        return told[0]
    if code < 0:
        hint = ": the system ends so what takes too much memory" if -code == signal.SIGKILL else ""
        return f"its process was ended by {signal.Signals(-code).name}{hint}"
    return lines[-1] if lines else f"its process ended with exit code {code}"
