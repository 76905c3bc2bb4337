"""Circles of a graph: its strongly connected components of more than one node."""

from __future__ import annotations

# Each file, with the files that it takes something from.
Graph = dict[str, set[str]]


def circles(graph: Graph) -> list[list[str]]:
    reached = {node: _reached_from(node, graph) for node in graph}
    of = {node: tuple(sorted(other for other in reached[node] | {node} if other == node or node in reached[other])) for node in graph}
    return [list(circle) for circle in sorted(set(of.values())) if len(circle) > 1]


def _reached_from(start: str, graph: Graph) -> set[str]:
    found, left = set(), [start]
    while left:
        for other in graph.get(left.pop(), ()):
            if other not in found:
                found.add(other)
                left.append(other)
    return found & graph.keys()
