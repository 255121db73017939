"""A problem of 16 x 16 pixels, recipes put on a linear network and SGD, and the NumPy pieces of their transcriptions.

Nothing here computes with the package, but for the operator's norm, which says what A is, and :func:`reached`, which
runs a recipe by the public face.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pylops
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

import dipgraph
from dipgraph.operators import norm
from dipgraph.signatures import INPUTS, SETTING, number, vector, whole, word

Array = NDArray[np.float64]

SIDE = 16
PIXELS = SIDE * SIDE
VIEWS, DETECTORS = 8, 12
RECIPES = Path(__file__).resolve().parents[2] / "recipes"
Edit = tuple[str, str]


# --- the problem ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Small:
    """A dense operator without negative entries, its data, and the same as plain matrices with ‖A‖ = 1."""

    problem: dipgraph.Problem
    A: Array
    y: Array
    B: Array
    """The inverse that the problem offers as ``fbp``; any matrix serves."""
    prior: Array
    noise_level: float

    operator: Array
    """A with every ray, as it makes an input of the network."""
    filled: Array
    """y for what wants whole data: with what is held out filled in."""

    @property
    def fbp(self) -> Array:
        return self.B @ self.filled

    @property
    def back(self) -> Array:
        """The adjoint of the data."""
        back: Array = self.operator.T @ self.filled
        return back

    def without(self, held: Array) -> Small:
        """The same where the rays that are 1 in ``held`` are no part of A and y; what is made of y sees them filled.

        A ray that is held out is filled from its neighbours in the same view, on a straight line.
        """
        known = held.reshape(VIEWS, DETECTORS) == 0
        places = np.arange(DETECTORS)
        filled = [np.interp(places, places[here], view[here])
                  for here, view in zip(known, self.y.reshape(VIEWS, DETECTORS), strict=True)]  # fmt: skip
        kept = 1 - held
        return replace(self, A=kept[:, None] * self.A, y=kept * self.y, filled=np.concatenate(filled))


def small(seed: int = 0) -> Small:
    """A box in a smooth field, seen through a smoothing random operator with noise."""
    draw = np.random.default_rng(seed)
    rows, columns = np.mgrid[:SIDE, :SIDE] / SIDE
    image = 0.3 + 0.2 * np.sin(3 * rows + columns)
    image[5:11, 4:9] += 0.4
    matrix = draw.uniform(0, 1, (VIEWS * DETECTORS, PIXELS)) * draw.uniform(0.2, 1, (VIEWS * DETECTORS, 1))
    operator = _shaped(pylops.MatrixMult(matrix, dtype="float64"), (SIDE, SIDE), (VIEWS, DETECTORS))
    scale = float(norm(operator))
    level = 0.05 * scale
    data = (matrix @ image.ravel() + level * draw.standard_normal(len(matrix))).astype(np.float32)
    inverse = draw.standard_normal(matrix.T.shape) * 0.1 + matrix.T / scale
    problem = dipgraph.Problem(
        operator,
        data,
        shape=(SIDE, SIDE),
        fbp=_shaped(pylops.MatrixMult(inverse / scale, dtype="float64"), (VIEWS, DETECTORS), (SIDE, SIDE)),
        scale=1.0,
        noise_level=level,
        prior=(prior := draw.uniform(0, 1, (SIDE, SIDE)).astype(np.float32)),
        region="all",
    )
    y = data.astype(np.float64) / scale
    return Small(problem, matrix / scale, y, inverse, prior.astype(np.float64).ravel(), level / scale,
                 matrix / scale, y)  # fmt: skip


def _shaped(op: Any, dims: tuple[int, ...], dimsd: tuple[int, ...]) -> Any:
    return pylops.LinearOperator(Op=op, dims=dims, dimsd=dimsd)


def difference_matrix() -> Array:
    """D: differences to the next row, then to the next column, zero past the border, ``(2·PIXELS, PIXELS)``."""
    one = np.diff(np.eye(SIDE), axis=0, append=0)
    one[-1] = 0
    return np.vstack([np.kron(one, np.eye(SIDE)), np.kron(np.eye(SIDE), one)])


D = difference_matrix()


# --- a network and a denoiser that NumPy can follow -------------------------------------------------------------------


def first_matrix(columns: int) -> Array:
    """The network's weights at first."""
    return np.random.default_rng(7).standard_normal((PIXELS, columns)) / np.sqrt(columns)


class GivenLinear(nn.Module):
    """A linear network x = W z whose first weights are known.

    Parameters
    ----------
    inputs
        Channels of the input.
    setting
        Gives the image's grid.
    """

    def __init__(self, inputs: Annotated[int, INPUTS], setting: Annotated[Any, SETTING]) -> None:
        super().__init__()
        self.grid = setting.shapes["X"]
        self.matrix = nn.Parameter(torch.from_numpy(first_matrix(inputs * PIXELS)))

    def forward(self, image: Tensor) -> Tensor:
        return (image.flatten(1) @ self.matrix.T).reshape(-1, 1, *self.grid)


