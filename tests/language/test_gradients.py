"""``minimise``: its parts, and gradients from every term to some target and from some term to every target."""

from __future__ import annotations

import pytest

from dipgraph.language.program import Minimise
from tests.language.made_up import HEAD, after, codes, expect, loop, program, training

TWO = "networks: {f: {network.unet: {}}, g: {network.unet: {}}}\n"


def minimise(body: str, targets: str = "f") -> str:
    return f"- {targets}: {{minimise: {{{body}}}}}"


GOOD = "optimiser: {adam: {}}, let: [x: f(fbp(y))], loss: [fidelity.l2: {of: A(x), to: y}]"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (f"{GOOD}, <<E108>>cuont: 3", "did you mean 'count'?"),
        (f"{GOOD}, count: <<E405>>0", "'count' is 0"),
        (f"{GOOD}, count: <<E404>>1.5", "round it"),
        (f"{GOOD}, restart: <<E404>>1", "true or false"),
        (f"{GOOD}, restart: <<E404>>norm(y) < 1", "true or false"),
        (GOOD.replace("optimiser: {adam: {}}", "optimiser: {<<E401>>adm: {}}"), "no optimiser 'adm'"),
        (GOOD.replace("optimiser: {adam: {}}", "optimiser: {<<E401>>zzzz: {}}"), "there is adam, sgd"),
        (GOOD.replace("optimiser: {adam: {}}", "optimiser: {<<E401>>optimiser.adam: {}}"), "did you mean 'adam'?"),
        (GOOD.replace("optimiser: {adam: {}}", "optimiser: <<E404>>adam"), "an optimiser is one block"),
        (GOOD.replace("optimiser: {adam: {}}", "optimiser: <<E404>>{adam: {}, sgd: {}}"), "an optimiser is one block"),
        (GOOD.replace("{adam: {}}", "{adam: {rate: <<E405>>0}}"), "above 0"),
        (GOOD.replace("{adam: {}}", "{adam: {rate: <<E404>>fbp(y)}}"), "a number"),
        (GOOD.replace("{adam: {}}", "{adam: {rate: {<<E402>>g: 1}}}"), "no target of this minimise"),
        (GOOD.replace("{adam: {}}", "{adam: {rate: <<E403>>{}}}"), "says nothing for f"),
        (GOOD.replace("{adam: {}}", "{adam: {rate: {f: <<E405>>-1}}}"), "above 0"),
        (GOOD.replace("let: [x: f(fbp(y))]", "let: <<E108>>{x: f(fbp(y))}"), "'let' is a list of steps"),
        (
            GOOD.replace("loss: [fidelity.l2: {of: A(x), to: y}]", "loss: <<E108>>{fidelity.l2: {of: A(x), to: y}}"),
            "a list of terms",
        ),
        (GOOD.replace("loss: [fidelity.l2: {of: A(x), to: y}]", "loss: <<E108>>[]"), "a list of terms"),
        (GOOD.replace("fidelity.l2: {of: A(x), to: y}", "<<E404>>norm(x)"), "a loss term is one block"),
        (
            GOOD.replace("fidelity.l2", "<<E404>>prox.tv").replace(", to: y}", "}"),
            "loss terms are fidelity.* and penalty.*",
        ),
        (GOOD.replace("fidelity.l2", "<<E401>>fidelity.l3"), "did you mean 'fidelity.l2'?"),
        (GOOD.replace("x: f", "<<E108>>x f"), "one key"),
    ],
)
def test_faults_of_a_minimise(body: str, said: str) -> None:
    expect(loop(minimise(body) + "\n- x: fbp(y)", head=HEAD), said)


def test_parts_that_are_missing() -> None:
    expect(
        loop("- f: {<<E403>>minimise: {let: [x: f(fbp(y))], loss: [fidelity.l2: {of: A(x), to: y}]}}", head=HEAD),
        "'optimiser'",
    )
    expect(loop("- f: {<<E403>>minimise: {optimiser: {adam: {}}, let: [x: f(fbp(y))]}}", head=HEAD), "'loss'")
    expect(loop("- x: fbp(y)\n- f: {minimise: <<E108>>[a]}", head=HEAD), "'optimiser' and 'loss'")


