"""A way to the host and back for methods that only exist for NumPy arrays."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Images = NDArray[np.floating]


def each_on_host(function: Callable[[Images], Images], vectors: Tensor) -> Tensor:
    """Apply a NumPy function ``(*grid) -> (*grid)`` to each channel of each member; waits for the device twice."""
    grid = vectors.shape[2:]
    # A copy, because the function may write into what it is given.
    given = vectors.detach().to("cpu", copy=True).reshape(-1, *grid).numpy()
    made = np.stack([np.asarray(function(one)).reshape(grid) for one in given])
    return torch.from_numpy(made).to(vectors).reshape(vectors.shape)
