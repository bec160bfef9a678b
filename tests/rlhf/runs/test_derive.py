"""Reweighing: from what is stored alone, beside the old run, and the same settings change nothing."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from rlhf.nodes.accept import accepted
from rlhf.nodes.aggregate import aggregate_verdicts
from rlhf.nodes.build_dataset import RoundFeedback, pairs_of, written
from rlhf.nodes.judge_version import key_of
from rlhf.nodes.panel import evidence_for, pack_for
from rlhf.prompts.dimensions import DIMENSIONS
from rlhf.runs.reweigh import Reweighed, derive
from rlhf.state.errors import InputError, SettingsError
from rlhf.state.ledger import Ledger
from rlhf.state.ledger import tables as t
from rlhf.state.records import Feedback, ResponseRow, Review, Usage
from rlhf.state.run_report import SplitStage
from rlhf.state.settings import Settings
from tests.nodes.builders import accepted_feedback, new_run, prompt_rows, settings, verdict_on

RUN = "base"
CLARITY_ALONE = dict.fromkeys(DIMENSIONS, 0.0) | {"clarity": 1.0}


class Stored:
    """A run in a ledger: every response judged, pairs selected, dataset written."""

    def __init__(self, folder: Path, model: Path, seed: int = 1, **sections: Mapping[str, Any]) -> None:
        fixed: dict[str, Any] = {
            "storage": {"ledger_url": f"sqlite:///{folder / 'ledger.sqlite'}"},
            "training": {"base_model": str(model)},
            "pipeline": {"dataset_dir": str(folder / "data"), "held_out_fraction": 0.0},
            "judge": {"evidence_weight": 0.3},
            "dataset": {"selection": "margin", "min_margin": 1.0},
        }
        for name, values in sections.items():
            fixed[name] = {**fixed.get(name, {}), **values}
        self.settings: Settings = settings(**fixed)
        self.ledger = Ledger(self.settings.storage.ledger_url)
        self.folder = folder / "data"
        chance = Random(seed)
        prompts = prompt_rows(6)
        self.split = SplitStage(num_prompts=9, num_train=6, num_left_out=3)
        run = new_run(self.ledger, prompts, self.settings, RUN, split=self.split)
        self.ledger.set_run(RUN, status="finished")
        by_prompt = {
            prompt.key: run.add_all(
                (prompt, f"Step {step}: call {chance.choice(['Ana', 'Ben'])} about {chance.random():.6f}.")
                for step in range(4)
            )
            for prompt in prompts
        }
        self.keys = [key for keys in by_prompt.values() for key in keys]
        self.responses = self.ledger.responses(self.keys)
        self.feedback = {key: self._judge(self.responses[key], chance) for key in self.keys}
        self.run = self.ledger.run(RUN)
        judged = RoundFeedback(by_prompt, self.responses, self.feedback, {})
        pairs, dropped = pairs_of(self.run, judged)
        self.ledger.set_pairs(RUN, 1, [(p.chosen.key, p.rejected.key, p.margin) for p in pairs])
        self.dataset = written(self.run, 1, judged, pairs, dropped) if pairs else None

    def _judge(self, response: ResponseRow, chance: Random) -> Feedback:
        verdicts = {}
        for name in DIMENSIONS:
            failed = chance.random() < 0.05
            verdicts[name] = verdict_on(
                response,
                name,
                None if failed else chance.uniform(0, 100),
                self.settings,
                confidence=None if failed else chance.random(),
                rationale="" if failed else f"because {chance.random()}",
                strengths=[] if failed else ["short"],
                usage=Usage(calls=1, input_tokens=10, output_tokens=5),
            )
            self.ledger.add_verdict(RUN, verdicts[name])
        result = accepted_feedback(response, verdicts, self.settings)
        self.ledger.add_feedback(RUN, response.key, result)
        return result

    def everything_of(self, run_id: str) -> str:
        """All rows that name the run."""
        engine = sa.create_engine(self.settings.storage.ledger_url)
        found = {}
        with engine.connect() as connection:
            for table in t.metadata.sorted_tables:
                if "run_id" in table.c:
                    rows = connection.execute(sa.select(table).where(table.c.run_id == run_id))
                    found[table.name] = sorted(str(tuple(row)) for row in rows)
        engine.dispose()
        return json.dumps(found)

    def derive(self, **changes: Mapping[str, Any]) -> Reweighed:
        return derive(self.ledger, RUN, changes)


@pytest.fixture
def stored(tmp_path: Path, model: Path) -> Iterator[Stored]:
    made = Stored(tmp_path, model)
    yield made
    made.ledger.close()


def test_the_same_settings_change_nothing(stored: Stored) -> None:
    result = stored.derive()
    assert result.changes == {}
    assert stored.ledger.feedback(result.run_id, stored.keys) == stored.feedback
    assert (result.ratings_up, result.ratings_down) == (0, 0)
    assert (result.newly_accepted, result.newly_rejected, result.pairs_new, result.pairs_gone) == (
        [],
        [],
        [],
        [],
    )
    assert (
        result.review_before == result.review_after == sum(f.needs_review for f in stored.feedback.values())
    )
    assert stored.dataset is not None
    assert stored.dataset.path is not None
    assert result.dataset.path is not None
    assert result.dataset.path != stored.dataset.path
    assert Path(result.dataset.path).read_bytes() == Path(stored.dataset.path).read_bytes()
    assert result.pairs_kept == stored.dataset.num_examples > 0
    assert result.notes == []


@hypothesis_settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.integers(0, 10_000), st.floats(0, 1), st.sampled_from(["threshold", "margin"]))
def test_whatever_was_judged_the_same_settings_give_the_same_bytes(
    tmp_path_factory: pytest.TempPathFactory, model: Path, seed: int, evidence_weight: float, selection: str
) -> None:
    made = Stored(
        tmp_path_factory.mktemp("run"),
        model,
        seed,
        judge={"evidence_weight": evidence_weight},
        dataset={"selection": selection},
        acceptance={"max_rating_rejected": 3},
    )
    result = made.derive()
    assert made.ledger.feedback(result.run_id, made.keys) == made.feedback
    if made.dataset is None:
        assert result.dataset.path is None
    else:
        assert Path(str(result.dataset.path)).read_bytes() == Path(str(made.dataset.path)).read_bytes()
    made.ledger.close()


def test_other_weights_give_what_judging_with_them_would_have_given(stored: Stored) -> None:
    result = stored.derive(acceptance={"weights": CLARITY_ALONE, "min_score_acceptable": 40.0})
    new = stored.ledger.feedback(result.run_id, stored.keys)
    wanted = stored.settings.replace(
        {"acceptance": {"weights": CLARITY_ALONE, "min_score_acceptable": 40.0}}, "test"
    )
    for key, response in stored.responses.items():
        pack = pack_for(response.task_type)
        verdicts = {
            name: stored.ledger.verdicts([key_of(response, name, wanted.judge)])[0] for name in DIMENSIONS
        }
        entry = aggregate_verdicts(response, verdicts, evidence_for(pack, response), pack, wanted)
        assert new[key] == accepted(entry, wanted, key)
    assert result.changes == {"acceptance.weights": CLARITY_ALONE, "acceptance.min_score_acceptable": 40.0}
    old = stored.feedback
    assert set(result.newly_accepted) == {k for k in old if new[k].is_acceptable and not old[k].is_acceptable}
    assert set(result.newly_rejected) == {k for k in old if old[k].is_acceptable and not new[k].is_acceptable}
    assert result.ratings_up + result.ratings_down == sum(
        old[k].rating != new[k].rating for k in old if old[k].rating and new[k].rating
    )


def test_nothing_of_the_old_run_changes_and_nothing_is_spent(stored: Stored) -> None:
    before = stored.everything_of(RUN)
    files = {path.name: path.read_bytes() for path in stored.folder.iterdir()}
    result = stored.derive(acceptance={"weights": CLARITY_ALONE})
    assert stored.everything_of(RUN) == before
    assert {name: (stored.folder / name).read_bytes() for name in files} == files
    usage = stored.ledger.usage(result.run_id)
    assert (usage.calls, usage.input_tokens, usage.output_tokens) == (0, 0, 0)
    assert usage.cached == len(stored.keys) * len(DIMENSIONS)


def test_the_new_run_keeps_the_split_of_the_prompts(stored: Stored) -> None:
    assert stored.ledger.stage(stored.derive().run_id, 0, "split", SplitStage) == stored.split


def test_the_new_run_is_a_run_of_its_own_with_its_own_settings(stored: Stored) -> None:
    result = stored.derive(dataset={"min_margin": 30.0})
    run = stored.ledger.run(result.run_id)
    assert run.run_id == "base-w1"
    assert run.settings.dataset.min_margin == 30.0
    assert (run.round, run.status, run.adapter_name) == (1, "waiting", "plans")
    assert "rlhf resume base-w1" in run.note
    assert [s.response_key for s in stored.ledger.samples("base-w1", "policy", 1)] == stored.keys
    again = derive(stored.ledger, "base-w1", {"dataset": {"min_margin": 1.0}})
    assert (again.run_id, again.base_run_id) == ("base-w2", "base-w1")
    assert stored.ledger.versions.derived_from(RUN) == ["base-w1"]
    version = stored.ledger.versions.of("base-w2")
    assert version is not None
    assert version.changes == {"dataset.min_margin": 1.0}


def test_a_dataset_says_which_run_it_was_derived_from(stored: Stored) -> None:
    result = stored.derive(dataset={"min_margin": 2.0})
    manifest = json.loads(Path(str(result.dataset.path)).with_suffix(".manifest.json").read_text())
    assert manifest["reweighed_from"] == {"run_id": RUN, "round": 1}
    assert manifest["run_id"] == "base-w1"
    assert manifest["num_responses"] == len(stored.keys)


def test_an_approval_was_given_to_the_rating_that_the_person_saw(stored: Stored) -> None:
    reviews = [Review(response_key=key, decision="approve", reviewer="Ana") for key in stored.keys]
    stored.ledger.add_reviews(RUN, reviews)
    result = stored.derive(acceptance={"weights": CLARITY_ALONE})
    new = stored.ledger.feedback(result.run_id, stored.keys)
    moved = 0
    for key, review in stored.ledger.reviews(result.run_id).items():
        assert review.reviewer == "Ana"
        if stored.feedback[key].rating == new[key].rating:
            assert review.decision == "approve"
        else:
            moved += 1
            assert (review.decision, review.rating) == ("edit", stored.feedback[key].rating)
    assert moved > 0
    assert result.review_after == 0
    assert not result.dataset.provisional


def test_what_waits_for_people_makes_the_dataset_provisional(stored: Stored) -> None:
    result = stored.derive()
    assert result.review_after > 0
    assert result.dataset.provisional


def test_evidence_that_an_older_version_kept_without_its_figures_is_read_anew(stored: Stored) -> None:
    engine = sa.create_engine(stored.settings.storage.ledger_url)
    with engine.begin() as connection:
        for row in connection.execute(sa.select(t.feedback)).all():
            body = row.body
            for part in body["dimensions"].values():
                del part["evidence_score"], part["evidence_cap"]
            connection.execute(
                sa.update(t.feedback).where(t.feedback.c.response_key == row.response_key).values(body=body)
            )
    engine.dispose()
    result = stored.derive()
    assert stored.ledger.feedback(result.run_id, stored.keys) == stored.feedback
    assert f"The evidence on {len(stored.keys)} responses" in result.notes[0]


def test_without_a_pair_there_is_no_dataset_and_a_note_says_why(stored: Stored) -> None:
    result = stored.derive(dataset={"min_margin": 100.0})
    assert result.dataset.path is None
    assert "dataset.min_margin" in result.notes[0]
    assert len(result.pairs_gone) == len(set(result.pairs_gone)) > 0


def test_what_cannot_be_is_refused_and_leaves_nothing_behind(stored: Stored) -> None:
    with pytest.raises(SettingsError, match="sum to"):
        stored.derive(acceptance={"weights": dict.fromkeys(DIMENSIONS, 0.3)})
    with pytest.raises(InputError, match="no run"):
        derive(stored.ledger, "nobody", {})
    new_run(stored.ledger, prompt_rows(2), stored.settings, "empty")
    with pytest.raises(InputError, match="no judged responses"):
        derive(stored.ledger, "empty", {})
    assert [run.run_id for run in stored.ledger.runs() if "-w" in run.run_id] == []
