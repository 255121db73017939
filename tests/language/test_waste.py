"""Warnings: what nothing reads, and only if that is true for all words."""

from __future__ import annotations

import pytest

from tests.language.made_up import HEAD, after, codes, expect, loop, program, steps, training

BOTH = "track: x\nreturns: {image: x, u: u}\n"


def test_parameters() -> None:
    expect(
        loop(
            "- x: fbp(y)",
            head="params:\n  <<W601>>a: 1\n  <<W601>>b: {value: w, of: [w, v]}\n  <<W601>>c: {file: none}\n",
        )
    )


@pytest.mark.parametrize(
    "recipe",
    [
        loop("- x: a*fbp(y)", head="params: {a: 1}\n"),
        loop("- x: fbp(y)", count="a", head="params: {a: 1}\n"),
        loop("- x: b*fbp(y)", head="params: {a: 1, b: a + 1}\n"),
        loop("- x: b*fbp(y)", head="params: {a: 1, b: 1}\npresets: {p: {b: a + 1}}\n"),
        loop("- x: {choose: {by: a, w: fbp(y), v: prior}}", head="params: {a: {value: w, of: [w, v]}}\n"),
        loop("- x: {input.noise: {law: a}}", head="params: {a: {value: normal, of: [normal, uniform]}}\n"),
        loop("- x: {denoise.dncnn: {of: fbp(y), sigma: 1, weights: a}}", head="params: {a: {file: none}}\n"),
        loop(training(let="x: f(fbp(y))", more=", count: a, restart: b"), head=HEAD + "params: {a: 1, b: true}\n"),
        loop("- x: fbp(y)", more="until: norm(x) < a\nevery: b\n", head="params: {a: 1, b: 2}\n"),
        loop("- x: fbp(y)", head="params: {a: 1}\n", tail="track: x\nreturns: {image: a*x}\n"),
        loop("- x: f(fbp(y))", head="params: {a: 1}\nnetworks: {f: {network.unet: {channels: a}}}\n"),
        loop("- x: fbp(y)\n- u: x", head="params: {a: 1}\n", more="carry: {u: a*zeros(X)}\n").replace(
            "x: fbp(y)", "x: u + fbp(y)"
        ),
    ],
)
def test_parameters_that_are_read(recipe: str) -> None:
    assert codes(recipe) == []


def test_networks() -> None:
    expect(loop("- x: f(fbp(y))", head="networks: {f: {network.unet: {}}, <<W602>>g: {network.unet: {}}}\n"), "'g'")


def test_carries() -> None:
    expect(loop("- x: fbp(y)", more="carry: {<<W603>>u: zeros(X)}\n"), "the body never assigns it")
    expect(
        loop("- x: fbp(y)\n- u: x", more="carry: {<<W603>>u: zeros(X)}\n", tail=BOTH),
        "assigned before it is read",
    )
    assert codes(loop("- x: u + fbp(y)\n- u: x", more="carry: {u: zeros(X)}\n", tail=BOTH)) == []
    assert codes(loop("- x: u + fbp(y)\n- u: x", more="carry: {u: zeros(X)}\n")) == []


def test_steps() -> None:
    expect(after("- <<W604>>v: x"), "nothing reads 'v'")
    expect(after("- <<W604>>v, w: {stop.variance: {watch: x}}"), "nothing reads 'v, w'")
    expect(after("- <<W604>>u: fbp(y)\n- u: x"))
    expect(after("- v, w: {stop.variance: {watch: x}}\n- u: w"))
    expect(loop(training(let="x: f(fbp(y)), <<W604>>w: A(x)"), head=HEAD))
    expect(after("- v: fbp(y)\n" + training("<<W604>>v", let="w: v", of="A(w)")))


def test_what_is_tracked_is_read() -> None:
    assert (
        codes(steps("- s: fbp(y)\n- repeat: {count: 2, steps: [x: s]}", tail="track: x\nreturns: {image: s}\n")) == []
    )
    assert codes(loop("- x: fbp(y)\n- x: x + x")) == []


def test_a_name_read_only_in_the_next_iteration_is_read() -> None:
    assert codes(loop("- x: fbp(y) + u\n- v: x\n- u: v", more="carry: {u: zeros(X)}\n")) == []


def test_a_name_read_by_until_is_read() -> None:
    assert codes(loop("- x: fbp(y)\n- n: norm(x)", more="until: n < 1\n")) == []


# --- words ------------------------------------------------------------------------------------------------------------

WORDS = "params: {w: {value: p, of: [p, q]}, a: 1, b: 1}\n"


def test_a_warning_has_to_be_true_for_all_words() -> None:
    text = loop("- s: fbp(y)\n- t: prior\n- x: {choose: {by: w, p: a*s, q: b*t}}", head=WORDS)
    assert codes(text) == []
    assert codes(text, settings=["w=q"]) == []
    text = loop("- s: fbp(y)\n- <<W604>>t: prior\n- x: {choose: {by: w, p: a*s, q: b*s}}", head=WORDS)
    expect(text)
    expect(text, settings=["w=q"])


def test_a_network_that_only_one_word_uses() -> None:
    text = loop("- x: {choose: {by: w, p: a*f(fbp(y)), q: b*fbp(y)}}", head=WORDS + HEAD)
    assert codes(text) == []
    assert codes(text, settings=["w=q"]) == []


def test_a_carry_that_only_one_word_reads() -> None:
    text = loop(
        "- x: {choose: {by: w, p: a*u + fbp(y), q: b*fbp(y)}}\n- u: x", head=WORDS, more="carry: {u: zeros(X)}\n"
    )
    assert codes(text) == []


def test_no_warning_beside_an_error() -> None:
    """A fault hides reads: what looks like waste may be none."""
    expect(after("- v: x\n- u: <<E201>>q", head="params: {a: 1}\n"))


def test_warnings_do_not_keep_a_recipe_from_running() -> None:
    text = after("- v: x")
    assert codes(text) == ["W604"]
    assert program(text).track == "x"
