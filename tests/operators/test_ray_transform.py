"""The ray transform as an operator: forms, precision, memory, algebra, other packages, and what it refuses."""

import astra
import numpy as np
import pylops
import pytest
import torch
from pylops.medical import CT2D

from dipgraph.operators import FanBeam, ImageGrid, ParallelBeam, RayTransform, astra_kernels, devices
from dipgraph.operators.assembled import assemble, estimate
from dipgraph.signatures.errors import GeometryError, InputError, MissingExtra
from dipgraph.testing.strategies import SCANS

from .scans import KINDS, scan

GRID = ImageGrid((20, 24), 2.5)
IMAGE = np.random.default_rng(0).random(GRID.shape, dtype=np.float32)


def test_shapes_and_names():
    A = RayTransform(scan("fan", 6), GRID)
    assert A.dims == (20, 24)
    assert A.dimsd == (6, 260)
    assert (A @ IMAGE).shape == A.dimsd
    assert (A.H @ (A @ IMAGE)).shape == A.dims
    assert (A @ IMAGE.ravel()).shape == (6 * 260,)
    assert (A @ np.stack([IMAGE] * 3, axis=-1)).shape == (6, 260, 3)
    assert (A.kernel, A.form, A.adjointness, A.adjoint_bound) == ("line", "assembled", "exact", 1e-6)
    assert RayTransform(scan("parallel", 6), GRID).kernel == "linear"
    for part in ("line", "assembled on cpu", "20 x 24 pixels", "6 x 260", "flat fan"):
        assert part in str(A)


@pytest.mark.parametrize("kind", KINDS)
def test_memory_is_foreseen(kind):
    geometry = scan(kind, 40, arc=np.pi)
    A = RayTransform(geometry, GRID)
    assert A.bytes_held == pytest.approx(A.bytes_estimate, rel=0.1)
    assert A.estimate.peak > A.bytes_estimate
    assert RayTransform(geometry, GRID, form="projected").bytes_held == 0


