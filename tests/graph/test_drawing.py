"""Drawings in every form: well formed, every step once, boxes within boxes, carried state dashed, no overlaps."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings

from dipgraph.graph import build
from dipgraph.graph.drawing import form_of, render
from dipgraph.graph.drawing_diagram import diagram
from dipgraph.language import Program
from dipgraph.language.program import Assign, Minimise, Repeat, Step
from dipgraph.signatures.errors import InputError
from tests.graph.generated import recipes, written
from tests.graph.made_up import program, steps, training

SVG = "{http://www.w3.org/2000/svg}"
RECIPES = {
    "vanilla": f"""
        - z: {{input.noise: {{}}}}
        - repeat:
            count: 2000
            steps:
              - {training()}
              - done, best: {{stop.variance: {{watch: x}}}}
            until: done
    """,
    "admm": f"""
        - z: {{input.noise: {{}}}}
        - repeat:
            count: 20
            carry: {{u: zeros(X), mu: zeros(X)}}
            steps:
              - {training(more="penalty.l2: {of: x - u + mu, weight: 0.02}")}
              - x: f(z)
              - u: {{denoise.own: {{of: x + mu, sigma: 0.1}}}}
              - mu: mu + x - u
              - average: {{average.ema: {{of: x}}}}
    """,
    "nested": f"""
        - z: {{input.noise: {{}}}}
        - repeat:
            count: 3
            index: k
            carry: {{x: fbp(y), u: zeros(X), beta: 0.5}}
            steps:
              - d: {{denoise.own: {{of: x, sigma: 1/k}}}}
              - b: fbp(y)
              - repeat:
                  count: 4
                  carry: {{x: x, u: u}}
                  steps:
                    - {training(let="v: f(z)", of="A(v)")}
                    - x: (beta*d + v + u + b)/(beta + 1)
                    - u: u + v - x
                    - small: norm(A(v) - y) < beta*norm(y)
                  until: small
                  every: 2
              - beta: where(small, 2*beta, beta)
    """,
    "image": """
        - z: fbp(y)
        - repeat:
            count: 5
            carry: {z: z}
            steps:
              - f, z:
                  minimise:
                    optimiser: {adam: {rate: {f: 0.1, z: 0.2}}}
                    let: [n: {input.jitter: {of: z}}, x: f(n)]
                    loss: [penalty.l2: {of: x - z}]
    """,
}


def recipe(name: str, head: str = "") -> Program:
    text = RECIPES[name]
    return program(steps(text) if not head else steps(text, head=head))


def walk(steps_: tuple[Step, ...]) -> list[Step]:
    found: list[Step] = []
    for step in steps_:
        found.append(step)
        found += walk(step.steps if isinstance(step, Repeat) else step.let if isinstance(step, Minimise) else ())
    return found


def counted(made: Program) -> dict[str, int]:
    """How many of each sort of step a program has."""
    all_ = walk(made.steps)
    return {
        "step": sum(isinstance(each, Assign) for each in all_),
        "minimise": sum(isinstance(each, Minimise) for each in all_),
        "repeat": sum(isinstance(each, Repeat) for each in all_),
        "term": sum(len(each.loss) for each in all_ if isinstance(each, Minimise)),
        "until": sum(each.until is not None for each in all_ if isinstance(each, Repeat)),
    }


def groups(root: ElementTree.Element, *styles: str) -> list[ElementTree.Element]:
    wanted = set(styles)
    return [each for each in root.iter(f"{SVG}g") if wanted <= set((each.get("class") or "").split())]


def shift(element: ElementTree.Element) -> tuple[float, float]:
    found = re.match(r"translate\(([-\d.]+) ([-\d.]+)\)", element.get("transform") or "")
    return (float(found.group(1)), float(found.group(2))) if found else (0.0, 0.0)


def extent(rect: ElementTree.Element | None) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of a rectangle."""
    assert rect is not None
    x, y = float(rect.get("x") or 0), float(rect.get("y") or 0)
    return x, y, x + float(rect.get("width") or 0), y + float(rect.get("height") or 0)


