"""From install.sh to its uninstalling, with the real client in between."""

from __future__ import annotations

import os
import re
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

from checkout import ROOT
from claude_client import Home
from tracer import Tracer

# Odd on purpose: mixed indentation, no final newline, hooks of the user's own.
SETTINGS = b"""{ "cleanupPeriodDays":  99,
\t"hooks": {
   "Stop":[ {"hooks":[{"type":"command","command":"true"}]} ]
\t}, "env": {"MINE": "1"}  }"""
PACKAGE_INDEX = re.compile(r"(PIP_|UV_|SSL_CERT|REQUESTS_CA|https?_proxy|no_proxy)", re.IGNORECASE)


def index_settings() -> dict[str, str]:
    """What this machine needs to reach a package index; a clean home has none of it."""
    return {name: value for name, value in os.environ.items() if PACKAGE_INDEX.match(name)}


class Installed:
    """A home in which install.sh installs, and takes everything away again."""

    def __init__(self, home: Home, **env: str) -> None:
        self.home = home
        self.home.extra_env.update({**index_settings(), **env})
        self.settings = home.path / ".claude" / "settings.json"
        self.settings.parent.mkdir()
        self.settings.write_bytes(SETTINGS)
        self.tracer = Tracer(home, home.path / ".arize" / "harness" / "bin" / "harness")

    def install_sh(self, *words: str) -> str:
        """Run the checkout's install.sh, without a terminal; what it said."""
        done = subprocess.run(
            ["bash", str(ROOT / "install.sh"), *words],
            cwd=self.home.path,
            env=self.home.env(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            start_new_session=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, f"{done.stderr}\n{self.tracer.logs()}"
        return done.stderr

    def session(self, prompt: str) -> str:
        """One `claude -p`, flushed; its id."""
        session_id = str(uuid.uuid4())
        done = self.home.prompt(prompt, session_id=session_id)
        assert done.returncode == 0, done
        self.tracer.flush()
        return session_id

    def check_gone(self) -> None:
        """The user's file has its bytes; nothing of ours lies or runs here."""
        assert self.settings.read_bytes() == SETTINGS
        assert not (self.home.path / ".arize").exists()
        check_nothing_runs(self.home.path / ".arize")


def check_nothing_runs(folder: Path) -> None:
    """No process names this folder."""
    assert list(_processes_naming(folder)) == []


def _processes_naming(folder: Path) -> Iterator[str]:
    """The command lines of processes that name a folder (Linux)."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if str(folder) in command:
            yield command
