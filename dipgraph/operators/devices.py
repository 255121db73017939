"""Which device an operator lives on, and how much memory there is."""

from __future__ import annotations

import importlib
import math
import os
from contextlib import suppress
from typing import Any

import numpy as np

from dipgraph.signatures.errors import InputError, MissingExtra

#: Share of the memory now free that an assembled operator may take, unless told otherwise.
MEMORY_SHARE = 0.35


def resolve_device(device: str | object) -> str:
    """Return "cpu" or "cuda" for a device or its name, or raise where it is not usable.

    Raises
    ------
    InputError
        If the name is neither, or there is no CUDA device.
    MissingExtra
        If CuPy, which arrays on a GPU need, is not installed.
    """
    name = str(device).split(":")[0]
    if name not in ("cpu", "cuda"):
        raise InputError(f"device is {device!r}", where="device", remedy="give 'cpu' or 'cuda'")
    if name == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise InputError("device is 'cuda' and there is no CUDA device", where="device", remedy="give 'cpu'")
        gpu_module("cupy")
    return name


def gpu_module(name: str) -> Any:
    """Import CuPy or a part of it, or raise MissingExtra: it is not among the package's own requirements."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingExtra(
            "operators on a GPU need CuPy",
            where="device",
            remedy="install it with `pip install dipgraph[cuda12]` or `dipgraph[cuda13]`, matching torch",
        ) from error


def default_memory_limit(device: str) -> int:
    """Return the bytes an assembled operator may take: a fixed share of what is free on the device."""
    if device == "cuda":
        import torch

        return int(MEMORY_SHARE * torch.cuda.mem_get_info()[0])
    return int(MEMORY_SHARE * _free_memory())


def total_memory(device: str | object = "cpu") -> int:
    """Return the bytes that the machine, or the container that limits us, or the GPU has; used or not."""
    if str(device).startswith("cuda"):
        import torch

        return int(torch.cuda.get_device_properties(torch.device(str(device))).total_memory)
    limits = [float(os.sysconf("SC_PAGE_SIZE")) * os.sysconf("SC_PHYS_PAGES")]
    with suppress(OSError, ValueError), open("/sys/fs/cgroup/memory.max", encoding="ascii") as file:
        limits.append(float(file.read()))  # "max" where there is no limit
    return int(min(limits))


def said_bytes(size: float) -> str:
    """Return a number of bytes in words: ``3.5 GiB``."""
    units = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
    step = min(len(units) - 1, int(math.log2(max(size, 1))) // 10)
    return f"{size / 1024**step:.4g} {units[step]}"


def refuse_too_large(count: int, what: str, where: str = "", remedy: str = "take a smaller one") -> None:
    """Raise InputError where arrays of so many numbers do not fit into memory.

    Eight of them in double precision at once are reckoned with, as simulation and reconstruction take.
    """
    needed, total = 8 * np.dtype(np.float64).itemsize * count, total_memory()
    if needed > total:
        raise InputError(
            f"{what} takes about {said_bytes(needed)} of memory, and this machine has {said_bytes(total)}",
            where=where,
            remedy=remedy,
        )


def _free_memory() -> float:
    limits = [float(os.sysconf("SC_PAGE_SIZE")) * os.sysconf("SC_AVPHYS_PAGES")]
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            limits[0] = next(float(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration, ValueError):
        pass
    try:
        with open("/sys/fs/cgroup/memory.max", encoding="ascii") as file:
            cap = float(file.read())  # "max" where there is no limit
        with open("/sys/fs/cgroup/memory.current", encoding="ascii") as file:
            limits.append(cap - float(file.read()))
    except (OSError, ValueError):
        pass
    return max(0.0, float(np.min(limits)))
