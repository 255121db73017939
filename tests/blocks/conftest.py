"""Weights files that the denoisers of the tests read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

REAL_WEIGHTS = Path(__file__).parents[3] / "shared" / "data" / "weights" / "kair_dncnn_25.pth"


@pytest.fixture(scope="session")
def block_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """For each block that needs files, small ones of the right form."""
    from dipgraph.blocks.denoise_dncnn import DnCNN

    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    torch.save(DnCNN(layers=3, channels=4).state_dict(), folder / "dncnn.pth")
    return {"denoise.dncnn": {"weights": folder / "dncnn.pth"}}


@pytest.fixture(scope="session")
def real_dncnn() -> Path:
    """KAIR's DnCNN for σ = 25/255."""
    if not REAL_WEIGHTS.is_file():
        pytest.skip(f"{REAL_WEIGHTS} is not there")
    return REAL_WEIGHTS
