"""What the JSON files of a run's folder hold at the least: they may have been changed since the run wrote them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TEXTS = {"name": str, "sha256": str}
RUN_SHAPE: dict[str, Any] = {
    "recipe": TEXTS,
    "problem": TEXTS,
    "inputs": [{"path": str, "sha256": str, "bytes": int}],
    "options": {"device": str, "seed": int, "threads": int, "run_on": bool, "dtype": str},
    "checkpoint_every": str,
    "versions": {},
    "machine": {"device": str},
    "resumed": list,
}
"""Of ``run.json``: kinds by key, within mappings and lists."""
SUMMARY_SHAPE: dict[str, Any] = {"iterations": int, "outcome": str, "scale": float, "files": [str]}
"""Of ``summary.json``."""


def misfit(value: Any, shape: Any, name: str = "") -> str:
    """What is wrong with a value that should have a shape, in words; empty where it has it."""
    if isinstance(shape, Mapping):
        if not isinstance(value, Mapping):
            return f"'{name}' is no mapping" if name else "it is no mapping"
        for key, part in shape.items():
            inner = f"{name}.{key}" if name else key
            if key not in value:
                return f"'{inner}' is missing"
            if said := misfit(value[key], part, inner):
                return said
        return ""
    if isinstance(shape, list):
        if not isinstance(value, list):
            return f"'{name}' is no list"
        return next((said for each in value if (said := misfit(each, shape[0], name))), "")
    wanted = (int, float) if shape is float else shape
    is_it = isinstance(value, wanted) and (shape is bool or not isinstance(value, bool))
    return "" if is_it else f"'{name}' is {value!r:.40}"
