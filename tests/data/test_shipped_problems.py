"""The shipped problems as problem.md describes them, and the facts measured on the real data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dipgraph.data import Problem, load_problem, prepare
from dipgraph.data.phantoms import walnut
from dipgraph.data.readers import load_array, read_htc2022
from dipgraph.data.scores import matthews, otsu, psnr
from dipgraph.operators.fbp import FilteredBackprojection
from dipgraph.operators.geometry import FanBeam
from dipgraph.operators.grid import ImageGrid
from dipgraph.operators.ray_transform import RayTransform


def test_the_default_problem_is_the_one_described() -> None:
    problem = load_problem("walnut_phantom")
    geometry = problem.A.geometry
    assert isinstance(geometry, FanBeam)
    assert problem.shape == (128, 128)
    assert geometry.shape == (30, 96)
    np.testing.assert_allclose(geometry.angles, np.arange(30) * np.pi / 15)
    width = 128 * problem.pixel
    assert geometry.source_origin == pytest.approx(2 * width)
    assert geometry.origin_detector == pytest.approx(2 * width)
    assert 96 * geometry.pitch / geometry.magnification == pytest.approx(1.05 * width * np.sqrt(2))
    np.testing.assert_allclose(problem.reference, 0.05 * walnut((128, 128), 0), rtol=1e-6)
    fine = RayTransform(geometry, ImageGrid((256, 256), width / 256), kernel="strip", form="projected")
    clean = fine @ (0.05 * walnut((256, 256), 0)).astype(np.float32).ravel()
    assert problem.A.kernel != fine.kernel
    assert problem.noise_level == pytest.approx(0.02 * clean.max(), rel=1e-5)
    noise = problem.y.ravel() - clean
    assert np.std(noise) == pytest.approx(problem.noise_level, rel=0.03)
    assert abs(np.mean(noise)) < 3 * problem.noise_level / np.sqrt(noise.size)


def fbp(problem: Problem) -> np.ndarray:
    assert problem.fbp is not None
    image: np.ndarray = (problem.fbp @ problem.y.ravel()).reshape(problem.shape)
    return image


def test_the_inpainting_problem_measures_its_share() -> None:
    problem = load_problem("inpaint", {"size": 32, "keep": 0.25})
    assert problem.y.shape == (256,)
    assert problem.fbp is None
    assert np.std(problem.y - problem.A @ problem.reference.ravel()) == pytest.approx(0.02, rel=0.2)  # type: ignore[union-attr]


def test_the_tooth_is_reconstructed_and_compared_with_all_views(tooth: str) -> None:
    problem = load_problem("tooth", {"path": tooth, "binning": 4, "views": 60})
    assert problem.y.shape == (60, 100)
    assert problem.unit == "px"
    assert problem.reference is not None
    assert psnr(fbp(problem), problem.reference) > 25.0
    truth = otsu(problem.reference)
    assert 0.35 < truth.mean() < 0.5
    assert matthews(otsu(fbp(problem)), truth) > 0.97
    everything = load_problem("tooth", {"path": tooth, "binning": 4, "views": 181})
    np.testing.assert_allclose(fbp(everything), problem.reference, atol=1e-5)


@pytest.mark.parametrize(
    ("views", "decibels", "correlation"),
    [({"count": 60}, 22.6, 0.994), ({"count": 30}, 17.0, 0.958), ({"arc": np.pi / 3}, 7.0, 0.458)],
    ids=["60 views", "30 views", "60 degrees"],
)
def test_filtered_back_projection_of_htc2022(
    htc: dict[str, str], views: dict[str, float], decibels: float, correlation: float
) -> None:
    whole = read_htc2022(Path(htc["path"]))
    assert whole.data.shape == (720, 560)
    assert whole.voxel is not None
    scan = prepare.STEPS["views"](whole, **views)
    operator = RayTransform(scan.geometry, ImageGrid((512, 512), whole.voxel), form="projected")  # type: ignore[arg-type]
    image = (FilteredBackprojection(operator) @ scan.data.astype(np.float32).ravel()).reshape(512, 512)
    truth = load_array(Path(htc["segmentation"])) > 0
    assert matthews(otsu(image), truth) == pytest.approx(correlation, abs=0.002)
    reference = load_array(Path(htc["reference"])) / whole.voxel
    assert decibels - 0.1 < psnr(image, reference) < decibels + 1.0


def test_htc2022_as_in_the_design(htc: dict[str, str]) -> None:
    problem = load_problem("htc2022", htc)
    assert problem.y.shape == (60, 140)
    assert problem.shape == (128, 128)
    assert problem.pixel == pytest.approx(0.593, abs=5e-4)
    assert problem.scale == pytest.approx(0.0237 / problem.pixel)
    assert problem.reference is not None
    assert 0.9 < np.percentile(problem.reference, 99) / problem.scale < 1.1
    assert [record.path.name for record in problem.provenance] == [htc[name].rsplit("/", 1)[1] for name in
                                                                   ("path", "reference", "segmentation")]  # fmt: skip


def test_projecting_the_htc2022_reference_gives_the_data_and_negated_angles_do_not(htc: dict[str, str]) -> None:
    scan = prepare.views(read_htc2022(Path(htc["path"])), count=24)
    assert isinstance(scan.geometry, FanBeam)
    assert scan.voxel is not None
    image = load_array(Path(htc["reference"]), "reconFullFbp").astype(np.float32).ravel() / np.float32(scan.voxel)
    grid = ImageGrid((512, 512), scan.voxel)
    errors = []
    for sign in (1.0, -1.0):
        operator = RayTransform(replace(scan.geometry, angles=sign * scan.geometry.angles), grid, form="projected")
        errors.append(np.linalg.norm((operator @ image).reshape(24, 560) - scan.data) / np.linalg.norm(scan.data))
    assert errors[0] < 0.04
    assert errors[1] > 0.1
