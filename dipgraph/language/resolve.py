"""A recipe's text with every parameter's settled value in the place of its default."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping as MappingABC

from dipgraph.language.diagnostics import Source
from dipgraph.language.document import Scalar
from dipgraph.language.parameters import Parameters, Value, reference_texts

PLAIN = re.compile(r"[\w./+-]+\Z")


def resolved_text(source: Source, parameters: Parameters, values: MappingABC[str, Value]) -> str:
    """The text that gives the same numbers without presets and settings."""
    lines = source.text.splitlines()
    texts = reference_texts(values)
    edits: list[tuple[int, int, int, str]] = []
    for name, known in parameters.declared.items():
        node = known.default
        if isinstance(node, Scalar) and name in texts:
            text = texts[name] if PLAIN.match(texts[name]) else json.dumps(texts[name])
            edits.append((node.mark.line, node.mark.column, node.mark.length, text))
    for line, column, length, text in sorted(edits, reverse=True):
        lines[line] = lines[line][:column] + text + lines[line][column + length :]
    return "\n".join(lines) + "\n"
