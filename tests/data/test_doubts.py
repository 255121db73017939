"""Data that were read and would fit better if they were something else are told, and others are not."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

from dipgraph.data import read_problem
from dipgraph.language.diagnostics import Source
from dipgraph.operators import ImageGrid, RayTransform
from dipgraph.operators.geometry import ParallelBeam

VIEWS, SIDE, PIXEL, VALUE = 24, 32, 0.5, 0.08
OWN = f"""problem: 1
read: {{array: {{path: y.npy}}}}
geometry: {{parallel: {{pitch: 1 pixel, angles: angles.npy}}}}
image: {{shape: [{SIDE}, {SIDE}], pixel: {PIXEL} mm}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A disc's line integrals and their angles in degrees."""
    rows, columns = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    disc = VALUE * (np.hypot(rows, columns) < 0.45 * SIDE)
    angles = np.arange(VIEWS) * np.pi / VIEWS
    scan = RayTransform(ParallelBeam(angles, 48, PIXEL), ImageGrid((SIDE, SIDE), PIXEL, "mm"))
    np.save(tmp_path / "y.npy", (scan @ disc.astype(np.float32).ravel()).reshape(scan.dimsd))
    np.save(tmp_path / "angles.npy", np.rad2deg(angles))
    return tmp_path


def said(folder: Path, text: str = OWN) -> list[str]:
    """The warnings of a problem of that text."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        read_problem(Source("own.yaml", text), folder).load()
    return [str(each.message) for each in caught]


def changed(folder: Path, name: str, factor: float) -> Path:
    np.save(folder / name, factor * np.load(folder / name))
    return folder


def test_data_as_they_should_be_are_not_doubted(folder: Path) -> None:
    assert said(folder) == []
    for scale in (0.5 * VALUE, 4 * VALUE):
        assert said(folder, OWN + f"scale: {scale} per mm\n") == []


def test_angles_in_radians_read_as_degrees(folder: Path) -> None:
    (doubt,) = said(changed(folder, "angles.npy", np.pi / 180))
    assert "if these are radians, say angle_unit: rad" in doubt
    for unit in ("rad", "deg"):  # whoever says it knows
        assert not any(
            "radians" in each for each in said(folder, OWN.replace("angles.npy", f"angles.npy, angle_unit: {unit}"))
        )


OPPOSED = "the data fall where rays are long in the image"


@pytest.mark.parametrize("blank", [1.0, 1000.0])
def test_counts_or_transmission_read_as_line_integrals(folder: Path, blank: float) -> None:
    np.save(folder / "y.npy", blank * np.exp(-np.load(folder / "y.npy")))
    (doubt,) = said(folder)
    assert OPPOSED in doubt


def test_a_sign_that_is_turned(folder: Path) -> None:
    noise = np.random.default_rng(0).normal(0.0, 0.005, (VIEWS, 48)) + 0.002
    np.save(folder / "y.npy", noise - np.load(folder / "y.npy"))
    (doubt,) = said(folder, OWN + f"scale: {VALUE} per mm\n")
    assert OPPOSED in doubt


def test_data_in_other_units_and_differential_data_are_not_doubted(folder: Path) -> None:
    assert said(changed(folder, "y.npy", 1000.0)) == []
    np.save(folder / "y.npy", np.gradient(np.load(folder / "y.npy"), axis=1))
    assert said(folder) == []


def test_an_object_larger_than_the_image(folder: Path) -> None:
    doubts = said(folder, OWN.replace(f"[{SIDE}, {SIDE}]", "[14, 14]"))
    assert any("the object is larger than the image" in doubt for doubt in doubts)


@pytest.mark.parametrize("factor", [1e-2, 1e3])
def test_a_scale_far_from_the_data(folder: Path, factor: float) -> None:
    (doubt,) = said(folder, OWN + f"scale: {factor * VALUE} per mm\n")
    assert "and the data suggest 0.09" in doubt or "and the data suggest 0.1" in doubt
