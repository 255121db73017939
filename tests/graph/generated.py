"""Recipes that Hypothesis makes up: nested repeats, carries, minimises, random and stateful blocks."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

IMAGES = ("x", "u", "v", "w", "z")
NUMBERS = ("m", "n", "r")
INDICES = ("k", "j", "m")
NETWORKS = ("f", "g")


class Area:
    """A body under way: names that stand in it, and names that it has read from outside and may not assign any more."""

    def __init__(self, stands: set[str]) -> None:
        self.stands, self.read = stands, set[str]()


class Writer:
    """Writes recipes that keep the language's rules on names, as ``Scope`` checks them."""

    def __init__(self, draw: Any) -> None:
        self.draw = draw
        self.names: set[str] = {"x", "r"}
        self.areas = [Area({"x", "r"})]
        self.tracked: set[str] = set()
        self.blocks = 0
        self.loops: list[set[str]] = []

    def pick(self, *of: Any) -> Any:
        return self.draw(st.sampled_from(of))

    def chance(self, of: int = 2) -> bool:
        return self.draw(st.integers(1, of)) == 1

    def readable(self, known: tuple[str, ...]) -> list[str]:
        return [name for name in known if name in self.names]

    def read(self, name: str) -> str:
        for area in reversed(self.areas):
            if name in area.stands:
                break
            area.read.add(name)
        return name

    def free(self, known: tuple[str, ...], *taken: str) -> list[str]:
        """Names that may be assigned here."""
        indices = {name for loop in self.loops for name in loop}
        return [name for name in known if name not in taken and name not in indices
                and not any(name in area.read and name not in area.stands for area in self.areas)]  # fmt: skip

    def assign(self, name: str) -> None:
        self.names.add(name)
        (self.tracked.add if self.loops else self.tracked.discard)(name)
        for area in self.areas:
            area.stands.add(name)

    def image(self, depth: int = 0) -> str:
        form = self.pick("name", "name", "fbp", "sum", "net", "scaled", "zeros", "residual") if depth < 2 else "name"
        if form == "fbp":
            return "fbp(y)"
        if form == "zeros":
            return "zeros(X)"
        if form == "sum":
            return f"({self.image(depth + 1)} - {self.image(depth + 1)})"
        if form == "net":
            return f"{self.pick(*NETWORKS)}({self.image(depth + 1)})"
        if form == "scaled":
            return f"{self.number(depth + 1)}*{self.image(depth + 1)}"
        if form == "residual":
            return f"adjoint(A)(A({self.image(depth + 1)}) - y)"
        return self.read(self.pick(*self.readable(IMAGES)))

    def number(self, depth: int = 0) -> str:
        form = self.pick("literal", "name", "name", "norm", "sum", "index") if depth < 2 else "name"
        if form == "literal":
            return self.pick("0.5", "2", "1.0", "3*0.5")
        if form == "norm":
            return f"norm({self.image(depth + 1)})"
        if form == "sum":
            return f"({self.number(depth + 1)} + {self.number(depth + 1)})"
        indices = [name for loop in self.loops for name in loop]
        if form == "index" and indices:
            return self.pick(*indices)
        return self.read(self.pick(*self.readable(NUMBERS)))

    def step(self, *taken: str, plain: bool = False) -> dict[str, Any] | None:
        """An assignment."""
        if self.chance(4):
            value: Any = self.number()
            names = self.free(NUMBERS, *taken)
            return self.put(self.pick(*names), value) if names else None
        form = self.pick("formula", "formula", "formula", "noise", "jitter", "smooth", "prox", "pair", "average")
        if form == "average" and plain:
            form = "jitter"
        if form == "formula":
            value = self.image()
        elif form == "noise":
            value = {"input.noise": {"std": self.number()}}
        elif form == "jitter":
            value = {"input.jitter": {"of": self.image()}}
        elif form == "smooth":
            value = {"denoise.own": {"of": self.image(), "sigma": self.number()}}
        elif form == "prox":
            value = {"prox.tv": {"of": self.image(), "weight": self.number()}}
        elif form == "average":
            value = {"average.ema": {"of": self.image(), "decay": 0.5}}
        else:
            value = {"split.pair": {"of": self.image()}}
            images, numbers = self.free(IMAGES, *taken), self.free(NUMBERS, *taken)
            if images and numbers:
                first, second = self.pick(*images), self.pick(*numbers)
                self.assign(second)
                return self.put(first, value, f"{first}, {second}")
        names = self.free(IMAGES, *taken)
        return self.put(self.pick(*names), value) if names else None

    def put(self, name: str, value: Any, label: str = "") -> dict[str, Any]:
        self.assign(name)
        return {label or name: value}

    def minimise(self) -> dict[str, Any]:
        networks = self.draw(st.lists(st.sampled_from(NETWORKS), unique=True, max_size=2))
        images = [
            name for name in self.free(IMAGES) if name in self.names and any(name in a.stands for a in self.areas[-1:])
        ]
        targets = networks + ([self.read(self.pick(*images))] if images and (not networks or self.chance()) else [])
        targets = targets or ["f"]
        rate: Any = self.number()
        if self.chance(3):
            rate = {target: self.number() for target in targets}
        self.areas.append(Area(set(targets)))
        let = [self.step(*targets, plain=True) for _ in range(self.draw(st.integers(0, 3)))]
        if targets[-1] in IMAGES and self.chance():
            names = self.free(IMAGES, *targets)
            let += [self.put(self.pick(*names), targets[-1])] if names else []
        loss: list[Any] = []
        for target in targets:
            of = f"{target}({self.image(1)})" if target in NETWORKS else f"{target} - {self.image(1)}"
            loss.append({"penalty.l2": {"of": of, "weight": self.number()}})
        self.areas.pop()
        for target in targets:
            if target in IMAGES:
                self.assign(target)
        body = {"count": self.draw(st.integers(1, 3)), "optimiser": {"adam": {"rate": rate}},
                "let": [line for line in let if line], "loss": loss}  # fmt: skip
        if not body["let"]:
            del body["let"]
        return {", ".join(targets): {"minimise": body}}

    def repeat(self, depth: int) -> dict[str, Any]:
        wanted = [self.chance() for _ in range(self.draw(st.integers(0, 3)))]
        initial = [(self.image(1), IMAGES) if is_image else (self.number(1), NUMBERS) for is_image in wanted]
        carry: dict[str, Any] = {}
        for value, known in initial:
            if names := self.free(known, *carry):
                carry[self.pick(*names)] = value
        index = self.pick(None, *(name for name in INDICES if name not in carry and name in self.free((name,))))
        inner = Area(set(carry))
        hidden = index in self.names
        self.names |= set(carry)
        for area in self.areas:
            area.stands |= set(carry)
        self.tracked |= set(carry)
        self.areas.append(inner)
        self.loops.append({index} if index else set())
        if index:
            self.names.discard(index)
        body: dict[str, Any] = {"count": self.draw(st.integers(1, 3)), "steps": self.steps(depth + 1)}
        if self.chance(3):
            body["until"] = f"{self.number(1)} < {self.number(1)}"
            body["every"] = self.draw(st.integers(1, 2))
        self.areas.pop()
        self.loops.pop()
        if hidden:
            self.names.add(index)
        if carry:
            body["carry"] = carry
        if index:
            body["index"] = index
        return {"repeat": body}

    def steps(self, depth: int = 0) -> list[Any]:
        made: list[Any] = []
        for _ in range(self.draw(st.integers(1, 4))):
            form = self.pick("step", "step", "minimise", "repeat")
            if form == "repeat" and depth < 3:
                made.append(self.repeat(depth))
            elif form == "minimise":
                made.append(self.minimise())
            elif (step := self.step()) is not None:
                made.append(step)
        return made or [{"a": "fbp(y)"}]


