"""Ellipses: area-sampled on a grid, and their exact line integrals."""

from dataclasses import dataclass

import numpy as np

from dipgraph.operators import ImageGrid, ScanGeometry


@dataclass(frozen=True)
class Ellipse:
    """Density inside an ellipse: centre and semi-axes in the grid's unit, turned counter-clockwise."""

    density: float
    centre: tuple[float, float]
    axes: tuple[float, float]
    turn: float = 0.0

    def _inward(self, points):
        """Map points so that the ellipse becomes the unit disc."""
        shifted = points - np.asarray(self.centre)
        return self._linear(shifted)

    def _linear(self, vectors):
        cos, sin = np.cos(self.turn), np.sin(self.turn)
        along = vectors[..., 0] * cos + vectors[..., 1] * sin
        across = -vectors[..., 0] * sin + vectors[..., 1] * cos
        return np.stack([along / self.axes[0], across / self.axes[1]], axis=-1)

    def sample(self, grid: ImageGrid, fine: int = 8) -> np.ndarray:
        """Return the area average over each pixel."""
        rows, columns = grid.rows * fine, grid.columns * fine
        x = (np.arange(columns) - (columns - 1) / 2) * grid.pixel / fine
        y = ((rows - 1) / 2 - np.arange(rows)) * grid.pixel / fine
        points = np.stack(np.broadcast_arrays(x[None, :], y[:, None]), axis=-1)
        inside = (self._inward(points) ** 2).sum(-1) <= 1
        mean = inside.reshape(grid.rows, fine, grid.columns, fine).mean((1, 3))
        return (self.density * mean).astype(np.float32)

    def project(self, geometry: ScanGeometry) -> np.ndarray:
        """Return density times chord length of every ray."""
        pixels, first = geometry.detector_centres(), geometry.vectors()[:, None, 0:2]
        ray = pixels - first if geometry.kind == "fan" else np.broadcast_to(first, pixels.shape)
        ray = ray / np.linalg.norm(ray, axis=-1, keepdims=True)
        start, step = self._inward(pixels), self._linear(ray)
        a, b, c = (step**2).sum(-1), (start * step).sum(-1), (start**2).sum(-1) - 1
        return self.density * 2 * np.sqrt(np.maximum(b * b - a * c, 0)) / a

    def core(self, grid: ImageGrid, share: float = 0.8) -> np.ndarray:
        """Return the pixels well inside."""
        inner = Ellipse(1.0, self.centre, (share * self.axes[0], share * self.axes[1]), self.turn)
        return inner.sample(grid, 1) > 0.5


GRID = ImageGrid((128, 136), 0.5)
DISC = Ellipse(0.3, (6.0, -4.0), (18.0, 18.0))
ELLIPSE = Ellipse(0.2, (-3.0, 5.0), (23.0, 13.0), 0.6)
