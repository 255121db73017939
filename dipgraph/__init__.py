"""Deep image prior methods for inverse problems, written as YAML recipes over an operator algebra.

The public face; everything is imported when it is first asked for, so that ``import dipgraph`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from dipgraph.data.problem import Problem
    from dipgraph.data.problem_file import load_problem
    from dipgraph.data.shipped import load_recipe
    from dipgraph.engine.face import check, iterate, run, start
    from dipgraph.engine.run import Outcome, Result, Run
    from dipgraph.language.diagnostics import Fault, Faults
    from dipgraph.reports.comparison.face import Comparison, compare
    from dipgraph.reports.comparison.rows import Row
    from dipgraph.signatures.block import block
    from dipgraph.signatures.errors import DipgraphError
    from dipgraph.testing.verifying import verify

_HOMES = {
    "Comparison": "dipgraph.reports.comparison.face",
    "Problem": "dipgraph.data.problem",
    "Row": "dipgraph.reports.comparison.rows",
    "load_problem": "dipgraph.data.problem_file",
    "check": "dipgraph.engine.face",
    "compare": "dipgraph.reports.comparison.face",
    "iterate": "dipgraph.engine.face",
    "load_recipe": "dipgraph.data.shipped",
    "run": "dipgraph.engine.face",
    "start": "dipgraph.engine.face",
    "Outcome": "dipgraph.engine.run",
    "Result": "dipgraph.engine.run",
    "Run": "dipgraph.engine.run",
    "Fault": "dipgraph.language.diagnostics",
    "Faults": "dipgraph.language.diagnostics",
    "block": "dipgraph.signatures.block",
    "DipgraphError": "dipgraph.signatures.errors",
    "verify": "dipgraph.testing.verifying",
}

__all__ = [
    "Comparison", "DipgraphError", "Fault", "Faults", "Outcome", "Problem", "Result", "Row", "Run", "__version__",
    "block", "check", "compare", "iterate", "load_problem", "load_recipe", "run", "start", "verify",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module 'dipgraph' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
