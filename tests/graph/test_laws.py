"""Laws of plans, and that a plan means what its text says, on recipes that Hypothesis makes up."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dipgraph.graph import build
from dipgraph.graph.schedule import schedule
from tests.graph import laws
from tests.graph.generated import recipes, shuffled, written
from tests.graph.interpreter import ByPlan, ByText, told
from tests.graph.made_up import plan, program

few = settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])


@few
@given(recipes())
def test_a_plan_keeps_every_law_and_means_what_the_text_says(recipe: Any) -> None:
    made = program(written(recipe))
    built = build(made)
    laws.lawful(built)
    text, ran = ByText(made), ByPlan(made, built)
    assert told(ran) == told(text)
    assert ran.world.pure <= text.world.pure


@few
@given(recipes(), st.randoms(use_true_random=False))
def test_the_graph_alone_keeps_the_meaning_in_whatever_order_ties_break(recipe: Any, random: Any) -> None:
    made = program(written(recipe))
    built = build(made)
    for body in laws.bodies(built):
        orders = list(range(len(body.operations)))
        random.shuffle(orders)
        for operation, order in zip(body.operations, orders, strict=True):
            operation.order = order
        schedule(body)
    laws.after_what_they_read(built)
    laws.training_in_order(built)
    ran, text = told(ByPlan(made, built)), told(ByText(made))
    for each in (ran, text):  # loops that share nothing may change places
        each |= {"losses": sorted(each["losses"]), "tracked": sorted(each["tracked"])}
    assert ran == text


@few
@given(recipes(), st.data())
def test_the_order_of_keys_is_irrelevant(recipe: Any, data: Any) -> None:
    assert laws.outline(plan(written(recipe))) == laws.outline(plan(written(shuffled(recipe, data.draw))))
