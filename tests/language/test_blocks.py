"""Blocks: their names, their ports and settings, and what they hand out."""

from __future__ import annotations

import pytest

from dipgraph.language.program import Assign, Call
from tests.language.made_up import after, codes, expect, loop, program, steps, training


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ("- u: {<<E401>>prox.tvv: {of: x}}", "did you mean 'prox.tv'?"),
        ("- u: {<<E401>>Prox.TV: {of: x}}", "did you mean 'prox.tv'?"),
        ("- u: {<<E401>>minimize: {count: 3}}", "did you mean 'minimise'?"),
        ("- u: {<<E401>>average.of_quite_another_kind: {of: x}}", "there is average.ema"),
        ("- u: {<<E401>>unheard.of: {of: x}}", "`dipgraph blocks` lists them"),
        ("- u: {<<E401>>tv: {of: x}}", "no block 'tv'"),
        ("- u: {<<E401>>'': {of: x}}", "no block ''"),
        ("- u: {denoise.tv: {of: x, <<E402>>sgima: 0.1}}", "did you mean 'sigma'?"),
        ("- u: {denoise.tv: {of: x, sigma: 1, <<E402>>rho: 1}}", "it has of, sigma"),
        ("- u: {input.grid: {<<E402>>size: 1}}", "it has none"),
        ("- u: {<<E403>>denoise.tv: {of: x}}", "it is a number: Standard deviation of the noise."),
        ("- u: {<<E403>>denoise.tv: {sigma: 1}}", "needs the port 'of'"),
        ("- u: {denoise.tv: <<E404>>x}", "as in denoise.tv: {of: ...}"),
        ("- u: {denoise.tv: <<E404>>[x, 1]}", "takes its ports as a mapping"),
        ("- u: <<E404>>{denoise.tv: {of: x, sigma: 1}, prox.tv: {of: x}}", "one block"),
        ("- u: <<E107>>[x]", "an expression belongs here"),
        ("- u: {denoise.tv: {of: <<E404>>{prox.tv: {of: x}}, sigma: 1}}", "a step of its own"),
        ("- u: {denoise.tv: {of: <<E404>>[x], sigma: 1}}", "not a block or a list"),
        ("- u: {denoise.tv: {of: x, sigma:<<E107>> }}", "missing"),
        ("- u: {denoise.tv: {of: <<E404>>1, sigma: 1}}", "'of' is an image or data vector (V), and this is"),
        ("- u: {denoise.tv: {of: <<E404>>A, sigma: 1}}", "a linear map"),
        ("- u: {denoise.tv: {of: x, sigma: <<E404>>true}}", "a switch"),
        ("- u: {prox.tv: {of: x, weight: <<E405>>-1}}", "'weight' is -1; it must be a number, at least 0"),
        ("- u: {prox.tv: {of: x, weight: <<E405>>1 - 2.5}}", "'weight' is -1.5"),
        ("- u: {prox.tv: {of: x, tolerance: <<E405>>0}}", "above 0, below 1"),
        ("- u: {prox.tv: {of: x, tolerance: <<E405>>1}}", "below 1"),
        ("- u: {prox.tv: {of: x, tolerance: <<E404>>norm(x)}}", "settled before the run"),
        ("- u: {stop.variance: {watch: x, window: <<E404>>2.5}}", "'window' is a whole number"),
        ("- u: {stop.variance: {watch: x, window: <<E404>>n/2}}", "round it: floor(...)"),
        ("- u: {stop.variance: {watch: x, window: <<E405>>1}}", "at least 2"),
        ("- u: {stop.flat: {watch: norm(x), strict: <<E404>>1}}", "a switch (true or false)"),
        ("- u: {stop.flat: {watch: norm(x), strict: <<E404>>norm(x) < 1}}", "settled before the run"),
        ("- u: {input.noise: {law: <<E406>>gaussian}}", "'law' is one of normal, uniform; 'gaussian' is not"),
        ("- u: {input.noise: {law: <<E406>>unifrom}}", "did you mean 'uniform'?"),
        ("- u: {input.noise: {law: <<E406>>[uniform]}}", "no word stands here"),
        ("- u: {input.noise: {law: <<E406>>n}}", "'n' is not"),
        ("- u: {input.noise: {law: <<E406>>x + x}}", "'x + x' is not"),
        ("- u: {input.noise: {for: <<E404>>x}}", "'for' is a network"),
        ("- u: {denoise.dncnn: {of: x, sigma: 1, weights: <<E404>>'w.pt'}}", "declare a parameter {file: ...}"),
        ("- u: {denoise.dncnn: {of: x, sigma: 1, weights: <<E404>>n}}", "'weights' is a file"),
        ("- u: {denoise.dncnn: {of: x, sigma: 1, weights: <<E404>>[w]}}", "'weights' is a file"),
        ("- u, v, w: {<<E407>>stop.variance: {watch: x}}", "hands out 2 values, not 3"),
        ("- u, v: {<<E407>>denoise.tv: {of: x, sigma: 1}}", "hands out 1 value, not 2"),
        ("- <<E407>>u, v: x", "only a block hands out several"),
        ("- u: {<<E408>>fidelity.l2: {of: x, to: x}}", "a loss term, and stands in a minimise"),
        ("- u: {<<E408>>optimiser.adam: {}}", "an optimiser, and stands in a minimise"),
    ],
)  # fmt: skip
def test_faults_of_blocks(step: str, said: str) -> None:
    expect(after(f"- s: n*x\n{step}", head="params: {n: 3}\n"), said)


