"""Denoisers of other packages: they denoise, and an absent package is named with the command that installs it."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from block_laws import setting

from dipgraph.blocks.denoise_drunet import DRUNetDenoiser
from dipgraph.blocks.denoise_host import BM3DDenoiser, NonLocalMeansDenoiser, WaveletDenoiser
from dipgraph.blocks.denoise_own import OwnDenoiser
from dipgraph.blocks.denoise_strength import STRENGTHS, noise_level
from dipgraph.blocks.denoise_tv import TVDenoiser
from dipgraph.blocks.extras import require
from dipgraph.blocks.prox_pyproximal import PyproximalProx
from dipgraph.signatures import InputError, MissingExtra

MAKERS: dict[str, Callable[..., Any]] = {
    "tv": TVDenoiser,
    "nlm": NonLocalMeansDenoiser,
    "wavelet": WaveletDenoiser,
    "bm3d": BM3DDenoiser,
}


def made(name: str, **options: Any) -> Any:
    try:
        return MAKERS[name](**options)
    except MissingExtra as missing:
        pytest.skip(str(missing))


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("sigma", [0.03, 0.1, 0.3])
def test_they_denoise(name: str, sigma: float) -> None:
    axis = torch.linspace(-1, 1, 48)
    truth = ((axis[:, None] ** 2 + axis**2) < 0.6).float()[None, None] * 0.7 + 0.1
    noisy = truth + sigma * torch.randn(truth.shape, generator=torch.Generator().manual_seed(0))
    before, after = (float((x - truth).square().mean()) for x in (noisy, made(name)(noisy, sigma)))
    assert 10 * math.log10(before / after) > (1.5 if name == "wavelet" else 3)


@pytest.mark.parametrize("strength", STRENGTHS)
def test_a_strength_on_the_device_that_is_not_above_zero_is_not_hidden(strength: str) -> None:
    found = [float(noise_level(torch.tensor(sigma), strength)) for sigma in (-0.04, 0.0, 0.04, math.nan)]
    assert [math.isnan(level) for level in found] == [True, True, False, True]
    assert found[2] == pytest.approx(0.2 if strength == "prox" else 0.04)
    image = torch.rand(1, 1, 16, 16, dtype=setting().dtype)
    assert torch.isnan(OwnDenoiser(setting(), strength)(image, torch.tensor(-0.04))).all()
    for kind in ("isotropic", "anisotropic"):
        assert torch.isnan(TVDenoiser(strength, kind)(image, torch.tensor(-0.04))).all()
        assert torch.equal(TVDenoiser(strength, kind)(image, torch.tensor(0.0)), image)
    with pytest.raises(InputError, match="'sigma' is not above 0"):
        made("nlm", strength=strength)(image, torch.tensor(-0.04))


@pytest.mark.parametrize("name", ["nlm", "wavelet", "bm3d"])
def test_prox_strength_is_the_square(name: str) -> None:
    noisy = torch.rand(1, 1, 24, 24)
    assert torch.equal(made(name, strength="prox")(noisy, 0.25), made(name)(noisy, 0.5))


@pytest.mark.parametrize(
    ("make", "package", "extra"),
    [
        (WaveletDenoiser, "pywt", "wavelets"),
        (BM3DDenoiser, "bm3d", "bm3d"),
        (lambda: PyproximalProx("l1"), "pyproximal", "pyproximal"),
        (lambda: DRUNetDenoiser(None, setting()), "deepinv.models.drunet", "deepinv"),
    ],
)
def test_an_absent_package_is_named(
    make: Callable[[], Any], package: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtra) as caught:
        make()
    assert package.partition(".")[0] in caught.value.what
    assert caught.value.remedy == f'pip install "dipgraph[{extra}]"'


def test_a_package_that_fails_as_it_is_imported_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "built_for_another.py").write_text(
        "raise RuntimeError('operator nms does not exist')", encoding="utf-8"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingExtra, match="operator nms does not exist"):
        require("built_for_another", "deepinv", "denoise.drunet")


def test_bm3d_refuses_tiny_images() -> None:
    with pytest.raises(InputError, match="at least 16"):
        made("bm3d")(torch.rand(1, 1, 8, 20), 0.1)


class TinyDRUNet(torch.nn.Module):
    """Stands in for deepinv's: two channels in, one out."""

    def __init__(self, in_channels: int, out_channels: int, pretrained: None) -> None:
        super().__init__()
        self.mix = torch.nn.Conv2d(in_channels + 1, out_channels, 1, bias=False)

    def forward(self, image: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        mixed: torch.Tensor = self.mix(torch.cat([image, sigma], 1))
        return mixed


def test_drunet_is_told_the_noise_level(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    models = ModuleType("deepinv.models.drunet")
    models.DRUNet = TinyDRUNet  # type: ignore[attr-defined]
    for name in ("deepinv", "deepinv.models"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, "deepinv.models.drunet", models)
    torch.save({"mix.weight": torch.tensor([1.0, 2.0]).reshape(1, 2, 1, 1)}, tmp_path / "weights.pth")
    noisy = torch.rand(2, 3, 9, 8, dtype=torch.float64)
    denoise = DRUNetDenoiser(tmp_path / "weights.pth", setting())
    torch.testing.assert_close(denoise(noisy, 0.1), noisy + 0.2)
    prox = DRUNetDenoiser(tmp_path / "weights.pth", setting(), strength="prox")
    torch.testing.assert_close(prox(noisy, torch.tensor(0.01)), noisy + 0.2)
