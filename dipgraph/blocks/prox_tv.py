"""The proximal map of total variation, as a block."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor

from dipgraph.blocks.total_variation import TVSolver, total_variation
from dipgraph.blocks.values import Scalar
from dipgraph.signatures import block, number, vector, whole, word


@block("prox.tv", differentiable=False, functional=total_variation)
class TVProx(TVSolver):
    """Proximal map of total variation: total-variation denoising.

    Parameters
    ----------
    kind
        ``isotropic``: the Euclidean length of each pixel's gradient; ``anisotropic``: the sum of the absolute
        differences to the next row and column.
    tolerance
        The relative error ``‖x − prox(of)‖ / ‖of − mean(of)‖`` that is certain when it stops.
    iterations
        Most iterations a call, should the tolerance not be reached before.
    of
        The image v, ``(batch, channels, rows, columns)``.
    weight
        The prox weight γ.

    Returns
    -------
    Tensor
        ``argmin over x of ½‖x − v‖² + γ·TV(x)``, each channel for itself.

    Notes
    -----
    Accelerated projected gradients on the dual (FGP). The dual variable of the last call starts the next, so that in
    a splitting method, where the image hardly changes, ten or twenty iterations do. Every tenth iteration the duality
    gap is read, which waits for the device; the gap bounds the error from above, and the error is mostly ten times
    smaller than promised. TV is the exact sum of lengths, not smoothed, with differences of 0 past the border.

    References
    ----------
    Beck, Teboulle, *Fast gradient-based algorithms for constrained total variation image denoising and deblurring
    problems*, IEEE TIP 18, 2009. Chambolle, *An algorithm for total variation minimization and applications*, JMIV 20,
    2004.
    """

    def __init__(
        self,
        kind: Annotated[str, word("isotropic", "anisotropic")] = "isotropic",
        tolerance: Annotated[float, number(above=0)] = 0.01,
        iterations: Annotated[int, whole(min=1)] = 1000,
    ) -> None:
        super().__init__(kind, tolerance, iterations)

    def __call__(
        self, of: Annotated[Tensor, vector("X[c]")], weight: Annotated[Scalar, number(min=0)]
    ) -> Annotated[Tensor, vector("X[c]")]:
        """Evaluate the proximal map."""
        return self.solve(of, weight)
