"""Codex's terminal with its background server: whose environment, whose end."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from claude_client import wait_until
from codex_client import CODEX, Codex
from codex_scripts import RESPONSES
from codex_terminal import CodexTerminal, daemons
from scripted_responses import Server
from tracer import Tree

pytestmark = pytest.mark.skipif(
    not CODEX.exists(), reason=f"no Codex at {CODEX}: run `make setup-e2e`"
)


@pytest.fixture
def server() -> Iterator[Server]:
    """The scripted model."""
    with Server(RESPONSES) as server:
        yield server


@pytest.fixture
def codex(server: Server) -> Iterator[Codex]:
    """A home that goes after the test, with the 400 MB that the server copies into it."""
    with tempfile.TemporaryDirectory(prefix="codex-", ignore_cleanup_errors=True) as folder:
        codex = Codex(Path(folder) / "home", server.url, model="gpt-6-sol")
        codex.harness("install", "codex")
        codex.trust_hooks()
        yield codex
        for pid in daemons(codex):
            os.kill(pid, signal.SIGKILL)


def prompted(codex: Codex, server: Server, marker: str, **env: str) -> CodexTerminal:
    """A terminal in which a prompt was sent, and the model has begun to answer."""
    terminal = CodexTerminal(codex, **env)
    terminal.until(lambda: "shortcuts" in terminal.screen())
    terminal.type(f"Please. [[{marker}]]")
    terminal.until(lambda: [e for e in server.log if e["marker"] == marker and e["tools"]])
    return terminal


def test_settings_come_from_the_file_and_a_closed_terminal_ends_no_turn(
    codex: Codex, server: Server
) -> None:
    prompted(codex, server, "code_mode").close()
    assert daemons(codex), "there is no background server"
    (codex.folder / "arize-env.sh").write_text("export ARIZE_PROJECT_NAME=from-the-file\n")
    prompted(codex, server, "slow_cell", ARIZE_PROJECT_NAME="of-the-second-terminal").close()

    wait_until(lambda: len(codex.sessions()) == 2)
    session = max(codex.sessions(), key=lambda each: str(each["started_at"]))
    assert session["project"] == "from-the-file"
    assert statuses(codex, session["session_id"]) == ["open"]
    (codex.project / "go-on").touch()
    wait_until(lambda: statuses(codex, session["session_id"]) == ["completed"])


def statuses(codex: Codex, session_id: str) -> list[str]:
    """Of the session's turns."""
    return [turn["harness.turn.status"] for turn in Tree(codex.spans(session_id)).turns]
