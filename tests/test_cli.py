"""The command line as a user meets it: what it prints, writes and returns, and one clear message for each mistake."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import re
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from click.testing import CliRunner

import dipgraph
from dipgraph.cli import guarded, main
from dipgraph.data.shipped import shipped
from dipgraph.signatures.errors import DipgraphError
from tests.command_line import call

TINY = ["--set", "gradient_steps=4", "--set", "channels=4", "--set", "scales=2",
        "--set", "problem.size=32", "--set", "problem.views=10"]  # fmt: skip
RECIPE = """recipe: 1
params: {n: {value: 3, min: 1}}
networks: {f: {network.unet: {channels: 2, scales: 2}}}
steps:
  - z: {input.noise: {std: 0.1}}
  - repeat:
      count: n
      steps:
        - f:
            minimise:
              optimiser: {adam: {rate: 1e-3}}
              let: [x: f(z)]
              loss: [fidelity.l2: {of: A(x), to: y}]
track: x
returns: {image: x}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("run") / "out"
    call("run", "admm_denoiser", *TINY, "--set", "inner=2", "--threads", "1", "--out", str(out))
    return out


ONES = """recipe: 1
networks: {f: {network.unet: {channels: 2, scales: 2}}}
steps: [{w: f(ones(X))}, {repeat: {count: 1, steps: [{x: ones(X)}]}}]
track: x
returns: {image: x}
"""


def test_an_image_at_the_top_of_the_networks_range_is_told_in_every_way_of_running(tmp_path):
    recipe = tmp_path / "ones.yaml"
    recipe.write_text(ONES)
    for mode in ("--quiet", "--json-lines"):
        out = tmp_path / mode
        told = CliRunner().invoke(main, ["run", str(recipe), *TINY[-4:], mode, "--out", str(out)])
        assert "warning: 100.0% of the pixels reach the scale" in told.stderr
        assert json.loads((out / "summary.json").read_text())["saturated"] == 1.0
    with pytest.warns(UserWarning, match="raise the problem's scale"):
        dipgraph.run(recipe, settings={"problem.size": 32, "problem.views": 10})


def test_a_run_leaves_its_folder(folder):
    assert {path.name for path in folder.iterdir()} == {
        "reconstruction.tiff", "reconstruction.png", "last.tiff", "last.png", "history.csv", "recipe.yaml",
        "problem.yaml", "summary.json", "weights.safetensors", "run.json", "citations.bib",
        "fbp.tiff", "fbp.png", "reference.tiff", "reference.png",
    }  # fmt: skip
    image = tifffile.imread(folder / "reconstruction.tiff")
    assert (image.dtype, image.shape) == (np.float32, (32, 32))
    summary = json.loads((folder / "summary.json").read_text())
    wanted = {"psnr", "ssim", "final_psnr", "peak_psnr", "peak_iteration", "stop_iteration", "iterations", "fbp_psnr",
              "seconds", "device", "threads", "seed", "outcome"}  # fmt: skip
    assert wanted <= set(summary)
    assert (summary["iterations"], summary["outcome"], summary["threads"]) == (4, "completed", 1)
    rows = list(csv.DictReader((folder / "history.csv").open()))
    assert [int(row["step"]) for row in rows] == [1, 2, 3, 4]
    assert [bool(row["psnr"]) for row in rows] == [False, True, False, True]
    assert float(rows[-1]["psnr"]) == pytest.approx(summary["final_psnr"], abs=1e-3)
    assert float(rows[0]["loss"]) == pytest.approx(float(rows[0]["fidelity.l2"]) + float(rows[0]["penalty.l2"]))


def test_the_image_is_in_the_problems_unit(folder):
    summary = json.loads((folder / "summary.json").read_text())
    image = tifffile.imread(folder / "reconstruction.tiff")
    assert summary["unit"] == "1/mm"
    assert 0 < image.max() <= summary["scale"] * (1 + 1e-6)


