"""Running registered hook lines as an agent does: a shell, a payload on stdin, a clean env."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional

from harness_tracing.capture import CAPTURE_PY, CAPTURE_SH, hook_command

SESSION = "0f0e0d0c-0b0a-4908-8706-050403020100"
AGENT = "claude-code"
SHELLS = (["sh"], ["dash"], ["busybox", "sh"], ["bash", "--posix"])
AVAILABLE = {
    str(Path(found).resolve()): [found, *words[1:]]
    for words in SHELLS
    if (found := shutil.which(words[0]))
}
PATH = os.environ.get("PATH", os.defpath)


@dataclass
class Place:
    """A home folder with what stands in for the worker's interpreter.

    `worker` records its arguments and the signals it ignores in `worker_calls`, one line each.
    """

    root: Path
    worker: Path = field(init=False)
    worker_calls: Path = field(init=False)

    def __post_init__(self) -> None:
        self.user_home.mkdir(parents=True)
        self.worker, self.worker_calls = self.root / "worker", self.root / "worker-calls"
        self.worker.write_text(f'#!/bin/sh\necho "$*" >>{shlex.quote(str(self.worker_calls))}\n')
        self.worker.chmod(0o755)

    @property
    def user_home(self) -> Path:
        return self.root / "user"

    @property
    def home(self) -> Path:
        return self.user_home / ".arize" / "harness"

    def environ(self, **more: str) -> dict[str, str]:
        return {"PATH": PATH, "HOME": str(self.user_home), **more}

    def calls(self, at_least: int = 0) -> list[str]:
        """What the worker was started with, waiting for so many starts."""
        deadline = time.monotonic() + 20
        while True:
            text = self.worker_calls.read_text() if self.worker_calls.exists() else ""
            lines = text.splitlines()
            if len(lines) >= at_least or time.monotonic() > deadline:
                return lines
            time.sleep(0.02)

    def events(self, session: str = SESSION, home: Optional[Path] = None) -> list[Path]:
        """The event files of a session, or of `_common`."""
        folder = (home or self.home) / "spool" / AGENT / session
        return sorted(p for p in folder.glob("*") if not p.name.startswith(("worker.", ".")))

    def event(self, session: str = SESSION, home: Optional[Path] = None) -> bytes:
        """The content of the only event of a session."""
        (only,) = self.events(session, home)
        return only.read_bytes()

    def everything(self) -> list[str]:
        """Every file below the user's home."""
        return sorted(str(p.relative_to(self.user_home)) for p in self.user_home.rglob("*"))


@dataclass(frozen=True)
class Hook:
    """One way to run a hook: the shells with capture.sh, or capture.py."""

    kind: str

    def line(self, event: str, interpreter: Optional[str], capture: Path = CAPTURE_SH) -> str:
        if self.kind == "capture.py":
            # One that lacks our package: no worker comes of it.
            python = getattr(sys, "_base_executable", sys.executable)
            return hook_command(AGENT, event, python, str(CAPTURE_PY))
        return hook_command(AGENT, event, interpreter, str(capture))

    def run(
        self,
        payload: bytes,
        env: Mapping[str, str],
        *,
        event: str = "Stop",
        interpreter: Optional[str] = "/bin/true",
        capture: Path = CAPTURE_SH,
        before: str = "",
        after: str = "",
    ) -> None:
        """Run the line for `event`; it has to exit 0 and to print nothing."""
        line = before + self.line(event, interpreter, capture) + after
        words = [*AVAILABLE.get(self.kind, ["sh"]), "-c", line]
        started = time.monotonic()
        done = subprocess.run(
            words, input=payload, env=dict(env), capture_output=True, timeout=60, check=False
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
        assert time.monotonic() - started < 20


def payload(session: Optional[str] = SESSION, text: str = "hello") -> bytes:
    """A small payload as Claude Code writes it."""
    identity = f'"session_id":"{session}",' if session is not None else ""
    return f'{{{identity}"cwd":"/home/dev/x","hook_event_name":"Stop","text":"{text}"}}'.encode()
