"""What the operators cost: assembled against ASTRA on the fly, memory against its estimate, a subset's share.

Run from the root of the checkout: ``python benchmarks/operators.py [--json FILE]``. Both sides of a comparison
alternate in one process; medians and quartiles are printed, with the machine they were measured on.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import astra
import numpy as np
import torch

from dipgraph.operators import FanBeam, ImageGrid, ParallelBeam, RayTransform, TorchMap, partition, view_subset
from dipgraph.operators.assembled import estimate

FULL_TURN = 2 * np.pi


def fan(views: int, detectors: int, size: int) -> FanBeam:
    """Return a fan that covers an image of `size` unit pixels, source and detector two widths away."""
    reach = size * np.sqrt(2) * 1.05 * 2
    return FanBeam(np.arange(views) * FULL_TURN / views, detectors, reach / detectors, 2.0 * size, 2.0 * size)


def alternate(runs: dict[str, Callable[[], Any]], rounds: int) -> dict[str, dict[str, float]]:
    """Time each of the functions in turn, over and over; return quartiles [ms]."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run()
    for _ in range(rounds):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            times[name].append(1e3 * (time.perf_counter() - start))
    marks = ("lower", "median", "upper")
    return {name: dict(zip(marks, np.percentile(values, [25, 50, 75]), strict=True)) for name, values in times.items()}


def assembled_against_astra(rounds: int) -> dict[str, Any]:
    """Compare the assembled operator with ASTRA on the fly at 501 x 501, 60 views x 128 pixels, line kernel."""
    grid = ImageGrid((501, 501), 1.0)
    geometry = fan(60, 128, 501)
    A = RayTransform(geometry, grid, kernel="line", form="assembled")
    x = np.random.default_rng(0).random(A.shape[1], dtype=np.float32)
    y = A @ x
    # ASTRA as it is used without us: its projector, data objects and algorithms, linked to the same arrays.
    scan = astra.create_proj_geom("fanflat_vec", 128, geometry.vectors())
    volume = astra.create_vol_geom(501, 501)
    image, sinogram = x.reshape(501, 501).copy(), np.zeros((60, 128), np.float32)
    back = np.zeros((501, 501), np.float32)
    data = y.reshape(60, 128).copy()
    projector = astra.create_projector("line_fanflat", scan, volume)
    runs = {
        "assembled forward": lambda: A.matvec(x),
        "astra forward": _algorithm("FP", projector, volume, scan, image, sinogram),
        "assembled adjoint": lambda: A.rmatvec(y),
        "astra adjoint": _algorithm("BP", projector, volume, scan, back, data),
    }
    times = alternate(runs, rounds)
    assert np.allclose(sinogram.ravel(), y, rtol=1e-3, atol=1e-3 * y.max())
    ratio = {
        way: times[f"astra {way}"]["median"] / times[f"assembled {way}"]["median"] for way in ("forward", "adjoint")
    }
    return {"milliseconds": times, "times as fast": ratio, "bar": 4.0}


def _algorithm(
    name: str, projector: int, volume: Any, scan: Any, image: np.ndarray[Any, Any], data: np.ndarray[Any, Any]
) -> Callable[[], None]:
    settings = astra.astra_dict(name)
    settings["ProjectorId"] = projector
    settings["ProjectionDataId"] = astra.data2d.link("-sino", scan, data)
    settings["VolumeDataId" if name == "FP" else "ReconstructionDataId"] = astra.data2d.link("-vol", volume, image)
    algorithm = astra.algorithm.create(settings)
    return lambda: astra.algorithm.run(algorithm)


