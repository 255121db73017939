"""Subsets of the views, coarse grids, block means and masks."""

import numpy as np
import pylops
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dipgraph.operators import BlockMean, ImageGrid, Mask, RayTransform, TorchMap, coarsen, partition, view_subset
from dipgraph.signatures.errors import GeometryError, InputError

from .phantoms import DISC, GRID
from .scans import KINDS, scan

SMALL = ImageGrid((16, 12), 4.0)
IMAGE = np.random.default_rng(0).random(SMALL.shape, dtype=np.float32)


@given(
    views=st.integers(1, 60),
    data=st.data(),
    order=st.sampled_from(["interlaced", "sequential", "random"]),
    seed=st.integers(0, 5),
)
def test_parts_cover_all_views_once(views, data, order, seed):
    count = data.draw(st.integers(1, views))
    parts = partition(views, count, order, seed=seed)
    assert len(parts) == count
    assert sorted(np.concatenate(parts)) == list(range(views))
    sizes = [part.size for part in parts]
    assert max(sizes) - min(sizes) <= 1
    assert all((np.diff(part) > 0).all() for part in parts)


def test_orders_are_what_they_say():
    assert [list(part) for part in partition(7, 3)] == [[0, 3, 6], [1, 4], [2, 5]]
    assert [list(part) for part in partition(7, 3, "sequential")] == [[0, 1, 2], [3, 4], [5, 6]]
    first, again, other = (partition(20, 3, "random", seed=seed) for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize("form", ["assembled", "projected"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_subset_is_rows_of_the_whole(kind, form):
    A = RayTransform(scan(kind, 7), SMALL, form=form)
    data = A @ IMAGE
    back = np.zeros(SMALL.shape, np.float32)
    for part in partition(7, 3, "random"):
        A_i = view_subset(A, part)
        assert isinstance(A_i, RayTransform)
        assert (A_i.form, A_i.kernel, A_i.dimsd) == (form, A.kernel, (part.size, A.dimsd[1]))
        np.testing.assert_allclose(A_i @ IMAGE, data[part], rtol=1e-5, atol=1e-5 * data.max())
        back += A_i.H @ data[part]
    np.testing.assert_allclose(back, A.H @ data, rtol=1e-4)


def test_a_subset_keeps_precision_and_order():
    A = RayTransform(scan("fan", 6), SMALL, dtype="float64")
    A_i = view_subset(A, [4, 1])
    x = IMAGE.astype(np.float64)
    np.testing.assert_allclose(A_i @ x, (A @ x)[[4, 1]], rtol=1e-12)
    assert TorchMap(A_i).codomain_shape == (2, 260)


def test_another_operator_is_restricted_and_says_so():
    op = pylops.FirstDerivative((4, 3), axis=1, dtype="float64")
    x = np.arange(12.0).reshape(4, 3) ** 2
    with pytest.warns(UserWarning, match="no cheap subsets"):
        part = view_subset(op, [2, 0])
    np.testing.assert_array_equal(part @ x, (op @ x)[[2, 0]])


def test_a_subset_costs_its_share_of_the_non_zeros():
    A = RayTransform(scan("fan", 20), SMALL)
    parts = [view_subset(A, part) for part in partition(20, 10)]
    assert sum(part.matrix.nnz for part in parts) == A.matrix.nnz


def test_a_coarse_grid_sees_the_same_scan():
    geometry = scan("fan", 10)
    A = RayTransform(geometry, GRID, kernel="strip", form="projected")
    coarse = coarsen(A, 2)
    assert (coarse.dims, coarse.dimsd, coarse.grid.pixel) == ((64, 68), A.dimsd, 1.0)
    assert (coarse.kernel, coarse.form) == ("strip", "projected")
    fine_data = A @ DISC.sample(GRID)
    error = np.linalg.norm(coarse @ (BlockMean(A.dims, 2) @ DISC.sample(GRID)) - fine_data) / np.linalg.norm(fine_data)
    assert error < 0.02
    with pytest.raises(GeometryError, match="factor 3"):
        coarsen(A, 3)


def test_block_means():
    x = np.arange(24.0).reshape(4, 6)
    op = BlockMean((4, 6), 2, dtype="float64")
    np.testing.assert_array_equal(op @ x, x.reshape(2, 2, 3, 2).mean((1, 3)))
    np.testing.assert_allclose(4 * (op.H @ (op @ np.ones((4, 6)))), 1)
    with pytest.raises(InputError, match="blocks of 3"):
        BlockMean((4, 6), 3)


def test_masks():
    mask = np.array([[True, False], [True, True]])
    np.testing.assert_array_equal(Mask(mask) @ np.full((2, 2), 3.0, np.float32), [[3, 0], [3, 3]])
    for wrong in (np.empty((0, 2)), 3.0, np.array([np.nan]), np.array([1j])):
        with pytest.raises(InputError, match="mask"):
            Mask(wrong)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((5, 0), "0 parts"), ((5, 6), "6 parts"), ((5, 2, "sorted"), "'sorted'"), ((5, 2.5), "2.5 parts")],
)
def test_refuses_partitions_that_cannot_be(arguments, message):
    with pytest.raises(InputError, match=message):
        partition(*arguments)
    with pytest.raises(GeometryError, match="no view 9"):
        view_subset(RayTransform(scan("fan", 3), SMALL), [9])
