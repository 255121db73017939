"""What every block keeps, whatever it computes: a new block is tested by existing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from block_laws import Caller, callable_blocks, few, is_loss, same, setting, space_of
from hypothesis import given
from hypothesis import strategies as st

from dipgraph.blocks import registry
from dipgraph.blocks.denoise_host import SMALLEST_FOR_BM3D
from dipgraph.signatures.ports import FieldKind, NumberKind, VectorKind, WordKind, vector, within

BLOCKS = callable_blocks()
pytestmark = pytest.mark.filterwarnings("ignore:.*has no cheap subsets:UserWarning")
Files = dict[str, dict[str, Any]]
SIDES: dict[str, Callable[[int], int]] = {
    "denoise.bm3d": lambda side: max(side, SMALLEST_FOR_BM3D),
    "grid.coarsen": lambda side: side + side % 2,
}
"""Rows and columns that a block takes, where it does not take all."""
sizes = st.integers(5, 13)


def caller(name: str, files: Files, **options: Any) -> Caller:
    where = options.setdefault("where", setting())
    if name in SIDES:
        sides = (SIDES[name](side) for side in where.shapes["X"])
        options["where"] = setting(*sides, *where.shapes["Y"], dtype=where.dtype)
    return Caller(registry()[name], files=files.get(name, {}), **options)


@pytest.mark.parametrize("name", sorted(registry()))
def test_docs_describe_the_block_and_each_port(name: str) -> None:
    block = registry()[name]
    assert block.about.endswith(".")
    assert len(block.about) <= 120
    assert [port.name for port in block.ports if not port.about] == []
    if block.family != "network":
        assert "Returns\n-------" in block.doc


@pytest.mark.parametrize("name", sorted(registry()))
def test_defaults_keep_the_bounds(name: str) -> None:
    for port in registry()[name].ports:
        if port.required:
            continue
        if isinstance(port.kind, WordKind):
            assert port.default in port.kind.of
        if isinstance(port.kind, NumberKind):
            assert within(port.default, port.kind.min, port.kind.above, port.kind.max, port.kind.below)


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_outputs_are_finite_and_inputs_untouched(name: str, dtype: torch.dtype, block_files: Files) -> None:
    signature = registry()[name]
    choices: list[dict[str, str]] = [{}]
    choices += [{p.name: w} for p in signature.ports if isinstance(p.kind, WordKind) for w in p.kind.of]
    for words in choices:
        call = caller(name, block_files, where=setting(dtype=dtype), words=words)
        arguments = call.arguments()
        before = {key: value.clone() for key, value in arguments.items() if isinstance(value, torch.Tensor)}
        outputs = [call(arguments) for _ in range(3)][-1]
        assert all(torch.equal(arguments[key], value) for key, value in before.items()), words
        for output, value in zip(signature.outputs, outputs, strict=True):
            if isinstance(value, torch.Tensor) and value.is_floating_point():
                assert not value.isnan().any(), words
                assert value.isfinite().all() or output.name == "score", words
            if isinstance(output.kind, VectorKind):
                assert value.dtype == dtype, words
            if is_loss(output.kind):
                assert value.shape == ()
                assert value.dtype == dtype


@pytest.mark.parametrize("name", BLOCKS)
@few
@given(rows=sizes, columns=sizes, channels=st.integers(1, 3))
def test_vectors_lie_in_the_spaces_declared(
    name: str, rows: int, columns: int, channels: int, block_files: Files
) -> None:
    call = caller(name, block_files, where=setting(rows, columns), channels=channels)
    where = call.where
    outputs = call(call.arguments())
    for output, value in zip(registry()[name].outputs, outputs, strict=True):
        if isinstance(output.kind, VectorKind):
            pattern = output.kind.pattern
            fed = any(isinstance(p.kind, VectorKind) and p.kind.pattern == pattern for p in registry()[name].ports)
            if fed or pattern[0] in "XYG":
                space, count = space_of(pattern, channels if fed else value.shape[1], registry()[name])
                assert value.shape[1:] == (count, *where.shapes[space])


@pytest.mark.parametrize("name", BLOCKS)
def test_a_batch_is_treated_member_by_member(name: str, block_files: Files) -> None:
    signature = registry()[name]
    vectors = [port for port in signature.ports if isinstance(port.kind, VectorKind)]
    if (
        signature.random
        or not vectors
        or any(port.kind.single for port in vectors if isinstance(port.kind, VectorKind))
    ):
        pytest.skip("no batch comes in, or each member has its own random numbers")
    together = caller(name, block_files)
    arguments = together.arguments(batch=3)
    joint = together(arguments)
    apart = []
    for member in range(3):
        single = {
            key: value[member : member + 1] if isinstance(value, torch.Tensor) and value.ndim > 1 else value
            for key, value in arguments.items()
        }
        apart.append(caller(name, block_files)(single))
    for place, output in enumerate(signature.outputs):
        if is_loss(output.kind):
            torch.testing.assert_close(joint[place], sum(one[place] for one in apart) / 3)
        elif isinstance(output.kind, VectorKind):
            # The TV prox stops by the worst member: the others are better than promised.
            spread = 0.02 if "tolerance" in {port.name for port in signature.ports} else 1e-9
            torch.testing.assert_close(joint[place], torch.cat([one[place] for one in apart]), rtol=spread, atol=spread)


@pytest.mark.parametrize("name", BLOCKS)
def test_scalars_may_be_numbers_or_tensors(name: str, block_files: Files) -> None:
    numbers, tensors = caller(name, block_files), caller(name, block_files, scalar_tensors=True)
    if not any(isinstance(p.kind, NumberKind | FieldKind) and not p.static for p in registry()[name].ports):
        pytest.skip("no scalar comes in")
    for one, other in zip(numbers(numbers.arguments()), tensors(tensors.arguments()), strict=True):
        if isinstance(one, torch.Tensor):
            torch.testing.assert_close(one, other)


@pytest.mark.parametrize("name", BLOCKS)
def test_equal_calls_give_equal_results(name: str, block_files: Files) -> None:
    once, again = caller(name, block_files), caller(name, block_files)
    for seed in range(3):
        first, second = once(once.arguments(seed=seed)), again(again.arguments(seed=seed))
        assert all(same(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("name", BLOCKS)
def test_single_precision_agrees_with_double(name: str, block_files: Files) -> None:
    if registry()[name].random:
        pytest.skip("random numbers differ between precisions")
    single, double = (caller(name, block_files, where=setting(dtype=t)) for t in (torch.float32, torch.float64))
    for one, other in zip(single(single.arguments()), double(double.arguments()), strict=True):
        if isinstance(one, torch.Tensor) and one.is_floating_point():
            torch.testing.assert_close(one.double(), other.double(), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", [name for name in BLOCKS if registry()[name].state])
def test_state_carries_a_block_over(name: str, block_files: Files) -> None:
    """Killed after any call and resumed from its state alone, a block goes on as if it had not been."""
    for stop_after in (0, 1, 4):
        whole, resumed = caller(name, block_files), caller(name, block_files)
        for seed in range(stop_after):
            whole(whole.arguments(seed=seed))
        resumed.restore(whole.state())
        for seed in range(stop_after, stop_after + 4):
            first, second = whole(whole.arguments(seed=seed)), resumed(resumed.arguments(seed=seed))
            assert all(same(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("name", [name for name in BLOCKS if registry()[name].resets])
def test_reset_forgets_the_past(name: str, block_files: Files) -> None:
    used, fresh = caller(name, block_files), caller(name, block_files)
    for seed in range(5):
        used(used.arguments(seed=seed))
    used.instance.reset()
    for seed in range(3):
        first, second = used(used.arguments(seed=seed)), fresh(fresh.arguments(seed=seed))
        assert all(same(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("name", [name for name in BLOCKS if registry()[name].differentiable])
def test_gradients_are_those_of_the_values(name: str, block_files: Files) -> None:
    signature = registry()[name]
    call = caller(name, block_files, where=setting(4, 3))
    arguments = call.arguments()
    watched = [key for key, value in arguments.items() if isinstance(value, torch.Tensor) and value.ndim > 1]
    if not watched or not any(isinstance(o.kind, VectorKind) or is_loss(o.kind) for o in signature.outputs):
        pytest.skip("nothing to differentiate")

    def values(*tensors: torch.Tensor) -> Any:
        fresh = caller(name, block_files, where=setting(4, 3)) if signature.state or signature.random else call
        outputs = fresh(arguments | dict(zip(watched, tensors, strict=True)))
        return next(output for output in reversed(outputs) if isinstance(output, torch.Tensor))

    inputs = tuple(arguments[key].clone().requires_grad_() for key in watched)
    assert torch.autograd.gradcheck(values, inputs)


@pytest.mark.parametrize("name", [n for n in BLOCKS if any(isinstance(p.kind, FieldKind) for p in registry()[n].ports)])
def test_a_field_of_equal_numbers_is_the_number(name: str, block_files: Files) -> None:
    call = caller(name, block_files)
    arguments = call.arguments()
    wide = dict(arguments)
    for port in registry()[name].ports:
        if isinstance(port.kind, FieldKind):
            like = torch.ones(call.dynamic(vector(port.kind.pattern), 0, torch.Generator()).shape, dtype=torch.float64)
            wide[port.argument] = like * arguments[port.argument]
    for one, other in zip(call(arguments), call(wide), strict=True):
        torch.testing.assert_close(one, other)


def test_importing_the_blocks_is_cheap() -> None:
    """A recipe is checked without ASTRA or PyLops."""
    code = (
        "import sys; from dipgraph.blocks import registry; registry();"
        "print([m for m in ('astra', 'pylops', 'pyproximal', 'skimage', 'scipy') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
