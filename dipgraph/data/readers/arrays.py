"""Arrays from files: NumPy, TIFF, MATLAB, HDF5, text and grey images, by the file's ending."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
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
        The array's name in a file that holds several; may be left out where there is only one.

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
    try:
        return read(path, key)
    except InputError:
        raise
    except Exception as error:  # a broken file makes its library raise anything
        refuse(path, error)


def require_file(path: Path) -> Path:
    """Return the path, or say that there is no such file."""
    if not path.is_file():
        what = "it is a folder" if path.is_dir() else "there is no such file"
        raise InputError(f"cannot read the data: {what}", where=str(path), remedy="check the path")
    return path


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


def _npy(path: Path, key: str | None) -> AnyArray:
    return np.asarray(np.load(path, allow_pickle=False))


def _npz(path: Path, key: str | None) -> AnyArray:
    with np.load(path, allow_pickle=False) as file:
        return np.asarray(file[pick(sorted(file.files), key, path)])


def _matlab(path: Path, key: str | None) -> AnyArray:
    from scipy.io import loadmat

    with path.open("rb") as file:
        if file.read(8) == b"\x89HDF\r\n\x1a\n" or b"MATLAB 7.3" in file.read(64):
            return _hdf5(path, key).T
    held = {name: value for name, value in loadmat(path).items() if not name.startswith("__")}
    return np.asarray(held[pick(sorted(held), key, path)])


def _hdf5(path: Path, key: str | None) -> AnyArray:
    import h5py

    with h5py.File(path, "r") as file:
        names: list[str] = []
        file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
        return np.asarray(file[pick(sorted(names), key.strip("/") if key else None, path)])


def _tiff(path: Path, key: str | None) -> AnyArray:
    import tifffile

    return np.asarray(tifffile.imread(path))


def _text(path: Path, key: str | None) -> AnyArray:
    comma = "," in path.read_text(encoding="utf-8", errors="replace")[:2000]
    return np.loadtxt(path, delimiter="," if comma else None, ndmin=1, encoding="utf-8")


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
