"""A problem made ready for a run: on its device, with ‖A‖ = 1 and the image in about [0, 1].

With raw quantities A, y, x and the image's scale s, the run sees A/‖A‖, x/s and y/(‖A‖ s), so that A x = y stays true
and a weight means the same on another problem. :meth:`Bound.physical` takes an image back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from pylops import LinearOperator
from torch import Tensor

from dipgraph.blocks import Setting
from dipgraph.data.problem import Problem
from dipgraph.engine.functions import RunSpace
from dipgraph.graph import Plan
from dipgraph.language import Program
from dipgraph.language.diagnostics import Report
from dipgraph.operators import FilteredBackprojection, LeastSquares, RayTransform, TorchMap, norm
from dipgraph.signatures.errors import InputError

PHOTONS = "known where raw counts are read and a flat_field divides them, or by noise: {kind: poisson, photons: ...}"
WHENCE = {
    "noise_level": "noise_level can be estimated: {noise.estimate: {of: y}}",
    "counts": PHOTONS,
    "blank": PHOTONS,
    "prior": "the problem's file names it, as in prior: {tiff: {path: earlier.tiff}}",
}
"""Where names that not every problem has come from; those that come together are missed in one message."""


@dataclass(frozen=True)
class Bound:
    """What a problem gives to a run, by name, and how to take results back."""

    problem: Problem
    setting: Setting
    given: dict[str, Any]
    scale: float
    data_scale: float

    def physical(self, image: Tensor) -> np.ndarray[Any, Any]:
        """An image in the problem's unit, on the problem's grid."""
        grid: np.ndarray[Any, Any] = (image.detach().double() * self.scale).cpu().numpy()
        return grid.reshape(self.setting.shapes["X"])


def choose_device(name: str | None) -> torch.device:
    """The device a run is asked for: CUDA where there is one, unless said otherwise."""
    if name is None or name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError):
        raise InputError(f"no device '{name}'", where="--device", remedy="say cpu, cuda or cuda:0") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise InputError("there is no CUDA device here", where="--device", remedy="run with --device cpu")
    if device.type not in ("cpu", "cuda"):
        raise InputError(f"device '{name}' is not supported", where="--device", remedy="say cpu or cuda")
    return device


def bind(problem: Problem, device: torch.device, dtype: torch.dtype = torch.float32) -> Bound:
    """The problem's names as tensors and maps on the device."""
    A, inverse_operator = placed(problem, device)
    operator_norm = norm(A)
    if not operator_norm > 0:
        raise InputError(
            "the forward operator is zero", where=problem.name, remedy="no ray meets the image; check the geometry"
        )
    scale = float(problem.scale)
    data_scale = operator_norm * scale
    shapes = {"X": tuple(A.dims), "Y": tuple(A.dimsd), "G": tuple(problem.grad.dimsd)}
    setting = Setting(device, dtype, shapes, data_scale)

    def vector(array: Any, unit: float, space: str) -> Tensor:
        values = torch.from_numpy(np.ascontiguousarray(array, dtype=np.float64)) / unit
        return values.to(device=device, dtype=dtype).reshape(1, 1, *shapes[space])

    inverse: Callable[[Tensor], Tensor]
    if inverse_operator is not None:
        inverse = TorchMap(inverse_operator, scale=operator_norm)
    else:
        least_squares = LeastSquares(A)

        def inverse(data: Tensor) -> Tensor:
            image: Tensor = operator_norm * least_squares(data)
            return image

    given: dict[str, Any] = {name: RunSpace(shape, device, dtype) for name, shape in shapes.items()}
    given |= {
        "A": TorchMap(A, scale=1 / operator_norm),
        "y": vector(problem.y, data_scale, "Y"),
        "fbp": inverse,
        "grad": TorchMap(problem.grad),
        "data_unit": data_scale,
    }
    if problem.noise_level is not None:
        given["noise_level"] = float(problem.noise_level) / data_scale
    for name, unit, space in (("counts", 1.0, "Y"), ("blank", 1.0, "Y"), ("prior", scale, "X")):
        if (array := getattr(problem, name)) is not None:
            given[name] = vector(np.broadcast_to(array, shapes[space]), unit, space)
    return Bound(problem, setting, given, scale, data_scale)


def placed(problem: Problem, device: torch.device) -> tuple[LinearOperator, LinearOperator | None]:
    """The problem's operator and analytic inverse on the device that the run is on."""
    A, inverse = problem.A, problem.fbp
    if tuple(A.dims) != problem.shape:  # a matrix knows only how many pixels there are
        A = LinearOperator(Op=A, dims=problem.shape, dimsd=A.dimsd)
    if device.type == "cpu":
        return A, inverse
    if isinstance(A, RayTransform) and A.device != device.type:
        A = RayTransform(A.geometry, A.grid, device=device.type)
        if isinstance(inverse, FilteredBackprojection):
            inverse = FilteredBackprojection(A, filter=inverse.filter, cutoff=inverse.cutoff)
    return A, inverse


def check_binding(program: Program, plan: Plan, bound: Bound) -> None:
    """Refuse a recipe that reads what the problem does not have; raises :class:`~dipgraph.language.Faults`."""
    report = Report()
    missing: dict[str, list[str]] = {}
    for name in program.given:
        if name in plan.given and name not in bound.given:
            missing.setdefault(WHENCE.get(name, ""), []).append(name)
    for advice, names in missing.items():
        lack = " and ".join(f"no '{name}'" for name in names)
        report.add("E801", f"the problem '{bound.problem.name}' has {lack}", program.given[names[0]], advice)
    report.settle()
