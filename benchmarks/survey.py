"""The survey's Table 2 and the curves and images of its Figures 4 to 7, on a walnut scan.

Its methods with the preset `paper` (128 channels, six scales, rate 1e-4, 10 000 gradient steps), seed 1, each to the
end of its budget: PSNR at the peak and when, at the stop, at the end. Meant for walnut 1, orbit 2, 60 of its angles, as
a problem file, and a GPU; without a file it takes the default problem. Built on `dipgraph compare`: cut off, the
same command goes on.

In the folder named by --out: `table.md`; and for each family of methods (the network alone, total variation,
self-guidance, denoisers) a folder under `figures` with `psnr` and `images`.

    python benchmarks/survey.py --problem walnut.yaml [--out survey] [--device cuda] [--jobs 1]
    python benchmarks/survey.py --set gradient_steps=20 --set channels=4 --set scales=2 --set problem.size=32
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path

import dipgraph
from dipgraph.engine.files import write_whole
from dipgraph.reports.comparison.figures import draw_figures
from dipgraph.reports.comparison.table import table_text

SEED = 1
PAPERS = {"hold": "0", "vanilla.stopping": "variance", "vanilla.patience": "1000"}
"""As in the survey: all rays in the loss, and the windowed variance, here of `vanilla` alone, to stop by."""
FAMILIES = {
    "network": ["vanilla", "vanilla, FBP input"],
    "total_variation": ["tv_pdhg", "vanilla", "tv", "tv_hqs"],
    "self_guidance": ["vanilla", "self_guided", "aseq"],
    "denoisers": ["vanilla", "red_apg", "hqs_denoiser", "admm_denoiser"],
}
RECIPES = [name for name in dict.fromkeys(name for names in FAMILIES.values() for name in names) if "," not in name]
ORDER = ["tv_pdhg", "vanilla", "vanilla, FBP input", *(name for name in RECIPES if name not in ("tv_pdhg", "vanilla"))]


def known_to(recipes: list[str], settings: dict[str, str]) -> dict[str, str]:
    """The settings that one of the recipes has, and those of the problem."""
    parameters = {name for recipe in recipes for name in dipgraph.load_recipe(recipe).parameters.declared}
    return {name: text for name, text in settings.items()
            if name in parameters or name.split(".")[0] in ("problem", *recipes)}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problem", default="walnut_phantom", help="a problem file; the default problem without")
    parser.add_argument("--out", type=Path, default=Path("survey"))
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--device")
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="NAME=VALUE")
    asked = parser.parse_args()
    settings = PAPERS | dict(text.split("=", 1) for text in asked.settings)
    how = {"seeds": [SEED], "preset": "paper", "jobs": asked.jobs, "threads": asked.threads, "device": asked.device,
           "quiet": False}  # fmt: skip
    try:
        main_part = dipgraph.compare(RECIPES, asked.problem, settings=settings, out=asked.out / "methods", **how)
        fed = known_to(["vanilla"], settings) | {"vanilla.input": "fbp"}
        fbp_part = dipgraph.compare(["vanilla"], asked.problem, settings=fed, out=asked.out / "fbp_input", **how)
    except dipgraph.DipgraphError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
    rows = [*main_part.rows, *(dataclasses.replace(row, recipe="vanilla, FBP input") for row in fbp_part.rows)]
    rows.sort(key=lambda row: ORDER.index(row.recipe))
    text = f"{table_text(rows[0].problem, rows)}\nPreset `paper`, seed {SEED}. {main_part.origin}"
    write_whole(asked.out / "table.md", text)
    for family, names in FAMILIES.items():
        where = asked.out / "figures" / family
        where.mkdir(parents=True, exist_ok=True)
        draw_figures([row for row in rows if row.recipe in names], where)
    print(text, end="")
    sys.exit(max(main_part.exit_code, fbp_part.exit_code))


if __name__ == "__main__":
    main()
