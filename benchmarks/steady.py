"""Whether `vanilla` is steady at its defaults: three seeds, 4000 steps, the default problem and a real scan.

A loss is steady if it never exceeds three times its median over the 100 steps before. Prints the worst ratio of each
run, the peak of the PSNR and where it ends. Results are kept, so that a run that was cut off goes on.

    python benchmarks/steady.py --htc ../shared/data/htc2022 [--results benchmarks/results/steady.json]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from machine import machine

import dipgraph


def worst_ratio(losses: np.ndarray) -> tuple[float, int]:
    """The largest ratio of a loss to the median of up to 100 losses before it, and at which step."""
    ratios = [losses[k] / np.median(losses[max(0, k - 100) : k]) for k in range(10, len(losses))]
    worst = int(np.argmax(ratios))
    return float(ratios[worst]), worst + 11


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--htc", type=Path, help="folder with htc2022_ta_full.mat and its reference")
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results/steady.json"))
    parser.add_argument("--skip-walnut", action="store_true", help="the real scan only")
    asked = parser.parse_args()
    problems = {} if asked.skip_walnut else {"walnut_phantom": {}}
    if asked.htc is not None:
        problems["htc2022"] = {
            "problem.path": asked.htc / "htc2022_ta_full.mat",
            "problem.reference": asked.htc / "htc2022_ta_full_recon_fbp.mat",
            "problem.views": 30,
        }
    done = json.loads(asked.results.read_text()) if asked.results.exists() else {}
    for problem, settings in problems.items():
        for seed in range(asked.seeds):
            key = f"{problem} seed {seed} steps {asked.steps}"
            if key not in done:
                result = dipgraph.run("vanilla", problem, seed=seed, run_on=True, threads=asked.threads,
                                      settings={"gradient_steps": asked.steps, **settings})  # fmt: skip
                losses = np.array([result.record.entries[k].loss for k in range(1, asked.steps + 1)])
                ratio, step = worst_ratio(losses)
                peak = result.record.peak
                done[key] = {"worst": ratio, "at": step, "peak": peak[1], "peak_at": peak[0],
                             "stopped_at": result.stopped_at, "delivered": result.score.psnr,
                             "final": result.final_score.psnr, "seconds": result.seconds}  # fmt: skip
                asked.results.parent.mkdir(parents=True, exist_ok=True)
                asked.results.write_text(json.dumps(done, indent=1) + "\n")
            row = done[key]
            print(f"{key}: worst loss {row['worst']:.2f} x median at {row['at']}; PSNR peak {row['peak']:.2f} at "
                  f"{row['peak_at']}, final {row['final']:.2f}; {row['seconds']:.0f} s", flush=True)  # fmt: skip
    print(machine())


if __name__ == "__main__":
    main()
