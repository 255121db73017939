"""A problem file read: every section understood, every fault found, nothing loaded yet."""

from __future__ import annotations

from collections.abc import Mapping as MappingABC
from collections.abc import Sequence as SequenceABC
from dataclasses import dataclass, field
from typing import Any

from dipgraph.data import catalogue
from dipgraph.data.options import WHOLE, Call, Context, Entry, read_call
from dipgraph.data.quantities import ImageUnits, read_density, read_pixel
from dipgraph.language.diagnostics import Mark, Report, listing, near
from dipgraph.language.document import Mapping, Node, Scalar, Sequence
from dipgraph.language.parameters import Parameters, Setting
from dipgraph.operators.devices import refuse_too_large
from dipgraph.operators.grid import ImageGrid
from dipgraph.signatures.errors import InputError

KEYS = (
    "problem", "name", "about", "cite", "params", "read", "simulate", "geometry", "prepare", "image", "operator",
    "scale", "reference", "segmentation", "prior", "score", "files",
)  # fmt: skip
VERSION = 1


@dataclass
class Plan:
    """What a problem file asks for; a part that was not given, or could not be read, is none."""

    context: Context
    document: Mapping
    name: str = ""
    about: str = ""
    shape: tuple[int, int] = (1, 1)
    read: Call | None = None
    phantom: Call | None = None
    value: float = 1.0
    refine: int = 1
    kernel: str | None = None
    geometry: Call | None = None
    steps: list[Call] = field(default_factory=list)
    operator: Call | None = None
    scale: float | None = None
    reference: Call | None = None
    segmentation: Call | None = None
    prior: Call | None = None
    region: str = "disc"
    hashes: dict[str, tuple[Mark, str]] = field(default_factory=dict)
    """The SHA-256 that the file states of others, by their path, and where."""

    @property
    def mark(self) -> Mark:
        """Where the file begins: the place of what has no other."""
        return self.document.mark

    @property
    def image(self) -> ImageUnits:
        """The image's unit and pixel."""
        return self.context.image


def is_plain(name: str) -> bool:
    """Whether a problem may be called so: a name becomes part of a folder's."""
    return bool(name.strip()) and name.isprintable() and not set(name) & set("/\\")


def settle(parameters: Parameters, settings: SequenceABC[Setting], report: Report) -> dict[str, Any]:
    """Return the parameters' values; a required file without one is asked for by name."""
    values = parameters.settle(report, None, settings)
    for known in parameters.missing(values):
        what = f" ({known.about})" if known.about else ""
        report.add(
            "E706",
            f"the problem needs a file: '{known.name}'{what}",
            known.mark,
            f"name it on the command line: --set problem.{known.name}=FILE",
        )
    return values


def read_plan(document: Mapping, parameters: Parameters, settings: SequenceABC[Setting], report: Report) -> Plan:
    """Return the plan of a problem file.

    Raises
    ------
    Faults
        With every fault of the text and of the settings.
    """
    check_frame(document, report)
    values: dict[str, Any] = {}
    with report.part():
        values = settle(parameters, settings, report)
    report.settle()
    plan = Plan(Context(parameters, values, report), document)
    _PlanReader(document, plan, report).read()
    report.settle()
    return plan


def check_frame(document: Mapping, report: Report) -> None:
    """Check the version and the keys of a problem file."""
    version = document.get("problem")
    if version is None and document.get("recipe") is not None:
        report.add("E702", "this is a recipe, not a problem", document.mark, "a problem file begins with 'problem: 1'")
        return
    for key, _ in document:
        if key.text not in KEYS:
            report.add("E701", f"a problem has no '{key.text}'", key.mark, near(key.text, KEYS) or listing(KEYS, 20))
    if version is None:
        report.add("E702", "'problem' is missing", document.mark, "a problem file begins with 'problem: 1'")
    elif not isinstance(version, Scalar) or version.value != VERSION:
        report.add("E703", f"the language of problems has version {VERSION}", version.mark, f"write problem: {VERSION}")


