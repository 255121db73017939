"""A problem file: its YAML text read once, settled with what the user sets, turned into a Problem."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dipgraph.data.build import build
from dipgraph.data.plan import Plan, read_plan
from dipgraph.data.problem import Problem
from dipgraph.data.readers.arrays import FORMATS
from dipgraph.data.settings import Settings, as_settings
from dipgraph.data.shipped import locate
from dipgraph.language.diagnostics import Fault, Report, Source
from dipgraph.language.document import Mapping, Scalar, parse, read
from dipgraph.language.parameters import Parameters, read_parameters
from dipgraph.signatures.errors import InputError


@dataclass(frozen=True, eq=False)
class ProblemFile:
    """A problem as written: parsed and its parameters declared, nothing loaded yet.

    Parameters
    ----------
    name
        What the problem is called unless its text says: the file's name without its ending.
    document
        The located text.
    parameters
        What it declares under ``params``.
    faults
        Found while the text was read.
    """

    name: str
    document: Mapping
    parameters: Parameters
    faults: tuple[Fault, ...] = ()

    @property
    def about(self) -> str:
        """What the problem says it is."""
        node = self.document.get("about")
        return node.text if isinstance(node, Scalar) else ""

    def plan(self, settings: Settings = ()) -> Plan:
        """Return what the problem asks for, nothing loaded yet.

        Raises
        ------
        Faults
            With every fault of the text and the settings.
        """
        report = Report()
        report.faults.extend(self.faults)
        return read_plan(self.document, self.parameters, as_settings(settings), report)

    def load(self, settings: Settings = (), device: str = "cpu") -> Problem:
        """Return the problem, its data read or simulated, its operator on the device.

        Raises
        ------
        Faults
            If the text, the settings or the data have a fault; each with its place.
        """
        plan = self.plan(settings)
        return build(plan, plan.name or self.name, device)


def read_problem(source: Source, base: Path | None = None, name: str | None = None) -> ProblemFile:
    """Return the problem file that a text holds; paths in it are relative to ``base``.

    Raises
    ------
    Faults
        If the text cannot be read as YAML.
    """
    report = Report()
    document = parse(source, report)
    parameters = read_parameters(document, report, base or Path.cwd())
    return ProblemFile(name or Path(source.name).stem, document, parameters, tuple(report.faults))


def problem_file(path_or_name: str | Path) -> ProblemFile:
    """Return the problem file at a path or of a shipped name.

    Raises
    ------
    InputError
        If there is none, or it cannot be read.
    """
    path = locate("problems", path_or_name)
    if path.suffix.lower() in FORMATS:
        raise InputError(
            "this is a file of data, and a problem is a YAML file that reads one",
            where=str(path),
            remedy=f"write one with 'read: {{array: {{path: {path.name}}}}}': see docs/problems.md, \"Your own data\"",
        )
    return read_problem(read(path), path.parent.resolve(), path.stem)


def load_problem(path_or_name: str | Path, settings: Settings = (), *, device: str = "cpu") -> Problem:
    """Return the problem in a file, its data read or simulated.

    Parameters
    ----------
    path_or_name
        A path to a YAML file, relative to the working directory, or the name of a shipped problem.
    settings
        Values of its parameters by name, as texts or numbers, as ``--set problem.NAME=VALUE`` gives them; paths are
        relative to the working directory.
    device
        Where a ray transform lives: "cpu" or "cuda".

    Raises
    ------
    DipgraphError
        :class:`~dipgraph.language.Faults` with every fault and its place, or one error where there is no such file.

    Examples
    --------
    >>> load_problem("walnut_phantom", {"views": 10, "size": 32}).y.shape
    (10, 96)
    """
    return problem_file(path_or_name).load(settings, device)
