"""Laws: the order of keys is irrelevant, faults come sorted and once, and whatever the text, a check ends in faults."""

from __future__ import annotations

import random
import re
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from dipgraph.language import Fault, Setting
from dipgraph.language.program import Assign, Call, Expression, Minimise, Program, Repeat
from tests.language.made_up import HEAD, after, faults, loop, program, steps, training
from tests.language.test_choices import everywhere

ADMM = """recipe: 1
about: Deep image prior with a plug-in denoiser, split by scaled ADMM
cite: [arridge2026]

params:
  gradient_steps: {value: 2000, min: 1, about: budget of gradient steps}
  inner:    {value: 10, min: 1, about: "gradient steps per ADMM iteration, N_sub"}
  outer:    {value: floor(gradient_steps/inner), min: 1, about: "ADMM iterations, K"}
  β:        {value: 0.02, above: 0, about: coupling penalty of the split}
  sigma:    {value: 0.1, above: 0, about: "denoising strength, in units of the image range"}
  decay:    {value: 0.95, min: 0, below: 1, about: decay of the running average}
  rate:     {value: 1e-3, above: 0, about: learning rate of Adam}
  input:    {value: noise, of: [noise, grid, fbp, adjoint], about: what the network is fed}
  denoiser: {value: tv, of: [tv, dncnn], about: which denoiser}
  weights:  {file: none, about: "state of the DnCNN, if that is the denoiser"}
  channels: {value: 32, min: 1, about: feature channels of the U-Net}
  quick:    {value: false, about: whether moments are dropped}

presets:
  paper: {channels: 128, rate: 1e-4, gradient_steps: 10000}

networks:
  f: {network.unet: {channels: channels, scales: 5}}

steps:
  - z:
      choose:
        by: input
        noise: {input.noise: {std: 0.1}}
        grid: {input.grid: {}}
        fbp: fbp(y)
        adjoint: adjoint(A)(y)/max(adjoint(A)(y))
  - repeat:
      count: outer
      index: k
      carry: {u: zeros(X), µ: zeros(X)}
      steps:
        - f:                                   # theta <- gradient steps on the sum of the losses
            minimise:
              count: inner
              restart: quick
              optimiser: {adam: {rate: "geometric(rate, rate/10, k, outer)"}}
              let: [x: f(z)]
              loss:
                - fidelity.l2: {of: A(x), to: y}
                - penalty.l2: {of: x - u + µ, weight: β}
        - x: f(z)
        - u:
            choose:
              by: denoiser
              tv: {denoise.tv: {of: x + µ, sigma: sigma}}
              dncnn: {denoise.dncnn: {of: x + µ, sigma: sigma, weights: weights}}
        - µ: µ + x - u                         # dual update
        - average: {average.ema: {of: x, decay: decay}}
        - done, best: {stop.variance: {watch: average, window: 10, patience: 100}}
      until: done
      every: 5

track: average
returns: {image: average, stopped: best, weights: f}
"""
SEEDS = [
    ADMM,
    everywhere(),
    after("- u: x + fbp(A(x))", head="params: {a: 1}\n"),
    loop(training(let="x: f(z)") + "\n- z: x", head=HEAD, more="carry: {z: fbp(y)}\nindex: k\nuntil: norm(x) < k\n"),
    steps("- A_i, y_i: {subset.next: {of: A, data: y}}\n- repeat: {count: 2, steps: [x: adjoint(A_i)(y_i)]}"),
]


def test_the_seeds_are_right() -> None:
    assert [[str(fault) for fault in faults(seed) if not fault.is_warning] for seed in SEEDS] == [[]] * len(SEEDS)


# --- the order of keys ------------------------------------------------------------------------------------------------


