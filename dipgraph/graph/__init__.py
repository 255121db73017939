"""Checked recipe to schedule: single assignment, one acyclic graph a body, pure steps lifted out and computed once."""

from dipgraph.graph.body import Body, Carried, Loop, Operation, Plan, Training, Value
from dipgraph.graph.build import build

__all__ = ["Body", "Carried", "Loop", "Operation", "Plan", "Training", "Value", "build"]
