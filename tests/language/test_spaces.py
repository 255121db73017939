"""Spaces: what adds to what, what a map takes, batches, channels, and spaces that blocks hand out."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import dipgraph
from dipgraph.language.program import Assign, Repeat
from dipgraph.signatures.spaces import G, Map, Number, Space, Vector, X, Y
from tests.language.made_up import HEAD, TAIL, after, codes, expect, loop, program, steps, training


def kind(expression: str, *before: str) -> object:
    """The type of an expression after a few steps."""
    lines = [*before, f"- u: {expression}", "- repeat: {count: 1, steps: [x: fbp(y)]}"]
    text = steps("\n".join(lines), head=HEAD)
    found = next(step for step in program(text).steps if isinstance(step, Assign) and step.targets == ("u",))
    return found.types[0]


BATCH = "- b: {sample.images: {}}"
MESH = "- m: {input.grid: {}}"


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("y", Vector(Y)),
        ("fbp(y)", Vector(X)),
        ("A(fbp(y))", Vector(Y)),
        ("grad(fbp(y))", Vector(G)),
        ("adjoint(A)(y)", Vector(X)),
        ("adjoint(grad)(grad(fbp(y)))", Vector(X)),
        ("adjoint(adjoint(A))(prior)", Vector(Y)),
        ("f(prior)", Vector(X)),
        ("f(f(prior))", Vector(X)),
        ("zeros(X)", Vector(X)),
        ("ones(G)", Vector(G)),
        ("y + y", Vector(Y)),
        ("-y", Vector(Y)),
        ("y*2", Vector(Y)),
        ("2*y", Vector(Y)),
        ("y/2", Vector(Y)),
        ("abs(y)", Vector(Y)),
        ("constant(prior)", Vector(X)),
        ("constant(3.0)", Number()),
        ("norm(y)", Number()),
        ("norm(A)", Number()),
        ("dim(Y)", Number(True)),
        ("max(y)", Number()),
        ("min(prior)", Number()),
        ("dot(y, y)", Number()),
        ("dot(prior, fbp(y))", Number()),
        ("noise_level", Number()),
        ("counts + blank", Vector(Y)),
        ("max(1, norm(y))", Number()),
        ("where(norm(y) < 1, 1, 2)", Number(True)),
        ("A", Map(X, Y)),
        ("adjoint(A)", Map(Y, X)),
        ("m", Vector(Space("X", 2))),
        ("f(m)", Vector(X)),
        ("A(m)", Vector(Space("Y", 2))),
        ("b", Vector(X.batch())),
        ("A(b)", Vector(Y.batch())),
        ("f(b)", Vector(X.batch())),
        ("b + fbp(y)", Vector(X.batch())),
        ("fbp(y) - b", Vector(X.batch())),
        ("b + b", Vector(X.batch())),
        ("2*b", Vector(X.batch())),
        ("-b", Vector(X.batch())),
        ("mean(b)", Vector(X)),
        ("mean(A(b)) - y", Vector(Y)),
        ("abs(b)", Vector(X.batch())),
        ("constant(b)", Vector(X.batch())),
    ],
)
def test_types(expression: str, expected: object) -> None:
    assert kind(expression, BATCH, MESH) == expected


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ("- u: x + <<E301>>y", "'x + y' adds X to Y"),
        ("- u: x - <<E301>>y", "'x - y' subtracts Y from X"),
        ("- u: x + x - <<E301>>A(x)", "'x + x - A(x)' subtracts Y from X"),
        ("- u: grad(x) + <<E301>>x", "adds G to X"),
        ("- u: x - (x + <<E301>>y)", "'x + y' adds X to Y"),
        ("- u: <<E301>>1 + x", "a constant image is 1*ones(X)"),
        ("- u: x - <<E301>>norm(x)", "a number and X do not add"),
        ("- u: dot(x, <<E301>>y)", "'dot' takes X with Y"),
        ("- u: A(<<E302>>y)", "'A' wants X and got Y"),
        ("- u: fbp(<<E302>>x + x)", "'fbp' wants Y and got X"),
        ("- u: adjoint(A)(<<E302>>x)", "'adjoint(A)' wants Y and got X"),
        ("- u: adjoint(grad)(<<E302>>x)", "wants G and got X"),
        ("- u: f(<<E302>>y)", "'f' wants an image and got Y"),
        ("- u: {denoise.tv: {of: x, sigma: <<E404>>x}}", "'sigma' is a number, and this is of X"),
        ("- u: <<E304>>x*x", "weights go in by a port"),
        ("- u: x/<<E304>>x", "a division by an image"),
        ("- u: 1/<<E304>>x", "a division by an image"),
        ("- u: <<E304>>x*y", "a product of two images"),
        ("- u: <<E306>>A*x", "apply a map by calling it: A(x)"),
        ("- u: x*<<E306>>f", "apply a map"),
        ("- u: x + <<E306>>A", "a linear map X -> Y"),
        ("- u: <<E306>>X + x", "the space X"),
        ("- u: <<E306>>x(y)", "only maps and networks are applied"),
        ("- u: <<E306>>norm(x)(y)", "only maps and networks"),
        ("- u: <<E306>>A(x, x)", "takes one argument, not 2"),
        ("- u: <<E306>>f()", "takes one argument, not 0"),
        ("- u: f(<<E306>>1)", "takes an image"),
        ("- u: A(<<E306>>norm(x))", "takes an image"),
        ("- u: <<E306>>sqrt()", "takes 1 argument, not 0"),
        ("- u: <<E306>>sqrt(1, 2)", "takes 1 argument, not 2"),
        ("- u: sqrt(<<E306>>x)", "'sqrt' takes numbers, and this is of X"),
        ("- u: max(1, <<E306>>x)", "takes numbers"),
        ("- u: <<E306>>max()", "an image, or two or more numbers"),
        ("- u: max(<<E306>>1)", "takes an image"),
        ("- u: norm(<<E306>>f)", "a network"),
        ("- u: norm(<<E306>>1)", "a whole number"),
        ("- u: adjoint(<<E306>>f)", "'adjoint' takes a linear map"),
        ("- u: adjoint(<<E306>>fbp)(x)", "'adjoint' takes a linear map, and this is a map Y -> X"),
        ("- u: norm(<<E306>>fbp)*x", "'norm' takes an image or data vector, and this is a map Y -> X"),
        ("- v, w: {weights.sirt: {of: <<E404>>fbp}}\n- u: x", "a linear map D -> E, and this is a map Y -> X"),
        ("- u: adjoint(<<E306>>A(x))", "outside: adjoint(A)(y)"),
        ("- u: zeros(<<E306>>x)", "takes a space (X, Y or G)"),
        ("- u: dim(<<E306>>A)", "takes a space"),
        ("- u: <<E306>>x < 1", "'<' takes numbers"),
        ("- u: norm(x) < 1 and <<E306>>x", "takes a switch"),
        ("- u: not <<E306>>1", "takes a switch"),
        ("- u: where(<<E306>>1, 2, 3)", "takes a switch"),
        ("- u: where(true, 2, <<E306>>x)", "takes numbers"),
        ("- u: -<<E306>>A", "takes numbers"),
        ("- u: <<E306>>true + 1", "a switch"),
        ("- u: <<E306>>true*x", "a switch"),
        ("- u: abs(<<E306>>true)", "takes numbers"),
        ("- u: mean(<<E305>>x)", "over a batch"),
        ("- u: {<<E401>>fbp: x}", "no block 'fbp'"),
    ],
)
def test_faults_of_spaces(step: str, said: str) -> None:
    expect(after(step), said)


def test_every_fault_of_an_expression_at_once() -> None:
    expect(after("- u: A(<<E302>>y) + fbp(<<E302>>x) + <<E304>>x*x"))


# --- batches ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ("- u: norm(<<E305>>b)", "take the mean of the batch first"),
        ("- u: max(<<E305>>b)", "a single image"),
        ("- u: dot(<<E305>>b, x)", "a single image"),
        ("- u: {average.ema: {of: <<E305>>b}}", "'of' takes a single image"),
        ("- u: {input.perturb: {of: <<E305>>b, amplitude: 1}}", "'of' takes a single image"),
        ("- repeat: {count: 2, carry: {u: <<E305>>b}, steps: [u: u + x]}", "carries a batch"),
        ("- u: x\n- v: b + <<E301>>y", "adds X{} to Y"),
        ("- repeat: {count: 2, carry: {u: x}, steps: [v: u, <<E303>>u: b]}", "begins as X and becomes X{}"),
        ("- u: zeros(<<E306>>b)", "a space"),
    ],
)
def test_faults_of_batches(step: str, said: str) -> None:
    expect(after(f"- b: {{sample.images: {{}}}}\n{step}"), said)


def test_a_batch_is_neither_tracked_nor_returned_nor_trained() -> None:
    expect(loop("- b: {sample.images: {}}", tail="track: <<E307>>b\nreturns: {image: <<E307>>b}\n"), "of X{}")
    expect(
        loop("- x: fbp(y)\n- b: {sample.images: {}}", tail="track: x\nreturns: {image: x, all: <<E307>>b}\n"),
        "not returned",
    )
    text = after("- b: {sample.images: {}}\n" + training("<<E503>>b", let="v: f(b)", of="A(v)"))
    expect(text, "not trainable")


def test_blocks_act_on_batches_and_a_loss_takes_their_mean() -> None:
    assert kind("{denoise.tv: {of: b, sigma: 1}}", BATCH) == Vector(X.batch())
    assert kind("{input.perturb: {of: fbp(y), amplitude: 1, samples: 4}}") == Vector(X.batch())
    let = "n: {input.perturb: {of: fbp(y), amplitude: 1}}, v: f(n)"
    assert codes(after(training(let=let, of="A(v)"))) == ["W604"] * 0
    assert codes(after(training(let=f"{let}, w: mean(v)", of="A(w)"))) == []


# --- channels ---------------------------------------------------------------------------------------------------------


def test_a_network_takes_the_channels_of_its_first_use() -> None:
    text = loop("- m: {input.grid: {}}\n- z: f(m)\n- x: f(<<E302>>z)", head=HEAD)
    expect(text, "'f' is fed X[1] here, and X[2] in line 8", "same number of channels at every use")
    assert program(loop("- m: {input.grid: {}}\n- x: f(m)", head=HEAD)).inputs == {"f": 2}
    assert program(loop("- m: {input.noise: {channels: 7}}\n- x: f(m)", head=HEAD)).inputs == {"f": 7}
    assert program(loop("- x: f(fbp(y))", head=HEAD)).inputs == {"f": 1}


def test_channels_are_part_of_the_space() -> None:
    expect(after("- m: {input.grid: {}}\n- u: x + <<E301>>m"), "adds X to X[2]")
    assert codes(after("- m: {input.grid: {}}\n- u: {weights.adaptive: {of: x, residual: m, floor: 1}}")) == []
    expect(loop("- x: {input.grid: {}}", tail="track: <<E307>>x\nreturns: {image: <<E307>>x}\n"), "of X[2]")
    expect(after("- m: {input.grid: {}}\n- repeat: {count: 2, carry: {u: x}, steps: [v: u, <<E303>>u: m]}"))


def test_channels_by_a_setting() -> None:
    assert kind("{input.noise: {channels: 3}}") == Vector(Space("X", 3))
    text = after("- u: {input.noise: {channels: n}}", head="params: {n: 4}\n")
    assert codes(text) == []
    expect(
        after("- u: {input.noise: {channels: n}}\n- v: u + <<E301>>x", head="params: {n: {value: 4}}\n"),
        "adds X[4] to X",
    )
    assert codes(after("- u: {input.noise: {channels: n}}\n- v: u + x", head="params: {n: {value: 1}}\n")) == ["W604"]


# --- fresh spaces -----------------------------------------------------------------------------------------------------

SUBSET = "- A_i, y_i: {subset.next: {of: A, data: y, count: 4}}"


def test_a_subset_of_the_data_is_a_space_of_its_own() -> None:
    assert codes(after(f"{SUBSET}\n- u: A_i(x) - y_i + A_i(adjoint(A_i)(y_i))")) == []
    expect(after(f"{SUBSET}\n- u: A_i(x) - <<E301>>y"), "subtracts Y from R(A_i)")
    expect(after(f"{SUBSET}\n- u: A(x) - <<E301>>y_i"), "subtracts R(A_i) from Y")
    expect(after(f"{SUBSET}\n- u: fbp(<<E302>>y_i)"), "'fbp' wants Y and got R(A_i)")


def test_two_subsets_are_two_spaces_whatever_they_are_called() -> None:
    expect(after(f"{SUBSET}\n- B_i, v_i: {{subset.next: {{of: A, data: y}}}}\n- u: A_i(x) - <<E301>>v_i"))
    expect(after(f"{SUBSET}\n- old: y_i\n{SUBSET}\n- u: A_i(x) - <<E301>>old"), "subtracts R(A_i) from R(A_i#2)")


def test_maps_that_share_a_space_compose() -> None:
    coarse = "- A_c, up, down: {grid.coarsen: {of: A, factor: 4}}"
    more = "- v: A_c(down(x)) - y\n- w: up(f(down(x))) + fbp(v)\n- u: up(down(x)) + adjoint(down)(adjoint(up)(w))"
    assert codes(after(f"{coarse}\n{more}")) == []
    expect(after(f"{coarse}\n- u: A_c(<<E302>>x)"), "'A_c' wants Q(A_c) and got X")
    expect(after(f"{coarse}\n- u: x + <<E301>>down(x)"), "adds X to Q(A_c)")
    expect(after(f"{coarse}\n- repeat: {{count: 2, steps: [v: down(x)]}}").replace("track: x", "track: <<E307>>v"))


def test_a_space_goes_into_a_port() -> None:
    split = "- kept, held: {rays.split: {of: Y, hold: 0.1}}"
    assert codes(after(f"{split}\n- u: norm(held(A(x) - y)) + norm(kept(y))")) == []
    expect(after("- kept, held: {rays.split: {of: <<E404>>y, hold: 0.1}}\n- u: kept(y)"), "the name of a space")
    expect(after(f"{split}\n- u: kept(<<E302>>x)"), "'kept' wants Y and got X")
    expect(after(f"{split}\n- u: kept(y) + <<E301>>held(y)"))


def test_patterns_that_occur_twice_are_one_space() -> None:
    text = after(training(let="v: f(z)", of="v", to="<<E302>>y"))
    expect(text, "'to' wants X and got Y")
    expect(after("- u: {<<E408>>fidelity.l2: {of: x, to: x}}"), "stands in a minimise")
    expect(after("- A_i, y_i: {subset.next: {of: A, data: <<E302>>x}}\n- u: A_i(x)"), "'data' wants Y and got X")
    expect(after("- c, r: {weights.sirt: {of: A}}\n- u: c(x)\n- v: r(<<E302>>x)"))


def test_weights_for_each_entry_are_of_the_same_space() -> None:
    assert codes(after("- w: {weights.entries: {of: grad(x)}}\n- u: {prox.l21: {of: grad(x), weight: w}}")) == []
    assert codes(after("- u: {prox.l21: {of: grad(x), weight: norm(x)}}")) == []
    poisson = (
        "- f: {minimise: {optimiser: {adam: {}}, loss: [fidelity.poisson: {of: A(f(z)), counts: counts, blank: %s}]}}"
    )
    assert codes(after(poisson % "blank")) == codes(after(poisson % "1e5")) == []
    expect(after(poisson % "<<E302>>x"), "'blank' wants Y and got X")
    expect(after(poisson % "<<E405>>0"), "above 0")


@given(st.lists(st.sampled_from(["x", "y", "g", "1", "t"]), min_size=2, max_size=6), st.data())
def test_a_sum_is_right_exactly_if_all_its_terms_are_of_one_space(terms: list[str], data: st.DataObject) -> None:
    signs = data.draw(st.lists(st.sampled_from([" + ", " - "]), min_size=len(terms), max_size=len(terms)))
    text = (
        "".join(f"{sign}{term}" for sign, term in zip(signs, terms, strict=True))
        .removeprefix(" + ")
        .removeprefix(" - ")
    )
    found = codes(after(f"- g: grad(x)\n- t: norm(x)\n- v: {text}"))
    spaces = {{"x": "X", "y": "Y", "g": "G"}.get(term, "number") for term in terms}
    assert ("E301" in found) == (len(spaces) > 1)
    assert set(found) <= {"E301", "W604"}


# --- what is tracked and returned -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tail", "said"),
    [
        ("track: <<E307>>y\nreturns: {image: x}\n", "of Y"),
        ("track: <<E307>>d\nreturns: {image: x}\n", "of Y"),
        ("track: <<E307>>s\nreturns: {image: x}\n", "no repeat assigns 's': line "),
        ("track: <<E307>>[x]\nreturns: {image: x}\n", "names an image"),
        ("track: <<E307>>x + x\nreturns: {image: x}\n", "give the expression a name"),
        ("track: <<E201>>xx\nreturns: {image: x}\n", "did you mean"),
        ("track: x\nreturns: {image: <<E307>>d}\n", "'image' is of Y"),
        ("track: x\nreturns: {image: x, m: <<E307>>A}\n", "which is not returned"),
        ("track: x\nreturns: {image: x, m: <<E307>>X}\n", "not returned"),
        ("track: x\nreturns: <<E307>>{last: x}\n", "needs 'image'"),
        ("track: x\nreturns: <<E108>>x\n", "a mapping with 'image'"),
        ("track: x\nreturns: {image: <<E201>>q}\n", "nothing is called"),
        ("track: x\nreturns: {image: x, a: x + <<E301>>y}\n", "adds X to Y"),
    ],
)
def test_faults_of_what_is_tracked_and_returned(tail: str, said: str) -> None:
    expect(
        steps("- s: fbp(y)\n- repeat:\n    count: 2\n    steps:\n      - x: s + s\n      - d: A(x)", tail=tail).replace(
            "returns: {image: x}", "returns: {image: x, d: d}"
        ),
        said,
    )


def test_what_may_be_returned() -> None:
    tail = "track: x\nreturns: {image: 2*x, data: A(x), number: norm(x), switch: norm(x) < 1, net: f, 'quoted': x}\n"
    assert codes(loop("- x: f(fbp(y))", head=HEAD, tail=tail)) == []


def test_what_is_tracked_is_an_image_in_x_wherever_it_is_assigned() -> None:
    coarse = "- A_c, up, down: {grid.coarsen: {of: A, factor: 4}}\n- z: down(fbp(y))\n"
    text = steps(
        coarse + "- repeat: {count: 2, steps: [x: f(z)]}\n- repeat: {count: 2, steps: [x: fbp(y)]}",
        head=HEAD,
        tail="track: <<E307>>x\nreturns: {image: x}\n",
    )
    expect(text, "is of Q(A_c) in line 6", "wherever it is assigned")


def test_a_tracked_name_may_be_assigned_again_after_its_loop() -> None:
    text = steps("- repeat: {count: 2, steps: [x: fbp(y)]}\n- x: {prox.nonnegative: {of: x}}")
    assert codes(text) == []
    assert isinstance(program(text).steps[0], Repeat)
    assert program(text).track == "x"
    assert TAIL.startswith("track: x")


def test_a_vector_of_the_wrong_space_is_told_what_brings_it_to_the_right_one(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(
        "recipe: 1\nsteps:\n  - repeat:\n      count: 2\n      carry: {x: fbp(y)}\n"
        "      steps: [x: {denoise.own: {of: A(x), sigma: 0.1}}]\ntrack: x\nreturns: {image: x}\n"
    )
    (fault,) = dipgraph.check(path)
    assert "E302 'of' wants X and got Y" in fault.render()
    assert "fbp(...) and adjoint(A)(...) make an image of data" in fault.render()
