"""The laws on the very operators, loss terms, proximal maps and denoisers of a run."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dipgraph.blocks.denoise_strength import noise_level
from dipgraph.data.ellipses import shepp_logan
from dipgraph.engine.probe import Probe
from dipgraph.engine.run import Run
from dipgraph.graph import Operation
from dipgraph.operators import TorchMap
from dipgraph.signatures.block import Signature
from dipgraph.signatures.errors import InputError
from dipgraph.signatures.ports import LossKind
from dipgraph.signatures.spaces import Map
from dipgraph.testing import denoiser_laws
from dipgraph.testing.denoiser_laws import measure_denoiser
from dipgraph.testing.map_laws import measure_batched, measure_gradient, measure_pure
from dipgraph.testing.operator_laws import measure_adjoint, measure_linear
from dipgraph.testing.prox_laws import measure_prox, measure_resolvent
from dipgraph.testing.records import LawRecord

EXPANSION = 1.01
"""The Lipschitz constant allowed of a denoiser unless said otherwise: 1, and room for rounding."""
LEAST_NOISE = 0.1
"""Denoisers are tried with noise of at least this standard deviation [of the image range], a weak one too."""
OF_TOLERANCE = 5.0
"""How many times its relative error an inexact map may be off in a law that compares two of its results."""


@dataclass(frozen=True)
class Finding:
    """A law measured on one part of a run.

    Attributes
    ----------
    part
        The operator's name in the recipe, or a step: the name it assigns and its block.
    record
        What was measured.
    is_required
        Whether the part is at fault if the law is broken; else the law only tells which theory applies.
    """

    part: str
    record: LawRecord
    is_required: bool = True

    @property
    def ok(self) -> bool:
        """Whether nothing is at fault."""
        return self.record.ok or not self.is_required

    @property
    def verdict(self) -> str:
        """``holds``, ``BROKEN``, or ``does not hold`` of a law that is not required."""
        return "holds" if self.record.ok else "BROKEN" if self.is_required else "does not hold"

    def __str__(self) -> str:
        said = f"{self.part}, {self.record.law}: {self.verdict}"
        return f"{said}: {self.record.detail}" if self.record.detail else said


def verify_run(run: Run, *, expansion: float = EXPANSION) -> Iterator[Finding]:
    """Measure the laws on a run that has not been stepped.

    Linear maps that the recipe reads or its blocks hand out, the forward operator always: linear, adjoint, derivatives,
    batches, purity. Loss terms: derivatives. Proximal maps and projections: firmly non-expansive unless the block
    says that its functional is not convex; the resolvent's law where there is a port `weight`; optimality where the
    block declares its functional. Denoisers: :func:`~dipgraph.testing.measure_denoiser`.

    Each block is taken as a map of its port `of`, the others having their values at the run's start, in the run's
    precision. A block that solves to a `tolerance` is allowed five times that.

    Parameters
    ----------
    run
        The run.
    expansion
        The Lipschitz constant allowed of a denoiser.

    Raises
    ------
    InputError
        If the expansion allowed is below 1.
    """
    if not expansion >= 1:
        raise InputError(
            f"the expansion allowed is {expansion:g}", where="expansion", remedy="give a Lipschitz constant, at least 1"
        )
    probe = Probe(run)
    for name, linear in _linear_maps(probe):
        yield from _operator(name, linear, run)
    labels = _labels(run)
    for operation in _steps(run):
        if operation.call is None or "of" not in operation.ports:
            continue
        signature = operation.call.signature
        measure: Callable[[], Iterable[LawRecord]] | None = None
        if signature.gives(LossKind):
            measure = partial(_loss, probe, operation)
        elif signature.family in ("prox", "project"):
            measure = partial(_prox, probe, operation)
        elif signature.family == "denoise":
            measure = partial(_denoiser, probe, operation, expansion)
        if measure is not None:
            optional = _optional(probe, operation)
            for record in _tried(signature.family, measure):
                yield Finding(labels[operation], record, record.law not in optional)


def theory(findings: Iterable[Finding]) -> list[str]:
    """What the measured properties of each denoiser mean for the theory of the methods that use one."""
    parts: dict[str, dict[str, LawRecord]] = {}
    for finding in findings:
        parts.setdefault(finding.part, {})[finding.record.law] = finding.record
    said = []
    for part, laws in parts.items():
        if not {*denoiser_laws.THEORY, denoiser_laws.NON_EXPANSIVE} <= set(laws):
            continue
        lipschitz, residual = laws[denoiser_laws.NON_EXPANSIVE], laws[denoiser_laws.RESIDUAL]
        if lipschitz.measured <= residual.bound:
            said.append(f"{part}: nothing speaks against plug-and-play's theory (non-expansive)")
        else:
            least = f"Lipschitz constant at least {lipschitz.measured:.3g}"
            said.append(f"{part}: plug-and-play's theory for non-expansive denoisers does not apply ({least})")
            if residual.measured < 1:
                said.append(f"{part}: that for contractive residuals may, if the data fidelity is strongly convex")
        broken = [laws[law] for law in denoiser_laws.RED if not laws[law].ok]
        if broken:
            why = ", ".join(f"not {record.law.removeprefix('denoiser ')}" for record in broken)
            said.append(f"{part}: RED's theory does not apply ({why})")
        else:
            said.append(f"{part}: nothing speaks against RED's theory (Jacobian symmetric, homogeneous)")
    return said


def _steps(run: Run) -> Iterator[Operation]:
    for body in (run.plan.body, run.plan.epilogue):
        yield from body.walk()


def _labels(run: Run) -> dict[Operation, str]:
    """What each block's step assigns, and its block; with the line of the recipe where that does not tell it."""
    labels = {
        operation: f"{name}: {operation.name}" if (name := operation.outputs[0].name) else operation.name
        for operation in _steps(run)
        if operation.call is not None
    }
    counts = Counter(labels.values())
    return {
        operation: f"{label}, line {operation.mark.line + 1}" if counts[label] > 1 else label
        for operation, label in labels.items()
    }


