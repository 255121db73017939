"""The laws of proximal maps and denoisers: sound ones pass, faulty ones are found."""

import numpy as np
import pytest
import torch

from dipgraph.signatures.errors import InputError
from dipgraph.testing import (
    LawError,
    assert_adjoint,
    assert_denoiser,
    assert_prox,
    assert_resolvent,
    measure_denoiser,
    measure_prox,
    measure_resolvent,
)

DRAW = torch.Generator().manual_seed(0)
POINTS = [torch.randn(5, 6, generator=DRAW, dtype=torch.float64) for _ in range(3)]


def soft(v, gamma):
    return v.sign() * (v.abs() - gamma).clamp(min=0)


def l1(x):
    return x.abs().sum()


def shrink_rows(v, gamma):
    return v * (1 - gamma / v.norm(dim=-1, keepdim=True).clamp(min=1e-300)).clamp(min=0)


SOUND = {
    "l1": (soft, l1),
    "l2 squared": (lambda v, gamma: v / (1 + gamma), lambda x: x.square().sum() / 2),
    "groups": (shrink_rows, lambda x: x.norm(dim=-1).sum()),
    "box": (
        lambda v, gamma: v.clamp(0, 1),
        lambda x: torch.where(((x < -1e-12) | (x > 1 + 1e-12)).any(), torch.inf, 0.0) + 0 * x.sum(),
    ),
    "zero": (lambda v, gamma: v.clone(), lambda x: 0 * x.sum()),
}


@pytest.mark.parametrize("name", sorted(SOUND))
@pytest.mark.parametrize("gamma", [0.05, 0.7, 3.0])
def test_sound_proximal_maps_pass(name, gamma):
    prox, functional = SOUND[name]
    records = assert_prox(prox, functional, POINTS, gamma=gamma)
    assert [record.law for record in records] == ["prox optimality", "prox firm"]
    assert all(record.ok and record.measured < 1e-9 for record in records)


def test_closed_forms_and_conjugates_are_compared():
    records = assert_prox(soft, l1, POINTS, closed_form=soft, conjugate=lambda v, gamma: v.clamp(-1, 1))
    assert [record.law for record in records][2:] == ["prox closed form", "prox Moreau"]
    wrong = measure_prox(soft, None, POINTS, closed_form=shrink_rows, conjugate=lambda v, gamma: v.clamp(-2, 2))
    assert [record.ok for record in wrong] == [True, False, False]


FAULTY = {
    "threshold 1 % too large": lambda v, gamma: soft(v, 1.01 * gamma),
    "threshold 1 % too small": lambda v, gamma: soft(v, 0.99 * gamma),
    "step forgotten": lambda v, gamma: soft(v, 1.0),
    "step squared": lambda v, gamma: soft(v, gamma**2),
    "hard threshold": lambda v, gamma: torch.where(v.abs() > gamma, v, 0.0),
    "identity": lambda v, gamma: v,
    "sign lost": lambda v, gamma: (v.abs() - gamma).clamp(min=0),
}


@pytest.mark.parametrize("name", sorted(FAULTY))
def test_wrong_proximal_maps_are_found(name):
    records = {record.law: record for record in measure_prox(FAULTY[name], l1, POINTS, gamma=0.7)}
    assert not records["prox optimality"].ok
    with pytest.raises(LawError, match="prox optimality"):
        assert_prox(FAULTY[name], l1, POINTS, gamma=0.7)


@pytest.mark.parametrize("name", sorted(SOUND))
def test_the_resolvent_of_sound_proximal_maps(name):
    assert assert_resolvent(SOUND[name][0], POINTS).measured < 1e-9


def test_the_resolvent_needs_no_convex_functional_and_finds_wrong_steps():
    assert assert_resolvent(lambda v, gamma: torch.where(v.abs() > (2 * gamma) ** 0.5, v, 0.0), POINTS).ok
    for name in ("step forgotten", "step squared", "sign lost"):
        assert not measure_resolvent(FAULTY[name], POINTS).ok
        with pytest.raises(LawError, match="prox resolvent"):
            assert_resolvent(FAULTY[name], POINTS)
    # A constant factor is the prox of another functional.
    assert measure_resolvent(FAULTY["threshold 1 % too large"], POINTS).ok


def test_a_prox_that_is_not_finite_or_leaves_the_domain_is_found():
    assert not any(record.ok for record in measure_prox(lambda v, gamma: v * torch.nan, l1, POINTS))
    box = SOUND["box"][1]
    assert not measure_prox(lambda v, gamma: v.clamp(0, 1.1), box, POINTS)[0].ok


INFINITE = torch.tensor(torch.inf, dtype=torch.float64)
#: Functionals with a domain: the map, g, and maps that are wrong.
RESTRICTED = {
    "positive sum": (
        lambda v, gamma: (v - gamma).clamp(min=0),
        lambda x: torch.where((x < 0).any(), INFINITE, x.sum()),
        [
            lambda v, gamma: 0 * v,
            lambda v, gamma: (v - 2 * gamma).clamp(min=0),
            lambda v, gamma: v.clamp(min=0),
            lambda v, gamma: v.clone(),
        ],
    ),
    "box": (
        lambda v, gamma: v.clamp(0, 1),
        lambda x: torch.where(((x < 0) | (x > 1)).any(), INFINITE, 0 * x.sum()),
        [lambda v, gamma: v.clamp(0, 0.9), lambda v, gamma: v.clamp(0, 1.01), lambda v, gamma: v.clamp(0.1, 1)],
    ),
    "Kullback-Leibler": (
        lambda v, gamma: (v - gamma + ((v - gamma) ** 2 + 4 * gamma).sqrt()) / 2,
        lambda x: torch.where((x <= 0).any(), INFINITE, (x - x.clamp(min=1e-300).log()).sum()),
        [
            lambda v, gamma: v.clone(),
            lambda v, gamma: 0 * v,
            lambda v, gamma: v.abs(),
            lambda v, gamma: (v - 1.02 * gamma + ((v - 1.02 * gamma) ** 2 + 4.08 * gamma).sqrt()) / 2,
        ],
    ),
}


