"""Subsets of the views and splits of the rays."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from block_laws import few, lawful, matrix_map
from hypothesis import given
from hypothesis import strategies as st

from dipgraph.blocks.filling import Filling
from dipgraph.blocks.grid import coarsen
from dipgraph.blocks.rays import split
from dipgraph.blocks.subset import SubsetSampler
from dipgraph.signatures import InputError

pytestmark = pytest.mark.filterwarnings("ignore:.*has no cheap subsets:UserWarning")


def stream() -> torch.Generator:
    return torch.Generator().manual_seed(3)


@few
@given(views=st.integers(1, 9), count=st.integers(1, 9), order=st.sampled_from(["random", "cyclic"]))
def test_each_pass_takes_every_view_once(views: int, count: int, order: str) -> None:
    A = matrix_map((3, 3), (views, 2))
    y = torch.arange(views * 2, dtype=torch.float64).reshape(1, 1, views, 2)
    x = torch.rand(1, 1, 3, 3, dtype=torch.float64)
    sampler, random = SubsetSampler(count, order), stream()
    if count > views:
        with pytest.raises(InputError, match=f"use at most {views}"):
            sampler(A, y, random)
        return
    for _ in range(3):
        seen, total = [], torch.zeros_like(x)
        for _ in range(count):
            part, data, taken = sampler(A, y, random)
            numbers = (data[0, 0, :, 0] / 2).long()
            seen += numbers.tolist()
            assert torch.equal(taken(y), data)
            torch.testing.assert_close(part(x), A(x)[:, :, numbers])
            total = total + part.adjoint(part(x) - data)
        assert sorted(seen) == list(range(views))
        torch.testing.assert_close(total, A.adjoint(A(x) - y))


def test_random_passes_differ_and_go_on_after_a_resume() -> None:
    A, y = matrix_map((3, 3), (8, 2)), torch.rand(1, 1, 8, 2, dtype=torch.float64)
    sampler, random = SubsetSampler(8), stream()
    order = [float(sampler(A, y, random).data.sum()) for _ in range(24)]
    assert order[:8] != order[8:16] != order[16:]
    resumed = SubsetSampler(8)
    resumed.seed, resumed.position = sampler.seed, 11
    assert [float(resumed(A, y, stream()).data.sum()) for _ in range(13)] == order[11:]


@lawful
@given(
    shape=st.tuples(st.integers(1, 8), st.integers(1, 8)),
    hold=st.floats(0.01, 0.99),
    by=st.sampled_from(["rays", "views"]),
)
def test_splits_part_the_data(shape: tuple[int, int], hold: float, by: str) -> None:
    units = shape[0] * shape[1] if by == "rays" else shape[0]
    space = SimpleNamespace(shape=shape)
    if units < 2:
        with pytest.raises(InputError, match="only one"):
            split(space, hold, stream(), by)
        return
    kept, held, _ = split(space, hold, stream(), by)
    y = torch.randperm(shape[0] * shape[1]).double().reshape(1, 1, *shape)
    parts = [kept(y), held(y)]
    assert sorted(torch.cat([part.flatten() for part in parts]).tolist()) == list(range(y.numel()))
    share = parts[1].numel() / y.numel()
    assert abs(share - hold) <= 1 / units
    assert torch.equal(kept.adjoint(parts[0]) + held.adjoint(parts[1]), y)
    if by == "views":
        assert parts[0].shape[3] == shape[1]


def test_a_coarser_grid() -> None:
    A = matrix_map((6, 4), (3, 5))
    coarse, up, down = coarsen(A, 2)
    x = torch.rand(2, 1, 3, 2, dtype=torch.float64)
    assert torch.equal(up(x), x.repeat_interleave(2, -2).repeat_interleave(2, -1))
    torch.testing.assert_close(down(up(x)), x)
    torch.testing.assert_close(coarse(x), A(up(x)))
    y = torch.rand(1, 1, 3, 5, dtype=torch.float64)
    torch.testing.assert_close((coarse(x[:1]) * y).sum(), (x[:1] * coarse.adjoint(y)).sum())
    with pytest.raises(InputError, match="blocks of 4"):
        coarsen(A, 4)


def test_selections_are_linear_maps_with_derivatives() -> None:
    kept, *_ = split(SimpleNamespace(shape=(4, 5)), 0.3, stream())
    y = torch.rand(2, 3, 4, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(kept, (y,))
    assert torch.autograd.gradgradcheck(lambda y: kept(y).square(), (y,))
    one = y.detach()[0, 0]
    np.testing.assert_array_equal(kept.op @ one.numpy().ravel(), kept(one).numpy())
    p = torch.rand(*kept.codomain_shape, dtype=torch.float64)
    np.testing.assert_array_equal(kept.adjoint.op @ p.numpy(), kept.adjoint(p).numpy())


@pytest.mark.parametrize("by", ["rays", "views"])
@pytest.mark.parametrize("shape", [(4, 5), (1, 1)])
def test_nothing_may_be_held_out(shape: tuple[int, int], by: str) -> None:
    kept, held, _ = split(SimpleNamespace(shape=shape), 0.0, stream(), by)
    y = torch.rand(2, 1, *shape)
    assert torch.equal(kept(y).flatten(), y.flatten())
    assert held(y).numel() == 0
    assert torch.linalg.vector_norm(held(y)) == 0
    assert torch.equal(kept.adjoint(kept(y)), y)
    assert torch.equal(held.adjoint(held(y)), torch.zeros_like(y))
    assert (held.op @ y[0, 0].numpy().ravel()).size == 0


def test_what_is_held_out_reaches_nothing_be_it_nan() -> None:
    kept, held, _ = split(SimpleNamespace(shape=(6, 5)), 0.2, stream())
    y = torch.rand(1, 1, 6, 5)
    spoilt = torch.where(held.adjoint(held(torch.ones_like(y))) == 1, torch.nan, y).requires_grad_()
    assert torch.equal(kept(spoilt), kept(y))
    (slope,) = torch.autograd.grad(kept(spoilt).square().sum(), spoilt)
    assert torch.equal(slope, kept.adjoint(2 * kept(y)))


@lawful
@given(
    shape=st.tuples(st.integers(1, 7), st.integers(2, 7)),
    hold=st.floats(0.01, 0.7),
    by=st.sampled_from(["rays", "views"]),
)
def test_filling_interpolates_what_is_held_out(shape: tuple[int, int], hold: float, by: str) -> None:
    if by == "views":
        shape = shape[::-1]
    kept, held, fill = split(SimpleNamespace(shape=shape), hold, stream(), by)
    y = torch.rand(2, 3, *shape, dtype=torch.float64)
    gaps = held.adjoint(held(torch.ones(1, 1, *shape))) == 1
    filled = fill(torch.where(gaps, torch.nan, y))  # what is held out is not looked at
    assert torch.equal(kept(filled), kept(y))
    lines, known = (y, ~gaps[0, 0]) if by == "rays" else (y.mT, ~gaps[0, 0].mT)
    for number, whole in enumerate(known):
        places = np.flatnonzero(whole.numpy())
        found = (filled if by == "rays" else filled.mT)[..., number, :]
        for line, got in zip(lines[..., number, :].reshape(6, -1), found.reshape(6, -1), strict=True):
            wanted = np.interp(np.arange(len(whole)), places, line.numpy()[places]) if places.size else 0 * line.numpy()
            np.testing.assert_allclose(got.numpy(), wanted, atol=1e-12)


@pytest.mark.parametrize("by", ["rays", "views"])
def test_filling_is_linear_with_an_adjoint_and_derivatives(by: str) -> None:
    _, _, fill = split(SimpleNamespace(shape=(5, 4)), 0.4, stream(), by)
    y = torch.rand(2, 1, 5, 4, dtype=torch.float64, requires_grad=True)
    p = torch.rand(2, 1, 5, 4, dtype=torch.float64)
    torch.testing.assert_close((fill(y) * p).sum(), (y * fill.adjoint(p)).sum())
    assert torch.autograd.gradcheck(fill, (y,))
    assert torch.autograd.gradgradcheck(lambda y: fill(y).square(), (y,))
    one, other = y.detach()[0, 0], p[0, 0]
    np.testing.assert_allclose(fill.op @ one.numpy().ravel(), fill(one).numpy().ravel(), atol=1e-15)
    np.testing.assert_allclose(fill.adjoint.op @ other.numpy().ravel(), fill.adjoint(other).numpy().ravel(), atol=1e-15)


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_the_adjoint_of_filling_adds_in_the_same_order_always(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.Tensor, "index_add_", None)  # whose order is left to chance on a GPU
    known = torch.zeros(3, 5000, dtype=torch.bool, device=device)
    known[:, ::1000] = True
    fill = Filling(known, axis=-1)
    p = torch.rand(2, 1, 3, 5000, device=device)
    first = fill.adjoint(p)
    assert all(torch.equal(fill.adjoint(p), first) for _ in range(10))
    exact = torch.from_numpy(fill.op.H.matmat(p.double().cpu().numpy().reshape(2, -1).T).T.reshape(p.shape))
    torch.testing.assert_close(first.double().cpu(), exact, rtol=1e-4, atol=1e-4)
