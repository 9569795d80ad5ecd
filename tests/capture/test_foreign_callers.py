"""Cursor, Copilot CLI and VS Code run Claude Code's hooks: none of it is filed as Claude Code's."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from harness_tracing import agents
from harness_tracing.agents.base import HookEvent
from harness_tracing.capture import CAPTURE_SH, hook_command
from tests.capture.hooks import SESSION, Hook, Place, payload

RECORDINGS = Path(__file__).parent.parent / "recordings"
NAMED = {"CLAUDE_CODE_SESSION_ID": SESSION, "CLAUDE_PID": "4711"}
INHERITED = pytest.mark.parametrize(
    "inherited", [{}, NAMED], ids=["alone", "started from Claude Code"]
)
# Fields as VS Code documents them, and as newer versions spell them; no recording of it is known.
VS_CODE: list[dict[str, Any]] = [
    {
        "timestamp": "2026-02-09T10:30:00.000Z",
        "cwd": "/home/dev/order-pricing",
        "sessionId": "5f6a",
        "hookEventName": "PreToolUse",
        "transcript_path": "/home/dev/.config/Code/User/transcripts/5f6a.jsonl",
        "tool_name": "editFiles",
        "tool_input": {"files": ["src/pricing.py"]},
        "tool_use_id": "tool-1",
    },
    {
        "timestamp": "2026-02-09T10:30:00.000Z",
        "hook_event_name": "UserPromptSubmit",
        "session_id": "5f6a",
        "cwd": "/home/dev/order-pricing",
        "prompt": "Round it.",
    },
]


def recorded(agent: str, case: str) -> list[tuple[str, dict[str, str], str]]:
    """Event, environment and payload of each hook call that Claude Code's hooks would get."""
    text = (RECORDINGS / agent / case / "events.jsonl").read_text(encoding="utf-8")
    calls = [json.loads(line) for line in text.split("\n") if line]
    return [
        (c["event"], c["env"], c["stdin"])
        for c in calls
        if '\\"conversation_id' in text or c["event"][0].isupper()
    ]


def spooled(place: Place) -> list[str]:
    """What lies in the spool, for any agent."""
    return [name for name in place.everything() if "/spool/" in name]


@INHERITED
@pytest.mark.parametrize(("agent", "case"), [("copilot", "tool_cycle"), ("cursor", "simple")])
def test_recorded_calls_of_another_agent_leave_nothing(
    hook: Hook, place: Place, agent: str, case: str, inherited: dict[str, str]
) -> None:
    calls = recorded(agent, case)
    assert len(calls) > 4
    for event, env, content in calls:
        hook.run(content.encode(), place.environ(**env, **inherited), event=event)
    assert spooled(place) == []


@pytest.mark.parametrize("told", VS_CODE, ids=["camelCase", "snake_case"])
def test_vs_code_is_known_by_its_payload(hook: Hook, place: Place, told: dict[str, Any]) -> None:
    hook.run(json.dumps(told).encode(), place.environ(VSCODE_PID="1"))
    assert spooled(place) == []


@pytest.mark.parametrize("variable", ["COPILOT_CLI", "CURSOR_VERSION"])
def test_claude_code_in_another_agents_terminal_is_captured(
    hook: Hook, place: Place, variable: str
) -> None:
    content = payload(SESSION, 'of \\"timestamp\\":\\"x\\", \\"sessionId\\":\\"y\\"')
    hook.run(content, place.environ(**NAMED, **{variable: "1"}))
    assert place.event(SESSION) == content


def test_with_hooks_for_both_cursors_work_is_captured_once(place: Place) -> None:
    calls = recorded("cursor", "tool_cycle")
    for event, env, content in calls:
        for agent in ("cursor", "claude-code"):
            own = agents.get(agent).own_shell
            line = hook_command(agent, event, "/bin/true", str(CAPTURE_SH), own_shell=own)
            subprocess.run(
                ["sh", "-c", line], input=content.encode(), env=place.environ(**env), check=True
            )
    files = [path for path in spooled(place) if path.count("/") == 5]
    assert len(files) == len(calls)
    assert all("/spool/cursor/" in path for path in files)


@pytest.mark.parametrize(
    "told",
    [
        *VS_CODE,
        *[json.loads(content) for _, _, content in recorded("copilot", "subagent")],
        *[json.loads(content) for _, _, content in recorded("cursor", "simple")],
    ],
    ids=lambda told: str(told.get("hook_event_name") or told.get("hookEventName") or "none"),
)
def test_what_capture_cannot_know_the_reader_leaves_alone(told: dict[str, Any]) -> None:
    reader = agents.get("claude-code").reader(SESSION, "p", None)
    for number, name in enumerate(("SessionStart", "UserPromptSubmit", "PreToolUse", "Stop")):
        reader.feed(HookEvent(f"{number}", name, 10**18 + number, told))
    reader.tick(10**18 + 10**13, True)
    changes = reader.changes()
    assert (changes.session, changes.turns) == (None, ())


@pytest.mark.parametrize("agent", [name for name in agents.names() if name != "claude-code"])
def test_no_other_reader_takes_them_either(agent: str) -> None:
    reader = agents.get(agent).reader("5f6a", "p", None)
    for number, told in enumerate(VS_CODE):
        reader.feed(HookEvent(f"{number}", "beforeSubmitPrompt", 10**18 + number, told))
    assert reader.changes().turns == ()