class _PlanReader:
    """Fills a plan section by section, so that a fault in one does not hide those of the next."""

    def __init__(self, document: Mapping, plan: Plan, report: Report) -> None:
        self.document, self.plan, self.report = document, plan, report
        self.context = plan.context

    def read(self) -> None:
        for part in (
            self._name,
            self._about,
            self._image,
            self._source,
            self._geometry,
            self._prepare,
            self._operator,
            self._scale,
            self._images,
            self._score,
            self._files,
        ):
            with self.report.part():
                part()

    def _mapping(self, node: Node, what: str, keys: SequenceABC[str]) -> Mapping:
        """A section with fixed keys."""
        if not isinstance(node, Mapping):
            raise self.report.fail("E703", f"'{what}' has parts by name: {listing(keys)}", node.mark)
        for key, _ in node:
            if key.text not in keys:
                self.report.add(
                    "E701",
                    f"'{what}' has no part '{key.text}'",
                    key.mark,
                    near(key.text, keys) or f"its parts are {listing(keys)}",
                )
        return node

    def _call(self, key: str, entries: MappingABC[str, Entry], what: str) -> Call | None:
        node = self.document.get(key)
        return None if node is None else read_call(node, entries, what, self.context)

    def _name(self) -> None:
        node = self.document.get("name")
        if node is None:
            return
        if not isinstance(node, Scalar) or not is_plain(node.text):
            raise self.report.fail("E703", "'name' is a name, without / or \\", node.mark, "as in name: walnut")
        self.plan.name = node.text

    def _about(self) -> None:
        node = self.document.get("about")
        if node is not None and not isinstance(node, Scalar):
            raise self.report.fail("E703", "'about' is a text", node.mark)
        self.plan.about = node.text if isinstance(node, Scalar) else ""

    def _image(self) -> None:
        node = self.document.get("image")
        example = "as in image: {shape: [128, 128], pixel: 0.593 mm}"
        if node is None:
            raise self.report.fail(
                "E702", "the grid of the reconstruction is missing: 'image'", self.plan.mark, example
            )
        image = self._mapping(node, "image", ("shape", "pixel"))
        shape, pixel = image.get("shape"), image.get("pixel")
        for name, part in (("shape", shape), ("pixel", pixel)):
            if part is None:
                self.report.add("E702", f"'image' needs '{name}'", node.mark, example)
        if pixel is not None:
            with self.report.part():
                self.context.image = read_pixel(pixel, self.context.values, self.report)
        if shape is None:
            return
        if not isinstance(shape, Sequence) or len(shape.items) != 2:
            raise self.report.fail("E703", "the shape is a list of two: rows and columns", shape.mark, example)
        rows, columns = (WHOLE.read(item, self.context, WHOLE) for item in shape.items)
        try:
            grid = ImageGrid((rows, columns), self.context.image.pixel, self.context.image.unit)
            refuse_too_large(grid.size, f"an image of {rows} x {columns} pixels", "shape")
        except InputError as error:
            place = pixel if error.where == "pixel" and pixel is not None else shape
            raise self.report.fail("E703", error.what, place.mark, error.remedy) from None
        self.plan.shape = grid.shape

    def _source(self) -> None:
        read, simulate = self.document.key("read"), self.document.key("simulate")
        if (read is None) == (simulate is None):
            place = simulate.mark if simulate is not None else self.plan.mark
            what = "neither 'read' nor 'simulate'" if read is None else "both 'read' and 'simulate'"
            raise self.report.fail("E702", f"the problem has {what}", place, "data are either read or simulated")
        self.plan.read = self._call("read", catalogue.READERS, "reader")
        node = self.document.get("simulate")
        if node is not None:
            self._simulate(self._mapping(node, "simulate", ("phantom", "value", "refine", "kernel")))

    def _simulate(self, section: Mapping) -> None:
        phantom, value, refine, kernel = (section.get(name) for name in ("phantom", "value", "refine", "kernel"))
        if phantom is None:
            self.report.add(
                "E702", "'simulate' needs a 'phantom'", section.mark, f"there is {listing(catalogue.SOURCES)}"
            )
        else:
            with self.report.part():
                self.plan.phantom = read_call(phantom, catalogue.SOURCES, "phantom", self.context)
        if value is not None:
            with self.report.part():
                self.plan.value = read_density(value, self.context.values, self.context.image, self.report)
                if not self.plan.value > 0:
                    self.report.add("E703", "the phantom's value must be above 0", value.mark)
        if refine is not None:
            with self.report.part():
                self.plan.refine = WHOLE.read(refine, self.context, WHOLE)
        if kernel is not None:
            kind = catalogue.RAY["ray"].options["kernel"]
            self.plan.kernel = kind.read(kernel, self.context, kind)

    def _geometry(self) -> None:
        self.plan.geometry = self._call("geometry", catalogue.GEOMETRIES, "geometry")

    def _prepare(self) -> None:
        node = self.document.get("prepare")
        if node is None or (isinstance(node, Scalar) and node.value is None):
            return
        if not isinstance(node, Sequence):
            raise self.report.fail(
                "E703",
                "'prepare' is a list of steps, applied in its order",
                node.mark,
                "begin each with a dash: - views: {count: 60}",
            )
        for item in node.items:
            with self.report.part():
                self.plan.steps.append(read_call(item, catalogue.STEPS, "preparation step", self.context))

    def _operator(self) -> None:
        self.plan.operator = self._call("operator", catalogue.OPERATORS, "operator")

    def _scale(self) -> None:
        node = self.document.get("scale")
        if node is None or (isinstance(node, Scalar) and node.text == "estimate"):
            return
        scale = read_density(node, self.context.values, self.context.image, self.report)
        if not scale > 0:
            raise self.report.fail("E703", f"the scale is {scale:g}; it must be above 0", node.mark)
        self.plan.scale = scale

    def _images(self) -> None:
        for name, entries in (
            ("reference", catalogue.REFERENCES),
            ("segmentation", catalogue.IMAGES),
            ("prior", catalogue.IMAGES),
        ):
            with self.report.part():
                call = self._call(name, entries, f"kind of {name}")
                if call is not None and call.given.get("path", call) is not None:
                    setattr(self.plan, name, call)

    def _score(self) -> None:
        node = self.document.get("score")
        if node is None:
            return
        region = self._mapping(node, "score", ("region",)).get("region")
        if region is None:
            return
        if not isinstance(region, Scalar) or region.text not in ("disc", "all"):
            raise self.report.fail("E703", "the region of the scores is 'disc' or 'all'", region.mark)
        self.plan.region = region.text

    def _files(self) -> None:
        node = self.document.get("files")
        if node is None:
            return
        if not isinstance(node, Mapping) or not all(isinstance(value, Scalar) for _, value in node):
            raise self.report.fail("E703", "'files' gives the SHA-256 of each file by its path", node.mark)
        self.plan.hashes = {
            str((self.context.parameters.base / key.text).resolve()): (value.mark, value.text)
            for key, value in node
            if isinstance(value, Scalar)
        }
