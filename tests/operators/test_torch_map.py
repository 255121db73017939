"""The bridge to torch: values, derivatives of any order, torch.func, precision, and what it refuses."""

import copy
import pickle

import numpy as np
import pylops
import pytest
import torch
from torch.autograd import forward_ad, gradcheck, gradgradcheck
from torch.func import hessian, jacrev, jvp, vjp, vmap

from dipgraph.operators import FanBeam, FilteredBackprojection, Gradient, ImageGrid, Mask, RayTransform, TorchMap
from dipgraph.signatures.errors import InputError
from dipgraph.testing import assert_batched, assert_gradient, assert_pure

A = RayTransform(FanBeam(np.linspace(0, 6, 3), 5, 2.0, 40.0, 40.0), ImageGrid((4, 3)), dtype="float64")
MATRIX = A.matrix.toarray()
RANDOM = np.random.default_rng(0)


def blur():
    return pylops.signalprocessing.Convolve2D((6, 5), h=RANDOM.random((3, 3)), offset=(1, 1), dtype="float64")


OTHERS = {
    "matrix": lambda: pylops.MatrixMult(RANDOM.standard_normal((4, 7))),
    "identity in place": lambda: pylops.Identity(6, inplace=True, dtype="float64"),
    "restriction": lambda: pylops.Restriction((4, 6), [0, 3, 5], axis=1, dtype="float64"),
    "blur": blur,
    "composition": lambda: 2.5 * A.H @ A,
    "stack": lambda: pylops.VStack([A, -A]),
    "blocks": lambda: pylops.BlockDiag([A, pylops.Identity(3, dtype="float64")]),
    "sum": lambda: A - 0.5 * A,
    "derivative": lambda: pylops.FirstDerivative((5, 4), axis=0, dtype="float64"),
    "transpose": lambda: A.T,
}


@pytest.mark.parametrize("name", sorted(OTHERS))
def test_any_pylops_operator_becomes_a_map(name):
    op = OTHERS[name]()
    linear = TorchMap(op)
    x = torch.from_numpy(RANDOM.standard_normal(linear.domain_shape))
    dense = np.asarray(op.todense())
    np.testing.assert_allclose(linear(x).numpy().ravel(), dense @ x.numpy().ravel(), atol=1e-10)
    y = torch.from_numpy(RANDOM.standard_normal(linear.codomain_shape))
    np.testing.assert_allclose(linear.adjoint(y).numpy().ravel(), dense.T @ y.numpy().ravel(), atol=1e-10)
    assert linear.adjoint.adjoint is linear
    assert_batched(linear, x)
    assert_pure(linear, x)
    assert_gradient(linear, x)
    single = linear(x.float())
    assert single.dtype == torch.float32
    np.testing.assert_allclose(single.numpy(), linear(x).numpy(), atol=1e-5 * float(linear(x).abs().max()))


def test_shapes_and_scale():
    linear = TorchMap(A, scale=0.5)
    assert (linear.domain_shape, linear.codomain_shape) == ((4, 3), (3, 5))
    x = torch.ones(2, 4, 3, dtype=torch.float64)
    np.testing.assert_allclose(linear(x)[1].ravel(), 0.5 * MATRIX.sum(1))
    np.testing.assert_allclose(linear.scaled(3)(x), 3 * linear(x))
    y = torch.ones(3, 5, dtype=torch.float64)
    np.testing.assert_allclose(linear.adjoint(y).ravel(), 0.5 * MATRIX.sum(0))
    assert linear.op is A
    assert linear.adjoint.op.shape == A.H.shape
    assert repr(linear).startswith("TorchMap(0.5 * <15x12 RayTransform")


def test_the_adjoint_of_ours_keeps_the_batched_form():
    linear = TorchMap(A.H)
    y = torch.from_numpy(RANDOM.standard_normal((2, 3, 5)))
    np.testing.assert_array_equal(linear(y), TorchMap(A).adjoint(y))
    assert linear._base is A


@pytest.mark.parametrize("make", [lambda: TorchMap(A), lambda: TorchMap(A).adjoint, lambda: TorchMap(Gradient((4, 3)))])
def test_torch_s_own_checks(make):
    linear = make()
    x = torch.from_numpy(RANDOM.standard_normal((2, *linear.domain_shape))).requires_grad_()
    assert gradcheck(linear, x, check_forward_ad=True)

    def cubic(x):
        return linear(x).pow(3).sum((-2, -1))

    assert gradgradcheck(cubic, x)
    assert gradcheck(cubic, x, check_forward_ad=True)


def test_third_derivative():
    linear = TorchMap(A)
    x = torch.from_numpy(RANDOM.standard_normal((4, 3))).requires_grad_()
    value = linear(x).pow(4).sum()
    slope = torch.autograd.grad(value, x, create_graph=True)[0]
    curvature = torch.autograd.grad(slope.sum(), x, create_graph=True)[0]
    third = torch.autograd.grad(curvature.sum(), x)[0]
    y = MATRIX @ x.detach().numpy().ravel()
    expected = MATRIX.T @ (24 * y * MATRIX.sum(1) ** 2)
    np.testing.assert_allclose(third.numpy().ravel(), expected, rtol=1e-10)


