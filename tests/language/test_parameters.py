"""Parameters of every kind: declared, derived, set by presets and settings, and refused with their place."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dipgraph.language import Faults, Setting, Source, check, read_recipe, settle_recipe
from dipgraph.language.diagnostics import Report
from dipgraph.language.resolve import resolved_text
from dipgraph.language.settling import reference_texts
from tests.language.made_up import EVERYTHING, MADE_UP, after, codes, expect, faults, loop, program, read

ADMM = """
gradient_steps: {value: 2000, min: 1, about: budget of gradient steps}
inner: {value: 10, min: 1}
outer: {value: floor(gradient_steps/inner), min: 1}
beta: {value: 0.02, above: 0}
decay: {value: 0.95, min: 0, below: 1}
rate: {value: 1e-3, above: 0, max: 1}
fresh: {value: false}
input: {value: noise, of: [noise, fbp]}
weights: {file: none}
"""


def declared(params: str, more: str = "") -> str:
    """A recipe that declares parameters and reads none of them."""
    lines = "".join(f"  {line}\n" for line in params.strip().splitlines())
    return loop("- x: fbp(y)", head=f"params:\n{lines}{more}")


def settled(params: str, *settings: str, preset: str | None = None, more: str = "") -> dict[str, object]:
    """The values of parameters, or the only fault's code as ``{"": code}``."""
    report = Report()
    values = read(declared(params, more)).parameters.settle(report, preset, [Setting.read(text) for text in settings])
    if report.errors:
        return {"": [fault.code for fault in report.errors]}
    return dict(values)


# --- kinds ------------------------------------------------------------------------------------------------------------


def test_the_form_of_the_value_is_the_kind() -> None:
    values = settled(
        "a: 200\nb: 1.0\nc: 1e-3\nd: true\ne: {value: noise, of: [noise, grid]}\nf: {file: none}\ng: {value: 7}"
    )
    assert values == {"a": 200, "b": 1.0, "c": 1e-3, "d": True, "e": "noise", "f": None, "g": 7}
    assert [type(value) for value in values.values()] == [int, float, float, bool, str, type(None), int]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("floor(a/3)", 3),
        ("a/2", 5.0),
        ("2*a", 20),
        ("max(a, 3)", 10),
        ("max(a, 3.5)", 10.0),
        ("a > 3", True),
        ("not b", False),
        ("where(b, a, 1)", 10),
        ("where(b, a, 1.5)", 10.0),
        ("-a", -10),
        ("geometric(1, 100, 2, 3)", 10.0),
        ("'a + 1'", 11),
    ],
)
def test_derived_parameters_have_the_kind_of_their_expression(value: str, expected: object) -> None:
    found = settled(f"c: {{value: {value if ', ' not in value else repr(value)}}}\na: 10\nb: true")["c"]
    assert found == expected
    assert type(found) is type(expected)


def test_derived_parameters_follow_what_they_are_made_of() -> None:
    assert settled(ADMM)["outer"] == 200
    assert settled(ADMM, "inner=20")["outer"] == 100
    assert settled(ADMM, "inner=20", "outer=7")["outer"] == 7
    assert settled(ADMM, "outer=floor(gradient_steps/500)")["outer"] == 4


def test_a_whole_number_may_stand_for_a_real_one_and_nothing_else() -> None:
    assert settled(ADMM, "rate=1")["rate"] == 1.0
    assert type(settled(ADMM, "rate=1")["rate"]) is float
    for wrong in ("inner=10.0", "inner=1e3", "inner=true", "fresh=1", "rate=true", "inner=input", "rate=weights"):
        assert settled(ADMM, wrong) == {"": ["E206"]}, wrong


# --- precedence -------------------------------------------------------------------------------------------------------

PRESETS = (
    "presets:\n  paper: {rate: 1e-4, gradient_steps: 10000, input: fbp}\n  quick: {gradient_steps: 100, inner: 5}\n"
)