def shape(part: Any) -> Any:
    """A program without places: what the graph is built from."""
    if isinstance(part, Expression):
        return (part.op, tuple(map(shape, part.arguments)), part.type, part.value)
    if isinstance(part, Call):
        return (part.signature.name, shape(part.ports), dict(part.settings), part.outputs)
    if isinstance(part, Assign):
        return (part.targets, part.types, shape(part.value))
    if isinstance(part, Minimise):
        return (
            part.targets,
            part.types,
            part.count,
            shape(part.optimiser),
            shape(part.rates),
            tuple(map(shape, part.let)),
            tuple(map(shape, part.loss)),
            part.restart,
        )
    if isinstance(part, Repeat):
        return (part.count, part.index, shape(part.carry), tuple(map(shape, part.steps)), shape(part.until), part.every)
    if isinstance(part, Program):
        given_ = set(part.given)
        return (
            part.about,
            part.cite,
            dict(part.parameters),
            shape(part.networks),
            dict(part.inputs),
            tuple(map(shape, part.steps)),
            part.track,
            shape(part.returns),
            given_,
        )
    return {name: shape(value) for name, value in part.items()} if hasattr(part, "items") else part


def shuffled(node: Any, draw: random.Random) -> Any:
    """The tree with the keys of every mapping in another order; lists keep theirs."""
    if isinstance(node, dict):
        entries = list(node.items())
        draw.shuffle(entries)
        return {key: shuffled(value, draw) for key, value in entries}
    return [shuffled(item, draw) for item in node] if isinstance(node, list) else node


class Texts(yaml.SafeLoader):
    """Reads every scalar as its text."""


Texts.add_constructor("tag:yaml.org,2002:map", yaml.SafeLoader.construct_yaml_map)
Texts.yaml_implicit_resolvers = {}


@settings(max_examples=20)
@given(st.sampled_from([ADMM, everywhere("tv", "sgd", "two", "b")]), st.randoms(use_true_random=False))
def test_the_order_of_keys_changes_nothing(text: str, draw: random.Random) -> None:
    tree = shuffled(yaml.load(text, Loader=Texts), draw)
    other = plain(tree)
    assert [fault for fault in faults(other) if not fault.is_warning] == []
    assert shape(program(other)) == shape(program(text))


def plain(node: Any) -> str:
    """YAML in flow style, with every scalar in single quotes but numbers and words."""
    if isinstance(node, dict):
        return "{" + ", ".join(f"{plain(key)}: {plain(value)}" for key, value in node.items()) + "}"
    if isinstance(node, list):
        return "[" + ", ".join(map(plain, node)) + "]"
    text = str(node)
    return text if re.fullmatch(r"[\w.+-]+", text) else "'" + text.replace("'", "''") + "'"


@settings(max_examples=20)
@given(st.integers(0, 10**9), st.randoms(use_true_random=False))
def test_the_order_of_keys_changes_no_fault(seed: int, draw: random.Random) -> None:
    text = ADMM
    for _ in range(3):
        text = rename(text, random.Random(seed))
        seed += 1
    try:
        tree = yaml.load(text, Loader=Texts)
    except yaml.YAMLError:
        return
    one, other = plain(tree), plain(shuffled(tree, draw))
    assert sorted(map(said, faults(one))) == sorted(map(said, faults(other)))


def said(fault: Fault) -> tuple[str, str]:
    """What a fault says, without the lines and counts that depend on the order."""
    return fault.code, re.sub(r"line \d+|[^']*$", "", fault.message)


# --- what a check hands out -------------------------------------------------------------------------------------------


def test_faults_come_sorted_and_once() -> None:
    text = after(
        "- u: x + y\n- v: q\n- w: {prox.tvv: {of: p}}\n- s: x*x", head="params: {a: {value: 0, min: 1}, A: 2}\n"
    )
    found = faults(text)
    assert [fault.code for fault in found] == ["E206", "E203", "E301", "E201", "E401", "E304"]
    assert [fault.mark.place for fault in found] == sorted(fault.mark.place for fault in found)
    assert len(set(found)) == len(found)


def test_a_fault_shows_its_line_and_a_caret() -> None:
    (found,) = faults(after("- u: x + norm(x)"))
    line, source, caret, advice = found.render().split("\n")
    assert line == "r:13:12: E301 a number and X do not add"
    assert source[caret.index("^") : caret.rindex("^") + 1] == "norm(x)"
    assert advice.strip() == "a constant image is c*ones(X)"


