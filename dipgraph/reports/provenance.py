"""What a run was: recipe and problem with their hashes, input files, versions, machine, command, citations."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import time
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

import dipgraph
from dipgraph.blocks import ENTRY_POINTS
from dipgraph.data.provenance import FileRecord, records, sha256
from dipgraph.data.references import entries
from dipgraph.engine.run import Run
from dipgraph.language import Program, Recipe
from dipgraph.reports.folder import PROBLEM, RECIPE
from dipgraph.signatures.errors import InputError

NUMERIC = ("torch", "numpy", "scipy", "pylops", "astra-toolbox", "cupy-cuda12x", "cupy-cuda13x", "scikit-image",
           "pyproximal", "bm3d", "deepinv", "PyWavelets")  # fmt: skip
"""Packages whose version may change the last bit of a result."""
OTHERS = ("h5py", "networkx", "pillow", "pyyaml", "safetensors", "tifffile")
FORM: dict[str, Any] = {
    "recipe": {"name": str, "sha256": str},
    "problem": {"name": str, "sha256": str},
    "inputs": [{"path": str, "sha256": str, "bytes": int}],
    "options": {"device": str, "seed": int, "threads": int, "run_on": bool, "dtype": str},
    "checkpoint_every": str,
    "versions": dict,
    "machine": {"device": str},
    "resumed": [dict],
}
"""What of ``run.json`` is read again."""


def input_files(recipe: Recipe, program: Program, run: Run) -> tuple[FileRecord, ...]:
    """Every file that the recipe's parameters name and the problem has read, as they are now."""
    declared = recipe.parameters.declared
    named = [Path(str(value)) for name, value in program.parameters.items() if declared[name].is_file and value]
    mine = records(path for path in named if path.is_file())
    return tuple({record.path: record for record in (*run.problem.provenance, *mine)}.values())


def check_inputs(known: Iterable[dict[str, Any]]) -> None:
    """Refuse input files that are no longer what they were.

    Raises
    ------
    InputError
        With every file that is gone or has changed.
    """
    said = []
    for record in known:
        path = Path(record["path"])
        if not path.is_file():
            said.append(f"{path} is gone")
        elif path.stat().st_size != record["bytes"] or sha256(path) != record["sha256"]:
            said.append(f"{path} has changed")
    if said:
        raise InputError(
            "since the run began, " + ", ".join(said),
            remedy="put back what it was; a run on other data is another run",
        )


@cache
def plugins() -> tuple[str, ...]:
    """The installed packages that bring blocks."""
    points = metadata.entry_points(group=ENTRY_POINTS)
    return tuple(sorted({point.dist.name for point in points if point.dist is not None}))


@cache
def versions() -> Mapping[str, str]:
    """Versions of what takes part in a run; packages that are not installed are left out."""
    found = {"dipgraph": dipgraph.__version__, "python": platform.python_version()}
    for package in (*NUMERIC, *OTHERS, *plugins()):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    if torch.version.cuda:
        found["cuda"] = torch.version.cuda
    if torch.cuda.is_available():
        found["cudnn"] = str(torch.backends.cudnn.version())  # type: ignore[no-untyped-call]
        found["driver"] = _driver()
    return found


def device_name(device: torch.device) -> str:
    """What the device is called: the GPU's model, or the processor's."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(line.split(":")[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def options_of(run: Run) -> dict[str, Any]:
    """What the run was asked for beside recipe and problem, as it was settled."""
    return {
        "device": str(run.bound.setting.device), "seed": run.options.seed, "threads": torch.get_num_threads(),
        "run_on": run.options.run_on, "dtype": str(run.options.dtype).removeprefix("torch."),
    }  # fmt: skip


def identity(run: Run, texts: Mapping[str, str]) -> dict[str, str]:
    """What a checkpoint has to agree with: whatever changes a bit of the result.

    Parameters
    ----------
    run
        The run.
    texts
        The resolved recipe and problem, by their files' names.
    """
    found = {"recipe": texts[RECIPE], "problem": texts[PROBLEM]}
    found |= {name: str(value) for name, value in options_of(run).items()}
    known = versions()
    found |= {name: known[name] for name in ("dipgraph", *NUMERIC, *plugins(), "cuda", "cudnn") if name in known}
    return found | {"model": device_name(run.bound.setting.device)}


def facts(
    recipe: Recipe, program: Program, run: Run, texts: Mapping[str, str], command: list[str], checkpoint_every: str
) -> dict[str, Any]:
    """The content of ``run.json``."""
    return {
        "recipe": {"name": recipe.name, "sha256": text_hash(texts[RECIPE]), "parameters": dict(program.parameters)},
        "problem": {"name": run.problem.name, "sha256": text_hash(texts[PROBLEM])},
        "inputs": [
            {"path": str(record.path), "sha256": record.sha256, "bytes": record.size}
            for record in input_files(recipe, program, run)
        ],
        "options": options_of(run),
        "checkpoint_every": checkpoint_every,
        "versions": dict(versions()),
        "machine": {"device": device_name(run.bound.setting.device), "system": platform.platform(),
                    "cores": len(os.sched_getaffinity(0))},
        "command": command,
        "folder": str(Path.cwd()),
        "began": now(),
        "resumed": [],
    }  # fmt: skip


def citations(program: Program) -> str:
    """The BibTeX entries that the recipe cites; a key without an entry is said in a comment."""
    found = entries(program.cite)
    lines = [found.get(key, f"% no entry is known for {key}") for key in dict.fromkeys(program.cite)]
    return "\n\n".join(lines) + "\n"


def now() -> str:
    """The time, to the second, with its zone."""
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")


def text_hash(text: str) -> str:
    """The SHA-256 of a text in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def _driver() -> str:
    """The version of the GPU's driver."""
    asked = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        told = subprocess.run(asked, capture_output=True, text=True, check=True, timeout=10).stdout
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return told.split("\n")[0].strip()
