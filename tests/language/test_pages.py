"""The pages on the language: every example is checked, and every code is explained."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from dipgraph.language import Mark, Source
from tests.language.made_up import MADE_UP, faults, read
from tests.language.test_choices import everywhere

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "language.md"
CODES = ROOT / "docs" / "error-codes.md"
EXAMPLE = re.compile(r"```yaml(?P<whole> whole)?\n(?P<yaml>.*?)```\n\n```text\n(?P<text>.*?)```", re.DOTALL)
NETWORKS = "networks: {f: {network.unet: {}}}\n"
STEPS = """steps:
- z: {input.noise: {}}
- repeat:
    count: 10
    steps:
    - f: {minimise: {optimiser: {adam: {}}, let: [x: f(z)], loss: [fidelity.l2: {of: A(x), to: y}]}}
"""
RETURNS = "track: x\nreturns: {image: x%s}\n"


def around(part: str) -> tuple[str, int]:
    """A whole recipe around a part of one, and the line where the part begins."""
    keys = set(re.findall(r"^(\w+):", part, flags=re.MULTILINE))
    u = ", u: u" if re.search(r"\bu(, \w+)?: ", part) else ""
    before = "recipe: 1\n" + ("" if "networks" in keys else NETWORKS)
    after = "" if "returns" in keys else RETURNS % u
    if part.startswith("- "):
        before += STEPS
    elif "steps" not in keys:
        after = STEPS + after
    return before + part + after, before.count("\n")


def shown(part: str, whole: bool) -> str:
    """What a check says of a part, with the part's own line numbers."""
    text, first = (part, 0) if whole else around(part)
    source = Source("recipe.yaml", part)
    rendered = ""
    for fault in faults(text):
        mark = Mark(source, fault.mark.line - first, fault.mark.column, fault.mark.length)
        message, advice = (
            re.sub(r"line (\d+)", lambda line: f"line {int(line[1]) - first}", said)
            for said in (fault.message, fault.advice)
        )
        rendered += replace(fault, mark=mark, message=message, advice=advice).render() + "\n"
    return rendered


def examples() -> list[tuple[str, str, bool, str]]:
    """Each example of the page of codes: its code, its text, whether it is a whole document, what a check says."""
    sections = re.split(r"^### ([EW]\d+): .*$", CODES.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return [
        (code, found["yaml"], found["whole"] is not None, found["text"])
        for code, section in zip(sections[1::2], sections[2::2], strict=True)
        for found in EXAMPLE.finditer(section)
    ]


@pytest.mark.parametrize(("code", "part", "whole", "text"), examples())
def test_an_example_of_a_code_says_what_stands_there(code: str, part: str, whole: bool, text: str) -> None:
    assert shown(part, whole) == text
    assert re.match(rf"recipe.yaml:\d+:\d+: {code} ", text)


def test_every_code_is_explained_with_an_example() -> None:
    language = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "dipgraph" / "language").glob("*.py"))
    used = set(re.findall(r'"([EW]\d{3})"', language))
    assert {code for code, *_ in examples()} == used
    assert set(re.findall(r"^### ([EW]\d+):", CODES.read_text(encoding="utf-8"), flags=re.MULTILINE)) == used
    assert set(re.findall(r"^\| \[([EW]\d{3})\]", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)) == used


def test_every_part_of_a_page_is_an_example() -> None:
    text = CODES.read_text(encoding="utf-8")
    assert len(EXAMPLE.findall(text)) == text.count("```yaml")


# --- the language page ------------------------------------------------------------------------------------------------

PARTS = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8") if PAGE.exists() else "", re.DOTALL)


@pytest.mark.parametrize("part", PARTS)
def test_an_example_of_the_language_page_is_right(part: str) -> None:
    """Whole recipes as they stand; parts of one inside a recipe that is right."""
    text = part if part.startswith("recipe:") else around(part)[0]
    assert [fault.render() for fault in faults(text) if not fault.is_warning] == []


def test_blocks_that_the_page_names_exist() -> None:
    prose = PAGE.read_text(encoding="utf-8").partition("## What is checked")[0]
    names = set(re.findall(r"`([a-z]+\.[a-z_0-9]+)`", prose))
    families = {name.split(".")[0] for name in MADE_UP}
    assert {name for name in names if name.split(".")[0] in families} <= set(MADE_UP)


def test_the_frame_around_the_parts_is_right() -> None:
    assert faults(around("- u: x\n")[0]) == []
    assert read(everywhere()).about == ""
