"""What an expression's operators and functions do on numbers of the host: for parameters, and for what they make up."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from dipgraph.language.diagnostics import Abandon, Mark, Report, near


class Formula(Protocol):
    """An expression, typed or not."""

    @property
    def op(self) -> str:
        """As in :class:`dipgraph.language.expressions.Syntax`."""

    @property
    def arguments(self) -> Sequence[Formula]:
        """What the operator acts on."""

    @property
    def mark(self) -> Mark:
        """Its place."""

    @property
    def value(self) -> Any:
        """The literal, or the name."""


def _geometric(first: float, last: float, step: float, count: float) -> float:
    if last / first <= 0:
        raise ValueError("the ends of a geometric series have one sign")
    return float(first) if count <= 1 else first * (last / first) ** ((step - 1) / (count - 1))


def _linear(first: float, last: float, step: float, count: float) -> float:
    return float(first) if count <= 1 else first + (last - first) * (step - 1) / (count - 1)


def _smallest(*of: float) -> float:
    return _one_kind(min(of), of)


def _largest(*of: float) -> float:
    return _one_kind(max(of), of)


def _one_kind(value: float, of: Sequence[float]) -> float:
    """The value as a real number if any that it might have been is one."""
    if len(of) < 2:
        raise TypeError("a choice is between two numbers or more")
    return float(value) if any(isinstance(other, float) for other in of) else value


ON_NUMBERS: Mapping[str, Callable[..., Any]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "neg": operator.neg,
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne,
    "and": lambda *of: all(of), "or": lambda *of: any(of), "not": operator.not_,
    "sqrt": math.sqrt, "exp": math.exp, "log": math.log, "floor": math.floor, "abs": abs,
    "min": _smallest, "max": _largest, "where": lambda test, a, b: a if test else b,
    "geometric": _geometric, "linear": _linear,
}  # fmt: skip
"""What each operator and function does on numbers and switches."""
ON_SWITCHES = frozenset({"and", "or", "not"})


def evaluate(formula: Formula, values: Mapping[str, Any], report: Report) -> Any:
    """The value of an expression of parameters; a fault leaves the part."""
    op, mark = formula.op, formula.mark
    if op == "literal":
        return formula.value
    if op == "name":
        if formula.value not in values:
            advice = near(formula.value, values) or "only parameters and numbers are known before the run"
            raise report.fail("E201", f"'{formula.value}' is no parameter", mark, advice)
        return values[formula.value]
    if op not in ON_NUMBERS:
        raise report.fail("E404", "only parameters and numbers are known before the run", mark)
    if op == "where" and len(formula.arguments) == 3:
        return _where(formula, values, report)
    arguments = [evaluate(argument, values, report) for argument in formula.arguments]
    for argument, given in zip(formula.arguments, arguments, strict=True):
        if given is None or isinstance(given, str):
            raise report.fail("E306", "a word or a file has no place in a formula", argument.mark)
        if isinstance(given, bool) != (op in ON_SWITCHES):
            wanted, got = ("switches", "a number") if op in ON_SWITCHES else ("numbers", "a switch")
            raise report.fail("E306", f"'{op}' takes {wanted}, and this is {got}", argument.mark)
    try:
        value = ON_NUMBERS[op](*arguments)
        if abs(value) > 1e300 or value != value:
            raise OverflowError
    except ZeroDivisionError:
        raise report.fail("E405", "the expression divides by zero", mark) from None
    except OverflowError:
        raise report.fail("E405", "the value is too large", mark) from None
    except ValueError:
        shown = ", ".join(f"{argument:g}" for argument in arguments)
        raise report.fail("E405", f"{op}({shown}) has no value", mark) from None
    except TypeError:
        raise report.fail("E306", f"'{op}' does not take {len(arguments)} arguments", mark) from None
    return value


def _where(formula: Formula, values: Mapping[str, Any], report: Report) -> Any:
    """Only the value that is chosen has to exist; it is real if the other one is, or has none."""
    test, *both = formula.arguments
    holds = evaluate(test, values, report)
    if not isinstance(holds, bool):
        raise report.fail("E306", "'where' takes a switch first", test.mark)
    chosen = evaluate(both[0 if holds else 1], values, report)
    try:
        other = evaluate(both[1 if holds else 0], values, Report())
    except Abandon:
        other = 0.0
    if isinstance(chosen, bool) or not isinstance(chosen, int | float):
        raise report.fail("E306", "'where' chooses between numbers", formula.mark)
    return _one_kind(chosen, (chosen, other))


def is_constant(formula: Formula) -> bool:
    """Whether only literals make an expression."""
    if formula.op == "literal":
        return isinstance(formula.value, int | float)
    return formula.op in ON_NUMBERS and bool(formula.arguments) and all(map(is_constant, formula.arguments))


def fold(formula: Formula) -> int | float | bool | None:
    """The value of an expression that only literals make, or None."""
    if not is_constant(formula):
        return None
    try:
        value: int | float | bool = evaluate(formula, {}, Report())
    except Abandon:
        return None
    return value


def check_constants(formula: Formula, report: Report) -> None:
    """Refuse parts that only literals make and that have no value; parts that are never chosen may have none."""
    if is_constant(formula):
        evaluate(formula, {}, report)
        return
    parts = list(formula.arguments)
    if formula.op == "where" and (test := fold(parts[0])) is not None:
        parts = [parts[1 if test else 2]]
    if formula.op == "/" and fold(parts[1]) == 0:
        raise report.fail("E405", "the expression divides by zero", formula.mark)
    if formula.op == "geometric":
        first, last = fold(parts[0]), fold(parts[1])
        if first is not None and last is not None and not (first > 0 < last or first < 0 > last):
            what = f"'geometric' goes from {first:g} to {last:g}"
            raise report.fail("E405", what, formula.mark, "both ends have one sign, and neither is 0")
    for part in parts:
        check_constants(part, report)
