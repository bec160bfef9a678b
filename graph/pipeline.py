"""The `pipeline` graph: prompts in, a judged, trained, evaluated and deployed adapter out."""

from functools import partial

from langgraph.graph import END, START, StateGraph

from rlhf.graph.judge import build_panel, judging
from rlhf.graph.status import Action, of_run
from rlhf.nodes.approve_deployment import approve_deployment
from rlhf.nodes.approve_training import approve_training
from rlhf.nodes.build_dataset import build_dataset
from rlhf.nodes.collect import collect
from rlhf.nodes.deploy import deploy
from rlhf.nodes.evaluate import evaluate
from rlhf.nodes.finish import finish
from rlhf.nodes.generate import generate
from rlhf.nodes.prepare import prepare
from rlhf.nodes.review import review
from rlhf.nodes.services import Services, operator
from rlhf.nodes.train import train
from rlhf.state.graph_state import PipelineInput, PipelineOutput, PipelineState, RunContext


def build_pipeline(
    services: Services,
) -> StateGraph[PipelineState, RunContext, PipelineInput, PipelineOutput]:
    """The whole loop, not compiled yet: the command line adds its checkpoints, the server its own."""
    panel = build_panel(services)
    graph = StateGraph(PipelineState, RunContext, input_schema=PipelineInput, output_schema=PipelineOutput)
    actions: dict[str, Action] = {
        "prepare": prepare,
        "generate": generate,
        "collect": collect,
        "review": review,
        "build_dataset": build_dataset,
        "approve_training": approve_training,
        "train": train,
        "evaluate": partial(evaluate, panel=panel),
        "approve_deployment": approve_deployment,
        "deploy": deploy,
        "finish": finish,
    }
    ways = {
        "generate": ("judge", "collect"),
        "collect": ("generate", "review"),
        "review": ("review", "build_dataset"),
        "approve_training": ("approve_training", "train", "finish"),
        "approve_deployment": ("approve_deployment", "deploy"),
        "deploy": ("generate", "finish"),
    }
    for name, action in actions.items():
        graph.add_node(name, of_run(action, services), destinations=ways.get(name))
    graph.add_node("judge", judging(services))
    graph.add_edge(START, "prepare")
    graph.add_edge("prepare", "generate")
    graph.add_edge("judge", "collect")
    graph.add_edge("build_dataset", "approve_training")
    graph.add_edge("train", "evaluate")
    graph.add_edge("evaluate", "approve_deployment")
    graph.add_edge("finish", END)
    return graph


graph = build_pipeline(operator).compile(name="pipeline")
"""For the server: the operator's recipe comes from the environment, checkpoints from langgraph.json."""
