"""Network weights from a file of the user's: safetensors, or a PyTorch state dict read without unpickling code."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dipgraph.signatures import InputError


def read_weights(file: str | Path | None, needed_by: str) -> dict[str, Tensor]:
    """The tensors of a ``.safetensors`` or ``.pth`` file, by name.

    Parameters
    ----------
    file
        The file, or none.
    needed_by
        The block that wants it, for the message.

    Raises
    ------
    InputError
        If there is no such file, or it holds anything but named tensors.
    """
    if file is None:
        raise InputError(
            f"{needed_by} needs a file with the network's weights and got none",
            remedy="name it, as in `--set weights=PATH` where the recipe has a parameter `weights` for it",
        )
    path = Path(file)
    try:
        is_there, is_folder = path.is_file(), path.is_dir()
    except OSError as fault:  # a name too long, a folder that may not be searched
        raise InputError(
            f"cannot look for the weights file of {needed_by}: {fault}", remedy="check the path"
        ) from fault
    if is_folder:
        raise InputError(
            f"{str(path)!r} is a folder, and no weights file for {needed_by}", remedy="name the file within it"
        )
    if is_there and not os.access(path, os.R_OK):
        raise InputError(
            f"the weights file {str(path)!r} for {needed_by} may not be read", remedy="ask for the permission"
        )
    if not is_there:
        raise InputError(f"there is no weights file {str(path)!r} for {needed_by}", remedy="check the path")
    try:
        with warnings.catch_warnings():  # torch has advice for whoever wrote the file
            warnings.simplefilter("ignore")
            content = _read(path)
    except Exception as fault:
        # A pickle can fail in any way; all of them mean that the file is not a plain state dict.
        raise InputError(
            f"{str(path)!r} is no weights file for {needed_by}: it does not read as named tensors and nothing else",
            remedy="give safetensors, or what torch.save(network.state_dict(), path) wrote",
        ) from fault
    if not isinstance(content, Mapping) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in content.items()
    ):
        raise InputError(
            f"{str(path)!r} is no weights file for {needed_by}: it holds no state dict",
            remedy="save network.state_dict(), not the network or a checkpoint around it",
        )
    return dict(content)


def _read(path: Path) -> Any:
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    return torch.load(path, map_location="cpu", weights_only=True)


def load_weights(network: nn.Module, weights: Mapping[str, Tensor], file: str | Path | None, needed_by: str) -> None:
    """Put weights into a network whose parameters they match name by name and shape by shape.

    Raises
    ------
    InputError
        Naming the first parameter that is missing, foreign or of another shape, or the first that is no finite number.
    """
    own = network.state_dict()
    for name in sorted({*own, *weights}):
        if name not in weights:
            fault = f"it has no {name!r}"
        elif name not in own:
            fault = f"it has {name!r}, which the network does not"
        elif own[name].shape != weights[name].shape:
            fault = f"{name!r} has shape {tuple(weights[name].shape)}, the network's {tuple(own[name].shape)}"
        else:
            continue
        raise InputError(
            f"{str(file)!r} holds the weights of another network than {needed_by}: {fault}",
            remedy=f"the docs of {needed_by} say which network it is and where to find its weights",
        )
    for name, values in weights.items():
        if not _is_plain(values, own[name].dtype):
            raise InputError(
                f"{str(file)!r} holds weights for {needed_by} that are no dense finite real numbers: {name!r}",
                remedy="give the state dict of a network that was trained in floating point, on the CPU or a GPU",
            )
    network.load_state_dict(dict(weights))


def _is_plain(values: Tensor, dtype: torch.dtype) -> bool:
    """Whether a tensor holds real numbers, dense and as they are, that are finite in the network's precision."""
    is_dense = values.layout is torch.strided and not (values.is_quantized or values.is_meta)
    return is_dense and values.is_floating_point() and bool(values.to(dtype).isfinite().all())
