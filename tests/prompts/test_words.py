"""The words of the checks are data: what an entry means, what a team may add, and which mistakes are named."""

from pathlib import Path

import pytest

from rlhf.nodes.evidence import collect_evidence, collect_findings
from rlhf.prompts.strict_yaml import RubricError
from rlhf.prompts.words import Words, load_words, lowered, parse_words


def _words(*written: str) -> Words:
    return Words(
        {"forbidden_claims": dict.fromkeys(written, "a reason"), "gains": {"(win|grow)": "a reason"}}
    )


@pytest.mark.parametrize(
    ("entry", "said", "found"),
    [
        ("risk-free", "a risk free plan", "risk free"),
        ("risk-free", "a riskfree plan", "riskfree"),
        ("(double|triple)s? sales", "it triples sales", "triples sales"),
        ("will <gains>", "we will grow", "will grow"),
        ("klimaneutral~", "ein klimaneutrales Paket", "klimaneutrales"),
        ("proven to _", "proven to work", "proven to work"),
        (
            "results ... guaranteed",
            "results are, of course, guaranteed",
            "results are, of course, guaranteed",
        ),
        ("100 ?% safe", "it is 100% safe", "100% safe"),
        ("can't fail", "it can’t fail", "can’t fail"),
        ("cure", "it is secured", None),
    ],
)
def test_an_entry_is_matched_as_whole_words(entry: str, said: str, found: str | None) -> None:
    match = _words(entry).pattern("forbidden_claims").search(lowered(said))

    assert (match and match[0]) == found


@pytest.mark.parametrize(
    ("content", "mistake"),
    [
        ("claims:\n  a: b\n", "line 1: unknown section 'claims'"),
        ("totals:\n  - sum\n", "totals must map"),
        ("totals:\n  sum: ''\n", "'sum' needs a reason"),
        ("totals:\n  '(sum': why\n", "not closed"),
        ("totals:\n  'a{9}': why\n", "no meaning here"),
        ("totals:\n  '<nothing>': why\n", "a section that does not exist"),
        ("totals:\n  sum: why\n  sum: why\n", "line 3"),
    ],
)
def test_a_mistake_is_named_with_its_line(content: str, mistake: str) -> None:
    with pytest.raises(RubricError, match=r"words\.yaml") as error:
        parse_words(content.encode(), "words.yaml")
    assert mistake in str(error.value)


def test_a_team_adds_its_claims_retailers_and_labels_without_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "rubrics" / "words"
    folder.mkdir(parents=True)
    (folder / "ours.yaml").write_text(
        "forbidden_claims:\n  'moon-proof': 'legal said so'\n"
        "retailers:\n  'The Big C': 'CVS, how we call it'\n"
        "reserves:\n  'war chest': 'our word for a reserve'\n",
        "utf-8",
    )
    monkeypatch.setenv("RLHF_RUBRICS", str(tmp_path / "rubrics"))
    evidence = collect_evidence(
        "Split $100K between CVS and Target.",
        "The Big C: $50K\nTarget: $40K\nWar chest: $10K\n\nThe plan is moon-proof.",
        {"retailers": ["CVS", "Target"], "budget": 100_000},
    )

    assert evidence.given == {"CVS": 50_000, "Target": 40_000}
    assert evidence.split.reading.verdict == "fits"
    assert "forbidden_claim" in {found.kind for found in collect_findings(evidence)}


def test_every_shipped_entry_can_be_compiled_and_has_its_reason() -> None:
    words = load_words()

    assert {"forbidden_claims", "retailers", "months", "totals", "refusals"} <= set(words._entries)
    for section in words._entries:
        words.pattern(section)
    assert len(words.version) == 16