def bridge(rounds: int) -> dict[str, Any]:
    """Measure what the bridge to torch adds to the sparse products alone, at 128 x 128, 30 views x 96 pixels."""
    A = RayTransform(fan(30, 96, 128), ImageGrid((128, 128), 1.0))
    linear = TorchMap(A)
    x = torch.rand(128, 128)
    tracked = torch.rand(128, 128, requires_grad=True)
    flat, data = x.numpy().ravel(), np.ones(A.shape[0], np.float32)
    forward, transposed = A.matrix, A.matrix.T.tocsr()
    weights = torch.ones(30, 96)
    runs = {
        "product": lambda: forward @ flat,
        "bridge": lambda: linear(x),
        "both products": lambda: (forward @ flat, transposed @ data),
        "bridge with backward": lambda: torch.autograd.grad(linear(tracked), tracked, weights),
    }
    return {"milliseconds": alternate(runs, rounds)}


def subset_share(rounds: int) -> dict[str, Any]:
    """Compare one subset of ten with the whole, at 501 x 501, 120 views x 707 pixels."""
    grid = ImageGrid((501, 501), 1.0)
    geometry = ParallelBeam(np.arange(120) * np.pi / 120, 707, 1.0)
    A = RayTransform(geometry, grid, kernel="linear", form="assembled")
    part = view_subset(A, partition(120, 10)[3])
    x = np.random.default_rng(0).random(A.shape[1], dtype=np.float32)
    y, y_part = A.matvec(x), part.matvec(x)
    runs = {
        "whole forward": lambda: A.matvec(x),
        "subset forward": lambda: part.matvec(x),
        "whole adjoint": lambda: A.rmatvec(y),
        "subset adjoint": lambda: part.rmatvec(y_part),
    }
    times = alternate(runs, rounds)
    share = {way: times[f"subset {way}"]["median"] / times[f"whole {way}"]["median"] for way in ("forward", "adjoint")}
    return {"milliseconds": times, "share": share, "bar": 0.15, "nonzeros": A.matrix.nnz}


def memory() -> dict[str, Any]:
    """Compare memory held and the peak while building with their estimates, growing so that the peak is each one's."""
    rows = []
    cases = [
        ("128, 45 x 183 fan line", fan(45, 183, 128), 128, "line"),
        ("256, 60 x 362 parallel linear", ParallelBeam(np.arange(60) * np.pi / 60, 362, 1.0), 256, "linear"),
        ("501, 60 x 128 fan line", fan(60, 128, 501), 501, "line"),
        ("501, 60 x 707 parallel linear", ParallelBeam(np.arange(60) * np.pi / 60, 707, 1.0), 501, "linear"),
    ]
    for name, geometry, size, kernel in cases:
        grid = ImageGrid((size, size), 1.0)
        foreseen = estimate(geometry, grid, kernel)
        before = _resident()
        start = time.perf_counter()
        A = RayTransform(geometry, grid, kernel=kernel, form="assembled")
        seconds = time.perf_counter() - start
        peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        rows.append(
            {
                "case": name,
                "nonzeros": A.matrix.nnz,
                "held MB": A.bytes_held / 1e6,
                "held over estimate": A.bytes_held / foreseen.held,
                "peak MB": peak / 1e6,
                "peak estimate MB": foreseen.peak / 1e6,
                "seconds to build": seconds,
            }
        )
        del A
    return {"cases": rows}


def _resident() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def machine() -> dict[str, Any]:
    """Describe where this was measured."""
    lines = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines()
    cpu = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "")
    return {
        "cpu": cpu,
        "cores": len(os.sched_getaffinity(0)),
        "load": os.getloadavg()[0],
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": torch.__version__,
        "astra": astra.__version__,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="also write the results here")
    parser.add_argument("--rounds", type=int, default=25, help="repetitions of each timing")
    options = parser.parse_args()
    results = {
        "machine": machine(),
        "memory": memory(),
        "assembled against ASTRA": assembled_against_astra(options.rounds),
        "bridge to torch": bridge(10 * options.rounds),
        "one subset of ten": subset_share(options.rounds),
    }
    text = json.dumps(results, indent=2, default=lambda value: round(float(value), 4))
    print(text)
    if options.json:
        options.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
