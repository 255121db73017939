"""An image to compare with, made of every view of a real scan: total variation, of the weight that predicts best.

The references that come with the scans are filtered back projections, smoothed or noisy, and explain the data worse
than reconstructions from a part of the views do. Here half of the views say which reference is to be trusted: an image
of the even views is projected to the odd ones, for back projections and for total variation of several weights, and how
far the images of the two halves agree says how noisy it is. It is made of the views that were used as well, and it is
total variation, so that it favours what is piecewise constant.

    python benchmarks/all_views.py [--data ../shared/data]      # prints the table that the weight was chosen by
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from machine import digest, machine
from unused import MOST, own

import dipgraph
from dipgraph.data.scores import psnr
from dipgraph.operators import FilteredBackprojection
from dipgraph.operators.subsets import view_subset

WEIGHT, ITERATIONS = 2e-4, 500
"""Of the total variation, in the run's units, and of its minimisation."""
WEIGHTS = (5e-5, 1e-4, 2e-4, 4e-4, 8e-4)
FILTERS = ("hann", "ram-lak")
KEPT = Path(tempfile.gettempdir()) / f"dipgraph-all-views-{os.getuid()}"


def of_all_views(name: str, settings: dict[str, Any]) -> np.ndarray:
    """The image of all views, on the grid of a problem's settings, in physical units; kept in a file."""
    return _made(name, json.dumps(own(settings) | {"views": MOST[name]}, sort_keys=True))


@cache
def _made(name: str, settings: str) -> np.ndarray:
    problem = dipgraph.load_problem(name, json.loads(settings))
    made_of = f"{problem.resolved_text} {digest('tv_pdhg')} {WEIGHT} {ITERATIONS} {dipgraph.__version__}"
    path = KEPT / f"{name}-{hashlib.sha256(made_of.encode()).hexdigest()[:16]}.npy"
    if not path.exists():
        KEPT.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=KEPT) as folder:
            np.save(Path(folder) / path.name, total_variation(problem, WEIGHT))
            (Path(folder) / path.name).replace(path)
    image: np.ndarray = np.load(path)
    return image


def total_variation(problem: dipgraph.Problem, weight: float) -> np.ndarray:
    """Total variation of a problem's data, on the CPU, in physical units."""
    settings = {"alpha": weight, "iterations": ITERATIONS}
    return dipgraph.run("tv_pdhg", problem, settings=settings, device="cpu").image


def table(scans: dict[str, tuple[str, dict[str, Any]]]) -> str:
    """How well each kind of image of one half of the views predicts the other, and how far the two agree."""
    heads = ["scan", "image of half of the views", "misfit of the other half [%]", "halves agree to [dB]"]
    out = [_row(heads), _row(["---"] * len(heads))]
    for label, (name, settings) in scans.items():
        whole = dipgraph.load_problem(name, own(settings) | {"views": MOST[name]})
        halves = [Half(whole, start) for start in (0, 1)]
        for kind in (*FILTERS, *WEIGHTS):
            images = [half.image(kind) for half in halves]
            misfits = [other.misfit(image) for other, image in zip(reversed(halves), images, strict=True)]
            said = kind if isinstance(kind, str) else f"total variation, {kind:g}"
            agree = psnr(images[0], images[1], whole.region)
            out.append(_row([label, said, f"{100 * np.mean(misfits):.2f}", f"{agree:.1f}"]))
            print(out[-1], flush=True)
    return "\n".join(out)


class Half:
    """Every other view of a scan."""

    def __init__(self, whole: dipgraph.Problem, start: int) -> None:
        views = np.arange(start, whole.A.geometry.count, 2)
        self.whole, self.operator, self.data = whole, view_subset(whole.A, views), whole.y[views]

    def image(self, kind: str | float) -> np.ndarray:
        """Its filtered back projection, or its total variation of a weight."""
        if isinstance(kind, str):
            inverse = FilteredBackprojection(self.operator, filter=kind)
            return np.asarray(inverse @ self.data.astype(np.float32).ravel()).reshape(self.whole.shape)
        problem = dipgraph.Problem(self.operator, self.data, scale=self.whole.scale)
        return total_variation(problem, kind)

    def misfit(self, image: np.ndarray) -> float:
        """``‖A x − y‖ / ‖y‖`` of an image."""
        projected = (self.operator @ image.astype(np.float32).ravel()).reshape(self.data.shape)
        return float(np.linalg.norm(projected - self.data) / np.linalg.norm(self.data))


def _row(cells: list[Any]) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def main() -> None:
    from transfer import problems

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    print(table(problems(parser.parse_args().data, fine=True)))
    print(f"\n{machine()}")


if __name__ == "__main__":
    main()
