"""The ground floor: spaces, ports, what a block declares of itself. Imports nothing of ours, and no torch."""

from dipgraph.signatures.block import REGISTRY, Output, Port, Signature, block
from dipgraph.signatures.errors import DipgraphError, GeometryError, InputError, MissingExtra
from dipgraph.signatures.ports import (
    FILE,
    INPUTS,
    LOSS,
    NETWORK,
    OPTIMISER,
    PARAMETERS,
    SETTING,
    STREAM,
    SWITCH,
    field,
    linear_map,
    number,
    vector,
    whole,
    word,
)
from dipgraph.signatures.spaces import GIVEN, G, Space, X, Y
from dipgraph.signatures.verdict import Verdict

__all__ = [
    "FILE", "GIVEN", "INPUTS", "LOSS", "NETWORK", "OPTIMISER", "PARAMETERS", "REGISTRY", "SETTING", "STREAM", "SWITCH",
    "DipgraphError", "G", "GeometryError", "InputError", "MissingExtra", "Output", "Port", "Signature", "Space",
    "Verdict", "X", "Y", "block", "field", "linear_map", "number", "vector", "whole", "word",
]  # fmt: skip