def test_transforms_of_torch_func():
    linear = TorchMap(A)
    x, u = (torch.from_numpy(RANDOM.standard_normal((4, 3))) for _ in range(2))
    dense = torch.from_numpy(MATRIX).reshape(3, 5, 4, 3)
    value, tangent = jvp(linear, (x,), (u,))
    torch.testing.assert_close(value, linear(x))
    torch.testing.assert_close(tangent, linear(u))
    value, pull = vjp(linear, x)
    torch.testing.assert_close(pull(value)[0], linear.adjoint(value))
    torch.testing.assert_close(jacrev(linear)(x), dense)
    torch.testing.assert_close(torch.func.jacfwd(linear)(x), dense)

    def energy(x):
        return linear(x).square().sum() / 2

    expected = torch.from_numpy(MATRIX.T @ MATRIX).reshape(4, 3, 4, 3)
    torch.testing.assert_close(hessian(energy)(x), expected)
    batch = torch.stack([x, u])
    torch.testing.assert_close(vmap(torch.func.grad(energy))(batch), linear.adjoint(linear(batch)))
    torch.testing.assert_close(vmap(vmap(linear))(batch.expand(3, 2, 4, 3)), linear(batch).expand(3, 2, 3, 5))
    torch.testing.assert_close(
        vmap(lambda a, b: linear(b) + a.sum(), in_dims=(0, None))(batch, x)[1], linear(x) + u.sum()
    )


def test_forward_mode():
    linear = TorchMap(A)
    x, u = (torch.from_numpy(RANDOM.standard_normal((4, 3))) for _ in range(2))
    with forward_ad.dual_level():
        tangent = forward_ad.unpack_dual(linear(forward_ad.make_dual(x, u))).tangent
    torch.testing.assert_close(tangent, linear(u))


def test_records_nothing_where_nothing_is_asked():
    linear = TorchMap(A)
    x = torch.ones(4, 3, dtype=torch.float64, requires_grad=True)
    assert linear(x).requires_grad
    with torch.no_grad():
        assert not linear(x).requires_grad
    with torch.inference_mode():
        assert linear(torch.ones(4, 3, dtype=torch.float64)).shape == (3, 5)
    assert not linear(x.detach()).requires_grad


def test_values_are_views_of_torch_s_memory():
    # The operator reads the tensor's own memory, and the result is handed over as it is.
    seen = []

    class Spy(pylops.LinearOperator):
        def _matvec(self, x):
            seen.append(x.ctypes.data)
            return x + 1

    x = torch.ones(5)
    TorchMap(Spy(dtype="float32", shape=(5, 5), dims=(5,), dimsd=(5,)))(x)
    assert seen == [x.data_ptr()]


def test_complex_operators_have_real_derivatives_for_real_images():
    fourier = pylops.signalprocessing.FFT2D((4, 3), dtype="complex128")
    linear = TorchMap(fourier)
    x = torch.from_numpy(RANDOM.standard_normal((4, 3))).requires_grad_()
    torch.testing.assert_close(linear(x), torch.fft.fft2(x.to(torch.complex128), norm="ortho").detach())
    slope = torch.autograd.grad((linear(x).abs() ** 2).sum(), x)[0]
    torch.testing.assert_close(slope, 2 * x.detach())
    assert linear(x.detach().float()).dtype == torch.complex64


def test_refuses_tensors_it_cannot_take():
    linear = TorchMap(A)

    def refused(message, x):
        with pytest.raises(InputError, match=message) as raised:
            linear(x)
        assert raised.value.remedy

    refused(r"takes tensors \(\.\.\., 4, 3\) and got \(3, 4\)", torch.ones(3, 4))
    refused(r"got \(12,\)", torch.ones(12))
    refused("float32 or float64 tensors and got torch.int64", torch.ones(4, 3, dtype=torch.int64))
    refused("got torch.float16", torch.ones(4, 3, dtype=torch.float16))
    refused("got torch.complex64", torch.ones(4, 3, dtype=torch.complex64))
    refused("'cpu' and got a tensor on 'meta'", torch.ones(4, 3, device="meta"))


class Buffered(pylops.LinearOperator):
    """Twice the input, always in the same array."""

    def __init__(self):
        super().__init__(dtype="float64", shape=(3, 3))
        self.buffer = np.zeros(3)

    def _matvec(self, x):
        self.buffer[:] = 2 * x
        return self.buffer

    _rmatvec = _matvec


@pytest.mark.parametrize("wrap", [lambda op: op, lambda op: 3 * op, lambda op: op.H, lambda op: op @ op])
def test_results_survive_later_calls_of_an_operator_that_reuses_its_array(wrap):
    linear = TorchMap(wrap(Buffered()))
    factor = float(linear(torch.ones(3, dtype=torch.float64))[0])
    x = torch.arange(1.0, 7.0, dtype=torch.float64).reshape(2, 3)
    first, second, both = linear(x[0]), linear(x[1]), linear(x)
    torch.testing.assert_close(torch.stack([first, second]), factor * x)
    torch.testing.assert_close(both, factor * x)
    assert_pure(linear, x[0])


COPIED = {
    "assembled": A,
    "projected": RayTransform(FanBeam(np.linspace(0, 6, 3), 5, 2.0, 40.0, 40.0), ImageGrid((4, 3)), form="projected"),
    "mask": Mask(np.eye(3)),
    "filtered back projection": FilteredBackprojection(A),
    "gradient": Gradient((4, 3)),
    "composed": 2 * A,
}


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda op: pickle.loads(pickle.dumps(op))], ids=["copy", "pickle"])
@pytest.mark.parametrize("name", sorted(COPIED))
@pytest.mark.filterwarnings("ignore:filtered back projection needs whole views")
def test_operators_and_maps_can_be_copied(name, copied):
    op = COPIED[name]
    x = torch.from_numpy(RANDOM.standard_normal(op.dims))
    expected = TorchMap(op)(x)
    torch.testing.assert_close(TorchMap(copied(op))(x), expected)
    torch.testing.assert_close(copied(TorchMap(op, scale=2.0))(x), 2 * expected)
    assert copied(TorchMap(op).adjoint).domain_shape == tuple(op.dimsd)
