"""Inputs of networks: laws of the noise, the mesh grid, perturbed batches."""

from __future__ import annotations

import pytest
import torch
from block_laws import few, setting
from hypothesis import given
from hypothesis import strategies as st

from dipgraph.blocks import registry
from dipgraph.blocks.input import NoiseInput, grid, perturb


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_noise_laws() -> None:
    where = setting(200, 100)
    normal = NoiseInput(where, std=0.1)(stream())
    assert float(normal.std()) == pytest.approx(0.1, rel=0.03)
    uniform = NoiseInput(where, law="uniform", high=0.2, channels=3)(stream())
    assert uniform.shape == (1, 3, 200, 100)
    assert 0 <= float(uniform.min()) < 1e-3
    assert 0.199 < float(uniform.max()) < 0.2
    assert torch.equal(normal, NoiseInput(where, std=0.1)(stream()))
    assert not torch.equal(normal, NoiseInput(where, std=0.1)(stream(1)))


def test_noise_for_a_network_has_the_shape_it_takes() -> None:
    network = torch.nn.Identity()
    assert NoiseInput(setting(9, 7))(stream(), for_=network).shape == (1, 1, 9, 7)
    network.input_shape = (5, 3, 2)  # type: ignore[assignment]
    assert NoiseInput(setting(9, 7))(stream(), for_=network).shape == (1, 5, 3, 2)


@few
@given(rows=st.integers(1, 9), columns=st.integers(1, 9))
def test_grid(rows: int, columns: int) -> None:
    mesh = grid(setting(rows, columns))
    assert mesh.shape == (1, 2, rows, columns)
    assert mesh[0, :, 0, 0].tolist() == [0, 0]
    assert mesh[0, :, -1, -1].tolist() == [float(rows > 1), float(columns > 1)]
    assert (mesh[0, 0] == mesh[0, 0, :, :1]).all()


def test_perturbed_batches() -> None:
    z = torch.rand(1, 2, 50, 50)
    batch = perturb(z, 0.3, stream(), samples=5)
    away = batch - z
    assert batch.shape == (5, 2, 50, 50)
    assert away.min() > -1e-6
    assert away.max() < 0.3
    assert len({float(member.sum()) for member in away}) == 5
    assert float((perturb(z, 0.3, stream(), samples=5, law="normal") - z).std()) == pytest.approx(0.3, rel=0.03)
    output = registry()["input.perturb"].outputs[0]
    assert getattr(output.kind, "batched", False)


def test_perturbation_passes_gradients_on() -> None:
    z = torch.rand(1, 1, 4, 4, requires_grad=True)
    perturb(z, 0.1, stream(), samples=3).sum().backward()
    assert z.grad is not None
    assert torch.equal(z.grad, torch.full_like(z, 3.0))