@st.composite
def recipes(draw: Any) -> dict[str, Any]:
    """A recipe as data."""
    writer = Writer(draw)
    steps = [{"x": "fbp(y)"}, {"r": "norm(y)"}, *writer.steps()]
    tracked = [name for name in IMAGES if name in writer.tracked]
    if not tracked:
        steps.append({"repeat": {"count": 1, "steps": [{"x": "f(fbp(y))"}]}})
        tracked = ["x"]
    kept = [name for name in IMAGES + NUMBERS if name in writer.names]
    returns = {"image": draw(st.sampled_from([name for name in kept if name in IMAGES]))}
    returns |= {f"kept_{name}": name for name in kept} | {"net": "f"}
    returns |= {f"after_{name}": f"norm({name}({returns['image']}))" for name in NETWORKS}
    return {
        "recipe": 1,
        "networks": {"f": {"network.unet": {"channels": 4, "scales": 1}}, "g": {"network.unet": {}}},
        "steps": steps,
        "track": draw(st.sampled_from(tracked)),
        "returns": returns,
    }


def written(recipe: dict[str, Any]) -> str:
    """A recipe as YAML: steps a line each, the rest in braces."""
    return "".join(f"{key}: {block(value, 1) if key == 'steps' else flow(value)}\n" for key, value in recipe.items())


def block(items: list[Any], depth: int) -> str:
    lead = "\n" + "  " * depth
    return "".join(
        f"{lead}- {next(iter(item))}: {body(next(iter(item.values())), depth + 2)}" for item in quoted(items)
    )


def body(value: Any, depth: int) -> str:
    """What a step's key holds."""
    if not isinstance(value, dict) or "steps" not in value:
        return flow(value)
    lead = "\n" + "  " * depth
    return "".join(
        f"{lead}{key}: {block(each, depth + 1) if key == 'steps' else flow(each)}" for key, each in value.items()
    )


def quoted(items: list[Any]) -> list[Any]:
    return [{f'"{key}"' if "," in key else key: value for key, value in item.items()} for item in items]


def flow(value: Any) -> str:
    if isinstance(value, dict):
        return (
            "{"
            + ", ".join(
                f"{f'{chr(34)}{key}{chr(34)}' if ',' in key else key}: {flow(each)}" for key, each in value.items()
            )
            + "}"
        )
    return (
        "[" + ", ".join(map(flow, value)) + "]"
        if isinstance(value, list)
        else f'"{value}"'
        if isinstance(value, str)
        else str(value)
    )


def shuffled(recipe: Any, draw: Any) -> Any:
    """The same, with the keys of every mapping in another order."""
    if isinstance(recipe, dict):
        keys = draw(st.permutations(list(recipe)))
        return {key: shuffled(recipe[key], draw) for key in keys}
    return [shuffled(each, draw) for each in recipe] if isinstance(recipe, list) else recipe
