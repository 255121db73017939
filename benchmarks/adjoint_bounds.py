"""How exact the adjoints of the ray transforms are: each geometry, kernel and form, on the CPU and on a GPU.

    python benchmarks/adjoint_bounds.py [--device cuda] [--size 128] [--draws 16] [--write]

The error is |<Ax, y> - <x, A'y>| / (||A|| ||x|| ||y||), the largest over the draws; half of the vectors are positive.
With ``--write`` the figures are kept by device in ``benchmarks/results/adjoint_bounds.json``.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import machine

from dipgraph.operators import FanBeam, FanVectors, ImageGrid, ParallelBeam, ParallelVectors, RayTransform, ScanGeometry
from dipgraph.testing import measure_adjoint
from dipgraph.testing.strategies import SCANS

RESULTS = Path(__file__).with_name("results") / "adjoint_bounds.json"
VIEWS = 60


@dataclass(frozen=True)
class Row:
    """What was measured of one operator."""

    geometry: str
    kernel: str
    form: str
    measured: float
    declared: float
    found: str


def scan(kind: str, size: int) -> ScanGeometry:
    """Return a scan of the kind that sees an image of `size` unit pixels whole."""
    angles = 0.013 + 2 * np.pi * np.arange(VIEWS) / VIEWS
    detectors = int(1.6 * size)
    placed = {} if kind in ("parallel", "fan") else {"detector_offset": 2.3, "centre_shift": -1.7, "tilt": 0.15}
    if kind.startswith("parallel"):
        geometry = ParallelBeam(angles, detectors, 1.0, **placed)
        return ParallelVectors(geometry.vectors(), detectors) if kind.endswith("vectors") else geometry
    fan = FanBeam(angles, detectors, 2.0, 2.0 * size, 2.0 * size, **placed)
    return FanVectors(fan.vectors(), detectors) if kind.endswith("vectors") else fan


def measure(device: str, size: int, draws: int) -> list[Row]:
    """Measure every operator that the device has."""
    grid, rows = ImageGrid((size, size), 1.0), []
    for kind, kernels in SCANS.items():
        geometry = scan(kind, size)
        forms: list[tuple[Any, Any]] = [("assembled", kernel) for kernel in kernels]
        # On a GPU, ASTRA has one kernel of its own for each geometry.
        forms += [("projected", None)] if device == "cuda" else [("projected", kernel) for kernel in kernels]
        for form, kernel in forms:
            A = RayTransform(geometry, grid, kernel=kernel, form=form, device=device)
            record = measure_adjoint(A, draws=draws)
            rows.append(Row(kind, A.kernel, form, record.measured, record.bound, record.detail))
            print(f"{kind:<17} {A.kernel:<7} {form:<10} {record.measured:.2g} of {record.bound:.2g}  {record.detail}")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", choices=("cpu", "cuda"))
    parser.add_argument("--size", type=int, default=128, help="rows and columns of the image")
    parser.add_argument("--draws", type=int, default=16, help="pairs of vectors")
    parser.add_argument("--write", action="store_true", help=f"keep the figures in {RESULTS.name}")
    options = parser.parse_args()
    where = machine()
    print(where)
    rows = measure(options.device, options.size, options.draws)
    worst = {form: max(row.measured for row in rows if row.form == form) for form in ("assembled", "projected")}
    print(", ".join(f"{form}: worst {value:.2g}" for form, value in worst.items()))
    if options.write:
        kept = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
        name = torch.cuda.get_device_name() if options.device == "cuda" else "cpu"
        kept[name] = {"machine": where, "size": options.size, "draws": options.draws, "worst": worst}
        kept[name]["rows"] = [asdict(row) for row in rows]
        RESULTS.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
