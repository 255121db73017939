"""Every shipped recipe at its defaults: the default problem, the scan `ta` of HTC2022 with 30 views, and two more.

Built on `dipgraph compare`: cut off, the same command goes on. Writes the tables into docs/results.md, each between its
markers, with date, commit and machine; what stands around them stays.

    python benchmarks/results.py --htc ../shared/data/htc2022 [--problem htc2022] [--jobs 2] [--seeds 3]
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

import dipgraph
from dipgraph.data.shipped import shipped

PROBLEMS = ("walnut_phantom", "htc2022", "shepp_logan", "denoise")
VIEWS = ("sirt", "subset_sgd")
"""Recipes that need a scan."""
PAGE = Path(__file__).resolve().parents[1] / "docs" / "results.md"


def put_in(page: str, name: str, content: str) -> str:
    """The page with the content between the markers of that name, in the place of what stood there."""
    begin, end = f"<!-- results: {name} -->\n", f"<!-- end of {name} -->"
    if page.count(begin) != 1 or page.count(end) != 1:
        sys.exit(f"the page has no place for {name}: a line {begin.strip()}, and below it {end}")
    return re.sub(f"(?s){re.escape(begin)}.*?{re.escape(end)}", lambda _: f"{begin}\n{content}\n{end}", page)


def write(asked: argparse.Namespace, name: str, content: str) -> None:
    """Put a table into the page."""
    page = asked.page.read_text(encoding="utf-8")
    asked.page.write_text(put_in(page, name, content), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="*", help="only these, to try it; all that ship by default")
    parser.add_argument("--htc", type=Path, help="folder with htc2022_ta_full.mat, its reference and segmentation")
    parser.add_argument("--problem", dest="problems", action="append", choices=PROBLEMS, help="this one; repeatable")
    parser.add_argument("--out", type=Path, default=Path("comparison-results"))
    parser.add_argument("--page", type=Path, default=PAGE)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--device")
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="NAME=VALUE",
                        help="as for dipgraph compare, to try it")  # fmt: skip
    asked = parser.parse_args()
    problems = [name for name in PROBLEMS
                if name in (asked.problems or PROBLEMS) and (name != "htc2022" or asked.htc)]  # fmt: skip
    settings: dict[str, object] = dict(text.split("=", 1) for text in asked.settings)
    if "htc2022" in problems:
        stem = asked.htc / "htc2022_ta_full"
        scan = {"htc2022.path": f"{stem}.mat", "htc2022.reference": f"{stem}_recon_fbp.mat",
                "htc2022.segmentation": f"{stem}_recon_fbp_seg.mat", "htc2022.views": 30}  # fmt: skip
        settings = scan | settings
    page = asked.page.read_text(encoding="utf-8")
    for name in problems:  # before hours of runs
        put_in(page, name, "")
    seeds = "seed 0" if asked.seeds == 1 else f"seeds 0 to {asked.seeds - 1}, the mean and in brackets the worst"
    tried = f" with {', '.join(asked.settings)}" if asked.settings else ""
    code = 0
    try:
        for name in problems:
            recipes = asked.recipes or [each for each in shipped("recipes") if name != "denoise" or each not in VIEWS]
            others = tuple(f"{other}." for other in PROBLEMS if other != name)
            own = {key: value for key, value in settings.items() if not key.startswith(others)}
            found = dipgraph.compare(
                recipes, [name], seeds=asked.seeds, settings=own, out=asked.out / name, jobs=asked.jobs,
                threads=asked.threads, device=asked.device, quiet=False,
            )  # fmt: skip
            write(asked, name, f"{found.table(name)}\nDefaults{tried}, {seeds}. {found.origin}")
            code = max(code, found.exit_code)
    except dipgraph.DipgraphError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(code)


if __name__ == "__main__":
    main()
