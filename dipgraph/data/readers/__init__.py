"""Readers: a file becomes a measurement, with geometry and units, or an image to compare with."""

from dipgraph.data.readers.arrays import load_array, require_file
from dipgraph.data.readers.exchange import read_exchange
from dipgraph.data.readers.htc2022 import read_htc2022
from dipgraph.data.readers.sinogram import read_array

__all__ = ["load_array", "read_array", "read_exchange", "read_htc2022", "require_file"]
