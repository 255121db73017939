"""Expressions: a text becomes a tree of calls, through a whitelist over Python's ``ast``; nothing is ever evaluated as Python."""

from __future__ import annotations

import ast
import keyword
import math
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dipgraph.language.diagnostics import Mark, Report, near
from dipgraph.language.document import Node, Scalar

LONGEST = 2000
"""Characters of the longest expression."""

BINARY: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
COMPARE: dict[type[ast.cmpop], str] = {
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=",
}  # fmt: skip
FUNCTIONS = frozenset(
    "sqrt exp log floor min max where geometric linear abs norm dot constant mean dim zeros ones adjoint".split()
)
"""Functions that an expression may call; any other call applies a map or a network."""


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
        raise report.fail("E107", "an expression belongs here, not a list or a mapping", node.mark)
    value = node.value
    if isinstance(value, bool | int | float):
        if not math.isfinite(value):
            raise report.fail("E107", f"{node.text} is too large for a number", node.mark)
        return Syntax("literal", (), node.mark, value)
    if value is None or not node.text.strip():
        raise report.fail("E107", "an expression is missing", node.mark, "write a name, a number or a formula")
    return _Reader(node, report).read()


class _Reader:
    """Turns the ``ast`` of one scalar into :class:`Syntax`, each part with its place in the file."""

    def __init__(self, node: Scalar, report: Report) -> None:
        self.node, self.report = node, report
        self.text = " ".join(node.text.splitlines()) if "\n" in node.text else node.text
        self.lead = len(self.text) - len(self.text.lstrip())
        self.text = self.text.strip()

    def read(self) -> Syntax:
        if len(self.text) > LONGEST:
            raise self.report.fail("E109", f"an expression of {len(self.text)} characters", self.node.mark)
        try:
            tree = ast.parse(self.text, mode="eval")
        except SyntaxError as error:
            raise self._malformed(error) from None
        except (ValueError, RecursionError, MemoryError):
            raise self.report.fail("E107", "the expression cannot be read", self.node.mark) from None
        return self._convert(tree.body)

    def _mark(self, node: ast.expr) -> Mark:
        """The place of a part: ``ast`` counts bytes of UTF-8, a mark counts characters."""
        return self._at(node.col_offset, node.end_col_offset or node.col_offset + 1)

    def _at(self, start: int, end: int) -> Mark:
        mark = self.node.mark
        if not self.node.verbatim:
            return mark
        encoded = self.text.encode()
        before, length = len(encoded[:start].decode(errors="ignore")), len(encoded[start:end].decode(errors="ignore"))
        quote = 1 if self.node.quoted else 0
        return Mark(mark.source, mark.line, mark.column + quote + self.lead + before, max(1, length))

    def _malformed(self, error: SyntaxError) -> Exception:
        offset = max(0, min((error.offset or 1) - 1, len(self.text)))
        place = self._at(len(self.text[:offset].encode()), len(self.text[: offset + 1].encode()))
        reserved = [word for word in keyword.kwlist if word in self.text.replace("(", " ").replace("*", " ").split()]
        wrong = [word for word in reserved if word not in ("and", "or", "not")]
        advice = ""
        if self.text.count("(") > self.text.count(")"):
            advice = 'a parenthesis is open: put an expression that holds ", ", " #" or ": " in quotes'
        elif "lambda" in wrong:
            advice = "'lambda' is a keyword: write lam"
        elif wrong:
            advice = f"'{wrong[0]}' is a keyword and cannot be a name"
        return self.report.fail("E107", f"'{self.text[:60]}' is no expression", place, advice)

    def _refuse(self, node: ast.expr, what: str, advice: str = "") -> Exception:
        return self.report.fail("E107", f"{what}: an expression has no such thing", self._mark(node), advice)

    def _convert(self, node: ast.expr) -> Syntax:
        mark = self._mark(node)
        match node:
            case ast.Constant(value=bool() | int() | float()):
                return self._number(node, mark)
            case ast.Name(id=name):
                if name in ("true", "false"):
                    return Syntax("literal", (), mark, name == "true")
                return Syntax("name", (), mark, name)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return Syntax("neg", (self._convert(operand),), mark)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return Syntax("not", (self._convert(operand),), mark)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in BINARY:
                return Syntax(BINARY[type(op)], (self._convert(left), self._convert(right)), mark)
            case ast.BoolOp(op=op, values=values):
                return Syntax("and" if isinstance(op, ast.And) else "or", tuple(map(self._convert, values)), mark)
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in COMPARE:
                return Syntax(COMPARE[type(op)], (self._convert(left), self._convert(right)), mark)
            case ast.Compare():
                raise self._refuse(node, "this comparison", "compare two values; join with 'and'")
            case ast.Call():
                return self._call(node, mark)
            case ast.BinOp(op=ast.Pow()):
                raise self._refuse(node, "a power", "multiply, or use sqrt or exp")
            case ast.BinOp(op=ast.MatMult()):
                raise self._refuse(node, "'@'", "apply a map by calling it: A(x)")
            case ast.Attribute(attr="T" | "H"):
                raise self._refuse(node, "an attribute", "the adjoint of A is adjoint(A)")
        described = {ast.Attribute: "an attribute", ast.Subscript: "an index", ast.Lambda: "a lambda",
                     ast.Constant: "a text", ast.IfExp: "an 'if'"}  # fmt: skip
        advice = "choose between two numbers with where(test, a, b)" if isinstance(node, ast.IfExp) else ""
        raise self._refuse(node, described.get(type(node), f"'{ast.unparse(node)[:40]}'"), advice)

    def _number(self, node: ast.Constant, mark: Mark) -> Syntax:
        value = node.value
        if isinstance(value, bool):
            lower = str(value).lower()
            raise self.report.fail("E107", f"'{value}' is Python's spelling", mark, f"write {lower}")
        assert isinstance(value, int | float)
        if not math.isfinite(value) or abs(value) > 1e300:
            raise self.report.fail("E107", "the number is too large", mark)
        return Syntax("literal", (), mark, value)

    def _call(self, node: ast.Call, mark: Mark) -> Syntax:
        if node.keywords or any(isinstance(argument, ast.Starred) for argument in node.args):
            raise self._refuse(node, "a named or starred argument", "a block takes named ports: name: {family.block: {port: value}}")
        arguments = tuple(self._convert(argument) for argument in node.args)
        if isinstance(node.func, ast.Name) and node.func.id in FUNCTIONS:
            return Syntax(node.func.id, arguments, mark)
        if isinstance(node.func, ast.Attribute):
            name = ast.unparse(node.func)
            raise self._refuse(node, f"the call of '{name}'", f"a block is a step of its own: name: {{{name}: {{...}}}}")
        return Syntax("apply", (self._convert(node.func), *arguments), mark)


