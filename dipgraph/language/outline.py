"""A recipe around its steps: networks before them, what is tracked and returned after, and what nothing reads."""

from __future__ import annotations

from collections.abc import Mapping as MappingABC

from dipgraph.language.choices import deciding
from dipgraph.language.diagnostics import Report, listing, near
from dipgraph.language.nodes import Mapping, Node, Scalar, Sequence
from dipgraph.language.parameters import Parameters, reads
from dipgraph.language.program import Call, Expression, Program, Step
from dipgraph.language.scopes import Body, Definition, Scope, is_image, refusal
from dipgraph.language.settling import Value
from dipgraph.language.steps import StepReader
from dipgraph.language.typing import described
from dipgraph.signatures.block import Signature
from dipgraph.signatures.ports import NetworkKind
from dipgraph.signatures.spaces import Network, Number, Switch, Vector, X

KEYS = ("recipe", "about", "cite", "params", "presets", "networks", "steps", "track", "returns")
VERSION = 1


def check_frame(document: Mapping, report: Report) -> None:
    """The top level: its keys and the language's version."""
    if document.get("recipe") is None and document.get("problem") is not None:
        advice = "name a recipe, and give this file with --problem"
        report.add("E108", "this is a problem, not a recipe", document.mark, advice)
        report.settle()
    for key, _ in document:
        if key.name not in KEYS:
            advice = near(key.name, KEYS) or f"it has {listing(KEYS)}"
            report.add("E108", f"a recipe has no '{key.text}'", key.mark, advice)
    version = document.get("recipe")
    if version is None:
        advice = f"begin with 'recipe: {VERSION}'"
        report.add("E108", "'recipe' is missing: the version of the language", document.mark, advice)
    elif not isinstance(version, Scalar) or version.text != str(VERSION) or version.quoted:
        report.add("E108", f"this is not version {VERSION} of the language", version.mark, f"write 'recipe: {VERSION}'")
    about = document.get("about")
    if about is not None and not isinstance(about, Scalar):
        report.add("E108", "'about' is a text", about.mark, "a text that holds ': ' needs quotes")
    for needed in ("steps", "track", "returns"):
        if document.get(needed) is None:
            report.add("E108", f"'{needed}' is missing", document.mark, "a recipe has steps, track and returns")
    cite(document, report)


def cite(document: Mapping, report: Report) -> tuple[str, ...]:
    """The works that a recipe comes from, as keys of docs/references.bib."""
    node = document.get("cite")
    items = node.items if isinstance(node, Sequence) else () if node is None else (node,)
    for item in items:
        if not isinstance(item, Scalar):
            report.add("E108", "'cite' is a key of docs/references.bib, or a list of them", item.mark)
    return tuple(item.text for item in items if isinstance(item, Scalar))


