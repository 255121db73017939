"""Linear operators on PyLops, ASTRA and CuPy, and their one bridge to torch autograd."""

from dipgraph.operators.drawing import draw_geometry
from dipgraph.operators.fbp import FilteredBackprojection
from dipgraph.operators.geometry import (
    FanBeam,
    FanVectors,
    ImageGrid,
    ParallelBeam,
    ParallelVectors,
    ScanGeometry,
)
from dipgraph.operators.gradient import Gradient, difference, difference_adjoint
from dipgraph.operators.least_squares import LeastSquares, cgls
from dipgraph.operators.norm import norm, norm_bounds
from dipgraph.operators.pixels import BlockMean, Mask
from dipgraph.operators.ray_transform import RayTransform
from dipgraph.operators.subsets import coarsen, partition, view_subset
from dipgraph.operators.torch_map import TorchMap

__all__ = [
    "BlockMean",
    "FanBeam",
    "FanVectors",
    "FilteredBackprojection",
    "Gradient",
    "ImageGrid",
    "LeastSquares",
    "Mask",
    "ParallelBeam",
    "ParallelVectors",
    "RayTransform",
    "ScanGeometry",
    "TorchMap",
    "cgls",
    "coarsen",
    "difference",
    "difference_adjoint",
    "draw_geometry",
    "norm",
    "norm_bounds",
    "partition",
    "view_subset",
]