@pytest.mark.parametrize("wide", ["µ", "字", "e\u0301", "\U0001d53d"])
def test_the_caret_stands_below_its_place_in_a_terminal(wide: str) -> None:
    """A wide character takes two columns, a combining one none."""
    (found,) = faults(f"recipe: 1\nabout: '{wide}' x\n")
    _, source, caret = found.render().split("\n")[:3]
    columns = {"µ": 1, "字": 2, "e\u0301": 1, "\U0001d53d": 1}[wide]
    assert caret.index("^") == 4 + len("about: '") + columns + len("' ")
    assert source.strip().startswith("about")


def test_long_lines_are_cut_around_the_place() -> None:
    (found,) = faults(after("- u: " + "x + " * 80 + "y"))
    _, source, caret, *_ = found.render().split("\n")
    assert len(source) <= 120
    assert source[caret.index("^")] == "y"


def test_settling_agrees_with_checking() -> None:
    """A recipe with no fault is a program for every word."""
    for term in ("l2", "tv"):
        for optimiser in ("adam", "sgd"):
            for nested in ("a", "b"):
                chosen = [f"term={term}", f"optimiser={optimiser}", f"nested={nested}"]
                assert program(everywhere(), settings=chosen).parameters["term"] == term
    assert Setting.read("a=1").name == "a"


# --- mutated recipes --------------------------------------------------------------------------------------------------

CHARACTERS = list(
    "{}[]()\"'\\#:,&*!|>%@`-+/.?~=;\t\n\r\0 0129aexyzAXf\u00b5\u03bc字\u0301\u200b\u2028\x85\ufeff\ud800\x1b\U0001f600"
)
SNIPPETS = [
    "1e999",
    "9" * 400,
    "0x1f",
    "1_0",
    "nan",
    ".inf",
    "lambda",
    "class",
    "true",
    "null",
    "~",
    "A",
    "X",
    "y",
    "f",
    "x*x",
    "1/0",
    "sqrt(-1)",
    "max(a, b)",
    "&a",
    "*a",
    "!!python/name:os.system",
    "<<: *a",
    "? a",
    "- - -",
    "{{}}",
    "[[[[",
    "choose",
    "repeat",
    "minimise",
    "{choose: {by: input}}",
    "(" * 300,
    "-" * 1500,
    "x.__class__",
    "__import__('os')",
    "\n---\n",
    "\n...\n",
    "%YAML 1.2\n",
    "''",
    '"',
    "|\n  a\n",
    "[" * 60,
    ",",
    ": ",
    " #",
    "x + y",
    "fbp(fbp(y))",
    "adjoint(f)",
    "ﬁ",
    "＿",
    "K",
    "ſ",
    "\u202e",
    "a" * 3000,
    "index: X",
    "every: 0",
]


def insert(text: str, draw: random.Random) -> str:
    at = draw.randrange(len(text) + 1)
    return text[:at] + draw.choice(CHARACTERS) + text[at:]


def delete(text: str, draw: random.Random) -> str:
    at = draw.randrange(len(text))
    return text[:at] + text[at + draw.choice([1, 1, 1, 2, 5, 20]) :]


def replace(text: str, draw: random.Random) -> str:
    at = draw.randrange(len(text))
    return text[:at] + draw.choice(CHARACTERS) + text[at + 1 :]


def double(text: str, draw: random.Random) -> str:
    at = draw.randrange(len(text))
    end = at + draw.choice([1, 3, 10, 60])
    return text[:end] + text[at:end] + text[end:]


def swap_lines(text: str, draw: random.Random) -> str:
    lines = text.split("\n")
    one, other = draw.randrange(len(lines)), draw.randrange(len(lines))
    lines[one], lines[other] = lines[other], lines[one]
    return "\n".join(lines)


def drop_line(text: str, draw: random.Random) -> str:
    lines = text.split("\n")
    del lines[draw.randrange(len(lines))]
    return "\n".join(lines)


def indent_line(text: str, draw: random.Random) -> str:
    lines = text.split("\n")
    at = draw.randrange(len(lines))
    lines[at] = " " * draw.randrange(1, 5) + lines[at] if draw.random() < 0.5 else lines[at][draw.randrange(1, 4) :]
    return "\n".join(lines)


def rename(text: str, draw: random.Random) -> str:
    """Another word of the text, or an odd one, in the place of one word."""
    words = list(re.finditer(r"\w+", text))
    word = draw.choice(words)
    other = draw.choice([draw.choice(words)[0], draw.choice(SNIPPETS)])
    return text[: word.start()] + other + text[word.end() :]


