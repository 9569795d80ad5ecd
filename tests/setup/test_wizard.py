"""The real wizard in a real terminal, typed at as a user does."""

from __future__ import annotations

import json
import os
import shlex
import socket
import sys
import threading
from pathlib import Path

import pytest

from tests.backends import OK, OtlpHttpStub, Received, Reply
from tests.setup.terminal import Terminal
from tests.setup.test_probe import phoenix

pytestmark = pytest.mark.e2e

HARNESS = f"{shlex.quote(sys.executable)} -m harness_tracing.cli"
KEY = "ak-0123456789"
HOOKS = {
    "claude-code": ".claude/settings.json",
    "codex": ".codex/hooks.json",
    "cursor": ".cursor/hooks.json",
}


class User:
    """A user with an empty home folder, and what lies in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / ".arize" / "harness" / "config.yaml"

    def runs(self, command: str, **environ: str) -> Terminal:
        path = os.environ["PATH"]
        return Terminal(command, self.folder, {"HOME": str(self.folder), "PATH": path, **environ})

    def setup(self, *words: str, **environ: str) -> Terminal:
        return self.runs(f"{HARNESS} setup {' '.join(words)}", **environ)

    def written(self) -> str:
        """What config.yaml says, without its head."""
        lines = self.config.read_text().split("\n")
        return "\n".join(line for line in lines if not line.startswith("# "))

    def files(self) -> list[str]:
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*"))


@pytest.fixture
def user(tmp_path: Path) -> User:
    return User(tmp_path)


def content(terminal: Terminal, project: str = "", user_id: str = "") -> None:
    """Answers from the project's name on; the last one to what tools returned: no."""
    terminal.answer("4/6", *(("C-u",) if project else ()))
    terminal.answer("4/6", "Enter", text=project)
    terminal.answer("5/6", "Enter", text=user_id)
    terminal.answer("Prompts and answers?", "y")
    terminal.answer("What tools were asked", "Enter")
    terminal.answer("What tools returned?", "n")


def test_this_machine_only_is_the_default_for_claude_code(user: User) -> None:
    with user.setup("claude") as terminal:
        terminal.answer("1/6", "Enter")
        content(terminal)
        terminal.answer("Where shall this be kept?", "Enter")
        terminal.answer("Register the hooks with Claude Code?", "Enter")
        terminal.expect(
            "Backend       This machine only", "Recorded      prompts and answers, what"
        )
        terminal.answer("Write this?", "Enter")
        screen = terminal.expect("harness doctor")
        assert terminal.exit_code() == 0
    assert "1/6  Where shall sessions go" in screen
    assert user.written() == "log_tool_content: false\n"
    assert user.config.stat().st_mode & 0o777 == 0o600
    assert "capture.sh" in (user.folder / HOOKS["claude-code"]).read_text()


def test_ax_for_codex_with_a_wrong_key_corrected(user: User) -> None:
    typed_ahead = threading.Event()

    def answer(received: Received) -> Reply:
        typed_ahead.wait(20)
        right = received.headers["authorization"] == KEY
        return OK if right else Reply(401, b"no", "text/plain")

    with OtlpHttpStub(answer) as stub, user.setup("codex") as terminal:
        terminal.answer("1/6", "Down", "Enter")
        terminal.answer("2/6  API key", "Enter", text="ak-wrong")
        terminal.answer("Space ID", "Enter", text="U3Bh")
        terminal.answer("3/6  OTLP endpoint", "Enter", text=stub.base_url)
        terminal.answer("Asking Arize AX", text="typed ahead")
        typed_ahead.set()
        terminal.answer("does not accept the credentials (401)", "Enter")
        terminal.answer("API key (hidden; blank: the one that is there)", "Enter", text=KEY)
        # The space and the endpoint stay.
        terminal.press("Enter")
        terminal.press("Enter")
        terminal.expect("and takes the credentials")
        content(terminal, "checkout", "ann")
        terminal.answer("Where shall this be kept?", "Enter")
        terminal.answer("Register the hooks with Codex?", "Enter")
        terminal.answer("Write this?", "Enter")
        screen = terminal.expect("/hooks")
        assert terminal.exit_code() == 0
    assert [typed for typed in (KEY, "ak-wrong", "ahead") if typed in screen] == []
    assert "API key       ********" in screen
    assert user.written() == (
        f"destinations:\n  ax:\n    endpoint: {stub.base_url}\n    api_key: {KEY}\n"
        "    space_id: U3Bh\nuser_id: ann\nlog_tool_content: false\n"
        "agents:\n  codex:\n    project: checkout\n"
    )
    assert (user.folder / HOOKS["codex"]).exists()


