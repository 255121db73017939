"""The one way to make a block: a decorator that reads the ports from the annotations of a function or class.

A function is a block without state. A class is one whose settings are the arguments of ``__init__`` (known before the
run), whose ports are those of ``__call__``, and whose ``state`` names the attributes that a checkpoint holds. Networks
are classes whose ``forward`` torch calls, optimisers are functions that return a torch optimiser.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from string import Formatter
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

from dipgraph.signatures.ports import FileKind, Injected, Kind, LossKind, NetworkKind, WordKind

T = TypeVar("T", bound=Callable[..., Any])
REQUIRED: Any = inspect.Parameter.empty


@dataclass(frozen=True)
class Port:
    """One input of a block. A ``static`` port is settled before the run: word, file, expression of parameters."""

    argument: str
    kind: Kind
    static: bool
    default: Any
    about: str

    @property
    def name(self) -> str:
        """What a recipe writes: the argument, without the underscore that keeps a Python keyword apart."""
        return self.argument.rstrip("_")

    @property
    def required(self) -> bool:
        """Whether the recipe has to say it."""
        return self.default is REQUIRED


@dataclass(frozen=True)
class Output:
    """One output of a block."""

    name: str
    kind: Kind


@dataclass(frozen=True)
class Signature:
    """What the checker, the scheduler, the documentation and the tests know of a block."""

    name: str
    ports: tuple[Port, ...]
    outputs: tuple[Output, ...]
    injected: tuple[tuple[str, str, bool], ...]
    """(argument, what is injected, whether into ``__init__``)."""
    make: Callable[..., Any]
    about: str
    doc: str
    state: tuple[str, ...] = ()
    resets: bool = False
    differentiable: bool = True
    functional: Callable[..., Any] | None = None
    score: str = ""
    """What the ``verdict`` speaks of, in words; ``{port}`` stands for what the recipe wires to that port."""

    @property
    def family(self) -> str:
        """The part before the dot: ``prox`` of ``prox.tv``."""
        return self.name.partition(".")[0]

    @property
    def random(self) -> bool:
        """Whether the block draws random numbers."""
        return any(what == "stream" for _, what, _ in self.injected)

    @property
    def pure(self) -> bool:
        """Whether equal inputs always give equal outputs."""
        return not (self.random or self.state)

    @property
    def is_tuple(self) -> bool:
        """Whether the block returns a named tuple of outputs."""
        returned = getattr(self.make, "__call__", self.make) if self.is_class else self.make  # noqa: B004
        return _tuple_fields(returned) != {}

    @property
    def is_class(self) -> bool:
        """Whether an instance lives as long as the run."""
        return inspect.isclass(self.make)

    def port(self, name: str) -> Port | None:
        """The port of that name, if there is one."""
        return next((port for port in self.ports if port.name == name), None)

    def gives(self, kind: type[Kind]) -> bool:
        """Whether the first output is of the kind."""
        return bool(self.outputs) and isinstance(self.outputs[0].kind, kind)


REGISTRY: dict[str, Signature] = {}
"""Every block whose module has been imported; :func:`dipgraph.blocks.registry` imports them all."""


def block(
    name: str,
    *,
    resets: bool = False,
    differentiable: bool = True,
    functional: Callable[..., Any] | None = None,
    score: str = "",
) -> Callable[[T], T]:
    """Declare a function or class as the block ``family.name``.

    Parameters
    ----------
    name
        What a recipe writes.
    resets
        Whether the state is set afresh each time the loop around the step is entered (averages, stoppers).
    differentiable
        Whether gradients flow from the outputs to the inputs.
    functional
        For a proximal map, where it is known: the h of ``argmin over x of ½‖x − of‖² + h(x)``, as a function of x and
        of those of the block's other arguments that it names. Tests and `dipgraph verify` hold the block against it.
    score
        For a stopper: what its verdict speaks of, in words, for the explanation of where a run stopped; ``{watch}``
        stands for what the recipe wires to the port ``watch``.
    """

    def declare(thing: T) -> T:
        there = REGISTRY.get(name)
        if there is not None and there.make.__module__ != thing.__module__:
            # A cell that is run again, or a module that is reloaded, may declare its own block anew.
            raise TypeError(f"block {name} is declared by {there.make.__module__} already, and by {thing.__module__}")
        signature = read_signature(name, thing, resets=resets, differentiable=differentiable)
        unknown = {field for _, field, *_ in Formatter().parse(score) if field and signature.port(field) is None}
        if unknown:
            raise TypeError(f"block {name} has no port {', '.join(sorted(unknown))}, which its score names")
        REGISTRY[name] = replace(signature, functional=functional, score=score)
        return thing

    return declare


def read_signature(name: str, thing: Callable[..., Any], *, resets: bool, differentiable: bool) -> Signature:
    """The signature that the annotations and the docstring of a function or class declare."""
    if not re.fullmatch(r"[a-z][a-z0-9]*\.[a-z][a-z0-9_]*", name):
        raise TypeError(f"a block's name is 'family.name' in lower case; {name!r} is not")
    abouts = parameter_abouts(thing)
    ports: list[Port] = []
    injected: list[tuple[str, str, bool]] = []
    if inspect.isclass(thing):
        _collect(thing.__init__, True, abouts, ports, injected)
        is_network = hasattr(thing, "forward")
        outputs: tuple[Output, ...] = (Output("network", NetworkKind()),)
        if not is_network:
            outputs = _collect(thing.__call__, False, abouts, ports, injected)
    else:
        outputs = _collect(thing, False, abouts, ports, injected)
    if not outputs:
        raise TypeError(f"block {name} does not say what it returns: annotate it with Annotated[..., kind]")
    doc = inspect.getdoc(thing) or ""
    if not doc:
        raise TypeError(f"block {name} has no docstring")
    return Signature(
        name=name,
        ports=tuple(ports),
        outputs=outputs,
        injected=tuple(injected),
        make=thing,
        about=doc.split("\n\n")[0].replace("\n", " "),
        doc=doc,
        state=tuple(getattr(thing, "state", ())) if inspect.isclass(thing) else (),
        resets=resets,
        differentiable=differentiable,
    )


def _collect(
    function: Callable[..., Any],
    settings: bool,
    abouts: Mapping[str, str],
    ports: list[Port],
    injected: list[tuple[str, str, bool]],
) -> tuple[Output, ...]:
    """Append the ports that one function's arguments declare; return its outputs."""
    hints = get_type_hints(function, include_extras=True)
    for argument, parameter in inspect.signature(function).parameters.items():
        kind = _kind(hints.get(argument))
        if kind is None:
            continue
        if isinstance(kind, Injected):
            injected.append((argument, kind.what, settings))
            continue
        static = settings or isinstance(kind, WordKind | FileKind)
        ports.append(Port(argument, kind, static, parameter.default, abouts.get(argument, "")))
    returned = hints.get("return")
    kind = _kind(returned)
    if kind is not None:
        return (Output("loss" if isinstance(kind, LossKind) else "value", kind),)
    return tuple(
        Output(field, kind) for field, hint in _tuple_fields(function).items() if (kind := _kind(hint)) is not None
    )


