"""What the benchmarks print about the machine they ran on."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from datetime import date
from typing import Any

import torch

import dipgraph
from dipgraph.data.shipped import shipped


def machine() -> str:
    """Processor, threads, GPU, versions, commit and date, in one line."""
    model = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo") as file:
            model = next(line.split(":")[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    cores = len(os.sched_getaffinity(0))
    return (
        f"{model}, {cores} cores, {torch.get_num_threads()} threads{gpu}; torch {torch.__version__}, "
        f"dipgraph {dipgraph.__version__} at {commit or 'no commit'}, {date.today()}"
    )


def digest(recipe: str) -> str:
    """What tells one text of a shipped recipe from another."""
    return hashlib.sha256(shipped("recipes")[recipe].read_bytes()).hexdigest()[:12]


def is_of(row: dict[str, Any], settings: dict[str, str], device: str | None) -> bool:
    """Whether a row that was kept is of the recipe as it is, of these settings and this device."""
    wanted = device or ("cuda" if torch.cuda.is_available() else "cpu")
    return (row["text"], row["settings"], row["device"]) == (digest(row["recipe"]), settings, wanted)
