"""Write docs/blocks.md from the blocks' own signatures and docstrings; a test holds the page to them.

python tools/document_blocks.py [--check]
"""

from __future__ import annotations

import re
import sys
import textwrap
from pathlib import Path

from dipgraph.blocks import registry
from dipgraph.reports.blocks import traits, value_text
from dipgraph.signatures.block import Port, Signature

PAGE = Path(__file__).resolve().parents[1] / "docs" / "blocks.md"
HEAD = """# Blocks

What a recipe may name. This page is made from the blocks' signatures by `tools/document_blocks.py`; `dipgraph blocks
NAME` says the same in the terminal. A port takes an expression, or a word from its list; one *settled before the run*
takes parameters and numbers only. Vectors are images or data of the space named in brackets; a letter that is not X, Y
or G stands for whatever space is wired in, the same throughout a block. How to write a block of your own:
[extending](extending.md).
"""


def page() -> str:
    """The whole page."""
    known = registry()
    families = sorted({signature.family for signature in known.values()})
    parts = [HEAD]
    for family in families:
        parts.append(f"## {family}\n")
        parts += [entry(known[name]) for name in sorted(known) if known[name].family == family]
    return "\n".join(parts)


def entry(signature: Signature) -> str:
    """One block."""
    lines = [f"### `{signature.name}`\n", f"{signature.about}\n"]
    if signature.ports:
        lines += ["| port | takes | default | |", "|---|---|---|---|"]
        lines += [row(port) for port in signature.ports]
        lines.append("")
    gives = ", ".join(f"`{output.name}` ({output.kind})" for output in signature.outputs)
    said = traits(signature)
    lines.append(f"Gives {gives}." + (f" It {', '.join(said)}." if said else "") + "\n")
    told = [returned(signature), *(section(signature, title) for title in ("Notes", "References"))]
    lines += [f"{part}\n" for part in told if part]
    return "\n".join(lines)


def row(port: Port) -> str:
    """One port as a row of a table."""
    default = "required" if port.required else f"`{value_text(port.default)}`"
    about = port.about.replace("|", "\\|") + (" *Settled before the run.*" if port.static else "")
    return f"| `{port.name}` | {str(port.kind).replace('|', '/')} | {default} | {about} |"


def returned(signature: Signature) -> str:
    """What the docstring says of the outputs, without their type, which the page has already."""
    text = textwrap.dedent(section(signature, "Returns").partition("\n")[2]).strip()
    return text.replace("``docs/stopping.md``", "[stopping](stopping.md#how-a-run-ends)")


def section(signature: Signature, title: str) -> str:
    """A section of the docstring; empty where it has none."""
    found = re.search(rf"^{title}\n-+\n(.*?)(?=^\S[^\n]*\n-{{3,}}|\Z)", signature.doc, re.M | re.S)
    return found[1].strip() if found else ""


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(
            0
            if PAGE.read_text(encoding="utf-8") == page()
            else "docs/blocks.md is not up to date: run python tools/document_blocks.py"
        )
    PAGE.write_text(page(), encoding="utf-8")
