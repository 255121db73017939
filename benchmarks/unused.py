"""The views that a real scan has and a problem leaves out: what judges an image without a reference.

A reference made of the same scan shares its noise and has errors of its own: an image can come nearer to the object
than it does, and score lower for that.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import dipgraph
from dipgraph.operators.subsets import view_subset

MOST = {"htc2022": 720, "tooth": 181}
"""The views of each problem's scans."""


def own(settings: dict[str, Any]) -> dict[str, Any]:
    """What the settings of a run say of its problem."""
    return {key.removeprefix("problem."): value for key, value in settings.items() if key.startswith("problem.")}


class UnusedViews:
    """Up to 60 views of a scan that its problem does not use.

    Parameters
    ----------
    name
        The problem's name.
    settings
        Its settings, each with the prefix ``problem.``.
    """

    def __init__(self, name: str, settings: dict[str, Any]) -> None:
        used, whole = (dipgraph.load_problem(name, own(settings) | more) for more in ({}, {"views": MOST[name]}))
        distances = np.abs(whole.A.geometry.angles[:, None] - used.A.geometry.angles[None, :]).min(1)
        free = np.flatnonzero(distances > 1e-6)
        free = free[np.linspace(0, len(free) - 1, min(60, len(free))).round().astype(int)]
        self.operator, self.data = view_subset(whole.A, free), whole.y[free]

    def misfit(self, image: np.ndarray) -> float:
        """``‖A x − y‖ / ‖y‖`` over these views, of an image in physical units."""
        projected = (self.operator @ image.astype(np.float32).ravel()).reshape(self.data.shape)
        return float(np.linalg.norm(projected - self.data) / np.linalg.norm(self.data))
