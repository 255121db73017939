"""Problem files: each fault at its place, settings, units, own data, and the resolved form giving the same numbers."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import yaml

from dipgraph.data import Problem, load_problem, read_problem, shipped
from dipgraph.data.problem_file import problem_file
from dipgraph.data.shipped import locate
from dipgraph.language.diagnostics import Faults, Source
from dipgraph.signatures.errors import DipgraphError, InputError

SMALL = """problem: 1
about: small
params:
  views: {value: 6, min: 1}
  noise: 0.01
  scan: {file: none}
  words: {value: gaussian, of: [gaussian, poisson]}
simulate: {phantom: {walnut: {seed: 0}}, value: 0.05 per mm, refine: 2, kernel: strip}
geometry:
  fan: {views: views, detectors: 24, pitch: 2.0 pixel, source_origin: 20 mm, origin_detector: 2 cm}
prepare:
  - noise: {kind: words, level: noise, seed: 0}
image: {shape: [16, 16], pixel: 0.5 mm}
scale: 0.0125 per pixel
"""


def load(text: str, base: Path | None = None, **settings: object) -> Problem:
    return read_problem(Source("p.yaml", text), base).load(settings)


def faults(text: str, **settings: object) -> list[str]:
    with pytest.raises(Faults) as caught:
        load(text, **settings)
    assert "Traceback" not in str(caught.value)
    return [f"{fault.mark.line + 1}:{fault.mark.column + 1} {fault.code}" for fault in caught.value.faults]


def test_lengths_take_their_units() -> None:
    problem = load(SMALL)
    geometry = problem.A.geometry
    assert (geometry.pitch, geometry.source_origin, geometry.origin_detector) == (1.0, 20.0, 20.0)
    assert (problem.pixel, problem.unit, problem.value_unit) == (0.5, "mm", "1/mm")
    assert problem.scale == pytest.approx(0.025)
    assert problem.reference is not None
    assert 0.03 < problem.reference.max() < 0.05
    assert problem.noise_level == pytest.approx(0.01 * 0.3, rel=0.5)


def test_other_units_give_the_same_problem() -> None:
    other = SMALL.replace("0.5 mm", "500 um").replace("20 mm", "40 pixel").replace("0.05 per mm", "50 per m")
    np.testing.assert_allclose(load(other).y, load(SMALL).y, rtol=1e-6)


def test_the_order_of_keys_is_irrelevant() -> None:
    content = yaml.safe_load(SMALL)
    draw = random.Random(0)
    expected = load(SMALL)
    for _ in range(5):
        keys = list(content)
        draw.shuffle(keys)
        shuffled = load(yaml.safe_dump({key: content[key] for key in keys}, sort_keys=False))
        np.testing.assert_array_equal(shuffled.y, expected.y)


def test_settings_by_text_or_number_and_words() -> None:
    assert load(SMALL, views=9).y.shape == load(SMALL, views="9").y.shape == (9, 24)
    assert faults(SMALL, words="laplace") == ["1:15 E206"]
    noisy = load(SMALL.replace("level: noise", "photons: 1000"), words="poisson")
    assert noisy.counts is not None
    assert noisy.blank is not None
    assert noisy.noise_level is None


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("problem: 1", "problem: 2", "1:10 E703"),
        ("problem: 1\n", "", "1:1 E702"),
        ("problem: 1", "recipe: 1", "1:1 E702"),
        ("about: small", "abuot: small", "2:1 E701"),
        ("about: small", "about: [small]", "2:8 E703"),
        ("{value: 6, min: 1}", "{value: 6, mni: 1}", "4:21 E108"),
        ("{value: 6, min: 1}", "{value: 0, min: 1}", "4:18 E206"),
        ("phantom: {walnut", "phantom: {wallnut", "8:22 E704"),
        ("{seed: 0}}", "{sed: 0}}", "8:31 E701"),
        ("{seed: 0}}", "{seed: -1}}", "8:37 E703"),
        ("{seed: 0}}", "{seed: 0.5}}", "8:37 E703"),
        ("refine: 2", "refine: 0", "8:70 E703"),
        ("kernel: strip", "kernel: strap", "8:81 E703"),
        ("0.05 per mm", "0.05 mm", "8:49 E705"),
        ("0.05 per mm", "-1 per mm", "8:49 E703"),
        ("0.05 per mm", "0.05 per mmm", "8:58 E705"),
        ("phantom: {walnut: {seed: 0}}, ", "", "8:11 E702"),
        ("simulate:", "simulat:", "8:1 E701"),
        ("  fan:", "  cone:", "10:3 E704"),
        ("views: views, ", "views: veiws, ", "10:16 E201"),
        ("views: views, ", "", "10:3 E707"),
        ("detectors: 24, ", "", "10:3 E707"),
        ("pitch: 2.0 pixel", "pitch: 2.0", "10:45 E705"),
        ("pitch: 2.0 pixel", "pitch: 2.0 px", "10:45 E705"),
        ("pitch: 2.0 pixel", "pitch: 0 pixel", "10:3 E707"),
        ("pitch: 2.0 pixel, ", "", "10:3 E702"),
        ("20 mm", "20 deg", "10:71 E705"),
        ("source_origin: 20 mm", "source_origin: 2 mm", "10:3 E707"),
        ("  - noise:", "  - nosie:", "12:5 E704"),
        ("  - noise:", "  noise:", "12:3 E703"),
        ("level: noise", "level: scan", "12:33 E703"),
        ("level: noise", "level: [1]", "12:33 E107"),
        ("level: noise, ", "", "12:5 E707"),
        ("level: noise, seed: 0", "level:", "12:26 E703"),
        ("kind: words", "kind: noise", "12:19 E703"),
        ("[16, 16]", "[16]", "13:16 E703"),
        ("[16, 16]", "[16, 31/2]", "13:21 E703"),
        ("pixel: 0.5 mm", "pixel: 0.5", "13:33 E705"),
        ("pixel: 0.5 mm", "pixel: -1 mm", "13:33 E703"),
        ("pixel: 0.5 mm", "pixel: 1e300 mm", "13:33 E703"),
        ("pixel: 0.5 mm", "pixel: 1e-300 mm", "13:33 E703"),
        ("[16, 16]", "[1000000, 1000000]", "13:16 E703"),
        ("views: views, ", "views: 1000000000000, ", "10:3 E707"),
        ("pitch: 2.0 pixel", "pitch: 1e300 mm", "10:3 E707"),
        ("refine: 2", "refine: 1000000", "8:22 E707"),
        (", pixel: 0.5 mm", "", "13:8 E702"),
        ("image:", "imag:", "13:1 E701"),
        ("0.0125 per pixel", "0 per pixel", "14:8 E703"),
        ("0.0125 per pixel", "0.0125 pixel", "14:8 E705"),
        ("scale: 0.0125 per pixel", "score: {region: circle}", "14:17 E703"),
        ("scale: 0.0125 per pixel", "operator: blur", "14:11 E703"),
        ("scale: 0.0125 per pixel", "reference: {matlab: {path: sacn}}", "14:28 E707"),
        ("scale: 0.0125 per pixel", "reference: {matlab: {path: views}}", "14:28 E703"),
        ("scale: 0.0125 per pixel", "read: {array: {path: scan}}", "8:1 E702"),
        ("scale: 0.0125 per pixel", "files: [1]", "14:8 E703"),
        ("views: views, ", "angles: scan, ", "10:17 E706"),
        (
            "simulate: {phantom: {walnut: {seed: 0}}, value: 0.05 per mm, refine: 2, kernel: strip}",
            "read: {array: {path: scan}}",
            "8:22 E706",
        ),
    ],
)
def test_every_fault_has_its_place(old: str, new: str, place: str) -> None:
    assert SMALL.count(old) == 1
    assert place in faults(SMALL.replace(old, new))


def test_all_faults_come_at_once() -> None:
    text = (
        SMALL.replace("walnut", "wallnut")
        .replace("24", "0")
        .replace("kind: words", "kid: words")
        .replace("0.5 mm", "5")
    )
    assert [line.split()[1] for line in faults(text)] == ["E704", "E703", "E701", "E705"]


def test_a_required_file_is_asked_for_by_name() -> None:
    with pytest.raises(Faults) as caught:
        load_problem("htc2022")
    (fault,) = caught.value.faults
    text = locate("problems", "htc2022").read_text(encoding="utf-8").splitlines()
    (line,) = (number for number, words in enumerate(text) if words.strip().startswith("path:"))
    assert (fault.code, fault.mark.line, fault.mark.column) == ("E706", line, text[line].index("path"))
    assert "the problem needs a file: 'path' (the scan's MATLAB file" in str(caught.value)
    assert "--set problem.path=FILE" in str(caught.value)


def test_names_and_paths_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert locate("problems", "walnut_phantom") == shipped("problems")["walnut_phantom"]
    with pytest.raises(InputError, match="no problem is called 'wallnut_phantom'") as caught:
        locate("problems", "wallnut_phantom")
    assert caught.value.remedy == "did you mean 'walnut_phantom'?"
    with pytest.raises(InputError, match=r"no problem file 'absent\.yaml'"):
        locate("problems", "absent.yaml")
    with pytest.raises(InputError, match="is a folder"):
        locate("problems", tmp_path)
    monkeypatch.chdir(tmp_path)
    Path("walnut_phantom").write_text(SMALL)
    assert problem_file("walnut_phantom").about == "small"


OWN = """problem: 1
params: {scan: {file: required}}
read: {array: {path: scan, key: sinogram}}
geometry: {parallel: {pitch: 1 mm, angles: scan, key: angles}}
image: {shape: [8, 8], pixel: 1 mm}
reference: {array: {path: scan, key: image}}
"""


def write_own(path: Path, views: int = 5, **changes: object) -> str:
    held = {"sinogram": np.ones((views, 12)), "angles": np.arange(views) * 30.0, "image": np.ones((16, 16))} | changes
    np.savez(path, **held)  # type: ignore[arg-type]
    return str(path)


def test_own_data_with_angles_from_a_file(tmp_path: Path) -> None:
    problem = load(OWN, scan=write_own(tmp_path / "scan.npz"))
    assert problem.y.shape == (5, 12)
    np.testing.assert_allclose(problem.A.geometry.angles, np.arange(5) * np.pi / 6)
    assert problem.reference is not None
    assert problem.reference.shape == (8, 8)
    assert [record.path.name for record in problem.provenance] == ["scan.npz"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"angles": np.arange(4.0)}, "there are 4 angles in scan.npz, and 5 views"),
        ({"angles": np.zeros(5)}, "same angle"),
        ({"sinogram": np.full((5, 12), np.nan)}, "60 values that are NaN"),
        ({"sinogram": np.ones(5)}, "a sinogram has two axes"),
        ({"sinogram": np.zeros((5, 12))}, "every value of the data is 0"),
        ({"sinogram": np.ones((1, 5, 12))}, r"shape \(1, 5, 12\)(.|\n)*give one slice of the scan"),
        ({"angles": np.array(["0", "30", "60", "90", "x"])}, "the angles holds <U2, not numbers"),
        ({"angles": np.arange(5) * 1j}, "the angles is complex"),
        ({"angles": np.array([0.0, 30, np.nan, 90, 120])}, r"the angles has 1 value that is NaN or infinite.*\(2\)"),
        ({"image": np.ones((12, 16))}, "does not fit a grid of 8 x 8"),
        ({"image": np.zeros((16, 16))}, "is 0"),
    ],
)
def test_own_data_that_do_not_fit(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(Faults, match=message):
        load(OWN, scan=write_own(tmp_path / "scan.npz", **changes))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("key: angles}", "key: angles, arc: 180 deg}", "'arc' is given, and the angles are those of scan.npz"),
        ("key: angles}", "key: angles, start: 0 rad}", "'start' is given, and the angles are those of scan.npz"),
        ("angles: scan, key: angles}", "key: angles}", "'key' is given, and there is no file of angles"),
        ("angles: scan, key: angles}", "angle_unit: rad}", "'angle_unit' is given, and there is no file of angles"),
    ],
)
def test_options_without_effect_are_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(Faults, match=message):
        load(OWN.replace(old, new), scan=write_own(tmp_path / "scan.npz"))


def test_a_single_detector_pixel_has_no_formula_and_is_solved_without(tmp_path: Path) -> None:
    path = write_own(tmp_path / "scan.npz", views=12, sinogram=np.ones((12, 1)))
    text = OWN.replace("pitch: 1 mm", "pitch: 12 mm")
    assert load(text, scan=path).fbp is None
    with pytest.raises(Faults, match="filtered back projection does not apply"):
        load(text.replace("{array: {path: scan, key: image}}", "{fbp: {}}"), scan=path)


def test_paths_that_cannot_be_looked_at_are_told_at_their_place() -> None:
    text = OWN.replace("params: {scan: {file: required}}\n", "")
    for path, told in (("a" * 5000, "too long"), ("~nobody_of_this_name/a.npz", "home")):
        with pytest.raises(Faults, match=told) as caught:
            load(text.replace("scan,", f"{path},"))
        assert [(fault.code, fault.line) for fault in caught.value.faults] == [("E707", line) for line in (2, 3, 5)]
        with pytest.raises(Faults, match=told):
            load(OWN, scan=path)


def test_a_real_number_for_a_whole_one_is_told_how_to_write_it() -> None:
    with pytest.raises(Faults, match="write 1000"):
        load(SMALL.replace("seed: 0}\nimage", "seed: 1e3}\nimage"))
    with pytest.raises(Faults, match=r"round it: floor\(...\)"):
        load(SMALL.replace("seed: 0}\nimage", "seed: 3/2}\nimage"))


def test_data_times_zero_are_refused_where_it_stands() -> None:
    assert faults(SMALL.replace("prepare:\n", "prepare:\n  - multiply: {by: 0}\n")) == ["12:5 E707"]


def test_hashes_by_a_path_relative_to_the_file_are_checked(tmp_path: Path) -> None:
    write_own(tmp_path / "scan.npz")
    text = OWN.replace("params: {scan: {file: required}}\n", "").replace("scan,", "scan.npz,")
    with pytest.raises(Faults, match="E708 the file has changed"):
        load(text + "files: {scan.npz: 0123}\n", tmp_path)


def test_paths_in_a_file_are_relative_to_it_and_settings_to_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    write_own(folder / "scan.npz")
    (folder / "p.yaml").write_text(OWN.replace("params: {scan: {file: required}}\n", "").replace("scan,", "scan.npz,"))
    (folder / "q.yaml").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    assert load_problem("folder/p.yaml").y.shape == (5, 12)
    assert load_problem("folder/q.yaml", {"scan": "folder/scan.npz"}).y.shape == (5, 12)
    with pytest.raises(Faults, match="no such file"):
        load_problem("folder/q.yaml", {"scan": "scan.npz"})


def test_a_problem_is_called_as_its_text_says_or_as_its_file() -> None:
    assert load(SMALL).name == "p"
    assert load(SMALL.replace("about: small", "name: a walnut (2)")).name == "a walnut (2)"
    for wrong in ("../p", "a\\b", "[p]", "''", '"a\\nb"'):
        assert faults(SMALL.replace("about: small", f"name: {wrong}")) == ["2:7 E703"]


def assert_same(first: Problem, second: Problem) -> None:
    np.testing.assert_array_equal(first.y, second.y)
    assert (first.pixel, first.unit, first.scale) == (second.pixel, second.unit, second.scale)
    assert first.noise_level == second.noise_level
    image = np.random.default_rng(0).uniform(size=first.A.shape[1]).astype(np.float32)
    np.testing.assert_array_equal(first.A @ image, second.A @ image)
    if first.reference is not None:
        np.testing.assert_array_equal(first.reference, second.reference)


@pytest.mark.parametrize("name", ["walnut_phantom", "shepp_logan", "denoise", "inpaint", "deblur"])
def test_the_resolved_form_gives_the_same_numbers(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = load_problem(name, {"size": 32, "noise": 0.03, "seed": 5})
    (tmp_path / "resolved.yaml").write_text(problem.resolved_text)
    monkeypatch.chdir(tmp_path)
    again = load_problem("resolved.yaml")
    assert_same(problem, again)
    assert again.name == problem.name == name
    assert again.resolved_text == problem.resolved_text


def test_the_resolved_form_finds_its_files_and_notices_changes(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    write_own(folder / "scan.npz")
    text = OWN.replace("params: {scan: {file: required}}\n", "").replace("path: scan,", "path: scan.npz,")
    text = text.replace("angles: scan,", "angles: scan.npz,")
    problem = load(text, folder)
    assert_same(problem, load(problem.resolved_text, tmp_path))
    asked = load(OWN, scan=str(folder / "scan.npz"))
    assert_same(asked, load(asked.resolved_text, tmp_path))
    write_own(folder / "scan.npz", sinogram=np.full((5, 12), 2.0))
    with pytest.raises(Faults, match="E708 the file has changed") as caught:
        load(problem.resolved_text, tmp_path)
    (fault,) = caught.value.faults
    lines = problem.resolved_text.splitlines()
    (line,) = (number for number, text in enumerate(lines) if "scan.npz:" in text)
    assert (fault.mark.line, fault.mark.column) == (line, lines[line].rindex(": ") + 2)


@pytest.mark.parametrize("name", sorted(shipped("problems")))
def test_shipped_problems_explain_themselves(name: str) -> None:
    file = problem_file(name)
    assert file.about
    assert all(parameter.about for parameter in file.parameters.declared.values())
    assert not file.faults


def test_mutated_problem_files_end_in_a_located_fault_or_a_problem() -> None:
    draw = random.Random(20)
    tokens = [
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "-",
        "1e9",
        "0",
        "none",
        "views",
        "mm",
        "per",
        "deg",
        "null",
        '"',
        "\t",
        "*",
        "&a",
        "#",
    ]
    for _ in range(300):
        text = SMALL
        for _ in range(draw.randint(1, 3)):
            start = draw.randrange(len(text))
            text = text[:start] + draw.choice(["", *tokens]) + text[start + draw.randint(0, 6) :]
        located = True
        try:
            read_problem(Source("p.yaml", text)).plan()
        except Faults as found:
            located = all(str(fault.mark).startswith("p.yaml:") for fault in found.faults)
        except DipgraphError:
            located = False
        assert located, text


@pytest.mark.parametrize("name", ["scan.npz", "scan.MAT", "scan.csv"])
def test_data_in_the_place_of_a_problem_are_told_how_to_be_read(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"PK\x03\x04\xff")
    with pytest.raises(InputError, match=f"(?s)file of data.*read: {{array: {{path: {name}}}}}"):
        load_problem(tmp_path / name)
