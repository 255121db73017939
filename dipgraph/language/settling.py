"""The values of parameters: each evaluated once, after those that it reads."""

from __future__ import annotations

import os
from collections.abc import Mapping as MappingABC
from pathlib import Path
from typing import TYPE_CHECKING

from dipgraph.language.diagnostics import Abandon, Report, listing, near
from dipgraph.language.evaluation import evaluate
from dipgraph.language.expressions import Syntax, parse_expression
from dipgraph.language.nodes import Node, Scalar
from dipgraph.language.ordering import in_order, said
from dipgraph.signatures.ports import describe_bounds, within
from dipgraph.signatures.spaces import Number, Switch

if TYPE_CHECKING:
    from dipgraph.language.parameters import Parameter, Parameters

Value = int | float | bool | str | None


class Settling:
    """Evaluates what has been chosen for each parameter: its default, or what a preset or a setting says."""

    def __init__(self, parameters: Parameters, chosen: MappingABC[str, tuple[Node, bool]], report: Report) -> None:
        self.parameters, self.chosen, self.report = parameters, chosen, report
        self.values: dict[str, Value] = {}

    def all(self) -> dict[str, Value]:
        """The values of all parameters that have one."""
        formulas: dict[str, Syntax] = {}
        for name, (node, from_user) in self.chosen.items():
            if name in self.parameters.broken:  # its own fault has been noted
                continue
            known = self.parameters.declared[name]
            with self.report.part():
                if known.is_file:
                    self.values[name] = self._file(known, node, from_user)
                elif known.words:
                    self.values[name] = self._word(known, node)
                else:
                    formulas[name] = parse_expression(node, self.report)
        order, rings = in_order({name: {read.value for read in formula.names()} for name, formula in formulas.items()})
        for ring in rings:
            self.report.add("E206", said(ring), self.chosen[ring[0]][0].mark, "one of them has to be a number")
        for name in order:
            with self.report.part():
                known = self.parameters.declared[name]
                self.values[name] = self._number(known, formulas[name], self.chosen[name][0])
        return {name: self.values[name] for name in self.chosen if name in self.values}

    def _file(self, known: Parameter, node: Node, from_user: bool) -> str | None:
        if not isinstance(node, Scalar):
            raise self.report.fail("E206", f"'{known.name}' is a file", node.mark, "write its path, or none")
        if node.is_missing or node.text in ("none", "required", ""):
            return None
        base = Path.cwd() if from_user else self.parameters.base
        try:
            return os.path.normpath(base / Path(node.text).expanduser())
        except RuntimeError:
            raise self.report.fail("E206", f"'{node.text}': there is no such home folder", node.mark) from None

    def _word(self, known: Parameter, node: Node) -> str:
        text = node.name if isinstance(node, Scalar) else ""
        if text not in known.words:
            said = f"'{text}' is not" if text else "no word stands here"
            message = f"'{known.name}' is one of {listing(known.words)}; {said}"
            raise self.report.fail("E206", message, node.mark, near(text, known.words))
        return text

    def _number(self, known: Parameter, formula: Syntax, node: Node) -> Value:
        known_names = self.parameters.declared.keys() | self.parameters.broken
        if any(read.value in known_names and read.value not in self.values for read in formula.names()):
            raise Abandon  # its own fault has been noted
        value = self._of_kind(known, evaluate(formula, self.values, self.report), node)
        if not isinstance(value, bool) and not within(value, **known.bounds):
            bounds = describe_bounds(**known.bounds)
            shown = f"{value:g}" if isinstance(value, float) else str(value)
            read = {name.value: self.values[name.value] for name in formula.names() if name.value in self.values}
            advice = f"made of {listing([f'{name} = {number}' for name, number in read.items()])}"
            message = f"'{known.name}' is {shown}; it must be {bounds}"
            raise self.report.fail("E206", message, node.mark, advice if read else "")
        return value

    def _of_kind(self, known: Parameter, value: object, node: Node) -> int | float | bool:
        """The value in the kind of the default: a whole number may stand for a real one, nothing else."""
        kind = self.parameters.kinds[known.name]
        if isinstance(kind, Switch):
            if not isinstance(value, bool):
                raise self.report.fail("E206", f"'{known.name}' is true or false", node.mark)
            return value
        assert isinstance(kind, Number), "a parameter that is no word and no file is a number or a switch"
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.report.fail("E206", f"'{known.name}' is {kind}", node.mark)
        if not kind.whole:
            return float(value)
        if isinstance(value, float):
            advice = f"write {int(value)}" if value.is_integer() and value < 1e15 else "round it: floor(...)"
            raise self.report.fail("E206", f"'{known.name}' is a whole number", node.mark, advice)
        return value


def reference_texts(values: MappingABC[str, Value]) -> dict[str, str]:
    """Settled values as the texts that ``--set`` would take."""
    return {name: setting_text(value) for name, value in values.items()}


def setting_text(value: object) -> str:
    """A Python value as ``--set`` takes it; a scalar of NumPy or PyTorch counts as the Python number in it."""
    if getattr(value, "ndim", None) == 0 and callable(inner := getattr(value, "item", None)):
        value = inner()
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "none"
    return repr(value) if isinstance(value, float) else str(value)
