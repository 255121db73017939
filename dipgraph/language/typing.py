"""The space or kind of every expression: sums keep their space, maps take their domain, images are never multiplied."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from dipgraph.language.diagnostics import Abandon, Mark, Report
from dipgraph.language.evaluation import check_constants
from dipgraph.language.expressions import FUNCTIONS, Syntax, parse_expression
from dipgraph.language.matching import ADVICE
from dipgraph.language.nodes import Node
from dipgraph.language.program import Expression
from dipgraph.signatures.spaces import Map, Network, Number, SpaceName, Switch, Type, Vector

ARITY = {
    "sqrt": 1, "exp": 1, "log": 1, "floor": 1, "where": 3, "geometric": 4, "linear": 4, "abs": 1, "norm": 1, "dot": 2,
    "constant": 1, "mean": 1, "dim": 1, "zeros": 1, "ones": 1, "adjoint": 1,
}  # fmt: skip
BOUNDS = "images are bounded by steps: {prox.nonnegative: {of: x}}, {prox.box: {of: x, low: 0, high: 1}}"
OF_IMAGES = {
    "max": BOUNDS,
    "min": BOUNDS,
    "where": "for images, multiply each by a number, 0 or 1, and add them",
}
"""What does for images what a function does for numbers."""
COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")
BINDS = {"or": 1, "and": 2, **dict.fromkeys(COMPARISONS, 3), "+": 4, "-": 4, "*": 5, "/": 5, "neg": 6}
"""How tightly an operator binds: a looser one inside it needs parentheses."""


class Names(Protocol):
    """Where a typed expression looks its names up."""

    def look_up(self, name: str, mark: Mark) -> Expression:
        """The name as an expression, or a fault."""

    def feed(self, network: str, channels: int, mark: Mark) -> None:
        """Note the channels that a network is fed."""


class Typist:
    """Types expressions against the names of one place in the text."""

    def __init__(self, names: Names, report: Report) -> None:
        self.names, self.report = names, report

    def read(self, node: Node) -> Expression:
        """The typed expression that a scalar holds; its constant parts have a value. A fault leaves the part."""
        expression = self.type(parse_expression(node, self.report))
        check_constants(expression, self.report)
        return expression

    def type(self, syntax: Syntax) -> Expression:
        """The typed expression; a fault leaves the part."""
        if syntax.op == "literal":
            kind = Switch() if isinstance(syntax.value, bool) else Number(isinstance(syntax.value, int))
            return Expression("literal", (), kind, syntax.mark, syntax.value)
        if syntax.op == "name":
            return self.names.look_up(syntax.value, syntax.mark)
        arguments, failed = [], False
        for argument in syntax.arguments:
            try:
                arguments.append(self.type(argument))
            except Abandon:
                failed = True
        if failed:
            raise Abandon
        return self._call(syntax, tuple(arguments))

    def _fail(self, code: str, message: str, mark: Mark, advice: str = "") -> Exception:
        return self.report.fail(code, message, mark, advice)

    def _call(self, syntax: Syntax, arguments: tuple[Expression, ...]) -> Expression:
        wanted = ARITY.get(syntax.op)
        if wanted is not None and len(arguments) != wanted:
            message = f"'{syntax.op}' takes {wanted} argument{'s' * (wanted != 1)}, not {len(arguments)}"
            advice = "the adjoint is applied outside: adjoint(A)(y)" if syntax.op == "adjoint" else ""
            raise self._fail("E306", message, syntax.mark, advice)
        rule: Callable[[Syntax, tuple[Expression, ...]], Type]
        if syntax.op in ("+", "-"):
            rule = self._sum
        elif syntax.op in ("*", "/"):
            rule = self._product
        elif syntax.op in COMPARISONS or syntax.op in ("and", "or", "not"):
            rule = self._logic
        else:
            rule = getattr(self, f"_{syntax.op}", self._scalars)
        return Expression(syntax.op, arguments, rule(syntax, arguments), syntax.mark)

    def _number(self, argument: Expression, op: str) -> Number:
        if not isinstance(argument.type, Number):
            advice = OF_IMAGES.get(op, "") if isinstance(argument.type, Vector) else ""
            raise self._fail("E306", f"'{op}' takes numbers, and this is {described(argument)}", argument.mark, advice)
        return argument.type

    def _vector(self, argument: Expression, op: str) -> Vector:
        if not isinstance(argument.type, Vector):
            raise self._fail(
                "E306", f"'{op}' takes an image or data vector, and this is {described(argument)}", argument.mark
            )
        return argument.type

    def _single(self, argument: Expression, op: str) -> Vector:
        vector = self._vector(argument, op)
        if vector.space.batched:
            raise self._fail("E305", f"'{op}' takes a single image, and this is a batch", argument.mark,
                             "take the mean of the batch first: mean(...)")  # fmt: skip
        return vector

    def _sum(self, syntax: Syntax, arguments: tuple[Expression, ...]) -> Type:
        left, right = (argument.type for argument in arguments)
        if isinstance(left, Number) and isinstance(right, Number):
            return Number(left.whole and right.whole)
        if isinstance(left, Vector) and isinstance(right, Vector):
            if left.space.member != right.space.member:
                verb = "adds" if syntax.op == "+" else "subtracts"
                said = f"{left.space} to {right.space}" if syntax.op == "+" else f"{right.space} from {left.space}"
                raise self._fail("E301", f"'{written(syntax)}' {verb} {said}", arguments[1].mark)
            return Vector(left.space.batch(left.space.batched or right.space.batched))
        for argument, other in (arguments, arguments[::-1]):
            if isinstance(argument.type, Number) and isinstance(other.type, Vector):
                advice = f"a constant image is {written_of(argument)}*ones({other.type.space.member})"
                raise self._fail("E301", f"a number and {other.type.space} do not add", argument.mark, advice)
        wrong = next(a for a in arguments if not isinstance(a.type, Number | Vector))
        raise self._fail("E306", f"'{syntax.op}' takes numbers or vectors, and this is {described(wrong)}", wrong.mark)

    def _product(self, syntax: Syntax, arguments: tuple[Expression, ...]) -> Type:
        left, right = (argument.type for argument in arguments)
        if isinstance(left, Number) and isinstance(right, Number):
            return Number(left.whole and right.whole and syntax.op == "*")
        if isinstance(right, Number) and isinstance(left, Vector):
            return left
        if isinstance(left, Number) and isinstance(right, Vector) and syntax.op == "*":
            return right
        if isinstance(left, Vector | Number) and isinstance(right, Vector):
            advice = "weights go in by a port, masks are maps; an inner product is dot(a, b)"
            if syntax.op == "*":
                raise self._fail("E304", "a product of two images", syntax.mark, advice)
            raise self._fail("E304", f"a division by an image, {right.space}", arguments[1].mark, advice)
        wrong = next((a for a in arguments if not isinstance(a.type, Number | Vector)), arguments[0])
        advice = "apply a map by calling it: A(x)" if isinstance(wrong.type, Map | Network) else ""
        raise self._fail(
            "E306", f"'{syntax.op}' takes numbers or vectors, and this is {described(wrong)}", wrong.mark, advice
        )

    def _neg(self, syntax: Syntax, arguments: tuple[Expression, ...]) -> Type:
        kind = arguments[0].type
        return kind if isinstance(kind, Vector) else self._number(arguments[0], "-")

    def _logic(self, syntax: Syntax, arguments: tuple[Expression, ...]) -> Type:
        for argument in arguments:
            if syntax.op in COMPARISONS:
                self._number(argument, syntax.op)
            else:
                self._switch(argument, syntax.op)
        return Switch()

    def _switch(self, argument: Expression, op: str) -> None:
        if not isinstance(argument.type, Switch):
            raise self._fail("E306", f"'{op}' takes a switch, and this is {described(argument)}", argument.mark)

    def _scalars(self, syntax: Syntax, arguments: tuple[Expression, ...]) -> Type:
        for argument in arguments:
            self._number(argument, syntax.op)
        return Number(syntax.op == "floor")

    def _where(self, syntax: Syntax, arguments: tuple[Expression, ...]) -> Type:
        self._switch(arguments[0], "where")
        return Number(all(self._number(argument, "where").whole for argument in arguments[1:]))

    def _abs(self, syntax: Syntax, arguments: tuple[Expression, ...]) -> Type:
        kind = arguments[0].type
        return kind if isinstance(kind, Vector) else self._number(arguments[0], "abs")

    def _max(self, syntax: Syntax, arguments: tuple[Expression, ...]) -> Type:
        if len(arguments) == 1:
            self._single(arguments[0], syntax.op)
            return Number()
        if len(arguments) < 2:
            raise self._fail("E306", f"'{syntax.op}' takes an image, or two or more numbers", syntax.mark)
        numbers = [self._number(argument, syntax.op) for argument in arguments]
        return Number(all(number.whole for number in numbers))

    _min = _max

    def _norm(self, syntax: Syntax, arguments: tuple[Expression, ...]) -> Type:
        kind = arguments[0].type
        if not (isinstance(kind, Map) and kind.linear):
            self._single(arguments[0], "norm")
        return Number()

    def _dot(self, syntax: Syntax, arguments: tuple[Expression, ...]) -> Type:
        left, right = (self._single(argument, "dot") for argument in arguments)
        if left.space != right.space:
            raise self._fail("E301", f"'dot' takes {left.space} with {right.space}", arguments[1].mark)
        return Number()

    def _constant(self, syntax: Syntax, arguments: tuple[Expression, ...]) -> Type:
        kind = arguments[0].type
        return kind if isinstance(kind, Vector) else self._number(arguments[0], "constant")

    def _mean(self, syntax: Syntax, arguments: tuple[Expression, ...]) -> Type:
        vector = self._vector(arguments[0], "mean")
        if not vector.space.batched:
            raise self._fail("E305", "'mean' is over a batch, and this is a single image", arguments[0].mark)
        return Vector(vector.space.member)

    def _space(self, argument: Expression, op: str) -> SpaceName:
        if not isinstance(argument.type, SpaceName):
            raise self._fail(
                "E306", f"'{op}' takes a space (X, Y or G), and this is {described(argument)}", argument.mark
            )
        return argument.type

    def _dim(self, syntax: Syntax, arguments: tuple[Expression, ...]) -> Type:
        self._space(arguments[0], "dim")
        return Number(True)

    def _zeros(self, syntax: Syntax, arguments: tuple[Expression, ...]) -> Type:
        return Vector(self._space(arguments[0], syntax.op).space)

    _ones = _zeros

    def _adjoint(self, syntax: Syntax, arguments: tuple[Expression, ...]) -> Type:
        kind = arguments[0].type
        if not (isinstance(kind, Map) and kind.linear):
            advice = "apply the adjoint to a vector outside: adjoint(A)(y)" if isinstance(kind, Vector) else ""
            raise self._fail(
                "E306",
                f"'adjoint' takes a linear map, and this is {described(arguments[0])}",
                arguments[0].mark,
                advice,
            )
        return Map(kind.codomain, kind.domain)

    def _apply(self, syntax: Syntax, arguments: tuple[Expression, ...]) -> Type:
        head, *rest = arguments
        shown = written(syntax.arguments[0])
        if not isinstance(head.type, Map | Network):
            raise self._fail("E306", f"'{shown}' is {described(head)}", head.mark, "only maps and networks are applied")
        if len(rest) != 1:
            raise self._fail("E306", f"'{shown}' takes one argument, not {len(rest)}", syntax.mark)
        vector = self._vector(rest[0], shown)
        space = vector.space
        if isinstance(head.type, Network):
            if space.name in ("Y", "G"):
                advice = ADVICE.get(("X", space.name), "")
                raise self._fail("E302", f"'{shown}' wants an image and got {space}", rest[0].mark, advice)
            self.names.feed(head.value, space.channels, rest[0].mark)
            return Vector(replace(space, channels=1))
        if space.name != head.type.domain.name:
            advice = ADVICE.get((head.type.domain.name, space.name), "")
            raise self._fail("E302", f"'{shown}' wants {head.type.domain} and got {space}", rest[0].mark, advice)
        return Vector(replace(head.type.codomain, channels=space.channels, batched=space.batched))


def described(expression: Expression) -> str:
    """What an expression is, for a message."""
    return f"of {expression.type}" if isinstance(expression.type, Vector) else str(expression.type)


def written_of(expression: Expression) -> str:
    """A typed expression as text."""
    return f"{expression.value:g}" if expression.op == "literal" else "c"


def written(syntax: Syntax) -> str:
    """An expression as text."""
    inner = [written(argument) for argument in syntax.arguments]
    if syntax.op == "literal":
        return str(syntax.value).lower()
    if syntax.op == "name":
        return str(syntax.value)
    if syntax.op == "apply":
        return f"{inner[0]}({', '.join(inner[1:])})"
    if syntax.op in FUNCTIONS or syntax.op == "not":
        return f"{syntax.op}({', '.join(inner)})"
    for position, argument in enumerate(syntax.arguments):
        binds = BINDS.get(argument.op, 9) - (position > 0 and syntax.op in ("-", "/"))
        if binds < BINDS.get(syntax.op, 9):
            inner[position] = f"({inner[position]})"
    if syntax.op == "neg":
        return f"-{inner[0]}"
    return f" {syntax.op} ".join(inner) if BINDS.get(syntax.op) != 5 else syntax.op.join(inner)
