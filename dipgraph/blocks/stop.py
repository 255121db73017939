"""Early stopping by a number: where it no longer changes, or no longer falls."""

from __future__ import annotations

from typing import Annotated, ClassVar, NamedTuple

import torch
from torch import Tensor

from dipgraph.blocks.lowest import UNCHANGED, Lowest, Stop
from dipgraph.blocks.values import Scalar, as_scalar
from dipgraph.signatures import SWITCH, Verdict, block, number, vector, whole


class FlatStop(NamedTuple):
    """What the stopper says of the numbers so far."""

    done: Annotated[Tensor, SWITCH]
    score: Annotated[Tensor, number(min=0)]
    when: Annotated[Tensor, whole(min=1)]
    verdict: Annotated[Tensor, whole(min=0)]


@block("stop.flat", resets=True, differentiable=False, score="{watch}")
class FlatStopper:
    """Stop where a number has settled.

    Parameters
    ----------
    patience
        How many times in a row it has to stay as it was.
    tolerance
        The relative change that counts as staying.
    watch
        The number w_k: a residual, a norm, a loss.

    Returns
    -------
    FlatStop
        ``done``: whether the number stayed for the last ``patience`` iterations; ``score``: the relative change now,
        infinite at first; ``when``: the present iteration, from 1; ``verdict``: a number from 0
        to 6, see ``docs/stopping.md``. It keeps no image: what has settled is the present one.

    Notes
    -----
    The number stays where ``|w_k − w_(k−1)| ≤ tolerance·|w_(k−1)|``. Nothing waits for the device. Memory: three
    numbers.
    """

    state: ClassVar[tuple[str, ...]] = ("seen", "previous", "settled", "constant")

    def __init__(
        self,
        patience: Annotated[int, whole(min=1)] = 3,
        tolerance: Annotated[float, number(min=0)] = 1e-3,
    ) -> None:
        self.patience, self.tolerance = patience, tolerance
        self.reset()

    def reset(self) -> None:
        """Forget the past."""
        self.seen = 0
        nothing = torch.zeros(())
        self.previous = nothing
        self.settled = nothing
        """How many times in a row the number has stayed."""
        self.constant = nothing
        """Whether it has never changed."""

    def __call__(self, watch: Annotated[Scalar, number()]) -> FlatStop:
        """Look at the next number."""
        value = torch.as_tensor(watch).detach().double()
        if not self.seen:
            self.previous = torch.full_like(value, torch.nan)
            self.settled = torch.zeros_like(value, dtype=torch.int64)
            self.constant = torch.ones_like(value, dtype=torch.bool)
        self.seen += 1
        moved = (value - self.previous).abs()
        stays = moved <= self.tolerance * self.previous.abs()
        self.settled = torch.where(stays, self.settled + 1, 0)
        if self.seen > 1:
            self.constant = self.constant & (moved <= UNCHANGED * self.previous.abs())
        share = torch.where(moved == 0, 0.0, moved / self.previous.abs())
        self.previous = value
        done = self.settled >= self.patience
        said = torch.where(done, int(Verdict.SETTLED), int(Verdict.WATCHING))
        said = torch.where(done & self.constant, int(Verdict.CONSTANT), said)
        said = torch.where(torch.isfinite(value), said, int(Verdict.NOT_FINITE))
        score = torch.nan_to_num(share, nan=torch.inf, posinf=torch.inf)
        return FlatStop(done, score, torch.full_like(self.settled, self.seen), said)


@block("stop.rise", resets=True, differentiable=False, score="{watch}")
class RiseStopper(Lowest):
    """Stop where a number no longer falls: the error on held-out data, say.

    Parameters
    ----------
    patience
        Iterations p to wait for a new lowest value.
    factor
        Share δ of the lowest value so far that a new one has to fall below.
    every
        Iterations n from one look at the number to the next, which spares the rule's operations in between.
    watch
        The number w_k.
    keep
        The image that belongs to it, ``(1, channels, *grid)``.

    Returns
    -------
    Stop
        ``done``: whether more than p iterations have passed since the lowest value; ``best``: the image kept then;
        ``score``: the number now; ``when``: the iteration of ``best``, from 1; ``verdict``: a number from 0 to
        6, see ``docs/stopping.md``.

    Notes
    -----
    Iteration k is a new lowest where ``w_k < δ·w_best``; NaN and infinite values never are. Until one improves on the
    first, ``best`` is the present image. A number that is 0 from the beginning, such as a norm of held-out data where
    none are, is not watched: ``done`` stays false and ``best`` is the present image. Nothing waits for the device.
    Memory: one image.

    With n above 1, iteration 1 and each that n divides are looked at. Only these are lowest, the same, or not finite,
    ``done`` and ``verdict`` change there alone, and a patience below n is n. What comes after the last look of a run
    is not delivered, unless nothing has improved on the first number.
    """

    def __init__(
        self,
        patience: Annotated[int, whole(min=1)] = 100,
        factor: Annotated[float, number(above=0, max=1)] = 1.0,
        every: Annotated[int, whole(min=1)] = 1,
    ) -> None:
        super().__init__(patience, factor, every)

    def __call__(self, watch: Annotated[Scalar, number()], keep: Annotated[Tensor, vector("V", single=True)]) -> Stop:
        """Look at the next number."""
        value = as_scalar(watch, keep.new_empty((), dtype=torch.float64)).detach()
        return self.judge(value, keep, void=value == 0)
