"""docs/blocks.md says what the blocks' signatures say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_the_reference_is_made_from_the_signatures():
    # in a process of its own: other tests register blocks of theirs
    command = [sys.executable, "tools/document_blocks.py", "--check"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def test_every_block_says_what_it_returns():
    text = (ROOT / "docs" / "blocks.md").read_text(encoding="utf-8")
    for entry in text.split("\n### ")[1:]:
        paragraphs = entry.split("\n\n")
        place = next(k for k, paragraph in enumerate(paragraphs) if paragraph.startswith("Gives "))
        assert len(paragraphs) > place + 1, entry[:40]
        assert paragraphs[place + 1].strip(), entry[:40]
