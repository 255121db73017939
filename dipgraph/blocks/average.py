"""Running averages of the iterates."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from torch import Tensor

from dipgraph.blocks.values import Scalar
from dipgraph.signatures import block, number, vector, word


@block("average.ema", resets=True, differentiable=False)
class ExponentialAverage:
    """Exponential moving average.

    Parameters
    ----------
    start
        ``corrected``: from zero with bias correction, so that the first iterates weigh as the decay says; ``first``:
        from the first iterate, which then weighs ``decay**(k − 1)`` after k of them.
    of
        The iterate, ``(1, channels, *grid)``.
    decay
        The weight of the past: about ``1/(1 − decay)`` iterates count.

    Returns
    -------
    Tensor
        The average of the iterates since the loop was entered; after the first of them, that iterate itself.

    Notes
    -----
    corrected: ``a_k = (1 − d) Σ d^(k−j) x_j / (1 − d^k)``, j from 1 to k, as in Adam; first: ``a_1 = x_1``,
    ``a_k = d·a_(k−1) + (1 − d)·x_k``. The decay may change from iteration to iteration.

    References
    ----------
    Kingma, Ba, *Adam: a method for stochastic optimization*, ICLR 2015, section 3.
    """

    state: ClassVar[tuple[str, ...]] = ("average", "mass")

    def __init__(self, start: Annotated[str, word("corrected", "first")] = "corrected") -> None:
        self.start = start
        self.reset()

    def reset(self) -> None:
        """Forget the past."""
        self.average: Tensor | None = None
        # The sum of all weights given so far: 1 − d^k for a constant decay.
        self.mass: Scalar = 0.0

    def __call__(
        self,
        of: Annotated[Tensor, vector("V", single=True)],
        decay: Annotated[Scalar, number(min=0, below=1)],
    ) -> Annotated[Tensor, vector("V")]:
        """Take the iterate into the average."""
        if self.average is None:
            self.average = of.clone()
            self.mass = 1.0 if self.start == "first" else 1 - decay
        else:
            self.mass = decay * self.mass + (1 - decay)
            self.average = torch.lerp(self.average, of, (1 - decay) / self.mass)
        return self.average
