"""A scan geometry as an SVG drawing: image, field of view, sources, detectors and a few rays."""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray

from dipgraph.operators.geometry import ScanGeometry
from dipgraph.operators.grid import ImageGrid

SIZE = 640  # Side of the drawing [px]
MARGIN = 24
MOST_VIEWS = 12  # More detectors than this make the drawing black.


def draw_geometry(geometry: ScanGeometry, grid: ImageGrid, path: str | Path) -> Path:
    """Draw a scan around its image grid and write it as SVG.

    x points right and y up, as the geometry has them. Sources (or, for parallel rays, where the rays start), detectors
    and outermost rays are drawn for at most twelve evenly chosen views, the first of them in colour; all sources are
    marked by dots.

    Parameters
    ----------
    geometry, grid
        What is drawn, in the same unit.
    path
        The file to write.

    Returns
    -------
    Path
        The file written.
    """
    target = Path(path)
    target.write_text(render_geometry(geometry, grid), encoding="utf-8")
    return target


def render_geometry(geometry: ScanGeometry, grid: ImageGrid) -> str:
    """Return the drawing of :func:`draw_geometry` as SVG text."""
    starts, ends = _rays(geometry, grid)
    every = np.concatenate([starts.reshape(-1, 2), ends.reshape(-1, 2)])
    reach = max(float(np.abs(every).max()), grid.circumradius)
    scale = (SIZE / 2 - MARGIN) / reach
    shown = np.unique(np.linspace(0, geometry.count - 1, min(geometry.count, MOST_VIEWS)).round().astype(int))
    body = [_image(grid, scale), _field_of_view(geometry, scale)]
    body += [_view(starts[v], ends[v], scale, first=v == shown[0]) for v in shown[::-1]]
    if geometry.kind == "fan":
        body += [_dot(point, scale) for point in starts[:, 0]]
    lines = [str(geometry), f"image {grid}", f"seen in every view: radius {geometry.field_of_view():.6g} {grid.unit}"]
    text = [
        f'<text x="{MARGIN}" y="{SIZE + 18 * (k + 1)}" font-size="12">{escape(line)}</text>'
        for k, line in enumerate(_wrapped(lines))
    ]
    height = SIZE + 18 * (len(text) + 1)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{SIZE}" height="{height}" viewBox="0 0 {SIZE} {height}" '
        f'font-family="sans-serif">\n<title>{escape(str(geometry))}</title>\n'
        f'<rect width="{SIZE}" height="{height}" fill="white"/>\n' + "\n".join(body + text) + "\n</svg>\n"
    )


def _rays(geometry: ScanGeometry, grid: ImageGrid) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return both ends of the two outermost rays of each view, ``(views, 2, 2)``: at the source and the detector."""
    ends = geometry.detector_centres()[:, [0, -1]]
    vectors = geometry.vectors()
    if geometry.kind == "fan":
        return np.repeat(vectors[:, None, 0:2], 2, axis=1), ends
    # Parallel rays have no source: they are drawn from one side of the image to a detector on the other.
    direction = vectors[:, None, 0:2] / np.linalg.norm(vectors[:, None, 0:2], axis=2, keepdims=True)
    reach = 1.25 * grid.circumradius
    along = np.sum(ends * direction, axis=2)[..., None]
    return ends - (along + reach) * direction, ends - (along - reach) * direction


def _place(point: NDArray[np.float64], scale: float) -> str:
    return f"{SIZE / 2 + scale * point[0]:.2f},{SIZE / 2 - scale * point[1]:.2f}"


def _image(grid: ImageGrid, scale: float) -> str:
    height, width = (scale * side for side in grid.extent)
    return (
        f'<rect x="{SIZE / 2 - width / 2:.2f}" y="{SIZE / 2 - height / 2:.2f}" width="{width:.2f}" '
        f'height="{height:.2f}" fill="#eef" stroke="#446"/>\n'
        f'<path d="M{SIZE / 2 - 4} {SIZE / 2}h8m-4 -4v8" stroke="#446"/>'
    )


def _field_of_view(geometry: ScanGeometry, scale: float) -> str:
    radius = scale * geometry.field_of_view()
    return (
        f'<circle cx="{SIZE / 2}" cy="{SIZE / 2}" r="{radius:.2f}" fill="none" stroke="#484" stroke-dasharray="4 3"/>'
    )


def _view(start: NDArray[np.float64], end: NDArray[np.float64], scale: float, *, first: bool) -> str:
    ray, detector, width = ("#c40", "#c40", 1.5) if first else ("#ccc", "#888", 1)
    rays = "".join(f"M{_place(a, scale)}L{_place(b, scale)}" for a, b in zip(start, end, strict=True))
    bar = f"M{_place(end[0], scale)}L{_place(end[1], scale)}"
    return (
        f'<path d="{rays}" stroke="{ray}" stroke-width="{width / 2}" fill="none"/>'
        f'<path d="{bar}" stroke="{detector}" stroke-width="{2 * width}" fill="none"/>'
    )


def _dot(point: NDArray[np.float64], scale: float) -> str:
    x, y = _place(point, scale).split(",")
    return f'<circle cx="{x}" cy="{y}" r="1.5" fill="#c40"/>'


def _wrapped(lines: list[str], width: int = 96) -> list[str]:
    out: list[str] = []
    for line in lines:
        current = ""
        for word in line.split(" "):
            if current and len(current) + len(word) >= width:
                out.append(current)
                current = "  " + word
            else:
                current = f"{current} {word}" if current else word
        out.append(current)
    return out
