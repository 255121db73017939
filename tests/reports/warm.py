"""Imported once by the process that victims are forked from: with everything loaded that a run loads when it begins."""

from __future__ import annotations

import torch

import dipgraph
from dipgraph.language import read_recipe
from dipgraph.language.diagnostics import Source
from tests.engine.resumed import NEWTON, SPLIT
from tests.reports import victim

__all__ = ["victim"]

torch.set_num_threads(1)
if not torch.cuda.is_available():  # with a GPU the first backward pass starts threads, which a fork loses
    for text in (SPLIT, NEWTON):
        recipe = read_recipe(Source("warm.yaml", text))
        dipgraph.run(recipe, settings={"problem.size": 16, "problem.views": 9, "problem.detectors": 24}, threads=1)
