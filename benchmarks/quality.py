"""How good `admm_denoiser` is at its defaults: beside FBP (Hann) and total variation at its best weight.

Total variation is minimised without our engine: pyproximal's primal-dual solver on the same PyLops operator, the best
of a grid of weights chosen with the reference in hand. Prints PSNR, SSIM and, where there is a segmentation, the
Matthews correlation.

    python benchmarks/quality.py [--problem walnut_phantom] [--set problem.views=30 ...]
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
import pylops
import pyproximal
from machine import machine

import dipgraph
from dipgraph.data.scores import matthews, otsu, psnr, ssim
from dipgraph.operators import norm

WEIGHTS = (1.25e-4, 2.5e-4, 5e-4, 7e-4, 1e-3, 1.4e-3, 2e-3, 4e-3)


def total_variation(problem: dipgraph.Problem, weight: float, iterations: int = 1500) -> np.ndarray:
    """argmin over x >= 0 of 1/2 ||A x - y||^2 + weight TV(x), with ||A|| = 1 and the image in units of the scale."""
    size = norm(problem.A)
    A = (1.0 / size) * problem.A
    y = problem.y.ravel() / (size * problem.scale)
    gradient = pylops.Gradient(problem.shape, kind="forward", edge=False, dtype="float32")
    stacked = pylops.VStack([A, gradient])
    dual = pyproximal.VStack(
        [pyproximal.L2(b=y), pyproximal.L21(ndim=2, sigma=weight)], nn=[A.shape[0], gradient.shape[0]]
    )
    step = 0.99 / np.sqrt(1 + 8)
    inside = pyproximal.Box(lower=0.0)
    found = pyproximal.optimization.primaldual.PrimalDual(
        inside, dual, stacked, np.zeros(A.shape[1], dtype=np.float32), tau=step, mu=step, niter=iterations
    )
    return np.asarray(found).reshape(problem.shape) * problem.scale


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problem", default="walnut_phantom")
    parser.add_argument("--recipe", default="admm_denoiser")
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="problem.NAME=VALUE")
    parser.add_argument("--seeds", type=int, default=1)
    asked = parser.parse_args()
    settings = dict(text.split("=", 1) for text in asked.settings)
    problem = dipgraph.load_problem(
        asked.problem, {k.removeprefix("problem."): v for k, v in settings.items() if k.startswith("problem.")}
    )
    if problem.reference is None:
        sys.exit("this problem has no reference to compare with")
    own = {name: value for name, value in settings.items() if not name.startswith("problem.")}

    def row(name: str, image: np.ndarray, more: str = "") -> float:
        value = psnr(image, problem.reference, problem.region)
        agreement = ""
        if problem.segmentation is not None:
            agreement = f"  Matthews {matthews(otsu(image, problem.region), problem.segmentation, problem.region):.3f}"
        similarity = ssim(image, problem.reference, problem.region)
        print(f"{name:<28} {value:6.2f} dB  SSIM {similarity:.3f}{agreement}  {more}", flush=True)
        return value

    print(machine())
    print(problem)
    fbp = (problem.fbp @ problem.y.ravel()).reshape(problem.shape)
    base = row("FBP (Hann)", fbp)
    candidates = {weight: total_variation(problem, weight) for weight in WEIGHTS}
    best = max(candidates, key=lambda weight: psnr(candidates[weight], problem.reference, problem.region))
    tv = row(f"TV, best weight {best:g}", candidates[best])
    for seed in range(asked.seeds):
        result = dipgraph.run(asked.recipe, problem, seed=seed, settings=own)
        peak = result.record.peak
        said = f"seed {seed}, {result.seconds:.0f} s, peak {peak[1]:.2f} at {peak[0]}"
        value = row(asked.recipe, result.image, said)
        print(f"{'':<28} {value - base:+.2f} dB on FBP, {value - tv:+.2f} dB on TV")


if __name__ == "__main__":
    main()
