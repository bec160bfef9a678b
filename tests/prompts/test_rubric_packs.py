"""Rubric packs: the shipped ones hold, a dropped file works, and a bad one is refused with its line."""

from pathlib import Path

import pytest
import yaml

from rlhf.nodes.evidence import known_checks
from rlhf.prompts.dimensions import DEFAULT_WEIGHTS, DIMENSIONS
from rlhf.prompts.rubric import RubricError, available_packs, load_pack

SHIPPED = ("budgeting", "compliance", "creative", "data_quality", "general", "planning")


@pytest.fixture(autouse=True)
def _no_folder_of_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def good() -> str:
    """The text of a complete pack named `mine`."""
    levels = "\n".join(f"      {level}: Anchor {level}." for level in range(6))
    dimensions = "\n".join(
        f"  {name}:\n    question: Is it good?\n    levels:\n{levels}\n"
        "    checks:\n      - {name: not_empty}"
        for name in DIMENSIONS
    )
    return (
        "task_type: mine\ndescription: Something of mine.\n"
        "persona: {role: Reviewer, goal: Find the best., backstory: Long years.}\n"
        f"dimensions:\n{dimensions}\n"
    )


def _drop(folder: Path, text: str | bytes, name: str = "mine.yaml") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_pack_is_whole(name: str) -> None:
    pack = load_pack(name, known_checks=known_checks())

    assert tuple(pack.dimensions) == DIMENSIONS
    assert pack.weights == pytest.approx(dict(DEFAULT_WEIGHTS))
    assert pack.dimensions["compliance"].veto
    assert not pack.dimensions["accuracy"].veto
    for rubric in pack.dimensions.values():
        assert rubric.checks
        assert sorted(rubric.levels) == list(range(6))
        assert all(len(anchor.split()) <= 12 for anchor in rubric.levels.values()), "a tiny judge reads these"


def test_the_packs_differ_in_persona_and_version() -> None:
    packs = [load_pack(name) for name in SHIPPED]

    assert available_packs() == dict.fromkeys(SHIPPED, "shipped")
    assert len({pack.version for pack in packs}) == len(SHIPPED)
    assert len({pack.persona.role for pack in packs}) == len(SHIPPED)
    assert load_pack("budgeting").persona.role == "Budget Optimization Expert"


def test_a_version_is_16_hex_digits_and_changes_with_one_word(tmp_path: Path, good: str) -> None:
    _drop(tmp_path, good)
    before = load_pack("mine", tmp_path).version
    _drop(tmp_path, good.replace("Long years", "Longer years"))
    after = load_pack("mine", tmp_path).version

    assert len(before) == 16
    assert int(before, 16) >= 0
    assert before != after


