"""Words to whoever started a run: that nobody listens, for a closed pipe or a full disk, is no fault of the run."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

import click


def tell(text: str, *, err: bool = True) -> bool:
    """Print a line on the error stream, or the output; whether it could be."""
    try:
        click.echo(text, err=err)
    except (OSError, ValueError):
        silence(err=err)
        return False
    return True


def tell_at_once(text: str) -> None:
    """Print a line on the error stream past all buffers: for signals, which come while others print."""
    with suppress(OSError, ValueError, AttributeError):  # closed, or none at all
        os.write(sys.stderr.fileno(), f"{text}\n".encode())


def silence(*, err: bool) -> None:
    """Let what is still to come on a stream that takes no more go nowhere."""
    with suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, (sys.stderr if err else sys.stdout).fileno())
        os.close(nowhere)