def test_a_setting_beats_the_preset_beats_the_value() -> None:
    assert settled(ADMM, more=PRESETS)["rate"] == 1e-3
    assert settled(ADMM, more=PRESETS, preset="paper")["rate"] == 1e-4
    assert settled(ADMM, "rate=0.5", more=PRESETS, preset="paper")["rate"] == 0.5
    assert settled(ADMM, "rate=0.5", "rate=0.25", more=PRESETS)["rate"] == 0.25
    assert settled(ADMM, more=PRESETS, preset="quick")["outer"] == 20
    assert settled(ADMM, more=PRESETS, preset="paper")["input"] == "fbp"


def test_a_program_gets_the_values() -> None:
    text = loop("- x: {denoise.tv: {of: fbp(y), sigma: s}}", count="n", head="params: {n: 3, s: 0.5}\n")
    assert program(text, settings=["n=9"]).parameters == {"n": 9, "s": 0.5}
    assert program(text, settings=["n=9"]).steps[0].count == 9  # type: ignore[union-attr]


# --- faults in the file -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ("a: {value: <<E206>>0, min: 1}", "'a' is 0; it must be at least 1"),
        ("a: {value: <<E206>>0.0, above: 0}", "above 0"),
        ("a: {value: <<E206>>2, max: 1}", "at most 1"),
        ("a: {value: <<E206>>1.0, below: 1}", "below 1"),
        ("a: {value: <<E206>>5, min: 0, max: 1}", "at least 0, at most 1"),
        ("a: {value: <<E206>>moise, of: [noise, grid]}", "did you mean 'noise'?"),
        ("a: {value: <<E201>>noise}", "a word needs its list, of: [...]"),
        ("a: <<E201>>noise", "'noise' is no parameter"),
        ("a: {value: <<E107>>1**2}", "a power"),
        ("a: {value: <<E405>>1/0}", "divides by zero"),
        ("a: {value: <<E405>>sqrt(0 - 1)}", "no value"),
        ("a: <<E201>>A", ""),
        ("a: {value: <<E107>>1e400}", "too large"),
        ("a: {value: <<E107>>[1]}", "not a list"),
        ("a: {value:<<E107>> }", "missing"),
        ("a: <<E108>>[1, 2]", "a value or a mapping"),
        ("<<E108>>a: {about: nothing}", "either a value or a file"),
        ("<<E108>>a: {value: 1, file: x}", "either a value or a file"),
        ("a: {value: 1, <<E108>>mn: 0}", "did you mean 'min'?"),
        ("a: {value: 1, min: <<E108>>b}", "'min' is a number"),
        ("a: {value: 1, max: <<E108>>1e999}", "'max' is a number"),
        ("a: {value: true, <<E108>>min: 0}", "no number"),
        ("a: {value: b, of: [b, c], <<E108>>max: 0}", "no number"),
        ("a: {file: none, <<E108>>min: 0}", "no number"),
        ("a: {file: none, <<E108>>of: [x]}", "no number"),
        ("a: {file: <<E206>>[x]}", "'a' is a file"),
        ("a: {value: b, of: <<E108>>b}", "a list of words"),
        ("a: {value: b, of: <<E108>>[]}", "a list of words"),
        ("a: {value: b, of: <<E108>>[[b]]}", "a list of words"),
        ("a: {value: b, of: [b, <<E102>>b]}", "stands twice"),
        ("a: {value: b, of: [b, <<E203>>by]}", "'choose'"),
        ("<<E203>>A: 1", "a map of the problem"),
        ("<<E203>>X: 1", "a space"),
        ("<<E203>>y: 1", "given by the problem"),
        ("<<E203>>max: 1", "a function"),
        ("<<E203>>lambda: 1", "write lam"),
        ("<<E203>>repeat: 1", "a keyword"),
        ("<<E203>>true: 1", "a keyword"),
        ("<<E203>>a b: 1", "no name"),
        ("<<E203>>a-b: 1", "no name"),
        ("<<E203>>2a: 1", "no name"),
        ("a: <<E206>>b\nb: a", "a -> b -> a"),
        ("a: <<E206>>a", "a -> a"),
        ("a: {value: b + 1}\nb: <<E206>>c\nc: b*2", "b -> c -> b"),
        ("a: {value: <<E306>>w + 1}\nw: {value: p, of: [p, q]}", ""),
    ],
)
def test_faults_of_declarations(params: str, said: str) -> None:
    text = declared(params)
    found = expect(text, said) if said else expect(text)
    assert len(found) == 1


