"""`--tensorboard`: scalars and images of a run for TensorBoard, in the folder ``tensorboard`` of the run's own."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import numpy as np

from dipgraph.blocks.extras import require
from dipgraph.engine.record import Entry
from dipgraph.engine.run import Result, Run
from dipgraph.reports.news import News

INTERVAL = 1.0
"""Least time between two readings of the device [s]."""
IMAGE_INTERVAL = 10.0
"""Least time between two images [s]."""


def ask_for_tensorboard() -> None:
    """Raise :class:`~dipgraph.signatures.MissingExtra` where the package is absent."""
    require("tensorboard", "tensorboard", "--tensorboard")


def writer(folder: Path) -> Any:
    """A writer of events into the folder of a run."""
    ask_for_tensorboard()
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder / "tensorboard"))


class TensorBoard:
    """Writes loss terms, PSNR and stop scores at each step, and the tracked image now and then.

    Parameters
    ----------
    run
        The run.
    events
        Where to write: ``add_scalar``, ``add_image`` and ``close``, as torch's ``SummaryWriter``.
    """

    def __init__(self, run: Run, events: Any, interval: float = INTERVAL) -> None:
        self.run, self.events = run, events
        self.news = News(run, interval)
        self.drawn_at = -math.inf

    def __enter__(self) -> TensorBoard:
        return self

    def __exit__(self, *_: object) -> None:
        self.events.close()

    def look(self) -> None:
        """Write what is new."""
        for entry in self.news.since():
            self._step(entry)
        now = time.perf_counter()
        if now - self.drawn_at >= IMAGE_INTERVAL and (image := self.run.image) is not None:
            self.drawn_at = now
            self._image("tracked", image)

    def ended(self, result: Result) -> None:
        """Write the rest, and the image that was delivered."""
        for entry in self.news.since(is_over=True):
            self._step(entry)
        self._image("delivered", result.image)

    def _step(self, entry: Entry) -> None:
        named = {"loss/sum": entry.loss, "PSNR [dB]": entry.psnr}
        named |= {f"loss/{name}": value for name, value in entry.terms.items()}
        named |= {f"score/{name}": value for name, value in entry.scores.items()}
        for name, value in named.items():
            if math.isfinite(value):
                self.events.add_scalar(name, value, entry.step)

    def _image(self, name: str, image: np.ndarray[Any, Any]) -> None:
        if image.ndim == 2:
            grey = np.clip(np.nan_to_num(image / self.run.bound.scale), 0.0, 1.0)
            self.events.add_image(name, grey[None], self.run.steps)
