"""Located YAML: what is read, what is refused, and where."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dipgraph.language import Faults, Source, read_recipe
from dipgraph.language.diagnostics import Report
from dipgraph.language.document import DEEPEST, Mapping, Node, Scalar, Sequence, compose, parse, read
from dipgraph.signatures import InputError
from tests.language.made_up import HEAD, after, codes, expect, faults, loop, marked, steps


def scalar(text: str) -> Scalar:
    node = compose(Source("r", f"a: {text}"), Report())
    assert isinstance(node, Mapping)
    value = node.get("a")
    assert isinstance(value, Scalar)
    return value


# --- scalars by YAML 1.2 ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("-7", -7),
        ("+7", 7),
        ("010", 10),
        ("0o10", 8),
        ("0x1F", 31),
        ("1e-3", 1e-3),
        ("1E3", 1000.0),
        ("-1.5e+2", -150.0),
        (".5", 0.5),
        ("1.", 1.0),
        ("1.0", 1.0),
        ("true", True),
        ("false", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("off", "off"),
        ("on", "on"),
        ("yes", "yes"),
        ("no", "no"),
        ("y", "y"),
        ("True", "True"),
        ("None", "None"),
        ("1_000", "1_000"),
        ("0b11", "0b11"),
        ("12:30", "12:30"),
        ("2026-11-23", "2026-11-23"),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("1e", "1e"),
        ("e3", "e3"),
        ("'1'", "1"),
        ('"true"', "true"),
        ("'null'", "null"),
        ("''", ""),
    ],
)
def test_scalars_follow_yaml_1_2(text: str, value: object) -> None:
    found = scalar(text).value
    assert found == value
    assert type(found) is type(value)


def test_a_whole_number_of_many_digits_is_infinite() -> None:
    assert scalar("9" * 5000).value == float("inf")


def test_numbers_keep_their_kind() -> None:
    """The trap: PyYAML itself reads 1e-3 as a text, and off as false."""
    text = "recipe: 1\nparams: {rate: 1e-3, input: {value: off, of: [off, on]}}\n"
    assert "E206" not in codes(text)


@given(
    st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufeff\u2028\u2029\x85"), max_size=30)
)
def test_quoted_texts_come_back(text: str) -> None:
    """What stands between quotes is the value, and is told from a number or switch."""
    if re.search("[\ufffe\uffff]", text):
        return
    found = scalar("'" + text.replace("'", "''") + "'")
    assert found.text == text
    assert found.quoted


# --- places -----------------------------------------------------------------------------------------------------------


def scalars(node: Node) -> list[Scalar]:
    if isinstance(node, Scalar):
        return [node]
    parts = node.items if isinstance(node, Sequence) else [n for pair in getattr(node, "entries", ()) for n in pair]
    return [found for part in parts for found in scalars(part)]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_scalar_knows_its_place(end: str) -> None:
    text = end.join(["a: µm", "é: [x, 'y y', \"z\"]", "# ü", "last:", "  - {k: v}", "  - f(x) + 1", ""])
    node = compose(Source("r", text), Report())
    assert node is not None
    lines = text.split(end)
    for found in scalars(node):
        line = lines[found.mark.line]
        there = line[found.mark.column : found.mark.column + found.mark.length]
        assert there.strip("'\"") == found.text
        assert found.verbatim


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_faults_have_the_same_place_whatever_ends_the_lines(end: str) -> None:
    expect(after("- u: x + <<E301>>y").replace("\n", end))


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    clean, _ = marked(after("- u: x + <<E301>>y"))
    path = tmp_path / "bom.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + clean.encode())
    assert read(path).text == clean
    assert codes("\ufeff" + clean) == ["E301"]


def test_columns_count_characters_also_beyond_the_basic_plane() -> None:
    expect(after('- u: {denoise.tv: {of: x, sigma: "𝔽 + 𝔽 + <<E201>>n"}}', head="params: {𝔽: 1}\n"))


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<<E106>>", "empty"),
        ("<<E106>># nothing but a comment\n", "empty"),
        ("<<E106>>\n\n---\n", "empty"),
        ("<<E106>>- a\n- b\n", "not a mapping"),
        ("<<E106>>just a text\n", "not a mapping"),
        ("<<E106>>42\n", "not a mapping"),
    ],
)
def test_what_is_no_mapping(text: str, said: str) -> None:
    expect(text, said)


def test_a_second_document() -> None:
    found = faults("recipe: 1\n---\nrecipe: 1\n")
    assert ("E106", 1) in [(fault.code, fault.mark.line) for fault in found]
    assert "second document" in found[-1].message or "second document" in found[0].message


def test_a_document_may_begin_with_dashes_and_a_comment() -> None:
    assert codes("# about\n---\n" + steps("- repeat: {count: 1, steps: [x: fbp(y)]}\n")) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (loop("- x: <<E103>>*z"), 'quote an expression that begins with a star: "*z"'),
        (loop("- x: <<E103>>&z"), "no anchors"),
        (loop("- x: <<E103>>&z fbp(y)"), "no anchors"),
        (loop("- x: <<E104>>!!python/object:os.system fbp(y)"), "no tags"),
        (loop("- x: <<E104>>!mine fbp(y)"), "no tags"),
        (loop("- x: <<E104>>! fbp(y)"), "no tags"),
    ],
)
def test_anchors_aliases_and_tags(text: str, said: str) -> None:
    """Each is one fault at its place; what it stands for raises no second one."""
    expect(text, said)


def test_a_merge_key_is_no_key() -> None:
    expect(after("- u: x", head="params: <<E103>>&p {}\n<<E108>><<: <<E103>>*p\n"))


@pytest.mark.parametrize("lead", ["*(a + b)", "%a", "@a", "`a`", "&", "*", "|a", ">a"])
def test_a_leading_sign_that_yaml_takes_for_itself(lead: str) -> None:
    found = faults(loop(f"- x: {lead}"))
    assert found[0].code in ("E101", "E103", "E104")
    assert "quote" in found[0].advice


def test_equal_keys() -> None:
    """The trap: PyYAML keeps the last of two equal keys."""
    expect(after("- u: {denoise.tv: {of: x, sigma: 1, <<E102>>sigma: 2}}"), "stands in line 13 already")


def test_keys_that_are_equal_as_names() -> None:
    expect(after("- u: \u03bc*x", head="params: {\u00b5: 1.0, <<E102>>\u03bc: 2.0}\n"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("recipe: 1\nsteps:\n<<E105>>\t- x: y\n", "spaces"),
        ("recipe: 1\nsteps:\n  - x: y\n<<E105>>\t- x: y\n", "spaces"),
        ("recipe: 1\nsteps:<<E105>>\t[x: y]\n", "spaces"),
        ("recipe: 1\nsteps:\n  - x: 1<<E105>>\t# comment\n", "spaces"),
        ("recipe: 1\nsteps:\n  <<E105>>\t- x: y\n", "spaces"),
    ],
)
def test_tabs(text: str, said: str) -> None:
    expect(text, said)


def test_a_tab_inside_quotes_is_a_character() -> None:
    assert "E105" not in codes("recipe: 1\nabout: 'a\tb'\n")


@pytest.mark.parametrize(
    ("character", "name"), [("\0", "0000"), ("\x1b", "001b"), ("\x0c", "000c"), ("\ufeff", "feff"), ("\ud800", "d800")]
)
def test_characters_that_yaml_does_not_allow(character: str, name: str) -> None:
    (found,) = expect(f"recipe: 1\nabout: two\u2028lines a<<E101>>{character}b\n", f"#x{name}")
    assert character not in found.render()


@pytest.mark.parametrize(
    "text",
    [
        "recipe: [1",
        "recipe: {a: 1",
        'about: "open',
        "a: b: c",
        "- a\nb: c",
        "a: [1, 2]]",
        "?",
        "a:\n  b\n c: 1",
        "%YAML 3.0\n---\na: 1",
    ],
)
def test_what_is_not_yaml(text: str) -> None:
    found = faults(text)
    assert found
    assert {fault.code for fault in found} <= {"E101", "E106", "E108"}


def test_keys_are_plain() -> None:
    expect(loop("- x: fbp(y)", head="<<E108>>{a: b}: 1\n<<E108>>[a]: 2\n"))


def test_ten_megabytes_in_a_scalar() -> None:
    expect("<<E109>>about: " + "x" * 10_000_000, "10000007 characters")


def test_a_file_of_ten_megabytes(tmp_path: Path) -> None:
    path = tmp_path / "big.yaml"
    path.write_bytes(b"about: " + b"x" * 10_000_000)
    with pytest.raises(InputError, match="holds 10000007 bytes") as raised:
        read(path)
    assert raised.value.where == str(path)
    assert "data file" in raised.value.remedy


@pytest.mark.parametrize(("opening", "line"), [("[" * 1000, 0), ("{a: " * 1000, 0), ("- " * 1000, 0), ("? " * 1000, 0)])
def test_a_thousand_levels(opening: str, line: int) -> None:
    found = faults(opening)
    assert [fault.code for fault in found] == ["E109"]
    assert found[0].mark.line == line
    assert found[0].mark.column >= DEEPEST


def test_the_deepest_that_is_read() -> None:
    inside = "[" * (DEEPEST - 1) + "]" * (DEEPEST - 1)
    assert "E109" not in codes(f"about: {inside}")
    assert "E109" in codes(f"about: [{inside}]")


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"about: \xff\xfe", "not UTF-8"), ("recipe: 1".encode("utf-16"), "not UTF-8"), (b"\x80", "byte 0")],
)
def test_files_that_are_no_utf_8(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "bytes.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=said):
        read(path)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent.yaml", tmp_path / "with\0null"):
        with pytest.raises(InputError, match="cannot read the file"):
            read(path)


# --- commas inside brackets and braces --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "advised"),
    [
        ("- u: {denoise.tv: {of: x, sigma: <<E107>>max(a, b)}}", '"max(a, b)"'),
        ("- u: {denoise.tv: {sigma: <<E107>>where(a < b, a, b)*2, of: x}}", '"where(a < b, a, b)*2"'),
        ("- u: {denoise.tv: {sigma: <<E107>>max(a, min(a, b)), of: x}}", '"max(a, min(a, b))"'),
        ("- u: {denoise.tv: {of: x, sigma: <<E107>>max(a,\n    b)}}", '"max(a, b)"'),
    ],
)
def test_a_comma_inside_braces(text: str, advised: str) -> None:
    """The trap: ``{weight: max(a, b)}`` reads as two keys."""
    expect(after(text, head="params: {a: 0.1, b: 0.2}\n"), "put the expression in quotes", advised)


def test_a_comma_inside_brackets() -> None:
    text = loop(
        "- f:\n    minimise:\n      optimiser: {adam: {}}\n      let: [x: f(fbp(y)), s: <<E107>>max(a, b)]\n"
        "      loss: [fidelity.l2: {of: A(x), to: y, weight: s}]",
        head="params: {a: 0.1, b: 0.2}\n" + HEAD,
    )
    expect(text, '"max(a, b)"')


def test_a_torn_expression_is_read_on() -> None:
    expect(after("- u: {denoise.tv: {of: x, sigma: <<E107>>max(a, <<E201>>c)}}", head="params: {a: 0.1}\n"))


def test_a_quoted_expression_holds_commas() -> None:
    assert codes(after('- u: {denoise.tv: {of: x, sigma: "max(a, b)"}}', head="params: {a: 0.1, b: 0.2}\n")) == []


@pytest.mark.parametrize("text", ["- u: max(norm(x) #1)", "- u: {denoise.tv: {of: x, sigma: norm(x #)\n }}"])
def test_a_comment_sign_inside_a_parenthesis(text: str) -> None:
    found = faults(after(text))
    assert found[0].code in ("E107", "E101")
    assert "quotes" in found[0].advice


def test_a_colon_inside_a_value() -> None:
    found = faults(after("- u: f(z: y)"))
    assert found[0].code == "E101"
    assert "quotes" in found[0].advice


def test_a_missing_space_after_a_colon() -> None:
    expect(after("- <<E108>>u:f(z)"), "a space follows the colon")


def test_targets_torn_in_brackets() -> None:
    step = "- repeat: {count: 2, steps: [<<E107>>done, best: {stop.variance: {watch: x}}], until: done}"
    expect(after(step, returns="best"), 'put the names in quotes: "done, best": {...}')


def test_parse_raises_what_it_finds() -> None:
    with pytest.raises(Faults) as raised:
        parse(Source("r", "- a"), Report())
    assert str(raised.value).startswith("r:1:1: E106 ")


def test_a_problem_in_the_place_of_a_recipe_is_one_fault() -> None:
    text = "problem: 1\nabout: mine\nread: {array: {path: scan.npz}}\nimage: {shape: [8, 8], pixel: 1 mm}\n"
    with pytest.raises(Faults) as raised:
        read_recipe(Source("mine.yaml", text))
    (fault,) = raised.value.faults
    assert (fault.code, fault.line) == ("E108", 1)
    assert "this is a problem, not a recipe" in fault.render()
    assert "--problem" in fault.render()