def test_a_misspelt_port_is_one_fault_not_two() -> None:
    expect(after("- u: {denoise.tv: {<<E402>>of_: x, <<E402>>sigmaa: 1}}"))


def test_every_fault_of_a_block_at_once() -> None:
    expect(after("- u: {prox.tv: {of: <<E201>>q, weight: <<E405>>-1, tolerance: <<E404>>x, <<E402>>kind: a}}"))
    expect(after(training(let="v: f(z)", of="v + v", to="<<E302>>y, weight: <<E404>>x")))


def test_every_fault_of_spaces_and_settings_at_once() -> None:
    expect(after("- A_i, y_i: {subset.next: {of: <<E404>>f, data: y}}"))
    expect(after("- A_i, y_i: {subset.next: {of: A, data: <<E302>>x, count: <<E405>>0}}"))
    expect(after("- u: {<<E403>>fidelity.poisson: {of: A(x), counts: counts}}"))


def test_ports_take_what_they_say() -> None:
    text = after(
        "- u: {input.noise: {law: uniform, high: 2*h, channels: 1, for: f}}\n"
        "- v: {denoise.dncnn: {of: u, sigma: norm(x), weights: none}}\n"
        "- w: {denoise.dncnn: {of: v, sigma: s, weights: file}}\n"
        "- t: {stop.flat: {watch: dim(X), strict: on}}\n"
        "- u: {prox.tv: {of: w, weight: 'where(t, 1, 2)', tolerance: s/2}}",
        head="params: {h: 1.0, s: 0.5, file: {file: none}, on: true}\n",
    )
    assert codes(text) == []
    call = program(text).steps[2].value  # type: ignore[union-attr]
    assert isinstance(call, Call)
    assert call.settings == {"law": "uniform", "high": 2.0, "channels": 1}
    assert set(call.ports) == {"for"}
    assert type(call.settings["high"]) is float


def test_a_word_of_the_port_comes_before_a_parameter_of_that_name() -> None:
    head = "params: {uniform: {value: normal, of: [normal]}, law: {value: uniform, of: [uniform, normal]}}\n"
    tail = "track: x\nreturns: {image: x, u: u}\n"
    text = loop("- x: {input.noise: {law: uniform}}\n- u: {input.noise: {law: law}}", head=head, tail=tail)
    assert codes(text) == ["W601"]
    first, second = program(text, settings=["law=normal"]).steps[0].steps  # type: ignore[union-attr]
    assert [step.value.settings["law"] for step in (first, second)] == ["uniform", "normal"]  # type: ignore[union-attr]


def test_a_block_without_ports_may_be_bare() -> None:
    for body in ("{}", "", "null", "~"):
        assert codes(after(f"- u: {{input.grid: {body}}}")) == []


def test_fewer_names_than_outputs_take_the_first() -> None:
    text = after("- u: {stop.variance: {watch: x}}\n- s, t: {stop.variance: {watch: x}}")
    step = program(text).steps[2]
    assert isinstance(step, Assign)
    assert isinstance(step.value, Call)
    assert (len(step.types), len(step.value.outputs)) == (1, 2)


