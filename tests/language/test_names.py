"""Names: the order of the text, what a loop carries, what stands after it, and what may not be assigned."""

from __future__ import annotations

import pytest

from dipgraph.language.program import Assign, Minimise, Repeat, assigned
from tests.language.made_up import HEAD, after, codes, expect, faults, loop, program, steps, training

# --- the order of the text --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- u: x + <<E201>>sgima", "did you mean 'sigma'?"),
        ("- u: x*<<E201>>Sigma", "did you mean 'sigma'?"),
        ("- u: <<E201>>ftb(y)", "did you mean 'fbp'?"),
        ("- u: x*<<E201>>noise_levl", "did you mean 'noise_level'?"),
        ("- u: x*<<E201>>sqr(2)", "did you mean 'sqrt'?"),
        ("- u: x + <<E201>>completely_unheard_of", "nothing is called"),
        ("- u: <<E202>>v\n- v: x\n- w: u + v", "move the step up"),
        ("- u: <<E202>>u + x", "move the step up"),
        ("- u: <<E201>>truth", "nothing is called"),
    ],
)
def test_what_is_not_there_yet(text: str, said: str) -> None:
    expect(after(f"- s: sigma*x\n{text}", head="params: {sigma: 0.1}\n"), said)


def test_all_unknown_names_of_an_expression_at_once() -> None:
    expect(after("- u: <<E201>>p + <<E201>>q*<<E201>>r"))


def test_a_step_with_a_fault_raises_no_second_one() -> None:
    expect(after("- u: <<E201>>q + x\n- v: u + y\n- w: A(u)\n- s: {denoise.tv: {of: u, sigma: norm(w)}}"))


@pytest.mark.parametrize(
    "step",
    [
        "- u, v: {<<E401>>prox.tvv: {of: x}}",
        "- <<E108>>u: x\n  v: x",
        "- u: {choose: {by: <<E201>>p, a: x, b: x}}\n- v: x",
        "- repeat: {<<E108>>cout: 1, count: 2, steps: [u: x, v: x + <<E201>>q]}",
        "- <<E403>>repeat: {steps: [u: x, v: x]}",
        "- repeat: {count: 2, carry: <<E108>>[u], steps: [u: u + x, v: u]}",
        "- repeat: {count: 2, carry: {u: <<E201>>q}, steps: [u: u + x, v: u]}",
        "- u: x\n- u: {minimise: <<E108>>3}\n- v: x",
        "- <<E407>>u, v: x",
        "- u, <<E203>>A: {input.noise: {}}\n- v: x",
    ],
)
def test_names_that_a_faulty_step_assigns_are_known(step: str) -> None:
    expect(after(f"{step}\n- w: u + v\n- s: A(w)"))


# --- carries ----------------------------------------------------------------------------------------------------------


def test_the_previous_iterate_is_carried_or_refused() -> None:
    expect(loop("- x: <<E202>>u + fbp(y)\n- u: x"), "add `carry: {u: ...}` with its initial value", "line 7 assigns it")
    assert codes(loop("- x: u + fbp(y)\n- u: x", more="carry: {u: zeros(X)}\n")) == []


def test_a_name_of_before_the_loop_is_no_previous_iterate() -> None:
    """A loop that both reads and assigns a name says what it begins with, also where the name stands already."""
    expect(after("- u: x\n- repeat:\n    count: 3\n    steps:\n      - u: <<E202>>u + x"), "carry: {u: ...}")


def test_a_name_only_read_in_a_loop_comes_from_outside() -> None:
    assert codes(after("- v: fbp(y)\n- repeat: {count: 3, steps: [u: v + x]}")) == []


def test_let_counts_as_an_assignment_of_the_body() -> None:
    expect(loop("- u: <<E202>>x + <<E202>>x\n" + training(let="x: f(u)"), head=HEAD))
    assert codes(loop("- u: x + x\n" + training(let="x: f(u)"), head=HEAD, more="carry: {x: zeros(X)}\n")) == []


