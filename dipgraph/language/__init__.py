"""Text to checked recipe: located YAML, expressions, parameters and choices, names and spaces, diagnostics."""

from dipgraph.language.diagnostics import Fault, Faults, Mark, Source
from dipgraph.language.parameters import Setting
from dipgraph.language.program import Program
from dipgraph.language.recipe import Recipe, check, load, read_recipe, settle_recipe

__all__ = [
    "Fault",
    "Faults",
    "Mark",
    "Program",
    "Recipe",
    "Setting",
    "Source",
    "check",
    "load",
    "read_recipe",
    "settle_recipe",
]