def in_own_box(box: ElementTree.Element) -> list[tuple[float, float, float, float]]:
    """What cards, ports and inner boxes of a box take, measured from its corner."""
    found = []
    for part in box.findall(f"{SVG}g"):
        rects = [extent(rect) for rect in part.findall(f"{SVG}rect") + part.findall(f"{SVG}g/{SVG}rect")]
        if "box" in (part.get("class") or ""):
            dx, dy = shift(part)
            rects = [tuple(v + (dx, dy)[i % 2] for i, v in enumerate(extent(part.find(f"{SVG}rect"))))]  # type: ignore[list-item]
        found.append(
            (min(r[0] for r in rects), min(r[1] for r in rects), max(r[2] for r in rects), max(r[3] for r in rects))
        )
    return found


def check_svg(made: Program) -> None:
    root = ElementTree.fromstring(render(made, build(made), "svg"))
    count = counted(made)
    assert len(groups(root, "card", "step")) == count["step"]
    assert len(groups(root, "card", "term")) == count["term"]
    assert len(groups(root, "card", "until")) == count["until"]
    assert len(groups(root, "card", "update")) == len(groups(root, "box", "minimise")) == count["minimise"]
    assert len(groups(root, "box", "repeat")) == count["repeat"]
    assert len(groups(root, "card", "returned")) == len(made.returns)
    dashed = [edge for edge in diagram(made).edges if edge.is_dashed]
    backs = [each for each in root.iter(f"{SVG}path") if each.get("class") == "back"]
    assert len(backs) == len(dashed) + bool(dashed)  # one in the legend
    (recipe_,) = groups(root, "box", "recipe")
    width, height = float(root.get("width") or 0), float(root.get("height") or 0)
    check_box(recipe_, (0.0, 0.0, width, height))


def check_box(box: ElementTree.Element, inside: tuple[float, float, float, float]) -> None:
    """Parts lie inside their box, and no two overlap."""
    parts = in_own_box(box)
    dx, dy = shift(box) if box.find(f"{SVG}rect") is None else (0.0, 0.0)
    for part in parts:
        assert inside[0] <= part[0] + dx
        assert inside[1] <= part[1] + dy
        assert part[2] + dx <= inside[2]
        assert part[3] + dy <= inside[3]
    for number, one in enumerate(parts):
        for other in parts[:number]:
            assert one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
    for inner in box.findall(f"{SVG}g"):
        if "box" in (inner.get("class") or ""):
            check_box(inner, extent(inner.find(f"{SVG}rect")))


def outside_quotes(line: str) -> str:
    """A line without its quoted parts; an odd quote is a fault."""
    bare = re.sub(r'"(?:[^"\\]|\\.)*"', "", line)
    assert '"' not in bare, line
    return bare


def check_dot(made: Program) -> None:
    lines = [outside_quotes(line) for line in render(made, build(made), "dot").splitlines()]
    text = "\n".join(lines)
    assert text.count("{") == text.count("}")
    assert text.count("[") == text.count("]")
    nodes = re.findall(r"^ *(n\d+) \[", text, re.M)
    edges = re.findall(r"^ *(n\d+) -> (n\d+) \[(.*)\];$", text, re.M)
    assert len(nodes) == len(set(nodes))
    assert {end for source, target, _ in edges for end in (source, target)} <= set(nodes)
    drawn = diagram(made)
    assert len(nodes) == len(list(drawn.root.nodes()))
    assert len(edges) == len(drawn.edges)
    assert sum("dashed" in look for *_, look in edges) == sum(edge.is_dashed for edge in drawn.edges)
    assert text.count("subgraph cluster_") == len(list(drawn.root.boxes()))


