"""What checkpoints cost: blocks of steps with one checkpoint and without, alternating in one process.

Prints the time of one checkpoint, its size, and what a run with one every 30 s takes over a run with none.

    python benchmarks/checkpoint.py [--recipe admm_denoiser] [--preset NAME] [--blocks 20] [--steps 5] [--every 30]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from machine import machine

import dipgraph
from dipgraph.engine.checkpoint import Checkpoints


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="admm_denoiser")
    parser.add_argument("--preset", default=None)
    parser.add_argument("--blocks", type=int, default=20)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--every", type=float, default=30.0, help="seconds from one checkpoint to the next")
    parser.add_argument("--device", default=None)
    parser.add_argument("--folder", default=None, help="where to write; a folder for temporary files by default")
    asked = parser.parse_args()
    runs = [
        dipgraph.start(asked.recipe, preset=asked.preset, settings={"gradient_steps": 10**7}, device=asked.device)
        for _ in range(2)
    ]
    plain, saved = (iter(run) for run in runs)
    on_gpu = runs[0].bound.setting.device.type == "cuda"
    with tempfile.TemporaryDirectory(dir=asked.folder) as name:
        checkpoints = Checkpoints(Path(name) / "checkpoints", {"recipe": asked.recipe})

        def block(steps, *, writes: bool) -> tuple[float, float]:
            began = time.perf_counter()
            for _ in range(asked.steps):
                next(steps)
            if on_gpu:
                torch.cuda.synchronize()
            middle = time.perf_counter()
            if writes and runs[1].is_sound:
                checkpoints.write(runs[1])
            return middle - began, time.perf_counter() - middle

        block(plain, writes=False), block(saved, writes=True)
        steps, costs, others = [], [], []
        for number in range(asked.blocks):
            for writes in (True, False) if number % 2 else (False, True):
                taken, cost = block(saved if writes else plain, writes=writes)
                (steps if writes else others).append(taken)
                costs += [cost] if writes else []
        size = sum(path.stat().st_size for path in checkpoints.folder.iterdir()) / 2
    cost = np.percentile(costs, [25, 50, 75, 100])
    after = np.percentile(np.array(steps) / np.array(others), [25, 50, 75])
    print(machine())
    print(
        f"{asked.recipe}, {asked.preset or 'defaults'}, {asked.blocks} blocks of {asked.steps} steps, a checkpoint each"
    )
    print(f"a checkpoint: {size / 2**20:.2f} MiB, median {1000 * cost[1]:.1f} ms, quartiles {1000 * cost[0]:.1f} to "
          f"{1000 * cost[2]:.1f} ms, worst {1000 * cost[3]:.1f} ms")  # fmt: skip
    print(f"one every {asked.every:g} s: {100 * cost[1] / asked.every:.2f} % of the time, at worst "
          f"{100 * cost[3] / asked.every:.2f} %")  # fmt: skip
    print(f"steps after a checkpoint over steps after none: {after[1]:.3f}, quartiles {after[0]:.3f} to {after[2]:.3f}")


if __name__ == "__main__":
    main()