def _floor(value: float) -> int:
    return math.floor(value)


def _geometric(first: float, last: float, step: float, count: float) -> float:
    return first if count <= 1 else first * (last / first) ** ((step - 1) / (count - 1))


def _linear(first: float, last: float, step: float, count: float) -> float:
    return first if count <= 1 else first + (last - first) * (step - 1) / (count - 1)


ON_NUMBERS: Mapping[str, Callable[..., Any]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "neg": operator.neg,
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne,
    "and": lambda *of: all(of), "or": lambda *of: any(of), "not": operator.not_,
    "sqrt": math.sqrt, "exp": math.exp, "log": math.log, "floor": _floor, "abs": abs, "min": min, "max": max,
    "where": lambda test, a, b: a if test else b, "geometric": _geometric, "linear": _linear,
}  # fmt: skip
"""What an expression's operators and functions do on numbers of the host."""


def evaluate(syntax: Syntax, values: Mapping[str, Any], report: Report) -> Any:
    """The value of an expression of parameters; a fault leaves the part."""
    if syntax.op == "literal":
        return syntax.value
    if syntax.op == "name":
        if syntax.value not in values:
            raise report.fail("E201", f"'{syntax.value}' is no parameter", syntax.mark,
                              near(syntax.value, values) or "only parameters and numbers are known before the run")  # fmt: skip
        return values[syntax.value]
    if syntax.op not in ON_NUMBERS:
        raise report.fail("E404", "only parameters and numbers are known before the run", syntax.mark)
    arguments = [evaluate(argument, values, report) for argument in syntax.arguments]
    if any(isinstance(argument, str) or argument is None for argument in arguments):
        raise report.fail("E306", "a word or a file has no place in a formula", syntax.mark)
    try:
        value = ON_NUMBERS[syntax.op](*arguments)
    except ZeroDivisionError:
        raise report.fail("E405", "the expression divides by zero", syntax.mark) from None
    except (ValueError, OverflowError):
        raise report.fail("E405", f"'{syntax.op}' has no value here", syntax.mark) from None
    except TypeError:
        raise report.fail("E306", f"'{syntax.op}' does not take these arguments", syntax.mark) from None
    if isinstance(value, complex) or not math.isfinite(value):
        raise report.fail("E405", "the expression is not finite", syntax.mark)
    return value
