"""Expressions: a text becomes a tree of calls, through a whitelist over ``ast``; nothing is evaluated as Python."""

from __future__ import annotations

import ast
import keyword
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dipgraph.language.diagnostics import Mark, Report
from dipgraph.language.evaluation import ON_NUMBERS, evaluate
from dipgraph.language.nodes import REAL, WHOLE, Node, Scalar

__all__ = ["FUNCTIONS", "LARGEST", "ON_NUMBERS", "Syntax", "evaluate", "parse_expression"]

LONGEST = 2000
"""Characters of the longest expression."""
DEEPEST = 100
"""Levels of the deepest expression; a sum of so many terms is as deep."""
LARGEST = 1e300
"""The largest number that may be written."""

BINARY: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
COMPARE: dict[type[ast.cmpop], str] = {
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=",
}  # fmt: skip
FUNCTIONS = frozenset({
    "sqrt", "exp", "log", "floor", "min", "max", "where", "geometric", "linear", "abs", "norm", "dot", "constant",
    "mean", "dim", "zeros", "ones", "adjoint",
})  # fmt: skip
"""Functions that an expression may call; any other call applies a map or a network."""
REFUSED: dict[type[ast.AST], tuple[str, str]] = {
    ast.Subscript: ("an index", ""),
    ast.Lambda: ("a lambda", "'lambda' is a keyword: write lam"),
    ast.IfExp: ("an 'if'", "choose between two numbers with where(test, a, b)"),
    ast.Compare: ("this comparison", "compare two values; join comparisons with 'and'"),
    ast.Pow: ("a power", "multiply, or use sqrt or exp"),
    ast.MatMult: ("'@'", "apply a map by calling it: A(x)"),
    ast.FloorDiv: ("'//'", "write floor(a/b)"),
    ast.UAdd: ("a leading '+'", "leave it out"),
    ast.Tuple: ("a comma", "a function's arguments stand in its parentheses"),
}
"""What is refused with a name or an advice of its own."""
WRONG = frozenset(keyword.kwlist) - {"and", "or", "not", "if", "else"}
"""Keywords that an expression never holds."""


@dataclass(frozen=True, eq=False)
class Syntax:
    """A call of an operator or function on its arguments; names and literals are calls without.

    ``op`` is ``literal``, ``name``, an operator, a function of :data:`FUNCTIONS`, ``neg``, ``and``, ``or``, ``not`` or
    ``apply``, whose first argument is the map.
    """

    op: str
    arguments: tuple[Syntax, ...]
    mark: Mark
    value: Any = None

    def names(self) -> Iterator[Syntax]:
        """Every name that is read."""
        if self.op == "name":
            yield self
        for argument in self.arguments:
            yield from argument.names()


def parse_expression(node: Node, report: Report) -> Syntax:
    """The expression that a scalar holds; a fault leaves the part."""
    if not isinstance(node, Scalar):
        advice = "give the block's value a name in a step of its own, and name it here"
        raise report.fail("E107", "an expression belongs here, not a list or a mapping", node.mark, advice)
    if node.is_missing or not node.text.strip():
        raise report.fail("E107", "an expression is missing", node.mark, "write a name, a number or a formula")
    value = node.value
    if isinstance(value, bool):
        return Syntax("literal", (), node.mark, value)
    if isinstance(value, int | float):
        if abs(value) > LARGEST:
            raise report.fail("E107", "the number is too large", node.mark, f"numbers are at most {LARGEST:g}")
        return Syntax("literal", (), node.mark, value)
    return _Reader(node, report).read()


