"""One process at a time has a run's folder: a lock that the system gives back however the process ends."""

from __future__ import annotations

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
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise StorageError.of(error, path, "write") from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(handle, 20).decode(errors="replace").strip()
            raise InputError(f"the run is alive: process {holder or 'unknown'} has the folder", where=str(folder),
                             remedy="wait for it, or end that process") from None  # fmt: skip
        except OSError:  # a file system without locks
            pass
        os.ftruncate(handle, 0)
        os.write(handle, f"{os.getpid()}\n".encode())
        yield
        path.unlink(missing_ok=True)
    finally:
        os.close(handle)