def _tried(what: str, measure: Callable[[], Iterable[LawRecord]]) -> list[LawRecord]:
    """What a measurement gives; a map that cannot be called breaks the law that it can."""
    try:
        return list(measure())
    except Exception as error:  # a user's operator or block can fail in any way
        return [LawRecord(f"{what} can be called", float("nan"), 0.0, f"{type(error).__name__}: {error}")]


def _linear_maps(probe: Probe) -> Iterator[tuple[str, TorchMap]]:
    given = probe.run.bound.given
    for name in sorted({"A", *probe.run.plan.given}):
        if isinstance(given.get(name), TorchMap):
            yield name, given[name]
    for operation in _steps(probe.run):
        if operation.sort == "block":
            for output in operation.outputs:
                if isinstance(output.type, Map) and isinstance(made := probe.value(output), TorchMap):
                    yield f"{output.name}: {operation.name}" if output.name else operation.name, made


def _operator(name: str, linear: TorchMap, run: Run) -> Iterator[Finding]:
    setting, single = run.bound.setting, run.bound.setting.dtype == torch.float32
    point = torch.rand(linear.domain_shape, generator=_draw(), dtype=setting.dtype).to(setting.device)
    loose = float(getattr(linear.op, "adjoint_bound", 0.0))
    laws: list[Callable[[], LawRecord]] = [
        # A GPU adds up in another order from call to call.
        partial(measure_linear, linear.op, bound=1e-5 if single and setting.device.type == "cuda" else None),
        partial(measure_adjoint, linear.op),
        # The map is differentiated by its adjoint, which may be approximate.
        partial(measure_gradient, linear, point, bound=max(2e-2 if single else 1e-5, loose)),
        partial(measure_batched, linear, point, bound=1e-5 if single else 1e-10),
        partial(measure_pure, linear, point),
    ]
    for law in laws:
        for record in _tried("operator", lambda law=law: [law()]):  # type: ignore[misc]
            yield Finding(name, record)


