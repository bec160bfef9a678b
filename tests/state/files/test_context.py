"""Context as people write it: read as what is meant, told in one line, and named where it is not understood."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlhf.state.errors import InputError
from rlhf.state.files.context import KNOWN, read_context
from rlhf.state.files.prompts import parse_prompt, read_prompts


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ({"retailers": "Amazon, Walmart"}, {"retailers": ["Amazon", "Walmart"]}),
        ({"Channels": "TV; Radio"}, {"channels": ["TV", "Radio"]}),
        ({"retailers": '["Amazon", "Target"]'}, {"retailers": ["Amazon", "Target"]}),
        ({"budget": "100000"}, {"budget": 100000}),
        ({"BUDGET": "100,000"}, {"budget": 100000}),
        ({"budget": "1.2M"}, {"budget": 1_200_000}),
        ({"budget": "99.50"}, {"budget": 99.5}),
        ({"Max Words": "40", "max-characters": 90.0}, {"max_words": 40, "max_characters": 90}),
        ({"caps": "Target: 500; Kroger: 40%"}, {"caps": {"Target": 500, "Kroger": "40%"}}),
        ({"disclosure": "Yes"}, {"disclosure": True}),
        ({"banned_terms": "cheap; guaranteed"}, {"banned_terms": ["cheap", "guaranteed"]}),
    ],
)
def test_what_is_clear_is_read_as_what_is_meant(written: dict[str, Any], read: dict[str, Any]) -> None:
    said: dict[str, str] = {}
    assert read_context("row", written, said) == read
    assert read_context("row", read) == read, "reading again changes nothing"


@pytest.mark.parametrize(
    "plain",
    [
        {"budget": "$1.2M"},
        {"budget": 900, "retailers": ["Target", "Kroger"], "brand": "B"},
        {"retailers": "Amazon"},
        {"required_terms": ["Terms apply, see site"]},
        {"Tone": "calm", "audience": {"Age": "40+"}},
    ],
)
def test_what_is_plain_stays_as_it_is_and_needs_no_word(plain: dict[str, Any]) -> None:
    said: dict[str, str] = {}
    assert read_context("row", plain, said) == plain
    assert said == {}


@pytest.mark.parametrize(
    ("written", "named"),
    [
        ({"budget": "9" * 400}, "is not understood"),
        ({"budget": "lots"}, "budget 'lots' is not understood"),
        ({"budget": "100.000"}, "budget '100.000' is not understood"),
        ({"max_words": "short"}, "max_words 'short' is not understood"),
        ({"caps": "be careful"}, "caps 'be careful' is not understood"),
        ({"retailers": {"a": 1}}, "retailers '{\"a\": 1}' is not understood"),
        ({"banned_terms": "cheap, best"}, "banned_terms 'cheap, best' as one; more are parted by semicolons"),
    ],
)
def test_what_is_not_understood_is_kept_and_named(written: dict[str, Any], named: str) -> None:
    said: dict[str, str] = {}
    assert read_context("row", written, said) == written
    assert named in "; ".join(said.values())


def test_columns_of_a_spreadsheet_become_context_with_one_line_that_says_so(tmp_path: Path) -> None:
    path = tmp_path / "plan.csv"
    path.write_text(
        "Prompt;Brand;Retailers;Budget;Notes;Owner\n"
        "Split it.;Northpeak;Amazon, Walmart;100000;calm tone;Ana\n"
        "Plan it.;;;;;\n"
    )
    notes: list[str] = []
    first, second = read_prompts(path, "general", notes)
    assert first.context == {
        "brand": "Northpeak",
        "budget": 100000,
        "notes": "calm tone",
        "retailers": ["Amazon", "Walmart"],
    }
    assert second.context == {}
    [read] = [note for note in notes if ": read " in note]
    assert "as context the columns brand, budget, notes, retailers" in read
    assert "retailers 'Amazon, Walmart' as 2: 'Amazon', 'Walmart'" in read
    assert "budget '100000' as 100000" in read
    assert any("ignored the keys owner" in note for note in notes)


def test_the_same_fact_said_twice_differently_is_refused() -> None:
    with pytest.raises(InputError, match="context names budget twice"):
        parse_prompt({"prompt": "a", "context": {"budget": 1, "Budget": 2}}, "general", "row")
    with pytest.raises(InputError, match="budget stands beside the prompt and in the context"):
        parse_prompt({"prompt": "a", "budget": 2, "context": {"budget": 1}}, "general", "row")


def test_checks_without_a_judge_read_the_context_the_same_way() -> None:
    from rlhf.evidence import check_evidence

    written = {"Retailers": "Amazon, Walmart", "Budget": "1000"}
    plain = {"retailers": ["Amazon", "Walmart"], "budget": 1000}
    response = "Amazon: $900 for search. Target: $100 for coupons."
    assert check_evidence("Split it.", response, written) == check_evidence("Split it.", response, plain)


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text('0123456789.,;: kM$%[]{}"ab\n', max_size=12)
    | st.from_regex(r"\d{1,400}", fullmatch=True),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(KNOWN), values, max_size=4))
def test_any_context_is_read_the_same_again_or_refused_in_one_line(context: dict[str, Any]) -> None:
    refused = ""
    try:
        read = parse_prompt({"prompt": "a", "context": context}, "general", "row").context
    except InputError as error:
        refused = str(error)
    else:
        assert parse_prompt({"prompt": "a", "context": read}, "general", "row").context == read
        assert set(read) == set(context)
    if refused:
        assert refused.startswith("row: ")
        assert "\n" not in refused