# --- what let may hold ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("a: {<<E408>>average.ema: {of: x}}", "averages and stoppers stand after the minimise"),
        ("a: {<<E408>>stop.flat: {watch: norm(x)}}", "averages and stoppers"),
        ("<<E408>>repeat: {count: 2, steps: [a: x]}", "a repeat has no place in 'let'"),
        (
            "g: {<<E408>>minimise: {optimiser: {adam: {}}, loss: [penalty.l2: {of: g(x)}]}}",
            "a minimise has no place in 'let'",
        ),
    ],
)
def test_what_let_does_not_hold(line: str, said: str) -> None:
    lines = (
        f"- f:\n    minimise:\n      optimiser: {{adam: {{}}}}\n      let:\n        - x: f(fbp(y))\n        - {line}\n"
    )
    expect(loop(lines + "      loss: [fidelity.l2: {of: A(x), to: y}]", head=TWO), said)


def test_let_is_in_the_order_of_the_text() -> None:
    expect(loop(training(let="w: A(<<E202>>x), x: f(fbp(y))", of="w"), head=HEAD), "move the step up")
    assert codes(loop(training(let="x: f(fbp(y)), w: A(x)", of="w"), head=HEAD)) == []


def test_random_and_stateful_blocks_may_stand_in_let() -> None:
    lets = ["A_i", "y_i: {subset.next: {of: A, data: y}}"]
    text = loop(f"- f:\n    minimise:\n      optimiser: {{adam: {{}}}}\n      let:\n        - {lets[0]}, {lets[1]}\n"
                "        - x: f(fbp(y))\n      loss: [fidelity.l2: {of: A_i(x), to: y_i}]", head=HEAD)  # fmt: skip
    assert codes(text) == []


# --- targets ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "target", "said"),
    [
        ("- n: 3", "n", "a whole number, which is not trainable"),
        ("- n: norm(x) < 1", "n", "a switch"),
        ("- b: {sample.images: {}}", "b", "of X{}"),
        ("- A_i, y_i: {subset.next: {of: A, data: y}}", "A_i", "a linear map"),
        ("- t: {trail.begin: {of: f}}", "t", "a trajectory"),
    ],
)
def test_targets_that_cannot_be_trained(before: str, target: str, said: str) -> None:
    expect(after(f"{before}\n" + training(f"<<E503>>{target}", let="v: f(z)", of="A(v)")), said)


@pytest.mark.parametrize("target", ["A", "y", "X", "sigma", "max"])
def test_targets_that_are_no_names_of_the_recipe(target: str) -> None:
    text = after(
        "- u: sigma*x\n" + training(f"<<E203>>{target}", let="v: f(z)", of="A(v)"), head="params: {sigma: 0.1}\n"
    )
    expect(text)


def test_a_target_that_is_not_there() -> None:
    expect(after(training("<<E201>>g", let="v: f(z)", of="A(v)")), "under networks")
    expect(loop(training("<<E201>>fg", let="x: fg(fbp(y))") + "\n- u: f(x)", head=HEAD), "did you mean 'f'?")
    expect(loop(training("<<E202>>x", let="v: x", of="A(v)")), "carry: {x: ...}")


def test_images_are_targets() -> None:
    text = loop(training("x", let="v: x", of="A(v)", more=", count: 3"), more="carry: {x: fbp(y)}\n")
    assert codes(text) == []
    (training_,) = program(text).steps[0].steps  # type: ignore[union-attr]
    assert isinstance(training_, Minimise)
    assert (training_.targets, str(training_.types[0]), training_.count) == (("x",), "X", 3)
    assert codes(after("- r: y\n" + training("r", let="v: r", of="v") + "\n- u: fbp(r)")) == []


def test_joint_targets_with_a_rate_each() -> None:
    rates = "optimiser: {adam: {rate: {f: 1e-3, z: s}}}"
    step = minimise(f"{rates}, let: [x: f(z)], loss: [fidelity.l2: {{of: A(x), to: y}}]", "f, z")
    text = loop(step, head=HEAD + "params: {s: 0.1}\n", more="carry: {z: fbp(y)}\n")
    assert codes(text) == []
    (training_,) = program(text).steps[0].steps  # type: ignore[union-attr]
    assert isinstance(training_, Minimise)
    assert {name: rate.value for name, rate in training_.rates.items()} == {"f": 1e-3, "z": 0.1}
    assert "rate" not in training_.optimiser.ports


@pytest.mark.parametrize(
    ("rates", "said"),
    [
        ("{f: 1e-3, z: 1, <<E402>>zz: 1}", "did you mean 'z'?"),
        ("<<E403>>{z: 1}", "says nothing for f"),
        ("{f: <<E405>>0, z: <<E201>>q}", "above 0"),
    ],
)
def test_faults_of_rates(rates: str, said: str) -> None:
    body = f"optimiser: {{adam: {{rate: {rates}}}}}, let: [x: f(z)], loss: [fidelity.l2: {{of: A(x), to: y}}]"
    expect(loop(minimise(body, "f, z"), head=HEAD, more="carry: {z: fbp(y)}\n"), said)


