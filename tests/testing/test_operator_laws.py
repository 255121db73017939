"""The laws of operators catch what they are there to catch."""

import numpy as np
import pylops
import pytest
import torch
from pylops import LinearOperator

from dipgraph.operators import FanBeam, ImageGrid, RayTransform, TorchMap
from dipgraph.testing import (
    LawError,
    assert_adjoint,
    assert_batched,
    assert_gradient,
    assert_linear,
    assert_pure,
    measure_adjoint,
    measure_batched,
    measure_gradient,
    measure_linear,
    measure_pure,
)

A = RayTransform(FanBeam(np.linspace(0, 6, 20), 40, 2.0, 80.0, 40.0), ImageGrid((32, 32)))


class Faulty(LinearOperator):
    """The ray transform with its adjoint, or itself, tampered with."""

    def __init__(self, forward=lambda y: y, adjoint=lambda x: x):
        super().__init__(dtype="float32", dims=A.dims, dimsd=A.dimsd)
        self._forward, self._back = forward, adjoint

    def _matvec(self, x):
        return self._forward(A.matvec(x))

    def _rmatvec(self, y):
        return self._back(A.rmatvec(y))


def test_a_sound_operator_passes():
    for record in (assert_linear(A), assert_adjoint(A)):
        assert record.ok
        assert 0 <= record.measured < record.bound == 1e-6
    assert "scale 1," in assert_adjoint(A).detail
    assert str(assert_adjoint(A)).startswith("adjoint: measured")


@pytest.mark.parametrize("scale", [2.0, 0.5, 1.01])
def test_a_mis_scaled_adjoint_is_found_and_its_scale_named(scale):
    record = measure_adjoint(Faulty(adjoint=lambda x: x * np.float32(1 / scale)))
    assert not record.ok
    assert f"scale {scale:g}" in record.detail
    rest = float(record.detail.split()[-1])
    assert rest < 1e-6
    with pytest.raises(LawError, match=f"adjoint: .*BROKEN.*scale {scale:g}"):
        assert_adjoint(Faulty(adjoint=lambda x: x / np.float32(scale)))


def test_a_wrong_adjoint_is_told_from_a_mis_scaled_one():
    record = measure_adjoint(Faulty(adjoint=lambda x: x[::-1].copy()))
    assert not record.ok
    assert float(record.detail.split()[-1]) > 1e-3


def test_a_zero_adjoint_is_found():
    assert not measure_adjoint(Faulty(adjoint=lambda x: 0 * x)).ok


def test_the_declared_bound_is_used():
    loose = Faulty(adjoint=lambda x: x * np.float32(1.05))
    loose.adjoint_bound = 0.1
    assert measure_adjoint(loose).ok
    assert not measure_adjoint(loose, bound=0.01).ok


@pytest.mark.parametrize("broken", ["forward", "adjoint"])
def test_values_that_are_not_finite_are_no_small_error(broken):
    operator = Faulty(**{broken: lambda x: np.full_like(x, np.nan)})
    assert not measure_adjoint(operator).ok
    if broken == "forward":
        assert not measure_linear(operator).ok
        assert not measure_gradient(lambda x: x * torch.nan, POINT).ok
        assert not measure_batched(lambda x: x * torch.nan, POINT).ok


def test_complex_operators_are_measured_too():
    fourier = pylops.signalprocessing.FFT(8, dtype="complex128")
    assert assert_adjoint(fourier).measured < 1e-14
    assert assert_linear(fourier).ok


@pytest.mark.parametrize("forward", [np.abs, lambda y: y + np.float32(1), lambda y: np.maximum(y, 0)])
def test_what_is_not_linear_is_found(forward):
    assert not measure_linear(Faulty(forward=forward)).ok
    with pytest.raises(LawError, match="linear"):
        assert_linear(Faulty(forward=forward))


POINT = torch.linspace(-1, 1, 12, dtype=torch.float64).reshape(3, 4)


