"""``choose``: wherever it may stand, settled before the graph, and checked for every word."""

from __future__ import annotations

import pytest

from dipgraph.language.choices import MOST, combinations
from dipgraph.language.program import Assign, Call, Minimise, Repeat
from tests.language.made_up import HEAD, after, codes, expect, faults, loop, program, read

INPUT = "params: {input: {value: noise, of: [noise, fbp]}}\n"


def test_a_right_hand_side() -> None:
    text = loop("- z: {choose: {by: input, noise: {input.noise: {}}, fbp: fbp(y)}}\n- x: z", head=INPUT)
    assert codes(text) == []
    first = program(text).steps[0]
    assert isinstance(first, Repeat)
    assert isinstance(first.steps[0], Assign)
    assert isinstance(first.steps[0].value, Call)
    assert first.steps[0].value.signature.name == "input.noise"
    other = program(text, settings=["input=fbp"]).steps[0]
    assert isinstance(other, Repeat)
    assert not isinstance(other.steps[0].value, Call)  # type: ignore[union-attr]


def everywhere(term: str = "l2", optimiser: str = "adam", network: str = "one", nested: str = "a") -> str:
    """A recipe whose every choice is one of two words."""
    return f"""recipe: 1
params:
  term: {{value: {term}, of: [l2, tv]}}
  optimiser: {{value: {optimiser}, of: [adam, sgd]}}
  network: {{value: {network}, of: [one, two]}}
  nested: {{value: {nested}, of: [a, b]}}
networks:
  f: {{choose: {{by: network, one: {{network.unet: {{}}}}, two: {{network.unet: {{channels: 8}}}}}}}}
steps:
  - z: {{choose: {{by: nested, a: fbp(y), b: {{choose: {{by: term, l2: adjoint(A)(y), tv: {{input.noise: {{}}}}}}}}}}}}
  - repeat:
      count: 3
      steps:
        - f:
            choose:
              by: nested
              a:
                minimise:
                  optimiser: {{choose: {{by: optimiser, adam: {{adam: {{}}}}, sgd: {{sgd: {{rate: 1}}}}}}}}
                  let: [x: f(z)]
                  loss: [fidelity.l2: {{of: A(x), to: y}}]
              b:
                minimise:
                  optimiser: {{adam: {{}}}}
                  let: [x: f(z)]
                  loss:
                    - fidelity.l2: {{of: A(x), to: y}}
                    - choose: {{by: term, l2: {{penalty.l2: {{of: x}}}}, tv: {{penalty.tv: {{of: x}}}}}}
track: x
returns: {{image: x}}
"""


def test_everywhere_that_it_may_stand() -> None:
    assert faults(everywhere()) == []
    repeat = program(everywhere("tv", "sgd", "two", "b")).steps[1]
    assert isinstance(repeat, Repeat)
    training = repeat.steps[0]
    assert isinstance(training, Minimise)
    assert [term.signature.name for term in training.loss] == ["fidelity.l2", "penalty.tv"]
    assert program(everywhere(network="two")).networks["f"].settings == {"channels": 8}
    chosen = program(everywhere(optimiser="sgd")).steps[1].steps[0]  # type: ignore[union-attr]
    assert isinstance(chosen, Minimise)
    assert chosen.optimiser.signature.name == "optimiser.sgd"


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("tv: {input.noise: {}}", "tv: {input.noise: {<<E402>>sd: 1}}"),
        ("sgd: {sgd: {rate: 1}}", "sgd: {sgd: {rate: <<E405>>0}}"),
        ("two: {network.unet: {channels: 8}}", "two: {network.unet: {channels: <<E405>>0}}"),
        ("tv: {penalty.tv: {of: x}}", "tv: {penalty.tv: {of: <<E201>>q}}"),
        ("l2: adjoint(A)(y)", "l2: adjoint(A)(y) + <<E301>>y"),
    ],
)
def test_faults_in_branches_that_are_not_chosen(right: str, wrong: str) -> None:
    assert right in everywhere()
    expect(everywhere().replace(right, wrong))


def test_faults_that_only_one_combination_has() -> None:
    """A branch may be right with one word of another parameter, and wrong with the next."""
    head = "params: {input: {value: fbp, of: [noise, fbp]}, how: {value: plain, of: [plain, sum]}}\n"
    z = "- z: {choose: {by: input, noise: {input.grid: {}}, fbp: fbp(y)}}\n"
    x = "- x: {choose: {by: how, plain: fbp(y), sum: fbp(y) + <<E301>>z}}"
    expect(loop(z + x, head=head), "adds X to X[2]")


def test_branches_that_are_not_chosen_cost_nothing() -> None:
    text = loop("- x: {choose: {by: input, noise: {input.noise: {}}, fbp: fbp(y)}}", head=INPUT)
    assert set(program(text).given) == set()
    assert set(program(text, settings=["input=fbp"]).given) == {"fbp", "y"}


