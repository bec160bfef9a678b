"""The picture of the graphs has the nodes and ways of the graphs."""

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

from rlhf.graph.judge import build_judge
from rlhf.graph.pipeline import build_pipeline
from rlhf.nodes.services import Services

PAGE = (Path(__file__).parents[2] / "docs" / "architecture.md").read_text(encoding="utf-8")


def drawn(lines: str) -> set[tuple[str, str]]:
    """The ways in lines of Mermaid: chains, labels on arrows, and several nodes joined by &."""
    ways = set()
    for line in lines.splitlines():
        stops = [stop.split(" & ") for stop in re.split(r" (?:-- [^>]*? )?--> ", line.strip())]
        ways |= {(a, b) for left, right in pairwise(stops) for a in left for b in right}
    return ways


def wired(graph: Any) -> set[tuple[str, str]]:
    """The ways of a graph from node to node; one that asks again (review → review) is no way on."""
    edges = {(edge.source, edge.target) for edge in graph.compile().get_graph().edges}
    return {(a, b) for a, b in edges if a != b and not {a, b} & {"__start__", "__end__"}}


def test_the_picture_shows_the_ways_of_both_graphs() -> None:
    [picture] = re.findall(r"^```mermaid\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    pipeline, _, judge = picture.partition("  subgraph judge\n")
    services = Services()
    assert drawn(pipeline) == wired(build_pipeline(services))
    assert drawn(judge) == wired(build_judge(services))
