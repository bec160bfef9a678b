"""The ledger's tables. Keys come from content, so writing the same row twice changes nothing.

What is changed here needs a step in migrations.py as well: ledgers that exist are not made anew.
"""

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    DateTime,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    func,
)

metadata = MetaData()

KEY = String(24)
RUN = String(64)


class UtcDateTime(sa.types.TypeDecorator[datetime]):
    """A point in time: given with its time zone, kept and read back as UTC. SQLite itself keeps no zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        """What is kept. A time without a zone could be anybody's: ValueError."""
        if value is not None and value.tzinfo is None:
            raise ValueError("a time without a time zone")
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        """What was kept, in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _created() -> Column[datetime]:
    return Column("created_at", UtcDateTime, server_default=func.now(), nullable=False)


ledger_info = Table(
    "ledger_info",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("schema_version", Integer, nullable=False),
)

runs = Table(
    "runs",
    metadata,
    Column("run_id", RUN, primary_key=True),
    Column("adapter_name", String(64), nullable=False),
    Column("settings", JSON, nullable=False),
    Column("source", Text, nullable=False),
    Column("status", String(16), nullable=False),
    Column("note", Text, nullable=False, default=""),
    Column("round", Integer, nullable=False, default=0),
    Column("answered", Boolean, nullable=False, default=False, server_default=sa.false()),
    _created(),
)

prompts = Table(
    "prompts",
    metadata,
    Column("key", KEY, primary_key=True),
    Column("text", Text, nullable=False),
    Column("context", JSON, nullable=False),
    Column("task_type", String(64), nullable=False),
    # The turns of a conversation; null where the text is the one question.
    Column("turns", JSON(none_as_null=True)),
)

run_prompts = Table(
    "run_prompts",
    metadata,
    Column("run_id", RUN, primary_key=True),
    Column("prompt_key", KEY, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("external_id", Text, nullable=False),
    Column("split", String(8), nullable=False),
)

responses = Table(
    "responses",
    metadata,
    Column("key", KEY, primary_key=True),
    Column("prompt_key", KEY, nullable=False, index=True),
    Column("text", Text, nullable=False),
)

samples = Table(
    "samples",
    metadata,
    Column("run_id", RUN, primary_key=True),
    Column("policy", String(8), primary_key=True),
    Column("round", Integer, primary_key=True),
    Column("prompt_key", KEY, primary_key=True),
    Column("variation", Integer, primary_key=True),
    Column("response_key", KEY, index=True),
    Column("error", Text),
    Column("input_tokens", Integer, nullable=False, default=0),
    Column("output_tokens", Integer, nullable=False, default=0),
    Column("calls", Integer, nullable=False, default=0),
)

verdicts = Table(
    "verdicts",
    metadata,
    Column("key", KEY, primary_key=True),
    Column("response_key", KEY, nullable=False, index=True),
    Column("dimension", String(32), nullable=False),
    Column("status", String(8), nullable=False),
    Column("score", Float),
    Column("body", JSON, nullable=False),
    _created(),
)

run_verdicts = Table(
    "run_verdicts",
    metadata,
    Column("run_id", RUN, primary_key=True),
    Column("verdict_key", KEY, primary_key=True, index=True),
    Column("cached", Boolean, nullable=False),
    Column("calls", Integer, nullable=False),
    Column("input_tokens", Integer, nullable=False),
    Column("output_tokens", Integer, nullable=False),
)

feedback = Table(
    "feedback",
    metadata,
    Column("run_id", RUN, primary_key=True),
    Column("response_key", KEY, primary_key=True),
    Column("overall_score", Float),
    Column("rating", Integer),
    Column("coverage", Float, nullable=False),
    Column("needs_review", Boolean, nullable=False),
    Column("body", JSON, nullable=False),
)

reviews = Table(
    "reviews",
    metadata,
    Column("run_id", RUN, primary_key=True),
    Column("response_key", KEY, primary_key=True),
    Column("decision", String(8), nullable=False),
    Column("rating", Integer),
    Column("comment", Text, nullable=False),
    Column("reviewer", Text, nullable=False),
    _created(),
)

REVIEWED = sa.and_(reviews.c.run_id == feedback.c.run_id, reviews.c.response_key == feedback.c.response_key)
"""Joins a person's answer to the feedback on the same response in the same run."""