def test_the_resolved_files_give_the_same_numbers(folder, tmp_path):
    again = tmp_path / "again"
    files = [str(folder / "recipe.yaml"), "--problem", str(folder / "problem.yaml")]
    call("run", *files, "--threads", "1", "--out", str(again))
    images = [tifffile.imread(path / "reconstruction.tiff") for path in (folder, again)]
    assert np.array_equal(*images)
    first, second = (json.loads((path / "summary.json").read_text()) for path in (folder, again))
    varying = {"seconds": 0, "peak_memory": 0}  # of the process, which earlier tests may have grown
    assert first | varying == second | varying
    assert (folder / "history.csv").read_text() == (again / "history.csv").read_text()


def test_a_folder_that_holds_a_run_is_not_overwritten(folder):
    before = (folder / "summary.json").read_text()
    said = call("run", "vanilla", *TINY, "--out", str(folder), code=2)
    assert "holds a run already" in said
    assert "--overwrite" in said
    assert (folder / "summary.json").read_text() == before


def test_a_problem_without_a_reference_has_no_scores(tmp_path):
    recipe, data = tmp_path / "r.yaml", tmp_path / "y.npy"
    recipe.write_text(RECIPE)
    np.save(data, np.random.default_rng(0).uniform(0.1, 1, (12, 24)))
    problem = tmp_path / "p.yaml"
    problem.write_text(
        "problem: 1\nparams: {path: {file: y.npy}}\nread: {array: {path: path}}\n"
        "geometry: {parallel: {views: 12, arc: 180 deg, detectors: 24, pitch: 1 pixel}}\n"
        "image: {shape: [16, 16], pixel: 1 mm}\nscale: estimate\n"
    )
    if "E" in (said := CliRunner().invoke(main, ["problem", "show", str(problem)])).output and said.exit_code:
        pytest.fail(said.output)
    call("run", str(recipe), "--problem", str(problem), "--out", str(tmp_path / "o"))
    summary = json.loads((tmp_path / "o" / "summary.json").read_text())
    scores = ("psnr", "ssim", "final_psnr", "peak_psnr", "peak_iteration", "fbp_psnr")
    assert [summary[key] for key in scores] == [None] * 6


