"""`rlhf retry` asks for what failed and nothing else; people's words stay, and a dead endpoint harms nothing."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from rlhf.cli import app
from rlhf.nodes import evidence
from rlhf.nodes.services import Services
from rlhf.runs.lock import run_lock
from rlhf.runs.retry import retry_run
from rlhf.state.errors import InputError
from rlhf.state.files.prompts import parse_rows
from rlhf.state.ledger import Ledger
from rlhf.state.recipe import load_recipe
from rlhf.state.records import Feedback
from tests.chaos import questions
from tests.nodes.builders import new_run
from tests.scripted_endpoint import (
    Reply,
    Request,
    ScriptedEndpoint,
    default_script,
    is_judge_call,
    refusal,
    status,
)

pytestmark = pytest.mark.usefixtures("workplace")


def rlhf(*arguments: str, exits: int = 0) -> Result:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == exits, f"{result.stdout}\n{result.stderr}"
    return result


def report() -> Any:
    return json.loads(rlhf("show", "one", "--json").stdout)


class Picky:
    """Refuses to judge the clarity of plans in `unclear`, and to write about prompts with `unwritten`."""

    def __init__(self) -> None:
        self.unclear: set[str] | None = None
        """None: all plans with an odd number."""
        self.unwritten = "$4000 "

    def __call__(self, request: Request) -> Reply:
        if not is_judge_call(request.body):
            unwritten = self.unwritten and self.unwritten in request.text
            return status(413)(request) if unwritten else default_script(request)
        [(response, dimension)] = questions(request.body)
        odd = int(response.split()[1]) % 2 == 1
        unclear = odd if self.unclear is None else response in self.unclear
        return refusal(request) if dimension == "clarity" and unclear else default_script(request)


def asked(endpoint: ScriptedEndpoint) -> set[tuple[str, str]]:
    return {question for body in endpoint.calls if is_judge_call(body) for question in questions(body)}


def feedback(ledger: Ledger) -> dict[str, Feedback]:
    """The run's feedback by response key."""
    made = (row.response_key for row in ledger.samples("one", "policy", 1))
    return ledger.feedback("one", [key for key in made if key is not None])


