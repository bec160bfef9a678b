"""Which calibration a response's scores go through: its run's, or the newest one of the judge in use."""

from nodes.judge import template_version
from nodes.panel import pack_for
from nodes.services import Services
from state.calibrations import Calibration, JudgeVersion
from state.settings import Settings


def judge_version(task_type: str, settings: Settings) -> JudgeVersion:
    """What a stored map must belong to for these settings to use it. Blocking."""
    return JudgeVersion(
        task_type=task_type,
        rubric_version=pack_for(task_type).version,
        model=settings.judge.model,
        template_version=template_version(settings.judge),
        evidence_weight=settings.judge.evidence_weight,
    )


def calibration_for(
    services: Services, run_id: str | None, task_type: str, settings: Settings
) -> Calibration | None:
    """The calibration to apply, or None. Blocking.

    A run keeps the one that was the newest when it first asked, whatever is fitted later.
    """
    if not settings.judge.calibration:
        return None
    judge, known = judge_version(task_type, settings), services.ledger.calibrations
    return known.newest(judge) if run_id is None else known.of_run(run_id, judge)