def _loss(probe: Probe, operation: Operation) -> Iterator[LawRecord]:
    like = _free(probe, operation)
    point = torch.rand(like.shape, generator=_draw(), dtype=like.dtype).to(like.device)
    yield measure_gradient(
        probe.image_map(operation), point, order=1, bound=2e-2 if like.dtype == torch.float32 else 1e-5
    )


def _prox(probe: Probe, operation: Operation) -> Iterator[LawRecord]:
    like, signature = _free(probe, operation), _signature(operation)
    held = _held(probe, operation)
    port = signature.port("weight")
    weight = None if port is None or port.static else held["weight"]
    bound = max(1e-5, OF_TOLERANCE * _declared(probe, operation, "tolerance", 0.0))

    def prox(v: Tensor, gamma: float) -> Tensor:
        others = {} if weight is None else {"weight": gamma * weight}
        image: Tensor = probe.image_map(operation, others=others)(v.to(like.dtype))
        return image.double()

    draw = _draw()
    points = [torch.randn(like.shape, generator=draw, dtype=like.dtype).to(like.device) / 2 + 0.5 for _ in range(3)]
    # Where the weight is small beside the image, a map that is off by much of it is off by little.
    size = 1.0 if weight is None else float(torch.as_tensor(weight).double().abs().mean())
    small = [2 * size * (2 * point - 1) for point in points]
    functional = None
    if signature.functional is not None:
        wanted = list(inspect.signature(signature.functional).parameters)[1:]
        functional = partial(signature.functional, **{name: held[name] for name in wanted})
    yield from measure_prox(prox, functional, [v.double() for v in (*points, *small)], gamma=1.0, bound=bound)
    if weight is not None and size > 0:
        yield measure_resolvent(prox, [v.double() for v in small], gamma=1.0, bound=max(1e-3, bound))


def _denoiser(probe: Probe, operation: Operation, expansion: float) -> Iterator[LawRecord]:
    like = _free(probe, operation)
    held = _held(probe, operation)
    strength = float(noise_level(held.get("sigma", 0.0), held.get("strength", "")))
    slack = OF_TOLERANCE * _declared(probe, operation, "tolerance", 0.0)
    image = _clean(probe.run, like)
    for record in measure_denoiser(
        probe.image_map(operation), image, sigma=max(LEAST_NOISE, strength), expansion_bound=max(EXPANSION, 1 + slack)
    ):
        is_expansion = record.law == denoiser_laws.NON_EXPANSIVE
        yield replace(record, bound=max(record.bound, expansion)) if is_expansion else record


def _clean(run: Run, like: Tensor) -> Tensor:
    """The problem's reference, or a phantom on the grid where there is none, in the shape of an image of the run."""
    reference = run.problem.reference
    rows, columns = like.shape[-2:]
    if reference is not None and reference.shape == (rows, columns):
        grey = np.asarray(reference, dtype=np.float64) / run.bound.scale
    else:
        grey = np.asarray(shepp_logan((rows, columns)), dtype=np.float64)
    return torch.from_numpy(grey).to(like).expand(like.shape).clone()


def _free(probe: Probe, operation: Operation) -> Tensor:
    """What stands at the port `of` when the run begins."""
    value = probe.ports(operation)["of"]
    assert isinstance(value, Tensor), "the port `of` takes a vector"
    return value


def _held(probe: Probe, operation: Operation) -> dict[str, Any]:
    """What a block is given by name when the run begins: settings and ports, said or by default."""
    signature = _signature(operation)
    defaults = {port.name: port.default for port in signature.ports if not port.required}
    return defaults | dict(operation.call.settings if operation.call else {}) | probe.ports(operation)


def _signature(operation: Operation) -> Signature:
    assert operation.call is not None
    return operation.call.signature


def _declared(probe: Probe, operation: Operation, name: str, default: Any) -> Any:
    """What a block's instance says of itself."""
    return getattr(probe.machine.blocks.get(operation.key), name, default)


def _optional(probe: Probe, operation: Operation) -> set[str]:
    """The laws that a block need not obey."""
    if not _declared(probe, operation, "convex", True):
        return {"prox firm", "prox optimality"}
    return set(denoiser_laws.THEORY)


def _draw() -> torch.Generator:
    return torch.Generator().manual_seed(0)
