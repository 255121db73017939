"""Plans of recipes written by hand: what is lifted, what is shared, what each name stands for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dipgraph.graph import Body, Loop, Operation, Plan, build
from tests.graph import laws
from tests.graph.interpreter import ByPlan, ByText, told
from tests.graph.made_up import plan, program, steps, training


def agreeing(text: str, **frame: str) -> Plan:
    """The plan of some steps; it keeps every law, and means what the text says."""
    made = program(steps(text, **frame))
    built = build(made)
    laws.lawful(built)
    assert told(ByPlan(made, built)) == told(ByText(made))
    return built


def loops(made: Plan) -> list[Loop]:
    return [each.loop for each in made.body.walk() if each.loop is not None]


def named(body: Body, name: str) -> list[Operation]:
    return [each for each in body.operations if each.name == name]


NEST = """
- z: {{input.noise: {{}}}}
- repeat:
    count: 2
    carry: {{u: z}}
    steps:
      - repeat:
          count: 3
          index: k
          steps:
            - a: {step}
            - x: a + k*u
      - u: x
"""


@pytest.mark.parametrize(
    ("step", "depth"),
    [
        ("fbp(y)", 0),
        ("{denoise.own: {of: z, sigma: 1}}", 0),
        ("u - fbp(y)", 1),
        ("{denoise.own: {of: u, sigma: 0.5}}", 1),
        ("k*z", 2),
        ("{input.noise: {}}", 2),
        ("{input.jitter: {of: z}}", 2),
        ("{prox.tv: {of: z}}", 2),
        ("{average.ema: {of: z}}", 2),
    ],
)
def test_pure_steps_stand_as_far_out_as_they_can_and_others_where_they_are(step: str, depth: int) -> None:
    made = agreeing(NEST.format(step=step))
    makers = [(body, each) for body in made.body.bodies() for each in body.operations if each.nested is None]
    assert [body.depth for body, each in makers if any(v.name == "a" for v in each.outputs)] == [depth]


@pytest.mark.parametrize(
    ("step", "is_lifted"), [("fbp(y)", True), ("z", False), ("k*z", False), ("{prox.tv: {of: z}}", False)]
)
def test_a_plan_says_which_steps_are_lifted(step: str, is_lifted: bool) -> None:
    made = plan(steps(NEST.format(step=step)))
    assert [(each.targets, body.name) for each, body in made.lifted.items()] == ([(("a",), "run")] if is_lifted else [])


def test_steps_are_lifted_out_of_a_minimise() -> None:
    made = agreeing(f"- z: fbp(y)\n- repeat: {{count: 2, steps: [{training(let='b: A(z), x: f(z)', to='b')}]}}")
    assert {v.name for each in made.body.operations for v in each.outputs} >= {"z", "b"}


def test_equal_pure_steps_are_computed_once_across_bodies() -> None:
    made = agreeing("""
    - a: fbp(y) + zeros(X)
    - repeat:
        count: 2
        carry: {u: zeros(X), v: fbp(y)}
        steps:
          - b: fbp(y) + zeros(X)
          - c: {denoise.own: {of: a, sigma: 1}}
          - d: {denoise.own: {of: b, sigma: 1}}
          - e: {denoise.own: {of: b, sigma: 1.0}}
          - u: u + c - d + e
          - x: u + v
    - w: fbp(y)
    """)
    names = [each.name for each in made.body.walk()]
    assert names.count("zeros") == 1
    assert len([each for each in made.body.walk() if each.name == "apply"]) == 1
    assert names.count("denoise.own") == 2  # 1 and 1.0 are told apart


def test_random_steps_are_never_merged_and_their_keys_are_the_names_they_assign() -> None:
    made = agreeing("""
    - z: {input.noise: {}}
    - v: {input.noise: {}}
    - z: {input.noise: {}}
    - repeat:
        count: 2
        steps:
          - x: {input.jitter: {of: z + v}}
          - A_i, y_i: {subset.next: {of: A, data: y}}
          - q: norm(A_i(x) - y_i)
    """)
    keys = [each.key for each in made.body.walk() if each.call is not None]
    assert keys == ["z", "v", "z#2", "x", "A_i,y_i"]


def test_a_random_stream_does_not_depend_on_the_steps_around_it() -> None:
    alone = plan(steps("- z: {input.noise: {}}\n- repeat: {count: 2, steps: [x: z]}"))
    among = plan(steps("- z: {denoise.own: {of: fbp(y), sigma: 1}}\n- n: {prox.tv: {of: z}}\n- z: {input.noise: {}}\n"
                       "- repeat: {count: 2, steps: [x: z]}"))  # fmt: skip
    assert [each.key for each in alone.body.walk() if each.name == "input.noise"] == ["z"]
    assert [each.key for each in among.body.walk() if each.name == "input.noise"] == ["z"]


def test_a_random_block_in_let_draws_once_a_gradient_step() -> None:
    made = program(
        steps("""
    - z: fbp(y)
    - repeat:
        count: 3
        steps:
          - f: {minimise: {count: 4, optimiser: {adam: {}}, let: [n: {input.jitter: {of: z}}, x: f(n)],
                           loss: [penalty.l2: {of: x}, penalty.l2: {of: n - x}]}}
    """)
    )
    ran = ByPlan(made, build(made))
    assert list(ran.world.count.values()) == [12]
    assert told(ran) == told(ByText(made))


def test_carried_names_change_at_once() -> None:
    made = agreeing("""
    - repeat:
        count: 4
        carry: {a: fbp(y), b: zeros(X), t: 1}
        steps:
          - old: a
          - a: b
          - b: old
          - t_old: t
          - t: t + t_old
          - x: a - t*b
    """, tail="track: x\nreturns: {image: x, old: old, a: a, b: b, t: t, t_old: t_old}\n")  # fmt: skip
    (loop,) = loops(made)
    ends = {carried.name: carried.end for carried in loop.carried}
    inside = {carried.name: carried.inside for carried in loop.carried}
    assert ends["a"] is inside["b"]
    assert ends["b"] is inside["a"]


def test_two_names_for_one_value_leave_a_loop_as_one_under_its_own_name() -> None:
    made = agreeing("""
    - repeat:
        count: 2
        carry: {a_old: zeros(X)}
        steps: [x: a_old + fbp(y), a_old: x]
    - w: x - a_old
    """, tail="track: x\nreturns: {image: w, x: x}\n")  # fmt: skip
    (loop,) = loops(made)
    assert [after.name for _, after in loop.exports] == ["x"]


def test_a_carried_name_that_is_never_assigned_keeps_its_value() -> None:
    made = agreeing(
        "- repeat: {count: 2, carry: {a: fbp(y)}, steps: [x: 2*a]}\n- w: a + x", tail="track: x\nreturns: {image: w}\n"
    )
    (loop,) = loops(made)
    assert loop.carried[0].end is loop.carried[0].inside


def test_a_carried_name_may_end_in_what_was_lifted() -> None:
    made = agreeing(
        "- repeat: {count: 3, carry: {a: zeros(X)}, steps: [x: a + zeros(X), a: 2*fbp(y)], until: norm(fbp(y)) < 1}"
    )
    (loop,) = loops(made)
    operation = next(each for each in made.body.operations if each.loop is loop)
    assert loop.carried[0].end in operation.inputs
    assert loop.until in operation.inputs


def test_names_of_nested_loops_are_read_after_them() -> None:
    agreeing(f"""
    - z: fbp(y)
    - repeat:
        count: 2
        carry: {{x: z, p: 0}}
        steps:
          - repeat:
              count: 2
              carry: {{x: x, q: p}}
              steps:
                - repeat: {{count: 2, index: j, steps: [{training(let="v: f(x)", of="A(v)")}, s: j*v]}}
                - x: x + s
                - q: q + norm(v)
          - p: q + norm(x) + norm(s - v)
    - w: x + p*v
    """, tail="track: x\nreturns: {image: w, s: s, q: q}\n")  # fmt: skip


def test_the_index_hides_a_name_and_gives_it_back() -> None:
    agreeing("""
    - k: norm(y)
    - repeat:
        count: 2
        index: k
        steps:
          - a: k*fbp(y)
          - repeat: {count: 3, index: j, steps: [b: j*a]}
          - x: k*b
    - w: k*x
    """, tail="track: x\nreturns: {image: w}\n")  # fmt: skip


def test_names_in_let_hide_outer_ones_and_stand_afterwards_as_they_last_were() -> None:
    agreeing(f"""
    - z: fbp(y)
    - repeat:
        count: 3
        carry: {{x: zeros(X)}}
        steps:
          - old: x
          - {training(let="s: 2*z, x: f(s), s: A(x)", of="s")}
          - v: adjoint(A)(s) + x - old
    """, tail="track: x\nreturns: {image: v, s: norm(s), old: old}\n")  # fmt: skip


def test_an_image_is_trained_from_where_it_stands() -> None:
    agreeing("""
    - z: fbp(y)
    - repeat:
        count: 2
        carry: {z: z}
        steps:
          - before: z
          - repeat:
              count: 2
              carry: {z: z}
              steps:
                - f, z: {minimise: {count: 2, optimiser: {adam: {rate: {f: 0.1, z: norm(z)}}}, let: [x: f(z)],
                                    loss: [penalty.l2: {of: x - z}]}}
          - after: z - before
    """, tail="track: x\nreturns: {image: z, after: after, before: before}\n")  # fmt: skip


def test_another_name_for_a_target_keeps_its_value_before_the_update() -> None:
    made = agreeing("""
    - x: fbp(y)
    - repeat:
        count: 2
        carry: {x: x}
        steps:
          - x: {minimise: {count: 3, optimiser: {adam: {}}, let: [w: x, v: w], loss: [penalty.l2: {of: w}]}}
          - d: x - w
    """, tail="track: x\nreturns: {image: x, d: d, v: v}\n")  # fmt: skip
    training_ = next(each.training for each in made.body.walk() if each.training is not None)
    inside = {carried.inside for carried in training_.targets}
    assert [after.name for before, after in training_.exports if before in inside] == ["x"]
    assert [each.name for each in training_.body.operations] == ["penalty.l2", "constant"]


def test_the_tracked_image_is_logged_by_the_innermost_loop_that_assigns_it() -> None:
    made = agreeing("""
    - repeat:
        count: 2
        carry: {x: zeros(X)}
        steps:
          - repeat:
              count: 3
              carry: {x: x}
              steps: [x: x + fbp(y)]
    """)
    assert [loop.track is not None for loop in loops(made)] == [False, True]


def test_a_name_that_is_an_image_only_later_is_not_tracked_before() -> None:
    made = plan(steps("- repeat: {count: 2, steps: [x: norm(y)]}\n- repeat: {count: 2, steps: [x: fbp(y)]}"))
    assert [loop.track is not None for loop in loops(made)] == [False, True]


def test_what_is_returned_is_made_at_the_end() -> None:
    tail = "track: x\nreturns: {image: 2*(x + fbp(y)), size: norm(x), again: norm(x), y: y}\n"
    made = agreeing("- repeat: {count: 2, carry: {x: zeros(X)}, steps: [x: x + fbp(y)]}", tail=tail)
    assert [each.name for each in made.epilogue.operations] == ["norm", "apply", "+", "*"]
    assert made.returns["size"] is made.returns["again"]
    assert list(made.returns) == ["image", "size", "again", "y"]


def test_a_stateful_step_is_called_as_often_as_the_text_says() -> None:
    made = program(
        steps("""
    - z: fbp(y)
    - repeat:
        count: 3
        steps:
          - p: {prox.tv: {of: z}}
          - repeat: {count: 2, steps: [q: {prox.tv: {of: z}}, m: {average.ema: {of: z}}]}
          - x: p + q + m
    """)
    )
    ran = ByPlan(made, build(made))
    assert sorted(ran.world.count.values()) == [3, 6, 6]
    assert told(ran) == told(ByText(made))


KEYS = """
- z: fbp(y)
- repeat:
    count: 2
    carry: {{{carry}}}
    steps:
      - repeat: {{count: 2, carry: {{{inner}}}, steps: [a: b + z, b: c + z, c: a]}}
      - u: v - z
      - v: u + a
      - f, z: {{minimise: {{loss: [penalty.l2: {{of: f(z)}}, penalty.l2: {{weight: norm(v), of: z - u}}],
                         let: [x: f(u)], optimiser: {{adam: {{rate: {{{rates}}}}}}}}}}}
