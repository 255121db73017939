"""A linear map with a full matrix, as a network: small enough to follow by hand."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from torch import Tensor, nn

from dipgraph.blocks.setting import Setting
from dipgraph.signatures import INPUTS, SETTING, InputError, block, number

MOST_ENTRIES = 2**28
"""One gigabyte in single precision."""


@block("network.linear")
class LinearNetwork(nn.Module):
    """One linear map x = W z with a full matrix, for tests and small problems.

    Parameters
    ----------
    spread
        Standard deviation of the matrix's first entries, times the square root of the number of columns.
    inputs
        Channels of the input.
    setting
        Gives the image's grid.

    Notes
    -----
    Maps ``(batch, inputs, rows, columns)`` to ``(batch, 1, rows, columns)`` by a matrix of ``rows·columns`` by
    ``inputs·rows·columns`` numbers, first drawn from N(0, spread² / (inputs·rows·columns)). With such a network a
    method can be followed exactly: x is linear in W, the gradient of a loss is ``(dL/dx) zᵀ``, and each gradient step
    on W moves x by ``-rate·‖z‖²·dL/dx``.
    """

    def __init__(
        self,
        inputs: Annotated[int, INPUTS],
        setting: Annotated[Setting, SETTING],
        spread: Annotated[float, number(min=0)] = 1.0,
    ) -> None:
        super().__init__()
        self.grid = setting.shapes["X"]
        pixels = math.prod(self.grid)
        if inputs * pixels**2 > MOST_ENTRIES:
            raise InputError(
                f"network.linear would need {inputs * pixels**2:.2g} numbers for an image of {pixels} pixels",
                remedy="use network.unet; the full matrix is meant for images of up to about 100×100 pixels",
            )
        columns = inputs * pixels
        self.matrix = nn.Parameter(torch.randn(pixels, columns) * (spread / math.sqrt(columns)))

    def forward(self, image: Tensor) -> Tensor:
        """The image ``(batch, 1, rows, columns)``: the matrix times the flattened input."""
        return torch.mm(image.flatten(1), self.matrix.T).reshape(-1, 1, *self.grid)
