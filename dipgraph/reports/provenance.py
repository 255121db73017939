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
from dipgraph.engine.run import Options, Run
from dipgraph.language import Program, Recipe
from dipgraph.reports.folder import PROBLEM, RECIPE
from dipgraph.signatures.errors import InputError

HOME = Path(__file__).resolve().parents[2]
"""The folder that the package is loaded from."""
NUMERIC = ("torch", "numpy", "scipy", "pylops", "astra-toolbox", "cupy-cuda12x", "cupy-cuda13x", "scikit-image",
           "pyproximal", "bm3d", "deepinv", "PyWavelets")  # fmt: skip
"""Packages whose version may change the last bit of a result."""
OTHERS = ("h5py", "networkx", "pillow", "pyyaml", "safetensors", "tifffile")


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


@cache
def commit() -> str | None:
    """The commit of the checkout that dipgraph is loaded from, ``-dirty`` behind it where files differ; else none."""
    if not (HOME / ".git").exists():
        return None
    asked = ["git", "-C", str(HOME), "describe", "--always", "--dirty", "--exclude", "*"]
    return _told_by(asked) or None


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
    return settled_options(run.options, run.bound.setting.device)


def settled_options(options: Options, device: torch.device) -> dict[str, Any]:
    """What a run with these options is asked for on the device."""
    return {
        "device": str(device), "seed": options.seed, "threads": options.threads or torch.get_num_threads(),
        "run_on": options.run_on, "dtype": str(options.dtype).removeprefix("torch."), "stop_at": options.stop_at,
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
    return identity_of(texts, options_of(run), versions(), device_name(run.bound.setting.device))


def identity_of(
    texts: Mapping[str, str], options: Mapping[str, Any], known: Mapping[str, str], model: str
) -> dict[str, str]:
    """As :func:`identity`, of a run that need not be there: of a folder, or one that has yet to begin."""
    found = {"recipe": texts[RECIPE], "problem": texts[PROBLEM]}
    found |= {name: str(value) for name, value in options.items()}
    found |= {name: known[name] for name in ("dipgraph", *NUMERIC, *plugins(), "cuda", "cudnn") if name in known}
    return found | {"model": model}


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
        "commit": commit(),
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
    return _told_by(asked) or "unknown"


def _told_by(command: list[str]) -> str:
    """The first line that a program prints; the empty text where it cannot."""
    try:
        told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
    return told.split("\n")[0].strip()
