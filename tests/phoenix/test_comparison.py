"""The comparison that the Phoenix tests rest on sees every kind of difference."""

from __future__ import annotations

import copy
from typing import Any, Callable

import pytest

from tests.phoenix.comparison import differences

OURS: dict[str, Any] = {
    "name": "Bash",
    "context": {"trace_id": "a" * 32, "span_id": "b" * 16},
    "kind": "TOOL",
    "parent_id": "c" * 16,
    "start_time": "2026-11-22T20:13:33.371000999Z",
    "end_time": "2026-11-22T20:13:34.000000000Z",
    "status_code": "ERROR",
    "status_message": "Exit code 3",
    "attributes": {
        "openinference.span.kind": "TOOL",
        "tool.parameters": '{"command":"ls","edits":[{"old":"a"}],"paths":["x"]}',
        "session.id": "s1",
    },
    "events": [
        {
            "name": "permission wait",
            "timestamp": "2026-11-22T20:13:33.400000000Z",
            "attributes": {"harness.wait.ms": 3},
        }
    ],
}
THEIRS: dict[str, Any] = {
    "name": "Bash",
    "context": {"trace_id": "a" * 32, "span_id": "b" * 16},
    "span_kind": "TOOL",
    "parent_id": "c" * 16,
    "start_time": "2026-11-22T20:13:33.371001+00:00",
    "end_time": "2026-11-22T20:13:34+00:00",
    "status_code": "ERROR",
    "status_message": "Exit code 3",
    "attributes": {
        "tool.parameters.command": "ls",
        "tool.parameters.edits.0.old": "a",
        "tool.parameters.paths": ["x"],
        "session.id": "s1",
    },
    "events": [
        {
            "name": "permission wait",
            "timestamp": "2026-11-22T20:13:33.400000+00:00",
            "attributes": {"harness.wait.ms": 3},
        }
    ],
}
ID = "b" * 16


def test_what_only_phoenix_writes_otherwise_is_no_difference() -> None:
    assert differences({ID: OURS}, {ID: THEIRS}) == []


def test_a_span_that_is_missing_or_too_many_is_told() -> None:
    assert differences({ID: OURS}, {}) == [f"Bash {ID}: not in Phoenix"]
    assert differences({}, {ID: THEIRS}) == [f"Bash {ID}: only Phoenix has it"]


@pytest.mark.parametrize(
    "change",
    [
        lambda span: span.update(name="Read"),
        lambda span: span["context"].update(trace_id="d" * 32),
        lambda span: span.update(parent_id=None),
        lambda span: span.update(span_kind="LLM"),
        lambda span: span.update(start_time="2026-11-22T20:13:33.372000+00:00"),
        lambda span: span.update(end_time="2026-11-22T20:13:35+00:00"),
        lambda span: span.update(status_code="OK"),
        lambda span: span.update(status_message=""),
        lambda span: span["attributes"].pop("session.id"),
        lambda span: span["attributes"].update(more=1),
        lambda span: span["attributes"].update({"tool.parameters.edits.0.old": "b"}),
        lambda span: span["events"].clear(),
        lambda span: span["events"][0].update(timestamp="2026-11-22T20:13:33.500000+00:00"),
        lambda span: span["events"][0].update(attributes={}),
    ],
)
def test_every_change_is_told(change: Callable[[dict[str, Any]], object]) -> None:
    changed = copy.deepcopy(THEIRS)
    change(changed)

    assert len(differences({ID: OURS}, {ID: changed})) == 1
