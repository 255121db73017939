"""docs/blocks.md says what the blocks' signatures say."""

from __future__ import annotations

import importlib.util
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_the_reference_is_made_from_the_signatures():
    spec = importlib.util.spec_from_file_location("document_blocks", ROOT / "tools" / "document_blocks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.PAGE.read_text() == module.page(), "run python tools/document_blocks.py"