@pytest.mark.parametrize("name", sorted(RESTRICTED))
@pytest.mark.parametrize("shape", [(5, 6), (1, 1, 16, 16)])
def test_a_restricted_domain_hides_nothing(name, shape):
    prox, functional, wrong = RESTRICTED[name]
    points = [torch.randn(shape, generator=torch.Generator().manual_seed(k), dtype=torch.float64) for k in range(3)]
    assert all(record.measured < 1e-9 for record in assert_prox(prox, functional, points))
    for other in wrong:
        assert not measure_prox(other, functional, points)[0].ok


def test_no_points_prove_nothing():
    with pytest.raises(LawError, match="no points"):
        assert_resolvent(soft, [])


def test_an_expansive_prox_is_found_without_its_functional():
    records = measure_prox(lambda v, gamma: 1.1 * v, None, POINTS)
    assert [(record.law, record.ok) for record in records] == [("prox firm", False)]


IMAGE = torch.zeros(24, 24, dtype=torch.float64)
IMAGE[6:18, 5:15] = 1.0


def smooth(x):
    weight = torch.tensor([0.25, 0.5, 0.25], dtype=x.dtype)
    kernel = torch.outer(weight, weight)[None, None]
    padded = torch.nn.functional.pad(x[None, None], (1, 1, 1, 1), mode="circular")
    return torch.nn.functional.conv2d(padded, kernel)[0, 0]


def test_a_symmetric_averaging_denoiser_obeys_all_laws():
    records = assert_denoiser(smooth, IMAGE, sigma=0.3)
    assert len(records) == 6
    assert all(record.ok for record in records)
    measured = {record.law: record.measured for record in records}
    assert measured["denoiser non-expansive"] == pytest.approx(1, abs=0.01)
    assert measured["denoiser Jacobian symmetric"] < 1e-9
    assert measured["denoiser homogeneous"] < 1e-9


def broken(denoiser, sigma=0.3):
    return {record.law for record in measure_denoiser(denoiser, IMAGE, sigma=sigma) if not record.ok}


def test_faulty_denoisers_are_found():
    assert "denoiser non-expansive" in broken(lambda x: 1.2 * smooth(x))
    assert "denoiser reduces noise" in broken(lambda x: x + 0.1 * (x - smooth(x)))
    assert "denoiser Jacobian symmetric" in broken(lambda x: smooth(x).roll(1, 0))
    assert "denoiser residual contractive" in broken(lambda x: -0.5 * smooth(x))
    assert "denoiser homogeneous" in broken(lambda x: smooth(x) ** 2)
    assert broken(lambda x: x[:-1]) == {"denoiser keeps the space"}
    assert broken(lambda x: x.float()) == {"denoiser keeps the space"}
    assert broken(lambda x: x * torch.nan) == {"denoiser keeps the space"}
    assert broken(lambda x: x + torch.rand_like(x)) == {"denoiser keeps the space"}
    with pytest.raises(LawError, match="non-expansive"):
        assert_denoiser(lambda x: 1.2 * smooth(x), IMAGE, sigma=0.3)


def test_unknown_laws_and_no_noise_are_refused():
    with pytest.raises(InputError, match="no law 'nonexpansive'"):
        assert_denoiser(smooth, IMAGE, sigma=0.3, laws=["nonexpansive"])
    with pytest.raises(InputError, match="sigma is 0"):
        measure_denoiser(smooth, IMAGE, sigma=0)


def test_properties_that_only_theory_needs_are_reported_not_required():
    records = assert_denoiser(lambda x: smooth(x).roll(1, 0), IMAGE.roll(0), sigma=3.0)
    assert any(not record.ok for record in records)


def test_a_constant_map_is_non_expansive_and_the_identity_reduces_no_noise() -> None:
    image = torch.zeros(16, 16)
    constant = {record.law: record for record in measure_denoiser(lambda v: 0 * v, image)}
    assert constant["denoiser non-expansive"].measured == 0
    same = {record.law: record for record in measure_denoiser(lambda v: v.clone(), image)}
    assert not same["denoiser reduces noise"].ok


def test_arrays_in_place_of_tensors_are_refused() -> None:
    with pytest.raises(InputError, match=r"points has a numpy\.ndarray"):
        assert_prox(lambda v, gamma: v, None, [np.zeros(3), np.ones(3)])  # type: ignore[list-item]
    with pytest.raises(InputError, match=r"image has a numpy\.ndarray"):
        measure_denoiser(lambda v: v, np.zeros((3, 3)))  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"op is a numpy\.ndarray"):
        assert_adjoint(np.eye(3))  # type: ignore[arg-type]