def test_only_what_failed_is_asked_and_peoples_reviews_stay(
    prompts: Path, recipe: Path, endpoint: ScriptedEndpoint, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint.script = picky = Picky()
    rlhf("run", str(prompts), "--recipe", str(recipe), "--run-id", "one", exits=3)
    entries = feedback(ledger)
    unclear = [key for key, entry in entries.items() if entry.dimensions["clarity"].status == "failed"]
    unmade = report()["stages"]["generation"]["num_failed"]
    assert len(unclear) > 2
    assert unmade == 3
    assert all(entries[key].needs_review for key in unclear)
    assert report()["usage"]["calls"] == endpoint.count()

    edit = {"type": "edit", "response_id": unclear[0], "rating": 2, "message": "vague", "reviewer": "Ana"}
    Path("answer.json").write_text(json.dumps({"decisions": [edit]}))
    rlhf("resume", "one", "--decisions", "answer.json", exits=3)
    reviews, before = ledger.reviews("one"), ledger.run("one")

    # A judge that is down, a run that is in use, and a judge that has changed: nothing is asked, nothing changes.
    endpoint.script = status(401)
    assert "401" in rlhf("retry", "one", exits=4).stderr
    assert (ledger.run("one"), ledger.reviews("one")) == (before, reviews)
    endpoint.forget()
    services = Services(before.settings)
    with run_lock(services, "one"):
        assert "in use by another process" in rlhf("retry", "one", exits=2).stderr
    services.close()
    picky.unwritten = ""
    endpoint.script = lambda request: (
        status(413)(request) if not is_judge_call(request.body) else picky(request)
    )
    with monkeypatch.context() as upgraded:
        upgraded.setattr(evidence, "EVIDENCE_VERSION", "another")
        result = rlhf("retry", "one", exits=1)
        assert (
            f"Not asked again: {len(unclear)} response(s): the rubric or the judge's template"
            in result.stdout
        )
        assert f"Still failing: response not made {unmade}" in result.stdout
    assert asked(endpoint) == set()
    endpoint.forget()

    # One plan stays unclear; the rest can be judged, and what was unwritten is written.
    endpoint.script, picky.unclear = picky, {entries[unclear[1]].response}
    result = rlhf("retry", "one", exits=1)
    assert f"{len(unclear) - 1} of {len(unclear)} failed verdict(s) scored." in result.stdout
    assert f"{unmade} of {unmade} missing response(s) made and judged." in result.stdout
    assert "Still failing: refused 1\n" in result.stdout
    assert f"{unclear[1]} clarity: The verdict cannot be used: the judge refused" in result.stdout
    assert "The run is waiting; go on with: rlhf resume one" in result.stdout
    old = {(entries[key].response, "clarity") for key in unclear}
    judged = asked(endpoint)
    assert old <= judged
    assert len({response for response, _ in judged - old}) == unmade
    assert endpoint.count(is_judge_call) == len(unclear) + 5 * unmade
    assert ledger.reviews("one") == reviews
    now = feedback(ledger)
    assert [key for key, entry in now.items() if entry.coverage < 1] == [unclear[1]]
    assert {key: now[key] for key in entries if key not in unclear} == {
        key: entry for key, entry in entries.items() if key not in unclear
    }
    for key in unclear[2:]:
        assert "not judged: clarity" not in now[key].review_reasons

    picky.unclear = set()
    endpoint.forget()
    told = json.loads(rlhf("retry", "one", "--json").stdout)
    assert (told["num_verdicts"], told["num_scored"], told["usage"]["calls"]) == (1, 1, endpoint.count())
    assert (told["coverage_after"], told["failures"], told["outdated"]) == (1.0, [], [])
    endpoint.forget()
    assert rlhf("retry", "one").stdout.startswith("Nothing to ask again in run one.")

    # The run goes on with the answers there are, and trains on the feedback there is now.
    result = rlhf("resume", "one", "--approve", exits=3)
    assert "pairs?" in result.stdout
    assert endpoint.count() == 0
    assert report()["stages"]["feedback"]["coverage"] == 1.0
    assert ledger.reviews("one")[unclear[0]].rating == 2
    [batch] = ledger.history.batches()
    assert batch.quality.coverage == 1.0


def test_an_endpoint_that_is_down_stops_the_run_with_a_reason_and_a_mended_one_finishes_it(
    prompts: Path, recipe: Path, endpoint: ScriptedEndpoint
) -> None:
    def down(request: Request) -> Reply:
        return status(500)(request) if is_judge_call(request.body) else default_script(request)

    endpoint.script = down
    result = rlhf("run", str(prompts), "--recipe", str(recipe), "--run-id", "one", exits=4)
    assert "HTTP 500" in result.stderr
    assert "Given up after 20 failed calls in a row." in result.stderr
    assert endpoint.count(is_judge_call) < 40, "the rest is not even tried"
    shown = rlhf("show", "one").stdout
    assert "Run one: failed" in shown
    assert "20 failed calls in a row" in shown
    assert "rlhf resume one" in shown

    written = endpoint.count() - endpoint.count(is_judge_call)
    endpoint.script = default_script
    result = rlhf("resume", "one", exits=3)
    assert "Run one: waiting" in result.stdout
    assert endpoint.count() - endpoint.count(is_judge_call) == written, "no response is made twice"
    assert report()["stages"]["feedback"]["num_failed"] == 0


def test_a_run_at_a_server_is_left_to_the_server(recipe: Path) -> None:
    services = Services(load_recipe(str(recipe)))
    rows = parse_rows([{"prompt": "Split $3."}], "budgeting", "rows")
    new_run(services.ledger, rows, services.settings, source="api")
    with pytest.raises(InputError, match="Run one is running at a server"):
        asyncio.run(retry_run(services, "one", lambda progress: None))
    services.close()


def test_a_review_that_a_retry_settles_is_no_wait(
    prompts: Path, recipe: Path, endpoint: ScriptedEndpoint
) -> None:
    recipe.write_text(
        recipe.read_text().replace("score_band = 20.0", "score_band = 0.0\naudit_fraction = 0.0")
    )
    endpoint.script = picky = Picky()
    picky.unwritten = ""
    rlhf("run", str(prompts), "--recipe", str(recipe), "--run-id", "one", exits=3)
    assert "what failed alone can be asked again: rlhf retry one" in rlhf("show", "one").stdout
    endpoint.script = default_script
    rlhf("retry", "one")
    shown = rlhf("show", "one").stdout
    assert "Nothing waits for review any more; go on with `rlhf resume one`." in shown
    assert "rlhf retry" not in shown
    assert "pairs?" in rlhf("resume", "one", exits=3).stdout
