"""Images to train a denoiser on: drawn ones of six kinds, and those of scikit-image that are in the public domain.

Nothing here draws a walnut or a Shepp-Logan phantom, and `camera`, `astronaut`, `coins` and `chelsea`, on which the
denoiser is scored, are not among the photographs.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, zoom
from scipy.spatial import cKDTree
from skimage import data, draw
from skimage.color import rgb2gray
from skimage.util import img_as_float32

Image = NDArray[np.float32]

PHOTOGRAPHS = ("brick", "grass", "gravel", "text", "cell", "microaneurysms", "clock", "coffee", "hubble_deep_field",
               "retina", "rocket")  # fmt: skip
"""Images that ship with scikit-image, CC0 or released into the public domain according to its documentation."""

SIDE = 192
"""Rows and columns of a drawn image [pixels]."""


def smooth_field(rng: np.random.Generator) -> Image:
    """A Gaussian random field with power spectrum |k|^-a, a between 2 and 5, scaled to [0, 1]."""
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(SIDE), np.fft.rfftfreq(SIDE), indexing="ij"))
    frequency[0, 0] = np.inf
    noise = np.fft.rfft2(rng.standard_normal((SIDE, SIDE)))
    return stretched(np.fft.irfft2(noise * frequency ** (-rng.uniform(1, 2.5)), s=(SIDE, SIDE)))


def texture(rng: np.random.Generator) -> Image:
    """Stripes that bend, woven stripes, or a rough field cut at one of its levels."""
    rows, columns = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    bend = rng.uniform(0, 8) * smooth_field(rng)
    kind = rng.integers(3)
    if kind == 2:
        field = smooth_field(rng)
        return stretched(gaussian_filter((field > np.quantile(field, rng.uniform(0.3, 0.7))).astype(np.float32), 0.5))
    angles, periods = rng.uniform(0, np.pi, 2), np.exp(rng.uniform(np.log(3), np.log(30), 2))
    waves = [np.sin(2 * np.pi * (rows * np.sin(a) + columns * np.cos(a)) / p + bend)
             for a, p in zip(angles, periods, strict=True)]  # fmt: skip
    wave = waves[0] if kind == 0 else waves[0] * waves[1]
    return stretched(np.tanh(rng.uniform(0.5, 5) * wave))


def foam(rng: np.random.Generator) -> Image:
    """Cells of random points: their walls, or each in a shade of its own."""
    points = rng.uniform(0, SIDE, (int(np.exp(rng.uniform(np.log(10), np.log(400)))), 2))
    pixels = np.stack(np.mgrid[:SIDE, :SIDE], axis=-1).reshape(-1, 2)
    distances, nearest = cKDTree(points).query(pixels, k=2)
    if rng.random() < 0.5:
        cells = rng.random(len(points))[nearest[:, 0]]
    else:
        cells = 1 / (1 + np.exp((distances[:, 1] - distances[:, 0] - rng.uniform(1, 4)) / 0.5))
    return stretched(cells.reshape(SIDE, SIDE))


def strokes(rng: np.random.Generator) -> Image:
    """Straight and curved pen strokes of a few widths on a shaded ground."""
    image = 0.4 * smooth_field(rng) + rng.uniform(0, 0.6)
    for _ in range(rng.integers(5, 60)):
        ends = rng.integers(-20, SIDE + 20, 6)
        rows, columns = draw.bezier_curve(*(int(end) for end in ends), float(rng.choice([0.0, 1.0, 3.0])))
        width, shade = int(rng.integers(1, 5)), rng.random()
        for down in range(width):
            for right in range(width):
                at = (rows + down, columns + right)
                inside = (at[0] >= 0) & (at[0] < SIDE) & (at[1] >= 0) & (at[1] < SIDE)
                image[at[0][inside], at[1][inside]] = shade
    return stretched(image)


def outline(rng: np.random.Generator, radius: float) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pixels of a random ellipse or polygon about `radius` [pixels] large, somewhere in the image."""
    row, column = rng.uniform(0, SIDE, 2)
    if rng.random() < 0.5:
        flat = radius * rng.uniform(0.3, 1)
        return draw.ellipse(row, column, radius, flat, shape=(SIDE, SIDE), rotation=rng.uniform(-np.pi, np.pi))
    angles = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(3, 9)))
    reach = radius * rng.uniform(0.5, 1, len(angles))
    return draw.polygon(row + reach * np.sin(angles), column + reach * np.cos(angles), shape=(SIDE, SIDE))


def leaves(rng: np.random.Generator) -> Image:
    """Ellipses and polygons fallen on each other, many small and few large, some of them with a texture or a slope."""
    image = 0.5 * smooth_field(rng) + rng.uniform(0, 0.5)
    patterns = [smooth_field(rng), texture(rng), texture(rng), foam(rng)]
    smallest = rng.uniform(2, 8)
    for _ in range(int(rng.integers(100, 700))):
        radius = min(smallest / np.sqrt(1 - rng.random()), SIDE / 2)  # density falls as radius^-3
        inside = outline(rng, radius)
        shade = rng.random()
        if rng.random() < 0.4:
            pattern = patterns[rng.integers(len(patterns))]
            image[inside] = shade + rng.uniform(0.1, 0.6) * (pattern[inside] - 0.5)
        else:
            image[inside] = shade
    return stretched(image)


def inclusions(rng: np.random.Generator) -> Image:
    """A few bodies with parts inside them on an empty ground, as in a scan."""
    image = np.zeros((SIDE, SIDE), np.float32)
    for _ in range(rng.integers(1, 6)):
        image[outline(rng, SIDE * rng.uniform(0.15, 0.5))] = rng.uniform(0.2, 1)
    body = image > 0
    for _ in range(rng.integers(3, 60)):
        rows, columns = outline(rng, np.exp(rng.uniform(np.log(2), np.log(SIDE / 6))))
        part = body[rows, columns]
        image[rows[part], columns[part]] = rng.uniform(0, 1)
    if rng.random() < 0.3:
        image += rng.uniform(0.05, 0.3) * smooth_field(rng) * body
    return image / max(float(image.max()), 1e-3)


KINDS: tuple[tuple[Callable[[np.random.Generator], Image], float], ...] = (
    (leaves, 0.5), (inclusions, 0.16), (foam, 0.08), (texture, 0.1), (strokes, 0.1), (smooth_field, 0.06),
)  # fmt: skip
"""What is drawn, and how often."""


def stretched(image: NDArray[np.floating]) -> Image:
    """The image scaled linearly to [0, 1]."""
    low, high = float(image.min()), float(image.max())
    return ((image - low) / max(high - low, 1e-6)).astype(np.float32)


def drawn(rng: np.random.Generator) -> Image:
    """One drawn image, slightly blurred as an optical one would be."""
    draws, shares = zip(*KINDS, strict=True)
    image = draws[rng.choice(len(draws), p=shares)](rng)
    return np.clip(gaussian_filter(image, rng.choice([0.0, 0.4, 0.6, 0.9])), 0, 1).astype(np.float32)


def photographs() -> list[Image]:
    """The photographs in grey, each at its own size and at a half and 0.7 of it."""
    found = []
    for name in PHOTOGRAPHS:
        image = img_as_float32(getattr(data, name)())
        grey = rgb2gray(image[..., :3]) if image.ndim == 3 else image
        for share in (1.0, 0.7, 0.5):
            reduced = np.clip(zoom(gaussian_filter(grey, 0.5 / share - 0.5), share, order=1), 0, 1)
            if min(reduced.shape) >= 96:
                found.append(reduced.astype(np.float32))
    return found