class Detached(torch.autograd.Function):
    """The cube with a first derivative that cannot be differentiated, as in PyLops' own bridge."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return (3 * x**2 * grad).detach()


def test_sound_derivatives_pass():
    assert assert_gradient(lambda x: x.sin().cumsum(-1), POINT).ok


def test_wrong_derivatives_are_found():
    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, grad):
            return grad * 2.001

    assert not measure_gradient(Wrong.apply, POINT).ok
    assert measure_gradient(Detached.apply, POINT, order=1).ok
    assert not measure_gradient(Detached.apply, POINT).ok
    with pytest.raises(LawError, match="gradient"):
        assert_gradient(Wrong.apply, POINT)


class Factor(torch.autograd.Function):
    """Twice x, its derivative another factor."""

    @staticmethod
    def forward(ctx, x, factor):
        ctx.factor = factor
        return x * 2

    @staticmethod
    def backward(ctx, grad):
        return grad * ctx.factor, None


@pytest.mark.parametrize("factor", [0.0, 4.0, -2.0, 2.1])
def test_wrong_factors_are_found_in_single_precision_and_at_full_size(factor):
    image = torch.rand(128, 128)
    assert measure_gradient(lambda x: Factor.apply(x, 2.0), image).ok
    record = measure_gradient(lambda x: Factor.apply(x, factor), image)
    assert record.measured == pytest.approx(abs(factor / 2 - 1), rel=0.01)


def test_maps_without_derivative():
    assert measure_gradient(lambda x: torch.ones(3, dtype=x.dtype), POINT).ok
    with pytest.raises(LawError, match="gradient"):
        assert_gradient(lambda x: x.detach() ** 2, POINT)

    class Once(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx, grad):
            return grad * 2

    assert measure_gradient(Once.apply, POINT, order=1).ok
    with pytest.raises(LawError, match="second"):
        assert_gradient(Once.apply, POINT)


@pytest.mark.parametrize("scale", [0.0, 1e-8, 1.0, 1e6])
@pytest.mark.parametrize("power", [1, 2, 3])
def test_sound_derivatives_pass_wherever_they_are_taken(scale, power):
    assert assert_gradient(lambda x: x**power, scale * POINT).ok
    assert assert_gradient(lambda x: (x**power).sum(), scale * POINT).ok


@pytest.mark.parametrize("adjoint", [lambda x: -x, lambda x: 0 * x, lambda x: x * np.nan, lambda x: x * 1e6])
def test_a_wrong_adjoint_leaves_the_operator_linear(adjoint):
    operator = Faulty(adjoint=adjoint)
    assert measure_linear(operator).ok
    assert not measure_adjoint(operator).ok


def test_faulty_batches_are_found():
    assert assert_batched(lambda x: x * 2, POINT, vmap=True).ok
    assert not measure_batched(lambda x: x - x.mean(), POINT).ok
    record = measure_batched(lambda x: x.reshape(-1, 12), POINT)
    assert "wrong shapes" in record.detail
    with pytest.raises(LawError, match="batched"):
        assert_batched(lambda x: x - x.mean(), POINT)


def test_impure_maps_are_found():
    calls = []

    def counting(x):
        calls.append(1)
        return x + len(calls)

    assert assert_pure(TorchMap(A), torch.rand(A.dims)).ok
    assert "input changed" in measure_pure(lambda x: x.add_(1), POINT).detail
    assert "shares the input's memory" in measure_pure(lambda x: x.view(-1), POINT).detail
    assert "two calls differ" in measure_pure(counting, POINT).detail
    assert "refused" in measure_pure(lambda x: x.view(-1) * 2, POINT).detail
    assert "other values" in measure_pure(lambda x: x * x.stride(-1), POINT).detail
    with pytest.raises(LawError, match="pure"):
        assert_pure(lambda x: x.add_(1), POINT)
    kept = torch.zeros_like(POINT)
    assert "changes an earlier result" in measure_pure(lambda x: torch.mul(x, 2, out=kept), POINT).detail

    def strided_changed(x):
        out = x.clone()
        return out if x.is_contiguous() else (x.mul_(3), out)[1]

    assert "a strided input is changed, a transposed input is changed" in measure_pure(strided_changed, POINT).detail
    assert assert_pure(lambda x: x * 2, torch.tensor(1.0)).ok