MISTAKES = {
    "misspelt recipe": (["run", "vanila"], "did you mean 'vanilla'?"),
    "misspelt problem": (["run", "vanilla", "--problem", "walnut"], "walnut_phantom"),
    "missing recipe file": (["run", "nowhere/r.yaml"], "nowhere/r.yaml"),
    "missing problem file": (["run", "vanilla", "--problem", "p.yaml"], "p.yaml"),
    "misspelt parameter": (["run", "vanilla", "--set", "chanels=4"], "did you mean 'channels'?"),
    "misspelt problem parameter": (["run", "vanilla", "--set", "problem.vews=4"], "views"),
    "misspelt preset": (["run", "vanilla", "--preset", "papr"], "did you mean 'paper'?"),
    "setting without a value": (["run", "vanilla", "--set", "rate"], "name=value"),
    "value out of range": (["run", "vanilla", "--set", "rate=-1"], "must be above 0"),
    "value of the wrong kind": (["run", "vanilla", "--set", "gradient_steps=2.5"], "whole number"),
    "a word that is none": (["run", "vanilla", "--set", "input=nose"], "did you mean 'noise'?"),
    "a device that is none": (["run", "vanilla", "--device", "tpu"], "tpu"),
    "a file that is asked for": (["run", "vanilla", "--problem", "htc2022"], "path"),
    "a file that is not there": (["run", "vanilla", "--problem", "htc2022", "--set", "problem.path=no.mat"], "no.mat"),
    "a name the problem lacks": (["run", "vanilla", "--set", "input=prior"], "has no 'prior'"),
    "too small an image": (["run", "vanilla", "--set", "problem.size=16", "--set", "scales=9"], "scales"),
    "denoiser without weights": (["run", "admm_denoiser", "--set", "denoiser=dncnn"], "weights"),
    "unknown block": (["blocks", "prox.tvv"], "did you mean 'prox.tv'?"),
    "a drawing of no geometry": (["problem", "show", "denoise", "-o", "g.svg"], "no scan geometry to draw"),
    "nothing to verify on": (["verify", "vanilla", "--problem", "walnut"], "walnut_phantom"),
    "unknown drawing": (["graph", "vanilla", "-o", "g.pdf"], ".svg"),
    "unknown drawing of a problem": (["problem", "show", "walnut_phantom", "-o", "g.pdf"], "end it in .svg"),
    "a drawing in no folder": (["graph", "vanilla", "-o", "no/g.svg"], "cannot write the file"),
    "a geometry in no folder": (["problem", "show", "walnut_phantom", "-o", "no/g.svg"], "cannot write the file"),
    "a problem's setting for check": (["check", "vanilla", "--set", "problem.vews=3"], "no problem is given"),
    "a problem's setting for graph": (["graph", "vanilla", "--set", "problem.vews=3"], "no problem is given"),
    "no word": (["check", "vanilla", "--set", "input="], "no word stands here"),
    "more threads than cores": (["run", "vanilla", "--threads", "100000"], "the number of this machine's cores"),
    "more channels than memory": (
        ["check", "vanilla", "--problem", "walnut_phantom", "--set", "channels=100000"],
        "channels 100000",
    ),
    "an empty name": (["check", ""], "the name of the recipe is empty"),
    "a name too long": (["check", "a" * 400], "too long"),
    "a name too long for a folder": (["run", "vanilla", "--out", "o" * 400], "too long"),
    "a path to a file that is not there": (["check", "./vanilla"], "no recipe file './vanilla'"),
    "a problem for a recipe": (["check", "htc2022"], "name a recipe first, and this one with --problem"),
    "a recipe for a problem": (["run", "vanilla", "--problem", "tv"], "'tv' is a recipe, not a problem"),
    "a folder that holds no run": (["plot", "."], "name the folder of a run"),
    "a path too long for weights": (
        ["run", "admm_denoiser", "--set", "denoiser=dncnn", "--set", f"weights={'w' * 400}"],
        "too long",
    ),
    "an empty file": (["check", os.devnull], "the document is empty"),
    "an empty folder name": (["run", "vanilla", "--out", ""], "the name is empty"),
    "a fault of the recipe's settings": (["check", "vanilla", "--set", "rate=1/0"], "divides by zero"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_get_one_clear_message(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments, said = MISTAKES[name]
    assert said in call(*arguments, code=2)
    assert not list(tmp_path.rglob("summary.json"))


DENOISED = """recipe: 1
params: {weights: {file: none}, sigma: 0.1}
steps:
  - repeat:
      count: 2
      carry: {x: fbp(y)}
      steps:
        - x: {STEP}
track: x
returns: {image: x}
"""
POISSON = """recipe: 1
networks: {f: {network.unet: {channels: 2, scales: 2}}}
steps:
  - z: {input.noise: {std: 0.1}}
  - repeat:
      count: 2
      steps:
        - f:
            minimise:
              optimiser: {adam: {rate: 1e-3}}
              let: [x: f(z)]
              loss: [fidelity.poisson: {of: A(x), counts: counts, blank: blank, unit: data_unit}]
track: x
returns: {image: x}
"""
DNCNN = "denoise.dncnn: {of: x, sigma: sigma, weights: weights}"
BALL = "project.ball: {of: x, radius: RADIUS}"
REFUSED = {
    "weights of another network": (DNCNN, ["weights=foreign.pth"], "E802", "another network than denoise.dncnn"),
    "a file that holds no weights": (DNCNN, ["weights=text.pth"], "E802", "is no weights file"),
    "a network in place of its weights": (DNCNN, ["weights=nested.pth"], "E802", "no state dict"),
    "weights that are not there": (DNCNN, ["weights=nowhere.pth"], "E706|E802|E206", "nowhere.pth"),
    "no weights": (DNCNN, [], "E802", "needs a file with the network's weights"),
    "no bm3d": ("denoise.bm3d: {of: x, sigma: sigma}", [], "E802", 'pip install "dipgraph[bm3d]"'),
    "no wavelets": ("denoise.wavelet: {of: x, sigma: sigma}", [], "E802", 'pip install "dipgraph[wavelets]"'),
    "no deepinv": ("denoise.drunet: {of: x, sigma: sigma, weights: weights}", ["weights=foreign.pth"], "E802",
                   'pip install "dipgraph[deepinv]"'),
    "no pyproximal": ("prox.pyproximal: {of: x, weight: sigma, functional: l1}", [], "E802",
                      'pip install "dipgraph[pyproximal]"'),
    "sigma of 0": ("denoise.nlm: {of: x, sigma: sigma}", ["sigma=0.0"], "E405", "it must be a number, above 0"),
    "negative sigma": ("denoise.tv: {of: x, sigma: sigma}", ["sigma=-0.1"], "E405", "it must be a number, at least 0"),
    "sigma of the problem, which is 0": ("denoise.nlm: {of: x, sigma: noise_level}", ["problem.noise=0"], "E803",
                                         "noise_level is 0 on the problem 'walnut_phantom'"),
    "sigma without a value": ("denoise.nlm: {of: x, sigma: 0/norm(zeros(X))}", [], "E803", "'sigma' is nan"),
    "an empty box": ("project.box: {of: x, low: 1, high: sigma}", [], "E802", "it goes from 1 to 0.1"),
    "a ball of radius 0": (BALL.replace("RADIUS", "0"), [], "E405", "it must be a number, above 0"),
    "a ball of computed radius 0": (BALL.replace("RADIUS", "2*noise_level"), ["problem.noise=0"], "E803",
                                    "it must be a number, above 0"),
}  # fmt: skip


def only_fault(arguments: list[str]) -> str:
    """What a command that finds one fault says: a place and a code, once."""
    said = call(*arguments, code=2)
    assert len(re.findall(r"^\S+:\d+:\d+: [EW]\d+ ", said, flags=re.MULTILINE)) == 1, said
    return said


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_block_cannot_take_gets_one_located_message(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for package in ("bm3d", "pywt", "deepinv", "deepinv.models", "deepinv.models.drunet", "pyproximal"):
        monkeypatch.setitem(sys.modules, package, None)
    torch.save({"conv.weight": torch.ones(2)}, "foreign.pth")
    torch.save({"model": {"conv.weight": torch.ones(2)}}, "nested.pth")
    Path("text.pth").write_text("no weights")
    step, settings, code, said = REFUSED[name]
    Path("r.yaml").write_text(DENOISED.replace("STEP", step))
    small = ["problem.size=32", "problem.views=10", *settings]
    output = only_fault(["run", "r.yaml", "--out", "o", *(word for each in small for word in ("--set", each))])
    assert re.search(rf"r\.yaml:\d+:\d+: ({code}) |--set:1:\d+: ({code}) ", output), output
    assert said in output
    assert not list(tmp_path.rglob("summary.json"))


@pytest.mark.parametrize(
    ("value", "said"),
    [("0", "E206 'sigma' is 0; it must be above 0"), ("-1", "E206 'sigma' is -1; it must be above 0"),
     ("nan", "E201 'nan' is no parameter")],
)  # fmt: skip
def test_a_strength_out_of_range_is_told_where_it_is_set(value, said):
    output = only_fault(["run", "admm_denoiser", "--set", f"sigma={value}"])
    assert output.startswith(f"--set:1:7: {said}")


def test_shipped_recipes_refuse_what_they_cannot_do(tmp_path):
    tiny = [*TINY, "--out", str(tmp_path / "o")]
    many = only_fault(["run", "subset_sgd", *tiny, "--set", "subsets=11", "--set", "gradient_steps=11"])
    assert "E802 subset.next" in many
    assert "11 subsets of 10 views" in many
    assert "use at most 10" in many
    other = [*TINY, "--out", str(tmp_path / "b"), "--set", "inner=2"]
    ball = only_fault(["run", "constrained", *other, "--set", "noise=known", "--set", "problem.noise=0"])
    assert "E803 'radius' is 0; it must be a number, above 0" in ball
    assert not list(tmp_path.rglob("summary.json"))


def test_counts_that_a_problem_lacks_are_one_located_message(tmp_path):
    (tmp_path / "r.yaml").write_text(POISSON)
    said = only_fault(["run", str(tmp_path / "r.yaml"), "--set", "problem.size=32", "--out", str(tmp_path / "o")])
    assert "E801 the problem 'walnut_phantom' has no 'counts' and no 'blank'" in said
    assert "kind: poisson" in said


TEXTS = {
    "empty": ("", "E106"),
    "not YAML": ("recipe: [1", "E101"),
    "tab": ("recipe: 1\nsteps:\n\t- x: 1", "E105"),
    "alias": ("recipe: &a 1\nsteps: *a", "E103"),
    "tag": ("recipe: !!python/object:os.system 1", "E104"),
    "nested": ("a: " + "[" * 1000, "E109"),
    "block": (RECIPE.replace("fidelity.l2", "fidelity.l3"), "did you mean 'fidelity.l2'?"),
    "port": (RECIPE.replace("to: y", "too: y"), "did you mean 'to'?"),
    "space": (RECIPE.replace("of: A(x)", "of: x"), "E302"),
}


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("command", ["check", "run"])
def test_recipes_with_faults_are_told_where(name, command, tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text(TEXTS[name][0])
    output = CliRunner().invoke(main, [command, str(path)])
    assert output.exit_code == 2
    assert isinstance(output.exception, SystemExit)
    assert TEXTS[name][1] in output.output
    assert f"{path}:" in output.output


def test_a_ten_megabyte_recipe_is_refused_at_once(tmp_path):
    path = tmp_path / "big.yaml"
    path.write_text("recipe: " + "x" * 10_000_000)
    assert "10000008 bytes" in call("check", str(path), code=2)


def test_binary_and_folders_are_no_recipes(tmp_path):
    path = tmp_path / "data.yaml"
    path.write_bytes(bytes(range(128, 256)))
    assert "not UTF-8" in call("check", str(path), code=2)
    assert "folder" in call("check", str(tmp_path), code=2)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_no_permission_is_told_before_the_run(tmp_path):
    tmp_path.chmod(0o500)
    assert "cannot write there" in call("run", "vanilla", *TINY, "--out", str(tmp_path / "o"), code=2)


def test_a_file_in_the_way_is_told_before_the_run(tmp_path):
    (tmp_path / "o").write_text("")
    assert "is a file" in call("run", "vanilla", *TINY, "--out", str(tmp_path / "o"), code=2)
    assert "cannot write there" in call("run", "vanilla", *TINY, "--out", str(tmp_path / "o" / "p"), code=2)


def interrupt_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have Ctrl-C come when the run has done so many steps."""
    from dipgraph.reports.progress import Bars

    def look(bars: Bars) -> None:
        if bars.run.steps == step:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Bars, "look", look)


def test_interrupting_keeps_what_was_reached(tmp_path, monkeypatch):
    interrupt_at(3, monkeypatch)
    call("run", "vanilla", *TINY, "--out", str(tmp_path / "o"), code=130)
    summary = json.loads((tmp_path / "o" / "summary.json").read_text())
    assert (summary["outcome"], summary["iterations"]) == ("interrupted", 3)
    assert (tmp_path / "o" / "reconstruction.tiff").exists()


def test_interrupting_before_the_first_image_says_so(tmp_path, monkeypatch):
    interrupt_at(1, monkeypatch)
    said = call("run", "admm_denoiser", *TINY, "--set", "inner=2", "--out", str(tmp_path / "o"), code=130)
    assert "no image yet" in said
    assert "dipgraph resume" in said
    assert not (tmp_path / "o" / "summary.json").exists()


@pytest.mark.parametrize("command", ["check", "run"])
@pytest.mark.parametrize("asked", ["vanilla --set rate=1/0", "admm_denoiser --set gradient_steps=3"])
def test_warnings_are_not_told_beside_the_fault_that_causes_them(command, asked):
    said = call(command, *asked.split(), code=2)
    assert said.count("\n    ^") + said.count(" ^") == 1, said
    assert "W6" not in said


def test_a_blank_line_has_no_caret_under_it():
    said = call("check", "vanilla", "--preset", "", code=2)
    assert said == "--preset:1:1: E205 no preset ''\n    there is paper, all_rays\n"


def test_files_that_were_read_are_shown_in_words(tmp_path):
    np.save(tmp_path / "y.npy", np.ones((8, 8)))
    (tmp_path / "p.yaml").write_text(
        "problem: 1\nread: {array: {path: y.npy, quantity: values}}\noperator: identity\n"
        "image: {shape: [8, 8], pixel: 1 px}\n"
    )
    said = call("problem", "show", str(tmp_path / "p.yaml"))
    assert f"{tmp_path.resolve() / 'y.npy'} (640 bytes, SHA-256 " in said
    assert "FileRecord" not in said


@pytest.mark.parametrize("name", shipped("recipes"))
def test_shipped_recipes_check_clean(name):
    assert "0 warnings, no error" in call("check", name)


def test_check_on_a_problem_says_what_it_needs():
    said = call("check", "vanilla", "--problem", "walnut_phantom", "--set", "problem.size=32")
    assert "MiB" in said
    assert "no error" in said


def test_blocks_are_listed_and_described():
    assert "prox.tv" in call("blocks")
    one = call("blocks", "fidelity.l2")
    assert "of:" in one
    assert "weight" in one
    assert "fidelity.l2" in call("blocks", "fidelity")


def test_a_block_says_each_thing_once():
    said = call("blocks", "prox.tv")
    about = said.partition(": ")[2].splitlines()[0]
    assert said.count(about) == 1
    assert "Parameters" not in said
    assert "References" in said


def test_shipped_files_are_listed():
    said = call("list")
    assert "admm_denoiser" in said
    assert "walnut_phantom" in said


@pytest.mark.parametrize("ending", [".svg", ".dot", ".mmd"])
def test_graphs_are_drawn(ending, tmp_path):
    path = tmp_path / f"g{ending}"
    call("graph", "admm_denoiser", "-o", str(path))
    assert path.stat().st_size > 500
    assert "minimise" in call("graph", "admm_denoiser")


def test_problems_are_shown_and_drawn(tmp_path):
    path = tmp_path / "geometry.svg"
    assert "128 x 128" in call("problem", "show", "walnut_phantom", "-o", str(path))
    assert path.read_text().startswith("<")


def test_an_interruption_that_a_package_turned_into_another_error_is_one() -> None:
    @guarded
    def importing() -> None:
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt as error:
            raise ImportError("no numerics") from error

    with pytest.raises(SystemExit) as ended:
        importing()
    assert ended.value.code == 130


@pytest.mark.parametrize("fault", [RecursionError, DipgraphError, ImportError])
def test_an_interruption_that_a_package_swallowed_is_one_whatever_fails_of_it(fault: type[Exception]) -> None:
    @guarded
    def importing() -> None:
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        raise fault("half imported")

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever began the tests may have it ignored
    try:
        with pytest.raises(SystemExit) as ended:
            importing()
        assert ended.value.code == 130
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_strength_beyond_the_precision_is_a_run_that_diverges(tmp_path):
    said = call(
        "run", "admm_denoiser", *TINY, "--set", "inner=2", "--set", "sigma=1e300", "--out", str(tmp_path / "o"), code=1
    )
    assert "no longer finite" in said


def test_warnings_are_told_without_the_code_that_gave_them(tmp_path):
    np.save(tmp_path / "y.npy", np.ones((12, 8)))
    (tmp_path / "p.yaml").write_text("""problem: 1
read: {array: {path: y.npy}}
geometry: {parallel: {pitch: 1 mm}}
image: {shape: [16, 16], pixel: 1 mm}
""")
    said = call("problem", "show", str(tmp_path / "p.yaml"))
    (line,) = [line for line in said.splitlines() if "whole views" in line]
    assert line.startswith("warning: filtered back projection needs whole views")
    assert "UserWarning" not in said
    assert ".py" not in said
