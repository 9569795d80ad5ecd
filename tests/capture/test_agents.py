"""Capture for the agents that name their session in the payload alone; who runs whose hooks."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Optional

import pytest

from harness_tracing import agents
from harness_tracing.capture import CAPTURE_SH, hook_command
from tests.capture.hooks import SESSION, Hook, Place

CODEX = b'{"session_id":"' + SESSION.encode() + b'","turn_id":"t","hook_event_name":"Stop"}'
CURSOR = b'{"conversation_id":"agent-1","generation_id":"g","session_id":"agent-1","x":1}'
CLAUDE_ENV = {
    "CLAUDE_CODE_SESSION_ID": "of-claude",
    "CLAUDE_PID": "4711",
    "CLAUDE_PROJECT_DIR": "/x",
}
USER_SHELLS = [path for name in ("bash", "zsh", "fish", "dash") if (path := shutil.which(name))]


def line(agent: str, event: str, capture: object = CAPTURE_SH) -> str:
    own = agents.get(agent).own_shell
    return hook_command(agent, event, "/bin/true", str(capture), own_shell=own)


def run(words: list[str], content: bytes, env: dict[str, str]) -> None:
    done = subprocess.run(words, input=content, env=env, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def events(place: Place, agent: str) -> dict[str, list[str]]:
    """Names of the captured events by session."""
    folder = place.home / "spool" / agent
    sessions: Iterable[Path] = folder.iterdir() if folder.exists() else ()
    return {
        session.name: sorted(p.name for p in session.iterdir() if p.name[0] not in ".w")
        for session in sessions
    }


@pytest.mark.parametrize("shell_path", USER_SHELLS)
@pytest.mark.parametrize(
    ("agent", "content", "session"), [("codex", CODEX, SESSION), ("cursor", CURSOR, "agent-1")]
)
def test_the_payload_names_the_session_and_the_parent_is_the_agent(
    place: Place, shell_path: str, agent: str, content: bytes, session: str
) -> None:
    run([shell_path, "-c", line(agent, "Stop")], content, place.environ())
    ((found, (name,)),) = events(place, agent).items()
    assert (found, name.split(".")[:2]) == (session, ["Stop", str(os.getpid())])
    assert (place.home / "spool" / agent / found / name).read_bytes() == content


def test_variables_of_claude_code_do_not_name_a_codex_session(place: Place) -> None:
    run(["sh", "-c", line("codex", "Stop")], CODEX, place.environ(**CLAUDE_ENV))
    assert list(events(place, "codex")) == [SESSION]
    assert events(place, "claude-code") == {}


def test_a_here_document_behind_the_line_is_read(place: Place) -> None:
    heredoc = f"{line('cursor', 'stop')} <<'CURSOR_HOOK_EOF'\n{CURSOR.decode()}\nCURSOR_HOOK_EOF\n"
    run(["sh", "-c", heredoc], b"", place.environ())
    assert list(events(place, "cursor")) == ["agent-1"]


@pytest.mark.parametrize("inherited", [{}, CLAUDE_ENV], ids=["alone", "within Claude Code"])
def test_claude_codes_hook_run_by_cursor_is_left_to_cursors(
    hook: Hook, place: Place, inherited: dict[str, str]
) -> None:
    hook.run(CURSOR, place.environ(CURSOR_VERSION="2.7", **inherited))
    assert place.everything() == []


@pytest.mark.parametrize("agent", agents.names())
@pytest.mark.parametrize("capture", ["/nowhere/capture.sh", None])
def test_the_line_survives_deleted_files(place: Place, agent: str, capture: Optional[str]) -> None:
    if capture is None:
        (place.root / "capture").mkdir()
        capture = str(place.root / "capture")
    for event in agents.get(agent).events:
        run(["sh", "-c", line(agent, event.name, capture)], CODEX, place.environ())
    assert place.everything() == []


@pytest.mark.parametrize("agent", agents.names())
def test_a_line_holds_no_comment_mark_and_needs_no_quoting_care(agent: str) -> None:
    found = hook_command(
        agent, "Stop", "//opt//python", "//x//capture.sh", own_shell=agents.get(agent).own_shell
    )
    assert "//" not in found
    assert shlex.split(found)


@pytest.mark.parametrize("agent", ["codex", "cursor"])
def test_a_worker_that_lives_on_holds_nothing_of_the_agents(place: Place, agent: str) -> None:
    python = place.home / "current" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\nexec sleep 30\n")
    python.chmod(0o755)
    words = ["sh", "-c", hook_command(agent, "Stop", None, str(CAPTURE_SH), own_shell=True)]
    # Reads its output to the end, which comes when nobody has it open.
    subprocess.run(
        words, input=CODEX, env=place.environ(), capture_output=True, check=True, timeout=15
    )
