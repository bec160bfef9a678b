"""The checkpoint file: what the server's clean-up calls remove, and what they leave alone."""

import operator
from pathlib import Path
from typing import Annotated

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START, StateGraph
from pydantic import BaseModel
from typing_extensions import TypedDict

from rlhf.graph.checkpoints import Checkpoints, open_checkpoints
from rlhf.state.errors import LedgerError


class Count(TypedDict):
    """A state that grows by one per node."""

    total: Annotated[int, operator.add]


async def counted(saver: Checkpoints, thread: str, run: str) -> RunnableConfig:
    graph = StateGraph(Count)
    graph.add_node("first", lambda _: {"total": 1})
    graph.add_node("second", lambda _: {"total": 1})
    graph.add_edge(START, "first")
    graph.add_edge("first", "second")
    graph.add_edge("second", END)
    config: RunnableConfig = {"configurable": {"thread_id": thread}, "metadata": {"run_id": run}}
    await graph.compile(checkpointer=saver).ainvoke({"total": 1}, config)
    return config


async def checkpoints_of(saver: Checkpoints, config: RunnableConfig) -> int:
    return len([entry async for entry in saver.alist(config)])


async def test_pruning_keeps_the_latest_checkpoint_of_a_thread(tmp_path: Path) -> None:
    async with open_checkpoints(tmp_path / "checkpoints.sqlite") as saver:
        pruned, other = await counted(saver, "a", "r1"), await counted(saver, "b", "r2")
        before = await checkpoints_of(saver, other)
        await saver.aprune(["a"])
        assert await checkpoints_of(saver, pruned) == 1
        kept = await saver.aget_tuple({"configurable": {"thread_id": "a"}})
        assert kept is not None
        assert kept.checkpoint["channel_values"]["total"] == 3
        assert await checkpoints_of(saver, other) == before


async def test_pruning_with_delete_leaves_nothing_of_a_thread(tmp_path: Path) -> None:
    async with open_checkpoints(tmp_path / "checkpoints.sqlite") as saver:
        config = await counted(saver, "a", "r1")
        await saver.aprune(["a"], strategy="delete")
        assert await checkpoints_of(saver, config) == 0


async def test_deleting_a_run_leaves_the_other_runs_alone(tmp_path: Path) -> None:
    async with open_checkpoints(tmp_path / "checkpoints.sqlite") as saver:
        doomed, kept = await counted(saver, "a", "r1"), await counted(saver, "b", "r2")
        before = await checkpoints_of(saver, kept)
        await saver.adelete_for_runs(["r1"])
        assert await checkpoints_of(saver, doomed) == 0
        assert await checkpoints_of(saver, kept) == before


class Foreign(BaseModel):
    """A class no state names."""

    text: str = ""


async def test_a_checkpoint_never_revives_a_class_the_state_does_not_name(tmp_path: Path) -> None:
    async with open_checkpoints(tmp_path / "checkpoints.sqlite") as saver:
        stored = saver.serde.dumps_typed({"foreign": Foreign(text="boo"), "plain": [1, "two"]})
        loaded = saver.serde.loads_typed(stored)
        assert loaded["plain"] == [1, "two"]
        assert not isinstance(loaded["foreign"], Foreign)


async def test_a_place_that_cannot_be_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(LedgerError, match="file"):
        async with open_checkpoints(tmp_path / "file" / "checkpoints.sqlite"):
            pass