def check_mermaid(made: Program) -> None:
    text = "\n".join(outside_quotes(line) for line in render(made, build(made), "mermaid").splitlines())
    drawn = diagram(made)
    assert len(re.findall(r"^ *subgraph b\d+\[\]$", text, re.M)) == len(list(drawn.root.boxes()))
    assert len(re.findall(r"^ *end$", text, re.M)) == len(list(drawn.root.boxes()))
    assert len(re.findall(r"^ *n\d+ (?:-->|-\.->)\|\| n\d+$", text, re.M)) == len(drawn.edges)
    assert text.count("-.->") == sum(edge.is_dashed for edge in drawn.edges)
    assert len(re.findall(r":::\w+$", text, re.M)) == len(list(drawn.root.nodes()))


def check_text(made: Program) -> None:
    lines = render(made, build(made), "text").splitlines()
    count = counted(made)
    assert sum("minimise " in line for line in lines) >= count["minimise"]
    assert sum(bool(re.search(r"repeat \d+×", line)) for line in lines) == count["repeat"]
    assert sum(bool(re.match(r"[│ ]*[├└]─ loss ", line)) for line in lines) == count["term"]
    for step in walk(made.steps):
        if isinstance(step, Assign):
            begin = f"{', '.join(step.targets)}: "
            assert any(re.match(rf"[│├└─ ]*{re.escape(begin)}", line) for line in lines)


FORMS = {"svg": check_svg, "dot": check_dot, "mermaid": check_mermaid, "text": check_text}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", RECIPES)
def test_recipes_are_drawn_whole(name: str, form: str) -> None:
    FORMS[form](recipe(name))


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(recipes())
def test_any_recipe_is_drawn_whole(made_up: Any) -> None:
    made = program(written(made_up))
    for check in FORMS.values():
        check(made)


@pytest.mark.parametrize("name", RECIPES)
def test_boxes_nest_as_the_recipe_does(name: str) -> None:
    def of_program(steps_: tuple[Step, ...]) -> list[Any]:
        nested = [each for each in steps_ if not isinstance(each, Assign)]
        return [of_program(each.steps if isinstance(each, Repeat) else ()) for each in nested]

    def of_svg(box: ElementTree.Element) -> list[Any]:
        return [of_svg(each) for each in box.findall(f"{SVG}g") if "box" in (each.get("class") or "")]

    made = recipe(name)
    root = ElementTree.fromstring(render(made, None, "svg"))
    assert sorted(of_svg(groups(root, "recipe")[0])) == sorted(of_program(made.steps))


def test_edges_say_the_name_and_the_space() -> None:
    made = recipe("admm")
    labels = {edge.label for edge in diagram(made).edges}
    assert labels >= {"x: X", "y: Y", "A: X → Y", "f: network", "u: X", "mu: X"}
    text = render(made, None, "dot")
    assert '[label="A: X → Y"]' in text
    assert re.search(r'-> n\d+ \[label="mu: X", style=dashed', text)


def test_carried_state_is_dashed_from_the_end_of_a_body_to_its_begin() -> None:
    dashed = [edge for edge in diagram(recipe("nested")).edges if edge.is_dashed]
    found = sorted((edge.name, edge.source.title.partition(":")[0], edge.target.box.title) for edge in dashed)
    assert found == [
        ("beta", "beta", "repeat 3×"),
        ("f", "f", "minimise f"),
        ("f", "f", "repeat 3×"),
        ("f", "f", "repeat 4×"),
        ("u", "u", "repeat 3×"),
        ("u", "u", "repeat 4×"),
        ("x", "x", "repeat 3×"),
        ("x", "x", "repeat 4×"),
    ]
    assert all(edge.target.sort == "carried" for edge in dashed)


def test_without_its_back_edges_a_diagram_is_acyclic() -> None:
    import networkx as nx

    for name in RECIPES:
        graph = nx.DiGraph((edge.source, edge.target) for edge in diagram(recipe(name)).edges if not edge.is_dashed)
        assert nx.is_directed_acyclic_graph(graph)