def test_names_of_a_nested_loop_count_as_assignments_of_the_outer_one() -> None:
    nested = "\n- repeat:\n    count: 2\n    carry: {u: zeros(X)}\n    steps:\n      - u: u + x"
    expect(loop("- x: <<E202>>u + fbp(y)" + nested), "carry: {u: ...}")
    assert codes(loop("- x: u + fbp(y)" + nested, more="carry: {u: zeros(X)}\n")) == []


def test_carried_initial_values_are_read_outside_the_loop() -> None:
    inner = "- repeat:\n    count: 2\n    carry: {x: x, u: x}\n    steps:\n      - x: x + u\n      - u: x"
    assert codes(loop(inner, more="carry: {x: fbp(y)}\n")) == []
    expect(loop("- x: u + fbp(y)\n- u: x", more="carry: {u: <<E202>>v, v: fbp(y)}\n"), "read outside the loop")
    expect(loop("- x: u + fbp(y)*k\n- u: x", more="index: k\ncarry: {u: <<E201>>k*fbp(y)}\n"))
    expect(
        loop("- repeat:\n    count: 2\n    carry: {x: <<E202>>x}\n    steps:\n      - x: x + fbp(y)"), "carry: {x: ...}"
    )


def test_initial_values_of_a_carry_do_not_see_each_other() -> None:
    text = loop(
        "- repeat:\n    count: 2\n    carry: {x: u, u: x}\n    steps:\n      - x: x + u\n      - u: x",
        more="carry: {x: fbp(y), u: zeros(X)}\n",
    )
    (outer,) = program(text).steps
    assert isinstance(outer, Repeat)
    inner = outer.steps[0]
    assert isinstance(inner, Repeat)
    assert [(name, value.value) for name, value in inner.carry.items()] == [("x", "u"), ("u", "x")]


def test_networks_are_carried_unasked() -> None:
    text = loop("- z: f(fbp(y))\n" + training(let="x: f(constant(z))"), head=HEAD)
    assert codes(text) == []
    expect(loop("- x: f(fbp(y))", head=HEAD, more="carry: {<<E203>>f: zeros(X)}\n"), "carried unasked")


def test_a_carried_name_keeps_its_space_for_good() -> None:
    expect(loop("- x: u\n- <<E303>>u: A(x)", more="carry: {u: fbp(y)}\n"), "begins as X and becomes Y", "another name")
    expect(loop("- x: fbp(y) + u\n- <<E303>>u: A(x)\n- u: x", more="carry: {u: fbp(y)}\n"))
    nested = "- repeat: {count: 2, carry: {<<E303>>u: y}, steps: [x: fbp(u), u: A(x)]}\n- u: x"
    expect(loop(nested, more="carry: {u: fbp(y)}\n"))


def test_a_carried_number_may_become_a_fraction() -> None:
    assert codes(loop("- x: t*fbp(y)\n- t: (1 + sqrt(1 + 4*t*t))/2", more="carry: {t: 1}\n")) == []
    expect(loop("- x: t*fbp(y)\n- <<E303>>t: t < 2", more="carry: {t: 1}\n"), "begins as a number and becomes a switch")


@pytest.mark.parametrize(
    ("initial", "code", "said"),
    [("A", "E306", "a linear map"), ("X", "E306", "the space X"), ("f", "E306", "a network"), ("w", "E306", "a word")],
)
def test_what_cannot_be_carried(initial: str, code: str, said: str) -> None:
    head = HEAD + "params: {w: {value: a, of: [a, b]}}\n"
    expect(loop("- x: fbp(y)\n- u: x", head=head, more=f"carry: {{u: <<{code}>>{initial}}}\n"), said)


# --- what stands after a loop -----------------------------------------------------------------------------------------


def test_every_name_of_the_body_stands_after_the_loop() -> None:
    text = steps(
        """
        - repeat:
            count: 3
            steps:
              - z: {input.noise: {}}
              - f: {minimise: {optimiser: {adam: {}}, let: [v: f(z), w: A(v)], loss: [fidelity.l2: {of: w, to: y}]}}
              - repeat: {count: 2, steps: [x: v, t: norm(x)]}
        - s: v + x + fbp(w) + t*z
        """,
        head=HEAD,
        tail="track: x\nreturns: {image: s, t: t, w: w}\n",
    )
    assert faults(text) == []
    assert assigned(program(text).steps) == ["z", "v", "w", "f", "x", "t", "s"]


