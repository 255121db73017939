"""Data: readers, preparation, phantoms, scores; a problem file becomes a Problem."""

from dipgraph.data.problem import Problem
from dipgraph.data.problem_file import ProblemFile, load_problem, problem_file, read_problem
from dipgraph.data.shipped import locate, shipped

__all__ = ["Problem", "ProblemFile", "load_problem", "locate", "problem_file", "read_problem", "shipped"]
