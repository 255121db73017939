"""What a block may know of the run around it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Setting:
    """Device, precision and the problem's spaces, handed to each block that asks for it.

    Parameters
    ----------
    device
        Where the run's tensors live.
    dtype
        The run's floating-point type.
    shapes
        The grid of each space: ``{"X": (rows, columns), "Y": (views, detectors), "G": (2, rows, columns)}``.
    data_scale
        What a vector of Y is multiplied by to be in the problem's own unit.
    """

    device: torch.device
    dtype: torch.dtype
    shapes: Mapping[str, tuple[int, ...]]
    data_scale: float = 1.0

    def zeros(self, space: str, channels: int = 1) -> torch.Tensor:
        """The zero vector of a space, ``(1, channels, *grid)``."""
        return torch.zeros(1, channels, *self.shapes[space], device=self.device, dtype=self.dtype)
