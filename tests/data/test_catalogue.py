"""What a problem file may name: every option is its function's, and every word is on the page."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from dipgraph.data import catalogue
from dipgraph.data.options import Entry

GROUPS = {
    "read": catalogue.READERS,
    "geometry": catalogue.GEOMETRIES,
    "prepare": catalogue.STEPS,
    "simulate": catalogue.SOURCES,
    "operator": catalogue.OPERATORS,
    "reference": catalogue.REFERENCES,
}
ENTRIES = {f"{group}: {name}": entry for group, entries in GROUPS.items() for name, entry in entries.items()}


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES.keys())
def test_options_are_those_of_the_function(entry: Entry) -> None:
    assert set(entry.options) <= set(inspect.signature(entry.make).parameters)
    assert entry.about.endswith(".")


def test_the_page_names_everything(checkout: Path) -> None:
    page = (checkout / "docs" / "problems.md").read_text(encoding="utf-8")
    for name, entry in ENTRIES.items():
        for word in (name.partition(": ")[2], *entry.options):
            assert f"`{word}`" in page or f"`{word}:" in page or f"{word}:" in page, (name, word)
