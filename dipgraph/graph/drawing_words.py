"""Formulas, types and blocks in the words of a drawing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dipgraph.language.program import Call, Expression
from dipgraph.signatures.spaces import Map, Network, Number, Opaque, Switch, Type, Vector

STRENGTH = {
    "or": 1, "and": 2, "not": 3, "<": 4, "<=": 4, ">": 4, ">=": 4, "==": 4, "!=": 4,
    "+": 5, "-": 5, "*": 6, "/": 6, "neg": 7,
}  # fmt: skip
"""How tightly an operator binds."""


def formula(expression: Expression, parameters: Mapping[str, Any]) -> str:
    """An expression as a recipe writes it; a parameter by its name where the text named it."""
    op = expression.op
    if op == "literal":
        return _literal(expression, parameters)
    if op == "name":
        return str(expression.value)
    if op not in STRENGTH:
        inner = [formula(argument, parameters) for argument in expression.arguments]
        return f"{inner[0]}({', '.join(inner[1:])})" if op == "apply" else f"{op}({', '.join(inner)})"
    parts = []
    for place, argument in enumerate(expression.arguments):
        text = formula(argument, parameters)
        strength = STRENGTH.get(argument.op, 9)
        is_right = place > 0 and op not in ("+", "*", "and", "or")
        needs = strength < STRENGTH[op] or (strength == STRENGTH[op] and (is_right or op == "neg"))
        parts.append(f"({text})" if needs else text)
    if op == "neg":
        return f"-{parts[0]}"
    if op == "not":
        return f"not {parts[0]}"
    return (op if op in "*/" else f" {op} ").join(parts)


def _literal(expression: Expression, parameters: Mapping[str, Any]) -> str:
    mark, value = expression.mark, expression.value
    said = mark.source.line(mark.line)[mark.column : mark.column + mark.length]
    if said in parameters and parameters[said] == value:
        return said
    return setting(value)


def setting(value: Any) -> str:
    """A value known before the run, as a recipe writes it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def details(call: Call, parameters: Mapping[str, Any]) -> tuple[str, ...]:
    """What is wired to a block's ports, and its settings: ``port: value``."""
    wired = [f"{port}: {formula(expression, parameters)}" for port, expression in call.ports.items()]
    return (*wired, *(f"{name}: {setting(value)}" for name, value in call.settings.items()))


def space(type_: Type) -> str:
    """A type in short: the space of a vector, what a map maps."""
    if isinstance(type_, Vector):
        return str(type_.space)
    if isinstance(type_, Map):
        return f"{type_.domain} → {type_.codomain}"
    if isinstance(type_, Number):
        return "number"
    if isinstance(type_, Switch):
        return "switch"
    if isinstance(type_, Opaque):
        return type_.kind
    return "network" if isinstance(type_, Network) else str(type_)


def times(count: int, what: str) -> str:
    """``1 gradient step``, ``10 gradient steps``."""
    return f"{count} {what}{'' if count == 1 else 's'}"