@pytest.mark.parametrize(
    "params", ["params: <<E108>>[a]", "params: <<E108>>3", "presets: <<E108>>[a]", "presets: {p: <<E108>>3}"]
)
def test_sections_are_mappings(params: str) -> None:
    expect(loop("- x: fbp(y)", head=params + "\n"))


@pytest.mark.parametrize(
    "params", ["params:", "params: {}", "params: null", "presets:", "presets: {}", "params: {}\npresets: {p: }"]
)
def test_sections_may_be_empty(params: str) -> None:
    assert codes(loop("- x: fbp(y)", head=params + "\n")) == []


def test_a_fault_in_one_parameter_hides_no_other_and_none_in_the_steps() -> None:
    expect(
        loop(
            "- x: {denoise.tv: {of: a*fbp(y), sigma: c + <<E201>>q}}",
            count="n",
            head="params:\n  a: {value: <<E405>>1/0}\n  b: {value: a + 1}\n  c: 1\n  n: {value: <<E206>>0, min: 1}\n",
        )
    )


def test_what_reads_a_broken_parameter_is_left_alone() -> None:
    head = (
        "params:\n  w: {value: <<E206>>z, of: [p, q]}\n  a: {value: b, of: <<E108>>3}\n"
        "  d: {file: <<E206>>[]}\n  n: <<E108>>[]\n"
    )
    body = (
        "- x: {choose: {by: a, b: fbp(y)}}\n- u: {choose: {by: w, p: x + x, q: fbp(y) + <<E301>>y}}\n"
        "- v: {denoise.dncnn: {of: x, sigma: n, weights: d}}\n- s: u + v\n- z: {input.noise: {law: a}}"
    )
    expect(loop(body, head=head))


def test_faults_of_presets() -> None:
    more = (
        "presets:\n  paper: {<<E205>>rte: 1e-4, rate: <<E206>>0}\n  quick: {inner: <<E206>>1.5, input: <<E206>>nois}\n"
    )
    expect(declared(ADMM, more), "did you mean 'rate'?", "did you mean 'noise'?", "round it: floor(...)")


def test_every_preset_is_tried_on_the_steps() -> None:
    text = loop(
        "- x: {denoise.tv: {of: fbp(y), sigma: 0.1}}",
        count="<<E405>>n",
        head="params: {n: 3}\npresets: {none: {n: 0}}\n",
    )
    expect(text, "'count' is 0; it must be at least 1")


