"""The discrete gradient, as blocks use it."""

from __future__ import annotations

from torch import Tensor


def gradient(images: Tensor) -> Tensor:
    """Forward differences ``(..., rows, columns) -> (..., 2, rows, columns)``, 0 past the border."""
    # Imported late: the operators bring PyLops along, and a recipe is checked without it.
    from dipgraph.operators.gradient import difference

    return difference(images)