class _Reader:
    """Turns the ``ast`` of one scalar into :class:`Syntax`, each part with its place in the file."""

    def __init__(self, node: Scalar, report: Report) -> None:
        self.node, self.report = node, report
        whole = " ".join(node.text.splitlines())
        self.text = whole.strip()
        self.lead = len(whole) - len(whole.lstrip())
        self.encoded = b""

    def read(self) -> Syntax:
        if len(self.text) > LONGEST:
            raise self.report.fail("E109", f"an expression of {len(self.text)} characters", self.node.mark,
                                   f"it may have {LONGEST}: give its parts names in steps of their own")  # fmt: skip
        if "#" in self.text:
            at = self.text.index("#")
            raise self.report.fail("E107", "a comment inside an expression", self._place(at, at + 1), "move it out")
        try:
            self.encoded = self.text.encode()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tree = ast.parse(self.text, mode="eval")
        except SyntaxError as error:
            raise self._malformed(error) from None
        except (ValueError, RecursionError, MemoryError):
            raise self.report.fail("E107", "the expression cannot be read", self.node.mark) from None
        return self._convert(tree.body, 0)

    def _mark(self, node: ast.expr) -> Mark:
        """The place of a part: ``ast`` counts bytes of UTF-8, a mark counts characters."""
        start, end = (
            self.encoded[:offset].decode(errors="ignore") for offset in (node.col_offset, node.end_col_offset)
        )
        return self._place(len(start), len(end))

    def _written(self, node: ast.expr) -> str:
        return self.encoded[node.col_offset : node.end_col_offset].decode(errors="ignore")

    def _place(self, start: int, end: int) -> Mark:
        """The place of the characters from one offset to another."""
        mark = self.node.mark
        if not self.node.verbatim:
            return mark
        lead = self.lead + (1 if self.node.quoted else 0)
        return Mark(mark.source, mark.line, mark.column + lead + start, max(1, end - start))

    def _malformed(self, error: SyntaxError) -> Exception:
        offset = error.offset - 1 if error.offset else len(self.text)  # 0 where something is missing at the end
        offset = max(0, min(offset, len(self.text) - 1))
        place = self._place(offset, offset + 1)
        wrong = [found for found in re.finditer(r"\w+", self.text) if found[0] in WRONG]
        advice = error.msg if error.msg.startswith("invalid ") and error.msg != "invalid syntax" else ""
        if self.text.count("(") > self.text.count(")"):
            advice = 'a parenthesis is open: put an expression that holds ", ", " #" or ": " in quotes'
        elif wrong:
            word, place = wrong[0][0], self._place(*wrong[0].span())
            advice = f"'{word}' is a keyword and cannot be a name" + (": write lam" if word == "lambda" else "")
        return self.report.fail("E107", f"'{self.text[:60]}' is no expression", place, advice)

    def _refuse(self, node: ast.expr, what: str, advice: str = "") -> Exception:
        return self.report.fail("E107", f"{what}: an expression has no such thing", self._mark(node), advice)

    def _convert(self, node: ast.expr, depth: int) -> Syntax:
        mark = self._mark(node)
        if depth > DEEPEST:
            raise self.report.fail("E109", f"an expression nested more than {DEEPEST} deep", self.node.mark,
                                   "give its parts names in steps of their own")  # fmt: skip
        match node:
            case ast.Constant():
                return Syntax("literal", (), mark, self._number(node, mark))
            case ast.Name(id="true" | "false"):
                return Syntax("literal", (), mark, node.id == "true")
            case ast.Name():
                return Syntax("name", (), mark, node.id)
            case ast.UnaryOp(op=ast.USub()):
                return Syntax("neg", self._all(depth, node.operand), mark)
            case ast.UnaryOp(op=ast.Not()):
                return Syntax("not", self._all(depth, node.operand), mark)
            case ast.BinOp(op=op) if type(op) in BINARY:
                return Syntax(BINARY[type(op)], self._all(depth, node.left, node.right), mark)
            case ast.BoolOp(op=op):
                return Syntax("and" if isinstance(op, ast.And) else "or", self._all(depth, *node.values), mark)
            case ast.Compare(ops=[op], comparators=[right]) if type(op) in COMPARE:
                return Syntax(COMPARE[type(op)], self._all(depth, node.left, right), mark)
            case ast.Call():
                return self._call(node, mark, depth)
            case ast.Attribute():
                adjoint = f"the adjoint is adjoint({self._written(node.value)})"
                raise self._refuse(node, "an attribute", adjoint if node.attr in ("T", "H") else "")
        what = getattr(node, "op", node)
        name, advice = REFUSED.get(type(what), (f"'{self._written(node)[:40]}'", ""))
        raise self._refuse(node, name, advice)

    def _all(self, depth: int, *nodes: ast.expr) -> tuple[Syntax, ...]:
        return tuple(self._convert(node, depth + 1) for node in nodes)

    def _number(self, node: ast.Constant, mark: Mark) -> int | float:
        value, written = node.value, self._written(node)
        if isinstance(value, bool) or value is None:
            raise self.report.fail("E107", f"'{value}' is Python's spelling", mark,
                                   f"write {str(value).lower()}" if isinstance(value, bool) else "")  # fmt: skip
        if not isinstance(value, int | float):
            raise self._refuse(node, "a text" if isinstance(value, str | bytes) else f"'{written[:40]}'")
        if not (WHOLE.match(written) or REAL.match(written)):
            raise self.report.fail(
                "E107", f"'{written[:40]}' is Python's spelling of a number", mark, f"write {value:.15g}"
            )
        if abs(value) > LARGEST:  # an infinite one too; a whole one may be too large for isfinite
            raise self.report.fail("E107", "the number is too large", mark, f"numbers are at most {LARGEST:g}")
        return value

    def _call(self, node: ast.Call, mark: Mark, depth: int) -> Syntax:
        if isinstance(node.func, ast.Attribute):
            name = self._written(node.func)[:40]
            advice = f"a block is a step of its own: name: {{{name}: {{...}}}}"
            if node.func.attr in ("T", "H"):
                advice = f"the adjoint of a map is applied as adjoint({self._written(node.func.value)[:40]})(y)"
            raise self._refuse(node, f"the call of '{name}'", advice)
        if node.keywords or any(isinstance(argument, ast.Starred) for argument in node.args):
            advice = "only blocks take named ports: name: {family.block: {port: value}}"
            raise self._refuse(node, "a named or starred argument", advice)
        arguments = self._all(depth, *node.args)
        if isinstance(node.func, ast.Name) and node.func.id in FUNCTIONS:
            return Syntax(node.func.id, arguments, mark)
        return Syntax("apply", (self._convert(node.func, depth + 1), *arguments), mark)
