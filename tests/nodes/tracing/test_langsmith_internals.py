"""LangSmith's client still has the private names that langsmith_internals.py reads."""

from typing import Any

import pytest
from langsmith import Client

from rlhf.nodes.tracing.langsmith_internals import anonymizer_of, hides_inputs, hides_outputs


def client(**hidden: Any) -> Client:
    return Client("http://127.0.0.1:9", api_key="none", auto_batch_tracing=False, **hidden)


def partly(value: dict[str, Any]) -> dict[str, Any]:
    return {name: "…" for name in value}


def test_the_anonymizer_is_the_one_the_client_was_given() -> None:
    assert anonymizer_of(client(anonymizer=partly)) is partly
    assert anonymizer_of(client()) is None


@pytest.mark.parametrize(("given", "hides"), [(True, True), (partly, True), (False, False)])
def test_what_a_client_hides_is_seen(given: Any, hides: bool) -> None:
    assert hides_inputs(client(hide_inputs=given)) is hides
    assert hides_outputs(client(hide_outputs=given)) is hides


def test_what_the_environment_hides_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    from langsmith.utils import get_env_var

    monkeypatch.setenv("LANGSMITH_HIDE_INPUTS", "true")
    get_env_var.cache_clear()  # type: ignore[attr-defined]
    try:
        assert hides_inputs(client())
        assert not hides_outputs(client())
    finally:
        monkeypatch.undo()
        get_env_var.cache_clear()  # type: ignore[attr-defined]
