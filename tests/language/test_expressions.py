"""Expressions: what the whitelist lets through, what it refuses, and the place of each part."""

from __future__ import annotations

import math
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dipgraph.language import Source
from dipgraph.language.diagnostics import Abandon, Mark, Report
from dipgraph.language.evaluation import ON_NUMBERS, evaluate, fold
from dipgraph.language.expressions import DEEPEST, FUNCTIONS, LONGEST, Syntax, parse_expression
from dipgraph.language.nodes import Scalar
from dipgraph.language.program import Expression
from dipgraph.language.typing import ARITY, Typist, written
from dipgraph.signatures.spaces import Number, Switch
from tests.language.made_up import after, expect, faults


def scalar(text: str) -> Scalar:
    return Scalar(Mark(Source("r", text), 0, 0, len(text)), text, False, True)


def parsed(text: str) -> Syntax:
    return parse_expression(scalar(text), Report())


def refused(text: str) -> tuple[str, int, str, str]:
    """The code, column, message and advice of an expression's only fault."""
    report = Report()
    with pytest.raises(Abandon):
        parse_expression(scalar(text), report)
    (fault,) = report.faults
    return fault.code, fault.mark.column + 1, fault.message, fault.advice


def value(text: str, **values: object) -> object:
    report = Report()
    try:
        return evaluate(parse_expression(scalar(text), report), values, report)
    except Abandon:
        return report.faults[-1].code


# --- the whitelist ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("x", "x"),
        ("1e-3", "0.001"),
        ("true", "true"),
        ("-x", "-x"),
        ("x + y - z", "x + y - z"),
        ("x - (y - z)", "x - (y - z)"),
        ("(a + b)*c", "(a + b)*c"),
        ("a/(b*c)", "a/(b*c)"),
        ("a/b*c", "a/b*c"),
        ("-(a + b)", "-(a + b)"),
        ("a < b and not c", "a < b and not(c)"),
        ("(a or b) and c", "(a or b) and c"),
        ("adjoint(A)(A(x) - y)", "adjoint(A)(A(x) - y)"),
        ("where(a <= b, 1, 2)", "where(a <= b, 1, 2)"),
        ("f(g(z))", "f(g(z))"),
        ("max(a, b)", "max(a, b)"),
        ("  x  ", "x"),
        ("a != b", "a != b"),
        ("- -x", "--x"),
    ],
)
def test_expressions_come_back_as_text(text: str, shown: str) -> None:
    assert written(parsed(text)) == shown
    assert written(parsed(shown)) == shown


@pytest.mark.parametrize(
    ("text", "column", "said"),
    [
        ("x**2", 1, "a power"),
        ("A @ x", 1, "'@'"),
        ("x.T", 1, "the adjoint is adjoint(x)"),
        ("x + A.H", 5, "the adjoint is adjoint(A)"),
        ("x[0]", 1, "an index"),
        ("lambda v: v", 1, "write lam"),
        ("1 if a else 2", 1, "where(test, a, b)"),
        ("a < b < c", 1, "join comparisons with 'and'"),
        ("a is b", 1, "this comparison"),
        ("a in b", 1, "this comparison"),
        ("a // b", 1, "floor(a/b)"),
        ("a % b", 1, "'a % b'"),
        ("a | b", 1, "'a | b'"),
        ("~a", 1, "'~a'"),
        ("+a", 1, "leave it out"),
        ("[a]", 1, "'[a]'"),
        ("{a}", 1, "'{a}'"),
        ("a, b", 1, "a comma"),
        ("'text'", 1, "a text"),
        ("b'x'", 1, "a text"),
        ("f'{a}'", 1, "f'{a}'"),
        ("x + None", 5, "'None'"),
        ("...", 1, "'...'"),
        ("(a := 1)", 2, "'a := 1'"),
        ("f(z, k=1)", 1, "a named or starred argument"),
        ("f(*z)", 1, "starred"),
        ("x + prox.tv(x)", 5, "a block is a step of its own: name: {prox.tv: {...}}"),
        ("os.system('x')", 1, "os.system"),
        ("__import__('os').system", 1, "an attribute"),
        ("True", 1, "write true"),
        ("x + False", 5, "write false"),
        ("1_000", 1, "write 1000"),
        ("0b11", 1, "write 3"),
        ("2 + 0o17", 0, ""),
        ("1j", 1, "'1j'"),
        ("[i for i in x]", 1, "'[i for i in x]'"),
        ("await x", 1, ""),
        ("yield x", 1, ""),
        ("x # y", 3, "a comment"),
        ("x + ١", 0, ""),
    ],
)
def test_what_is_no_expression(text: str, column: int, said: str) -> None:
    if column == 0:
        parsed(text) if text != "x + ١" else refused(text)
        return
    code, at, message, advice = refused(text)
    assert code == "E107"
    assert at == column
    assert said in f"{message} {advice}"


