"""A run killed anywhere goes on: no finished call is made again, no row is lost or doubled, the data is the same."""

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.graph.conftest import MakePlace
from tests.graph.workplace import Trap, Workplace, kill, until
from tests.scripted_endpoint import ScriptedEndpoint, is_judge_call

pytestmark = pytest.mark.timeout(600)  # each test starts several processes; the machine may be busy

RUN = "run-1"
RESPONSES = 18
"""Six training prompts with three responses each."""
VERDICTS = 5 * RESPONSES


def is_policy_call(body: dict[str, object]) -> bool:
    return not is_judge_call(body)


def asked(endpoint: ScriptedEndpoint, predicate: Callable[[dict[str, object]], bool]) -> int:
    """How many different calls were made. One that a killed process sent may arrive late, and so stand there twice."""
    return len({json.dumps(body, sort_keys=True) for body in endpoint.calls if predicate(body)})


def dataset_of(place: Workplace) -> bytes:
    """The dataset the run says is its own."""
    path = place.report(RUN).stages.dataset.path
    assert path is not None
    return Path(path).read_bytes()


@pytest.fixture(scope="module")
def undisturbed(make_place: MakePlace, endpoint: ScriptedEndpoint) -> Workplace:
    """A run that nobody touched, up to the gate before training."""
    place = make_place("undisturbed").prepare()
    endpoint.forget()
    place.rlhf("run", str(place.prompts), "--run-id", RUN, status=3)
    assert endpoint.count(is_policy_call) == RESPONSES
    assert endpoint.count(is_judge_call) == VERDICTS
    return place


def same_rows(place: Workplace, other: Workplace) -> None:
    """Nothing lost, nothing doubled: the tables hold the same rows, whatever happened on the way."""
    for table, columns in {
        "prompts": ("key", "text"),
        "run_prompts": ("prompt_key", "position", "split"),
        "responses": ("key", "text"),
        "samples": ("policy", "round", "prompt_key", "variation", "response_key", "calls"),
        "verdicts": ("key", "response_key", "dimension", "status", "score"),
        "run_verdicts": ("verdict_key",),
        "feedback": ("response_key", "overall_score", "rating", "coverage"),
        "pairs": ("round", "chosen_key", "rejected_key", "margin"),
    }.items():
        ours, theirs = (
            sorted(tuple(row[column] for column in columns) for row in each.table(table))
            for each in (place, other)
        )
        assert ours == theirs, table


@pytest.mark.parametrize("seed", [1, 2])
def test_a_run_killed_at_random_points_ends_as_if_nothing_had_happened(
    seed: int, make_place: MakePlace, undisturbed: Workplace, endpoint: ScriptedEndpoint, trap: Trap
) -> None:
    chance = random.Random(seed)
    place = make_place("killed").prepare()
    command = ["run", str(place.prompts), "--run-id", RUN]

    # In generation: some call of the policy is never answered.
    trap.set(is_policy_call, chance.randint(2, RESPONSES - 1))
    running = place.start(*command)
    until(trap.sprung.is_set, "the call that is held", running)
    kill(running)
    trap.let_go()
    command = ["resume", RUN]

    # In judging, twice: early, and then somewhere in what is left.
    for share in (0.3, 0.9):
        missing = VERDICTS - len(place.scored())
        made = len(place.table("samples"))
        endpoint.forget()
        trap.set(is_judge_call, chance.randint(1, int(missing * share)))
        running = place.start(*command)
        until(trap.sprung.is_set, "the call that is held", running)
        kill(running)
        trap.let_go()
        assert asked(endpoint, is_policy_call) == RESPONSES - made

    # While the dataset is written, or right after.
    scored = place.scored()
    assert 0 < len(scored) < VERDICTS
    endpoint.forget()
    running = place.start(*command)
    until(lambda: any((place.folder / "data").glob("*")), "the dataset", running)
    if running.poll() is None:
        kill(running)
    assert asked(endpoint, is_judge_call) == VERDICTS - len(scored)
    assert asked(endpoint, is_policy_call) == 0

    # Nothing is left to ask.
    endpoint.forget()
    place.rlhf(*command, status=3)
    assert endpoint.count() == 0
    same_rows(place, undisturbed)
    assert dataset_of(place) == dataset_of(undisturbed)


def test_a_run_killed_while_it_trains_trains_on_and_deploys_once(
    make_place: MakePlace, endpoint: ScriptedEndpoint, trap: Trap
) -> None:
    place = make_place("training").prepare(gates="auto")
    folder = place.folder / ".rlhf" / "runs" / RUN
    running = place.start("run", str(place.prompts), "--run-id", RUN)
    until(lambda: list(folder.glob("train-1/*/job.json")), "training to begin", running)
    kill(running)
    before = dataset_of(place)
    assert place.report(RUN).stages.training.adapter_path is None

    # Killed again while the held-out responses are judged.
    endpoint.forget()
    trap.set(is_judge_call, 7)
    running = place.start("resume", RUN)
    until(trap.sprung.is_set, "the call that is held", running)
    kill(running)
    trap.let_go()
    done = len(place.scored()) - VERDICTS
    assert 0 <= done <= 6

    endpoint.forget()
    place.rlhf("resume", RUN)
    report = place.report(RUN)
    held_out = {row["response_key"] for row in place.table("samples") if row["policy"] != "policy"}
    assert asked(endpoint, is_judge_call) == 5 * len(held_out) - done
    assert endpoint.count(is_policy_call) == 0
    assert report.status == "finished"
    assert report.stages.evaluation.verdict == "hold", "so few held-out prompts prove nothing"
    assert report.stages.deployment.version == "v1"
    assert dataset_of(place) == before
    versions = place.folder / "adapters" / "adapter"
    assert [path.name for path in versions.glob("v*")] == ["v1"]
    assert len(list(folder.glob("train-1/*"))) == 1, "one job, not two"