# --- faults on the command line ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "place", "code", "said"),
    [
        ("rat=1", "--set:1:1", "E205", "did you mean 'rate'?"),
        ("zzzzz=1", "--set:1:1", "E205", "there is gradient_steps"),
        ("rate", "--set:1:1", "E205", "name=value"),
        ("=1", "--set:1:1", "E205", "no parameter ''"),
        ("rate=", "--set:1:6", "E107", "missing"),
        ("rate=0", "--set:1:6", "E206", "above 0"),
        ("rate=2", "--set:1:6", "E206", "at most 1"),
        ("rate=1e-3x", "--set:1:9", "E107", "no expression"),
        ("rate=1/0", "--set:1:6", "E405", "zero"),
        ("rate=q + 1", "--set:1:6", "E201", "'q' is no parameter"),
        ("rate=nan", "--set:1:6", "E201", "'nan' is no parameter"),
        ("rate=inf", "--set:1:6", "E201", "'inf'"),
        ("rate=.nan", "--set:1:6", "E107", ""),
        ("rate=1e999", "--set:1:6", "E107", "too large"),
        ("inner=1.5", "--set:1:7", "E206", "a whole number"),
        ("inner=20.0", "--set:1:7", "E206", "write 20"),
        ("inner=inner", "--set:1:7", "E206", "inner -> inner"),
        ("fresh=yes", "--set:1:7", "E201", ""),
        ("fresh=1", "--set:1:7", "E206", "true or false"),
        ("input=grid", "--set:1:7", "E206", "one of noise, fbp"),
        ("input=nois", "--set:1:7", "E206", "did you mean 'noise'?"),
        ("weights=~nobody_of_that_name/w", "--set:1:9", "E206", "no such home folder"),
        ("rate=" + "9" * 3000, "--set:1:6", "E107", "too large"),
        ("rate=" + "x" * 10_000_000, "--set:1:6", "E109", "10000000 characters"),
        ("x" * 100_000 + "=1", "--set:1:1", "E205", "no parameter"),
        ("rate=\x1b[31m", "--set:1:6", "E107", ""),
        ("rate=\udcff", "--set:1:6", "E107", ""),
    ],
)
def test_faults_of_settings(setting: str, place: str, code: str, said: str) -> None:
    (found,) = faults(declared(ADMM), settings=[setting])
    assert found.code == code
    assert abs(int(str(found.mark).split(":")[2]) - int(place.split(":")[2])) <= (3 if code == "E107" else 0)
    assert str(found.mark).startswith("--set:1:")
    shown = found.render()
    assert said in shown
    assert len(shown) < 1500
    assert all(line.isprintable() for line in shown.split("\n"))
    shown.encode()


def test_a_value_that_others_make_up_is_told_with_them() -> None:
    head = "params:\n  n: {value: 20, min: 1}\n  inner: {value: 10, min: 1}\n  outer: {value: floor(n/inner), min: 1}\n"
    (found,) = faults(loop("- x: fbp(y)", count="outer", head=head), settings=["n=6"])
    assert found.message == "'outer' is 0; it must be at least 1"
    assert found.advice == "made of n = 6, inner = 10"


def test_an_unknown_preset() -> None:
    (found,) = faults(declared(ADMM, PRESETS), preset="papr")
    assert (found.code, str(found.mark), found.advice) == ("E205", "--preset:1:1", "did you mean 'paper'?")
    (found,) = faults(declared(ADMM), preset="paper")
    assert found.advice == "there is none"


def test_a_long_chain_of_parameters_is_settled() -> None:
    count = 1500
    lines = [f"p{number}: p{number + 1} + 1" for number in range(count)]
    assert settled("\n".join([*lines, f"p{count}: 1"]))["p0"] == count + 1
    assert settled("\n".join([f"p{count}: 1", *reversed(lines)]))["p0"] == count + 1


def test_every_ring_of_parameters_is_found_whatever_their_order() -> None:
    lines = ["a: b", "b: c + 1", "c: a", "d: e", "e: d*2", "f: a", "g: g", "h: 1"]
    for order in (lines, lines[::-1]):
        found = [
            fault.message.partition(": ")[2] for fault in faults(declared("\n".join(order))) if fault.code == "E206"
        ]
        assert sorted(found) == ["a -> b -> c -> a", "d -> e -> d", "g -> g"]


def test_setting_cycles_are_found_only_where_they_are() -> None:
    params = "a: {value: b + 1}\nb: 2"
    assert settled(params, "a=3", "b=a") == {"a": 3, "b": 3}
    assert settled(params, "b=a") == {"": ["E206"]}


def test_settings_may_be_quoted_and_hold_spaces() -> None:
    assert settled(ADMM, "rate='1/4'")["rate"] == 0.25
    assert settled(ADMM, " rate = 1/4 ")["rate"] == 0.25
    assert settled("p: {file: none}", "p='a b.pt'")["p"] == str(Path.cwd() / "a b.pt")


