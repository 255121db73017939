"""The resolved form of a problem file: parameters settled, paths absolute, files with their hashes."""

from __future__ import annotations

import os
from collections.abc import Mapping as MappingABC
from pathlib import Path
from typing import Any

import yaml

from dipgraph.data.plan import Plan, is_plain
from dipgraph.data.provenance import FileRecord
from dipgraph.language.document import Mapping, Node, Scalar, Sequence

OWN = ("name", "params", "files")
"""What the resolved text says in its own way."""


def resolved_text(plan: Plan, name: str, files: tuple[FileRecord, ...]) -> str:
    """Return a YAML text that gives the same problem again, wherever it lies.

    Parameters keep their bounds and explanations and take the values they were settled to; paths are absolute; ``name``
    says what the problem is called, since the text may lie in a file of another name; ``files`` holds the SHA-256 of
    every file read, and is checked when the text is loaded again.
    """
    document = plan.document
    body = {key.text: _plain(value, plan.context.paths) for key, value in document if key.text not in OWN}
    content: dict[str, Any] = {}
    for key, value in body.items():
        content[key] = value
        if key == "problem" and is_plain(name):
            content["name"] = name
        if key == "about" or (key == "problem" and "about" not in body):
            _add_params(content, document, plan.context.values)
    if "params" not in content:
        _add_params(content, document, plan.context.values)
    if files:
        content["files"] = {str(record.path): record.sha256 for record in files}
    text: str = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=1_000_000, default_flow_style=None)
    return text


def _add_params(content: dict[str, Any], document: Mapping, values: MappingABC[str, Any]) -> None:
    section = document.get("params")
    if not isinstance(section, Mapping):
        return
    content["params"] = {key.text: _parameter(node, values[key.name]) for key, node in section}


def _parameter(node: Node, value: Any) -> dict[str, Any]:
    """One declaration, with the settled value in the place of its default."""
    declared: dict[str, Any] = (
        {key.text: _plain(part, {}) for key, part in node} if isinstance(node, Mapping) else {"value": None}
    )
    if "file" in declared:
        declared["file"] = "none" if value is None else os.path.abspath(value)
    else:
        declared["value"] = value
    return declared


def _plain(node: Node, paths: MappingABC[int, Path]) -> Any:
    """A node as plain data; literal paths become absolute."""
    if isinstance(node, Mapping):
        return {key.text: _plain(value, paths) for key, value in node}
    if isinstance(node, Sequence):
        return [_plain(item, paths) for item in node.items]
    assert isinstance(node, Scalar)
    return str(paths[id(node)]) if id(node) in paths else node.value
