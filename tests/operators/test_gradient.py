"""The discrete gradient: a worked example, its torch twins, other axes, its norm, and what it refuses."""

import numpy as np
import pytest
import torch
from hypothesis import given

from dipgraph.operators import Gradient, TorchMap, difference, difference_adjoint, norm
from dipgraph.signatures.errors import InputError
from dipgraph.testing.strategies import gradients

BOUNDARIES = ("neumann", "periodic", "dirichlet")


def test_a_worked_example():
    x = torch.tensor([[1.0, 2.0, 4.0], [3.0, 3.0, 3.0]])
    down = {"neumann": [0, 0, 0], "periodic": [-2, -1, 1], "dirichlet": [-3, -3, -3]}
    right = {"neumann": [0, 0], "periodic": [-3, 0], "dirichlet": [-4, -3]}
    for boundary in BOUNDARIES:
        p = difference(x, boundary)
        np.testing.assert_array_equal(p[0], [[2, 1, -1], down[boundary]])
        np.testing.assert_array_equal(p[1], [[1, 2, right[boundary][0]], [0, 0, right[boundary][1]]])


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("shape", [(5, 4), (1, 6), (3,), (2, 3, 4)])
def test_all_doors_lead_to_one_operator(boundary, shape):
    op = Gradient(shape, boundary, dtype="float64")
    x = np.random.default_rng(0).standard_normal((2, *shape))
    p = np.random.default_rng(1).standard_normal((2, len(shape), *shape))
    forward = np.stack([op @ member for member in x])
    back = np.stack([op.H @ member for member in p])
    axes = len(shape)
    np.testing.assert_array_equal(difference(torch.from_numpy(x), boundary, axes=axes), forward)
    np.testing.assert_array_equal(difference_adjoint(torch.from_numpy(p), boundary, axes=axes), back)
    np.testing.assert_array_equal(TorchMap(op)(torch.from_numpy(x)), forward)
    np.testing.assert_array_equal(TorchMap(op).adjoint(torch.from_numpy(p)), back)


def test_half_precision_takes_torch_s_path():
    x = torch.arange(12.0).reshape(3, 4)
    for boundary in BOUNDARIES:
        field = difference(x.to(torch.bfloat16), boundary)
        assert field.dtype == torch.bfloat16
        np.testing.assert_array_equal(field.float(), difference(x, boundary))
        np.testing.assert_array_equal(
            difference_adjoint(field, boundary).float(), difference_adjoint(field.float(), boundary)
        )


@given(op=gradients())
def test_norm_is_known(op):
    assert norm(op) == pytest.approx(np.linalg.norm(op.todense(), 2), rel=1e-6, abs=1e-7)


def test_strided_float32_is_negated_rightly():
    # np.negative is wrong for float32 at these strides in NumPy 2.4.
    x = torch.arange(1.0, 9.0).reshape(2, 4)
    np.testing.assert_array_equal(difference(x, "dirichlet")[1, :, -1], [-4, -8])


def test_refuses_what_is_no_image_or_boundary():
    for shape in ((), (0, 3), (2.5, 3), 7):
        with pytest.raises(InputError, match="shape is"):
            Gradient(shape)
    with pytest.raises(InputError, match="boundary is 'mirror'"):
        Gradient((3, 3), "mirror")
    with pytest.raises(InputError, match="at least 2 dimensions"):
        difference(torch.ones(3))
    with pytest.raises(InputError, match="2 components, not 3"):
        difference_adjoint(torch.ones(3, 4, 4))
