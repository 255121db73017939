"""One process at a time has a run's folder: a lock that the system gives back however the process ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dipgraph.engine.files import StorageError
from dipgraph.reports.folder import LOCK
from dipgraph.signatures.errors import InputError


def is_held(folder: Path) -> bool:
    """Whether another process holds a run's folder."""
    try:
        handle = os.open(folder / LOCK, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a file system without locks
        return False
    finally:
        os.close(handle)
    return False


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a run's folder.

    Raises
    ------
    InputError
        If another process holds it: its run is alive.
    """
    path = folder / LOCK
    handle = _taken(path)
    while not _is_at(handle, path):  # another process has ended in between, and has taken its lock away
        os.close(handle)
        handle = _taken(path)
    try:
        with contextlib.suppress(OSError):  # for people to read: a full disk is told where it matters
            os.ftruncate(handle, 0)
            os.write(handle, f"{os.getpid()}\n".encode())
        yield
        with contextlib.suppress(OSError):
            path.unlink()
    finally:
        os.close(handle)


def _taken(path: Path) -> int:
    """The lock file, open and held."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise StorageError.of(error, path, "write") from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(handle, 20).decode(errors="replace").strip()
        os.close(handle)
        raise InputError(f"the run is alive: process {holder or 'unknown'} has the folder", where=str(path.parent),
                         remedy="wait for it, or end that process") from None  # fmt: skip
    except OSError:  # a file system without locks
        pass
    return handle


def _is_at(handle: int, path: Path) -> bool:
    """Whether an open file is the one that has the name."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False
