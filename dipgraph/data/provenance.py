"""Where a problem's numbers come from: files with their hashes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class FileRecord:
    """A file that was read, its SHA-256 and its size [bytes]."""

    path: Path
    sha256: str
    size: int

    def __str__(self) -> str:
        return f"{self.path} ({self.size} bytes, SHA-256 {self.sha256})"

    @classmethod
    def of(cls, path: Path) -> FileRecord:
        """Return the record of a file as it is now."""
        return cls(path.resolve(), sha256(path), path.stat().st_size)


def sha256(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def records(paths: Iterable[Path]) -> tuple[FileRecord, ...]:
    """Return the records of some files, each once, in order."""
    return tuple(FileRecord.of(path) for path in dict.fromkeys(path.resolve() for path in paths))
