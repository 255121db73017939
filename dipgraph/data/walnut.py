"""The procedural walnut: a slice of a nut in its shell, smooth and textured, defined at every resolution.

Coordinates: the origin in the middle, the shorter half side of the image is 1, y points down the rows. Values: 0 is
air, 1 the largest attenuation that the range allows. FIXED: benchmarks compare against it; no number here may change.

Features are as large as a coarse scan resolves, one whose detector pixel covers 0.031 at the centre (2 of 128 pixels):
what has strong contrast is at least 0.04 wide at half its height, and textures have cells of 0.05 or more. A surface
against air is sharp, a step over 0.016. Only where a shape ends or two of them meet does a gap narrow; there it fades.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dipgraph.data.texture import Field, Noise, Ripple, bump, rise, soft_min

EDGE = 0.016
"""Width of the soft step at a surface: shell and kernel against air."""

THIN = 0.026
"""Width of the thinnest ridge, a membrane's: 0.043 between its half heights."""

SLIT = 0.022
"""Half width of a fold where it is narrowest."""

SEAM = 0.5 * np.pi + 0.04
"""Where the two halves of the shell meet, on either side [rad]."""


class Walnut:
    """A walnut's slice as a function of the plane.

    A wavy shell with layers, radial fibres and pores; two kernel halves, each of two lobes with folds that run inwards
    from the surface; the woody septum between them; papery membranes in the gaps; small bright and dark inclusions.

    Parameters
    ----------
    seed
        Which walnut: equal seeds give equal nuts.
    """

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed

    def _noise(self, stream: int) -> Noise:
        return Noise(self._seed, 1, stream)

    def _ripple(self, stream: int, low: int, high: int, fall: float) -> Ripple:
        return Ripple(low, high, fall, self._seed, 2, stream)

    def _draw(self, stream: int) -> np.random.Generator:
        return np.random.Generator(np.random.PCG64([self._seed, 3, stream]))

    def __call__(self, x: Field, y: Field) -> Field:
        """Attenuation in [0, 1] at the points ``(x, y)``, arrays of one shape."""
        image = np.zeros(x.shape)
        near = np.hypot(x, y) < 0.97
        px, py = x[near], y[near]
        warp = self._noise(0)
        wx = px + 0.017 * warp(px, py, 2.2, 2)
        wy = py + 0.017 * warp(py + 9.1, px - 4.7, 2.2, 2)
        angle, outside, inside, depth = self._layers(wx, wy)
        value = np.zeros(px.shape)
        for part, where in (
            (self._shell, (outside > -0.02) & (inside < 0.02)),
            (self._membranes, (depth < 0.02) & (inside > -0.02)),
            (self._kernel, depth > -0.02),
        ):
            layer = part(wx[where], wy[where], angle[where], outside[where], inside[where], depth[where])
            value[where] = np.maximum(value[where], layer)
        self._grains(value, wx, wy, angle, inside, depth)
        image[near] = np.clip(value, 0.0, 1.0)
        return image

    def _layers(self, x: Field, y: Field) -> tuple[Field, Field, Field, Field]:
        """Angle, distances inwards from the shell's outer and inner surface, and depth in the kernel."""
        angle = np.arctan2(y, x)
        outside, inside = self._surfaces(angle, np.hypot(x / 0.97, y / 1.02))
        return angle, outside, inside, self._kernel_depth(x, y, angle, inside)

    def _surfaces(self, angle: Field, radius: Field) -> tuple[Field, Field]:
        """Distance inwards from the shell's outer surface, and from its inner one."""
        seam = bump(np.abs(angle) - SEAM, 0.11)
        outer = 0.845 * (1.0 + 0.013 * self._ripple(0, 2, 6, 1.0)(angle) + 0.008 * self._ripple(1, 7, 26, 0.5)(angle))
        outer = outer + 0.024 * seam
        thick = 0.097 + 0.011 * self._ripple(2, 2, 9, 0.6)(angle) + 0.006 * self._ripple(3, 10, 24, 0.4)(angle)
        thick = np.maximum(thick, 0.07) + 0.045 * seam
        return outer - radius, outer - thick - radius

    def _shell(self, x: Field, y: Field, angle: Field, outside: Field, inside: Field, depth: Field) -> Field:
        """Hard outer layer, porous middle, dense lining; fibres across them, pores, and a seam on either side."""
        layer = outside / (outside - inside)
        profile = 0.59 + 0.16 * bump(layer - 0.14, 0.26) + 0.08 * bump(layer - 0.90, 0.24)
        cx, cy = np.cos(angle), np.sin(angle)
        fibre = self._noise(1)(8.0 * cx + 0.5 * layer, 8.0 * cy - 0.5 * layer, 1.0, 2, 0.9)
        cloud = self._noise(2)(x, y, 7.0, 2, 0.7)
        value = profile * (1.0 + 0.095 * fibre + 0.065 * cloud)
        pore = self._noise(3)(11.0 * cx + 1.2 * layer, 11.0 * cy + 1.2 * layer, 1.0)
        value -= 0.40 * rise(pore - 0.95, 1.2) * bump(layer - 0.52, 0.34)
        seam = bump((np.abs(angle) - SEAM + 0.02 * np.sin(6.0 * layer)) * 0.84, THIN)
        value *= 1.0 - 0.40 * seam * rise(layer - 0.30, 0.4)
        return np.asarray(np.maximum(value, 0.0) * rise(outside, EDGE) * rise(-inside, EDGE))

    @staticmethod
    def _sway(y: Field) -> Field:
        """Where the septum runs: its x at each y."""
        return np.asarray(0.032 * np.sin(2.3 * y + 0.6) + 0.016 * np.sin(6.1 * y - 1.0))

    @staticmethod
    def _sinus(reach: Field, side: Field) -> Field:
        """Where the cleft between the two lobes of a half runs: its y at each distance from the septum."""
        return np.asarray(
            -0.03 + 0.03 * side - 0.12 * reach + 0.34 * side * reach**2 + 0.014 * np.sin(15.0 * reach + side)
        )

    def _bay(self, angle: Field) -> Field:
        """How far the kernel has shrunk from the shell: 0 to 1."""
        return rise(self._ripple(4, 2, 8, 0.5)(angle) - 0.6, 1.4)

    def _kernel_depth(self, x: Field, y: Field, angle: Field, inside: Field) -> Field:
        """About the distance into the kernel from its surface; negative outside."""
        gap = 0.056 + 0.080 * self._bay(angle) + 0.007 * self._ripple(5, 9, 16, 0.3)(angle)
        depth = inside - np.maximum(gap, 0.045)
        across = x - self._sway(y)
        parting = 0.072 + 0.008 * np.sin(5.0 * y) + 0.068 * bump(y + 0.03, 0.22) + 0.012 * rise(np.abs(y) - 0.58, 0.25)
        depth = soft_min(depth, np.abs(across) - parting, 0.16)
        side, reach = np.sign(across), np.abs(across)
        end = np.where(side > 0, 0.54, 0.45)
        cleft = 0.026 + 0.054 * np.clip(1.0 - reach / end, 0.0, None) ** 0.8
        off = np.hypot(y - self._sinus(reach, side), np.maximum(reach - end, 0.0))
        depth = soft_min(depth, off - cleft, 0.08)
        for fold in self._folds():
            fold.carve(depth, x, y)
        deep = depth > -0.05
        depth[deep] += 0.004 * self._noise(4)(x[deep], y[deep], 7.0)
        return depth

    def _folds(self) -> list[Fold]:
        """Folds of the four lobes: two into each from the shell, one from the septum."""
        draw = self._draw(0)
        folds = []
        for side in (1.0, -1.0):
            for place in (-56.0, -20.0, 20.0, 56.0):
                at = np.deg2rad(place + draw.uniform(-5.0, 5.0))
                start = np.array([side * np.cos(at), np.sin(at)]) * 0.74
                aim = np.array([side * 0.34, 0.34 * np.sign(place)]) + draw.uniform(-0.12, 0.12, 2)
                folds.append(Fold(start, aim, draw.uniform(0.42, 0.68), draw.uniform(0.045, 0.075), draw))
            for place in (-0.41 + 0.04 * side, 0.33):
                start = np.array([side * 0.05, place + draw.uniform(-0.04, 0.04)])
                aim = start + np.array([side * draw.uniform(0.13, 0.21), draw.uniform(-0.08, 0.08)])
                folds.append(Fold(start, aim, 1.0, draw.uniform(0.035, 0.050), draw))
        return folds

    def _kernel(self, x: Field, y: Field, angle: Field, outside: Field, inside: Field, depth: Field) -> Field:
        """Oily flesh that varies slowly, grain, veins, and a denser skin."""
        flesh = 0.460 + 0.040 * self._noise(5)(x, y, 2.5, 2) + 0.034 * self._noise(6)(x, y, 8.0, 2, 0.8)
        flesh += 0.10 * bump(depth - 0.02, 0.04) - 0.040 * rise(depth - 0.10, 0.12)
        flesh -= 0.06 * bump(self._noise(7)(x, y, 3.2) - 0.2, 0.5) * rise(depth - 0.05, 0.05)
        return np.asarray(flesh * rise(depth, EDGE))

    def _membranes(self, x: Field, y: Field, angle: Field, outside: Field, inside: Field, depth: Field) -> Field:
        """The woody septum, in two leaves about the hollow middle, its wings, and a papery skin in the wide gaps."""
        across = x - self._sway(y)
        split = 0.068 * bump(y + 0.03, 0.20)
        thick = THIN + 0.012 * rise(np.abs(y) - 0.58, 0.25)
        grain = 1.0 + 0.14 * self._noise(9)(x, y, 10.0, 2)
        septum = 0.44 * np.maximum(bump(across + split, thick), bump(across - split, thick)) * grain
        side, reach = np.sign(across), np.abs(across)
        wing = 0.34 * bump(y - self._sinus(reach, side), THIN) * grain
        wing *= rise(reach - split, 0.04) * rise(0.24 - reach, 0.12)
        paper = 0.30 * bump(inside - 0.068, THIN) * rise(self._bay(angle) - 0.8, 0.4) * grain
        layer = np.maximum(np.maximum(septum, wing), paper)
        return np.asarray(layer * rise(inside + 0.5 * EDGE, EDGE) * (1.0 - 0.5 * rise(depth, EDGE)))

    def _grains(self, value: Field, x: Field, y: Field, angle: Field, inside: Field, depth: Field) -> None:
        """Small bright grains and dark voids, eight in the kernel, and four bright grains in the shell; in place."""
        draw = self._draw(1)
        for number, (cx, cy) in enumerate(self._spots(8)):
            size, long, turn = draw.uniform(0.023, 0.034), draw.uniform(1.0, 1.7), draw.uniform(0.0, np.pi)
            strength = draw.uniform(0.7, 1.0) * (0.36 if number % 2 == 0 else -0.34)
            near: NDArray[np.bool_] = np.hypot(x - cx, y - cy) < 0.12
            dx, dy = x[near] - cx, y[near] - cy
            u = (dx * np.cos(turn) + dy * np.sin(turn)) / (size * long)
            v = (dy * np.cos(turn) - dx * np.sin(turn)) / size
            value[near] += strength * rise(1.0 - np.hypot(u, v), 1.6) * rise(depth[near] - 0.03, 0.04)
        for _ in range(4):
            at, sink, size = draw.uniform(-np.pi, np.pi), draw.uniform(0.035, 0.055), draw.uniform(0.022, 0.030)
            along = np.mod(angle - at + np.pi, 2.0 * np.pi) - np.pi
            near = (np.abs(along) < 0.12) & (inside < 0.02)
            value[near] += 0.14 * rise(1.0 - np.hypot(0.7 * along[near], inside[near] + sink) / size, 1.6)

    def _spots(self, count: int) -> list[tuple[float, float]]:
        """Places deep in the kernel, far from one another."""
        x, y = self._draw(2).uniform(-0.7, 0.7, (2, 400))
        deep = self._layers(x, y)[3] > 0.055
        spots: list[tuple[float, float]] = []
        for cx, cy in zip(x[deep], y[deep], strict=True):
            if len(spots) < count and all(np.hypot(cx - ox, cy - oy) > 0.2 for ox, oy in spots):
                spots.append((float(cx), float(cy)))
        return spots


