"""Every operator of the package, by existing, against every law."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import dipgraph.operators
from dipgraph.operators import RayTransform, TorchMap
from dipgraph.operators.batched import BatchedOperator
from dipgraph.testing import assert_adjoint, assert_batched, assert_gradient, assert_linear, assert_pure
from dipgraph.testing.strategies import OPERATORS, SCANS, ray_transforms

# 60 cases for each of the four laws below, over 200 for each operator.
CASES = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))

# Scans are drawn that do not see their image whole.
pytestmark = pytest.mark.filterwarnings("ignore:filtered back projection needs whole views")

everyone = pytest.mark.parametrize("operator", sorted(OPERATORS, key=lambda kind: kind.__name__))


def test_every_operator_class_has_a_strategy():
    def below(kind):
        return {kind}.union(*(below(child) for child in kind.__subclasses__()))

    ours = {kind for kind in below(BatchedOperator) if kind.__module__.startswith("dipgraph.")}
    assert ours - {BatchedOperator} == set(OPERATORS)
    assert RayTransform in ours
    assert dipgraph.operators.Gradient in ours


@everyone
@CASES
@given(data=st.data())
def test_linear_and_adjoint(operator, data):
    op = data.draw(OPERATORS[operator])
    assert_linear(op, draws=1)
    assert_adjoint(op, draws=2)


@everyone
@CASES
@given(data=st.data())
def test_maps_batches_as_it_maps_members(operator, data):
    op = data.draw(OPERATORS[operator])
    transposed = data.draw(st.booleans())
    linear = TorchMap(op).adjoint if transposed else TorchMap(op)
    dtype = torch.float64 if op.dtype == np.float64 else torch.float32
    assert_batched(linear, torch.ones(linear.domain_shape, dtype=dtype))


@everyone
@CASES
@given(data=st.data())
def test_leaves_its_input_alone(operator, data):
    op = data.draw(OPERATORS[operator])
    linear = TorchMap(op).adjoint if data.draw(st.booleans()) else TorchMap(op)
    x = torch.from_numpy(np.random.default_rng(0).standard_normal(linear.domain_shape).astype(op.dtype))
    assert_pure(linear, x)


@everyone
@CASES
@given(data=st.data())
def test_derivatives_of_both_orders(operator, data):
    op = data.draw(OPERATORS[operator])
    linear = TorchMap(op)
    x = torch.from_numpy(np.random.default_rng(0).standard_normal(linear.domain_shape))
    # ASTRA sums in float32 whatever comes in, and differences of its results are no better.
    exact = op.precision == np.float64
    assert_gradient(linear, x if exact else x.float(), bound=1e-5 if exact else 5e-2)


@pytest.mark.parametrize("form", ["assembled", "projected"])
@pytest.mark.parametrize(("kind", "kernel"), [(kind, kernel) for kind, kernels in SCANS.items() for kernel in kernels])
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_adjoint_of_every_kernel_and_geometry(kind, kernel, form, data):
    op = data.draw(ray_transforms(kind, kernel, form))
    assert_adjoint(op, draws=2, bound=1e-6)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(op=ray_transforms(form="projected"), seed=st.integers(0, 99))
def test_both_forms_are_one_operator(op, seed):
    twin = RayTransform(op.geometry, op.grid, kernel=op.kernel, form="assembled")
    x = np.random.default_rng(seed).random(op.dims, dtype=np.float32)
    scale = np.abs(twin @ x).max()
    np.testing.assert_allclose(op @ x, twin @ x, atol=1e-5 * scale)
