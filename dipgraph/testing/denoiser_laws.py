"""Laws of a denoiser, and the properties on which RED and plug-and-play theory rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch

from dipgraph.signatures.errors import InputError
from dipgraph.testing.records import LawRecord, require_all, tensors, worst

Denoiser = Callable[[torch.Tensor], torch.Tensor]

#: The error that is left of 1: less than there was, by more than rounding.
LESS = 1 - 1e-6
NON_EXPANSIVE = "denoiser non-expansive"
RESIDUAL = "denoiser residual contractive"
#: What :func:`assert_denoiser` insists on unless told otherwise.
REQUIRED = ("denoiser keeps the space", "denoiser reduces noise", NON_EXPANSIVE)
#: What RED's theory needs.
RED = ("denoiser Jacobian symmetric", "denoiser homogeneous")
#: What only tells which theory applies.
THEORY = (RESIDUAL, *RED)
#: All that is measured.
LAWS = (*REQUIRED, *THEORY)


def measure_denoiser(
    denoiser: Denoiser,
    image: torch.Tensor,
    *,
    sigma: float = 0.1,
    seed: int = 0,
    iterations: int = 15,
    expansion_bound: float = 1.01,
    symmetry_bound: float = 0.02,
) -> list[LawRecord]:
    r"""Measure a denoiser D at a noisy image x + n, n normal with standard deviation sigma.

    - *keeps the space*: shape, dtype and device of the result are the input's, values finite; two calls agree.
    - *reduces noise*: :math:`\|D(x + n) - x\| / \|n\|`, below 1 for a denoiser worth its name.
    - *non-expansive*: an estimate, from below, of the Lipschitz constant near v = x + n: the largest of
      :math:`\|D(v + hu) - D(v - hu)\| / \|2hu\|` over iterations u <- J u that start from drawn directions, a
      constant and D(v). Plug-and-play converges for non-expansive denoisers.
    - *residual contractive*: the same for I - D; below 1, plug-and-play ADMM and forward-backward converge
      (Ryu et al. 2019).
    - *Jacobian symmetric*: :math:`|\langle w, Ju\rangle - \langle u, Jw\rangle| / (\|Ju\|\|w\| + \|Jw\|\|u\|)`,
      the largest over drawn pairs. RED has an energy only if it is 0 (Reehorst and Schniter 2019).
    - *homogeneous*: :math:`\|D((1 + e)v) - (1 + e)D(v)\| / (e\|D(v)\|)`, RED's other condition.

    Derivatives are taken by differences, so any callable will do.

    Parameters
    ----------
    denoiser
        From a tensor to a tensor; bind its strength beforehand.
    image
        A clean image, in the shape the denoiser takes.
    sigma
        Standard deviation of the noise, in image units.
    seed
        Of noise and directions.
    iterations
        Steps of the iteration u <- J u.
    expansion_bound, symmetry_bound
        What is allowed of the last four.
    """
    if not sigma > 0:
        raise InputError(f"sigma is {sigma!r}", where="sigma", remedy="give a positive standard deviation")
    tensors("image", image)
    draw = torch.Generator(device="cpu").manual_seed(seed)
    with torch.no_grad():
        noise = sigma * _normal(image, draw)
        noisy = image + noise
        clean = denoiser(noisy)
        records = [_space(denoiser, noisy, clean)]
        if not records[0].ok:
            return records
        ratio = float((clean - image).norm() / noise.norm().clamp(min=1e-30))
        records.append(LawRecord("denoiser reduces noise", ratio, LESS, "error after over error before"))
        step = sigma * (1e-4 if image.dtype == torch.float64 else 1e-2)

        def jacobian(u: torch.Tensor) -> torch.Tensor:
            h = step * u.numel() ** 0.5 / float(u.norm())
            out: torch.Tensor = (denoiser(noisy + h * u) - denoiser(noisy - h * u)) / (2 * h)
            return out

        directions = [_normal(image, draw) for _ in range(3)]
        # A denoiser lets constants and what resembles the image through best.
        lipschitz = worst(_largest(jacobian, u, iterations) for u in [*directions, torch.ones_like(image), clean])
        residual = worst(_largest(lambda u: u - jacobian(u), u, iterations) for u in directions)
        records.append(LawRecord(NON_EXPANSIVE, lipschitz, expansion_bound, "Lipschitz estimate, from below"))
        records.append(LawRecord(RESIDUAL, residual, expansion_bound, "Lipschitz estimate of I - D"))
        records.append(LawRecord(RED[0], _asymmetry(jacobian, directions), symmetry_bound))
        little = 1e-2
        scaled = denoiser((1 + little) * noisy) - (1 + little) * clean
        homogeneity = float(scaled.norm() / (little * clean.norm().clamp(min=1e-30)))
        records.append(LawRecord(RED[1], homogeneity, 0.1))
    return records


def assert_denoiser(
    denoiser: Denoiser,
    image: torch.Tensor,
    *,
    sigma: float = 0.1,
    seed: int = 0,
    iterations: int = 15,
    expansion_bound: float = 1.01,
    symmetry_bound: float = 0.02,
    laws: Iterable[str] = REQUIRED,
) -> list[LawRecord]:
    """Raise LawError unless a denoiser obeys the laws named, by default :data:`REQUIRED`.

    All of :func:`measure_denoiser` is measured and returned.

    Raises
    ------
    InputError
        If there is no law of a name given, or no noise.
    """
    laws = list(laws)
    for law in laws:
        if law not in LAWS:
            raise InputError(f"there is no law {law!r}", where="laws", remedy=f"choose from: {', '.join(LAWS)}")
    records = measure_denoiser(
        denoiser,
        image,
        sigma=sigma,
        seed=seed,
        iterations=iterations,
        expansion_bound=expansion_bound,
        symmetry_bound=symmetry_bound,
    )
    return require_all(records, laws)


def _normal(like: torch.Tensor, draw: torch.Generator) -> torch.Tensor:
    return torch.randn(like.shape, generator=draw, dtype=like.dtype).to(like.device)


def _space(denoiser: Denoiser, noisy: torch.Tensor, clean: torch.Tensor) -> LawRecord:
    failures = []
    if clean.shape != noisy.shape:
        failures.append(f"shape {tuple(noisy.shape)} becomes {tuple(clean.shape)}")
    if clean.dtype != noisy.dtype or clean.device != noisy.device:
        failures.append(f"{noisy.dtype} on {noisy.device} becomes {clean.dtype} on {clean.device}")
    if not bool(torch.isfinite(clean).all()):
        failures.append("values are not finite")
    if not failures and not torch.equal(denoiser(noisy), clean):
        failures.append("two calls differ")
    return LawRecord("denoiser keeps the space", float(len(failures)), 0.0, ", ".join(failures))


def _largest(linear: Denoiser, u: torch.Tensor, iterations: int) -> float:
    lengths: list[float] = []
    for _ in range(iterations):
        if not float(u.norm()) > 0:  # no direction: what a constant map makes of everything, say
            break
        image = linear(u / u.norm())
        lengths.append(float(image.norm()))
        u = image
    return worst(lengths)


def _asymmetry(jacobian: Denoiser, directions: list[torch.Tensor]) -> float:
    errors = []
    images = [jacobian(u) for u in directions]
    for i, u in enumerate(directions):
        for j in range(i):
            w = directions[j]
            apart = abs(float((w * images[i]).sum() - (u * images[j]).sum()))
            size = float(images[i].norm() * w.norm() + images[j].norm() * u.norm())
            errors.append(apart / size if size > 0 else apart)
    return worst(errors)
