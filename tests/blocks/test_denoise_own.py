"""The denoiser that ships: it removes noise of any level, from images of any size and scale; its training goes on."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from block_laws import setting
from safetensors.torch import load_file

from dipgraph.blocks.denoise_own import WEIGHTS, OwnDenoiser

TOOL = Path(__file__).parents[2] / "tools" / "train_denoiser.py"


def disc(rows: int, columns: int) -> torch.Tensor:
    down, right = torch.linspace(-1, 1, rows)[:, None], torch.linspace(-1, 1, columns)
    return ((down**2 + right**2) < 0.6).float()[None, None] * 0.7 + 0.1


def noisy(clean: torch.Tensor, sigma: float) -> torch.Tensor:
    return clean + sigma * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0), dtype=clean.dtype)


@pytest.mark.parametrize(("level", "gain"), [(4, 3.0), (10, 6.0), (25, 8.0), (50, 9.0)])
def test_it_gains(level: int, gain: float) -> None:
    clean = disc(96, 96)
    given = noisy(clean, level / 255)
    before, after = (
        float((x - clean).square().mean())
        for x in (given, OwnDenoiser(setting(dtype=torch.float32))(given, level / 255))
    )
    assert 10 * math.log10(before / after) > gain


@pytest.mark.parametrize("shape", [(1, 1), (5, 8), (17, 33), (64, 64), (101, 50)])
def test_any_size_and_each_channel_for_itself(shape: tuple[int, int]) -> None:
    given = torch.rand(1, 3, *shape, generator=torch.Generator().manual_seed(1))
    denoiser = OwnDenoiser(setting(dtype=torch.float32))
    together = denoiser(given, 0.1)
    assert together.shape == given.shape
    for channel in range(3):
        torch.testing.assert_close(together[:, channel : channel + 1], denoiser(given[:, channel : channel + 1], 0.1))


@pytest.mark.parametrize("scale", [1e-3, 0.5, 300.0])
def test_scaling_the_image_and_the_level_scales_the_result(scale: float) -> None:
    given = noisy(disc(40, 40), 0.1).double()
    denoiser = OwnDenoiser(setting(dtype=torch.float64))
    torch.testing.assert_close(denoiser(scale * given, scale * 0.1), scale * denoiser(given, 0.1), rtol=1e-9, atol=0)


def test_strength_of_a_prox_is_the_square() -> None:
    given = noisy(disc(24, 24), 0.2)
    weak, strong = OwnDenoiser(setting(dtype=torch.float32)), OwnDenoiser(setting(dtype=torch.float32), strength="prox")
    torch.testing.assert_close(strong(given, 0.04), weak(given, 0.2))


def test_gradients_flow_to_the_image() -> None:
    given = noisy(disc(24, 24), 0.1).requires_grad_()
    OwnDenoiser(setting(dtype=torch.float32))(given, 0.1).sum().backward()
    assert given.grad is not None
    assert given.grad.abs().max() > 0


def test_the_weights_are_small() -> None:
    assert WEIGHTS.stat().st_size <= 2.5e6


def test_training_goes_on_where_it_stopped(tmp_path: Path) -> None:
    def train(folder: Path, steps: int) -> dict[str, torch.Tensor]:
        options = ["--folder", folder, "--steps", steps, "--cooldown", 0, "--images", 2, "--threads", 1]
        command = [sys.executable, str(TOOL), *map(str, options)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return load_file(folder / WEIGHTS.name)

    first = train(tmp_path / "twice", 1)
    twice, once = train(tmp_path / "twice", 3), train(tmp_path / "once", 3)
    assert all(torch.equal(twice[name], once[name]) for name in once)
    assert any(not torch.equal(first[name], once[name]) for name in once)
