"""CGLS: the solution of small systems, its iterates, its callable form, and what it refuses."""

import numpy as np
import pylops
import pytest
import torch

from dipgraph.operators import LeastSquares, RayTransform, cgls
from dipgraph.signatures.errors import InputError

from .phantoms import DISC, GRID
from .scans import scan

RANDOM = np.random.default_rng(0)
MATRIX = RANDOM.standard_normal((9, 5))
OP = pylops.MatrixMult(MATRIX)


def test_reaches_the_least_squares_solution():
    y = RANDOM.standard_normal(9)
    expected = np.linalg.lstsq(MATRIX, y, rcond=None)[0]
    np.testing.assert_allclose(cgls(OP, y, 20), expected, rtol=1e-8)
    np.testing.assert_allclose(cgls(OP, y, 100, tolerance=1e-12), expected, rtol=1e-8)


def test_residuals_fall():
    y = RANDOM.standard_normal(9)
    residuals = [np.linalg.norm(MATRIX @ cgls(OP, y, k) - y) for k in range(1, 6)]
    assert (np.diff(residuals) < 1e-12).all()


def test_zero_data_give_zero():
    assert not cgls(OP, np.zeros(9), 5).any()


def test_complex_systems():
    matrix = MATRIX + 1j * RANDOM.standard_normal((9, 5))
    y = RANDOM.standard_normal(9) + 1j * RANDOM.standard_normal(9)
    expected = np.linalg.lstsq(matrix, y, rcond=None)[0]
    np.testing.assert_allclose(cgls(pylops.MatrixMult(matrix), y, 20), expected, rtol=1e-8)


def test_reconstructs_a_disc_from_views_without_a_formula():
    geometry = scan("fan vectors", 40)
    A = RayTransform(geometry, GRID)
    inverse = LeastSquares(A, 15)
    data = DISC.project(geometry).astype(np.float32)
    image = inverse(data)
    assert image.shape == A.dims
    assert image.dtype == np.float32
    assert image[DISC.core(GRID)].mean() == pytest.approx(DISC.density, rel=0.02)
    assert "15 CGLS iterations" in str(inverse)
    tensor = inverse(torch.from_numpy(data).expand(2, *data.shape))
    assert tensor.shape == (2, *A.dims)
    np.testing.assert_allclose(tensor[1], image, atol=1e-5)
    assert inverse(torch.zeros(0, *data.shape)).shape == (0, *A.dims)


def test_refuses_data_that_do_not_fit():
    with pytest.raises(InputError, match="iterations is 0"):
        cgls(OP, np.ones(9), 0)
    with pytest.raises(InputError, match=r"iterations is 2\.5"):
        LeastSquares(OP, 2.5)
    with pytest.raises(InputError, match=r"\(8,\)"):
        cgls(OP, np.ones(8), 3)
    with pytest.raises(InputError, match="int64"):
        cgls(OP, np.ones(9, np.int64), 3)
    with pytest.raises(InputError, match="data have shape"):
        LeastSquares(OP, 3)(np.ones((9, 2)))
