"""The command line: commands and their options; no logic of its own, and nothing heavy imported before it is needed."""

from __future__ import annotations

import functools
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import current_thread, main_thread
from typing import Any

import click

from dipgraph import __version__
from dipgraph.signatures.errors import DipgraphError

INTERRUPTED = 130
FAULTY = 2
"""Exit code for every mistake in a recipe, a problem or an option; 1 is left to faults of our own."""
SETTING = click.option("--set", "settings", multiple=True, metavar="NAME=VALUE",
                       help="Set a parameter; problem.NAME sets one of the problem's. Repeatable.")  # fmt: skip
QUIET = click.option("--quiet", "-q", is_flag=True, help="Print nothing but warnings and errors.")
JSON_LINES = click.option("--json-lines", is_flag=True, help="Print JSON, one event a line, instead of bars and table.")
TENSORBOARD = click.option("--tensorboard", is_flag=True, help="Write events for TensorBoard into the run's folder.")
PRESET = click.option("--preset", metavar="NAME", help="Use one of the recipe's presets.")


class Named(click.Path):
    """A path that is not the empty text."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path, or a usage error."""
        if value == "":
            self.fail("the name is empty", param, ctx)
        return super().convert(value, param, ctx)


def guarded(command: Callable[..., None]) -> Callable[..., None]:
    """Print a user's mistake as one message, without a traceback."""

    @functools.wraps(command)
    def guard(*arguments: Any, **options: Any) -> None:
        came: list[int] = []
        try:
            with _noting(came), warnings.catch_warnings():
                warnings.showwarning = _warn
                command(*arguments, **options)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(1)
        except (Exception, KeyboardInterrupt) as error:
            if came or _is_interruption(error):
                click.echo("interrupted", err=True)
                sys.exit(INTERRUPTED)
            if not isinstance(error, DipgraphError):
                raise
            click.echo(f"error: {error}" if type(error).__name__ != "Faults" else str(error), err=True)
            sys.exit(FAULTY)

    return guard


@contextmanager
def _noting(came: list[int]) -> Iterator[None]:
    """Note that Ctrl-C came: a package may swallow it while it is imported, and fail in its own way afterwards."""

    def note(number: int, frame: Any) -> None:
        came.append(number)
        signal.default_int_handler(number, frame)

    # Elsewhere a handler of the caller's stands, or Ctrl-C is ignored, as under nohup.
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler or current_thread() is not main_thread():
        yield
        return
    signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _warn(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, file: Any = None, line: Any = None
) -> None:
    """Tell a warning as the other messages are told, without the line of code that gave it."""
    click.echo(f"warning: {message}", err=True)


