"""One scan of each kind, all seeing the whole grid of phantoms.py."""

import numpy as np

from dipgraph.operators import FanBeam, FanVectors, ParallelBeam, ParallelVectors


def scan(kind: str, views: int = 30, arc: float = 2 * np.pi, first: float = 0.013):
    angles = first + arc * np.arange(views) / views
    placed = {} if kind in ("parallel", "fan") else {"detector_offset": 2.3, "centre_shift": -1.7, "tilt": 0.15}
    if kind.startswith("parallel"):
        geometry = ParallelBeam(angles, 220, 0.5, **placed)
        return ParallelVectors(geometry.vectors(), 220) if kind.endswith("vectors") else geometry
    geometry = FanBeam(angles, 260, 0.8, 120.0, 100.0, **placed)
    return FanVectors(geometry.vectors(), 260) if kind.endswith("vectors") else geometry


KINDS = ("parallel", "parallel offset", "parallel vectors", "fan", "fan offset", "fan vectors")
