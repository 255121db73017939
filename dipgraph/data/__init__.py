"""Data: readers, preparation, phantoms, scores; a problem file becomes a Problem.

What needs operators is imported when it is first asked for: finding a shipped recipe loads neither PyLops nor ASTRA.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from dipgraph.data.shipped import load_recipe, locate, shipped

if TYPE_CHECKING:
    from dipgraph.data.problem import Problem
    from dipgraph.data.problem_file import ProblemFile, load_problem, read_problem

_HOMES = {
    "Problem": "dipgraph.data.problem",
    "ProblemFile": "dipgraph.data.problem_file",
    "load_problem": "dipgraph.data.problem_file",
    "read_problem": "dipgraph.data.problem_file",
}

__all__ = [
    "Problem", "ProblemFile", "load_problem", "load_recipe", "locate", "read_problem", "shipped",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'dipgraph.data' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)
