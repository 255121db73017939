"""What every plan keeps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import networkx as nx

from dipgraph.graph import Body, Operation, Plan, Value
from dipgraph.signatures.spaces import Network


def bodies(plan: Plan) -> list[Body]:
    return [*plan.body.bodies(), plan.epilogue]


def operations(plan: Plan) -> Iterator[Operation]:
    for body in bodies(plan):
        yield from body.operations


def is_pure(operation: Operation) -> bool:
    call = operation.call
    hands_out = any(isinstance(value.type, Network) for value in operation.outputs)
    return operation.nested is None and (call is None or (call.signature.pure and not hands_out))


def acyclic(plan: Plan) -> None:
    assert all(nx.is_directed_acyclic_graph(body.network()) for body in bodies(plan))


def made_once(plan: Plan) -> None:
    makers: list[Value] = [value for operation in operations(plan) for value in operation.outputs]
    for operation in operations(plan):
        if operation.loop is not None:
            makers += [carried.inside for carried in operation.loop.carried]
            makers += [operation.loop.index] if operation.loop.index is not None else []
        if operation.training is not None:
            makers += [carried.inside for carried in operation.training.targets]
    makers += [value for value in plan.values if value.origin in ("literal", "given", "network")]
    assert len(makers) == len(set(makers))
    assert set(makers) == set(plan.values)


def reads(operation: Operation) -> list[Value]:
    """Everything that an operation needs before it runs, nested bodies included."""
    found = list(operation.inputs)
    nested = operation.nested
    if nested is not None:
        inside = [value for inner in nested.body.operations for value in reads(inner)]
        if operation.loop is not None:
            loop = operation.loop
            inside += [value for value in (loop.until, loop.track) if value is not None]
            inside += [carried.end for carried in loop.carried] + [value for value, _ in loop.exports]
        if operation.training is not None:
            inside += [term.value for term in operation.training.terms]
        found += [value for value in inside if not value.body.within(nested.body)]
    return found


def after_what_they_read(plan: Plan) -> None:
    for body in bodies(plan):
        done = {
            value for outer in bodies(plan) for each in outer.operations for value in each.outputs if outer is not body
        }
        mine: set[Value] = set()
        own = {value for operation in body.operations for value in operation.outputs}
        for operation in body.operations:
            for value in reads(operation):
                assert value not in own or value in mine, f"{operation.name} runs before {value} is made"
                assert value in own or value in done or value.origin != "operation"
                assert value.body.within(body) is (value.body is body)
            mine |= set(operation.outputs)


def training_in_order(plan: Plan) -> None:
    """What reads a network before its training runs before it; what reads it afterwards, after it."""
    for body in bodies(plan):
        for place, writer in enumerate(body.operations):
            for old in writer.writes:
                later = body.operations[place + 1 :]
                assert not any(old in reads(each) for each in later), f"{old} is read after {writer.name}"


def as_far_out_as_can_be(plan: Plan) -> None:
    for body in plan.body.bodies():
        for operation in body.operations:
            if is_pure(operation):
                depths = [value.body.depth for value in operation.inputs]
                assert body.depth == max(depths, default=0), f"{operation.name} stands too far in"


def computed_once(plan: Plan) -> None:
    seen: set[Any] = set()
    for body in plan.body.bodies():
        for operation in body.operations:
            if is_pure(operation):
                settings = () if operation.call is None else tuple(sorted(map(repr, operation.call.settings.items())))
                identity = (operation.name, operation.ports, settings, operation.inputs)
                assert identity not in seen, f"{operation.name} is computed twice"
                seen.add(identity)


def ties_by_text(plan: Plan) -> None:
    for body in bodies(plan):
        orders = [operation.order for operation in body.operations]
        assert orders == sorted(orders)


def keys_differ(plan: Plan) -> None:
    keys = [operation.key for operation in operations(plan) if operation.key]
    assert len(keys) == len(set(keys))


def lawful(plan: Plan) -> None:
    """Check every law."""
    for law in (acyclic, made_once, after_what_they_read, training_in_order, as_far_out_as_can_be, computed_once,
                ties_by_text, keys_differ):  # fmt: skip
        law(plan)


def outline(plan: Plan) -> list[Any]:
    """A plan without its lines: what runs where, in which order, on what."""
    numbers = {value: number for number, value in enumerate(plan.values)}

    def name(value: Value | None) -> Any:
        return None if value is None else (numbers[value], value.name, str(value.type), value.origin)

    def of(body: Body) -> list[Any]:
        rows: list[Any] = []
        for each in body.operations:
            head = each.name.partition(":")[0]
            rows.append((head, [name(value) for value in each.inputs], [name(value) for value in each.outputs]))
            if each.loop is not None:
                loop = each.loop
                rows.append([(c.name, name(c.begin), name(c.inside), name(c.end)) for c in loop.carried])
                rows.append([name(loop.index), name(loop.until), name(loop.track)])
            if each.nested is not None:
                rows.append([(name(before), name(after)) for before, after in each.nested.exports])
                rows.append(of(each.nested.body))
            elif each.call is not None:
                rows.append((each.key, each.ports, sorted(map(repr, each.call.settings.items()))))
        return rows

    return [of(plan.body), of(plan.epilogue), sorted((key, name(value)) for key, value in plan.returns.items())]
