"""The `judge` graph: route, five judges side by side or one for all, aggregate, accept; feedback comes out."""

from collections.abc import Callable
from functools import partial
from typing import Any

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from rlhf.graph.status import Action, of_judge
from rlhf.nodes.accept import accept
from rlhf.nodes.aggregate import aggregate
from rlhf.nodes.judge import judge, judge_combined
from rlhf.nodes.route import chosen_judges, route
from rlhf.nodes.services import Services, operator
from rlhf.prompts.dimensions import DIMENSIONS
from rlhf.state.graph_state import (
    JudgedResponse,
    JudgeInput,
    JudgeOutput,
    JudgeState,
    JudgeTask,
    RunContext,
)


def build_judge(services: Services) -> StateGraph[JudgeState, RunContext, JudgeInput, JudgeOutput]:
    """The graph for a single response, as Studio and QA use it; not compiled yet."""
    graph = StateGraph(JudgeState, RunContext, input_schema=JudgeInput, output_schema=JudgeOutput)
    return _wired(graph, partial(of_judge, services=services, in_run=False))


def build_panel(services: Services) -> CompiledStateGraph[JudgeState, RunContext, JudgeTask, JudgedResponse]:
    """The same nodes for a response that is in the ledger: the pipeline's subgraph.

    It has no checkpointer of its own: every finished verdict is in the ledger.
    """
    return _panel(services).compile(checkpointer=False, name="judge")


def judging(services: Services) -> Action:
    """The pipeline's node: the panel, which drawings of the pipeline show with its judges."""
    panel = build_panel(services)
    drawn = _panel(services).compile(name="judge")

    async def judge(state: Any) -> Any:
        # LangGraph draws a graph that a node mentions, but none that keeps no checkpoints.
        return await (panel or drawn).ainvoke(state)

    return judge


def _panel(services: Services) -> StateGraph[JudgeState, RunContext, JudgeTask, JudgedResponse]:
    graph = StateGraph(JudgeState, RunContext, input_schema=JudgeTask, output_schema=JudgedResponse)
    _wired(graph, partial(of_judge, services=services, in_run=True))
    return graph


def _wired(
    graph: StateGraph[Any, Any, Any, Any], node: Callable[[Action], Action]
) -> StateGraph[Any, Any, Any, Any]:
    graph.add_node("route", node(route))
    graph.add_node("aggregate", node(aggregate))
    graph.add_node("accept", node(accept))
    graph.add_edge(START, "route")
    separate = [f"judge_{dimension}" for dimension in DIMENSIONS]
    for name, dimension in zip(separate, DIMENSIONS, strict=True):
        graph.add_node(name, node(partial(judge, dimension=dimension)))
    graph.add_node("judge_combined", node(judge_combined))
    graph.add_conditional_edges("route", node(chosen_judges), [*separate, "judge_combined"])
    graph.add_edge(separate, "aggregate")
    graph.add_edge("judge_combined", "aggregate")
    graph.add_edge("aggregate", "accept")
    graph.add_edge("accept", END)
    return graph


graph = build_judge(operator).compile(name="judge")
"""For the server: the operator's recipe comes from the environment, checkpoints from langgraph.json."""