def smoothing(
    of: Annotated[Tensor, vector("X")],
    sigma: Annotated[Any, number(min=0)],
    strength: Annotated[str, word("noise", "prox")] = "noise",
) -> Annotated[Tensor, vector("X")]:
    """A linear denoiser, v − σ DᵀD v.

    Parameters
    ----------
    of
        The image.
    sigma
        The strength, or its square.
    strength
        Which of the two.
    """
    level = sigma if strength == "noise" else sigma**0.5
    matrix = torch.from_numpy(D.T @ D)
    return of - level * (matrix @ of.reshape(-1)).reshape(of.shape)


def shares(step: int, samples: int) -> Array:
    """The noise of a gradient step, counted from 0, as shares of its largest value: a row for each sample."""
    return np.random.default_rng(100 + step).uniform(0, 1, (samples, PIXELS))


class KnownNoise:
    """Perturbed copies of an image, by noise that is known beforehand.

    Parameters
    ----------
    law
        The only one there is.
    of
        The image.
    amplitude
        The largest value of the noise.
    samples
        How many copies.
    """

    state = ("calls",)

    def __init__(self, law: Annotated[str, word("uniform")]) -> None:
        self.calls = 0

    def __call__(
        self,
        of: Annotated[Tensor, vector("V", single=True)],
        amplitude: Annotated[Any, number(min=0)],
        samples: Annotated[int, whole(min=1)],
    ) -> Annotated[Tensor, vector("V", batched=True)]:
        self.calls += 1
        return of + amplitude * torch.from_numpy(shares(self.calls - 1, samples)).reshape(samples, *of.shape[1:])


BLOCKS: Mapping[str, Any] = {
    "network.given": GivenLinear,
    "denoise.smoothing": smoothing,
    "input.known": KnownNoise,
}


def smoothed(v: Array, sigma: float) -> Array:
    """What :func:`smoothing` computes."""
    return v - sigma * (D.T @ (D @ v))


class Linear:
    """x = W z and a gradient step on W, by hand."""

    def __init__(self, z: Array) -> None:
        self.W = first_matrix(z.size)

    def __call__(self, z: Array) -> Array:
        return self.W @ z

    def descend(self, gradient: Array, z: Array, rate: float) -> None:
        """One gradient step, where `gradient` is the loss's with respect to x = W z."""
        self.W -= rate * np.outer(gradient, z)


# --- proximal maps and penalties --------------------------------------------------------------------------------------


def lengths(d: Array) -> Array:
    """The length of each pixel's gradient, once for each component."""
    return np.tile(np.hypot(d[:PIXELS], d[PIXELS:]), 2)


def shrunk(d: Array, weight: Array | float) -> Array:
    """Group shrinkage."""
    return d * np.maximum(1 - weight / np.maximum(lengths(d), 1e-300), 0)


def tv_gradient(x: Array, kind: str = "isotropic", smoothing: float = 1e-3) -> Array:
    """The gradient of the smoothed total variation."""
    d = D @ x
    return D.T @ (d / np.sqrt((lengths(d) if kind == "isotropic" else d) ** 2 + smoothing**2))


def tv_prox(v: Array, weight: float) -> Array:
    """argmin ½‖x − v‖² + weight TV(x), by alternating directions with an exact solve, to rounding."""
    coupling = 20 * weight
    inverse = np.linalg.inv(np.eye(PIXELS) + coupling * D.T @ D)
    split, dual = np.zeros(2 * PIXELS), np.zeros(2 * PIXELS)
    for _ in range(20000):
        x: Array = inverse @ (v + coupling * D.T @ (split - dual))
        before, slope = split, D @ x
        split = shrunk(slope + dual, weight / coupling)
        dual = dual + slope - split
        if max(np.abs(split - before).max(), np.abs(slope - split).max()) < 1e-13:
            return x
    raise AssertionError("the proximal map did not converge")


def in_ball(v: Array, radius: float) -> Array:
    """Projection on a ball around 0."""
    return v * min(1.0, radius / float(np.linalg.norm(v)))


# --- running a recipe -------------------------------------------------------------------------------------------------


def edited(text: str, edits: Iterable[Edit]) -> str:
    """The text with each phrase replaced; each has to occur exactly once."""
    for old, new in edits:
        assert text.count(old) == 1, f"{old!r} occurs {text.count(old)} times"
        text = text.replace(old, new)
    return text


def reached(
    text: str, given: Small, settings: Mapping[str, Any], names: Iterable[str], folder: Path
) -> dict[str, Array | float]:
    """What stands under the names at the end of a run of the recipe's text, in double precision."""
    head, _, image = text.rpartition("returns: {image: ")
    image = image.replace("}", ",").partition(",")[0]
    path = folder / "recipe.yaml"
    path.write_text(f"{head}returns: {{image: {image}, {', '.join(f'{n}_: {n}' for n in names)}}}\n", encoding="utf-8")
    result = dipgraph.run(path, given.problem, settings=settings, device="cpu", dtype=torch.float64)
    found = {name: result.returns[f"{name}_"] for name in names}
    return {n: v.numpy().reshape(-1) if isinstance(v, Tensor) and v.ndim else float(v) for n, v in found.items()}
