"""Arrays from files: NumPy, TIFF, MATLAB, HDF5, text and grey images, by the file's ending."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from dipgraph.signatures.errors import InputError

AnyArray = NDArray[Any]


def load_array(path: Path, key: str | None = None) -> AnyArray:
    """Return the array that a file holds.

    Parameters
    ----------
    path
        ``.npy``, ``.npz``, ``.mat`` (to version 7.2 by SciPy, 7.3 as HDF5), ``.h5``/``.hdf5``/``.nxs``, ``.tif``/
        ``.tiff``, ``.csv``/``.txt``, ``.png`` and other grey images.
    key
        The array's name in a file that holds several, in HDF5 its path or that of a link; may be left out where there
        is only one. Files whose arrays have no names take none.

    Raises
    ------
    InputError
        If the file cannot be read or has no such array.
    """
    require_file(path)
    read = FORMATS.get(path.suffix.lower())
    if read is None:
        raise InputError(
            f"files that end in '{path.suffix}' are not known",
            where=str(path),
            remedy=f"known are {', '.join(FORMATS)}",
        )
    if key is not None and read not in NAMED:
        raise InputError(
            f"a key is given, '{key}', and a file that ends in '{path.suffix}' holds one array without a name",
            where=str(path),
            remedy="leave the key out, or give a file that holds several: .npz, .mat, .h5",
        )
    try:
        return read(path, key)
    except InputError:
        raise
    except Exception as error:  # a broken file makes its library raise anything
        refuse(path, error)


def require_file(path: Path) -> Path:
    """Return the path, or say that there is no such file."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        what = "there is no such file"
    except (OSError, ValueError) as error:  # a name too long, a folder that may not be searched, a NUL in the name
        what = getattr(error, "strerror", None) or str(error)
    else:
        if S_ISREG(mode) and os.access(path, os.R_OK):
            return path
        what = (
            "Permission denied" if S_ISREG(mode) else "it is a folder" if S_ISDIR(mode) else "it is a device or a pipe"
        )
    raise InputError(f"cannot read the data: {what}", where=str(path), remedy="check the path")


def refuse(path: Path, error: BaseException) -> NoReturn:
    """Raise the one clear error for a file that its library cannot read."""
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    raise InputError(
        f"cannot read the file: {reason}", where=str(path), remedy="is it complete, and of the kind its ending says?"
    ) from error


def pick(names: list[str], key: str | None, path: Path) -> str:
    """Return the name of the array to take from a file."""
    if key is not None and key in names:
        return key
    listed = ", ".join(names) or "none"
    if key is not None:
        raise InputError(f"the file has no array '{key}'", where=str(path), remedy=f"it has {listed}")
    if len(names) != 1:
        raise InputError(f"the file has {len(names)} arrays", where=str(path), remedy=f"give a key: {listed}")
    return names[0]


@contextmanager
def _numbers_alone(path: Path) -> Iterator[None]:
    """Where NumPy advises to unpickle, say that such a file is not read."""
    try:
        yield
    except ValueError as error:
        if "allow_pickle" not in str(error):
            raise
        raise InputError(
            "the file holds Python objects, or is no NumPy file: it is not unpickled, which could run any code",
            where=str(path),
            remedy="save an array of numbers: numpy.save(path, array.astype(float))",
        ) from error


def _npy(path: Path, key: str | None) -> AnyArray:
    with _numbers_alone(path):
        return np.asarray(np.load(path, allow_pickle=False))


def _npz(path: Path, key: str | None) -> AnyArray:
    with _numbers_alone(path), np.load(path, allow_pickle=False) as file:
        return np.asarray(file[pick(sorted(file.files), key, path)])


def _matlab(path: Path, key: str | None) -> AnyArray:
    from scipy.io import loadmat

    with path.open("rb") as file:
        if file.read(8) == b"\x89HDF\r\n\x1a\n" or b"MATLAB 7.3" in file.read(64):
            return _hdf5(path, key).T
    held = {name: value for name, value in loadmat(path).items() if not name.startswith("__")}
    found = held[pick(sorted(held), key, path)]
    return np.asarray(found.toarray() if hasattr(found, "toarray") else found)


def _hdf5(path: Path, key: str | None) -> AnyArray:
    import h5py

    with h5py.File(path, "r") as file:
        names: list[str] = []
        file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
        # Links are not visited, and NeXus files name their data by them.
        linked = file.get(key) if key else None
        found = linked if isinstance(linked, h5py.Dataset) else file[pick(sorted(names), key, path)]
        if found.shape is None:
            raise InputError(f"the array '{found.name}' is empty", where=str(path))
        return np.asarray(found)


def _tiff(path: Path, key: str | None) -> AnyArray:
    import tifffile

    return np.asarray(tifffile.imread(path))


def _text(path: Path, key: str | None) -> AnyArray:
    text = path.read_text(encoding="utf-8-sig")  # spreadsheets put a byte order mark before UTF-8
    if not text.strip():
        raise InputError("the file holds no numbers", where=str(path), remedy="is it the right file?")
    head = text[:2000]
    separator = next((mark for mark in ";," if mark in head), None)
    try:
        return np.loadtxt(text.splitlines(), delimiter=separator, ndmin=1)
    except ValueError as error:
        raise InputError(
            f"cannot read the file: {error}",
            where=str(path),
            remedy="one row a line, as many numbers in each, with a decimal point, separated by commas, semicolons or "
            "blanks; a line of headings begins with #",
        ) from error


def _picture(path: Path, key: str | None) -> AnyArray:
    """Return grey levels in [0, 1]; colours become luminance."""
    from PIL import Image

    with Image.open(path) as picture:
        grey = picture if picture.mode.startswith(("I", "F", "L")) else picture.convert("L")
        values = np.asarray(grey)
    if values.ndim == 3:
        values = values[..., 0]
    top = np.iinfo(values.dtype).max if np.issubdtype(values.dtype, np.integer) else 1.0
    if values.dtype == np.int32:
        top = 65535
    return values / top


FORMATS: dict[str, Callable[[Path, str | None], AnyArray]] = {
    ".npy": _npy,
    ".npz": _npz,
    ".mat": _matlab,
    ".h5": _hdf5,
    ".hdf5": _hdf5,
    ".nxs": _hdf5,
    ".tif": _tiff,
    ".tiff": _tiff,
    ".csv": _text,
    ".txt": _text,
    ".png": _picture,
    ".jpg": _picture,
    ".bmp": _picture,
}
"""Readers by the file's ending."""
NAMED = (_npz, _matlab, _hdf5)
"""Those of files whose arrays have names."""