"""


def test_the_order_of_carried_names_rates_and_returns_is_irrelevant() -> None:
    one = KEYS.format(carry="u: fbp(y), v: zeros(X), z: ones(X)", inner="b: u, c: 2*v", rates="f: norm(u), z: norm(v)")
    other = KEYS.format(
        carry="z: ones(X), v: zeros(X), u: fbp(y)", inner="c: 2*v, b: u", rates="z: norm(v), f: norm(u)"
    )
    tails = [
        f"track: x\nreturns: {{{said}}}\n" for said in ("image: x, b: b + u, c: c + u", "c: c + u, b: b + u, image: x")
    ]
    outlines = [laws.outline(agreeing(text, tail=tail)) for text, tail in zip((one, other), tails, strict=True)]
    assert outlines[0] == outlines[1]


def test_a_plan_does_not_hang_on_how_python_hashes() -> None:
    """Sets of names are walked in another order in every process; nothing may show it."""
    text = KEYS.format(carry="u: fbp(y), v: zeros(X), z: ones(X)", inner="b: u, c: 2*v", rates="f: norm(u), z: norm(v)")
    code = f"from tests.graph import laws, made_up\nprint(laws.outline(made_up.plan(made_up.steps({text!r}))))"
    command, root = [sys.executable, "-c", code], Path(__file__).parents[2]
    seeds = [{**os.environ, "PYTHONHASHSEED": seed} for seed in ("1", "2", "3")]
    ran = [
        subprocess.run(command, env=env, capture_output=True, text=True, check=True, cwd=root).stdout for env in seeds
    ]
    assert len(set(ran)) == 1
    assert ran[0]
