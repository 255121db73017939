"""Fixtures of the data tests: the checkout's measurements, and a small scan."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dipgraph.data.measurement import Measurement
from dipgraph.operators.geometry import FanBeam, ParallelBeam

CHECKOUT = Path(__file__).resolve().parents[2]
MEASURED = CHECKOUT.parent / "shared" / "data"


def measured(*parts: str) -> Path:
    """A file of the real measurements beside the checkout, or a skip that says which is absent."""
    path = MEASURED.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"the real measurements are not at hand: {path} is absent")
    return path


@pytest.fixture
def htc() -> dict[str, str]:
    """Settings of the HTC2022 problem for scan ta."""
    return {
        "path": str(measured("htc2022", "htc2022_ta_full.mat")),
        "reference": str(measured("htc2022", "htc2022_ta_full_recon_fbp.mat")),
        "segmentation": str(measured("htc2022", "htc2022_ta_full_recon_fbp_seg.mat")),
    }


@pytest.fixture
def tooth() -> str:
    """The tooth's file."""
    return str(measured("tooth.h5"))


@pytest.fixture
def scan() -> Measurement:
    """A parallel scan of 12 views and 16 detector pixels with random line integrals."""
    data = np.random.Generator(np.random.PCG64(1)).uniform(0.1, 1.0, (12, 16))
    return Measurement(data, "line integrals", ParallelBeam(np.arange(12) * np.pi / 12, 16, 0.5))


@pytest.fixture
def fan_scan() -> Measurement:
    """A fan scan of 12 views and 16 detector pixels with random line integrals."""
    data = np.random.Generator(np.random.PCG64(2)).uniform(0.1, 1.0, (12, 16))
    return Measurement(data, "line integrals", FanBeam(np.arange(12) * np.pi / 6, 16, 0.5, 20.0, 10.0))