class Outline:
    """Reads a recipe with its parameters settled."""

    def __init__(
        self,
        document: Mapping,
        parameters: Parameters,
        values: MappingABC[str, Value],
        signatures: MappingABC[str, Signature],
        report: Report,
    ) -> None:
        self.document, self.parameters, self.values, self.report = document, parameters, values, report
        words = {name: known.words for name, known in parameters.declared.items() if known.words and name in values}
        broken = (parameters.declared.keys() | parameters.broken) - values.keys()
        self.scope = Scope(values, words, report, frozenset(broken))
        self.steps = StepReader(signatures, self.scope, report)

    def read(self) -> Program | None:
        """The program, or None where there are faults."""
        document, scope = self.document, self.scope
        networks = self._networks(document.get("networks"))
        steps: tuple[Step, ...] = ()
        track: str | None = None
        returns: dict[str, Expression] = {}
        listed = document.get("steps")
        if listed is not None:
            with scope.body(Body("top", self.steps.pending(listed), {})), self.report.part():
                steps = self.steps.read(listed, "steps", document.mark)
        if isinstance(listed, Sequence):
            track = self._track(document.get("track"))
            returns = self._returns(document.get("returns"))
            self._fed(networks)
        if self.report.errors:
            return None
        self._waste(networks)
        about = document.get("about")
        return Program(
            about=about.text if isinstance(about, Scalar) else "",
            cite=cite(document, self.report),
            parameters=dict(self.values),
            networks=networks,
            inputs={name: channels for name, (channels, _) in scope.channels.items()},
            steps=steps,
            track=track,
            returns=returns,
            given=dict(scope.given),
            places={name: call.mark for name, call in networks.items()},
        )

    def _networks(self, node: Node | None) -> dict[str, Call]:
        """The networks that a recipe declares; one with a fault is known all the same."""
        calls: dict[str, Call] = {}
        if node is None or (isinstance(node, Scalar) and node.is_missing):
            return calls
        if not isinstance(node, Mapping):
            self.report.add("E108", "'networks' is a mapping of names to network blocks", node.mark,
                            "as in networks: {f: {network.unet: {channels: 32}}}")  # fmt: skip
            return calls
        for key, value in node:
            if why := refusal(key, (*self.values, *self.scope.broken)):
                self.report.add("E203", why, key.mark)
                continue
            self.scope.define(Definition(key.name, Network(), key.mark, "network"))
            with self.report.part():
                chosen = self.steps.settle(value)
                if not isinstance(chosen, Mapping) or len(chosen.entries) != 1:
                    advice = "as in f: {network.unet: {channels: 32}}"
                    raise self.report.fail("E404", "a network is one block", chosen.mark, advice)
                name, body = chosen.entries[0]
                call, _ = self.steps.caller.call(name, body, (key.name,))
                if not call.signature.gives(NetworkKind):
                    raise self.report.fail("E404", f"'{name.text}' is no network", name.mark, "networks are network.*")
                calls[key.name] = call
        return calls

    def _track(self, node: Node | None) -> str | None:
        """The image that is logged."""
        if node is None:
            return None
        with self.report.part():
            if not isinstance(node, Scalar) or not node.is_name:
                raise self.report.fail(
                    "E307", "'track' names an image", node.mark, "give the expression a name in a step"
                )
            expression = self.scope.look_up(node.name, node.mark)
            if expression.type != Vector(X):
                message = f"'{node.text}' is {described(expression)}"
                raise self.report.fail("E307", message, node.mark, "track names a single image in X")
            logged = self.scope.in_loops.get(node.name, [])
            if not logged:
                advice = "track is logged at the end of each iteration: track what a repeat assigns"
                images = [name for name, made in self.scope.in_loops.items() if made[-1].type == Vector(X)]
                if images:
                    advice += f", {listing(images)} say"
                made = self.scope.names.get(node.name)
                only = f": line {made.mark.line + 1} does, outside of them" if made else ""
                raise self.report.fail("E307", f"no repeat assigns '{node.text}'{only}", node.mark, advice)
            for other in logged:
                if is_image(other.type) and other.type != Vector(X):
                    message = f"'{node.text}' is of {other.type} in line {other.mark.line + 1}"
                    raise self.report.fail(
                        "E307", message, node.mark, "track names an image in X wherever it is assigned"
                    )
            return node.name
        return None

    def _returns(self, node: Node | None) -> dict[str, Expression]:
        """What a run hands out."""
        found: dict[str, Expression] = {}
        if node is None:
            return found
        if not isinstance(node, Mapping):
            self.report.add("E108", "'returns' is a mapping with 'image'", node.mark, "as in returns: {image: x}")
            return found
        for key, value in node:
            with self.report.part():
                if not key.is_name:
                    raise self.report.fail(
                        "E203", f"'{key.text}' is no name", key.mark, "what is returned has a plain name"
                    )
                expression = self.steps.typist.read(value)
                if not (is_image(expression.type) or isinstance(expression.type, Number | Switch | Network)):
                    message = f"'{key.text}' is {described(expression)}, which is not returned"
                    raise self.report.fail("E307", message, value.mark, "images, numbers, switches and networks are")
                if key.name == "image" and expression.type != Vector(X):
                    message = f"'image' is {described(expression)}"
                    raise self.report.fail("E307", message, value.mark, "it is a single image in X")
                found[key.name] = expression
        if node.get("image") is None:
            self.report.add("E307", "'returns' needs 'image'", node.mark, "as in returns: {image: x}")
        return found

    def _fed(self, networks: MappingABC[str, Call]) -> None:
        """A network that is read has to be fed somewhere: its first use fixes its channels; a fault hides uses."""
        if self.report.errors or self.scope.broken:
            return
        for name in networks:
            network = self.scope.names.get(name)
            if network is not None and network.is_read and name not in self.scope.channels:
                self.report.add("E308", f"'{name}' is never applied to an image", network.mark,
                                "its first use, as in f(z), says how many channels it takes")  # fmt: skip

    def _waste(self, networks: MappingABC[str, Call]) -> None:
        """Warn of what nothing reads; only where the rest is whole, since a fault hides reads."""
        read = self.scope.read_parameters | deciding(self.document) | reads(self.parameters)
        for name, known in self.parameters.declared.items():
            if name not in read:
                advice = "remove it, or use it in a step"
                self.report.add("W601", f"nothing reads the parameter '{name}'", known.mark, advice)
        for name in networks:
            network = self.scope.names[name]
            if not network.is_read:
                self.report.add("W602", f"nothing reads the network '{name}'", network.mark, "remove it, or apply it")
        track = self.document.get("track")
        tracked = track.name if isinstance(track, Scalar) else ""
        for mark, text, definitions in self.steps.written:
            if any(definition.is_read or definition.name == tracked for definition in definitions):
                continue
            if definitions[0].sort == "carry":
                advice = "leave it out of carry: it is assigned before it is read"
                self.report.add("W603", f"'{text}' is carried, and nothing reads it", mark, advice)
            else:
                self.report.add("W604", f"nothing reads '{text}'", mark, "remove the step, or return it")
