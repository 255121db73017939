"""Numbers with a unit in a problem file: ``0.593 mm``, ``2*size pixel``, ``360 deg``, ``0.04 per mm``."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dipgraph.language.diagnostics import Mark, Report, listing, near
from dipgraph.language.document import Node, Scalar
from dipgraph.language.expressions import evaluate, parse_expression

LENGTHS = {"um": 1e-3, "µm": 1e-3, "mm": 1.0, "cm": 10.0, "m": 1000.0}
"""Units of length in millimetres; beside them ``px``, a pixel of unknown size, and ``pixel``, the image's own."""
ANGLES = {"deg": math.pi / 180.0, "degrees": math.pi / 180.0, "rad": 1.0}
"""Units of angle in radians."""

WITH_UNIT = re.compile(r"(?P<number>.*\S)\s+(?P<unit>[^\W\d]+)\Z", re.DOTALL)
PER = re.compile(r"(?P<number>.*\S)\s+per\Z", re.DOTALL)


@dataclass(frozen=True)
class ImageUnits:
    """What lengths are converted to: the image's unit, "mm" or "px", and its pixel in that unit."""

    unit: str
    pixel: float

    def length(self, number: float, unit: str) -> float | None:
        """Return a length in the image's unit, or none where the two are not of one kind."""
        if unit == "pixel":
            return number * self.pixel
        if unit == "px" or self.unit == "px":
            return number if unit == self.unit else None
        return number * LENGTHS[unit]


@dataclass(frozen=True)
class Quantity:
    """A number, its unit (empty for none), and whether it is per that unit."""

    number: float
    unit: str
    per: bool
    mark: Mark


def read_number(node: Node, values: Mapping[str, Any], report: Report) -> float | int:
    """Return the number that an expression of parameters stands for; a fault leaves the part."""
    value = evaluate(parse_expression(node, report), values, report)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise report.fail(
            "E703", f"a number belongs here, not '{node.text if isinstance(node, Scalar) else ''}'", node.mark
        )
    return value


def read_quantity(node: Node, values: Mapping[str, Any], report: Report) -> Quantity:
    """Return a number and its unit; a fault leaves the part."""
    if not isinstance(node, Scalar):
        raise report.fail("E703", "a number with its unit belongs here, not a list or a mapping", node.mark)
    found = WITH_UNIT.match(node.text.strip())
    if found is None:
        return Quantity(float(read_number(node, values, report)), "", False, node.mark)
    unit, number = found["unit"], found["number"]
    per = PER.match(number)
    number = per["number"] if per else number
    known = (*LENGTHS, "px", "pixel", *ANGLES)
    if unit not in known:
        at = _part(node, unit, node.text.rindex(unit)).mark
        raise report.fail("E705", f"'{unit}' is no unit", at, near(unit, known) or f"units are {listing(known)}")
    value = read_number(_part(node, number, node.text.index(number)), values, report)
    return Quantity(float(value), unit, per is not None, node.mark)


def _part(node: Scalar, text: str, start: int) -> Scalar:
    """Part of a scalar, with its own place."""
    mark = node.mark
    if node.verbatim:
        mark = Mark(mark.source, mark.line, mark.column + start + (1 if node.quoted else 0), len(text))
    return Scalar(mark, text, False, node.verbatim)


def read_pixel(node: Node, values: Mapping[str, Any], report: Report) -> ImageUnits:
    """Return the image's pixel and unit."""
    found = read_quantity(node, values, report)
    if found.per or found.unit in ANGLES or found.unit in ("", "pixel"):
        raise report.fail(
            "E705",
            "the pixel's side is a length with its unit",
            node.mark,
            "as in 0.593 mm; write 1 px where the size is not known",
        )
    if not found.number > 0:
        raise report.fail("E703", f"the pixel's side is {found.number:g}", node.mark, "it must be above 0")
    if found.unit == "px":
        return ImageUnits("px", found.number)
    return ImageUnits("mm", found.number * LENGTHS[found.unit])


def read_length(node: Node, values: Mapping[str, Any], image: ImageUnits, report: Report) -> float:
    """Return a length in the image's unit."""
    found = read_quantity(node, values, report)
    if found.per or found.unit in ANGLES or (not found.unit and found.number != 0):
        raise report.fail("E705", "a length with its unit belongs here", node.mark, "as in 0.2 mm, or 2 pixel")
    return _convert(found, image, report) if found.unit else 0.0


def read_density(node: Node, values: Mapping[str, Any], image: ImageUnits, report: Report) -> float:
    """Return an image value: a bare number, or one per length [1/image unit]."""
    found = read_quantity(node, values, report)
    if not found.unit:
        return found.number
    if not found.per or found.unit in ANGLES:
        raise report.fail("E705", "an image value is a number, or a number per length", node.mark, "as in 0.04 per mm")
    return found.number / _convert(Quantity(1.0, found.unit, False, found.mark), image, report)


def read_angle(node: Node, values: Mapping[str, Any], report: Report) -> float:
    """Return an angle [rad]."""
    found = read_quantity(node, values, report)
    if found.per or (found.unit not in ANGLES and (found.unit or found.number != 0)):
        raise report.fail("E705", "an angle with its unit belongs here", node.mark, "as in 360 deg, or 3.14 rad")
    return found.number * ANGLES.get(found.unit, 0.0)


def _convert(found: Quantity, image: ImageUnits, report: Report) -> float:
    length = image.length(found.number, found.unit)
    if length is None:
        raise report.fail(
            "E705",
            f"a length in {found.unit}, and the image's pixel is in {image.unit}",
            found.mark,
            "give both in mm, or both in px",
        )
    return length
