"""The folder that a run leaves: the image, its history and summary, and the files that give the same numbers again."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shutil
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import torch
from PIL import Image as Picture
from safetensors.torch import save

import dipgraph
from dipgraph.data.problem import Problem
from dipgraph.engine.files import StorageError, clear_parts, whole_text, write_whole
from dipgraph.engine.run import Result
from dipgraph.reports.shape import RUN_SHAPE, SUMMARY_SHAPE, misfit
from dipgraph.signatures.errors import DipgraphError, InputError

RUN, RECIPE, PROBLEM, CITATIONS = "run.json", "recipe.yaml", "problem.yaml", "citations.bib"
HISTORY, SUMMARY, CHECKPOINTS = "history.csv", "summary.json", "checkpoints"
LOCK = ".lock"
"""Held by the run that is alive; made first, so that a folder with it is a run's."""
CHANGED = "it was changed since the run wrote it"
IMAGES, FIGURES = ("reconstruction", "fbp", "reference"), ("curves", "images")
"""Names, without their endings, that the run and its figures take: no image of the recipe's own gets them."""


def choose(
    out: str | Path | None, recipe: str, problem: str, *, overwrite: bool = False, inputs: Iterable[Path] = ()
) -> Path:
    """The folder a run will write to; nothing is made yet.

    Parameters
    ----------
    out
        The folder that was asked for; of the recipe's and problem's names and the time by default.
    recipe, problem
        Their names.
    overwrite
        Whether it may hold a run already.
    inputs
        Files that are read: the run must not write over them.

    Raises
    ------
    InputError
        If it holds a run already, or other files, or an input under a name that the run writes; if it is a file.
    """
    folder = Path(out) if out is not None else Path("runs") / f"{recipe}-{problem}-{time.strftime('%Y%m%d-%H%M%S')}"
    try:
        is_file = folder.is_file()
    except OSError as error:  # a name too long, a folder that may not be searched
        raise InputError(f"cannot look there: {error.strerror}", where=str(folder),
                         remedy="name another folder with --out") from None  # fmt: skip
    if is_file:
        raise InputError("the output folder is a file", where=str(folder), remedy="name a folder with --out")
    if not overwrite:
        refuse_a_run(folder)
    written = {(folder / name).resolve() for name in (RUN, RECIPE, PROBLEM, CITATIONS, HISTORY, SUMMARY)}
    for path in inputs:
        if path.resolve() in written:
            raise InputError(f"the run would write over {path}, which it reads", where=str(folder),
                             remedy="name another folder with --out")  # fmt: skip
    try:
        is_ours = any((folder / name).exists() for name in (RUN, SUMMARY, LOCK)) or not any(folder.glob("*"))
    except OSError as error:
        raise InputError(f"cannot look there: {error.strerror}", where=str(folder),
                         remedy="name another folder with --out") from None  # fmt: skip
    if not is_ours:
        raise InputError("the folder holds files that are not a run's", where=str(folder),
                         remedy="name a new folder, or an empty one, with --out")  # fmt: skip
    return folder


def refuse_a_run(folder: Path) -> None:
    """Raise :class:`InputError` if a folder holds a run."""
    if any((folder / name).exists() for name in (RUN, SUMMARY)):
        raise InputError(
            "the folder holds a run already", where=str(folder),
            remedy=f"name another with --out, or say --overwrite; one cut off goes on: dipgraph resume {folder}",
        )  # fmt: skip


