"""The sketches that the language was designed on: every one of them checks, given its blocks."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.language.made_up import EVERYTHING, MADE_UP, faults

ROOT = Path(__file__).resolve().parents[2]
PLACES = [place / "shared" / "design" / "recipes_sketch.yaml" for place in (ROOT.parent, ROOT)]
SKETCHES = next((place for place in PLACES if place.is_file()), None)
WHOLE = {
    "batch",
    "coarse",
    "every",
    "fine",
    "gradient_steps",
    "inner",
    "iterations",
    "outer",
    "patience",
    "pretraining",
    "rank",
    "samples",
    "subsets",
    "window",
}


def sketches() -> dict[str, str]:
    """Each sketch as a whole recipe; the comment above it names its parameters."""
    if SKETCHES is None:
        return {}
    found: dict[str, str] = {}
    for text in SKETCHES.read_text(encoding="utf-8").split("\n---\n"):
        head = next(line for line in text.splitlines() if re.match(r"# \w+ \|", line))
        params = re.search(r"\| params ([^|]*)", head)
        words = re.search(r"\| words (.*)", head)
        lines = [f"  {name}: {3 if name in WHOLE else 0.5}" for name in (params[1].split() if params else [])]
        for said in words[1].split() if words else []:
            name, _, of = said.partition("=")
            lines.append(f"  {name}: {{value: {of.split(',')[0]}, of: [{of}]}}")
        body = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
        found[head.split()[1]] = "\n".join(["recipe: 1", "params:", *lines, body, ""])
    return found


FOUND = sketches()
pytestmark = pytest.mark.skipif(not FOUND, reason=f"the sketches are not part of the project: no {PLACES[0]}")


def test_there_are_26() -> None:
    assert len(FOUND) == 26


@pytest.mark.parametrize("name", FOUND)
def test_a_sketch_checks_clean(name: str) -> None:
    assert [fault.render() for fault in faults(FOUND[name], signatures=EVERYTHING)] == []


@pytest.mark.parametrize("name", FOUND)
def test_a_sketch_fails_only_for_the_blocks_that_are_missing(name: str) -> None:
    used = set(re.findall(r"\b[a-z]+\.[a-z_0-9]+(?=:)", FOUND[name]))
    used |= {f"optimiser.{word}" for word in re.findall(r"optimiser: \{(\w+):", FOUND[name])}
    missing = sorted(block.removeprefix("optimiser.") for block in used - set(MADE_UP))
    found = faults(FOUND[name])
    assert {fault.code for fault in found} <= {"E401"}
    assert (
        sorted({fault.mark.source.line(fault.mark.line)[fault.mark.column :].split(":")[0] for fault in found})
        == missing
    )