# --- faults of the choice itself --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("choose", "said"),
    [
        ("<<E108>>{choose: {noise: fbp(y), fbp: fbp(y)}}", "needs 'by'"),
        ("<<E108>>{choose: 3}", "needs 'by'"),
        ("<<E108>>{choose: {by: [input]}}", "needs 'by'"),
        ("{choose: {by: <<E201>>inpt, noise: fbp(y), fbp: fbp(y)}}", "did you mean 'input'?"),
        ("{choose: {by: <<E201>>n, noise: fbp(y), fbp: fbp(y)}}", "declare it"),
        ("{choose: {by: <<E403>>input, noise: fbp(y)}}", "says nothing for fbp"),
        ("{choose: {by: input, noise: fbp(y), fbp: fbp(y), <<E406>>grid: fbp(y)}}", "one of noise, fbp, never 'grid'"),
        ("{choose: {by: <<E403>>input, noise: fbp(y), <<E406>>fpb: fbp(y)}}", "did you mean 'fbp'?"),
        ("{choose: {by: input, noise: fbp(y), fbp:<<E107>> }}", "missing"),
        ("{choose: {by: input, noise: fbp(y), fbp: <<E404>>{}}}", "one block"),
        ("{choose: {by: input, noise: fbp(y), fbp: {choose: {by: <<E403>>input, fbp: fbp(y)}}}}", "nothing for noise"),
    ],
)
def test_faults_of_a_choice(choose: str, said: str) -> None:
    expect(loop(f"- x: {choose}", head=INPUT.replace("}}", "}, n: 3}")), said)


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ("- u: {denoise.tv: {of: x, sigma: <<E404>>{choose: {by: input, noise: 1, fbp: 2}}}}", "a step of its own"),
        ("- <<E108>>choose: {by: input, noise: fbp(y), fbp: fbp(y)}", "name what it gives"),
        ("- repeat: {count: <<E107>>{choose: {by: input, noise: 1, fbp: 2}}, steps: [u: x]}", "a step of its own"),
        ("- repeat: {count: 2, carry: {u: <<E107>>{choose: {by: input}}}, steps: [u: u + x]}", "a step of its own"),
    ],
)
def test_where_it_may_not_stand(step: str, said: str) -> None:
    chosen = "- s: {choose: {by: input, noise: fbp(y), fbp: x}}\n"
    expect(after(chosen + step, head=INPUT), said)


def test_words_are_names_in_any_unicode_form() -> None:
    micro, mu = "\u00b5", "\u03bc"
    text = loop(
        f"- x: {{choose: {{by: w, {mu}: fbp(y), b: fbp(y)}}}}",
        head=f"params: {{w: {{value: {micro}, of: [{micro}, b]}}}}\n",
    )
    assert codes(text, settings=[f"w={mu}"]) == []


# --- word parameters in ports -----------------------------------------------------------------------------------------


def test_every_word_of_a_parameter_is_tried_in_ports() -> None:
    kind = "params: {kind: {value: isotropic, of: [isotropic, anisotropic, huber]}}\n" + HEAD
    text = loop(
        "- f: {minimise: {optimiser: {adam: {}}, let: [x: f(prior)], loss: [penalty.tv: {of: x, kind: <<E406>>kind}]}}",
        head=kind,
    )
    expect(text, "the parameter 'kind' may be 'huber'")
    assert codes(text.replace("<<E406>>", "").replace(", huber", "")) == []


def test_a_word_that_never_reaches_the_port_does_no_harm() -> None:
    kind = "params: {kind: {value: isotropic, of: [isotropic, huber]}}\n" + HEAD
    term = "choose: {by: kind, isotropic: {penalty.tv: {of: x, kind: kind}}, huber: {penalty.l2: {of: x}}}"
    text = loop(f"- f: {{minimise: {{optimiser: {{adam: {{}}}}, let: [x: f(fbp(y))], loss: [{term}]}}}}", head=kind)
    assert codes(text) == []


# --- how many combinations --------------------------------------------------------------------------------------------


def many(count: int) -> str:
    """A recipe with so many choices of two words, each inside the branch of the one before; the last has a fault."""
    params = "".join(f"  w{n}: {{value: a, of: [a, b]}}\n" for n in range(count))
    inner = "fbp(y) + <<E301>>y"
    for number in reversed(range(count)):
        inner = f"{{choose: {{by: w{number}, a: fbp(y), b: {inner}}}}}"
    return loop(f"- x: {inner}", head=f"params:\n{params}")


@pytest.mark.parametrize("count", [1, 3, 6, 7, 12])
def test_every_branch_is_reached_however_many_choices_there_are(count: int) -> None:
    expect(many(count))


def test_few_combinations_are_all_tried_and_many_only_as_far_as_needed() -> None:
    for count in (2, 6, 7, 12):
        recipe = read(many(count).replace("<<E301>>", ""))
        words = {name: known.words for name, known in recipe.parameters.declared.items()}
        values = dict.fromkeys(words, "a")
        tried = list(combinations(recipe.document, words, values))
        assert tried[0] == values
        assert len({tuple(each.items()) for each in tried}) == len(tried)
        assert len(tried) == 2**count if count <= 6 else len(tried) <= MOST
        for name in words:
            assert {each[name] for each in tried} == {"a", "b"}