def test_phoenix_for_cursor_and_a_second_agent_that_reuses_it(user: User) -> None:
    with OtlpHttpStub(phoenix) as stub:
        with user.setup("cursor") as terminal:
            terminal.answer("1/6", "Down", "Down", "Enter")
            terminal.answer("Phoenix endpoint", "C-u")
            terminal.answer("Phoenix endpoint", "Enter", text=stub.base_url)
            terminal.answer("API key (hidden; blank: none)", "Enter")
            terminal.expect("answers as Phoenix does")
            content(terminal)
            terminal.answer("Where shall this be kept?", "Enter")
            terminal.answer("Register the hooks with Cursor?", "n")
            terminal.answer("Write this?", "Enter")
            assert terminal.exit_code() == 0
        first = user.written()
        # At the end of a pipe, as under `curl … | bash`; what it prints goes to a file.
        script = f"{HARNESS} setup codex --json > out.json\necho the script goes on\n"
        (user.folder / "script").write_text(script)
        with user.runs("cat script | bash") as terminal:
            terminal.answer("Use that for this agent as well?", "Enter")
            terminal.answer("Project name", "C-u")
            terminal.answer("Project name", "Enter", text="my-codex")
            terminal.answer("Register the hooks with Codex?", "Enter")
            terminal.answer("Write this?", "Enter")
            terminal.expect("the script goes on")
            assert terminal.exit_code() == 0
    assert first == (
        f"destinations:\n  phoenix:\n    endpoint: {stub.base_url}\nlog_tool_content: false\n"
    )
    assert not (user.folder / HOOKS["cursor"]).exists()
    assert user.written() == first + "agents:\n  codex:\n    project: my-codex\n"
    report = json.loads((user.folder / "out.json").read_text())
    assert (report["agent"], report["registered"]) == ("codex", True)
    assert report["files"][0]["names"] == ["agents.codex.project"]


def test_an_endpoint_where_nobody_is_can_be_kept(user: User) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        where = f"http://127.0.0.1:{free.getsockname()[1]}"
        with user.setup("codex", "--no-register", "--backend", "otlp") as terminal:
            terminal.answer("OTLP endpoint", "Enter", text="nonsense here")
            terminal.expect("It may be")
            terminal.press("C-u")
            terminal.answer("OTLP endpoint", "Enter", text=where)
            terminal.answer("Headers", "Enter", text="x-key=s3cret")
            terminal.expect("Connection refused", "What now?")
            terminal.press("Down", "Down", "Enter")
            content(terminal)
            # The agent's own file in place of config.yaml.
            terminal.answer("Where shall this be kept?", "Down", "Enter")
            terminal.expect("Headers       x-key: ********")
            terminal.answer("Write this?", "Enter")
            assert terminal.exit_code() == 0
            assert "s3cret" not in terminal.screen
    assert not user.config.exists()
    assert (user.folder / ".codex" / "arize-env.sh").read_text() == (
        f"export OTEL_EXPORTER_OTLP_ENDPOINT={where}\n"
        "export OTEL_EXPORTER_OTLP_HEADERS=x-key=s3cret\nexport ARIZE_LOG_TOOL_CONTENT=false\n"
    )


def test_ctrl_c_leaves_everything_as_it_was(user: User) -> None:
    with user.runs(f"{HARNESS} setup claude; echo exit code $?; stty -a | tr ' ' ,") as terminal:
        terminal.answer("1/6", "Enter")
        content(terminal)
        terminal.answer("Where shall this be kept?", "Enter")
        terminal.answer("Register the hooks", "Enter")
        terminal.answer("Write this?", "C-c")
        terminal.expect("Nothing was written.", "exit code 1", ",echo,", ",icanon,")
    assert user.files() == []


def test_a_file_with_comments_is_changed_where_it_has_to_be(user: User) -> None:
    user.config.parent.mkdir(parents=True)
    before = "# mine\nuser_id: ann  # me\ndestinations:\n  # the team's\n  mine:\n    kind: otlp\n"
    before += "    endpoint: http://127.0.0.1:9\n"
    user.config.write_text(before)
    with user.setup("codex", "--no-register", "--no-check") as terminal:
        terminal.answer("Configured already, for every agent: otlp at http://127.0.0.1:9", "n")
        terminal.answer("1/6", "Enter")
        content(terminal)
        terminal.answer("Where shall this be kept?", "Enter")
        terminal.expect("Turned off    otlp at http://127.0.0.1:9")
        terminal.answer("Write this?", "Enter")
        assert terminal.exit_code() == 0
    assert user.config.read_text() == before + "    enabled: false\nlog_tool_content: false\n"


def test_a_read_only_file_is_told_and_nothing_is_written(user: User) -> None:
    user.config.parent.mkdir(parents=True)
    user.config.write_text("user_id: ann\n")
    user.config.chmod(0o400)
    with user.setup("codex") as terminal:
        terminal.answer("Configured already", "Enter")
        terminal.answer("Project name", "Enter", text="2")
        terminal.answer("Register the hooks", "Enter")
        terminal.answer("Write this?", "Enter")
        terminal.expect("read-only. Allow writing")
        assert terminal.exit_code() == 1
    assert user.config.read_text() == "user_id: ann\n"
    assert not (user.folder / HOOKS["codex"]).exists()


def test_another_tracers_settings_are_taken_over_with_consent(user: User) -> None:
    earlier = user.config.with_name("config.json")
    earlier.parent.mkdir(parents=True)
    part = {"target": "phoenix", "endpoint": "http://127.0.0.1:9", "api_key": "k3y"}
    earlier.write_text(json.dumps({"harnesses": {"claude-code": part}, "odd": 1}))
    with user.setup("claude", "--no-register") as terminal:
        terminal.answer("Take it over?", "Enter")
        terminal.answer("Use that for this agent as well?", "Enter")
        terminal.answer("Project name", "Enter")
        terminal.answer("Write this?", "Enter")
        assert terminal.exit_code() == 0
    assert user.written() == (
        "destinations:\n  phoenix:\n    endpoint: http://127.0.0.1:9\n    api_key: k3y\n"
    )
    assert json.loads(earlier.read_text())["odd"] == 1
