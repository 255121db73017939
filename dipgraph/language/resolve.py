"""A recipe's text with every parameter's settled value in the place of its default."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping as MappingABC

from dipgraph.language.diagnostics import Source
from dipgraph.language.nodes import Scalar
from dipgraph.language.parameters import Parameters
from dipgraph.language.settling import Value, reference_texts

PLAIN = re.compile(r"[\w./+-]+\Z")


def resolved_text(source: Source, parameters: Parameters, values: MappingABC[str, Value]) -> str:
    """The text that gives the same numbers without presets and settings."""
    text = source.text
    texts = reference_texts(values)
    edits: list[tuple[int, int, str]] = []
    for name, known in parameters.declared.items():
        node = known.default
        if isinstance(node, Scalar) and name in texts:
            written = texts[name] if PLAIN.match(texts[name]) else json.dumps(texts[name])
            absent = node.is_missing and not node.text  # its place is right after the colon
            edits.append(
                (source.offset(node.mark), 0 if absent else node.mark.length, f" {written}" if absent else written)
            )
    for start, length, written in sorted(edits, reverse=True):
        text = text[:start] + written + text[start + length :]
    return text if text.endswith("\n") else f"{text}\n"