def test_what_only_the_rates_and_the_loss_read_is_one_node() -> None:
    """Rates are read before the steps of ``let``, which may give their names another value."""
    made = program(
        steps("""
    - x: zeros(X)
    - f:
        minimise:
          optimiser: {adam: {rate: norm(A(x) - y)}}
          let: [x: f(fbp(y)), p: A(x)]
          loss: [penalty.l2: {of: p - y}]
    - repeat: {count: 2, carry: {x: x}, steps: [x: f(x)]}
    """)
    )
    check_svg(made)
    edges = diagram(made).edges
    (rate,) = [edge for edge in edges if edge.target.sort == "update" and edge.name == "x"]
    assert rate.source.title == "x: zeros(X)"
    assert len({edge.source for edge in edges if edge.name == "A"}) == 1


def test_lifted_steps_are_marked_if_the_plan_is_there() -> None:
    made = recipe("nested")
    assert "[lifted: runs once]" in render(made, build(made), "text")
    assert "lifted" not in render(made, None, "text")


def test_a_step_lifted_by_one_loop_says_where_it_runs() -> None:
    made = program(
        steps("""
    - repeat:
        count: 2
        carry: {u: zeros(X)}
        steps:
          - repeat: {count: 2, carry: {x: u}, steps: [a: 2*u, x: x + a]}
          - u: x
    """)
    )
    assert "[lifted to line 4]" in render(made, build(made), "text")


def test_labels_are_escaped() -> None:
    head = "recipe: 1\nabout: 'a <b> & \"c\" \\ d'\nnetworks: {f: {network.unet: {}}}\n"
    made = recipe("nested", head)
    plan = build(made)
    root = ElementTree.fromstring(render(made, plan, "svg"))
    assert root.findtext(f"{SVG}title") == 'a <b> & "c" \\ d'
    assert "norm(A(v) - y) <" in " ".join(root.itertext())
    assert r'label="a <b> & \"c\" \\ d"' in render(made, plan, "dot")
    assert "norm(A(v) - y) #lt; beta*norm(y)" in render(made, plan, "mermaid")


def test_parameters_go_by_their_names() -> None:
    head = "recipe: 1\nparams: {beta: 0.25, rate: 1e-3}\n"
    text = "- repeat: {count: 2, carry: {x: fbp(y)}, steps: [x: 'x - rate*(beta*x)/(2*(1 - beta)) - (x - (-1)*x)']}"
    made = program(steps(text, head=head))
    assert "x: x - rate*beta*x/(2*(1 - beta)) - (x - -1*x)" in render(made, None, "text")


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("a.svg", "svg"),
        ("b.DOT", "dot"),
        ("c.gv", "dot"),
        (Path("d/e.mmd"), "mermaid"),
        ("f.mermaid", "mermaid"),
        ("g.txt", "text"),
    ],
)
def test_the_ending_says_the_form(path: str | Path, form: str) -> None:
    assert form_of(path) == form


@pytest.mark.parametrize("path", ["graph.png", "graph", "svg"])
def test_other_endings_are_refused_with_the_known_ones(path: str) -> None:
    with pytest.raises(InputError, match=r"\.svg, \.dot, \.gv, \.mmd, \.mermaid, \.txt") as caught:
        form_of(path)
    assert path in str(caught.value)


def test_the_text_drawing_reads_like_the_recipe() -> None:
    made = recipe("vanilla", "recipe: 1\nnetworks: {f: {network.unet: {channels: 8}}}\n")
    assert render(made, build(made), "text").splitlines() == [
        "A: X → Y",
        "y: Y",
        "f: network.unet(channels: 8)",
        "z: input.noise                           → z: X",
        "repeat 2000×",
        "├─ ↻ f: network                          begins as f, then from line 8",
        "├─ minimise f, 1 gradient step",
        "│  ├─ ↻ f: network                       begins as f, then from line 8",
        "│  ├─ x: f(z)  [● tracked]               f, z → x: X",
        "│  ├─ loss fidelity.l2(of: A(x), to: y)  A, x, y",
        "│  └─ f: adam step                       loss → f: network",
        "├─ done, best: stop.variance(watch: x)   x → done: switch, best: X",
        "└─ until done                            done",
        "return image                             x",
    ]
