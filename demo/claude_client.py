"""The real Claude Code in a fresh home: where it lies, its environment, how it is run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

from checkout import CLAUDE
from harness_tracing.loop_demo import project


@dataclass
class Home:
    """A user's home with the order-pricing project in it, and the way to run things there."""

    path: Path
    model_url: str
    extra_env: dict[str, str] = field(default_factory=dict)
    claude: Path = CLAUDE
    always: Sequence[str] = ()

    @property
    def project(self) -> Path:
        """The git checkout that Claude Code works in."""
        return self.path / "order-pricing"

    @classmethod
    def fresh(cls, path: Path, model_url: str, claude: Path = CLAUDE, **extra_env: str) -> Home:
        """A home at `path`, which must not exist, with a committed copy of order-pricing."""
        path.mkdir(parents=True)
        home = cls(path, model_url, dict(extra_env), claude)
        project.generate(home.project, home.env())
        return home

    def env(self, **more: str) -> dict[str, str]:
        """The whole environment of a run: nothing of the caller's but PATH."""
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.path),
            "LANG": "C.UTF-8",
            "ANTHROPIC_BASE_URL": self.model_url,
            "ANTHROPIC_API_KEY": "test",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "DISABLE_TELEMETRY": "1",
            "DISABLE_AUTOUPDATER": "1",
            "IS_SANDBOX": "1",
            **self.extra_env,
            **more,
        }

    def write_settings(self, settings: Mapping[str, Any]) -> None:
        """Write the user's ~/.claude/settings.json."""
        folder = self.path / ".claude"
        folder.mkdir(exist_ok=True)
        (folder / "settings.json").write_text(json.dumps(settings, indent=2), encoding="utf-8")

    def start(
        self,
        *arguments: str,
        session_id: Optional[str] = None,
        stdin: Any = subprocess.DEVNULL,
        **env: str,
    ) -> subprocess.Popen[str]:
        """Start `claude` with these arguments, in a process group of its own."""
        command = [str(self.claude), *arguments]
        if arguments[0] != "plugin":
            command += self.always
        if session_id:
            command += ["--session-id", session_id]
        return subprocess.Popen(
            command,
            cwd=self.project,
            env=self.env(**env),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(
        self, *arguments: str, timeout_s: float = 120, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run `claude` to its end; on a timeout kill its whole process group."""
        process = self.start(*arguments, **options)
        try:
            out, err = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
            raise AssertionError(f"claude took more than {timeout_s} s\n{out}\n{err}") from None
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def prompt(
        self, prompt: str, *arguments: str, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """`claude -p PROMPT` without permission questions."""
        return self.run("-p", prompt, *BYPASS, *arguments, **options)


BYPASS = ("--permission-mode", "bypassPermissions")
STREAM_JSON = ("-p", *BYPASS, "--input-format", "stream-json", "--output-format", "stream-json")


class Conversation:
    """A `claude -p` that takes messages on stdin as JSON while it runs."""

    def __init__(self, home: Home, *arguments: str, **options: Any):
        verbose = ("--verbose",)
        self.process = home.start(
            *STREAM_JSON, *verbose, *arguments, stdin=subprocess.PIPE, **options
        )
        self.heard: list[dict[str, Any]] = []

    def say(self, text: str) -> None:
        """Send a user message; it is queued when a turn is running."""
        message = {"type": "user", "message": {"role": "user", "content": text}}
        self._send(message)

    def _send(self, message: Mapping[str, Any]) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()

    def interrupt(self) -> None:
        """Ask the client to break off the running turn."""
        request = {"subtype": "interrupt"}
        self._send({"type": "control_request", "request_id": "stop-1", "request": request})

    def hear_result(self) -> dict[str, Any]:
        """Wait for the end of a turn and return its `result` message."""
        assert self.process.stdout
        for line in self.process.stdout:
            message: dict[str, Any] = json.loads(line)
            self.heard.append(message)
            if message.get("type") == "result":
                return message
        raise AssertionError("claude ended before a result")

    def close(self, timeout_s: float = 60) -> int:
        """No more messages: wait until the client has left."""
        out = self.process.communicate(timeout=timeout_s)[0]
        self.heard += [json.loads(line) for line in out.split("\n") if line]
        return self.process.returncode


def wait_until(condition: Any, timeout_s: float = 30, every_s: float = 0.05) -> Any:
    """What `condition()` returns as soon as it is true; AssertionError at the timeout."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(every_s)
    raise AssertionError(f"not true within {timeout_s} s: {condition}")


def descendants(pid: int) -> Sequence[int]:
    """Processes that `pid` started, directly or not (Linux)."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rsplit(")", 1)[1].split()[1])
        except (OSError, IndexError):
            continue
        children.setdefault(parent, []).append(int(stat.parent.name))
    found: list[int] = []
    queue = [pid]
    while queue:
        below = children.get(queue.pop(), [])
        found += below
        queue += below
    return found
