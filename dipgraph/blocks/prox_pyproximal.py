"""Proximal operators of pyproximal, by name."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Any

from torch import Tensor

from dipgraph.blocks.extras import require
from dipgraph.blocks.host import Images, each_on_host
from dipgraph.blocks.values import Scalar
from dipgraph.signatures import InputError, block, number, vector, word

OPERATORS: dict[str, Callable[[Any, tuple[int, ...], float], Any]] = {
    "l0": lambda p, grid, number: p.L0(),
    "l0_ball": lambda p, grid, number: p.L0Ball(int(number)),
    "l1": lambda p, grid, number: p.L1(),
    "l1_ball": lambda p, grid, number: p.L1Ball(math.prod(grid), number),
    "l2": lambda p, grid, number: p.L2(),
    "l21": lambda p, grid, number: p.L21(ndim=grid[0]),
    "euclidean": lambda p, grid, number: p.Euclidean(),
    "euclidean_ball": lambda p, grid, number: p.EuclideanBall(0.0, number),
    "box": lambda p, grid, number: p.Box(0.0, number),
    "simplex": lambda p, grid, number: p.Simplex(math.prod(grid), number),
    "huber": lambda p, grid, number: p.Huber(number),
    "tv": lambda p, grid, number: p.TV(grid, niter=200, rtol=1e-6),
    "mumford_shah": lambda p, grid, number: p.RelaxedMumfordShah(kappa=number),
    "nuclear": lambda p, grid, number: p.Nuclear(grid),
    "nuclear_ball": lambda p, grid, number: p.NuclearBall(grid, number),
    "scad": lambda p, grid, number: p.SCAD(1.0, a=2 + number),
    "log": lambda p, grid, number: p.Log(1.0, gamma=number),
    "etp": lambda p, grid, number: p.ETP(1.0, gamma=number),
    "geman": lambda p, grid, number: p.Geman(1.0, gamma=number),
}
"""How each operator is made for a grid and the block's one number."""
NOT_CONVEX = {"l0", "l0_ball", "mumford_shah", "scad", "log", "etp", "geman"}
"""Those whose proximal map is not firmly non-expansive."""


@block("prox.pyproximal", differentiable=False)
class PyproximalProx:
    """The proximal map of a functional that pyproximal has.

    Parameters
    ----------
    functional
        Its name: ``l0``, ``l1``, ``l2``, ``l21`` (groups along the first axis of the grid), ``euclidean`` (the norm,
        not squared), ``huber``, ``tv``, ``mumford_shah`` (relaxed), ``nuclear``, ``scad``, ``log``, ``etp``,
        ``geman``; or the set on which to project: ``box`` (from 0), ``simplex``, ``l0_ball``, ``l1_ball``,
        ``euclidean_ball``, ``nuclear_ball``.
    number
        The functional's own number, where it has one: the radius of a ball or simplex, the upper end of the box, α of
        Huber, κ of Mumford and Shah, a − 2 of SCAD, γ of log, etp and geman. That of ``l0_ball`` counts entries, and
        is a whole number.
    of
        The vector v, ``(batch, channels, *grid)``.
    weight
        The prox weight γ.

    Returns
    -------
    Tensor
        ``argmin over x of ½‖x − v‖² + γ·g(x)``, for each channel and member.

    Notes
    -----
    Extra ``pyproximal``. On the host: each call waits for the device and copies the vector there and back. Another
    package can offer further operators as blocks of its own, by the entry point group ``dipgraph.blocks``.

    References
    ----------
    Ravasi et al., *PyProximal: scalable convex optimization in Python*, JOSS 9, 2024.
    """

    def __init__(
        self,
        functional: Annotated[str, word(*OPERATORS)],
        number: Annotated[float, number(above=0)] = 1.0,
    ) -> None:
        if functional == "l0_ball" and not float(number).is_integer():
            raise InputError(f"'number' of l0_ball is {number:g}", remedy="it counts entries: give a whole number")
        self.package = require("pyproximal", "pyproximal", "prox.pyproximal")
        self.make, self.number = OPERATORS[functional], number
        self.convex = functional not in NOT_CONVEX
        self.made: tuple[tuple[int, ...], Any] | None = None

    def __call__(
        self, of: Annotated[Tensor, vector("V")], weight: Annotated[Scalar, number(above=0)]
    ) -> Annotated[Tensor, vector("V")]:
        """Evaluate the proximal map."""
        grid, step = tuple(of.shape[2:]), float(weight)
        if not step > 0:
            raise InputError("'weight' is not above 0", remedy="see what it is made of")
        if self.made is None or self.made[0] != grid:
            self.made = grid, self.make(self.package, grid, self.number)
        operator = self.made[1]

        def proximal(one: Images) -> Images:
            result: Images = operator.prox(one.ravel(), step)
            return result

        return each_on_host(proximal, of)
