"""Training is a write: a network's readers keep their side of it, in whatever order the rest of the graph allows."""

from __future__ import annotations

from itertools import permutations

import pytest

from dipgraph.graph import Body, Operation, build
from dipgraph.graph.schedule import schedule
from tests.graph import laws
from tests.graph.interpreter import ByPlan, ByText, told
from tests.graph.made_up import plan, program, steps, training


def find(body: Body, name: str) -> Operation:
    """The operation of a body that makes a name."""
    return next(each for each in body.operations if each.sort != "repeat" and any(v.name == name for v in each.outputs))


def loop(body: Body) -> Operation:
    return next(each for each in body.operations if each.loop is not None)


def scrambled(body: Body) -> list[list[Operation]]:
    """Every schedule of a body that its graph allows, by all the orders that ties may break in."""
    found = []
    for orders in permutations(range(len(body.operations))):
        for operation, order in zip(body.operations, orders, strict=True):
            operation.order = order
        schedule(body)
        found.append(list(body.operations))
    return found


BESIDE = f"""
- z: fbp(y)
- repeat:
    count: 3
    carry: {{u: z}}
    steps:
      - before: f(u)
      - {training()}
      - after: f(u)
      - u: before - after
"""

NESTED = f"""
- z: fbp(y)
- repeat:
    count: 3
    carry: {{u: z}}
    steps:
      - before: f(u)
      - repeat:
          count: 2
          steps:
            - {training()}
      - after: f(u)
      - u: before - after
"""

DEEP = f"""
- z: fbp(y)
- repeat:
    count: 2
    carry: {{u: z}}
    steps:
      - before: f(u)
      - repeat:
          count: 2
          steps:
            - repeat:
                count: 2
                steps:
                  - {training()}
      - after: f(u)
      - u: before - after
"""


@pytest.mark.parametrize("text", [BESIDE, NESTED, DEEP], ids=["beside", "nested", "deeply nested"])
def test_what_reads_a_network_keeps_its_side_of_the_training(text: str) -> None:
    body = loop(plan(steps(text)).body).loop.body  # type: ignore[union-attr]
    before, after = find(body, "before"), find(body, "after")
    writer = next(each for each in body.operations if each.writes)
    assert before.inputs[0] is writer.writes[0]
    assert after.inputs[0] in writer.outputs
    for order in scrambled(body):
        assert order.index(before) < order.index(writer) < order.index(after)


@pytest.mark.parametrize("text", [BESIDE, NESTED, DEEP], ids=["beside", "nested", "deeply nested"])
def test_a_read_before_and_one_after_a_training_are_never_one(text: str) -> None:
    body = loop(plan(steps(text)).body).loop.body  # type: ignore[union-attr]
    assert find(body, "before") is not find(body, "after")


def agree(text: str, **frame: str) -> None:
    """The plan of some steps keeps every law and means what the text says."""
    made = program(steps(text, **frame))
    built = build(made)
    laws.lawful(built)
    assert told(ByPlan(made, built)) == told(ByText(made))


def test_a_loop_that_only_reads_a_network_stays_on_its_side() -> None:
    """The read is lifted out of the inner loop, to just before it, and so past neither training."""
    text = f"""
    - z: fbp(y)
    - repeat:
        count: 3
        steps:
          - repeat:
              count: 2
              steps: [{{a: f(z)}}, {{u: {{input.jitter: {{of: a}}}}}}]
          - {training()}
          - repeat:
              count: 2
              steps: [{{b: f(z)}}, {{v: {{input.jitter: {{of: b}}}}}}]
          - w: u + v
    """
    agree(text)
    body = loop(plan(steps(text)).body).loop.body  # type: ignore[union-attr]
    sorts = [each.name.partition(":")[0] for each in body.operations]
    assert sorts == ["apply", "repeat", "minimise", "apply", "repeat", "+"]


def test_two_trainings_of_one_network_in_one_body() -> None:
    text = f"""
    - z: fbp(y)
    - repeat:
        count: 2
        steps:
          - a: f(z)
          - {training()}
          - b: f(z)
          - {training(let="v: f(fbp(y))", of="A(v)")}
          - c: f(z)
          - u: a + b + c
    """
    agree(text)
    body = loop(plan(steps(text)).body).loop.body  # type: ignore[union-attr]
    writers = [each for each in body.operations if each.sort == "minimise"]
    assert writers[1].writes[0] in writers[0].outputs
    names = [next((v.name for v in each.outputs if v.name in "abc"), "") for each in body.operations]
    assert [name for name in names if name] == ["a", "b", "c"]


def test_a_training_at_the_top_level() -> None:
    text = f"- z: fbp(y)\n- before: f(z)\n- {training()}\n- after: f(z)\n- repeat: {{count: 2, steps: [x: f(after)]}}"
    agree(text, tail="track: x\nreturns: {image: x, before: before, after: after, f: f}\n")


def test_a_block_reads_the_network_that_it_is_handed() -> None:
    text = f"""
    - z: fbp(y)
    - repeat:
        count: 2
        steps:
          - a: {{weights.size: {{of: f}}}}
          - {training()}
          - b: {{weights.size: {{of: f}}}}
    """
    agree(text, tail="track: x\nreturns: {image: x, a: a, b: b}\n")


def test_one_network_is_trained_on_what_another_gives() -> None:
    agree(f"""
    - z: fbp(y)
    - repeat:
        count: 2
        steps:
          - {training("g", let="v: g(z)", of="f(v)", to="z")}
          - {training("f", let="x: f(g(z))")}
          - {training("g", let="w: g(x)", of="A(w)")}
    """)


def test_an_end_is_tested_on_the_network_as_trained() -> None:
    agree(f"""
    - z: fbp(y)
    - r: norm(f(z))
    - repeat:
        count: 5
        steps:
          - repeat:
              count: 4
              steps:
                - {training()}
              until: norm(f(z)) < r
        until: norm(f(z)) < 2*r
    """)


def test_rates_are_read_before_the_training() -> None:
    agree("""
    - z: fbp(y)
    - repeat:
        count: 3
        steps:
          - f:
              minimise:
                optimiser: {adam: {rate: norm(f(z))}}
                let: [x: f(z)]
                loss: [penalty.l2: {of: x}]
    """)


def test_networks_that_blocks_hand_out_are_trained_each_for_itself() -> None:
    text = """
    - z: fbp(y)
    - h: {network.copy: {of: f}}
    - i: {network.copy: {of: f}}
    - h: {minimise: {optimiser: {adam: {}}, let: [a: h(z)], loss: [penalty.l2: {of: a}]}}
    - repeat:
        count: 2
        steps:
          - j: {network.copy: {of: f}}
          - j: {minimise: {optimiser: {adam: {}}, let: [x: j(z)], loss: [penalty.l2: {of: x}]}}
    """
    tail = "track: x\nreturns: {image: x, h: norm(h(z)), i: norm(i(z)), j: norm(j(z)), f: norm(f(z))}\n"
    agree(text, tail=tail)
    made = plan(steps(text, tail=tail))
    assert [each.name for each in made.body.operations].count("network.copy") == 2
    assert "network.copy" in [each.name for each in loop(made.body).loop.body.operations]  # type: ignore[union-attr]