def test_a_dropped_file_adds_a_task_type(tmp_path: Path, good: str, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "rubrics"
    folder.mkdir()
    path = _drop(folder, good)

    assert available_packs()["mine"] == str(path.relative_to(tmp_path))
    assert load_pack("mine", known_checks=known_checks()).persona.role == "Reviewer"

    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    _drop(elsewhere, good.replace("task_type: mine", "task_type: theirs"), "theirs.yaml")
    monkeypatch.setenv("RLHF_RUBRICS", str(elsewhere))
    assert "theirs" in available_packs()
    assert "mine" not in available_packs(), "the variable stands in for ./rubrics"


def test_a_users_pack_wins_over_a_shipped_one(tmp_path: Path, good: str) -> None:
    _drop(tmp_path, good.replace("task_type: mine", "task_type: general"), "general.yaml")

    assert load_pack("general", tmp_path).persona.role == "Reviewer"
    assert load_pack("general").persona.role == "Senior Business Reviewer"


def test_weights_of_a_pack_replace_the_default_ones(tmp_path: Path, good: str) -> None:
    for name in DIMENSIONS:
        good = good.replace(f"  {name}:\n", f"  {name}:\n    weight: 0.2\n")
    _drop(tmp_path, good)

    assert load_pack("mine", tmp_path).weights == dict.fromkeys(DIMENSIONS, 0.2)


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("      4: Anchor 4.\n", "", 7, "dimensions.accuracy.levels: level 4 is missing"),
        ("      5: Anchor 5.\n", "      6: Anchor.\n", 7, "dimensions.accuracy.levels: level 5 is missing"),
        ("      5: Anchor 5.\n", "      5: A.\n      6: B.\n", 7, "level 6 is not one of 0 to 5"),
        ("      3: Anchor 3.\n", "      3: no\n", 11, "dimensions.accuracy.levels.3"),
        ("      3: Anchor 3.\n", "      3: A.\n      3: B.\n", 12, "the key 3 stands here a second time"),
        ("    question: Is it good?\n", "    question: ''\n", 6, "dimensions.accuracy.question"),
        ("    question: Is it good?\n", "    qestion: Is it?\n", 6, "unknown key 'qestion'"),
        (
            "    question: Is it good?\n",
            "    weight: 0.9\n    question: A?\n",
            4,
            "the weights sum to 1.6, not to 1",
        ),
        (
            "    question: Is it good?\n",
            "    weight: -1\n    question: A?\n",
            6,
            "dimensions.accuracy.weight",
        ),
        (
            "    question: Is it good?\n",
            "    weight: '1'\n    question: A?\n",
            6,
            "dimensions.accuracy.weight",
        ),
        ("{name: not_empty}", "{name: not_emty}", 15, "there is no check named 'not_emty'"),
        ("{name: not_empty}", "{name: not_empty, weight: 0}", 15, "dimensions.accuracy.checks.0.weight"),
        ("      - {name: not_empty}", "      []", 14, "dimensions.accuracy.checks"),
        ("task_type: mine", "task_type: yours", 1, "task_type is 'yours'"),
        ("task_type: mine", "colour: red\ntask_type: mine", 1, "unknown key 'colour'"),
        ("role: Reviewer, ", "", 3, "persona: role is missing"),
        ("Something of mine.", "!!python/object:os.system x", 2, "tags"),
        ("Something of mine.", "&a x", 2, None),
        ("Something of mine.", "*a", 2, "aliases"),
        ("Something of mine.", "[" * 40 + "]" * 40, 2, "nested deeper"),
        ("Something of mine.", "2025-13-45", 2, "'2025-13-45' cannot be read"),
        ("Something of mine.", "'open", 2, "not valid YAML"),
        ("Something of mine.", "a\x00b", 2, "a character that YAML does not allow"),
        ("  accuracy:\n", "  accuracies:\n", 4, "the dimension 'accuracy' is missing"),
        ("dimensions:\n", "? [a]\n: b\ndimensions:\n", 4, "a key must be text or a whole number"),
        ("dimensions:\n", "caps:\n  - {name: nope, at_most: 0}\ndimensions:\n", 5, "no check named 'nope'"),
    ],
)
def test_a_bad_pack_is_refused_with_its_line(
    tmp_path: Path, good: str, old: str, new: str, line: int, said: str | None
) -> None:
    assert old in good
    path = _drop(tmp_path, good.replace(old, new, 1))

    if said is None:  # an anchor nobody refers to does no harm
        load_pack("mine", tmp_path, known_checks())
        return
    with pytest.raises(RubricError) as caught:
        load_pack("mine", tmp_path, known_checks())
    assert f"{path}, line {line}: " in str(caught.value)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bytes_that_are_not_utf_8_are_refused_with_their_line(tmp_path: Path, good: str) -> None:
    _drop(tmp_path, good.encode().replace(b"Something", b"Some\xff"))

    with pytest.raises(RubricError, match=r"line 2: not UTF-8"):
        load_pack("mine", tmp_path)


@pytest.mark.parametrize("text", ["", "just text", "- a\n- b\n", "a: 1\n---\nb: 2\n", "#" * 300_000])
def test_a_file_that_is_no_pack_is_refused(tmp_path: Path, text: str) -> None:
    _drop(tmp_path, text)

    with pytest.raises(RubricError, match=r"mine\.yaml"):
        load_pack("mine", tmp_path)


@pytest.mark.parametrize(
    "name", ["", "Budgeting", "../budgeting", "a b", "budgeting.yaml", "9lives", "x" * 65, "a\n"]
)
def test_a_name_that_is_no_task_type_is_refused(name: str) -> None:
    with pytest.raises(RubricError, match="is no task type"):
        load_pack(name)


def test_an_unknown_task_type_says_what_there_is_and_how_to_add_it() -> None:
    with pytest.raises(RubricError, match=r"there are budgeting, .*drop poems\.yaml into \./rubrics"):
        load_pack("poems")


def test_a_folder_that_is_not_there_or_a_file_with_a_bad_name_is_refused(
    tmp_path: Path, good: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RLHF_RUBRICS", str(tmp_path / "nowhere"))
    with pytest.raises(RubricError, match="no such folder"):
        available_packs()

    _drop(tmp_path, good, "My Pack.yaml")
    with pytest.raises(RubricError, match="rename the file"):
        available_packs(tmp_path)


def test_a_folder_in_the_place_of_a_pack_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").mkdir()

    with pytest.raises(RubricError, match="cannot be read"):
        load_pack("mine", tmp_path)


def test_a_changed_file_is_read_anew(tmp_path: Path, good: str) -> None:
    _drop(tmp_path, good)
    assert load_pack("mine", tmp_path).description == "Something of mine."
    _drop(tmp_path, good.replace("Something of mine", "Something else"))
    assert load_pack("mine", tmp_path).description == "Something else."


def test_a_pack_survives_being_written_out_and_read_again(tmp_path: Path) -> None:
    pack = load_pack("planning")
    _drop(tmp_path, yaml.safe_dump(pack.model_dump(mode="json")), "planning.yaml")

    assert load_pack("planning", tmp_path).version == pack.version
