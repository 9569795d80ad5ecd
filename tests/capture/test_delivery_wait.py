"""ARIZE_EXPORT_WAIT_S with the real worker: when the last hook returns, the backend has it all."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.backends import HANG, OtlpHttpStub
from tests.worker.conftest import end
from tests.worker.player import Place

SESSION = "0f0e0d0c-0b0a-4908-8706-050403020100"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A fresh home; no process of ours outlives it."""
    place = Place(tmp_path / "home")
    yield place
    end(place)


def fire(place: Place, event: str, prompt: str = "hello", **env: str) -> float:
    """Fire a hook; how long it took (s)."""
    payload = {"session_id": SESSION, "prompt_id": prompt, "prompt": prompt, "cwd": "/"}
    named = {"CLAUDE_CODE_SESSION_ID": SESSION, "CLAUDE_PID": str(os.getpid())}
    started = time.monotonic()
    place.fire(event, json.dumps(payload).encode(), **named, **place.env, **env)
    return time.monotonic() - started


def session(place: Place) -> None:
    for event in ("SessionStart", "UserPromptSubmit"):
        fire(place, event)


def test_at_the_sessions_end_everything_has_arrived(place: Place) -> None:
    with OtlpHttpStub() as stub:
        place.env = {"OTEL_EXPORTER_OTLP_ENDPOINT": stub.base_url, "ARIZE_EXPORT_WAIT_S": "30"}
        session(place)
        assert stub.spans() == []
        assert fire(place, "SessionEnd") < 25
        assert [span.name for span in stub.spans()] == ["Turn 1"]


def test_a_session_that_begins_and_ends_with_the_hook_is_waited_for(place: Place) -> None:
    """No worker is there yet: it is started for this event."""
    with OtlpHttpStub() as stub:
        place.env = {"OTEL_EXPORTER_OTLP_ENDPOINT": stub.base_url, "ARIZE_EXPORT_WAIT_S": "30"}
        payload = {"session_id": SESSION, "prompt_id": "p", "prompt": "hello", "cwd": "/"}
        place.fire(
            "UserPromptSubmit",
            json.dumps(payload).encode(),
            interpreter="/bin/true",
            CLAUDE_CODE_SESSION_ID=SESSION,
            CLAUDE_PID=str(os.getpid()),
        )
        assert fire(place, "SessionEnd") < 25
        assert [span.name for span in stub.spans()] == ["Turn 1"]


def test_at_stop_the_turns_before_it_have_arrived(place: Place) -> None:
    with OtlpHttpStub() as stub:
        place.env = {"OTEL_EXPORTER_OTLP_ENDPOINT": stub.base_url, "ARIZE_EXPORT_WAIT_S": "30"}
        session(place)
        fire(place, "UserPromptSubmit", "again")
        assert fire(place, "Stop", "again") < 25
        assert "Turn 1" in [span.name for span in stub.spans()]


def test_without_a_destination_nothing_is_waited_for(place: Place) -> None:
    place.env = {"ARIZE_EXPORT_WAIT_S": "30"}
    session(place)
    assert fire(place, "SessionEnd") < 25


def test_a_backend_that_hangs_costs_no_more_than_was_allowed(place: Place) -> None:
    with OtlpHttpStub([HANG]) as stub:
        place.env = {"OTEL_EXPORTER_OTLP_ENDPOINT": stub.base_url}
        session(place)
        assert 1.5 < fire(place, "SessionEnd", ARIZE_EXPORT_WAIT_S="2") < 20
        assert list(place.home.spool.glob("*/*/flush.*")) == []
