"""The agent of the demo: the real Claude Code, answered by the scripted model or by its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional, Protocol

from harness_tracing.agents import get
from harness_tracing.capture import CAPTURE_SH, hook_command
from harness_tracing.loop_demo.scripted_model import ScriptedModel
from harness_tracing.loop_demo.stage import DemoError, Stage
from harness_tracing.loop_demo.tickets import MARKER, SCRIPTS, Ticket
from harness_tracing.observe.text import plain

NEEDED = ("git", "make", "python3")
_ALLOWED = ("--permission-mode", "acceptEdits", "--allowedTools", "Bash(make *)")
_LONGEST_S = 900
_SHOWN = 600
_QUIET = {
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DISABLE_TELEMETRY": "1",
    "DISABLE_AUTOUPDATER": "1",
}
# An outer session's, and what would send the demo's traces somewhere.
_NOT_HANDED_ON = ("CLAUDECODE", "CLAUDE_PROJECT_DIR", "TRACEPARENT", "HARNESS_UNTRACED")
_NOT_HANDED_ON_BEGIN = ("ARIZE_", "PHOENIX_", "OTEL_", "CLAUDE_CODE_SESSION", "CLAUDE_CODE_ENTRY")


class Agent(Protocol):
    """Whoever works on the tickets. `is_recorded`: nobody does, what they did once is played."""

    @property
    def is_recorded(self) -> bool: ...

    def session_id(self, ticket: Ticket) -> str:
        """The session that a ticket is worked on in."""

    def work(self, ticket: Ticket) -> str:
        """Work on a ticket in the stage's project; what it says at the end."""


def found(given: Optional[str], environ: Mapping[str, str]) -> Optional[Path]:
    """Claude Code's program: the one given, else the one on the PATH.

    Raises DemoError when the one given is not there.
    """
    path = shutil.which(given or "claude", path=environ.get("PATH", ""))
    if given and path is None:
        raise DemoError(f"{given} is no program; give the path of Claude Code's, or none at all")
    return Path(path).absolute() if path else None


def missing(environ: Mapping[str, str]) -> list[str]:
    """The programs besides Claude Code that are needed to have it work here, and are not there."""
    if os.name == "nt":
        return ["a POSIX system"]
    path = environ.get("PATH", "")
    return [name for name in NEEDED if shutil.which(name, path=path) is None]


@dataclass(frozen=True)
class Scripted:
    """Claude Code in the stage's home, answered by the scripted model: no account, no network."""

    stage: Stage
    program: Path
    model: ScriptedModel
    is_recorded: bool = False

    def session_id(self, ticket: Ticket) -> str:
        """Always the same, as all that is scripted."""
        return ticket.session_id

    def work(self, ticket: Ticket) -> str:
        """One `claude -p`; DemoError when it fails."""
        answered = {"ANTHROPIC_BASE_URL": self.model.url, "ANTHROPIC_API_KEY": "none-needed"}
        environ = {**self.stage.environ(), **_QUIET, **answered}
        return _run(self.stage, self.program, ticket, ticket.session_id, (), environ)


@dataclass(frozen=True)
class Own:
    """The user's own Claude Code with their account; its trace stays on the stage."""

    stage: Stage
    program: Path
    ids: dict[str, str] = field(default_factory=dict)
    is_recorded: bool = False

    def session_id(self, ticket: Ticket) -> str:
        """One of its own for each run: they are kept beside the user's other sessions."""
        return self.ids.setdefault(ticket.session_id, str(uuid.uuid4()))

    def work(self, ticket: Ticket) -> str:
        """One `claude -p`; DemoError when it fails."""
        settings = ("--settings", json.dumps(self._settings()))
        kept = {name: each for name, each in self.stage.caller.items() if _is_handed_on(name)}
        return _run(self.stage, self.program, ticket, self.session_id(ticket), settings, kept)

    def _settings(self) -> dict[str, Any]:
        """Our hooks, and a tracer's home on the stage, for this one run."""
        hooks = {
            event.name: [{"hooks": [{"type": "command", "command": _line(event.name)}]}]
            for event in get("claude-code").events
        }
        environ = {
            "ARIZE_HARNESS_HOME": str(self.stage.home.root),
            "ARIZE_TRACE_ENABLED": "true",
            "ARIZE_DRY_RUN": "true",
        }
        return {"env": environ, "hooks": hooks}


def _line(event: str) -> str:
    return hook_command("claude-code", event, sys.executable, str(CAPTURE_SH.absolute()))


def _is_handed_on(name: str) -> bool:
    return name not in _NOT_HANDED_ON and not name.startswith(_NOT_HANDED_ON_BEGIN)


def shown(ticket: Ticket) -> str:
    """The command as a user would type it."""
    resume = " --continue" if ticket.resumes else ""
    return f"claude{resume} -p '{ticket.prompt}'"


def _run(
    stage: Stage,
    program: Path,
    ticket: Ticket,
    session_id: str,
    options: tuple[str, ...],
    environ: Mapping[str, str],
) -> str:
    session = ("--resume" if ticket.resumes else "--session-id", session_id)
    command = [str(program), "-p", ticket.prompt, *session, *_ALLOWED, *options]
    process = subprocess.Popen(
        command,
        cwd=stage.project,
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )
    try:
        said = process.communicate(timeout=_LONGEST_S)[0]
    except BaseException as error:  # Ctrl-C as well: nothing of the demo goes on without it
        with suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        if isinstance(error, subprocess.TimeoutExpired):
            raise DemoError(f"Claude Code took more than {_LONGEST_S} s; try again") from error
        raise
    said = plain(said.strip())
    if process.returncode:
        raise DemoError(f"{program} ended with {process.returncode}: {said[-_SHOWN:]}")
    return said


def scripted_model() -> AbstractContextManager[ScriptedModel]:
    """The model that knows the tickets."""
    return ScriptedModel(SCRIPTS, marker=MARKER)
