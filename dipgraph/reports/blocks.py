"""`dipgraph blocks` and `dipgraph list`: what a recipe may name, from the blocks' own signatures."""

from __future__ import annotations

import re

from dipgraph.blocks import registry
from dipgraph.data.shipped import shipped
from dipgraph.language.diagnostics import Report, near
from dipgraph.language.document import Scalar, parse, read
from dipgraph.signatures.block import Port, Signature
from dipgraph.signatures.errors import InputError


def describe(name: str | None) -> str:
    """The list of blocks, or a family's, or one block with its ports."""
    known = registry()
    if name is not None and name in known:
        return _one(known[name])
    chosen = [signature for signature in known.values() if name is None or signature.family == name]
    if not chosen:
        families = sorted({signature.family for signature in known.values()})
        advice = near(name or "", [*known, *families]) or f"the families are {', '.join(families)}"
        raise InputError(f"no block or family is called '{name}'", remedy=advice)
    width = max(len(signature.name) for signature in chosen)
    ordered = sorted(chosen, key=lambda signature: signature.name)
    return "\n".join(f"{signature.name:<{width}}  {signature.about}" for signature in ordered)


def _one(signature: Signature) -> str:
    lines = [f"{signature.name}: {signature.about}", ""]
    for port in signature.ports:
        lines.append(f"  {port.name}: {port.kind}{_default(port)}{' [settled before the run]' if port.static else ''}")
        lines += [f"      {port.about}"] if port.about else []
    gives = ", ".join(f"{output.name}: {output.kind}" for output in signature.outputs)
    said = traits(signature)
    lines += ["", f"  gives {gives}", *([f"  {', '.join(said)}"] if said else []), "", _rest(signature.doc)]
    return "\n".join(lines).rstrip()


def _rest(doc: str) -> str:
    """A block's docstring without what stands above it: the first paragraph, and the ports."""
    _, _, body = doc.partition("\n\n")
    return re.sub(r"^Parameters\n-+\n.*?(?=^\S[^\n]*\n-{3,}|\Z)", "", body, flags=re.MULTILINE | re.DOTALL).strip()


def traits(signature: Signature) -> list[str]:
    """What is particular about a block, in words."""
    said = {
        "is random": signature.random,
        "keeps state": bool(signature.state),
        "starts afresh with its loop": signature.resets,
        "lets no gradient through": not signature.differentiable,
    }
    return [trait for trait, holds in said.items() if holds]


def _default(port: Port) -> str:
    if port.required:
        return ", required"
    return f", {value_text(port.default)} by default"


def value_text(value: object) -> str:
    """A value as a recipe writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def shipped_files() -> str:
    """The shipped recipes and problems with what each says it is."""
    lines = []
    for kind in ("recipes", "problems"):
        lines.append(f"{kind}:")
        found = shipped(kind)
        width = max((len(name) for name in found), default=0)
        for name, path in found.items():
            about = parse(read(path), Report()).get("about")
            lines.append(f"  {name:<{width}}  {about.text if isinstance(about, Scalar) else ''}")
    return "\n".join(lines)