def test_names_of_let_stand_after_the_minimise_as_constants() -> None:
    assert codes(after("- u: x + fbp(A(x))")) == []
    found = faults(after(training(let="v: f(z) + x", of="A(x)")))
    assert [fault.code for fault in found] == ["E502", "E501"], "x is a constant by then"


def test_the_index_stands_inside_its_loop_only() -> None:
    expect(loop("- x: k*fbp(y)", more="index: k\n", tail="track: x\nreturns: {image: x, k: <<E201>>k}\n"))
    assert codes(loop("- x: k*fbp(y)", more="index: k\nuntil: k > 3\n")) == []
    two = "- repeat: {count: 2, index: k, steps: [x: k*fbp(y)]}\n- repeat: {count: 3, index: k, steps: [u: k*x]}"
    assert codes(steps(two, tail="track: x\nreturns: {image: x, u: u}\n")) == []


def test_the_index_hides_a_name_of_before_and_of_later() -> None:
    hidden = "- k: fbp(y)\n- repeat: {count: 2, index: k, steps: [x: k*fbp(y)]}\n- u: x + k"
    assert codes(steps(hidden, tail="track: x\nreturns: {image: u}\n")) == []
    later = "- repeat: {count: 2, index: k, steps: [x: k*fbp(y)]}\n- k: x + x"
    assert codes(steps(later, tail="track: x\nreturns: {image: k}\n")) == []


@pytest.mark.parametrize(
    ("more", "body", "said"),
    [
        ("index: k\n", "- x: fbp(y)\n- <<E203>>k: 3", "the index of the loop"),
        ("index: k\n", "- <<E203>>k, x: {stop.variance: {watch: fbp(y)}}\n- x: fbp(y)", "the index of the loop"),
        ("index: k\n", "- x: fbp(y)\n- repeat: {count: 2, index: <<E203>>k, steps: [u: x]}", "the index of the loop"),
        (
            "index: k\n",
            "- x: fbp(y)\n- repeat: {count: 2, carry: {<<E203>>k: 1}, steps: [u: x]}",
            "the index of the loop",
        ),
        ("index: <<E203>>k\ncarry: {k: 1}\n", "- x: k*fbp(y)\n- k: k + 1", "is carried by this loop"),
        ("index: <<E203>>A\n", "- x: fbp(y)", "a map of the problem"),
        ("index: <<E203>>[k]\n", "- x: fbp(y)", "'index' is a name"),
        ("index: <<E203>>1\n", "- x: fbp(y)", "no name"),
        ("index: <<E203>>sigma\n", "- x: sigma*fbp(y)", "a parameter"),
    ],
)
def test_what_cannot_be_an_index(more: str, body: str, said: str) -> None:
    expect(loop(f"- s: sigma*fbp(y)\n{body}", more=more, head="params: {sigma: 0.1}\n"), said)


# --- what may not be assigned -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("A", "a map of the problem"),
        ("grad", "a map of the problem"),
        ("X", "a space"),
        ("y", "given by the problem"),
        ("prior", "given"),
        ("noise_level", "given"),
        ("max", "a function"),
        ("where", "a function"),
        ("sigma", "a parameter"),
        ("lambda", "write lam"),
        ("class", "a keyword"),
        ("in", "a keyword"),
        ("true", "a keyword"),
        ("null", "a keyword"),
        ("a b", "no name"),
        ("1a", "no name"),
        ("a.b", "no name"),
        ("a-b", "no name"),
        ("'a'", ""),
        ("f", "only minimise trains it"),
    ],
)
def test_names_that_are_taken(name: str, said: str) -> None:
    if name == "'a'":
        assert "E203" not in codes(after("- 'a': x"))
        return
    head = "params: {sigma: 0.1}\n"
    expect(after(f"- <<E203>>{name}: x\n- u: sigma*x", head=head), said)
    if name != "f":
        expect(after(f"- u, <<E203>>{name}: {{stop.variance: {{watch: sigma*x}}}}", head=head), said)
        expect(after(f"- repeat: {{count: 2, carry: {{<<E203>>{name}: x}}, steps: [u: sigma*x]}}", head=head), said)
        expect(
            after(
                f"- u: sigma*x\n- f: {{minimise: {{optimiser: {{adam: {{}}}}, let: [<<E203>>{name}: f(z)], "
                "loss: [fidelity.l2: {of: A(f(z)), to: y}]}}",
                head=head,
            ),
            said,
        )