class Fold:
    """A crease of the kernel's surface: a curved cut, wide where it opens, with a round end.

    Parameters
    ----------
    start, aim
        Where it opens, and the point it runs towards.
    length
        How far it gets, as a share of the way to ``aim``.
    width
        Its half width where it opens; it narrows to ``SLIT``.
    draw
        The generator that bends it.
    """

    def __init__(self, start: Field, aim: Field, length: float, width: float, draw: np.random.Generator) -> None:
        way = aim - start
        self._span = float(np.hypot(*way)) * length
        self._start, self._along, self._width = start, way / np.hypot(*way), width
        self._bend, self._wave = draw.uniform(-2.2, 2.2), draw.uniform(0.004, 0.012)
        self._phase = draw.uniform(0.0, 2.0 * np.pi)

    def carve(self, depth: Field, x: Field, y: Field) -> None:
        """Take the cut out of the body whose depth is given at the points ``(x, y)``, in place."""
        dx, dy = x - self._start[0], y - self._start[1]
        run = dx * self._along[0] + dy * self._along[1]
        off = dy * self._along[0] - dx * self._along[1]
        held = np.clip(run, -0.04, self._span)
        axis = self._bend * held * (held - self._span) + self._wave * np.sin(17.0 * held + self._phase)
        half = SLIT + (self._width - SLIT) * np.clip(1.0 - held / self._span, 0.0, 1.0) ** 1.5
        distance = np.hypot(off - axis, run - held) - half
        depth[:] = soft_min(depth, distance, 0.09)
