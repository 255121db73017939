"""What a recipe may name, a file per family; each block declares its ports once, where it is defined."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points
from types import MappingProxyType

from dipgraph.blocks.setting import Setting
from dipgraph.signatures import REGISTRY, DipgraphError, Signature

__all__ = ["Setting", "registry"]

ENTRY_POINTS = "dipgraph.blocks"
"""The group under which other packages name the modules that declare their blocks."""


@cache
def registry() -> Mapping[str, Signature]:
    """Every block there is by name: ours, and those of installed packages.

    Raises
    ------
    DipgraphError
        Where another package's blocks cannot be imported.
    """
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    for point in entry_points(group=ENTRY_POINTS):
        try:
            point.load()
        except Exception as fault:
            # Another package's module can fail in any way, and must not take the whole program down unnamed.
            package = point.dist.name if point.dist else "an installed package"
            raise DipgraphError(
                f"the blocks {point.name!r} of {package} cannot be loaded: {type(fault).__name__}: {fault}",
                where=point.value,
                remedy=f"repair or uninstall {package}",
            ) from fault
    return MappingProxyType(REGISTRY)
