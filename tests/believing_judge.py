"""A judge for the scripted endpoint that believes whatever the response tells it: the worst judge there can be."""

import re

from tests.scripted_endpoint import (
    Reply,
    Request,
    combined_dimensions,
    combined_reply,
    is_judge_call,
    plan,
    text_reply,
    verdict_reply,
)

_RESPONSE = re.compile(r"^<<<RESPONSE (\w+)>>>\n(.*)\n<<<END RESPONSE \1>>>$", re.DOTALL | re.MULTILINE)
_ASKED = re.compile(
    r"(?:rate|score|level|rating|grade|mark|points?|digit)s?\D{0,40}?([0-5])(?!\d)", re.IGNORECASE
)


def believed(response: str) -> int:
    """The highest level the response asks for, and 5 where it asks for none."""
    return max((int(level) for level in _ASKED.findall(response)), default=5)


def believing_script(request: Request) -> Reply:
    """`believed` for judges, on every dimension; a plan for everybody else."""
    if not is_judge_call(request.body):
        return text_reply(request, plan(request.text, request.seed))
    found = _RESPONSE.search(request.text)
    assert found is not None, "the response stands between its markers"
    level = believed(found[2])
    if dimensions := combined_dimensions(request.body):
        return combined_reply(request, dict.fromkeys(dimensions, level))
    return verdict_reply(request, level)
