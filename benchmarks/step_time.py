"""What the engine costs: a gradient step of `vanilla` against a hand-written loop, alternating in one process.

Both sides use the same network, operator, optimiser, input and data; the engine also scores every step and runs the
stopper. Prints the ratio of times, blockwise: its median and quartiles.

    python benchmarks/step_time.py [--blocks 60] [--steps 10] [--size 128]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator

import numpy as np
import torch
from machine import machine

import dipgraph
from dipgraph.blocks import registry
from dipgraph.engine.run import Options, Run
from dipgraph.language import Setting, settle_recipe


def by_hand(run: Run) -> Iterator[None]:
    """The loop that a reader of the paper would write, from the same start."""
    given = run.bound.given
    machine_ = run.executor.machine
    slots = machine_.slots
    network = machine_.networks["f"]
    forward, data = given["A"], given["y"]
    training = next(machine_.trainings())
    optimiser = training.training.step.optimiser
    made = optimiser.signature.make(
        [{"name": "f", "params": list(network.parameters())}],
        rate=1e-3,
        **optimiser.settings,
    )
    noise = 0.1 * torch.randn(1, 1, *run.problem.shape, generator=torch.Generator().manual_seed(0)).to(data)
    del slots

    def closure() -> torch.Tensor:
        made.zero_grad(set_to_none=True)
        loss = 0.5 * (forward(network(noise)) - data).square().sum()
        loss.backward()
        return loss

    while True:
        with torch.enable_grad():
            made.step(closure)
        yield


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", type=int, default=60)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--device", default=None)
    asked = parser.parse_args()
    problem = dipgraph.load_problem("walnut_phantom", {"size": str(asked.size)})
    settings = [Setting.read(f"gradient_steps={10**9}"), Setting.read(f"patience={10**9}")]

    def fresh() -> Run:
        program = settle_recipe(dipgraph.load_recipe("vanilla"), registry(), None, settings)
        return Run(program, problem, Options(device=asked.device))

    engine, hand = iter(fresh()), by_hand(fresh())
    on_gpu = fresh().bound.setting.device.type == "cuda"

    def block(steps: Iterator[object]) -> float:
        began = time.perf_counter()
        for _ in range(asked.steps):
            next(steps)
        if on_gpu:
            torch.cuda.synchronize()
        return (time.perf_counter() - began) / asked.steps

    block(engine), block(hand)
    times = np.array(
        [
            (block(engine), block(hand)) if number % 2 else (block(hand), block(engine))[::-1]
            for number in range(asked.blocks)
        ]
    )
    ratio = np.percentile(times[:, 0] / times[:, 1], [25, 50, 75])
    engine_ms, hand_ms = 1000 * np.median(times, axis=0)
    print(machine())
    print(f"{asked.size}², 32 channels, 5 scales, metrics and stopper on, {asked.blocks} blocks of {asked.steps} steps")
    print(f"engine {engine_ms:.2f} ms, by hand {hand_ms:.2f} ms a step")
    print(f"ratio: median {ratio[1]:.3f}, quartiles {ratio[0]:.3f} to {ratio[2]:.3f}")


if __name__ == "__main__":
    main()
