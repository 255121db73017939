"""Laws on the project itself: who imports whom, how long files are, and that its papers agree with each other."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "dipgraph"
MODULES = sorted(PACKAGE.rglob("*.py"))
SHIPPED = sorted([*(ROOT / "recipes").glob("*.yaml"), *(ROOT / "problems").glob("*.yaml")])
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

MAY_IMPORT: dict[str, set[str]] = {
    "signatures": set(),
    "language": {"signatures"},
    "graph": {"signatures", "language"},
    "operators": {"signatures"},
    "blocks": {"signatures", "operators"},
    "data": {"signatures", "language", "operators"},
    "engine": {"signatures", "language", "graph", "operators", "blocks", "data"},
    "testing": {"signatures", "language", "graph", "operators", "blocks", "data", "engine"},
    "reports": {"signatures", "language", "graph", "operators", "blocks", "data", "engine"},
}
"""What each folder may import from the others. The modules beside the folders, the public face, may import all."""

NUMERICS = {"torch", "numpy", "scipy", "pylops", "astra", "cupy", "skimage", "h5py"}
METHODS = {
    "admm", "apg", "aseq", "aseqdip", "deep_image_prior", "deep_red", "deepred", "dip", "dps", "fista", "hqs", "pdhg",
    "pnp", "red_apg", "self_guided", "sirt", "tv", "vanilla", "wtv",
    *(path.stem for path in SHIPPED if path.parent.name == "recipes"),
}  # fmt: skip
"""Methods by every name they go by: each shipped recipe's, and the words that such names are made of."""


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def folder(path: Path) -> str | None:
    """Return the folder of the package that a module lies in; none for the modules beside the folders."""
    parts = path.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else None


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the line and dotted name of each import, and of what is taken from ``dipgraph`` itself."""
    package = ["dipgraph", *path.relative_to(PACKAGE).parts[:-1]]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names if alias.name != "dipgraph")
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            if origin == "dipgraph":
                yield from ((node.lineno, f"dipgraph.{alias.name}") for alias in node.names)
            else:
                yield node.lineno, origin
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "dipgraph":
            yield node.lineno, f"dipgraph.{node.attr}"


def words(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the line and text of each identifier and each string of a module; docstrings and comments are no code."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 1)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield line, node.value
        for field in ("id", "attr", "arg", "name", "module"):
            if isinstance(word := getattr(node, field, None), str):
                yield line, word


# --- architecture -----------------------------------------------------------------------------------------------------


def test_every_folder_has_its_place_in_the_order() -> None:
    assert {place for path in MODULES if (place := folder(path))} <= set(MAY_IMPORT)


@pytest.mark.parametrize("layer", MAY_IMPORT)
def test_imports_point_downward(layer: str) -> None:
    allowed = {layer} | MAY_IMPORT[layer]
    wrong = [
        f"{name(path)}:{line} imports {target}"
        for path in MODULES
        if folder(path) == layer
        for line, target in imports(path)
        if target.split(".")[0] == "dipgraph" and target != "dipgraph.__version__"
        if (target.split(".")[1] if "." in target else "") not in allowed
    ]
    assert wrong == []


def test_remedies_are_clauses_in_one_style() -> None:
    """A small letter first (a name in capitals may begin one), and no full stop at the end."""
    wrong = []
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "remedy":
                said = ast.unparse(node.value).removeprefix("f").strip("'\"")
                if re.match(r"[A-Z][a-z ]", said) or (isinstance(node.value, ast.Constant) and said.endswith(".")):
                    wrong.append(f"{name(path)}:{node.value.lineno} {said}")
    assert wrong == []


def test_nothing_imports_the_command_line() -> None:
    wrong = [f"{name(path)}:{line}" for path in MODULES for line, target in imports(path) if target == "dipgraph.cli"]
    assert [place for place in wrong if not place.startswith("dipgraph/__main__.py")] == []


@pytest.mark.parametrize("layer", ["signatures", "language", "graph"])
def test_checking_a_recipe_needs_no_numerics(layer: str) -> None:
    wrong = [
        f"{name(path)}:{line} imports {target}"
        for path in MODULES
        if folder(path) == layer
        for line, target in imports(path)
        if target.split(".")[0] in NUMERICS
    ]
    assert wrong == []


def test_only_operators_import_astra() -> None:
    wrong = [name(p) for p in MODULES if folder(p) != "operators" for _, t in imports(p) if t.split(".")[0] == "astra"]
    assert wrong == []


@pytest.mark.parametrize("layer", ["engine", "graph"])
def test_knows_no_method(layer: str) -> None:
    """A method is a recipe: its name has no business in what runs recipes."""
    wrong = set()
    for path in MODULES:
        if folder(path) == layer:
            for line, text in words(path):
                spoken = re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", text).lower())
                phrase = f"_{'_'.join(spoken)}_"
                wrong |= {f"{name(path)}:{line} says {method}" for method in METHODS if f"_{method}_" in phrase}
    assert sorted(wrong) == []


def test_no_file_is_long() -> None:
    lengths = {name(path): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert {path: lines for path, lines in lengths.items() if lines > 500} == {}


def test_every_module_says_what_it_is() -> None:
    assert [name(path) for path in MODULES if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))] == []


def text_calls(path: Path) -> Iterator[tuple[int, bool]]:
    """Yield the line of each call that reads or writes text, and whether it names an encoding."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        first = isinstance(node.func, ast.Name)  # open(path, mode), but path.open(mode)
        modes = [*node.args[first : first + 1], *(each.value for each in node.keywords if each.arg == "mode")]
        mode = next((each.value for each in modes if isinstance(each, ast.Constant)), "r")
        owner = node.func.value if isinstance(node.func, ast.Attribute) else None
        opens = called == "open" and not (isinstance(owner, ast.Name) and owner.id in ("os", "Image"))
        if called in ("read_text", "write_text") or (opens and "b" not in str(mode)):
            yield node.lineno, any(each.arg == "encoding" for each in node.keywords)