@pytest.mark.parametrize(
    ("text", "column", "said"),
    [
        ("lambda", 1, "write lam"),
        ("x + lambda*d", 5, "write lam"),
        ("f(class)", 3, "'class' is a keyword"),
        ("max(a", 4, "a parenthesis is open"),
        ("a + ", 3, ""),
        ("a b", 1, ""),
        ("a)", 2, ""),
        ("2x", 2, "invalid decimal"),
        ("a − b", 3, "U+2212"),
        ("a × b", 3, "U+00D7"),
        ("a\u00a0+ b", 2, "U+00A0"),
        ("x²", 2, ""),
        ("=", 1, ""),
        ("a = 1", 1, ""),
        ("'open", 1, ""),
        ("?", 1, ""),
        ("a;b", 2, ""),
        ("$a", 1, ""),
    ],
)
def test_what_python_cannot_parse(text: str, column: int, said: str) -> None:
    code, at, message, advice = refused(text)
    assert code == "E107"
    assert "is no expression" in message
    assert said in advice
    assert abs(at - column) <= 2, "Python's parser gives the place, which versions may move a little"


def test_nothing_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """The text is parsed, never compiled or evaluated."""
    import builtins

    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("evaluated")

    compiled = builtins.compile
    monkeypatch.setattr(builtins, "eval", forbidden)
    monkeypatch.setattr(builtins, "exec", forbidden)

    def only_parse(source: object, filename: str, mode: str, flags: int = 0, *rest: object, **more: object) -> object:
        assert flags & 0x400, "ast.PyCF_ONLY_AST"
        return compiled(source, filename, mode, flags, *rest, **more)  # type: ignore[call-overload]

    monkeypatch.setattr(builtins, "compile", only_parse)
    assert value("max(1, 2) + 3") == 5


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("text", ["'\\d'", "1if a else b", "1(x)", "0x1for x in y"])
def test_python_warns_of_nothing(text: str) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with pytest.raises(Abandon):
            (parse_expression(scalar(text), Report()) and None) or evaluate(parsed(text), {}, Report())
    assert caught == []


# --- sizes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "(" * 900 + "x" + ")" * 900,
        "-" * 1900 + "x",
        "not " * 490 + "x",
        "f(" * 600 + "x" + ")" * 600,
        "[" * 150 + "-" * 1700 + "1",
        "+".join(["x"] * 900),
        "x" * (LONGEST + 1),
        "x and " * 300 + "x",
        "(" * 1000,
        "9" * 1900,
        "1e" + "9" * 1900,
        "max(" + "1," * 900 + "1)",
        "x" + ".a" * 900,
        "{" * 900,
        "'" * 1999,
        "\\" * 1999,
    ],
)
def test_expressions_of_any_size_end(text: str) -> None:
    report = Report()
    try:
        parse_expression(scalar(text), report)
    except Abandon:
        assert {fault.code for fault in report.faults} <= {"E107", "E109"}


def test_long_and_deep_expressions_are_refused_with_advice() -> None:
    assert refused("x" * (LONGEST + 1))[0] == "E109"
    assert refused("-" * (DEEPEST + 2) + "x")[0] == "E109"
    assert parsed("-" * DEEPEST + "x").op == "neg"
    assert "names in steps of their own" in refused("+".join(["x"] * (DEEPEST + 3)))[3]