# --- reach ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("let", "loss", "expected"),
    [
        ("v: f(z)", "fidelity.l2: {of: A(v), to: y}", []),
        ("v: f(z)", "fidelity.l2: {of: y, to: A(v)}", []),
        ("v: f(z)", "fidelity.l2: {of: A(f(z)), to: y}", []),
        ("v: f(z), w: A(v), q: 2*w - y", "penalty.l2: {of: q}", []),
        ("v: f(z)", "penalty.l2: {of: x, weight: norm(v)}", []),
        ("v: f(z), n: max(abs(v))", "penalty.l2: {of: n*x}", []),
        ("v: f(z), n: {input.perturb: {of: v, amplitude: 1}}", "fidelity.l2: {of: mean(n), to: x}", []),
        ("v: f(z), w: {prox.nonnegative: {of: v}}", "penalty.l2: {of: w}", []),
        ("v: {trail.end: {of: t}}", "penalty.l2: {of: f(v)}", []),
        ("v: f(z)", "penalty.l2: {of: x}", ["E501", "E502"]),
        ("v: f(z)", "penalty.l2: {of: constant(v)}", ["E501", "E502"]),
        ("v: constant(f(z)), w: A(v)", "penalty.l2: {of: w}", ["E501", "E502"]),
        ("v: f(z)", "penalty.l2: {of: floor(norm(v))*x}", ["E501", "E502"]),
        ("v: f(z)", 'penalty.l2: {of: "where(norm(v) < 1, 1, 2)*x"}', ["E501", "E502"]),
        ("v: f(z), w: {prox.tv: {of: v}}", "penalty.l2: {of: w}", ["E501", "E502"]),
        ("v: f(z), w: {denoise.tv: {of: v, sigma: 1}}", "penalty.l2: {of: w - x}", ["E501", "E502"]),
        ("v: f(z), w: {denoise.tv: {of: v, sigma: 1}}", "penalty.l2: {of: v - w}", []),
        ("v: f(z)", "penalty.flat: {of: v}", ["E501", "E502"]),
        ("v: f(z)", "penalty.l2: {of: v}, penalty.tv: {of: x}", ["E501"]),
        ("v: f(z)", "penalty.l2: {of: v - constant(v)}", []),
        ("v: f(constant(f(z)))", "penalty.l2: {of: v}", []),
        ("v: f(z)", 'penalty.l2: {of: v, weight: "where(norm(v) < 1, norm(v), 2)"}', []),
    ],
)
def test_reach(let: str, loss: str, expected: list[str]) -> None:
    step = f"- f: {{minimise: {{optimiser: {{adam: {{}}}}, let: [{let}], loss: [{loss}]}}}}"
    found = codes(after(f"- t: {{trail.begin: {{of: f}}}}\n{step}"))
    assert sorted(code for code in found if code.startswith("E")) == expected


def test_faults_of_reach_have_their_place() -> None:
    expect(after("- <<E502>>f: {minimise: {optimiser: {adam: {}}, loss: [<<E501>>penalty.l2: {of: x}]}}"),
           "this term depends on no target (f)", "no loss term reaches 'f'")  # fmt: skip
    text = loop("- f, <<E502>>g: {minimise: {optimiser: {adam: {}}, let: [x: f(fbp(y)), w: g(x)], "
                "loss: [penalty.l2: {of: x + constant(w)}]}}", head=TWO)  # fmt: skip
    expect(text, "no loss term reaches 'g'")


def test_a_value_made_before_the_minimise_is_a_constant_in_it() -> None:
    """The trap: training is a write of the network, also in a nested repeat."""
    step = "<<E502>>f: {minimise: {optimiser: {adam: {}}, loss: [<<E501>>penalty.l2: {of: v}]}}"
    expect(after(f"- v: f(z)\n- {step}"))
    expect(after(f"- v: f(z)\n- repeat: {{count: 2, steps: [{step}]}}"))


def test_another_network_than_the_target_gets_no_gradient() -> None:
    loss = "[<<E501>>penalty.l2: {of: f(x)}]"
    expect(loop(f"- x: f(g(fbp(y)))\n- <<E502>>g: {{minimise: {{optimiser: {{adam: {{}}}}, loss: {loss}}}}}", head=TWO))


def test_reach_is_not_judged_where_a_part_cannot_be_read() -> None:
    expect(after(training(let="v: f(<<E201>>q)", of="A(x)")))
    expect(after("- f: {minimise: {optimiser: {adam: {}}, loss: [penalty.l2: {of: <<E201>>q}, penalty.tv: {of: x}]}}"))
