"""Files written whole or not at all: to a file beside, to the disk, then renamed."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

from dipgraph.signatures.errors import DipgraphError

PART = ".part"
"""Ending of a file that is being written."""


class StorageError(DipgraphError):
    """A file that cannot be written or read."""

    @classmethod
    def of(cls, error: OSError, path: Path, doing: str) -> StorageError:
        """What the system says of a file, and what to do about it."""
        remedies = {
            errno.ENOSPC: f"free some space on the disk of {path.parent.resolve()}",
            errno.EDQUOT: "your quota is used up: free some space",
            errno.EACCES: "ask for the permission, or take another folder",
            errno.EROFS: "the disk is read-only: take another folder",
        }
        remedy = remedies.get(error.errno or 0, "")
        return cls(f"cannot {doing}: {error.strerror or error}", where=str(path), remedy=remedy)


def write_whole(path: Path, content: bytes | str) -> None:
    """Write a file so that at any moment, a power cut included, the old content or the new one stands there, whole.

    Raises
    ------
    StorageError
        If the disk is full, or the permission is missing; what stood there stands.
    """
    content = content.encode() if isinstance(content, str) else content
    beside = path.with_name(f".{path.name}{PART}")
    try:
        try:
            _put(beside, content)
            os.replace(beside, path)
            _settle(path.parent)
        except OSError:
            beside.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise StorageError.of(error, path, "write") from None


def _put(path: Path, content: bytes) -> None:
    """Write a file and have it on the disk."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def clear_parts(folder: Path) -> None:
    """Remove what a killed run left half written."""
    for part in folder.glob(f".*{PART}"):
        with contextlib.suppress(OSError):
            part.unlink()


def whole_text(path: Path) -> str:
    """The text of a file; raises :class:`StorageError` if it cannot be read."""
    try:
        return whole_bytes(path).decode()  # as it is: the ends of its lines too belong to its hash
    except UnicodeDecodeError:
        raise StorageError("is not UTF-8", where=str(path)) from None


def whole_bytes(path: Path) -> bytes:
    """What a file holds; raises :class:`StorageError` if it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise StorageError.of(error, path, "read") from None


def _settle(folder: Path) -> None:
    """Have the folder itself written to the disk, so that the new name outlives a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # file systems that cannot do so with a folder
            raise
    finally:
        os.close(handle)