@pytest.mark.parametrize(
    "text", ["9" * 400, "9" * 400 + " + 1", "1e301", "1e999", "-1e400", "9" * 5000 + " + 1", "1 + 1e999"]
)
def test_huge_numbers(text: str) -> None:
    code, _, message, _ = refused(text[:LONGEST])
    assert code == "E107"
    assert "too large" in message or "cannot be read" in message or "no expression" in message


@given(st.text(max_size=60))
def test_any_text_is_an_expression_or_a_fault_inside_it(text: str) -> None:
    report = Report()
    try:
        parse_expression(scalar(text), report)
    except Abandon:
        (fault,) = report.faults
        assert fault.code in ("E107", "E109")
        assert 0 <= fault.mark.column <= len(text)


# --- places in text that is not ASCII ---------------------------------------------------------------------------------


def test_columns_count_characters_not_bytes() -> None:
    """The trap: ``ast`` counts bytes of UTF-8."""
    expect(after('- u: {denoise.tv: {of: x, sigma: "µ*µ*<<E201>>nü + 1"}}', head="params: {µ: 2.0}\n"))


def test_names_are_one_in_any_unicode_form() -> None:
    """The trap: ``ast`` gives names in NFKC, YAML keys are as written. The micro sign becomes the Greek letter."""
    micro, mu, ligature = "\u00b5", "\u03bc", "\ufb01t"
    assert parsed(micro).value == mu
    text = after(f"- {ligature}: fbp(y)\n- u: {micro}*fit + {mu}*{ligature}", head=f"params: {{{micro}: 2.0}}\n")
    assert faults(text) == []
    assert faults(text, settings=[f"{mu}=3"]) == faults(text, settings=[f"{micro}=3"]) == []


def test_a_carried_name_in_another_form_is_the_same_name() -> None:
    micro, mu = "\u00b5", "\u03bc"
    body = f"- repeat: {{count: 2, carry: {{{micro}: zeros(X)}}, steps: [{mu}: {micro} + x]}}\n- u: {micro}"
    assert faults(after(body)) == []


def test_an_expression_in_quotes_keeps_its_places() -> None:
    expect(after("- u: 'x + <<E201>>q'\n- v: \"  µ + x\"".replace('- v: "  µ + x"', '- v: "  x + <<E201>>µ"')))


def test_an_expression_over_several_lines_is_located_at_its_start() -> None:
    expect(after("- u: <<E201>>x +\n    q"))


# --- values -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 + 2*3", 7),
        ("7/2", 3.5),
        ("4/2", 2.0),
        ("floor(7/2)", 3),
        ("-2", -2),
        ("max(1, 2.0)", 2.0),
        ("max(3, 2.0)", 3.0),
        ("min(1, 2)", 1),
        ("abs(-3)", 3),
        ("sqrt(4)", 2.0),
        ("exp(0)", 1.0),
        ("log(1)", 0.0),
        ("1 < 2", True),
        ("1 < 2 and not 2 < 1", True),
        ("where(1 < 2, 3, 4)", 3),
        ("where(1 < 2, 3, 4.0)", 3.0),
        ("where(n > 1, 1/(n - 1), 0)", 0.0),
        ("geometric(1, 100, 2, 3)", 10.0),
        ("geometric(5, 9, 1, 1)", 5.0),
        ("linear(0, 10, 2, 3)", 5.0),
        ("linear(1, 9, 3, 3)", 9.0),
        ("geometric(-1, -100, 2, 3)", -10.0),
        ("1/0", "E405"),
        ("sqrt(-1)", "E405"),
        ("log(0)", "E405"),
        ("exp(1e5)", "E405"),
        ("1e200*1e200", "E405"),
        ("geometric(1, -1, 1, 2)", "E405"),
        ("floor(1e300)*floor(1e300)", "E405"),
        ("where(n < 2, 1/0, 0)", "E405"),
        ("true + 1", "E306"),
        ("not 1", "E306"),
        ("1 and 2", "E306"),
        ("where(1, 2, 3)", "E306"),
        ("max(1)", "E306"),
        ("sqrt(1, 2)", "E306"),
        ("true == true", "E306"),
        ("w + 1", "E306"),
        ("file", None),
        ("file + 1", "E306"),
        ("q", "E201"),
        ("norm(1)", "E404"),
        ("A(1)", "E404"),
        ("zeros(X)", "E404"),
        ("where(true, w, 1)", "E306"),
    ],
)
def test_values(text: str, expected: object) -> None:
    found = value(text, n=1, w="word", file=None)
    assert found == expected
    assert type(found) is type(expected)


