"""The drawing of a geometry."""

import re
from xml.etree import ElementTree

import pytest

from dipgraph.operators import ImageGrid, draw_geometry
from dipgraph.operators.drawing import render_geometry

from .phantoms import GRID
from .scans import KINDS, scan


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("views", [1, 40])
def test_is_well_formed_and_within_its_frame(kind, views, tmp_path):
    geometry = scan(kind, views)
    path = draw_geometry(geometry, GRID, tmp_path / "scan.svg")
    root = ElementTree.fromstring(path.read_text(encoding="utf-8"))
    tags = [element.tag.split("}")[1] for element in root.iter()]
    assert tags.count("path") == 1 + 2 * min(views, 12)
    assert tags.count("circle") == 1 + (views if geometry.kind == "fan" else 0)
    width = float(root.get("width"))
    for element in root.iter():
        for number in re.findall(r"[ML](-?[\d.]+),(-?[\d.]+)", element.get("d", "")):
            assert all(-1 <= float(part) <= width + 1 for part in number)
    text = "".join(root.itertext())
    assert "128 x 136 pixels" in text
    assert "seen in every view" in text


def test_names_the_unit():
    drawing = render_geometry(scan("fan", 3), ImageGrid((4, 4), 1.0, "µm"))
    assert "4 x 4 pixels of 1 µm" in "".join(ElementTree.fromstring(drawing).itertext())
