"""A check needs no numerics: what the language imports, and how long that takes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEAVY = {"torch", "numpy", "scipy", "pylops", "astra", "cupy", "h5py", "skimage"}


@pytest.mark.parametrize("module", ["dipgraph.signatures", "dipgraph.language", "dipgraph.graph"])
def test_nothing_heavy_is_imported(module: str) -> None:
    code = f"import sys, {module}; print(*{{name.split('.')[0] for name in sys.modules}})"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    found = set(ran.stdout.split()) & HEAVY
    assert found <= ({"numpy"} if module == "dipgraph.graph" else set()), "networkx may bring numpy"
