"""What judges gave to canaries (prompts/canaries.py): kept per judge and rubric version, so nothing is asked twice."""

from collections.abc import Iterable, Mapping

import sqlalchemy as sa

from rlhf.state.ledger import tables as t
from rlhf.state.ledger.database import Database
from rlhf.state.ledger.stored import stored_or_none
from rlhf.state.measures import CanaryScore


class Canaries:
    """The canaries' scores in the ledger. Methods block; asynchronous callers use a thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, judges: Mapping[str, str], scores: Mapping[str, CanaryScore]) -> None:
        """Keep scores by their key; asked anew, they replace the old ones. `judges`: their versions, by task type."""
        with self._database.writing() as connection:
            for key, score in scores.items():
                row = {
                    "key": key,
                    "judge": judges[score.task_type],
                    "canary": score.id,
                    "score": score.score,
                    "body": score.model_dump(mode="json"),
                }
                self._database.replace(connection, t.canaries, row)

    def known(self, keys: Iterable[str]) -> dict[str, CanaryScore]:
        """The whole verdicts among those with these keys; failed ones are to be asked again."""
        wanted = list(keys)
        found: dict[str, CanaryScore] = {}
        with self._database.reading() as connection:
            for start in range(0, len(wanted), 500):
                query = sa.select(t.canaries.c.key, t.canaries.c.body).where(
                    t.canaries.c.key.in_(wanted[start : start + 500])
                )
                for row in connection.execute(query):
                    if (
                        score := stored_or_none(CanaryScore, row.body, f"canary's score {row.key}")
                    ) is not None:
                        found[row.key] = score
        return {key: score for key, score in found.items() if score.is_scored}
