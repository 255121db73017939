"""From plan to problem: data are read or simulated, prepared, and given their operator."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from dipgraph.data import prepare
from dipgraph.data.catalogue import IMAGE_OPERATORS, RAY, ray
from dipgraph.data.doubts import doubts
from dipgraph.data.measurement import Measurement, check_array, check_views
from dipgraph.data.options import Call
from dipgraph.data.plan import Plan
from dipgraph.data.problem import Problem, analytic_inverse
from dipgraph.data.provenance import FileRecord, records
from dipgraph.data.resample import Field, onto
from dipgraph.data.resolved import resolved_text
from dipgraph.language.diagnostics import Fault, Faults, Mark
from dipgraph.operators.devices import refuse_too_large
from dipgraph.operators.fbp import FilteredBackprojection
from dipgraph.operators.grid import ImageGrid
from dipgraph.operators.ray_transform import RayTransform
from dipgraph.signatures.errors import InputError


def fault(code: str, message: str, mark: Mark, advice: str = "") -> Faults:
    """Return a single fault, to be raised."""
    return Faults([Fault(code, message, mark, advice)])


@contextmanager
def located(mark: Mark) -> Iterator[None]:
    """Give an input error its place in the problem file."""
    try:
        yield
    except InputError as error:
        is_path = Path(error.where.partition(", ")[0]).is_absolute()
        what = f"{error.what} ({error.where})" if is_path else error.what
        raise fault("E707", what, mark, error.remedy) from error


def build(plan: Plan, name: str, device: str = "cpu") -> Problem:
    """Return the problem that a plan asks for.

    Raises
    ------
    Faults
        If a file cannot be read, has changed, or data, geometry and image do not fit together.
    """
    return _Builder(plan, device).problem(name)


class _Builder:
    def __init__(self, plan: Plan, device: str) -> None:
        self.plan, self.device = plan, device
        with located(plan.mark):
            self.grid = ImageGrid(plan.shape, plan.image.pixel, plan.image.unit)
        self.files: list[Path] = []
        self.truth: Field | None = None

    def problem(self, name: str) -> Problem:
        plan = self.plan
        raw = self._source()
        data = self._prepare(raw, plan.steps)
        operator = self._operator(data)
        with located(self._place(plan.operator, plan.geometry, plan.read)):
            fbp = analytic_inverse(operator)
        reference = self._reference(raw, data)
        segmentation = self._image(plan.segmentation, data)
        prior = self._image(plan.prior, data)
        provenance = self._records(data)
        with located(plan.mark):
            problem = Problem(
                operator, data.data, self.grid.shape, pixel=self.grid.pixel, unit=self.grid.unit, fbp=fbp,
                scale=plan.scale, noise_level=data.noise_level, counts=data.counts, blank=data.blank, prior=prior,
                reference=reference, segmentation=segmentation, region="all" if plan.region == "all" else "disc",
                name=name, about=plan.about, provenance=provenance, resolved_text=resolved_text(plan, name, provenance),
            )  # fmt: skip
        for doubt in doubts(data, problem, plan.scale):
            warnings.warn(doubt, UserWarning, stacklevel=2)
        return problem

    def _place(self, *sections: Call | None) -> Mark:
        """Where the first of some sections stands that the file has."""
        return next((section.mark for section in sections if section is not None), self.plan.mark)

    def _source(self) -> Measurement:
        """Data before preparation: read, or simulated from a phantom."""
        plan = self.plan
        if plan.read is None:
            assert plan.phantom is not None
            with located(plan.phantom.mark):
                return self._simulate(plan.phantom)
        with located(plan.read.mark):
            takes_unit = "unit" in inspect.signature(plan.read.entry.make).parameters
            found: Measurement = plan.read(unit=self.grid.unit) if takes_unit else plan.read()
        if found.geometry is not None and found.unit != self.grid.unit:
            raise fault(
                "E705",
                f"the data's lengths are in {found.unit}, the image's pixel in {self.grid.unit}",
                plan.read.mark,
                f"give the image's pixel in {found.unit}, or the reader a pitch",
            )
        if plan.geometry is None:
            return found
        with located(plan.geometry.mark):
            if found.geometry is not None:
                raise InputError(f"the reader {plan.read.name} knows the geometry", remedy="remove 'geometry'")
            if found.data.ndim != 2:
                check_views(found.data, np.empty(0))
            geometry = plan.geometry(found.data.shape)
            check_views(found.data, np.empty(geometry.count))
            return replace(found, geometry=geometry, unit=self.grid.unit)

    def _simulate(self, phantom: Call) -> Measurement:
        plan = self.plan
        grid = self.grid.refine(plan.refine)
        refuse_too_large(grid.size, f"a phantom of {grid.rows} x {grid.columns} pixels, for refine: {plan.refine},")
        fine = np.asarray(phantom(grid.shape)) * plan.value
        self.truth = onto(fine, self.grid.shape, "phantom")
        flat = fine.astype(np.float32).ravel()
        if plan.geometry is not None:
            with located(plan.geometry.mark):
                geometry = plan.geometry(None)
                operator = RayTransform(geometry, grid, kernel=plan.kernel, form="projected")  # used but once
            return Measurement(
                (operator @ flat).reshape(operator.dimsd).astype(np.float64), "line integrals", geometry, self.grid.unit
            )
        if plan.operator is None or plan.operator.name not in IMAGE_OPERATORS:
            raise InputError(
                "the problem has no 'geometry' to simulate a scan with",
                remedy=f"give one, or another operator: {', '.join(IMAGE_OPERATORS)}",
            )
        if plan.refine != 1 or plan.kernel is not None:
            raise InputError("'refine' and 'kernel' are for scans", remedy="remove them")
        with located(plan.operator.mark):
            image_operator = plan.operator(self.grid.shape)
        data = np.asarray(image_operator @ flat, dtype=np.float64).reshape(image_operator.dimsd)
        return Measurement(data, "values", unit=self.grid.unit)

    def _prepare(self, data: Measurement, steps: list[Call]) -> Measurement:
        for step in steps:
            with located(step.mark):
                data = step(data)
        return data

    def _operator(self, data: Measurement) -> Any:
        call = self.plan.operator
        if data.geometry is None:
            if call is None or call.name in RAY:
                place = self._place(call, self.plan.read)
                raise fault(
                    "E702",
                    "the data have no geometry: no line integrals can be taken",
                    place,
                    f"give 'geometry', or another operator: {', '.join(IMAGE_OPERATORS)}",
                )
            with located(call.mark):
                return call(self.grid.shape)
        if data.quantity != "line integrals":
            place = self._place(self.plan.read)
            steps = "steps flat_field and log" if data.quantity == "counts" else "step log"
            raise fault(
                "E702",
                f"the data are {data.quantity}, and the operator gives line integrals",
                place,
                f"add the {steps} to 'prepare'",
            )
        if call is not None and call.name not in RAY:
            raise fault(
                "E703",
                f"the data are those of a scan, and the operator is '{call.name}'",
                call.mark,
                "remove 'operator', or the geometry",
            )
        with located(self._place(call, self.plan.geometry, self.plan.read)):
            kernel = call.given.get("kernel") if call else None
            return ray(data.geometry, self.grid, kernel=kernel, device=self.device)

    def _reference(self, raw: Measurement, data: Measurement) -> Field | None:
        call = self.plan.reference
        if call is None:
            return self.truth
        if call.name != "fbp":
            return self._image(call, data)
        with located(call.mark):
            if raw.geometry is None:
                raise InputError("a reference by filtered back projection needs the data of a scan")
            kept = [step for step in self.plan.steps if step.name not in prepare.SELECTING + prepare.CORRUPTING]
            whole = self._prepare(raw, kept)
            assert whole.geometry is not None
            operator = RayTransform(whole.geometry, self.grid, form="projected")
            inverse = FilteredBackprojection(operator, filter=call())
            return np.asarray(inverse @ whole.data.astype(np.float32).ravel(), dtype=np.float64).reshape(
                self.grid.shape
            )

    def _image(self, call: Call | None, data: Measurement) -> Field | None:
        """An image from a file, on the reconstruction's grid; values per voxel become values per length."""
        if call is None:
            return None
        with located(call.mark):
            path = call.given["path"]
            self.files.append(path)
            values: Any = call()
            if call is not self.plan.segmentation and "per" not in call.given and data.voxel is not None:
                values = values / data.voxel
            return onto(check_array(values, "the image", str(path)), self.grid.shape, str(path))

    def _records(self, data: Measurement) -> tuple[FileRecord, ...]:
        """The files that were read; a hash that the problem file states must be the file's."""
        files = [*data.files, *self.files]
        if self.plan.geometry is not None and self.plan.geometry.given.get("angles") is not None:
            files.append(self.plan.geometry.given["angles"])
        found = records(files)
        for record in found:
            mark, stated = self.plan.hashes.get(str(record.path), (self.plan.mark, record.sha256))
            if stated != record.sha256:
                raise fault(
                    "E708",
                    f"the file has changed since it was recorded: {record.path}",
                    mark,
                    f"its SHA-256 is {record.sha256}; remove it from 'files' to take it as it is",
                )
        return found
