"""The judge's identity: the key of a verdict, the version of what is asked, and the calibration that belongs to it."""

from rlhf.nodes.panel import pack_for
from rlhf.nodes.services import Services
from rlhf.prompts.combined import COMBINED_VERSION
from rlhf.prompts.messages import TEMPLATE_VERSION
from rlhf.state.keys import verdict_key
from rlhf.state.measures import Calibration, JudgeVersion
from rlhf.state.records import ResponseRow
from rlhf.state.settings import JudgeSettings, Settings


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


def key_of(response: ResponseRow, dimension: str, judge: JudgeSettings) -> str:
    """The verdict's key: the same question to the same model always has the same one."""
    return verdict_key(
        judge.model, pack_for(response.task_type).version, template_version(judge), response.key, dimension
    )


def template_version(judge: JudgeSettings) -> str:
    """Version of what is asked: template, evidence, and the settings that shape the answer."""
    from rlhf.nodes.evidence import EVIDENCE_VERSION

    asked = (
        judge.style,
        "reasoning" if judge.reasoning else "level",
        f"t{judge.temperature:g}",
        f"k{judge.samples}",
    )
    combined = (f"combined-{COMBINED_VERSION}",) if judge.mode == "combined" else ()
    return "/".join((TEMPLATE_VERSION, EVIDENCE_VERSION, *asked, *combined))
