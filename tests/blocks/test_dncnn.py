"""DnCNN: it denoises at any strength, and a wrong file gets one clear message."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from block_laws import setting

from dipgraph.blocks.denoise_dncnn import DnCNN, DnCNNDenoiser
from dipgraph.signatures import InputError


def psnr(x: torch.Tensor, truth: torch.Tensor) -> float:
    return -10 * math.log10(float((x - truth).square().mean()))


@pytest.fixture(scope="module")
def truth() -> torch.Tensor:
    axis = torch.linspace(-1, 1, 64)
    rows, columns = torch.meshgrid(axis, axis, indexing="ij")
    disc = (rows**2 + columns**2 < 0.7).float()
    return (0.2 + 0.4 * disc + 0.2 * disc * torch.sin(6 * columns) * (rows > 0))[None, None]


@pytest.mark.parametrize("sigma", [0.01, 0.03, 0.06, 0.1, 0.2, 0.4])
def test_it_denoises(sigma: float, truth: torch.Tensor, real_dncnn: Path) -> None:
    noisy = truth + sigma * torch.randn(truth.shape, generator=torch.Generator().manual_seed(0))
    denoise = DnCNNDenoiser(real_dncnn, setting(dtype=torch.float32))
    assert psnr(denoise(noisy, sigma), truth) > psnr(noisy, truth) + (0.5 if sigma < 0.03 else 3.0)


def test_the_strength_is_continuous_and_both_conventions_agree(truth: torch.Tensor, real_dncnn: Path) -> None:
    denoise = DnCNNDenoiser(real_dncnn, setting(dtype=torch.float32))
    for edge in (25 / 255, 15 / 255):
        torch.testing.assert_close(denoise(truth, edge * 0.9999), denoise(truth, edge * 1.0001), rtol=0, atol=1e-3)
    prox = DnCNNDenoiser(real_dncnn, setting(dtype=torch.float32), strength="prox")
    torch.testing.assert_close(prox(truth, 0.04), denoise(truth, 0.2))


def test_safetensors_and_state_dict_are_the_same(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    state = DnCNN(4, 3).state_dict()
    save_file(state, tmp_path / "a.safetensors")
    torch.save(state, tmp_path / "a.pth")
    x = torch.rand(2, 3, 9, 8, dtype=torch.float64)
    first, second = (DnCNNDenoiser(tmp_path / name, setting())(x, 0.1) for name in ("a.safetensors", "a.pth"))
    assert torch.equal(first, second)


class Rogue:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (print, ("executed",))


def test_wrong_files_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def refusal(file: Path | None) -> str:
        with pytest.raises(InputError) as caught:
            DnCNNDenoiser(file, setting())
        return str(caught.value)

    assert "got none" in refusal(None)
    assert "no weights file" in refusal(tmp_path / "absent.pth")
    (tmp_path / "text.pth").write_text("not weights")
    assert "named tensors and nothing else" in refusal(tmp_path / "text.pth")
    (tmp_path / "text.safetensors").write_text("not weights")
    assert "named tensors and nothing else" in refusal(tmp_path / "text.safetensors")
    torch.save(Rogue(), tmp_path / "rogue.pth")
    assert "named tensors and nothing else" in refusal(tmp_path / "rogue.pth")
    assert "executed" not in capsys.readouterr().out
    torch.save([1, 2], tmp_path / "list.pth")
    assert "no state dict" in refusal(tmp_path / "list.pth")
    torch.save(torch.nn.Linear(2, 2).state_dict(), tmp_path / "foreign.pth")
    assert "another network" in refusal(tmp_path / "foreign.pth")
    state = DnCNN(4, 3).state_dict()
    state["model.2.weight"] = torch.zeros(3, 2, 3, 3)
    torch.save(state, tmp_path / "shape.pth")
    assert "'model.2.weight' has shape (3, 2, 3, 3)" in refusal(tmp_path / "shape.pth")
    kernel = torch.zeros(3, 3, 3, 3)
    nothing = (kernel + float("nan"), kernel + float("inf"), kernel + 1j)
    for values in (*nothing, kernel.long(), kernel.to_sparse(), kernel.to("meta")):
        torch.save(DnCNN(4, 3).state_dict() | {"model.2.weight": values}, tmp_path / "bad.pth")
        assert "no dense finite real numbers: 'model.2.weight'" in refusal(tmp_path / "bad.pth")
    torch.save(DnCNN(4, 3).state_dict() | {7: kernel}, tmp_path / "key.pth")
    assert "no state dict" in refusal(tmp_path / "key.pth")
    assert "is a folder" in refusal(tmp_path)
