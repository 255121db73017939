"""The package's errors."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

import dipgraph
from dipgraph.engine.files import StorageError
from dipgraph.engine.record import DivergedError
from dipgraph.signatures.errors import DipgraphError, InputError


def recipe_faults() -> DipgraphError:
    with pytest.raises(DipgraphError) as caught:
        dipgraph.run("vanilla", settings={"gradient_step": 3})
    return caught.value


@pytest.mark.parametrize(
    "error",
    [
        InputError("what", where="where", remedy="remedy"),
        StorageError.of(OSError(28, "No space left on device"), Path("there"), "write"),
        DivergedError(7, ("penalty.tv",), is_finite=False),
        recipe_faults(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_come_back_from_another_process_as_they_were(error: DipgraphError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert vars(again).keys() == vars(error).keys()
