"""The Python face: settings as Python values, and one clear error for what cannot be."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pylops
import pytest
import torch

import dipgraph
from dipgraph.engine.face import check, run, split_settings
from dipgraph.engine.run import Options
from dipgraph.signatures.errors import DipgraphError
from tests.engine.small import problem


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.float64(1e-3), "0.001"), (np.float32(0.5), "0.5"), (np.int64(3), "3"), (np.bool_(True), "true"),
        (np.array(2), "2"), (torch.tensor(2.5), "2.5"), (1e-7, "1e-07"), (False, "false"), (None, "none"),
    ],
)  # fmt: skip
def test_scalars_are_the_numbers_in_them(value: Any, text: str) -> None:
    (mine,), theirs = split_settings({"rate": value, "problem.views": value})
    assert mine.node.text == text
    assert theirs == {"views": text}


def test_a_numpy_scalar_sets_a_parameter() -> None:
    assert check("vanilla", settings={"rate": np.float64(1e-3), "gradient_steps": np.int64(3)}) == []
    assert dipgraph.load_problem("shepp_logan", {"size": np.int32(16)}).shape == (16, 16)


@pytest.mark.parametrize("given", [{"problem": None}, {"problem": problem()}])
def test_settings_of_a_problem_need_a_problem_file(given: dict[str, Any]) -> None:
    with pytest.raises(DipgraphError, match=r"problem\.vews cannot be set"):
        check("vanilla", settings={"problem.vews": 3}, **given)


def test_settings_are_a_mapping_of_names() -> None:
    with pytest.raises(DipgraphError, match="not a mapping"):
        check("vanilla", settings=["rate=1"])  # type: ignore[arg-type]
    with pytest.raises(DipgraphError, match="name of a setting"):
        check("vanilla", settings={1: 2})  # type: ignore[dict-item]


def test_a_recipe_and_a_problem_have_names() -> None:
    with pytest.raises(DipgraphError, match="the recipe is a NoneType"):
        check(None)  # type: ignore[arg-type]
    with pytest.raises(DipgraphError, match="the problem is a NoneType"):
        run("vanilla", None)  # type: ignore[arg-type]


def test_faults_of_settings_come_without_warnings() -> None:
    with pytest.raises(dipgraph.Faults) as caught:
        run("vanilla", settings={"rate": "1/0"})
    assert [fault.code for fault in caught.value.faults] == ["E405"]


OPTIONS = {
    "seed": (-1, 0.5, True, "1"),
    "threads": (0, 10**6, 1.5, "two"),
    "dtype": ("float32", torch.int32, None),
    "device": (3.5, "tpu", "cuda:-7"),
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in OPTIONS.items() for value in values])
def test_options_that_cannot_be_are_refused(name: str, value: Any) -> None:
    with pytest.raises(DipgraphError, match=name):
        run("vanilla", problem(), **{name: value})


def test_the_cores_of_the_machine_bound_the_threads() -> None:
    Options(threads=os.cpu_count())
    with pytest.raises(DipgraphError, match=f"from 1 to {os.cpu_count()}"):
        Options(threads=(os.cpu_count() or 1) + 1)


def test_between_steps_gradients_are_the_callers_affair() -> None:
    settings = {"gradient_steps": 3, "channels": 2, "scales": 2, "problem.size": 16}
    for _ in dipgraph.iterate("vanilla", "denoise", settings=settings):
        assert torch.is_grad_enabled()
    assert torch.is_grad_enabled()


def test_faults_say_their_place_as_their_message_does(tmp_path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "recipe: 1\nsteps:\n  - x: ftb(y)\n  - repeat: {cuont: 3, steps: [u: x]}\ntrack: u\nreturns: {image: v}\n"
    )
    faults = check(path, settings={"rate": 1})
    assert len(faults) > 2
    for fault in faults:
        assert str(fault).startswith(f"{fault.file}:{fault.line}:{fault.column}: {fault.code} ")
    fault = next(fault for fault in faults if fault.code == "E201")
    assert fault.file == str(path)
    assert path.read_text().splitlines()[fault.line - 1][fault.column - 1 :].startswith("ftb")
    assert next(fault for fault in faults if fault.code == "E205").file == "--set"


def test_arrays_and_operators_in_place_of_a_problem_are_told_what_is_wanted() -> None:
    for wrong in (np.ones((8, 8)), pylops.Identity(64)):
        with pytest.raises(DipgraphError, match=r"the problem is a(.|\n)*dipgraph.Problem\(A, y\)"):
            run("vanilla", wrong)  # type: ignore[arg-type]


def test_presets_and_settings_of_the_wrong_kind_are_refused() -> None:
    with pytest.raises(DipgraphError, match="no preset '3'"):
        run("vanilla", preset=3)  # type: ignore[arg-type]
    for wrong in ("views=3", ["views=3"]):
        with pytest.raises(DipgraphError, match="the settings are no mapping"):
            dipgraph.load_problem("walnut_phantom", wrong)  # type: ignore[arg-type]
