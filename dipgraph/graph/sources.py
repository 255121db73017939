"""Where a value of a plan comes from: the block's output that it is, and the blocks that a test depends on."""

from __future__ import annotations

from dipgraph.graph.body import Body, Operation, Plan, Value


class Sources:
    """The makers of a plan's values, through the borders of nested bodies.

    Parameters
    ----------
    plan
        The plan.
    """

    def __init__(self, plan: Plan) -> None:
        self.makers: dict[Value, Operation] = {}
        self.earlier: dict[Value, list[Value]] = {}
        """What a loop carries under a name: how it begins, and what the body leaves."""
        self.inside: dict[Value, Value] = {}
        """What stands after a nested body, and what it was in there."""
        for body in (*plan.body.bodies(), plan.epilogue):
            for operation in body.operations:
                self.makers |= dict.fromkeys(operation.outputs, operation)
                if operation.nested is not None:
                    self.inside |= {after: value for value, after in operation.nested.exports}
                if operation.loop is not None:
                    for carried in operation.loop.carried:
                        self.earlier[carried.inside] = [carried.begin, carried.end]

    def origin(self, value: Value) -> Value:
        """The value in the innermost body that made it."""
        while value in self.inside:
            value = self.inside[value]
        return value

    def output(self, value: Value) -> tuple[Operation, str] | None:
        """The block and the name of its output that a value is; none where it is something else."""
        value = self.origin(value)
        maker = self.makers.get(value)
        if maker is None or maker.call is None:
            return None
        return maker, maker.call.signature.outputs[maker.outputs.index(value)].name

    def homes(self, value: Value) -> list[Body]:
        """The body that made a value, and those around it."""
        home: Body | None = self.origin(value).body
        found = []
        while home is not None:
            found.append(home)
            home = home.parent
        return found

    def behind(self, value: Value, output: str) -> set[Operation]:
        """Blocks whose output of that name a value depends on, by expressions and by what loops hand on."""
        found: set[Operation] = set()
        seen: set[Value] = set()
        waiting = [value]
        while waiting:
            each = self.origin(waiting.pop())
            if each in seen:
                continue
            seen.add(each)
            waiting += self.earlier.get(each, [])
            told = self.output(each)
            if told is not None and told[1] == output:
                found.add(told[0])
            maker = self.makers.get(each)
            if maker is not None and maker.sort == "function":
                waiting += maker.inputs
        return found