def _is_interruption(error: BaseException | None) -> bool:
    """Whether Ctrl-C is at the root of an error: a package may make another of it while it is imported."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="dipgraph")
def main() -> None:
    """Reconstruct images with recipes: deep image priors and their kin, as YAML over an operator algebra.

    Recipes and problems are given by path or by the name of a shipped one. The exit code is 0 where all went well, 1
    where a run diverged, a run of a comparison or a law failed, or a repeated run differs, 2 where the recipe, the
    problem or an option has a fault, and 130 or 143 after an interruption.
    """


@main.command()
@click.argument("recipe")
@click.option("--problem", "-p", default="walnut_phantom", show_default=True, help="What is solved.")
@SETTING
@PRESET
@click.option("--out", "-o", type=Named(), help="Folder for the results [default: runs/RECIPE-PROBLEM-TIME].")
@click.option("--overwrite", is_flag=True, help="Write to a folder that holds a run already.")
@click.option("--device", help="cpu, cuda or cuda:N [default: CUDA where there is one].")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of every random stream.")
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads, up to the cores there are [default: all].")
@click.option("--run-on", is_flag=True, help="Run every loop to its count; note where it would have stopped.")
@click.option("--stop-at", type=click.IntRange(min=1), metavar="STEP", help="End with the iteration that reaches STEP.")
@click.option("--checkpoint-every", default="30s", show_default=True, metavar="STEPS|TIME",
              help="Save the run's state: 500 (steps), 30s, 5min, 2h, or never.")  # fmt: skip
@QUIET
@JSON_LINES
@TENSORBOARD
@guarded
def run(
    recipe: str, problem: str, settings: tuple[str, ...], preset: str | None,
    quiet: bool, json_lines: bool, tensorboard: bool, **options: Any,
) -> None:  # fmt: skip
    """Run RECIPE on a problem and write the results to a folder."""
    from dipgraph.reports.job import View
    from dipgraph.reports.running import run_and_report

    view = View(quiet, json_lines, tensorboard)
    sys.exit(run_and_report(recipe, problem, settings, preset, view=view, **options))


@main.command()
@click.argument("folder", metavar="RUN", type=click.Path(path_type=Path))
@click.option("--checkpoint-every", metavar="STEPS|TIME", help="As for run [default: as the run was begun].")
@QUIET
@JSON_LINES
@TENSORBOARD
@guarded
def resume(folder: Path, quiet: bool, json_lines: bool, tensorboard: bool, **options: Any) -> None:
    """Go on with the interrupted or killed run in the folder RUN, to the very result it would have had."""
    from dipgraph.reports.job import View
    from dipgraph.reports.running import resume_and_report

    sys.exit(resume_and_report(folder, view=View(quiet, json_lines, tensorboard), **options))


@main.command()
@click.argument("folder", metavar="RUN", type=click.Path(path_type=Path))
@QUIET
@guarded
def rerun(folder: Path, **options: Any) -> None:
    """Run once more what the folder RUN holds and compare: exit code 0 if the image is the same, bit for bit."""
    from dipgraph.reports.running import rerun_and_report

    sys.exit(rerun_and_report(folder, **options))


@main.command()
@click.argument("folder", metavar="RUN", type=click.Path(path_type=Path))
@click.option("--out", "-o", type=Named(), help="Folder for the results [default: RUN-refit].")
@click.option("--overwrite", is_flag=True, help="Write to a folder that holds a run already.")
@QUIET
@JSON_LINES
@TENSORBOARD
@guarded
def refit(folder: Path, quiet: bool, json_lines: bool, tensorboard: bool, **options: Any) -> None:
    """Run once more what the folder RUN holds, nothing held out, up to the step that its image is from."""
    from dipgraph.reports.job import View
    from dipgraph.reports.refitting import refit_and_report

    sys.exit(refit_and_report(folder, view=View(quiet, json_lines, tensorboard), **options))


@main.command()
@click.argument("folders", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", "-o", type=click.Path(path_type=Path),
              help="Folder for the figures [default: that of the run; 'figures' for several].")  # fmt: skip
@guarded
def plot(folders: tuple[Path, ...], out: Path | None) -> None:
    """Draw the curves and images of one run, or of several together, as PNG and SVG."""
    from dipgraph.reports.plotting import plot as draw

    for path in draw(folders, out):
        click.echo(path)


@main.command()
@click.argument("recipes", metavar="RECIPE...", nargs=-1, required=True)
@click.option("--problem", "-p", "problems", multiple=True, metavar="PROBLEM",
              help="What is solved; repeatable [default: walnut_phantom].")  # fmt: skip
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE",
              help="Set a parameter of each recipe that has it; tv.NAME of the recipe tv alone, problem.NAME of each "
                   "problem, htc2022.NAME of one. Repeatable.")  # fmt: skip
@click.option("--preset", metavar="NAME", help="Use this preset of the recipes that have it.")
@click.option("--out", "-o", type=Named(), default="comparison", show_default=True, help="Folder for all of it.")
@click.option("--seeds", type=click.IntRange(min=1), help="Seeds 0 to N-1 [default: 1].", metavar="N")
@click.option("--seed", "chosen", type=click.IntRange(min=0), multiple=True, help="This seed; repeatable.")
@click.option("--jobs", "-j", type=click.IntRange(min=1), default=1, show_default=True, help="Runs at a time.")
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads of each [default: cores divided by jobs].")
@click.option("--device", help="cpu, cuda or cuda:N [default: CUDA where there is one].")
@click.option("--until-stop", is_flag=True, help="End each run where it stops, not at the end of its budget.")
@click.option("--checkpoint-every", default="30s", show_default=True, metavar="STEPS|TIME", help="As for run.")
@QUIET
@guarded
def compare(
    recipes: tuple[str, ...], problems: tuple[str, ...], settings: tuple[str, ...], preset: str | None, out: str,
    seeds: int | None, chosen: tuple[int, ...], until_stop: bool, **options: Any,
) -> None:  # fmt: skip
    """Run each RECIPE on each problem with each seed, and write tables and figures; given again, it goes on."""
    from dipgraph.reports.comparison.face import run_comparison

    if seeds is not None and chosen:
        raise click.UsageError("give --seeds or --seed, not both")
    found = run_comparison(
        recipes, problems or ("walnut_phantom",), settings, preset, seeds=chosen or tuple(range(seeds or 1)),
        out=Path(out), run_on=not until_stop, **options,
    )  # fmt: skip
    sys.exit(found.exit_code)


@main.command()
@click.argument("recipe")
@click.option("--problem", "-p", help="Check it on this problem too: shapes, sizes, names, memory.")
@SETTING
@PRESET
@guarded
def check(recipe: str, problem: str | None, settings: tuple[str, ...], preset: str | None) -> None:
    """Check RECIPE: every fault at once, with its place. Needs no data unless a problem is given."""
    from dipgraph.reports.checking import check_and_report

    check_and_report(recipe, problem, settings, preset)


@main.command()
@click.argument("recipe")
@click.option("--problem", "-p", default="walnut_phantom", show_default=True, help="What would be solved.")
@SETTING
@PRESET
@click.option("--device", help="cpu, cuda or cuda:N [default: CUDA where there is one].")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of every random stream.")
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads, up to the cores there are [default: all].")
@click.option("--expansion", type=float, default=1.01, show_default=True, metavar="BOUND",
              help="The Lipschitz constant allowed of a denoiser.")  # fmt: skip
@guarded
def verify(recipe: str, problem: str, settings: tuple[str, ...], preset: str | None, **options: Any) -> None:
    """Measure the laws on the operators, proximal maps and denoisers of a run; exit code 1 if one is at fault."""
    from dipgraph.reports.settings import split
    from dipgraph.testing.verifying import verify_and_report

    if not verify_and_report(recipe, problem, *split(settings), preset, **options):
        sys.exit(1)


@main.command()
@click.argument("recipe")
@click.option("--out", "-o", type=Named(), help="File: .svg, .dot or .mmd; as text in the terminal by default.")
@SETTING
@PRESET
@guarded
def graph(recipe: str, out: str | None, settings: tuple[str, ...], preset: str | None) -> None:
    """Draw RECIPE: bodies as boxes, spaces on the edges, carried state dashed."""
    from dipgraph.reports.drawing import draw_recipe

    text = draw_recipe(recipe, out, settings, preset)
    if out is None:
        click.echo(text)


@main.command()
@click.argument("name", required=False)
@guarded
def blocks(name: str | None) -> None:
    """List the blocks a recipe may name, or show one (or one family) with its ports."""
    from dipgraph.reports.blocks import describe

    click.echo(describe(name))


@main.group()
def problem() -> None:
    """Look at problems."""


@problem.command("show")
@click.argument("name")
@SETTING
@click.option("--out", "-o", type=Named(), help="Draw the scan's geometry to this .svg file.")
@guarded
def show_problem(name: str, settings: tuple[str, ...], out: str | None) -> None:
    """Say what a problem holds; draw its geometry."""
    from dipgraph.reports.problems import show

    click.echo(show(name, settings, Path(out) if out else None))


@main.command("list")
@guarded
def list_shipped() -> None:
    """List the shipped recipes and problems."""
    from dipgraph.reports.blocks import shipped_files

    click.echo(shipped_files())


if __name__ == "__main__":
    main()
