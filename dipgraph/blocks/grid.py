"""The same problem on a coarser image grid."""

from __future__ import annotations

from typing import Annotated, NamedTuple

from dipgraph.blocks.values import LinearMap
from dipgraph.signatures import block, linear_map, whole


class Coarse(NamedTuple):
    """The forward operator on a coarser grid, and the ways between the grids."""

    map: Annotated[LinearMap, linear_map("C", "Y")]
    up: Annotated[LinearMap, linear_map("C", "X")]
    down: Annotated[LinearMap, linear_map("X", "C")]


@block("grid.coarsen")
def coarsen(of: Annotated[LinearMap, linear_map("X", "Y")], factor: Annotated[int, whole(min=1)]) -> Coarse:
    """The forward operator on a grid whose pixels are a whole factor wider.

    Parameters
    ----------
    of
        The forward operator A.
    factor
        Pixels of the image along each side of a coarse pixel; it divides the image's rows and columns.

    Returns
    -------
    Coarse
        ``map``: from a coarse image to the same data; ``up``: each coarse pixel becomes a block of equal pixels;
        ``down``: the mean over each block.

    Notes
    -----
    A ray transform is built anew for the coarse grid, at the cost of the coarse grid; another operator is applied to
    the enlarged image, which saves nothing. The norm of the coarse operator differs from that of A: for a ray
    transform it is about the factor times as large.
    """
    from dipgraph.operators.pixels import BlockMean
    from dipgraph.operators.ray_transform import RayTransform
    from dipgraph.operators.subsets import coarsen as coarsened
    from dipgraph.operators.torch_map import TorchMap

    means = BlockMean(of.domain_shape, factor)
    down = TorchMap(means)
    up = down.adjoint.scaled(float(factor ** len(of.domain_shape)))
    op = coarsened(of.op, factor) if isinstance(of.op, RayTransform) else of.op @ (means.H * up.scale)
    return Coarse(TorchMap(op, scale=of.scale), up, down)