def test_a_name_twice_in_one_step() -> None:
    expect(after("- u, <<E203>>u: {stop.variance: {watch: x}}"), "assigned twice in one step")
    expect(after('- "<<E203>>, u": {stop.variance: {watch: x}}'), "no name")


def test_each_target_has_its_own_place() -> None:
    expect(after("- u,   <<E203>>A,<<E203>>X: {stop.variance: {watch: x}}"))
    expect(after('- "u, <<E203>>A": {stop.variance: {watch: x}}'))


def test_a_network_has_one_name() -> None:
    said = ("'h' would be another name of the network 'f'", "call it: f(z)")
    expect(after("- <<E203>>h: f\n- u: h(z) + x"), *said)
    expect(after("- <<E203>>h: (f)"), *said)
    expect(loop("- <<E203>>h: f\n- x: f(fbp(y))", head=HEAD), *said)
    expect(after("- h: {choose: {by: p, a: f(z), b: f(z)}}\n- u: h", head="params: {p: {value: a, of: [a, b]}}\n"))
    expect(
        after("- <<E203>>h: {choose: {by: p, a: f, b: f(z)}}\n- u: h", head="params: {p: {value: a, of: [a, b]}}\n"),
        *said,
    )
    expect(loop("- z: fbp(y)\n" + training(let="<<E203>>h: f, x: h(z)"), head=HEAD), *said)
    assert codes(loop("- h: {network.copy: {of: f}}\n- x: f(fbp(y)) + h(fbp(y))", head=HEAD)) == []


def test_what_is_tracked_is_assigned_by_a_loop() -> None:
    """Where else it is assigned changes nothing, and a fault inside the loop is told once."""
    top = "track: x\nreturns: {image: x}\n"
    assert codes(steps("- repeat: {count: 2, steps: [x: fbp(y)]}\n- x: x + x", tail=top)) == []
    assert codes(steps("- x: fbp(y)\n- repeat: {count: 2, carry: {x: x}, steps: [x: x + x]}\n- x: x + x")) == []
    expect(steps("- repeat: {count: 2, steps: [x: <<E201>>q(y)]}\n- x: fbp(y)", tail=top))
    expect(steps("- repeat: {count: 2, steps: [<<E108>>[u], x: fbp(<<E201>>q)]}\n- x: fbp(y)", tail=top))
    expect(
        steps(
            "- repeat: {count: 2, carry: {u: fbp(y)}, steps: [u: u + fbp(y)]}\n- x: u",
            tail="track: <<E307>>x\nreturns: {image: x}\n",
        ),
        "no repeat assigns 'x': line 4 does, outside of them",
        "track what a repeat assigns, u say",
    )


def test_a_target_of_a_minimise_is_not_assigned_in_its_let() -> None:
    text = "- u: fbp(y)\n" + training("u", let="<<E203>>u: u + x", of="A(u)")
    expect(after(text), "a target of this minimise")


@pytest.mark.parametrize("name", ["A", "X", "max", "sigma", "class"])
def test_networks_have_names_of_their_own(name: str) -> None:
    expect(
        loop(
            "- x: sigma*fbp(y)", head=f"params: {{sigma: 0.1}}\nnetworks: {{<<E203>>{name}: {{network.unet: {{}}}}}}\n"
        )
    )


def test_what_is_returned_has_a_plain_name() -> None:
    """Names of what is returned become names of files."""
    expect(loop("- x: fbp(y)", tail="track: x\nreturns: {image: x, <<E203>>../../home: x}\n"))


