"""Optional packages, asked for by name with a clear message where they are absent."""

from __future__ import annotations

import importlib
from typing import Any

from dipgraph.signatures import MissingExtra


def require(module: str, extra: str, needed_by: str) -> Any:
    """The module, or an error that names the command which installs it.

    Parameters
    ----------
    module
        What to import.
    extra
        The extra of dipgraph that brings it.
    needed_by
        The block that wants it.

    Raises
    ------
    MissingExtra
        Where it is not installed, or fails as it is imported.
    """
    try:
        return importlib.import_module(module)
    except Exception as fault:  # torchvision built for another torch raises RuntimeError
        raise MissingExtra(
            f"{needed_by} needs the package {module.partition('.')[0]}, which cannot be imported: {fault}",
            remedy=f'pip install "dipgraph[{extra}]"',
        ) from fault
