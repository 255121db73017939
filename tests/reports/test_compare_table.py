"""The parts of a comparison that need no run: where settings go, what the table says, the time left."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from dipgraph.data.problem_file import problem_file
from dipgraph.data.shipped import load_recipe
from dipgraph.reports.comparison.pool import Worker, _reason
from dipgraph.reports.comparison.progress import Overview, time_left
from dipgraph.reports.comparison.routing import Party, route
from dipgraph.reports.comparison.rows import Row, csv_text
from dipgraph.reports.comparison.table import table_text

SCORES = st.one_of(st.none(), st.floats(-50, 100))


def parties(*names: str) -> list[Party]:
    return [Party(name, load_recipe(name).parameters) for name in names]


def row(recipe: str, seed: int = 0, **numbers: float | int | str | None) -> Row:
    told = {"problem": "p", "outcome": "completed", "fbp_psnr": 17.0, "fbp_ssim": 0.5} | numbers
    return Row(recipe=recipe, seed=seed, **told)


def lines(text: str) -> dict[str, list[str]]:
    """The cells of a table by their recipe; the headings by the empty text."""
    split = [[cell.strip() for cell in line.strip("|\n").split(" | ")] for line in text.splitlines()]
    return {name.strip(): cells for name, *cells in split}


# --- where settings go ------------------------------------------------------------------------------------------------


def test_a_setting_goes_to_those_that_have_it():
    vanilla, tv, sirt = parties("vanilla", "tv", "sirt")
    walnut, shepp = (Party(name, problem_file(name).parameters) for name in ("walnut_phantom", "shepp_logan"))
    texts = ["gradient_steps=5", "tv.gradient_steps=7", "alpha=1e-3", "problem.views=9", "walnut_phantom.nut=2"]
    assert route(texts, [vanilla, tv, sirt], [walnut, shepp]) == []
    assert vanilla.texts() == ("gradient_steps=5",)
    assert tv.texts() == ("gradient_steps=5", "alpha=1e-3", "gradient_steps=7")
    assert sirt.texts() == ()
    assert walnut.texts("problem.") == ("problem.views=9", "problem.nut=2")
    assert shepp.texts("problem.") == ("problem.views=9",)


@given(st.permutations(["gradient_steps=5", "tv.gradient_steps=7"]))
def test_what_is_for_one_alone_beats_what_is_for_all_in_any_order(texts):
    (tv,) = parties("tv")
    route(texts, [tv], [])
    assert [setting.node.text for setting in tv.settings][-1] == "7"


def test_a_name_with_a_dot_is_the_longest_that_fits():
    first, second = parties("tv", "vanilla")
    first.name, second.name = "mine", "mine.v2"
    assert route(["mine.v2.rate=1e-4", "mine.rate=1e-3"], [first, second], []) == []
    assert (first.texts(), second.texts()) == (("rate=1e-3",), ("rate=1e-4",))


# --- the table --------------------------------------------------------------------------------------------------------


def test_fbp_comes_first_and_the_best_is_bold():
    found = lines(table_text("p", [row("b", psnr=21.234, ssim=0.9, seconds=9.0), row("a", psnr=20.0, seconds=3.0)]))
    assert [name for name in found if name.strip("-")] == ["FBP", "b", "a"]
    assert found["FBP"] == ["17.00", "0.500", "–"]
    assert found["b"] == ["**21.23**", "**0.900**", "9.0"]
    assert found["a"] == ["20.00", "–", "**3.0**"]


def test_several_seeds_give_the_mean_and_the_worst():
    seeds = [row("a", k, psnr=20.0 + k, seconds=1.0 + k, peak_step=10 * k, peak_memory=2**20) for k in range(3)]
    found = lines(table_text("p", seeds))
    assert found[""] == ["PSNR [dB]", "at", "seconds", "memory [MiB]"]
    assert "**21.00** (20.00)" in found["a"]
    assert "2.0 (3.0)" in found["a"]
    assert "0–20" in found["a"]


def test_what_did_not_come_to_its_end_is_said_and_left_out_of_the_mean():
    rows = [row("a", 0, psnr=20.0), row("a", 1, outcome="diverged", reason="at step 3 | x", fbp_psnr=None)]
    found = table_text("p", [*rows, row("b", outcome="failed", reason="no 'prior'")])
    assert "1 of 2 diverged: at step 3 \\| x" in found
    assert "**20.00**" in found
    assert "failed: no 'prior'" in found


def test_without_scores_there_is_no_such_column():
    found = table_text("p", [row("a", fbp_psnr=None, fbp_ssim=None, steps=5, seconds=1.0)])
    assert "PSNR" not in found
    assert "FBP" not in found


@given(st.lists(st.tuples(SCORES, SCORES, st.sampled_from(["completed", "failed", "not run"])), min_size=1, max_size=6))
def test_every_recipe_has_its_line_and_every_line_as_many_cells(numbers):
    rows = [row(f"r{k}", psnr=score, final_psnr=final, outcome=outcome, fbp_psnr=None, fbp_ssim=None)
            for k, (score, final, outcome) in enumerate(numbers)]  # fmt: skip
    text = table_text("p", [*rows, row("other", problem="q", psnr=99.0)])
    assert len(text.splitlines()) == 2 + len(rows)
    assert len({line.count("|") for line in text.splitlines()}) == 1
    scores = [score for score, _, outcome in numbers if score is not None and outcome == "completed"]
    if len(scores) > 1:
        assert f"**{max(scores):.2f}**" in text


@given(st.lists(st.one_of(st.none(), st.floats(allow_nan=False)), min_size=1, max_size=4))
def test_the_csv_gives_every_number_back(scores):
    rows = [row("a", k, psnr=score, folder=Path("o/p/a") / f"seed-{k}") for k, score in enumerate(scores)]
    read = list(csv.DictReader(io.StringIO(csv_text(rows, Path("o")))))
    assert [None if each["psnr"] == "" else float(each["psnr"]) for each in read] == scores
    assert read[0]["folder"] == "p/a/seed-0"


# --- what is said on the way ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "code", "reason"),
    [
        ("warning: slow\nerror: too little\n  lower it\n", 2, "too little"),
        ("", -9, "its process was ended by SIGKILL: the system ends so what takes too much memory"),
        ("Traceback:\n  here\nZeroDivisionError: division\n", 1, "ZeroDivisionError: division"),
        ("", 7, "its process ended with exit code 7"),
    ],
)
def test_the_reason_is_one_line(said, code, reason):
    assert _reason(said, code) == reason


def test_the_live_view_shows_the_cells_that_run():
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=120)
    under_way = Worker("walnut/tv/seed-0", None, io.BytesIO())
    under_way.take(b'{"share": 0.5, "step": 812, "psnr": 22.5}\nprinted by a block\n{"sha')
    with Overview(console, console, 2, 4) as overview:
        overview.began -= 80
        overview.look([under_way, Worker("walnut/red/seed-0", None, io.BytesIO())])
        overview.progress.refresh()
    shown = file.getvalue()
    for part in ("2/4", "walnut/tv/seed-0", "step 812  PSNR 22.50 dB", "begins", "4 min left"):
        assert part in shown


@given(st.floats(0.01, 50), st.floats(0, 50), st.floats(1, 1e5))
def test_the_time_left_goes_by_what_was_done(done, left, elapsed):
    said = time_left(done, left, elapsed)
    minutes = elapsed * left / done / 60
    if minutes < 1:
        assert "less than a minute" in said
    else:
        number, unit = said.split()[:2]
        assert math.isclose(float(number) * (60 if unit == "h" else 1), minutes, rel_tol=0.05, abs_tol=0.51)
    assert time_left(0, left, elapsed) == ""
