"""Readers: files written in each layout come back, and each way a file can be wrong is one clear error."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tifffile
from PIL import Image
from scipy.io import savemat
from scipy.sparse import csc_matrix

from dipgraph.data.readers import load_array, read_array, read_exchange, read_htc2022
from dipgraph.signatures.errors import InputError

VALUES = np.arange(12.0).reshape(3, 4) / 16


def write(path: Path, values: Any = VALUES) -> Path:
    """An array in the format that the path's ending names."""
    match path.suffix:
        case ".npy":
            np.save(path, values)
        case ".npz":
            np.savez(path, image=values)
        case ".mat":
            savemat(path, {"image": values})
        case ".h5":
            with h5py.File(path, "w") as file:
                file["group/image"] = values
        case ".tif":
            tifffile.imwrite(path, values.astype(np.float32))
        case ".csv":
            np.savetxt(path, values, delimiter=",")
        case ".txt":
            np.savetxt(path, values)
    return path


@pytest.mark.parametrize("ending", [".npy", ".npz", ".mat", ".h5", ".tif", ".csv", ".txt"])
def test_arrays_come_back(tmp_path: Path, ending: str) -> None:
    np.testing.assert_allclose(load_array(write(tmp_path / f"a{ending}")), VALUES)


def test_pictures_become_grey_levels_in_the_unit_interval(tmp_path: Path) -> None:
    levels = np.array([[0, 51], [102, 255]], dtype=np.uint8)
    Image.fromarray(levels).save(tmp_path / "a.png")
    np.testing.assert_allclose(load_array(tmp_path / "a.png"), levels / 255)
    Image.fromarray(levels.astype(np.uint16) * 257).save(tmp_path / "b.png")
    np.testing.assert_allclose(load_array(tmp_path / "b.png"), levels / 255, atol=1e-4)
    Image.fromarray(np.stack([levels] * 3, axis=-1)).save(tmp_path / "c.png")
    np.testing.assert_allclose(load_array(tmp_path / "c.png"), levels / 255, atol=1e-2)


