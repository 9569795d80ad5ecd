"""What Cursor wrote, and what we made by hand, fits the schemas by which a change is noticed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from agents.cursor.scenes import asked, event, line, prompt, shell, stop
from recorded import recorded_events, recordings

from harness_tracing.agents.cursor.schemas import line_problem, payload_problem


@pytest.mark.parametrize("folder", recordings("cursor"), ids=lambda folder: folder.name)
def test_recorded_payloads_and_lines_are_as_known(folder: Path) -> None:
    problems = [
        payload_problem(recorded.event.name, recorded.event.payload or {})
        for recorded in recorded_events(folder)
    ]
    for path in (folder / "home").rglob("*.jsonl"):
        lines = path.read_text(encoding="utf-8").split("\n")
        problems += [line_problem(json.loads(each)) for each in lines if each]

    assert [problem for problem in problems if problem] == []


def test_events_made_by_hand_are_as_the_client_writes_them() -> None:
    events = [prompt(0), *shell(1, "t1", "ls"), stop(5)]
    lines = [asked("Go."), line("assistant", "x", 0, name="Read", input={})]
    problems = [payload_problem(e.name, e.payload or {}) for e in events]
    problems += [line_problem(each.value or {}) for each in lines]

    assert problems == [None] * 8


@pytest.mark.parametrize(
    ("name", "fields", "missing"),
    [
        ("stop", {"status": "exploded"}, "exploded"),
        ("postToolUse", {"tool_name": "Read", "tool_output": "{}"}, "tool_use_id"),
        ("afterShellExecution", {"command": "ls"}, "output"),
    ],
)
def test_what_has_changed_is_named(name: str, fields: dict, missing: str) -> None:
    problem = payload_problem(name, event(name, 0, **fields).payload or {})

    assert problem is not None
    assert missing in problem
