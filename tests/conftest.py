"""What all tests share: Hypothesis profiles, threads, the marker for GPUs, and the folder of real measurements."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

if "PYTEST_XDIST_WORKER" in os.environ:
    # Each worker keeps to one thread, also in the programs that tests start. Libraries read this when first imported.
    os.environ["OMP_NUM_THREADS"] = "1"

# A deadline would fail on a busy machine. On CI every run draws the same examples, so that a failure is never another
# commit's; elsewhere each run draws new ones.
settings.register_profile("local", deadline=None, print_blob=True)
settings.register_profile(
    "ci", deadline=None, print_blob=True, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("ci" if os.environ.get("CI") else "local")

CHECKOUT = Path(__file__).resolve().parents[1]


@cache
def cuda() -> bool:
    """Return whether there is a CUDA device."""
    import torch

    return torch.cuda.is_available()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what is marked ``gpu`` where there is no CUDA device."""
    if item.get_closest_marker("gpu") is not None and not cuda():
        pytest.skip("needs a CUDA device, and there is none")


@pytest.fixture(scope="session")
def checkout() -> Path:
    """Return the root of the checkout."""
    return CHECKOUT


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of real measurements, which is not part of the project: beside the checkout or within it."""
    places = [CHECKOUT.parent / "shared" / "data", CHECKOUT / "shared" / "data"]
    for place in places:
        if place.is_dir():
            return place
    pytest.skip(f"no real measurements: there is neither {places[0]} nor {places[1]}")