def test_every_function_is_known_to_the_types() -> None:
    assert set(ON_NUMBERS) - FUNCTIONS <= {
        "+",
        "-",
        "*",
        "/",
        "neg",
        "<",
        "<=",
        ">",
        ">=",
        "==",
        "!=",
        "and",
        "or",
        "not",
    }
    assert set(ARITY) | {"min", "max"} == FUNCTIONS


LEAVES = st.sampled_from(["1", "2.5", "n", "true"])
BINARY = [
    "({} + {})",
    "({}/{})",
    "({}*{})",
    "max({}, {})",
    "({} < {})",
    "({} and {})",
    "where(n < 2, {}, {})",
    "linear({}, {}, 1, 2)",
]
UNARY = ["(-{})", "sqrt({})", "floor({})", "(not {})", "abs({})"]
FORMULAS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(st.sampled_from(BINARY), inner, inner).map(lambda each: each[0].format(each[1], each[2])),
        st.tuples(st.sampled_from(UNARY), inner).map(lambda each: each[0].format(each[1])),
    ),
    max_leaves=10,
)


class Whole:
    """A place where ``n`` is a whole number."""

    def look_up(self, name: str, mark: Mark) -> Expression:
        return Expression("name", (), Number(True), mark, name)

    def feed(self, network: str, channels: int, mark: Mark) -> None:
        raise AssertionError(network)


@given(FORMULAS)
def test_values_are_finite_and_of_the_kind_that_types_say(text: str) -> None:
    syntax, report = parsed(text), Report()
    try:
        kind = Typist(Whole(), report).type(syntax).type
    except Abandon:
        assert {fault.code for fault in report.faults} == {"E306"}
        return
    found = value(text, n=1)
    if found == "E405":
        return
    assert isinstance(found, bool | int | float)
    assert math.isfinite(found)
    said = Switch() if isinstance(found, bool) else Number(isinstance(found, int))
    assert said == kind


def test_folding_stops_at_names() -> None:
    assert fold(parsed("2*3")) == 6
    assert fold(parsed("2*n")) is None
    assert fold(parsed("1/0")) is None
    assert fold(parsed("norm(A)")) is None


# --- constant parts of what runs later --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- u: x*<<E405>>(1/(a - 2))".replace("<<E405>>(", "(<<E405>>"), "divides by zero"),
        ("- u: x + <<E405>>sqrt(1 - a)*x", "sqrt(-1) has no value"),
        ("- u: where(norm(x) < 1, <<E405>>1/0, 2)", "divides by zero"),
        ("- u: where(a < 1, 1/0, 2)", ""),
        ("- u: <<E405>>log(0)", "log(0) has no value"),
    ],
)
def test_constant_parts_have_a_value(text: str, said: str) -> None:
    expect(after(text, head="params: {a: 2}\n"), *([said] if said else []))


def test_a_geometric_schedule_has_ends_of_one_sign() -> None:
    step = '- repeat: {count: 3, index: k, steps: [u: "<<E405>>geometric(a, -1, k, 3)*x"]}'
    expect(after(step, head="params: {a: 2}\n"), "from 2 to -1")


@pytest.mark.parametrize(
    ("written", "advice"),
    [
        ("A.T(y)", "the adjoint of a map is applied as adjoint(A)(y)"),
        ("adjoint(A, y)", "the adjoint is applied outside: adjoint(A)(y)"),
        ("A(A(x) - y)", "make an image of data"),
        ("f(A(x))", "make an image of data"),
        ("max(x, 0)", "{prox.nonnegative: {of: x}}"),
        ("where(1 > 0, x, x)", "multiply each by a number"),
    ],
)
def test_what_is_meant_is_advised(written: str, advice: str) -> None:
    (fault,) = faults(after(f'- u: "{written}"'))
    assert advice in fault.advice