def test_a_key_picks_one_of_several(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", one=VALUES, two=2 * VALUES)
    np.testing.assert_allclose(load_array(tmp_path / "a.npz", "two"), 2 * VALUES)
    with pytest.raises(InputError, match="2 arrays") as caught:
        load_array(tmp_path / "a.npz")
    assert "one, two" in caught.value.remedy
    with pytest.raises(InputError, match="no array 'three'"):
        load_array(tmp_path / "a.npz", "three")


@pytest.mark.parametrize("ending", [".npy", ".npz", ".mat", ".h5", ".tif", ".csv", ".png"])
@pytest.mark.parametrize("content", [b"", b"not what its ending says\x00\x01"])
def test_broken_files_are_one_clear_error(tmp_path: Path, ending: str, content: bytes) -> None:
    path = tmp_path / f"a{ending}"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_array(path)
    assert str(path) in caught.value.where


def test_absent_files_folders_and_unknown_endings(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        load_array(tmp_path / "absent.npy")
    with pytest.raises(InputError, match="it is a folder"):
        load_array(tmp_path)
    (tmp_path / "a.xyz").write_text("1")
    with pytest.raises(InputError, match=r"'\.xyz' are not known"):
        load_array(tmp_path / "a.xyz")


def test_pickles_are_not_opened(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "a.npz", a=np.array([{"a": 1}], dtype=object))
    (tmp_path / "b.npy").write_bytes(b"no NumPy file at all")
    for name in ("a.npy", "a.npz", "b.npy"):
        with pytest.raises(InputError, match="not unpickled") as caught:
            load_array(tmp_path / name)
        assert "allow_pickle" not in str(caught.value)


@pytest.mark.parametrize("ending", [".npy", ".tif", ".csv", ".txt"])
def test_a_key_for_an_array_without_a_name_is_refused(tmp_path: Path, ending: str) -> None:
    path = write(tmp_path / f"a{ending}")
    with pytest.raises(InputError, match="a key is given, 'image'") as caught:
        load_array(path, "image")
    assert "leave the key out" in caught.value.remedy
    with pytest.raises(InputError, match="a key is given, 'white'"):
        read_array(path, white_key="white")


def test_links_of_hdf5_name_their_arrays(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5")
    with h5py.File(path, "a") as file:
        file["soft"] = h5py.SoftLink("/group/image")
        file["far"] = h5py.ExternalLink("b.h5", "/group/image")
        file["dangling"] = h5py.SoftLink("/nowhere")
        file["nothing"] = h5py.Empty("f")
    write(tmp_path / "b.h5", 2 * VALUES)
    np.testing.assert_allclose(load_array(path, "/soft"), VALUES)
    np.testing.assert_allclose(load_array(path, "far"), 2 * VALUES)
    np.testing.assert_allclose(load_array(path, "/group/image/"), VALUES)
    for key, told in (("dangling", "no array"), ("group", "no array"), ("nothing", "is empty")):
        with pytest.raises(InputError, match=told):
            load_array(path, key)


def test_sparse_matrices_of_matlab_are_read(tmp_path: Path) -> None:
    savemat(tmp_path / "a.mat", {"image": csc_matrix(VALUES)})
    np.testing.assert_allclose(load_array(tmp_path / "a.mat"), VALUES)


def test_text_of_spreadsheets_is_read(tmp_path: Path) -> None:
    rows = [";".join(f"{value:g}" for value in row) for row in VALUES]
    (tmp_path / "a.csv").write_text("# a; b; c; d\n" + "\r\n".join(rows) + "\n", encoding="utf-8-sig")
    np.testing.assert_allclose(load_array(tmp_path / "a.csv"), VALUES, rtol=1e-5)


@pytest.mark.parametrize(
    "text", ["a,b\n1,2\n", "1,2\n3\n", "1,2,\n3,4,\n", "1,5;2,5\n", "", "\n \n"],
    ids=["headings", "ragged", "trailing comma", "decimal comma", "empty", "blank"],
)  # fmt: skip
@pytest.mark.filterwarnings("error")
def test_text_that_is_no_table_of_numbers_is_one_clear_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(InputError) as caught:
        load_array(tmp_path / "a.csv")
    assert ("one row a line" in caught.value.remedy) == bool(text.strip())


def test_what_is_no_plain_file_is_said(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.npy")
    for path, told in (
        (tmp_path / "a.npy", "a device or a pipe"), (tmp_path / ("a" * 5000 + ".npy"), "too long"),
        (tmp_path / "a\0.npy", "null"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=told):
            load_array(path)


@pytest.mark.parametrize("kind", ["M8[s]", "m8[s]", "S3", "U3", "complex64", "V4"])
def test_what_is_no_real_number_is_refused(tmp_path: Path, kind: str) -> None:
    np.save(tmp_path / "a.npy", np.ones((3, 4)).astype(kind) if kind != "V4" else np.zeros((3, 4), kind))
    with pytest.raises(InputError, match="complex" if kind == "complex64" else "not numbers"):
        read_array(tmp_path / "a.npy")


@pytest.mark.parametrize("kind", ["?", "u1", ">i2", "i8", "f2", ">f4", "f8", "longdouble"])
def test_real_numbers_of_any_width_and_order_are_read(tmp_path: Path, kind: str) -> None:
    values = np.asfortranarray((np.arange(12).reshape(3, 4) % 2).astype(kind))
    np.save(tmp_path / "a.npy", values)
    np.testing.assert_array_equal(read_array(tmp_path / "a.npy").data, np.arange(12).reshape(3, 4) % 2)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.array([[1.0, np.nan], [np.inf, 0.0]]), r"2 values that are NaN or infinite, the first at index \(0, 1\)"),
        (np.array([[1j]]), "complex"),
        (np.zeros((2, 2)), "is 0"),
        (np.zeros((0, 2)), "empty"),
        (np.array([["a"]]), "not numbers"),
    ],
)
def test_data_that_are_no_data_are_refused(tmp_path: Path, values: Any, message: str) -> None:
    np.save(tmp_path / "a.npy", values)
    with pytest.raises(InputError, match=message):
        read_array(tmp_path / "a.npy")


def test_a_transposed_sinogram_with_white_and_dark(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", data=VALUES + 1, white=np.full((5, 3), 9.0), dark=np.arange(3.0))
    found = read_array(tmp_path / "a.npz", "data", "detectors_views", "counts", "white", "dark")
    np.testing.assert_allclose(found.data, VALUES.T + 1)
    np.testing.assert_allclose(found.white, np.full((1, 3), 9.0))
    np.testing.assert_allclose(found.dark, [[0.0, 1.0, 2.0]])


def htc_struct(**changes: Any) -> dict[str, Any]:
    """A tiny scan in the challenge's layout."""
    parameters = {
        "angles": np.array([0.0, 90.0, 180.0, 270.0, 360.0]), "distanceSourceOrigin": 410.66,
        "distanceSourceDetector": 553.74, "pixelSizePost": 0.2, "effectivePixelSizePost": 0.148322,
    }  # fmt: skip
    struct: dict[str, Any] = {"sinogram": np.ones((5, 6)), "parameters": parameters}
    parameters.update({name: value for name, value in changes.items() if name != "sinogram"})
    struct.update({name: value for name, value in changes.items() if name == "sinogram"})
    return {"CtDataFull": struct}


def test_htc2022_drops_the_repeated_view(tmp_path: Path) -> None:
    savemat(tmp_path / "a.mat", htc_struct())
    scan = read_htc2022(tmp_path / "a.mat")
    assert scan.data.shape == (4, 6)
    assert scan.geometry is not None
    assert str(scan.geometry).startswith("flat fan beam, 4 views from 0 to 270 degrees")
    assert (scan.unit, scan.voxel, scan.quantity) == ("mm", 0.148322, "line integrals")


@pytest.mark.parametrize(
    ("struct", "message"),
    [
        ({"other": 1.0}, "no struct CtDataFull or CtDataLimited, but other"),
        ({"CtDataFull": {"sinogram": np.ones((5, 6))}}, "no field 'parameters'"),
        (htc_struct(angles=np.arange(4.0)), "5 rows, and there are 4 angles"),
        (htc_struct(angles=np.arange(6.0)), "is it transposed"),
        (htc_struct(pixelSizePost="wide"), "'pixelSizePost' is no number"),
        (htc_struct(sinogram=np.full((5, 6), np.nan)), "NaN"),
        (htc_struct(distanceSourceDetector=100.0), "origin_detector"),
    ],
)
def test_htc2022_says_what_is_wrong(tmp_path: Path, struct: dict[str, Any], message: str) -> None:
    savemat(tmp_path / "a.mat", struct)
    with pytest.raises(InputError, match=message):
        read_htc2022(tmp_path / "a.mat")


def exchange(path: Path, **changes: Any) -> Path:
    """A tiny scan in the Data Exchange layout; a dataset changed to none is left out."""
    held = {"data": np.full((4, 2, 6), 500.0), "data_white": np.full((3, 2, 6), 1000.0),
            "data_dark": np.full((3, 2, 6), 10.0), "theta": np.arange(4) * 45.0} | changes  # fmt: skip
    with h5py.File(path, "w") as file:
        for name, values in held.items():
            if values is not None:
                file[f"exchange/{name}"] = values
    return path


def test_exchange_reads_counts_fields_and_angles(tmp_path: Path) -> None:
    scan = read_exchange(exchange(tmp_path / "a.h5"), 1)
    assert (scan.quantity, scan.unit, scan.data.shape) == ("counts", "px", (4, 6))
    assert scan.white is not None
    assert scan.white.shape == (1, 6)
    np.testing.assert_allclose(scan.geometry.angles, np.arange(4) * np.pi / 4)  # type: ignore[union-attr]
    assert read_exchange(tmp_path / "a.h5", pitch=0.01).unit == "mm"


def test_exchange_without_angles_spreads_them_over_half_a_turn(tmp_path: Path) -> None:
    scan = read_exchange(exchange(tmp_path / "a.h5", theta=None))
    np.testing.assert_allclose(scan.geometry.angles, np.arange(4) * np.pi / 4)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("changes", "slice", "message"),
    [
        ({"data": None}, 0, "no 'exchange/data'"),
        ({}, 2, "there is no slice 2"),
        ({"data": np.ones((4, 6))}, 0, "not \\(views, slices, detectors\\)"),
        ({"theta": np.arange(3.0)}, 0, "4 rows, and there are 3 angles"),
        ({"data_white": np.ones((3, 2, 5))}, 0, "does not match"),
        ({"data_white": np.ones((3, 6))}, 0, "does not match"),
        ({"data_dark": np.full((3, 2, 6), np.nan)}, 0, "NaN"),
        ({"theta": np.zeros(4)}, 0, "same angle"),
    ],
)
def test_exchange_says_what_is_wrong(tmp_path: Path, changes: dict[str, Any], slice: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_exchange(exchange(tmp_path / "a.h5", **changes), slice)


@pytest.mark.parametrize("read", [load_array, read_exchange, read_htc2022])
def test_a_file_that_may_not_be_read_says_so(read: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.npy")
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may read anything
    with pytest.raises(InputError, match="Permission denied") as caught:
        read(path)
    assert "complete" not in caught.value.remedy
