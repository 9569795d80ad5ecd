"""What the real client wrote fits the schemas by which a changed format is noticed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from recorded import recorded_events, recordings

from harness_tracing.agents.codex.schemas import line_problem, payload_problem

CASES = recordings("codex")


@pytest.mark.parametrize("folder", CASES, ids=lambda folder: folder.name)
def test_recorded_payloads_and_lines_are_as_known(folder: Path) -> None:
    problems = [
        payload_problem(recorded.event.name, recorded.event.payload or {})
        for recorded in recorded_events(folder)
    ]
    for path in (folder / "home").rglob("*.jsonl"):
        lines = path.read_text(encoding="utf-8").split("\n")
        problems += [line_problem(json.loads(line)) for line in lines if line]

    assert [problem for problem in problems if problem] == []


def test_a_missing_field_is_named() -> None:
    problem = payload_problem("Stop", {"session_id": "s", "hook_event_name": "Stop"})

    assert problem is not None
    assert "transcript_path" in problem


def test_a_changed_item_is_named() -> None:
    item = {"type": "CommandExecution", "id": "call_1", "status": 3, "command": []}
    payload = {
        "type": "item_completed",
        "turn_id": "t",
        "item": item,
        "started_at_ms": 1,
        "completed_at_ms": 2,
    }
    problem = line_problem(
        {"timestamp": "2026-11-22T20:43:11.379Z", "type": "event_msg", "payload": payload}
    )

    assert problem is not None
    assert "CommandExecution, status" in problem
