"""A run in a process of its own that kills itself at a moment told beforehand, as a machine that fails would."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from dipgraph.cli import main
from dipgraph.engine import files
from dipgraph.reports.progress import Bars


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def run_until(moment: tuple[str, int], arguments: list[str]) -> None:
    """Run the command up to the n-th gradient step, file half written, or moment before or after a renaming."""
    kind, wanted = moment
    seen = 0

    def reached() -> bool:
        nonlocal seen
        seen += 1
        return seen == wanted

    put, replace, look = files._put, os.replace, Bars.look

    def killed_while_written(path: Path, content: bytes) -> None:
        if kind == "write" and reached():
            path.write_bytes(content[: len(content) // 2])
            die()
        put(path, content)

    def killed_around_renaming(source: Path, target: Path) -> None:
        if kind == "before renaming" and reached():
            die()
        replace(source, target)
        if kind == "after renaming" and reached():
            die()

    def killed_at_a_step(bars: Bars) -> None:
        if kind == "step" and reached():
            die()
        look(bars)

    files._put, files.os.replace = killed_while_written, killed_around_renaming
    Bars.look = killed_at_a_step
    with open(os.devnull, "w") as sys.stdout:
        sys.stderr = sys.stdout
        main(arguments)