def test_values_that_only_blocks_understand() -> None:
    assert codes(after("- t: {trail.begin: {of: f}}\n- u: {trail.end: {of: t}}")) == []
    expect(after("- t: {trail.other: {of: f}}\n- u: {trail.end: {of: <<E404>>t}}"), "a trajectory, and this is a diary")
    expect(after("- t: {trail.begin: {of: f}}\n- u: <<E306>>t + x"), "a trajectory")
    assert codes(after("- t: {trail.begin: {of: f}}\n- repeat: {count: 2, carry: {s: t}, steps: [u: x, s: s]}")) != [
        "E306"
    ]


# --- networks ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("networks", "said"),
    [
        ("networks: <<E108>>[f]", "a mapping of names to network blocks"),
        ("networks: {f: <<E404>>network.unet}", "a network is one block"),
        ("networks: {f: <<E404>>{}}", "a network is one block"),
        ("networks: {f: {<<E401>>network.unett: {}}}", "did you mean 'network.unet'?"),
        ("networks: {f: {<<E404>>prox.tv: {of: y}}}", "networks are network.*"),
        ("networks: {f: {network.unet: {channels: <<E405>>0}}}", "at least 1"),
        ("networks: {f: {network.unet: {channels: <<E404>>norm(y)}}}", "settled before the run"),
        ("networks: {f: {network.unet: {<<E402>>chanels: 8}}}", "did you mean 'channels'?"),
        ("networks: {f: {network.unet: {}}, <<E102>>f: {network.unet: {}}}", "stands twice"),
    ],
)
def test_faults_of_networks(networks: str, said: str) -> None:
    step = "- x: fbp(y)" if "[f]" in networks else training(let="x: f(fbp(y))")
    expect(loop(step, head=f"{networks}\n"), said)


def test_sections_of_networks_may_be_empty() -> None:
    for nothing in ("networks:\n", "networks: {}\n"):
        assert codes(loop("- x: fbp(y)", head=nothing)) == []


def test_a_network_that_a_step_makes() -> None:
    text = after("- g: {network.copy: {of: f}}\n" + training("g", let="v: g(z)", of="A(v)") + "\n- u: g(z)")
    assert codes(text) == []
    assert program(text).inputs == {"f": 1, "g": 1}


def test_a_network_that_is_read_is_fed_somewhere() -> None:
    text = loop(
        "- x: fbp(y)",
        head="networks: {<<E308>>f: {network.unet: {}}}\n",
        tail="track: x\nreturns: {image: x, net: f}\n",
    )
    expect(text, "never applied to an image")


def test_a_network_is_not_said_to_be_unfed_where_a_fault_hides_its_use() -> None:
    head = "params: {m: {value: 1, max: 2, about: a number}}\nnetworks: {f: {network.unet: {}}}\n"
    text = loop("- x: f(m * fbp(y))", head=head)
    assert codes(text, settings=["m=3"]) == ["E206"]


# --- the top level ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("recipe: <<E108>>2\n", "write 'recipe: 1'"),
        ("recipe: <<E108>>'1'\n", "not version 1"),
        ("recipe: <<E108>>1.0\n", "not version 1"),
        ("recipe: <<E108>>true\n", "not version 1"),
        ("recipe: <<E108>>[1]\n", "not version 1"),
        ("recipe: 1\n<<E108>>abuot: x\n", "did you mean 'about'?"),
        ("recipe: 1\n<<E108>>zzz: x\n", "it has recipe, about"),
        ("recipe: 1\nabout: <<E108>>[x]\n", "'about' is a text"),
        ("recipe: 1\ncite: <<E108>>{a: b}\n", "docs/references.bib"),
        ("recipe: 1\ncite: [a, <<E108>>[b]]\n", "docs/references.bib"),
    ],
)
def test_faults_of_the_top_level(text: str, said: str) -> None:
    expect(text + steps("- repeat: {count: 2, steps: [x: fbp(y)]}").removeprefix("recipe: 1\n"), said)


def test_what_a_recipe_needs() -> None:
    expect("<<E108>>" * 3 + "recipe: 1\n", "'steps' is missing", "'track' is missing", "'returns' is missing")
    expect("<<E108>>" * 5 + "abou: 1\n", "'recipe' is missing", "did you mean 'about'?")
    expect("<<E108>>problem: 1\n", "this is a problem, not a recipe", "give this file with --problem")


def test_about_and_cite_come_along() -> None:
    text = "about: One line\ncite: [a2020, b2021]\n"
    made = program(loop("- x: fbp(y)", head=text))
    assert (made.about, made.cite) == ("One line", ("a2020", "b2021"))
    assert program(loop("- x: fbp(y)", head="cite: a2020\n")).cite == ("a2020",)