def _tuple_fields(function: Callable[..., Any]) -> dict[str, Any]:
    """The annotated fields of the named tuple that a function returns; none where it returns something else."""
    returned = get_type_hints(function, include_extras=True).get("return")
    if inspect.isclass(returned) and hasattr(returned, "_fields"):
        return get_type_hints(returned, include_extras=True)
    return {}


def _kind(hint: Any) -> Kind | None:
    """The kind inside ``Annotated[type, kind]``."""
    if get_origin(hint) is Annotated:
        return next((extra for extra in get_args(hint)[1:] if isinstance(extra, Kind)), None)
    return None


def parameter_abouts(thing: Any) -> dict[str, str]:
    """What the ``Parameters`` section of a NumPy docstring says of each parameter."""
    doc = inspect.getdoc(thing) or ""
    section = re.search(r"^Parameters\n-+\n(.*?)(?=^\S[^\n]*\n-{3,}|\Z)", doc, re.M | re.S)
    abouts: dict[str, list[str]] = {}
    names: list[str] = []
    for line in (section.group(1) if section else "").splitlines():
        if line and not line.startswith(" "):
            names = [name.strip() for name in line.partition(":")[0].split(",")]
            abouts |= {name: [] for name in names}
        elif line.strip():
            for name in names:
                abouts[name].append(line.strip())
    return {name: " ".join(lines) for name, lines in abouts.items()}
