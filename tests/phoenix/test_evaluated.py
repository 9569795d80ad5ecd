"""A turn of the real client, judged when it is final: its verdict here, and in a real Phoenix."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
import uuid
from pathlib import Path
from typing import Any

import pytest

from checkout import CLAUDE
from claude_client import wait_until
from tests.phoenix import live
from tests.phoenix.server import Phoenix, missing
from tracer import Tracer

pytestmark = [pytest.mark.phoenix, pytest.mark.e2e]

RULE, PROJECT = "secret_exposure", "evaluated"


def here(tracer: Tracer, session_id: str) -> dict[str, Any]:
    """What the rule said of each turn, by the span id of the turn."""
    turns = [span.json for span in tracer.spans(session_id, "turns") if span.json["kind"] == "LLM"]
    return {
        turn["context"]["span_id"]: (each["label"], each["score"], each["explanation"])
        for turn in turns
        for each in turn.get("evaluations", ())
    }


def there(server: Phoenix, span_ids: list[str]) -> list[tuple[str, tuple[Any, ...]]]:
    """The same, as the server has it; a verdict that is there twice stands here twice."""
    query = urllib.parse.urlencode([("span_ids", each) for each in span_ids])
    url = f"{server.url}/v1/projects/{PROJECT}/span_annotations?{query}"
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            found = json.load(answer)["data"]
    except urllib.error.HTTPError:
        return []  # it has no such project yet
    assert {(each["name"], each["annotator_kind"]) for each in found} <= {(RULE, "CODE")}
    kept = ("label", "score", "explanation")
    return sorted((each["span_id"], tuple(each["result"][k] for k in kept)) for each in found)


def test_a_real_turn_is_scored_here_and_there_also_when_killed_in_between(
    tmp_path: Path, shared_phoenix: Phoenix
) -> None:
    if not CLAUDE.exists():
        missing(live.MISSING)
    with live.client(tmp_path / "home", shared_phoenix.url, "turns") as tracer:
        tracer.home.extra_env["ARIZE_PROJECT_NAME"] = PROJECT
        kind = ("--task-type", "code_evaluation", "--evaluators", RULE)
        tracer.run("tasks", "create-evaluation", "--name", "rules", *kind, "--is-continuous")
        session_id = str(uuid.uuid4())
        assert tracer.home.prompt(live.PROMPTS[0], "--session-id", session_id).returncode == 0
        wait_until(lambda: len(here(tracer, session_id)) == 1, 60, 0.5)
        first = here(tracer, session_id)
        wait_until(lambda: there(shared_phoenix, list(first)) == sorted(first.items()), 60, 0.5)

        shared_phoenix.kill()
        try:
            assert tracer.home.prompt(live.PROMPTS[0], "--resume", session_id).returncode == 0
            wait_until(lambda: len(here(tracer, session_id)) == 2, 60, 0.5)
            tracer.kill_workers()
        finally:
            shared_phoenix.start()
        tracer.run("flush", "--wait", "--verify")

        both = here(tracer, session_id)
        assert {label for label, _, _ in both.values()} == {"none"}
        assert there(shared_phoenix, list(both)) == sorted(both.items())
        assert RULE in tracer.run("sessions", "show", session_id, "--full").stdout
