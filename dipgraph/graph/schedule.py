"""The order in which a body's operations run: topological, ties by their place in the text."""

from __future__ import annotations

import networkx as nx

from dipgraph.graph.body import Body


def schedule(body: Body) -> None:
    """Put the operations of a body into the order in which they run."""
    body.operations = list(nx.lexicographical_topological_sort(body.network(), key=lambda operation: operation.order))
