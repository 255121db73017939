"""The folder that a run leaves: the image, its history and summary, and the files that give the same numbers again."""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import torch
from PIL import Image as Picture
from safetensors.torch import save_file

import dipgraph
from dipgraph.data.problem import Problem
from dipgraph.engine.run import Result
from dipgraph.signatures.errors import InputError


def prepare(out: str | Path | None, recipe: str, problem: str, *, overwrite: bool = False) -> Path:
    """The folder a run will write to, made and tried before the run begins.

    Raises
    ------
    InputError
        If it holds a run already, is a file, or cannot be written to.
    """
    folder = Path(out) if out is not None else Path("runs") / f"{recipe}-{problem}-{time.strftime('%Y%m%d-%H%M%S')}"
    if folder.is_file():
        raise InputError("the output folder is a file", where=str(folder), remedy="name a folder with --out")
    if (folder / "summary.json").exists() and not overwrite:
        raise InputError("the folder holds a run already", where=str(folder),
                         remedy="name another with --out, or say --overwrite")  # fmt: skip
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".write-test"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise InputError(f"cannot write there: {error.strerror}", where=str(folder),
                         remedy="name a folder that you may write to with --out") from None  # fmt: skip
    return folder


def write(folder: Path, result: Result, problem: Problem, recipe_text: str) -> None:
    """Write what a run delivers.

    ``reconstruction.tiff`` holds float32 in the problem's unit, ``reconstruction.png`` the same from 0 to the scale;
    further images and networks of the recipe stand under their own names.
    """
    write_image(folder / "reconstruction", result.image, problem)
    numbers: dict[str, Any] = {}
    for name, value in result.returns.items():
        stem = re.sub(r"\W", "_", name)
        if isinstance(value, torch.nn.Module):
            value = value.state_dict()
        if isinstance(value, dict):
            state = {key: tensor.detach().cpu().contiguous() for key, tensor in value.items()}
            save_file(state, folder / f"{stem}.safetensors")
        elif isinstance(value, torch.Tensor) and value.ndim >= 4 and tuple(value.shape[2:]) == problem.shape:
            image = (value[0].double() * problem.scale).cpu().numpy().astype(np.float32)
            write_image(folder / stem, image[0] if image.shape[0] == 1 else image, problem)
        elif isinstance(value, torch.Tensor) and value.ndim >= 1:
            tifffile.imwrite(folder / f"{stem}.tiff", value[0].float().cpu().numpy())
        else:
            numbers[name] = value.item() if isinstance(value, torch.Tensor) else value
    result.record.write(folder / "history.csv")
    (folder / "recipe.yaml").write_text(recipe_text, encoding="utf-8")
    if problem.resolved_text:
        (folder / "problem.yaml").write_text(problem.resolved_text, encoding="utf-8")
    summary = result.summary() | {
        "returned": numbers,
        "unit": problem.value_unit,
        "scale": problem.scale,
        "problem": problem.name,
        "version": dipgraph.__version__,
    }
    replace_text(folder / "summary.json", json.dumps(_plain(summary), indent=2, allow_nan=False) + "\n")


def write_image(stem: Path, image: np.ndarray[Any, Any], problem: Problem) -> None:
    """An image as ``.tiff`` in the problem's unit, and as ``.png`` for a look at it."""
    tifffile.imwrite(
        stem.with_suffix(".tiff"),
        np.ascontiguousarray(image, dtype=np.float32),
        description=json.dumps({"unit": problem.value_unit, "pixel": problem.pixel, "length": problem.unit}),
    )
    if image.ndim == 2:
        grey = np.clip(np.nan_to_num(image / problem.scale), 0.0, 1.0)
        Picture.fromarray(np.round(255 * grey).astype(np.uint8)).save(stem.with_suffix(".png"))


def replace_text(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    beside = path.with_name(f".{path.name}.part")
    beside.write_text(text, encoding="utf-8")
    os.replace(beside, path)


def _plain(value: Any) -> Any:
    """A value as JSON holds it: NaN and infinity become null."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
