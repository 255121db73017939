"""Train the denoiser that ships (`denoise.own`): seeded, resumable, on a GPU where there is one.

Clean patches of `training_images` get white noise of a level σ drawn between 2/255 and 60/255; Adam minimises the mean
absolute error, from `--relative-from` on divided by √(σ/σ̄), σ̄ the mean level, so that weak noise counts more once
strong noise is learnt. What is saved is the running average of the weights. The rate is constant, then falls linearly
to zero over the last `--cooldown` steps, so a run can be prolonged up to there: give a larger `--steps` and it goes on.

    python tools/train_denoiser.py --folder FOLDER --steps 12000 [--images 400] [--threads 2] [--write]
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor
from training_images import Image, drawn, photographs

from dipgraph.blocks.denoise_own import LEVELS, WEIGHTS, LevelUNet

PATCH, BATCH, RATE, MEMORY = 64, 16, 7e-4, 0.998
"""Side of a patch [pixels], patches a step, learning rate, decay of the average of the weights."""
SHARE_OF_PHOTOGRAPHS = 0.35


def bank(folder: Path, images: int, seed: int) -> list[Image]:
    """The drawn images, kept in the folder, and the photographs."""
    kept = folder / f"drawn_{images}_{seed}.npy"
    if not kept.exists():
        made = np.stack([drawn(np.random.default_rng([seed, k])) for k in range(images)])
        np.save(kept, (255 * made).round().astype(np.uint8))
    return [image.astype(np.float32) / 255 for image in np.load(kept)]


def patch(rng: np.random.Generator, images: list[Image]) -> Image:
    """A patch turned and mirrored at random, its contrast lowered now and then."""
    image = images[rng.integers(len(images))]
    row, column = (int(rng.integers(side - PATCH + 1)) for side in image.shape)
    cut = np.rot90(image[row : row + PATCH, column : column + PATCH], rng.integers(4))
    if rng.random() < 0.5:
        cut = cut[:, ::-1]
    if rng.random() < 0.3:
        contrast = rng.uniform(0.3, 1)
        cut = rng.uniform(0, 1 - contrast) + contrast * cut
    return np.ascontiguousarray(cut, dtype=np.float32)


def batch(seed: int, step: int, drawn_ones: list[Image], photos: list[Image]) -> tuple[Tensor, Tensor, Tensor]:
    """Clean patches, noisy patches and levels of one step; a function of the seed and the step alone."""
    rng = np.random.default_rng([seed, 1, step])
    clean = torch.from_numpy(np.stack([
        patch(rng, photos if rng.random() < SHARE_OF_PHOTOGRAPHS else drawn_ones) for _ in range(BATCH)
    ])[:, None])  # fmt: skip
    levels = torch.from_numpy(rng.uniform(*LEVELS, (BATCH, 1, 1, 1)).astype(np.float32))
    return clean, clean + levels * torch.from_numpy(rng.standard_normal(clean.shape, dtype=np.float32)), levels


def weights(levels: Tensor) -> Tensor:
    """What an error at each noise level counts, 1 at the mean level."""
    return (sum(LEVELS) / 2 / levels).sqrt()


def main() -> None:
    """Read the options and train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="keeps the drawn images, the state and the curve")
    parser.add_argument("--steps", type=int, default=12000)
    parser.add_argument("--cooldown", type=int, default=1500)
    parser.add_argument("--relative-from", type=int, default=3900, help="step from which errors are relative")
    parser.add_argument("--images", type=int, default=400, help="drawn images")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--write", action="store_true", help=f"put the average of the weights into {WEIGHTS.name}")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    if asked.threads:
        torch.set_num_threads(asked.threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(asked.seed)
    network = LevelUNet().to(device)
    optimiser = torch.optim.Adam(network.parameters(), lr=RATE)
    average = torch.optim.swa_utils.AveragedModel(
        network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(MEMORY)
    )
    saved, curve = asked.folder / "state.pth", asked.folder / "curve.jsonl"
    begin, spent = 0, 0.0
    if saved.exists():
        state = torch.load(saved, map_location=device, weights_only=True)
        network.load_state_dict(state["network"])
        optimiser.load_state_dict(state["optimiser"])
        average.load_state_dict(state["average"])
        begin, spent = state["step"], state["seconds"]
    drawn_ones, photos = bank(asked.folder, asked.images, asked.seed), photographs()
    started, recent = time.perf_counter() - spent, []
    for step in range(begin, asked.steps):
        for group in optimiser.param_groups:
            group["lr"] = RATE * min(1.0, (step + 1) / 200, (asked.steps - step) / max(asked.cooldown, 1))
        clean, noisy, levels = (part.to(device) for part in batch(asked.seed, step, drawn_ones, photos))
        errors = (network(noisy, levels) - clean).abs()
        loss = (errors * weights(levels) if step >= asked.relative_from else errors).mean()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        average.update_parameters(network)
        recent.append(float(loss.detach()))
        if (step + 1) % 100 == 0 or step + 1 == asked.steps:
            seconds = time.perf_counter() - started
            row = {"step": step + 1, "loss": float(np.mean(recent)), "seconds": round(seconds, 1)}
            recent.clear()
            with curve.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
            print(row, flush=True)
            torch.save({"network": network.state_dict(), "optimiser": optimiser.state_dict(), "step": step + 1,
                        "average": average.state_dict(), "seconds": seconds}, saved.with_suffix(".new"))  # fmt: skip
            saved.with_suffix(".new").replace(saved)
    trained = {name: tensor.cpu().contiguous() for name, tensor in average.module.state_dict().items()}
    target = WEIGHTS if asked.write else asked.folder / WEIGHTS.name
    save_file(trained, target)
    print(f"{target}: {target.stat().st_size / 1e6:.2f} MB, {sum(t.numel() for t in trained.values())} weights")


if __name__ == "__main__":
    main()
