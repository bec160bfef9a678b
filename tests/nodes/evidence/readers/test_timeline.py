"""Dates in order: missed deadlines and sequences that cannot be, in five languages, and plans that are fine."""

import pytest

from rlhf.nodes.evidence.readers.document import read_document
from rlhf.nodes.evidence.readers.timeline import find_moments, time_faults


def _faults(prompt: str, response: str) -> list[tuple[str, str]]:
    return [(f.kind, response[f.start : f.end]) for f in time_faults(read_document(response), prompt)]


@pytest.mark.parametrize(
    "text",
    ["3 May", "May 3", "3rd of May", "2026-05-03", "3. Mai", "3 mai", "3 de mayo", "3 de maio", "03.05.2026"],
)
def test_a_date_is_read_as_people_write_it(text: str) -> None:
    (moment,) = find_moments(f"On {text} we start.")

    assert (moment.first, moment.last) == (5 * 31 + 3, 5 * 31 + 3)


@pytest.mark.parametrize(
    "text", ["3 to 7 May", "3–7 May", "3 May to 7 May", "3. bis 7. Mai", "3 al 7 de mayo"]
)
def test_a_span_is_one_moment(text: str) -> None:
    (moment,) = find_moments(f"From {text} we pack.")

    assert moment.last - moment.first == 4


@pytest.mark.parametrize(
    ("prompt", "response", "kind"),
    [
        ("Everything must be packed by 30 April.", "The last boxes are packed on 6 May.", "deadline_missed"),
        ("The notice must be out within 24 hours.", "Hour 36: the notice goes out.", "deadline_missed"),
        (
            "Abrir la tienda antes del 1 de diciembre.",
            "La tienda abre el 14 de diciembre.",
            "deadline_missed",
        ),
        ("We open the shop on 4 October.", "On 9 October we rehearse with friends.", "deadline_missed"),
        ("Plan the move.", "From 7 to 3 August the team packs.", "impossible_order"),
        ("Plan.", "The shelves stand by 6 May. Once they stand, we fill them on 2 May.", "impossible_order"),
        ("Plan.", "- 3 May: a\n- 9 May: b\n- 5 May: c\n- 12 May: d\n- 20 May: e", "impossible_order"),
    ],
)
def test_a_fault_of_time_is_found(prompt: str, response: str, kind: str) -> None:
    assert [found for found, _ in _faults(prompt, response)] == [kind]


@pytest.mark.parametrize(
    ("prompt", "response"),
    [
        ("Everything must be packed by 30 April.", "On 29 April the truck is loaded. We review it on 4 May."),
        (
            "We open the shop on 4 October.",
            "On 2 October we rehearse. On 9 October we count the first week's sales.",
        ),
        ("Plan a year.", "From 20 December to 5 January the shop is closed."),
        ("Plan.", "- 3 May: a\n- 9 May: b\n- 12 May: c\n- 20 May: d"),
    ],
)
def test_a_plan_in_order_is_not_accused(prompt: str, response: str) -> None:
    assert _faults(prompt, response) == []
