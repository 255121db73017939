"""The bibliography that ships with the package: BibTeX entries by key."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path


def bibliography() -> Path:
    """Return the file: inside the installed package, or among the docs of a checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "references.bib"
    return installed if installed.is_file() else package.parent / "docs" / "references.bib"


def entries(keys: Iterable[str]) -> dict[str, str]:
    """Return the entries of some keys, in their order; a key that the bibliography lacks is left out."""
    text = bibliography().read_text(encoding="utf-8")
    known = {found[1].strip(): found[0].strip() for found in re.finditer(r"^@\w+\{([^,]+),.*?^\}", text, re.M | re.S)}
    return {key: known[key] for key in dict.fromkeys(keys) if key in known}