# --- the shape of steps -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ("- <<E108>>u", "one key and its value"),
        ("- <<E108>>u: x\n  v: x", "a dash of its own"),
        ("- <<E108>>[u, x]", "one key"),
        ("- <<E108>>{}", "one key"),
        ("- <<E108>>minimise: {optimiser: {adam: {}}}", "f: {minimise: ...}"),
        ("- repeat: <<E108>>[u: x]", "'count' and 'steps'"),
        ("- <<E108>>repeat: {count: 2}", "a list of steps"),
        ("- repeat: {count: 2, steps: <<E108>>{u: x}}", "a list of steps"),
        ("- repeat: {count: 2, steps: <<E108>>[]}", "a list of steps"),
        ("- repeat: {count: 2, <<E108>>step: 1, steps: [u: x]}", "did you mean 'steps'?"),
        ("- repeat: {count: 2, <<E108>>every: 5, steps: [u: x]}", "'every' without 'until'"),
        ("- <<E403>>repeat: {steps: [u: x]}", "needs 'count'"),
        ("- repeat: {count: <<E404>>2.5, steps: [u: x]}", "a whole number, and this is 2.5"),
        ("- repeat: {count: <<E404>>n/2, steps: [u: x]}", "round it"),
        ("- repeat: {count: <<E404>>true, steps: [u: x]}", "this is a switch"),
        ("- repeat: {count: <<E405>>0, steps: [u: x]}", "at least 1"),
        ("- repeat: {count: <<E405>>n - 9, steps: [u: x]}", "'count' is -5"),
        ("- repeat: {count: <<E404>>floor(norm(x)), steps: [u: x]}", "settled before the run"),
        ("- repeat: {count: 2, every: <<E405>>0, until: norm(u) < 1, steps: [u: x]}", "'every' is 0"),
        ("- repeat: {count: 2, until: <<E306>>norm(u), steps: [u: x]}", "'until' is a switch"),
        (
            "- repeat: {count: 2, until: <<E201>>don, steps: [u: x, done: {stop.flat: {watch: 1}}]}",
            "did you mean 'done'?",
        ),
    ],
)
def test_faults_of_steps(step: str, said: str) -> None:
    expect(after(f"- s: n*x\n{step}", head="params: {n: 4}\n"), said)


def test_until_is_tested_after_the_iteration() -> None:
    """It reads what the iteration has assigned, and what the loop carries."""
    assert codes(loop("- x: fbp(y)\n- done: {stop.flat: {watch: norm(x)}}", more="until: done\nevery: 3\n")) == []
    assert codes(loop("- x: u + fbp(y)\n- u: x", more="carry: {u: zeros(X)}\nuntil: norm(u) < 1\n")) == []
    expect(loop("- x: fbp(y)", more="until: <<E201>>done\n"))
    (repeat,) = program(loop("- x: fbp(y)", more="until: norm(x) < 1\nevery: 7\n")).steps
    assert isinstance(repeat, Repeat)
    assert (repeat.every, repeat.until is not None) == (7, True)


# --- the program ------------------------------------------------------------------------------------------------------


def test_the_program_is_in_the_order_of_the_text() -> None:
    body = "- a: fbp(y)\n" + training(let="x: f(a)", more=", count: 4, restart: true") + "\n- b: x + a"
    tail = "track: x\nreturns: {image: x, b: b}\n"
    text = loop(body, head=HEAD, more="index: k\ncarry: {c: zeros(X)}\n", count="3", tail=tail)
    (repeat,) = program(text).steps
    assert isinstance(repeat, Repeat)
    first, second, third = repeat.steps
    assert isinstance(first, Assign)
    assert isinstance(second, Minimise)
    assert isinstance(third, Assign)
    assert (repeat.count, repeat.index, list(repeat.carry)) == (3, "k", ["c"])
    assert (second.count, second.restart, second.targets, [line.targets for line in second.let]) == (
        4,
        True,
        ("f",),
        [("x",)],
    )
    assert [step.mark.line for step in (first, second, third)] == sorted(
        step.mark.line for step in (first, second, third)
    )
    assert first.label == "fbp(y)"
