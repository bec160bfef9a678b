"""The judge's identity: the key of a verdict, the version of what is asked, and the calibration that belongs to it."""

from collections.abc import Sequence

from rlhf.nodes.panel import pack_for
from rlhf.nodes.services import Services
from rlhf.prompts.combined import COMBINED_VERSION
from rlhf.prompts.messages import CONVERSATION_VERSION, TEMPLATE_VERSION
from rlhf.state.keys import verdict_key
from rlhf.state.ledger import Ledger
from rlhf.state.measures import Calibration, JudgeVersion
from rlhf.state.records import ResponseRow, Verdict
from rlhf.state.settings import JudgeSettings, Settings


def judge_version(task_type: str, settings: Settings) -> JudgeVersion:
    """What a stored map must belong to for these settings to use it. Blocking."""
    return JudgeVersion(
        task_type=task_type,
        rubric_version=pack_for(task_type).version,
        model=settings.judge.known_as,
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
    """The verdict's key: the same question to the same judge always has the same one.

    A judge is its provider, model, address and extra_body, or what `judge.identity` calls it: the same name at
    another address is another model, and its verdicts are not found.
    """
    return _key(judge.known_as, response, dimension, judge)


def keys_of(response: ResponseRow, dimension: str, judge: JudgeSettings) -> tuple[str, str]:
    """The key, and the one that versions before had for it, in which the model's name stood for the judge."""
    return key_of(response, dimension, judge), _key(judge.model, response, dimension, judge)


def known_verdicts(
    ledger: Ledger, response: ResponseRow, dimensions: Sequence[str], judge: JudgeSettings
) -> dict[str, Verdict]:
    """The finished verdicts of this judge by dimension; what is missing must be asked for. Blocking.

    A verdict with an older key says nothing of the address it came from: it counts where every run that asked for it
    recorded the address that is asked now. One that no run asked for (`rlhf judge` alone) came from nobody knows
    where, and is asked for again.
    """
    keys = {dimension: keys_of(response, dimension, judge) for dimension in dimensions}
    there = ledger.verdicts({key for both in keys.values() for key in both})
    scored = {verdict.key: verdict for verdict in there if verdict.status == "scored"}
    found = {}
    for dimension, (key, older) in keys.items():
        if key in scored:
            found[dimension] = scored[key]
        elif older in scored and _came_from(ledger, older, judge.endpoint().identity):
            found[dimension] = scored[older]
    return found


def _came_from(ledger: Ledger, key: str, address: str) -> bool:
    """Whether every run that asked for the verdict asked this judge."""
    askers = ledger.origins.askers(key)
    return bool(askers) and all(
        ledger.run(run_id).settings.judge.endpoint().identity == address for run_id in askers
    )


def _key(identity: str, response: ResponseRow, dimension: str, judge: JudgeSettings) -> str:
    return verdict_key(
        identity,
        pack_for(response.task_type).version,
        asked_version(judge, response),
        response.key,
        dimension,
    )


def asked_version(judge: JudgeSettings, response: ResponseRow) -> str:
    """Version of what is asked about this response: of a conversation, of what is told of conversations too."""
    version = template_version(judge)
    return version if response.turns is None else f"{version}/turns-{CONVERSATION_VERSION}"


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
