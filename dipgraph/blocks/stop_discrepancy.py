"""Early stopping by the discrepancy principle: the data are fitted no better than the noise allows."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from torch import Tensor

from dipgraph.blocks.lowest import UNCHANGED, Stop
from dipgraph.blocks.values import Scalar, as_scalar
from dipgraph.signatures import Verdict, block, number, vector


@block("stop.discrepancy", resets=True, differentiable=False, score="the residual of {of} over the noise")
class DiscrepancyStopper:
    """Stop where the residual has come down to the noise: Morozov's discrepancy principle.

    Parameters
    ----------
    of
        What is fitted to the data, ``A(x)``, ``(1, channels, *grid)``.
    to
        The data y, likewise.
    sigma
        Standard deviation σ of the data's noise, in their unit: the problem's ``noise_level``, or what
        ``noise.estimate`` hands out.
    tau
        The factor τ: above 1 it stops earlier.
    keep
        The image that belongs to ``of``, ``(1, channels, *grid)``.

    Returns
    -------
    Stop
        ``done``: whether ``‖of − to‖² ≤ τσ²m`` has held once, m being the number of data; ``best``: the image kept when
        it first did, the present one before; ``score``: ``‖of − to‖ / (σ√m)``, to fall to √τ; ``when``: the iteration
        of ``best``, from 1; ``verdict``: a number from 0 to 6, see ``docs/stopping.md``.

    Notes
    -----
    With σ = 0 the score is infinite, or NaN, and it never fires. Where σ varies between rays, weight the data and what
    is fitted to them. Nothing waits for the device. Cost: a pass over the data, beside the A(x) that the loss has made
    already. Memory: one image.

    References
    ----------
    Morozov, *On the solution of functional equations by the method of regularization*, Soviet Mathematics Doklady 7,
    1966.
    """

    state: ClassVar[tuple[str, ...]] = ("seen", "best", "reached", "when", "last", "constant")

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget the past."""
        self.seen = 0
        nothing = torch.zeros(())
        self.best = nothing
        self.reached = nothing
        """Whether the residual has come down."""
        self.when = nothing
        self.last = nothing
        """The last score."""
        self.constant = nothing
        """Whether the score has never changed."""

    def __call__(
        self,
        of: Annotated[Tensor, vector("U", single=True)],
        to: Annotated[Tensor, vector("U", single=True)],
        sigma: Annotated[Scalar, number(min=0)],
        keep: Annotated[Tensor, vector("V", single=True)],
        tau: Annotated[Scalar, number(above=0)] = 1.0,
    ) -> Stop:
        """Look at the next iterate."""
        square = (of - to).double().square().sum().detach()
        level, share = as_scalar(sigma, square).detach(), as_scalar(tau, square).detach()
        allowed = share * level.square() * of.numel()
        score = (square / of.numel()).sqrt() / level
        if not self.seen:
            self.best = keep
            self.reached = torch.zeros((), dtype=torch.bool, device=keep.device)
            self.when = torch.zeros((), dtype=torch.int64, device=keep.device)
            self.constant, self.last = torch.ones_like(self.reached), score
        self.seen += 1
        self.best = torch.where(self.reached, self.best, keep)
        self.when = torch.where(self.reached, self.when, self.seen)
        self.constant = self.constant & ((score - self.last).abs() <= UNCHANGED * self.last.abs())
        self.last = score
        self.reached = self.reached | ((square <= allowed) & torch.isfinite(score))
        return Stop(self.reached, self.best, score, self.when, self._verdict(score))

    def _verdict(self, score: Tensor) -> Tensor:
        said = torch.where(self.constant & (self.seen > 1), int(Verdict.CONSTANT), int(Verdict.WATCHING))
        said = torch.where(torch.isfinite(score), said, int(Verdict.NOT_FINITE))
        return torch.where(self.reached, int(Verdict.REACHED), said)
