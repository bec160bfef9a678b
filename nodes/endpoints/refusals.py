"""What a refusal means: the input's fault, the endpoint's, everybody's, or a limit of rate that passes."""

from typing import Final

from rlhf.nodes.endpoints.complaint import Complaint
from rlhf.nodes.endpoints.problem import Problem
from rlhf.state.endpoints import Endpoint
from rlhf.state.records import FailureKind

FILTERED: Final = (
    r"content_?filter", r"responsibleaipolicyviolation", r"content.?policy|content management policy|usage polic",
    r"content_policy_violation", r"prohibited_content|prohibited content", r"data_inspection_failed",
    r"inappropriate content", r"(?:was|been|is) flagged", r"moderation", r"safety (?:system|setting|filter|reason)",
    r"\bblocked (?:by|due to|because)", r"sensitive (?:content|information|word)", r"unsafe content",
    r"finish_reason sensitive",
)  # fmt: skip
"""How providers say that they do not want to look at an input (or to finish an answer to it)."""

TOO_LONG: Final = (
    r"context_length_exceeded", r"(?:maximum|max(?:imum)?_?|model'?s?) ?context.{0,12}length",
    r"context (?:length|window|size).{0,80}(?:exceed|is|of|limit|small)", r"exceed\w*.{0,40}context",
    r"(?:prompt|input|message|request|content)s? (?:is|are|was)? ?too (?:long|large)", r"too many (?:input )?tokens",
    r"reduce (?:the|your) (?:length|message|prompt|input)", r"input (?:length|token).{0,60}exceed",
    r"exceeds? (?:the )?(?:maximum|max|limit|available).{0,40}(?:token|length|context)",
    r"string_above_max_length", r"max_tokens must be at least 1, got -", r"request entity too large|payload too large",
)  # fmt: skip
"""How servers say that one input is longer than they read."""

_SPENT: Final = (
    r"insufficient_quota", r"exceeded your current quota", r"insufficient (?:credits?|balance|funds)", r"billing",
    r"credit balance is too low", r"out of credits", r"payment required", r"arrears", r"spending limit",
)  # fmt: skip

GENERATION: Final = (
    r"json_validate_failed", r"failed_generation", r"failed to (?:generate|parse|call)", r"tool_use_failed",
    r"output_parse_failed", r"model (?:produced|generated|output) (?:an )?invalid", r"could not parse the model",
)  # fmt: skip
"""How servers say that this one answer of the model came out badly: asking again may help, and teaches nothing."""

_RATE: Final = (
    r"rate.?limit", r"too many requests", r"resource_exhausted|resource has been exhausted|resource exhausted",
    r"concurrency limit", r"throttl", r"requests? per (?:second|minute|hour|day)", r"tokens per (?:minute|day)",
)  # fmt: skip


_STATUSES: Final[dict[str, int]] = {
    r"(?:api.?key|access.?token|credentials?) (?:is )?(?:not valid|invalid|incorrect|expired|missing)|"
    r"(?:invalid|incorrect|expired|missing) (?:api.?key|access.?token|credentials)|api_key_invalid": 401,
    r"model\b.{0,80}(?:does not exist|not found|is not available|not a valid model|deprecated and)|"
    r"(?:invalid|unknown|no such) model\b|model_not_found|not a valid model": 404,
}
"""What a refusal with status 400 says that others say with a status of its own."""


def is_the_inputs_fault(complaint: Complaint) -> FailureKind | None:
    """`refused` or `too_long` where a refusal is about this one input, whatever its status; None otherwise."""
    if complaint.says(r"request too large|tokens must be reduced"):  # under any status, 429 included
        return FailureKind.TOO_LONG
    if complaint.status in (401, 402, 404, 429) and not complaint.says(*FILTERED[:2]):
        return None
    if complaint.says(*TOO_LONG) or (complaint.status == 413 and not complaint.wait):
        return FailureKind.TOO_LONG
    if complaint.says(*FILTERED):
        return FailureKind.REFUSED
    return None


def problem_of(endpoint: Endpoint, complaint: Complaint) -> Problem:
    """What a refusal amounts to once the request itself has been found to be in order."""
    where, status, told = endpoint.shown, complaint.status, complaint.text
    http = f"(HTTP {status})"
    if status in (400, 422):
        status = next((meant for words, meant in _STATUSES.items() if complaint.says(words)), status)
    kind = FailureKind.ENDPOINT_ERROR
    if fault := is_the_inputs_fault(complaint):
        what = "does not take this input" if fault is FailureKind.REFUSED else "finds this input too long"
        return Problem(kind=fault, message=f"{where} {what} {http}: {told}.", status=status, final=True)
    spent = complaint.says(*_SPENT)
    final = status < 500 and status not in (408, 409, 425, 429)
    if status == 402 or (spent and not complaint.promised and status != 403):
        message = f"{where} wants to be paid {http}: {told}."
        return Problem(kind=kind, message=message, status=402, final=True)
    if status == 429 or (status in (400, 403, 413, 503, 529) and complaint.says(*_RATE)):
        kind, final = FailureKind.RATE_LIMITED, False
        message = f"{where} limits the rate of calls {http}: {told}."
    elif status in (408, 504):
        kind = FailureKind.TIMEOUT
        message = f"{where} timed out {http}: {told}."
    elif status in (401, 403):
        variable = endpoint.api_key_env
        way = f"check {variable}" if variable else "name the key's variable in api_key_env"
        message = f"{where} refuses access {http}: {told}; {way}."
    elif status == 404:
        way = "check model and base_url"
        if not (endpoint.base_url or "").split("://")[-1].partition("/")[2]:
            way += " (it has no path: most servers answer under /v1)"
        message = f"{where} is not found {http}: {told}; {way}."
    else:
        message = f"{where} answered HTTP {status}: {told}."
    return Problem(kind=kind, message=message, status=status, retry_after=complaint.wait, final=final)
