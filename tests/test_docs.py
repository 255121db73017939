"""The pages: links lead somewhere, and marked blocks of code do what they say.

A fenced block is tested if the line above it is ``<!-- test -->``. The blocks of a page run in their order, in an empty
folder of their own:

- ``python`` runs; the names it leaves are there for the page's next such block,
- ``console`` runs each line that begins with ``$``, a command of dipgraph that must end with exit code 0,
- ``yaml`` is checked: a recipe must have no fault, a problem must be read, anything else must be YAML.

``<!-- test: mine.yaml -->`` also saves the block under that name, for the blocks below it.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from click.testing import CliRunner

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("**/*.md")])
FENCED = re.compile(r"^(```+).*?^\1\s*$", flags=re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!\!)\[[^\]]*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)|!\[[^\]]*\]\(([^)\s]+)\)")
MARKED = re.compile(
    r"^<!-- test(?:: (?P<file>[\w./-]+))? -->\n```(?P<kind>\w+)\n(?P<text>.*?)^```$", flags=re.MULTILINE | re.DOTALL
)


class Block(NamedTuple):
    """A tested block of a page."""

    kind: str
    text: str
    file: str | None
    line: int


def page_name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [
        Block(found["kind"], found["text"], found["file"], text[: found.start("text")].count("\n") + 1)
        for found in MARKED.finditer(text)
    ]


def slugs(page: Path) -> set[str]:
    """Return the anchors of a page's headings."""
    headings = re.findall(r"^#+ (.+?)\s*$", FENCED.sub("", page.read_text(encoding="utf-8")), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for found in LINK.finditer(FENCED.sub("", page.read_text(encoding="utf-8"))):
        link = found[1] or found[2]
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in slugs(target)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_marks_stand_above_a_block(page: Path) -> None:
    marks = re.findall(r"^<!-- test\b.*$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert len(marks) == len(blocks(page))


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=page_name)
def test_code_does_what_it_says(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks(page):
        if block.file:
            Path(block.file).write_text(block.text, encoding="utf-8")
        where = f"{page_name(page)}:{block.line}"
        if block.kind == "python":
            # Blank lines before it, so that a traceback gives the page's own line.
            exec(compile("\n" * (block.line - 1) + block.text, page_name(page), "exec"), names)
        elif block.kind == "console":
            run_console(block.text, where)
        elif block.kind == "yaml":
            check_yaml(block, where)
        else:
            pytest.fail(f"{where}: a tested block is python, console or yaml, not {block.kind}")


def run_console(text: str, where: str) -> None:
    commands = re.findall(r"^\$ ((?:.*\\\n)*.*)$", text, flags=re.MULTILINE)
    assert commands, f"{where}: no line begins with '$ '"
    for command in commands:
        words = shlex.split(command, comments=True)
        assert words[0] == "dipgraph", f"{where}: only commands of dipgraph can be tested, not '{words[0]}'"
        run_dipgraph(words[1:], where)


def check_yaml(block: Block, where: str) -> None:
    content = yaml.safe_load(block.text)
    file = block.file or "block.yaml"
    Path(file).write_text(block.text, encoding="utf-8")
    keys = set(content) if isinstance(content, dict) else set()
    if "recipe" in keys:
        run_dipgraph(["check", file], where)
    elif "problem" in keys:
        from dipgraph.data.problem_file import problem_file

        assert problem_file(file).faults == (), where


def run_dipgraph(arguments: list[str], where: str) -> None:
    """Run a command in this process: starting a new one would take longer than most commands."""
    from dipgraph.cli import main

    ran = CliRunner().invoke(main, arguments)
    assert ran.exit_code == 0, f"{where}: dipgraph {' '.join(arguments)}\n{ran.output}\n{ran.exception}"
