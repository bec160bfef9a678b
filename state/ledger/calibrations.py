"""Calibrations: monotone maps from a judge's scores to people's, bound to the judge and rubric they were fitted on."""

import sqlalchemy as sa

from rlhf.state.errors import LedgerError
from rlhf.state.ledger import tables as t
from rlhf.state.ledger.database import Database
from rlhf.state.ledger.stored import stored
from rlhf.state.measures import Calibration, JudgeVersion


class Calibrations:
    """The calibrations in the ledger. Methods block; asynchronous callers use a thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, calibration: Calibration) -> str:
        """Keep the calibration as its judge's newest one; returns its key. Older ones stay for their runs."""
        key = calibration.key
        row = {"key": key, "judge": calibration.judge.key, "body": calibration.model_dump(mode="json")}
        with self._database.writing() as connection:
            connection.execute(sa.delete(t.calibrations).where(t.calibrations.c.key == key))
            self._database.insert(connection, t.calibrations, [row])
        return key

    def get(self, key: str) -> Calibration:
        """The calibration with this key; LedgerError if there is none."""
        with self._database.reading() as connection:
            body = connection.execute(
                sa.select(t.calibrations.c.body).where(t.calibrations.c.key == key)
            ).scalar()
        if body is None:
            raise LedgerError(
                f"The ledger does not hold calibration {key}: was another ledger in use before?"
            )
        return stored(Calibration, body, f"calibration {key}")

    def newest(self, judge: JudgeVersion) -> Calibration | None:
        """The judge's newest calibration."""
        with self._database.reading() as connection:
            newest = connection.execute(_newest(judge)).scalar()
        return None if newest is None else self.get(newest)

    def of_run(self, run_id: str, judge: JudgeVersion) -> Calibration | None:
        """The calibration the run uses for this judge: what was newest when the run first asked, and that for good."""
        with self._database.reading() as connection:
            known = connection.execute(_chosen(run_id, judge)).first()
        if known is None:
            with self._database.writing() as connection:
                newest = connection.execute(_newest(judge)).scalar()
                row = {"run_id": run_id, "judge": judge.key, "calibration_key": newest}
                self._database.insert(connection, t.run_calibrations, [row])
                known = connection.execute(_chosen(run_id, judge)).one()
        return None if known.calibration_key is None else self.get(known.calibration_key)

    def kept(self, run_id: str, judge: JudgeVersion) -> Calibration | None:
        """The one `of_run` would give, without settling it for the run."""
        with self._database.reading() as connection:
            known = connection.execute(_chosen(run_id, judge)).first()
        if known is None:
            return self.newest(judge)
        return None if known.calibration_key is None else self.get(known.calibration_key)

    def used_by(self, run_id: str) -> list[str]:
        """Keys of the calibrations that the run uses."""
        query = sa.select(t.run_calibrations.c.calibration_key).where(
            t.run_calibrations.c.run_id == run_id, t.run_calibrations.c.calibration_key.is_not(None)
        )
        with self._database.reading() as connection:
            return sorted(connection.execute(query).scalars())


def _newest(judge: JudgeVersion) -> sa.Select[str]:
    return (
        sa.select(t.calibrations.c.key)
        .where(t.calibrations.c.judge == judge.key)
        .order_by(t.calibrations.c.created_at.desc(), t.calibrations.c.key.desc())
        .limit(1)
    )


def _chosen(run_id: str, judge: JudgeVersion) -> sa.Select[str | None]:
    return sa.select(t.run_calibrations.c.calibration_key).where(
        t.run_calibrations.c.run_id == run_id, t.run_calibrations.c.judge == judge.key
    )