def test_text_is_read_and_written_as_utf8_everywhere() -> None:
    """A recipe may name a mu whatever the locale of the machine."""
    paths = [*MODULES, *(ROOT / "tools").rglob("*.py")]
    assert [f"{path}:{line}" for path in paths for line, named in text_calls(path) if not named] == []


# --- what a command loads ---------------------------------------------------------------------------------------------


def loaded_by(*arguments: str) -> set[str]:
    """Return the top-level modules that a command has loaded when it ends."""
    code = (
        "import sys\n"
        "from dipgraph.cli import main\n"
        "try:\n"
        "    main()\n"
        "except SystemExit as end:\n"
        "    assert not end.code, end.code\n"
        "finally:\n"
        "    print('\\nLOADED', *{module.split('.')[0] for module in sys.modules})\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return set(ran.stdout.rsplit("LOADED", 1)[1].split())


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_load_no_numerics(option: str) -> None:
    assert loaded_by(option) & NUMERICS == set()


@pytest.mark.parametrize("recipe", [path.stem for path in SHIPPED if path.parent.name == "recipes"][:1])
def test_check_without_a_problem_loads_no_operators(recipe: str) -> None:
    assert loaded_by("check", recipe) & {"astra", "pylops"} == set()


# --- packaging --------------------------------------------------------------------------------------------------------


def test_recipes_and_problems_are_in_the_wheel() -> None:
    included = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    kinds = ("recipes", "problems")
    bibliography = {"docs/references.bib": "dipgraph/references.bib"}
    assert included == {kind: f"dipgraph/{kind}" for kind in kinds} | bibliography
    assert SHIPPED
    for kind in kinds:
        assert not (PACKAGE / kind).exists(), f"dipgraph/{kind} would hide the checkout's {kind}/"
        stray = [name(path) for path in (ROOT / kind).rglob("*") if path.is_file() and path not in SHIPPED]
        assert stray == []


def test_the_package_is_typed() -> None:
    assert (PACKAGE / "py.typed").is_file()


def requirements() -> list[Requirement]:
    project = PYPROJECT["project"]
    lines = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    return [Requirement(line) for line in lines if not line.startswith("dipgraph[")]


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(package): version for package, version in pairs}


def test_constraints_pin_each_requirement_within_its_bounds() -> None:
    pinned = pins()
    assert pinned["torch"] == "2.13.0"
    for requirement in requirements():
        if requirement.name.startswith("cupy"):
            assert canonicalize_name(requirement.name) not in pinned
        else:
            assert requirement.specifier.contains(pinned[canonicalize_name(requirement.name)]), requirement


def test_each_dependency_is_explained() -> None:
    text = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    assert [str(wanted) for wanted in requirements() if f"`{wanted.name}`" not in text] == []


def test_each_extra_that_a_block_asks_for_exists() -> None:
    wanted = {
        extra
        for path in (PACKAGE / "blocks").glob("*.py")
        for extra in re.findall(r'require\("[\w.]+", "(\w+)"', path.read_text(encoding="utf-8"))
    }
    assert wanted
    assert wanted <= set(PYPROJECT["project"]["optional-dependencies"])


def test_the_version_is_the_same_everywhere() -> None:
    import dipgraph

    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert str(citation["version"]) == dipgraph.__version__
    assert next(heading for heading in headings if heading != "Unreleased") == dipgraph.__version__


def test_the_licence_is_the_same_everywhere() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["license"] == PYPROJECT["project"]["license"] == "Apache-2.0"
    assert "Apache License" in (ROOT / "LICENSE").read_text(encoding="utf-8")
    for package in ("ASTRA", "PyLops", "PyProximal"):
        assert package in (ROOT / "NOTICE").read_text(encoding="utf-8")


def test_ci_runs_what_the_readme_says() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = dict(re.findall(r"<!-- command: (\w+) -->\n```console\n\$ (.+)\n```\n", readme))
    assert set(commands) == {"run", "test"}
    assert "dipgraph run admm_denoiser" in commands["run"]
    assert "pytest" in commands["test"]
    for command in commands.values():
        assert command.startswith("python3 -m venv .venv && ")
        assert "-c constraints.txt" in command
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "<!-- command: test -->" in script
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


def test_citations_have_their_entry() -> None:
    text = (ROOT / "docs" / "references.bib").read_text(encoding="utf-8")
    keys = re.findall(r"^@\w+\{([^,]+),", text, flags=re.MULTILINE)
    assert len(keys) == len(set(keys))
    for path in SHIPPED:
        cited = yaml.safe_load(path.read_text(encoding="utf-8")).get("cite") or []
        assert set([cited] if isinstance(cited, str) else cited) <= set(keys), name(path)