def change_value(text: str, draw: random.Random) -> str:
    """Something else after one colon."""
    values = list(re.finditer(r": ([^\n{}\[\],]+)", text))
    if not values:
        return text
    value = draw.choice(values)
    return text[: value.start(1)] + draw.choice(SNIPPETS) + text[value.end(1) :]


def nest(text: str, draw: random.Random) -> str:
    """Brackets or braces around a part of one line."""
    lines = text.split("\n")
    at = draw.randrange(len(lines))
    start = draw.randrange(len(lines[at]) + 1)
    opening, closing = draw.choice(
        [("[", "]"), ("{", "}"), ("{choose: {by: input, noise: ", "}}"), ("(", ")"), ("'", "'")]
    )
    lines[at] = lines[at][:start] + opening + lines[at][start:] + closing
    return "\n".join(lines)


MUTATIONS = [insert, delete, replace, double, swap_lines, drop_line, indent_line, rename, change_value, nest]
OPTIONS = [
    (),
    ("rate=0",),
    ("sigma=x",),
    ("gradient_steps=5",),
    ("input=grid", "denoiser=dncnn"),
    ("outer=floor(inner/0)",),
]


def end_well(text: str, options: tuple[str, ...]) -> None:
    """A check ends in located faults or in a program, never in an exception; what it shows can be printed."""
    found = faults(text, "paper" if "presets" in text else None, options)
    for fault in found:
        shown = fault.render()
        shown.encode()
        assert all(line.isprintable() or "\t" in line for line in shown.split("\n"))
        lines = fault.mark.source.lines
        assert 0 <= fault.mark.line < max(1, len(lines))
        assert 0 <= fault.mark.column <= len(fault.mark.source.line(fault.mark.line)) + 1
        assert re.fullmatch(r"E[1-5]\d\d|W6\d\d", fault.code)
        assert fault.message
    if not any(not fault.is_warning for fault in found):
        assert isinstance(program(text, settings=options), Program)


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.__name__)
def test_mutated_recipes_end_in_faults(mutation: Any) -> None:
    """Sixty of each kind: with those below more than a thousand."""
    for number in range(60):
        draw = random.Random(f"{mutation.__name__}{number}")
        end_well(mutation(draw.choice(SEEDS), draw), draw.choice(OPTIONS))


@pytest.mark.parametrize("number", range(10))
def test_recipes_mutated_many_times_end_in_faults(number: int) -> None:
    draw = random.Random(number)
    for _ in range(50):
        text = draw.choice(SEEDS)
        for _ in range(draw.randrange(2, 9)):
            text = draw.choice(MUTATIONS)(text, draw) or "a"
        end_well(text, draw.choice(OPTIONS))


@given(st.text(max_size=200))
def test_any_text_ends_in_faults(text: str) -> None:
    assert faults(text)


KEYS = re.findall(
    r"\S+",
    "repeat count steps carry index until every minimise optimiser let loss choose by noise fbp x u f done adam rate "
    "of to weight fidelity.l2 prox.tv value file min about input.noise network.unet image",
)
TREES = st.recursive(
    st.sampled_from(["1", "x", "fbp(y)", "f", "'x'", "true", "", "A(x)", "1e-3", "noise", "x + y", "none"]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: "[" + ", ".join(items) + "]"),
        st.dictionaries(
            st.sampled_from(KEYS),
            inner,
            max_size=5,
        ).map(lambda pairs: "{" + ", ".join(f"{key}: {value}" for key, value in pairs.items()) + "}"),
    ),
    max_leaves=25,
)


@given(st.sampled_from(["params", "presets", "networks", "steps", "track", "returns", "about", "cite"]), TREES)
def test_any_tree_in_any_section_ends_in_faults_or_a_program(section: str, tree: str) -> None:
    lines = {
        "params": "{input: {value: noise, of: [noise, fbp]}}",
        "networks": "{f: {network.unet: {}}}",
        "steps": "[repeat: {count: 2, steps: [x: f(fbp(y))]}]",
        "track": "x",
        "returns": "{image: x}",
    } | {section: tree}
    end_well("recipe: 1\n" + "".join(f"{key}: {value}\n" for key, value in lines.items()), ())
