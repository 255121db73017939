"""Checkpoints: a run's state as safetensors and JSON, each with its checksum, the last two kept.

A checkpoint of step n is ``n.safetensors``, the tensors, and ``n.json``, the rest, written in this order: a checkpoint
is there when its JSON is. The JSON holds the SHA-256 of both.
"""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from dipgraph.engine.files import StorageError, clear_parts, write_whole
from dipgraph.engine.memory import memory_told
from dipgraph.engine.run import Run
from dipgraph.engine.state import restore, snapshot
from dipgraph.signatures.errors import DipgraphError, InputError

FORMAT = 1
NAME = re.compile(r"(\d{8}|[1-9]\d{8,})\.json", re.ASCII)
KEPT = 2
"""Checkpoints that are kept: one more than is needed, should the last be damaged."""


class DamagedError(DipgraphError):
    """A checkpoint that is not what was written."""


@dataclass(frozen=True)
class Checkpoint:
    """A state as it was read."""

    step: int
    identity: Mapping[str, str]
    state: Any
    tensors: Mapping[str, Tensor]

    def give_to(self, run: Run) -> None:
        """Have a run go on from here."""
        restore(run, self.state, self.tensors, run.bound.setting.device)


class Checkpoints:
    """The checkpoints of one run, in a folder.

    Parameters
    ----------
    folder
        Where they lie.
    identity
        What the state belongs to, by name: texts of recipe and problem, versions, device, threads, seed.
    """

    def __init__(self, folder: Path, identity: Mapping[str, str]) -> None:
        self.folder, self.identity = folder, dict(identity)

    def steps(self) -> list[int]:
        """The steps there are checkpoints of, the latest first."""
        named = (NAME.fullmatch(path.name) for path in self.folder.glob("*.json"))
        return sorted({int(found[1]) for found in named if found}, reverse=True)

    def write(self, run: Run) -> None:
        """Write the run's state, then drop what is no longer needed.

        Raises
        ------
        StorageError
            If the disk is full or the permission missing; the checkpoints before it stand.
        OutOfMemoryError
            If the copies do not fit.
        """
        with memory_told(torch.device("cpu")):
            tree, tensors = snapshot(run)
            packed = save(tensors)
        content = {
            "format": FORMAT, "step": run.steps, "identity": self.identity, "state": tree,
            "tensors": hashlib.sha256(packed).hexdigest(),
        }  # fmt: skip
        text = json.dumps({"sha256": _checksum(content), "checkpoint": content}, allow_nan=False)
        try:
            self.folder.mkdir(exist_ok=True)
        except OSError as error:
            raise StorageError.of(error, self.folder, "make the folder") from None
        tensor_path, json_path = self._paths(run.steps)
        try:
            write_whole(tensor_path, packed)
            write_whole(json_path, text)
        finally:
            self._tidy()

    def read(self, step: int) -> Checkpoint:
        """The checkpoint of a step.

        Raises
        ------
        DamagedError
            If a bit of it is not as it was written.
        StorageError
            If the permission to read it is missing: it may be sound.
        """
        tensor_path, json_path = self._paths(step)
        text, packed = _content(json_path), _content(tensor_path)
        try:
            whole = json.loads(text)
            content, stated = whole["checkpoint"], whole["sha256"]
            of_format, tensor_sum = content["format"], content.get("tensors")
        except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
            raise DamagedError(f"holds no state: {error}", where=str(json_path)) from None
        if stated != _checksum(content):
            raise DamagedError("its checksum does not fit", where=str(json_path))
        if of_format != FORMAT:
            raise InputError(
                f"the checkpoint is of format {of_format}, this version reads {FORMAT}", where=str(json_path),
                remedy="resume with the version of dipgraph that wrote it",
            )  # fmt: skip
        if tensor_sum != hashlib.sha256(packed).hexdigest():
            raise DamagedError("its checksum does not fit", where=str(tensor_path))
        try:
            tensors = load(packed)
        except SafetensorError as error:  # the checksum fits: it was written so
            raise DamagedError(f"holds no tensors: {error}", where=str(tensor_path)) from None
        return Checkpoint(content["step"], content["identity"], content["state"], tensors)

    def latest(self) -> tuple[Checkpoint | None, list[str]]:
        """The latest checkpoint that is sound, and what is to be said of those that are not; these are removed.

        Raises
        ------
        InputError
            If it belongs to another recipe, problem, version or machine; with the difference.
        StorageError
            If the permission to read it is missing.
        """
        self._tidy()
        said: list[str] = []
        for step in self.steps():
            try:
                found = self.read(step)
            except DamagedError as damage:
                said.append(f"the checkpoint of step {step} is damaged and was removed: {damage.where}: {damage.what}")
                self._drop([step])
                continue
            differences = list(differences_of(found.identity, self.identity))
            if differences:
                raise InputError(
                    "the checkpoint belongs to another run:\n" + "\n".join(f"  {line}" for line in differences),
                    where=str(self._paths(step)[1]),
                    remedy="put back what it was written with, or run anew in another folder",
                )
            return found, said
        return None, said

    def clear(self) -> None:
        """Remove all, of a run that needs none any more."""
        self._drop(self.steps())
        self._tidy()
        with contextlib.suppress(OSError):
            self.folder.rmdir()

    def _paths(self, step: int) -> tuple[Path, Path]:
        return self.folder / f"{step:08d}.safetensors", self.folder / f"{step:08d}.json"

    def _tidy(self) -> None:
        """Remove all but the last ones: tensors without their JSON too, of one that could not be finished."""
        clear_parts(self.folder)
        steps = self.steps()
        self._drop(steps[KEPT:])
        whole = {self._paths(step)[0] for step in steps}
        for path in self.folder.glob("*.safetensors"):
            if path not in whole:
                with contextlib.suppress(OSError):
                    path.unlink()

    def _drop(self, steps: list[int]) -> None:
        for step in steps:
            for path in reversed(self._paths(step)):
                with contextlib.suppress(OSError):
                    path.unlink(missing_ok=True)


def _content(path: Path) -> bytes:
    """The bytes of a part of a checkpoint."""
    try:
        return path.read_bytes()
    except PermissionError as error:
        raise StorageError.of(error, path, "read") from None
    except OSError as error:
        raise DamagedError(f"cannot be read: {error.strerror}", where=str(path)) from None


def _checksum(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, allow_nan=False).encode()).hexdigest()


def differences_of(then: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    """What differs between two identities, texts line by line."""
    for name in dict.fromkeys([*then, *now]):
        old, new = then.get(name, "none"), now.get(name, "none")
        if old == new:
            continue
        if "\n" in old or "\n" in new:
            yield f"{name}:"
            lines = difflib.unified_diff(old.splitlines(), new.splitlines(), "then", "now", lineterm="", n=1)
            yield from (f"  {line}" for line in lines)
        else:
            yield f"{name}: {old} then, {new} now"
