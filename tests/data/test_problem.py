"""A Problem from any PyLops operator: conversions, everything that is refused, the scale."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pylops
import pytest
import torch

import dipgraph
from dipgraph.data import Problem, modalities
from dipgraph.data.phantoms import walnut
from dipgraph.data.scale import cgls, estimate_scale, first_image, saturated_share, saturation_warning, two_digits
from dipgraph.operators import FilteredBackprojection, ImageGrid, ParallelBeam, ParallelVectors, RayTransform
from dipgraph.signatures.errors import InputError

NUT = walnut((32, 32))
IDENTITY = pylops.Identity(1024, dtype=np.float32)


def test_a_problem_from_a_flat_operator_and_a_flat_array() -> None:
    problem = Problem(IDENTITY, NUT.ravel(), shape=(32, 32))
    assert problem.shape == (32, 32)
    assert problem.y.dtype == np.float32
    assert (problem.fbp, problem.noise_level, problem.reference) == (None, None, None)
    assert problem.grad.shape == (2 * 1024, 1024)
    assert problem.mask.sum() < 1024


SCAN = RayTransform(ParallelBeam(np.arange(12) * np.pi / 12, 48, 0.4), ImageGrid((16, 20), 0.5, "cm"))


def test_a_ray_transform_brings_its_lengths_and_its_inverse() -> None:
    data = SCAN @ walnut((16, 20)).astype(np.float32)
    problem = Problem(SCAN, data)
    assert (problem.shape, problem.pixel, problem.unit, problem.value_unit) == ((16, 20), 0.5, "cm", "1/cm")
    assert isinstance(problem.fbp, FilteredBackprojection)
    assert "pixels of 0.5 cm" in str(problem)
    assert "with fbp" in str(problem)


def test_what_is_given_beats_what_the_ray_transform_says() -> None:
    data = SCAN @ walnut((16, 20)).astype(np.float32)
    ramp = FilteredBackprojection(SCAN, "ram-lak")
    problem = Problem(SCAN, data, pixel=5.0, unit="mm", fbp=ramp)
    assert (problem.pixel, problem.unit, problem.fbp) == (5.0, "mm", ramp)
    without = Problem(SCAN, data, fbp=None)
    assert without.fbp is None
    assert replace(without, noise_level=0.1).fbp is None


def test_a_scan_without_a_formula_has_no_inverse_of_its_own() -> None:
    rays = np.tile([0.0, 1.0, 0.0, 0.0, 0.4, 0.0], (4, 1))
    rays[1:, 4] = [0.3, 0.5, 0.6]  # each view with a spacing of its own
    irregular = RayTransform(ParallelVectors(rays, 48), ImageGrid((16, 16), 0.5, "mm"))
    problem = Problem(irregular, irregular @ np.ones((16, 16), dtype=np.float32))
    assert (problem.fbp, problem.pixel, problem.unit) == (None, 0.5, "mm")


def test_the_image_of_a_ray_transform_is_its_grid() -> None:
    with pytest.raises(InputError, match=r"\(20, 16\).*16 x 20") as caught:
        Problem(SCAN, SCAN @ walnut((16, 20)).astype(np.float32), shape=(20, 16))
    assert caught.value.where == "shape"


def refused(*arguments: Any, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        Problem(*arguments, **options)
    return str(caught.value)


def test_a_flat_operator_without_a_shape_asks_for_it() -> None:
    for data in (NUT, NUT.ravel()):
        told = refused(IDENTITY, data)
        assert "A takes flat images of 1024 pixels" in told
        assert "give shape=(rows, columns), say shape=(32, 32)" in told
    assert "say shape" not in refused(pylops.Identity(1021, dtype=np.float32), np.ones(1021))


def test_data_of_as_many_values_as_a_flat_operator_gives_are_to_be_ravelled() -> None:
    told = refused(IDENTITY, NUT, shape=(32, 32))
    assert "y has shape (32, 32), and A gives flat data of 1024 values" in told
    assert "give y.ravel(), in the order of A's rows" in told
    told = refused(IDENTITY, NUT[:31], shape=(32, 32))
    assert "y has 992 values, and A gives flat data of 1024" in told
    assert "give counts.ravel()" in refused(IDENTITY, NUT.ravel(), shape=(32, 32), counts=NUT)


def test_data_of_another_shape_are_told_the_shape() -> None:
    operator = modalities.identity((12, 10))
    assert "give y.T" in refused(operator, np.ones((10, 12)))
    assert "give y of that shape, or flat" in refused(operator, np.ones((11, 10)))
    assert "a row for each of its views" in refused(SCAN, np.ones((13, 48)))


def test_data_take_the_operators_shape() -> None:
    assert Problem(modalities.identity((32, 32)), NUT.ravel()).y.shape == (32, 32)


def test_a_problem_can_be_changed_by_replace() -> None:
    problem = Problem(IDENTITY, NUT.ravel(), shape=(32, 32), reference=NUT)
    changed = replace(problem, noise_level=0.1, region="all")
    assert (changed.noise_level, changed.region, changed.scale) == (0.1, "all", problem.scale)


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"A": np.eye(1024)}, "A"),
        ({"A": pylops.Identity(1024, dtype=np.complex64)}, "A"),
        ({"fbp": np.eye(1024)}, "fbp"),
        ({"grad": "x"}, "grad"),
        ({"scale": "a"}, "scale"),
        ({"pixel": "1 mm"}, "pixel"),
        ({"noise_level": [0.1]}, "noise_level"),
        ({"shape": 32}, "shape"),
        ({"shape": (32.0, 32.0)}, "shape"),
        ({"name": None}, "name"),
        ({"unit": 1}, "unit"),
        ({"y": [[1.0, 2.0], [3.0]]}, "y"),
        ({"prior": [[1.0, 2.0], [3.0]]}, "prior"),
        ({"y": np.ones(1000)}, "y"),
        ({"y": np.ones((32, 31))}, "y"),
        ({"y": np.full(1024, np.nan)}, "y"),
        ({"y": np.zeros(1024)}, "y"),
        ({"y": np.ones(1024) * 1j}, "y"),
        ({"y": np.array(["a"] * 1024)}, "y"),
        ({"shape": (31, 32)}, "shape"),
        ({"shape": None}, "shape"),
        ({"pixel": 0.0}, "pixel"),
        ({"scale": -1.0}, "scale"),
        ({"scale": float("nan")}, "scale"),
        ({"noise_level": -0.1}, "noise_level"),
        ({"counts": -np.ones(1024)}, "counts"),
        ({"blank": np.arange(1024.0)}, "blank"),
        ({"prior": np.ones((16, 16))}, "prior"),
        ({"reference": np.ones((64, 64))}, "reference"),
        ({"reference": -np.ones((32, 32))}, "reference"),
        ({"reference": np.full((32, 32), np.inf)}, "reference"),
        ({"region": "circle"}, "region"),
        ({"region": np.zeros((32, 32), dtype=bool)}, "region"),
        ({"fbp": pylops.Identity(10)}, "fbp"),
        ({"grad": pylops.Identity(10)}, "grad"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(changes: dict[str, Any], where: str) -> None:
    given = {"A": IDENTITY, "y": NUT.ravel(), "shape": (32, 32)} | changes
    with pytest.raises(InputError) as caught:
        Problem(**given)
    assert caught.value.where == where
    assert caught.value.what


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("operator", [IDENTITY, modalities.blur((32, 32), 1.0)], ids=["identity", "blur"])
@pytest.mark.parametrize("size", [1e-29, 1e-15, 1e15, 1e29])
def test_the_data_may_be_of_any_size_that_single_precision_holds(operator: Any, size: float) -> None:
    plain = Problem(operator, NUT.ravel(), shape=(32, 32))
    sized = Problem(operator, size * NUT.ravel().astype(np.float64), shape=(32, 32))
    assert sized.scale == pytest.approx(size * plain.scale, rel=0.02)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("size", [1e-300, 1e-40, 1e33, 1e300])
def test_data_and_images_beyond_single_precision_are_refused(size: float) -> None:
    far = size * NUT.astype(np.float64)
    assert "the largest value of y is" in refused(IDENTITY, far.ravel(), shape=(32, 32))
    assert "from 1e-30 to 1e+30" in refused(IDENTITY, NUT.ravel(), shape=(32, 32), reference=far)


def test_noise_level_zero_is_known_noise() -> None:
    assert Problem(IDENTITY, NUT.ravel(), shape=(32, 32), noise_level=0.0).noise_level == 0.0


@pytest.mark.parametrize("value", [0.0237, 1.0, 3.5e4])
def test_the_estimated_scale_has_headroom_two_digits_and_the_datas_unit(value: float) -> None:
    smooth = np.outer(np.hanning(64), np.hanning(64))
    scale = estimate_scale(
        pylops.Identity(4096, dtype=np.float32), (value * smooth).astype(np.float32).ravel(), (64, 64)
    )
    assert scale == two_digits(scale)
    assert 1.1 * value < scale < 1.25 * value


def test_a_few_changed_rays_do_not_move_the_scale() -> None:
    from dipgraph.data import load_problem

    problem = load_problem("walnut_phantom", {"size": 64})
    changed = problem.y.copy()
    changed[3, [20, 50]] *= 1.05
    estimates = [estimate_scale(problem.A, y, problem.shape, problem.fbp) for y in (problem.y, changed)]
    assert estimates[0] == estimates[1]


def test_an_image_nowhere_positive_has_no_scale() -> None:
    with pytest.raises(InputError, match="nowhere positive"):
        Problem(IDENTITY, -np.ones(1024), shape=(32, 32))


def test_cgls_solves_least_squares() -> None:
    draw = np.random.default_rng(0)
    matrix, y = draw.standard_normal((12, 8)), draw.standard_normal(12)
    expected = np.linalg.lstsq(matrix, y, rcond=None)[0]
    np.testing.assert_allclose(cgls(pylops.MatrixMult(matrix), y, 8), expected, atol=1e-8)
    assert not cgls(pylops.MatrixMult(matrix), np.zeros(12), 3).any()
    assert first_image(pylops.MatrixMult(matrix), y, (2, 4)).shape == (2, 4)


def test_saturation_is_the_share_at_the_top() -> None:
    image = np.array([[0.5, 0.985], [0.995, 1.2]])
    assert saturated_share(image, 1.0) == 0.25
    assert saturated_share(2 * image, 2.0) == 0.25
    assert saturated_share(image, 2.0) == 0.0
    assert saturation_warning(0.01, 2.0) is None
    assert "25.0% of the pixels reach the scale (2)" in (saturation_warning(0.25, 2.0) or "")


@pytest.mark.parametrize(
    "operator",
    [modalities.identity((12, 10)), modalities.mask((12, 10), 0.4, 3), modalities.blur((12, 10), 1.2)],
    ids=["identity", "mask", "blur"],
)
def test_image_operators_have_their_adjoint_and_shapes(operator: pylops.LinearOperator) -> None:
    draw = np.random.default_rng(0)
    x, y = (draw.standard_normal(n).astype(np.float32) for n in operator.shape[::-1])
    assert tuple(operator.dims) == (12, 10)
    assert operator.shape == (int(np.prod(operator.dimsd)), 120)
    left, right = np.vdot(operator @ x, y), np.vdot(x, operator.H @ y)
    assert abs(left - right) < 1e-5 * np.linalg.norm(x) * np.linalg.norm(y)
    assert (operator @ x.reshape(12, 10)).shape == tuple(operator.dimsd)


def test_a_mask_keeps_its_share_and_a_blur_its_mean() -> None:
    assert modalities.mask((10, 10), 0.25).dimsd == (25,)
    flat = np.ones((20, 20), dtype=np.float32)
    np.testing.assert_allclose((modalities.blur((20, 20), 1.0) @ flat)[5:-5, 5:-5], 1.0, atol=1e-6)
    for share in (0.0, 1.5):
        with pytest.raises(InputError, match="mask that keeps"):
            modalities.mask((10, 10), share)
    for width in (0.0, 5.0):
        with pytest.raises(InputError, match="a blur of"):
            modalities.blur((10, 10), width)


def test_an_operator_without_an_adjoint_is_told() -> None:
    one_way = pylops.FunctionOperator(lambda x: x, 1024, 1024, dtype=np.float32)
    assert "FunctionOperator has no adjoint" in refused(one_way, NUT.ravel(), shape=(32, 32))
    problem = Problem(one_way, NUT.ravel(), shape=(32, 32), scale=1.0)
    with pytest.raises(InputError, match="has no adjoint"):
        dipgraph.run("vanilla", problem, settings={"gradient_steps": 1, "channels": 2, "scales": 2})


def test_masked_data_are_not_taken_for_whole() -> None:
    masked = np.ma.masked_array(NUT.ravel(), np.arange(1024) < 3)
    assert "3 values are masked in y" in refused(IDENTITY, masked, shape=(32, 32))
    assert Problem(IDENTITY, np.ma.masked_array(NUT.ravel()), shape=(32, 32)).y.size == 1024


def test_tensors_of_torch_are_data() -> None:
    tensor = torch.tensor(NUT.ravel(), requires_grad=True)
    np.testing.assert_array_equal(Problem(IDENTITY, tensor, shape=(32, 32)).y, NUT.ravel().astype(np.float32))
