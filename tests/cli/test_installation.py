"""`harness hook-command`, and `harness flush` on what its line captured."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from harness_tracing import agents
from tests.cli.conftest import CommandLine

EVENTS = [event.name for event in agents.get("claude-code").events]


@pytest.mark.parametrize("event", EVENTS)
def test_every_registered_event_has_a_line(run: CommandLine, event: str) -> None:
    ran = run("hook-command", "claude-code", event)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.count("\n") == 1
    assert event in ran.out and sys.executable in ran.out


def test_an_alias_gives_the_same_line(run: CommandLine) -> None:
    assert run("hook-command", "claude", "Stop") == run("hook-command", "claude-code", "Stop")


@pytest.mark.parametrize("event", ["MessageDisplay", "stop", "Nonsense", ""])
def test_an_event_that_is_not_registered_prints_nothing(run: CommandLine, event: str) -> None:
    ran = run("hook-command", "claude-code", event)
    assert (ran.code, ran.out, ran.err) == (0, "", "")


def test_the_line_needs_no_home(run: CommandLine) -> None:
    ran = run("hook-command", "claude-code", "Stop")
    assert ran.code == 0
    assert not run.home.root.exists()


def _captured(user: CommandLine, event: str, payload: dict[str, object]) -> None:
    line = user("hook-command", "claude-code", event).out
    done = subprocess.run(
        ["/bin/sh", "-c", line],
        input=json.dumps(payload),
        env={**user.environ, "CLAUDE_CODE_SESSION_ID": str(payload["session_id"])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_flush_stores_what_the_line_captured(run: CommandLine, tmp_path: Path) -> None:
    common = {
        "session_id": "11111111-2222-3333-4444-555555555555",
        "transcript_path": str(tmp_path / "none.jsonl"),
        "cwd": str(tmp_path),
    }
    for event in ("SessionStart", "UserPromptSubmit", "Stop", "SessionEnd"):
        payload = {**common, "hook_event_name": event, "prompt_id": "p1", "prompt": "Hello."}
        _captured(run, event, payload)
    ran = run("flush", "--wait", "--timeout", "30")
    assert (ran.code, ran.out) == (0, "")
    (session,) = run("sessions", "list", "--json").json
    assert session["session_id"] == common["session_id"]
    assert session["turns"] == 1


def test_flush_with_nothing_captured_is_fine(run: CommandLine) -> None:
    ran = run("flush", "--wait")
    assert (ran.code, ran.out, ran.err) == (0, "", "")


def test_flush_says_what_is_left_and_why(run: CommandLine) -> None:
    folder = run.home.spool / "no-such-agent" / "s1"
    folder.mkdir(parents=True)
    (folder / "Stop.1.2").write_text("{}")
    ran = run("flush", "--wait", "--timeout", "1")
    assert (ran.code, ran.out) == (1, "")
    assert "no agent of that name" in ran.err


def test_bootstrap_where_nothing_can_be_written_is_a_problem_said_clearly(
    run: CommandLine,
) -> None:
    run.home.root.parent.mkdir()
    run.home.root.write_text("in the way")
    ran = run("bootstrap")
    assert (ran.code, ran.out) == (1, "")
    assert "cannot write" in ran.err and "Traceback" not in ran.err
