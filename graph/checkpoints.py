"""Where checkpoints live: one SQLite file, for the command line and for the langgraph dev server."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from rlhf.nodes.tracing.context import install
from rlhf.state.errors import LedgerError
from rlhf.state.recipe import choose_recipe


class Checkpoints(AsyncSqliteSaver):
    """LangGraph's SQLite saver with the two clean-up methods the server's API also calls."""

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Delete the checkpoints that the given server runs wrote."""
        await self.setup()
        async with self.lock:
            for run_id in run_ids:
                doomed = (
                    "SELECT thread_id, checkpoint_ns, checkpoint_id FROM checkpoints "
                    "WHERE json_extract(CAST(metadata AS TEXT), '$.run_id') = ?"
                )
                await self.conn.execute(
                    f"DELETE FROM writes WHERE (thread_id, checkpoint_ns, checkpoint_id) IN ({doomed})",
                    (run_id,),
                )
                await self.conn.execute(
                    "DELETE FROM checkpoints WHERE json_extract(CAST(metadata AS TEXT), '$.run_id') = ?",
                    (run_id,),
                )
            await self.conn.commit()

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Delete the threads' checkpoints: all but the latest per namespace, or all with "delete"."""
        await self.setup()
        async with self.lock:
            for thread_id in thread_ids:
                for table in ("writes", "checkpoints"):
                    kept = (
                        " AND (checkpoint_ns, checkpoint_id) NOT IN ("
                        "SELECT checkpoint_ns, MAX(checkpoint_id) FROM checkpoints "
                        "WHERE thread_id = ? GROUP BY checkpoint_ns)"
                        if strategy == "keep_latest"
                        else ""
                    )
                    parameters = (thread_id, thread_id) if kept else (thread_id,)
                    await self.conn.execute(f"DELETE FROM {table} WHERE thread_id = ?{kept}", parameters)
            await self.conn.commit()


@asynccontextmanager
async def open_checkpoints(path: Path) -> AsyncIterator[Checkpoints]:
    """Open (or make) the checkpoint file; LedgerError if the folder cannot be used."""
    import aiosqlite

    try:
        await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True)
        # A busy disk may hold a write for longer than the five seconds that are usual.
        async with aiosqlite.connect(path, timeout=60.0) as connection:
            # Only plain types and those named in the state are read back: a checkpoint is data, never code.
            yield Checkpoints(connection, serde=JsonPlusSerializer(allowed_msgpack_modules=None))
    except OSError as error:
        raise LedgerError(f"{path} cannot be opened for checkpoints: {error.strerror}.") from error


@asynccontextmanager
async def make() -> AsyncIterator[Checkpoints]:
    """The server's checkpoints, at the place the operator's recipe names (langgraph.json points here)."""
    settings = await asyncio.to_thread(lambda: choose_recipe().settings)
    # Here, because it comes before the server's first run: what it traces by itself goes through our client.
    await asyncio.to_thread(install, settings)
    async with open_checkpoints(settings.storage.checkpoint_path) as saver:
        yield saver