pairs = Table(
    "pairs",
    metadata,
    Column("run_id", RUN, primary_key=True),
    Column("round", Integer, primary_key=True),
    Column("chosen_key", KEY, primary_key=True),
    Column("rejected_key", KEY, primary_key=True),
    Column("margin", Float, nullable=False),
)

stages = Table(
    "stages",
    metadata,
    Column("run_id", RUN, primary_key=True),
    Column("round", Integer, primary_key=True),
    Column("stage", String(16), primary_key=True),
    Column("body", JSON, nullable=False),
)

versions = Table(
    "versions",
    metadata,
    Column("run_id", RUN, primary_key=True),
    Column("base_run_id", RUN, nullable=False, index=True),
    Column("base_round", Integer, nullable=False),
    Column("changes", JSON, nullable=False),
    _created(),
)

traces = Table(
    "traces",
    metadata,
    # The run that judged the response; empty for a single judgement.
    Column("run_id", RUN, primary_key=True),
    Column("response_key", KEY, primary_key=True),
    Column("trace_id", String(36), nullable=False),
    # The judge graph's run within the trace.
    Column("trace_run_id", String(36), nullable=False),
    Column("project", Text, nullable=False),
    _created(),
)

calibrations = Table(
    "calibrations",
    metadata,
    Column("key", KEY, primary_key=True),
    Column("judge", KEY, nullable=False, index=True),
    Column("body", JSON, nullable=False),
    # To the microsecond, as for batches: the newest of a judge's calibrations counts.
    Column("created_at", UtcDateTime, default=lambda: datetime.now(UTC), nullable=False),
)

run_calibrations = Table(
    "run_calibrations",
    metadata,
    Column("run_id", RUN, primary_key=True),
    Column("judge", KEY, primary_key=True),
    Column("calibration_key", KEY),
)

canaries = Table(
    "canaries",
    metadata,
    Column("key", KEY, primary_key=True),
    # Key of the judge's version, rubric and evidence included (rlhf.state.measures.JudgeVersion).
    Column("judge", KEY, nullable=False, index=True),
    Column("canary", String(48), nullable=False),
    Column("score", Float),
    Column("body", JSON, nullable=False),
    _created(),
)

batches = Table(
    "batches",
    metadata,
    Column("key", KEY, primary_key=True),
    Column("task_type", String(64), nullable=False, index=True),
    Column("num_scored", Integer, nullable=False),
    Column("body", JSON, nullable=False),
    Column("scores", JSON, nullable=False),
    # To the microsecond, which not every database's own clock gives: batches are ordered by it.
    Column("created_at", UtcDateTime, default=lambda: datetime.now(UTC), nullable=False),
)

access_log = Table(
    "access_log",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("at", UtcDateTime, nullable=False, index=True),
    Column("who", String(200), nullable=False),
    Column("role", String(16), nullable=False),
    Column("action", String(200), nullable=False),
    Column("target", String(200), nullable=False),
    Column("refused", String(200), nullable=False),
)

# The run's prompts in their order, and the part of them that a batch is about.
Index(
    "run_prompts_in_order",
    run_prompts.c.run_id,
    run_prompts.c.position,
    run_prompts.c.split,
    run_prompts.c.prompt_key,
)
# A round's samples by their response.
Index(
    "samples_of_response",
    samples.c.run_id,
    samples.c.policy,
    samples.c.round,
    samples.c.response_key,
)
# What a person should see, without opening the feedback itself.
Index("feedback_to_review", feedback.c.run_id, feedback.c.needs_review, feedback.c.response_key)
