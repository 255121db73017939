"""Adaptive weights, SIRT's weights and the noise estimate."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from block_laws import few, lawful, matrix_map, setting
from hypothesis import given
from hypothesis import strategies as st

from dipgraph.blocks import noise, prox, weights
from dipgraph.data.problem_file import load_problem
from dipgraph.operators.gradient import difference
from dipgraph.signatures import InputError


@lawful
@given(rows=st.integers(1, 6), columns=st.integers(1, 6), floor=st.floats(1e-3, 1))
def test_adaptive_weights(rows: int, columns: int, floor: float) -> None:
    random = np.random.default_rng(0)
    d = difference(torch.from_numpy(random.normal(size=(1, 1, rows, columns))))
    r = torch.from_numpy(random.normal(size=(1, 1, 4, 5)))
    alpha = weights.adaptive(d, r, floor)
    lengths = np.maximum(np.sqrt((d.numpy() ** 2).sum(-3)), floor)
    expected = (r.numpy() ** 2).sum() / (rows * columns) / lengths
    np.testing.assert_allclose(alpha[:, :, 0], expected)
    assert torch.equal(alpha[:, :, 0], alpha[:, :, 1])
    assert prox.l21(d, alpha).shape == d.shape


def test_flat_images_have_finite_weights() -> None:
    assert weights.adaptive(torch.zeros(1, 1, 2, 4, 4), torch.ones(1, 1, 3, 3)).isfinite().all()


@few
@given(rows=st.integers(2, 5), views=st.integers(2, 6))
def test_sirt_weights_are_inverse_sums_and_sirt_converges(rows: int, views: int) -> None:
    A = matrix_map((rows, rows), (views, 4))
    C, R = weights.sirt(A, setting(rows, rows, views, 4))
    matrix = A.scale * (A.op @ np.eye(rows * rows))
    ones = torch.ones(1, 1, rows, rows, dtype=torch.float64)
    np.testing.assert_allclose(C(ones).numpy().ravel(), 1 / matrix.sum(0))
    np.testing.assert_allclose(R(torch.ones(1, 1, views, 4, dtype=torch.float64)).numpy().ravel(), 1 / matrix.sum(1))
    y = A(torch.rand(1, 1, rows, rows, dtype=torch.float64))
    x, misfits = torch.zeros_like(ones), []
    for _ in range(30):
        misfits.append(float((A(x) - y).square().mul(R(torch.ones_like(y))).sum()))
        x = x + C(A.adjoint(R(y - A(x))))
    assert all(later <= earlier + 1e-12 for earlier, later in pairwise(misfits))


def test_sirt_weights_where_no_ray_passes() -> None:
    from pylops import MatrixMult

    from dipgraph.operators.torch_map import TorchMap

    op = MatrixMult(np.array([[1.0, 0.0], [0.0, 0.0]]))
    op.dims, op.dimsd = (1, 2), (1, 2)
    where = setting(1, 2, 1, 2)
    C, R = weights.sirt(TorchMap(op), where)
    ones = torch.ones(1, 2, dtype=torch.float64)
    assert C(ones).tolist() == R(ones).tolist() == [[1.0, 0.0]]
    negative = MatrixMult(-np.eye(2))
    negative.dims, negative.dimsd = (1, 2), (1, 2)
    with pytest.raises(InputError, match="negative"):
        weights.sirt(TorchMap(negative), where)


@few
@given(level=st.floats(1e-3, 1e3), seed=st.integers(0, 5))
def test_noise_estimate_sees_the_noise_through_a_smooth_sinogram(level: float, seed: int) -> None:
    views, detectors = np.linspace(0, np.pi, 40)[:, None], np.linspace(-1, 1, 128)[None]
    smooth = 20 * level * np.exp(-4 * (detectors - 0.3 * np.cos(views)) ** 2)
    noisy = smooth + level * np.random.default_rng(seed).normal(size=(40, 128))
    assert float(noise.estimate(torch.from_numpy(noisy)[None, None])) == pytest.approx(level, rel=0.1)


@pytest.mark.parametrize("height", [0.0, 5.0, 200.0, 2000.0])
def test_noise_estimate_does_not_see_smooth_data(height: float) -> None:
    views, detectors = np.linspace(0, np.pi, 40)[:, None], np.linspace(-1, 1, 128)[None]
    smooth = height * np.exp(-4 * (detectors - 0.3 * np.cos(views)) ** 2)
    noisy = smooth + np.random.default_rng(1).normal(size=(40, 128))
    assert float(noise.estimate(torch.from_numpy(noisy)[None, None])) == pytest.approx(1, rel=0.1)


@pytest.mark.parametrize("level", [0.002, 0.01, 0.03])
@pytest.mark.parametrize("name", ["walnut_phantom", "shepp_logan"])
def test_noise_estimate_on_shipped_problems(name: str, level: float) -> None:
    """Edges and detail are left out: within 10 % of the truth on average over four draws, 15 % for each."""
    ratios = []
    for seed in range(4):
        problem = load_problem(name, {"noise": str(level), "seed": str(seed)})
        assert problem.noise_level is not None
        data = torch.from_numpy(np.asarray(problem.y, dtype=np.float64))
        ratios.append(float(noise.estimate(data[None, None])) / problem.noise_level)
    assert np.mean(ratios) == pytest.approx(1, abs=0.1)
    assert ratios == pytest.approx(np.ones(4), abs=0.15)


@pytest.mark.parametrize("name", ["walnut_phantom", "shepp_logan"])
def test_noise_estimate_of_data_without_noise_is_zero_where_rays_pass_the_object(name: str) -> None:
    data = torch.from_numpy(np.asarray(load_problem(name, {"noise": "0"}).y, dtype=np.float64))
    assert float(noise.estimate(data[None, None])) == 0


@few
@given(factor=st.floats(1e-3, 1e3), pixels=st.integers(5, 40))
def test_noise_estimate_is_homogeneous_and_ignores_the_sign(factor: float, pixels: int) -> None:
    data = torch.from_numpy(np.random.default_rng(pixels).normal(size=(1, 1, 7, pixels)))
    level = float(noise.estimate(data))
    assert float(noise.estimate(-factor * data)) == pytest.approx(factor * level, rel=1e-9)


def test_the_gains_are_those_of_white_noise() -> None:
    """The planes of a unit pulse, whose squares add up to the variance."""
    pulse = torch.zeros(1, 1, 1, 129, dtype=torch.float64)
    pulse[..., 64] = 1
    rows, gains = pulse, []
    for step in (1, 2, 4):
        padded = torch.nn.functional.pad(rows[0], (2 * step, 2 * step))[None]
        smoother = noise._filtered(padded, noise.SPLINE, step)
        gains.append(float((rows - smoother).square().sum().sqrt()))
        rows = smoother
    assert gains[1:] == pytest.approx(noise.GAINS, rel=1e-4)


def test_noise_estimate_refuses_too_few_pixels() -> None:
    with pytest.raises(InputError, match="at least 5"):
        noise.estimate(torch.zeros(1, 1, 9, 4))


def test_added_noise_has_the_level_asked_for() -> None:
    zero = torch.zeros(2, 1, 200, 200)
    added = noise.gaussian(zero, 0.3, torch.Generator().manual_seed(0))
    assert float(added.std()) == pytest.approx(0.3, rel=0.02)
    assert not torch.equal(added[0], added[1])


@pytest.mark.parametrize("share", [0.05, 0.2])
def test_noise_estimate_leaves_out_what_was_not_measured(share: float) -> None:
    draw = np.random.default_rng(5)
    rows, columns = np.mgrid[:40, :100] / 100
    smooth = np.cos(4 * columns) + rows
    noisy = smooth + 0.03 * draw.standard_normal(smooth.shape)
    measured = draw.uniform(size=smooth.shape) > share
    filled = torch.from_numpy(np.where(measured, noisy, smooth))[None, None]
    known = torch.from_numpy(measured.astype(float))[None, None]
    assert float(noise.estimate(filled, known)) == pytest.approx(0.03, rel=0.1)
    assert float(noise.estimate(filled)) < float(noise.estimate(filled, known))


def test_noise_estimate_needs_neighbours_that_were_measured() -> None:
    measured = torch.ones(1, 1, 4, 12)
    measured[..., 2::4] = 0
    with pytest.raises(InputError, match="hold out fewer"):
        noise.estimate(torch.rand(1, 1, 4, 12), measured)


@pytest.mark.parametrize("share", [0.0, 0.2, 0.4])
def test_structure_is_left_out_however_many_rays_were_not_measured(share: float) -> None:
    """What has to be free of structure is a share of what was measured, not of all the data."""
    draw = np.random.default_rng(6)
    rows, columns = np.mgrid[:80, :200] / 100
    detail = np.where(columns < 1.1, np.repeat(draw.uniform(-1, 1, (80, 50)), 4, axis=1), 0)
    noisy = np.cos(4 * columns) + rows + detail + 0.03 * draw.standard_normal(detail.shape)
    measured = torch.from_numpy((draw.uniform(size=detail.shape) >= share).astype(float))[None, None]
    assert float(noise.estimate(torch.from_numpy(noisy)[None, None], measured)) == pytest.approx(0.03, rel=0.15)