def make(folder: Path) -> None:
    """Make the folder and try it, before the run begins; its lock is there afterwards, and tells that it is a run's.

    Raises
    ------
    InputError
        If it cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / LOCK).touch()
    except OSError as error:
        raise InputError(f"cannot write there: {error.strerror}", where=str(folder),
                         remedy="name a folder that you may write to with --out") from None  # fmt: skip


def begin(folder: Path, texts: Mapping[str, str]) -> None:
    """Write what the run is, before it begins; what an earlier run left is removed.

    Raises
    ------
    StorageError
        As everything here that writes: if the disk is full or the permission missing. A file stands whole or not at
        all.
    """
    stale = [f"{stem}{ending}" for stem in (*IMAGES, *FIGURES) for ending in (".tiff", ".png", ".svg")]
    with contextlib.suppress(DipgraphError):
        told = (read_summary(folder) or {}).get("files", {})
        stale += [name for name in told if Path(name).name == name]
    for name in (CHECKPOINTS, "tensorboard"):
        shutil.rmtree(folder / name, ignore_errors=True)
    for name in (RUN, SUMMARY, HISTORY, *stale):
        with contextlib.suppress(OSError):
            (folder / name).unlink(missing_ok=True)
    clear_parts(folder)
    for name, text in texts.items():
        if name != RUN:
            write_whole(folder / name, text)
    write_whole(folder / RUN, texts[RUN])  # last: a folder with it can be resumed


def write(
    folder: Path, result: Result, problem: Problem, *, peak_memory: int | None = None, reason: str | None = None
) -> None:
    """Write what a run delivers; the summary last, so that it stands only where the rest does.

    ``reconstruction.tiff`` holds float32 in the problem's unit, ``reconstruction.png`` the same from 0 to the scale;
    ``fbp`` and ``reference`` likewise, where there are any; further images and networks of the recipe stand under their
    own names, with an underscore behind where the name is taken.

    Parameters
    ----------
    folder
        Where to.
    result, problem
        The run's.
    peak_memory
        The most memory that the run's device held [bytes]; none where it is not known.
    reason
        Why the run diverged, if it did.

    Raises
    ------
    StorageError
        For the files that cannot be written; the others are.
    """
    try:
        (folder / SUMMARY).unlink(missing_ok=True)  # that of an interruption before: it belongs to other results
    except OSError as error:
        raise StorageError.of(error, folder / SUMMARY, "remove") from None
    files: dict[str, bytes | str] = {}
    for name, image in zip(IMAGES, (result.image, result.fbp, problem.reference), strict=True):
        if image is not None:
            files |= image_files(name, np.asarray(image), problem)
    numbers: dict[str, Any] = {}
    names = stems(result.returns)
    for name, value in result.returns.items():
        stem = names[name]
        if isinstance(value, torch.nn.Module):
            value = value.state_dict()
        if isinstance(value, dict):
            state = {key: tensor.detach().cpu().contiguous() for key, tensor in value.items()}
            files[f"{stem}.safetensors"] = save(state)
        elif isinstance(value, torch.Tensor) and value.ndim >= 4 and tuple(value.shape[2:]) == problem.shape:
            image = (value[0].double() * problem.scale).cpu().numpy().astype(np.float32)
            files |= image_files(stem, image[0] if image.shape[0] == 1 else image, problem)
        elif isinstance(value, torch.Tensor) and value.ndim >= 1:
            files[f"{stem}.tiff"] = _tiff(value[0].float().cpu().numpy())
        else:
            numbers[name] = value.item() if isinstance(value, torch.Tensor) else value
    files[HISTORY] = result.record.text()
    faults: list[StorageError] = []
    for name, content in files.items():
        try:
            write_whole(folder / name, content)
        except StorageError as fault:
            faults.append(fault)
    if faults:
        what = "; ".join([faults[0].what, *(f"{fault.where}: {fault.what}" for fault in faults[1:])])
        raise StorageError(what, where=faults[0].where, remedy=faults[0].remedy)
    summary = result.summary() | {
        "peak_memory": peak_memory,
        "reason": reason,
        "returned": numbers,
        "unit": problem.value_unit,
        "scale": problem.scale,
        "problem": problem.name,
        "version": dipgraph.__version__,
        "files": list(files),
    }
    write_whole(folder / SUMMARY, json_text(summary))


def stems(names: Iterable[str]) -> dict[str, str]:
    """What the files of returned values are called, without their endings: no two alike, on any file system."""
    taken = {*IMAGES, *FIGURES}
    found = {}
    for name in names:
        stem = re.sub(r"\W", "_", name)
        while stem.casefold() in taken:
            stem += "_"
        taken.add(stem.casefold())
        found[name] = stem
    return found


def image_files(stem: str, image: np.ndarray[Any, Any], problem: Problem) -> dict[str, bytes]:
    """An image as ``.tiff`` in the problem's unit, and as ``.png`` for a look at it: content by the file's name."""
    description = json.dumps({"unit": problem.value_unit, "pixel": problem.pixel, "length": problem.unit})
    values = np.ascontiguousarray(image, dtype=np.float32)
    files = {f"{stem}.tiff": _tiff(values, description=description)}
    if image.ndim == 2:
        grey = np.clip(np.nan_to_num(image / problem.scale), 0.0, 1.0)
        drawn = io.BytesIO()
        Picture.fromarray(np.round(255 * grey).astype(np.uint8)).save(drawn, format="png")
        files[f"{stem}.png"] = drawn.getvalue()
    return files


def read_summary(folder: Path) -> dict[str, Any] | None:
    """The summary of a run that has ended or was interrupted; none of one that was killed."""
    if not stands(folder / SUMMARY):
        return None
    found: dict[str, Any] = read_json(folder / SUMMARY, SUMMARY_SHAPE)
    return found


def stands(path: Path) -> bool:
    """Whether there is such a file; raises :class:`StorageError` where that cannot be seen."""
    try:
        return path.is_file()
    except OSError as error:
        raise StorageError.of(error, path, "look there") from None


def read_run(folder: Path) -> dict[str, Any]:
    """What a folder says of its run."""
    found: dict[str, Any] = read_json(folder / RUN, RUN_SHAPE)
    return found


def read_json(path: Path, shape: Mapping[str, Any]) -> Any:
    """What a JSON file of a run holds; raises :class:`InputError` where it is none, or has another shape."""
    try:
        found = json.loads(whole_text(path))
    except (ValueError, RecursionError):
        raise InputError("is no JSON", where=str(path), remedy=CHANGED) from None
    if said := misfit(found, shape):
        raise InputError(f"is not what a run writes: {said}", where=str(path),
                         remedy=CHANGED)  # fmt: skip
    return found


def json_text(content: Any) -> str:
    """Content as a JSON file holds it."""
    return json.dumps(plain(content), indent=2, allow_nan=False) + "\n"


def _tiff(values: np.ndarray[Any, Any], **options: Any) -> bytes:
    made = io.BytesIO()
    tifffile.imwrite(made, values, **options)
    return made.getvalue()


def plain(value: Any) -> Any:
    """A value as JSON holds it: NaN and infinity become null."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
