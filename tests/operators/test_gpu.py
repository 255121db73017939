"""The operators on CUDA: the same values as on the CPU, adjoints within their bounds, no copy to the host."""

import numpy as np
import pytest
import torch

from dipgraph.operators import FilteredBackprojection, LeastSquares, RayTransform, TorchMap, norm, view_subset
from dipgraph.signatures.errors import InputError
from dipgraph.testing import (
    assert_adjoint,
    assert_batched,
    assert_gradient,
    assert_linear,
    assert_pure,
    measure_adjoint,
)

from .phantoms import DISC, GRID
from .scans import KINDS, scan

pytestmark = pytest.mark.gpu


@pytest.fixture
def cupy():
    return pytest.importorskip("cupy", reason="arrays on a GPU need CuPy")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", ["assembled", "projected"])
def test_projects_as_the_cpu_does(kind, form, cupy):
    geometry = scan(kind, 12)
    A = RayTransform(geometry, GRID, device="cuda", form=form)
    image = DISC.sample(GRID)
    data = cupy.asnumpy(A @ cupy.asarray(image))
    exact = DISC.project(geometry)
    assert np.linalg.norm(data - exact) < 0.01 * np.linalg.norm(exact)
    lopsided = np.random.default_rng(0).random(GRID.shape, dtype=np.float32)
    on_cpu = RayTransform(geometry, GRID) @ lopsided
    assert np.linalg.norm(cupy.asnumpy(A @ cupy.asarray(lopsided)) - on_cpu) < 0.02 * np.linalg.norm(on_cpu)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", ["assembled", "projected"])
def test_laws_hold_within_the_bound_declared(kind, form, cupy, record_property):
    A = RayTransform(scan(kind, 12), GRID, device="cuda", form=form, debug=True)
    record = measure_adjoint(A)
    # The bound is stated with the device it was measured on.
    record_property("adjoint", f"{torch.cuda.get_device_name()}: {kind}, {form}: {record}")
    print(record)
    assert record.ok
    assert_linear(A, bound=1e-5)
    linear = TorchMap(A)
    x = torch.rand(A.dims, device="cuda")
    assert_batched(linear, x, bound=1e-5)
    if form == "assembled":
        assert_pure(linear, x)
        assert_gradient(linear, x)


def test_filtered_back_projection_and_least_squares(cupy):
    geometry = scan("fan", 60)
    A = RayTransform(geometry, GRID, device="cuda")
    data = torch.from_numpy(DISC.project(geometry).astype(np.float32)).cuda()
    inverse = FilteredBackprojection(A)
    image = TorchMap(inverse)(data)
    assert image.is_cuda
    assert image.cpu().numpy()[DISC.core(GRID)].mean() == pytest.approx(DISC.density, rel=0.02)
    assert_adjoint(inverse)
    solved = LeastSquares(A, 15)(data)
    assert solved.cpu().numpy()[DISC.core(GRID)].mean() == pytest.approx(DISC.density, rel=0.02)


def test_norm_and_subsets(cupy):
    A = RayTransform(scan("fan", 12), GRID, device="cuda")
    assert norm(A) == pytest.approx(norm(RayTransform(scan("fan", 12), GRID)), rel=1e-3)
    x = cupy.ones(A.dims, dtype=np.float32)
    part = view_subset(A, [5, 1])
    np.testing.assert_allclose(cupy.asnumpy(part @ x), cupy.asnumpy(A @ x)[[5, 1]], rtol=1e-4)


def test_nothing_visits_the_host(cupy):
    linear = TorchMap(RayTransform(scan("fan", 12), GRID, device="cuda"))
    x = torch.rand(GRID.shape, device="cuda", requires_grad=True)
    linear(x).sum().backward()
    torch.cuda.synchronize()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        linear(x).sum().backward()
    copies = [event.key for event in profile.key_averages() if "DtoH" in event.key or "HtoD" in event.key]
    assert not copies


def test_the_current_stream_is_used(cupy):
    linear = TorchMap(RayTransform(scan("fan", 12), GRID, device="cuda"))
    x = torch.rand(GRID.shape, device="cuda")
    expected = linear(x)
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        result = linear(x)
    side.synchronize()
    torch.testing.assert_close(result, expected)


def test_refuses_tensors_of_the_other_device(cupy):
    A = RayTransform(scan("fan", 3), GRID, device="cuda")
    with pytest.raises(InputError, match="'cuda' and got a tensor on 'cpu'"):
        TorchMap(A)(torch.ones(GRID.shape))
    with pytest.raises(InputError, match="got a NumPy array"):
        A @ np.ones(GRID.shape, np.float32)
