"""The small table that a run ends with: this run beside filtered backprojection."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from dipgraph.data.problem import Problem
from dipgraph.engine.run import Result, Score


def show(result: Result, problem: Problem, console: Console) -> None:
    """Print how a run ended."""
    table = Table(title=Text(f"{problem.name}: {result.outcome.value}"), title_justify="left")
    table.add_column("", no_wrap=True)
    scored = ["PSNR [dB]", "SSIM", *(["Matthews"] if problem.segmentation is not None else [])]
    for heading in (*scored, "peak PSNR [dB]", "at step", "stop at step", "seconds"):
        table.add_column(heading, justify="right")
    peak = result.record.peak
    table.add_row(
        "delivered",
        *_scores(result.score)[: len(scored)],
        _number(peak[1] if peak else None, 2),
        _number(peak[0] if peak else None, 0),
        _number(result.stopped_at, 0),
        _number(result.seconds, 1),
    )
    if result.final is not result.image and result.final_score.psnr != result.score.psnr:
        table.add_row("at the end", *_scores(result.final_score)[: len(scored)], "", _number(result.steps, 0))
    if result.fbp is not None:
        table.add_row("FBP (Hann)", *_scores(result.fbp_score)[: len(scored)])
    console.print(table)
    console.print(result.explanation[:1].upper() + result.explanation[1:] + ".", highlight=False, markup=False)
    if problem.reference is not None:
        regions = {"disc": "in the inscribed disc", "all": "over the image"}
        where = regions.get(str(problem.region), "in the score region")
        console.print(f"PSNR and SSIM {where}, data range the maximum of the reference there.", style="dim")
    else:
        console.print("No reference: no scores.", style="dim")


def _scores(score: Score) -> tuple[str, str, str]:
    return _number(score.psnr, 2), _number(score.ssim, 3), _number(score.matthews, 3)


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"