def test_form_follows_the_memory_allowed():
    geometry = scan("fan", 12)
    needed = estimate(geometry, GRID, "line").held
    assert RayTransform(geometry, GRID, memory_limit=2 * needed).form == "assembled"
    assert RayTransform(geometry, GRID, memory_limit=needed // 2).form == "projected"
    assert RayTransform(geometry, GRID, memory_limit=0, form="assembled").form == "assembled"
    assert devices.default_memory_limit("cpu") > 0


def test_assembling_in_pieces_changes_nothing(monkeypatch):
    geometry = scan("fan offset", 9)
    whole = assemble(geometry, GRID, "line")
    monkeypatch.setattr("dipgraph.operators.assembled.CHUNK_NONZEROS", 1)
    pieces = assemble(geometry, GRID, "line")
    for name in ("forward", "transposed"):
        assert (getattr(whole, name) != getattr(pieces, name)).nnz == 0
    assert pieces.forward.has_canonical_format
    assert pieces.forward.indices.dtype == np.int32


def test_double_precision():
    geometry = scan("fan offset", 5)
    single, double = RayTransform(geometry, GRID), RayTransform(geometry, GRID, dtype="float64")
    x = IMAGE.astype(np.float64)
    exact = double @ x
    assert exact.dtype == np.float64
    np.testing.assert_allclose(single @ x, exact, rtol=1e-12)
    np.testing.assert_allclose(single.astype("float64") @ x, exact, rtol=1e-12)
    np.testing.assert_allclose(single @ IMAGE, exact, rtol=1e-5, atol=1e-5)
    y = np.random.default_rng(0).standard_normal(double.dimsd)
    assert abs(np.vdot(exact, y) - np.vdot(x, double.H @ y)) < 1e-12 * np.linalg.norm(exact) * np.linalg.norm(y)
    projected = RayTransform(geometry, GRID, form="projected")
    assert (projected @ x).dtype == np.float64
    np.testing.assert_allclose(projected @ x, exact, rtol=1e-3, atol=1e-5 * exact.max())
    with pytest.raises(InputError, match="float32 only"):
        RayTransform(geometry, GRID, form="projected", dtype="float64")
    with pytest.raises(InputError, match="not assembled"):
        projected.astype("float64")


@pytest.mark.parametrize("form", ["assembled", "projected"])
def test_many_columns_are_many_images(form):
    A = RayTransform(scan("fan", 6), GRID, form=form)
    columns = np.random.default_rng(0).standard_normal((A.shape[1], 9)).astype(np.float32)
    for count in (1, 3, 9):
        together = A.matmat(columns[:, :count])
        singly = np.stack([A.matvec(column) for column in columns[:, :count].T], axis=1)
        np.testing.assert_allclose(together, singly, atol=1e-5 * np.abs(singly).max())
    back = A.rmatmat(together)
    np.testing.assert_allclose(back[:, 2], A.rmatvec(together[:, 2].copy()), atol=1e-5 * np.abs(back).max())


def test_pylops_algebra_works_on_it():
    A = RayTransform(scan("parallel", 4), GRID)
    B = RayTransform(scan("fan", 4), GRID)
    stacked = pylops.VStack([A, 2.0 * B])
    expected = np.concatenate([(A @ IMAGE).ravel(), 2 * (B @ IMAGE).ravel()])
    np.testing.assert_allclose(stacked @ IMAGE.ravel(), expected, rtol=1e-5, atol=1e-5)
    blocks = pylops.BlockDiag([A, B]) @ np.concatenate([IMAGE.ravel()] * 2)
    np.testing.assert_allclose(blocks, np.concatenate([(A @ IMAGE).ravel(), (B @ IMAGE).ravel()]), rtol=1e-5)
    normal = A.H @ A
    np.testing.assert_allclose(normal @ IMAGE, A.H @ (A @ IMAGE), rtol=1e-5)
    np.testing.assert_allclose((A - 0.5 * A) @ IMAGE, 0.5 * (A @ IMAGE), rtol=1e-5, atol=1e-5)
    dense = RayTransform(ParallelBeam([0.1], 3, 20.0), ImageGrid((3, 2), 20.0))
    np.testing.assert_array_equal(dense.todense(), dense.matrix.toarray())


@pytest.mark.parametrize(
    ("kind", "kernel"), [("parallel", k) for k in SCANS["parallel"]] + [("fan", k) for k in SCANS["fan"]]
)
def test_agrees_with_pylops(kind, kernel):
    geometry, grid = scan(kind, 7), ImageGrid((20, 24), 1.0)
    extra = {}
    if kind == "fan":
        extra = {"source_origin_dist": geometry.source_origin, "origin_detector_dist": geometry.origin_detector}
    theirs = CT2D(
        grid.shape,
        geometry.pitch,
        geometry.detectors,
        np.array(geometry.angles),
        engine="cpu",
        proj_geom_type="parallel" if kind == "parallel" else "fanflat",
        projector_type=kernel,
        **extra,
    )
    ours = RayTransform(geometry, grid, kernel=kernel)
    expected = theirs @ IMAGE
    assert np.linalg.norm(ours @ IMAGE - expected) < 1e-5 * np.linalg.norm(expected)
    back = theirs.H @ expected
    assert np.linalg.norm(ours.H @ expected - back) < 1e-5 * np.linalg.norm(back)


def test_pylops_takes_radians_where_it_documents_degrees():
    # The defect of PyLops' CT2D: following its documentation gives another scan. Ours warns of degrees instead.
    geometry, grid = ParallelBeam(np.linspace(0.1, 3.0, 7), 40, 1.0), ImageGrid((20, 24), 1.0)
    expected = RayTransform(geometry, grid, kernel="strip") @ IMAGE
    documented = CT2D(grid.shape, 1.0, 40, np.rad2deg(geometry.angles), engine="cpu") @ IMAGE
    radians = CT2D(grid.shape, 1.0, 40, np.array(geometry.angles), engine="cpu") @ IMAGE
    assert np.linalg.norm(documented - expected) > 0.1 * np.linalg.norm(expected)
    assert np.linalg.norm(radians - expected) < 1e-5 * np.linalg.norm(expected)


def test_agrees_with_astra_s_own_algorithm():
    geometry = scan("fan", 7)
    grid = ImageGrid((20, 24), 0.5)
    size = grid.pixel
    scan_geometry = astra.create_proj_geom(
        "fanflat",
        geometry.pitch / size,
        geometry.detectors,
        np.array(geometry.angles),
        geometry.source_origin / size,
        geometry.origin_detector / size,
    )
    volume = astra.create_vol_geom(*grid.shape)
    projector = astra.create_projector("line_fanflat", scan_geometry, volume)
    identifier, expected = astra.create_sino(IMAGE, projector)
    astra.data2d.delete(identifier)
    ours = RayTransform(geometry, grid) @ IMAGE
    assert np.linalg.norm(ours - size * expected) < 1e-5 * np.linalg.norm(size * expected)


def test_the_door_of_older_astra_gives_the_same(monkeypatch):
    geometry = scan("fan offset", 5)
    direct = RayTransform(geometry, GRID, form="projected")
    data = direct @ IMAGE
    image = direct.H @ data
    monkeypatch.delattr(astra.projector, "direct_FP", raising=False)
    linked = RayTransform(geometry, GRID, form="projected", debug=True)
    assert not linked._projector._direct
    np.testing.assert_array_equal(linked @ IMAGE, data)
    np.testing.assert_array_equal(linked.H @ data, image)


def test_debug_catches_an_output_left_untouched(monkeypatch):
    A = RayTransform(scan("fan", 5), GRID, form="projected", debug=True)
    assert np.isfinite(A @ IMAGE).all()
    monkeypatch.setattr(A._projector._astra.projector, "direct_FP", lambda *_, out: None, raising=False)
    with pytest.raises(InputError, match="left 1300 of 1300 values"):
        A @ IMAGE


def test_projectors_are_released():
    A = RayTransform(scan("fan", 5), GRID, form="projected")
    release = A._projector._release
    assert release.alive
    del A
    assert not release.alive


@pytest.mark.parametrize("form", ["assembled", "projected"])
def test_refuses_arrays_it_cannot_take(form):
    A = RayTransform(scan("fan", 5), GRID, form=form)
    for wrong in (IMAGE.astype(np.int32), IMAGE.astype(np.complex64), IMAGE.astype(np.float16)):
        with pytest.raises(InputError, match=str(wrong.dtype)):
            A @ wrong
    A.device = "cuda"
    with pytest.raises(InputError, match="got a NumPy array"):
        A @ IMAGE


def test_read_only_and_strided_arrays_are_taken():
    A = RayTransform(scan("fan", 5), GRID, form="projected")
    frozen = IMAGE.copy()
    frozen.flags.writeable = False
    np.testing.assert_array_equal(A @ frozen, A @ IMAGE)
    np.testing.assert_array_equal(A @ np.asfortranarray(IMAGE), A @ IMAGE)


def refused(message, *args, error=GeometryError, **kwargs):
    with pytest.raises(error, match=message) as raised:
        RayTransform(*args, **kwargs)
    assert raised.value.remedy
    return str(raised.value)


def test_refuses_kernels_the_geometry_does_not_have():
    assert "linear, line, strip" in refused("'cubic'", scan("parallel", 3), GRID, kernel="cubic")
    assert "line, strip" in refused("'linear'", scan("fan", 3), GRID, kernel="linear")
    assert "'line'" in refused("strip", scan("fan offset", 3), GRID, kernel="strip")
    assert "'line'" in refused("strip", scan("fan vectors", 3), GRID, kernel="strip")


def test_refuses_an_image_out_of_sight():
    angles = np.linspace(0, 3, 4)
    refused("view 0 the source stands inside", FanBeam(angles, 9, 1.0, 20.0, 100.0), GRID)
    refused("view 0 does not see", ParallelBeam(angles, 9, 1.0, detector_offset=90.0), GRID)
    refused("view 0 does not see", FanBeam(angles, 9, 1.0, 100.0, 100.0, centre_shift=-300.0), GRID)
    # A virtual detector through the axis is fine: rays are whole lines.
    RayTransform(FanBeam(angles, 99, 1.0, 100.0, 0.0), GRID)


def test_refuses_unknown_words_and_absent_devices():
    geometry = scan("fan", 3)
    refused("form is 'dense'", geometry, GRID, form="dense", error=InputError)
    refused("device is 'tpu'", geometry, GRID, device="tpu", error=InputError)
    refused("dtype is float16", geometry, GRID, dtype="float16", error=InputError)
    if not torch.cuda.is_available():
        refused("no CUDA device", geometry, GRID, device="cuda", error=InputError)


def test_names_the_missing_package(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "astra", None)
    with pytest.raises(MissingExtra, match="ASTRA") as raised:
        astra_kernels.load_astra()
    assert "pip install" in raised.value.remedy
    with pytest.raises(MissingExtra, match="CuPy"):
        devices.gpu_module("cupy_that_is_not_there")
