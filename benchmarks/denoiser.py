"""How well the denoiser that ships removes white noise, on photographs that it was not trained on.

`camera`, `astronaut`, `coins` and `chelsea` of scikit-image in grey; beside total variation at the best weight for each
image and level, chosen with the clean image in hand, and, with `--dncnn FILE`, KAIR's DnCNN trained for 25/255.

    python benchmarks/denoiser.py [--dncnn ../shared/data/weights/kair_dncnn_25.pth] [--weights FILE]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from machine import machine
from skimage import data
from skimage.color import rgb2gray
from skimage.restoration import denoise_tv_chambolle
from skimage.util import img_as_float32

from dipgraph.blocks import denoise_own
from dipgraph.blocks.denoise_dncnn import DnCNNDenoiser
from dipgraph.blocks.setting import Setting

IMAGES = ("camera", "astronaut", "coins", "chelsea")
LEVELS = (10, 25, 50)
"""Noise levels, in 255ths of the range."""


def psnr(found: np.ndarray, clean: np.ndarray) -> float:
    """Peak signal-to-noise ratio [dB] for a range of 1."""
    return float(-10 * np.log10(np.mean((found - clean) ** 2)))


def total_variation(noisy: np.ndarray, clean: np.ndarray, level: float) -> float:
    """PSNR [dB] of total variation denoising (Chambolle) at the best of weights from 0.5 to 2 times the level."""
    weights = level * np.geomspace(0.5, 2.0, 7)
    return max(psnr(denoise_tv_chambolle(noisy, w, eps=1e-4, max_num_iter=200), clean) for w in weights)


def denoised(denoiser: Callable[..., torch.Tensor], noisy: np.ndarray, level: float) -> np.ndarray:
    """The image that a denoising block makes of a noisy one."""
    with torch.inference_mode():
        return denoiser(torch.from_numpy(noisy)[None, None], level)[0, 0].numpy()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dncnn", type=Path, default=None)
    parser.add_argument("--weights", type=Path, default=None, help="other weights for the denoiser that ships")
    asked = parser.parse_args()
    if asked.weights:
        denoise_own.WEIGHTS = asked.weights
    setting = Setting(torch.device("cpu"), torch.float32, {})
    own = denoise_own.OwnDenoiser(setting)
    dncnn = DnCNNDenoiser(asked.dncnn, setting) if asked.dncnn else None
    print(machine())
    print(f"{'image':<10} {'level':>5} {'TV':>7} {'own':>7} {'gain':>6} {'DnCNN':>7}")
    for level in LEVELS:
        gains, behind = [], []
        for name in IMAGES:
            image = img_as_float32(getattr(data, name)())
            clean = (rgb2gray(image) if image.ndim == 3 else image).astype(np.float32)
            rng = np.random.default_rng([level, *name.encode()])
            noisy = clean + np.float32(level / 255) * rng.standard_normal(clean.shape, dtype=np.float32)
            tv = total_variation(noisy, clean, level / 255)
            ours = psnr(denoised(own, noisy, level / 255), clean)
            gains.append(ours - tv)
            theirs = ""
            if dncnn is not None:
                other = psnr(denoised(dncnn, noisy, level / 255), clean)
                behind.append(other - ours)
                theirs = f"{other:7.2f}"
            print(f"{name:<10} {level:>5} {tv:7.2f} {ours:7.2f} {ours - tv:+6.2f} {theirs}", flush=True)
        last = f", behind DnCNN by {np.mean(behind):.2f} dB" if behind else ""
        print(f"{'mean':<10} {level:>5} gain on TV {np.mean(gains):+.2f} dB{last}", flush=True)


if __name__ == "__main__":
    main()
