"""Fixtures of the data tests: the real measurements, and small scans."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dipgraph.data.measurement import Measurement
from dipgraph.operators.geometry import FanBeam, ParallelBeam


@pytest.fixture
def htc(shared: Path) -> dict[str, str]:
    """Settings of the HTC2022 problem for scan ta."""
    start = str(shared / "htc2022" / "htc2022_ta_full")
    return {
        "path": f"{start}.mat",
        "reference": f"{start}_recon_fbp.mat",
        "segmentation": f"{start}_recon_fbp_seg.mat",
    }


@pytest.fixture
def tooth(shared: Path) -> str:
    """The tooth's file."""
    return str(shared / "tooth.h5")


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
