"""The norm: bounds from both sides, wrappers, caching, seeds."""

import numpy as np
import pylops
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dipgraph.operators import RayTransform, norm, norm_bounds
from dipgraph.signatures.errors import InputError
from dipgraph.testing.strategies import OPERATORS, ray_transforms

from .phantoms import GRID
from .scans import scan

norm_code = __import__("sys").modules["dipgraph.operators.norm"]


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(op=ray_transforms())
def test_the_upper_bound_of_a_ray_transform_holds(op):
    exact = np.linalg.norm(np.asarray(op.todense(), np.float64), 2)
    low, high = norm_bounds(op)
    assert low <= exact * (1 + 1e-7)
    assert high >= exact * (1 - (0 if op.precision == np.float64 else 1e-6) - 1e-12)
    assert high <= exact * 1.01 + 1e-12


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_bounds_of_every_operator_hold(data):
    op = data.draw(OPERATORS[data.draw(st.sampled_from(sorted(OPERATORS, key=lambda kind: kind.__name__)))])
    exact = np.linalg.norm(np.asarray(op.todense(), np.float64), 2)
    low, high = norm_bounds(op)
    assert low <= exact * (1 + 1e-6) + 1e-12
    assert high >= exact * (1 - 1e-6)


def test_bounds_are_close_on_a_scan_of_common_size():
    A = RayTransform(scan("fan", 30), GRID)
    low, high = norm_bounds(A)
    assert low <= high <= low * 1.0003
    assert norm(A) == high


def test_a_wide_spectrum_without_sign():
    values = np.linspace(0, 3, 60)
    turn = np.linalg.qr(np.random.default_rng(0).standard_normal((60, 60)))[0]
    op = pylops.MatrixMult(turn @ np.diag(values) @ turn.T)
    low, high = norm_bounds(op)
    assert low <= 3 <= high <= 3 * 1.001
    assert norm_bounds(op, seed=4)[1] >= 3


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("size", "largest"), [(10_000, 1.001), (10_000, 1.01), (250_000, 1.05)])
def test_one_value_that_stands_out_a_little_is_met(size, largest, dtype):
    values = np.ones(size, dtype)
    values[7] = largest
    assert norm(pylops.Diagonal(values, dtype=dtype)) >= largest * (1 - 1e-6)


def test_complex_and_empty_operators():
    assert norm(pylops.MatrixMult(1j * np.eye(3))) == pytest.approx(1, rel=1e-6)
    assert norm(pylops.MatrixMult(np.zeros((3, 2)))) == 0


def test_wrappers_change_the_norm_as_known():
    A = RayTransform(scan("fan", 3), GRID)
    assert norm(A.H) == norm(A) == norm(A.T)
    assert norm(-2.0 * A) == pytest.approx(2 * norm(A))
    # One that PyLops computes anew.
    assert norm(A.H @ A) == pytest.approx(norm(A) ** 2, rel=1e-3)


def test_is_computed_once(monkeypatch):
    A = RayTransform(scan("fan", 4), GRID)
    twin = RayTransform(scan("fan", 4), GRID)
    other = pylops.MatrixMult(np.eye(3))
    first = (norm(A), norm(other))
    monkeypatch.setattr(norm_code, "_compute", None)
    assert (norm(twin), norm(other)) == first


def test_refuses_a_tolerance_that_is_none():
    with pytest.raises(InputError, match="tolerance is 0"):
        norm(pylops.MatrixMult(np.eye(3)), tolerance=0)


def test_refuses_an_operator_that_gives_no_numbers():
    broken = pylops.FunctionOperator(lambda x: x * np.nan, lambda y: y, 4, 4, dtype="float64")
    with pytest.raises(InputError, match="not finite") as raised:
        norm(broken)
    assert raised.value.remedy