# --- files ------------------------------------------------------------------------------------------------------------


def test_files_are_relative_to_the_recipe_and_on_the_command_line_to_the_working_folder(tmp_path: Path) -> None:
    text = declared(
        "w: {file: ../weights/w.pt}\nv: {file: /abs/v.pt}\nn: {file: none}\nr: {file: required}",
        "presets: {p: {n: near.pt}}\n",
    )
    recipe = read_recipe(Source("r", text), tmp_path / "recipes")
    values = recipe.parameters.settle(Report())
    assert values == {"w": str(tmp_path / "weights/w.pt"), "v": "/abs/v.pt", "n": None, "r": None}
    assert [known.name for known in recipe.parameters.missing(values)] == ["r"]
    values = recipe.parameters.settle(Report(), "p", [Setting.read("r=mine.pt")])
    assert values["r"] == str(Path.cwd() / "mine.pt")
    assert values["n"] == str(tmp_path / "recipes/near.pt")
    assert recipe.parameters.missing(values) == []


def test_a_file_has_no_place_in_a_formula() -> None:
    expect(after("- u: <<E306>>w*x", head="params: {w: {file: none}}\n"), "'w' is a file")


# --- the prefix of a problem's parameters -----------------------------------------------------------------------------


def test_the_prefix_of_a_problem_falls_off() -> None:
    setting = Setting.read("problem.views=30", prefix="problem.")
    assert setting.name == "views"
    assert str(setting.node.mark) == "--set:1:15"


# --- resolved texts ---------------------------------------------------------------------------------------------------


def test_the_resolved_text_gives_the_same_values_without_settings() -> None:
    more = "presets: {paper: {rate: 1e-5, input: fbp}}\n"
    params = (
        ADMM
        + "long:\n  value:\n    inner*\n    2\nshift: {value: -0.5}\npath: {file: }\nquoted: {value: 'inner + 1'}\n"
    )
    recipe = read(declared(params, more))
    settings = ["inner=7", "path=some dir/ü: #1.pt", "fresh=true", "beta=1/3"]
    values = recipe.parameters.settle(Report(), "paper", [Setting.read(text) for text in settings])
    resolved = resolved_text(recipe.source, recipe.parameters, values)
    again = read(resolved)
    assert again.parameters.settle(Report()) == values
    assert not [fault for fault in check(again, MADE_UP) if not fault.is_warning]


@given(
    st.integers(-(10**20), 10**20),
    st.floats(-1e299, 1e299),
    st.booleans(),
    st.sampled_from(["noise", "grid", "a b", "1", "true", "-", "µ"]),
)
def test_values_written_as_settings_come_back(whole: int, real: float, switch: bool, word: str) -> None:
    params = "a: 1\nb: 1.0\nc: true\nd: {value: noise, of: [noise, grid, 'a b', '1', 'true', '-', 'µ']}"
    values = settled(params, f"a={whole}", f"b={real!r}", f"c={str(switch).lower()}", f"d={word}")
    texts = reference_texts(values)  # type: ignore[arg-type]
    assert settled(params, *(f"{name}={text}" for name, text in texts.items())) == values
    recipe = read(declared(params))
    resolved = read(resolved_text(recipe.source, recipe.parameters, values))  # type: ignore[arg-type]
    assert resolved.parameters.settle(Report()) == values


def test_settle_raises_every_fault() -> None:
    recipe = read(after("- u: x + y", head="params: {a: {value: 0, min: 1}}\n"))
    with pytest.raises(Faults) as raised:
        settle_recipe(recipe, EVERYTHING)
    assert [fault.code for fault in raised.value.faults] == ["E206", "E301"]
    assert str(raised.value).count("^") >= 2


def test_a_bare_value_is_a_declaration() -> None:
    assert settled("a: 1") == settled("a: {value: 1}") == settled("a:\n  value: 1\n  about: one")
