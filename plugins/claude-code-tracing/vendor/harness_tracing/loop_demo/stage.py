"""Where the demo plays: a project, a home and a tracer of its own, and how commands run there."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import harness_tracing
from harness_tracing.environments import python_of
from harness_tracing.errors import TracerError
from harness_tracing.loop_demo import project
from harness_tracing.paths import DEFAULT_HOME, Home

# All that a run gets of the caller's environment.
_HANDED_ON = (
    "PATH",
    "TZ",
    "LANG",
    "LC_ALL",
    "COLUMNS",
    "TERM",
    "NO_COLOR",
    "TMPDIR",
    "TEMP",
    "TMP",
    "SYSTEMROOT",
    "COMSPEC",
    "PATHEXT",
)
_LONGEST_S = 600


class DemoError(TracerError):
    """The demo cannot go on; the message says at what, and what to do."""


@dataclass(frozen=True)
class Stage:
    """A folder with all that the demo reads and writes. `caller` is the user's environment."""

    folder: Path
    caller: Mapping[str, str] = field(repr=False)

    @property
    def project(self) -> Path:
        """The generated repository."""
        return self.folder / "order-pricing"

    @property
    def user_home(self) -> Path:
        """What is HOME here."""
        return self.folder / "home"

    @property
    def home(self) -> Home:
        """The tracer's own home."""
        return Home(self.user_home / DEFAULT_HOME)

    def environ(self) -> dict[str, str]:
        """The environment of commands: nothing of the user's but what any program needs."""
        kept = {name: self.caller[name] for name in _HANDED_ON if name in self.caller}
        own = {"HOME": str(self.user_home), "USERPROFILE": str(self.user_home)}
        return {"COLUMNS": "100", **kept, **own, "PYTHONUTF8": "1"}

    def prepare(self) -> None:
        """Make it all; DemoError where that cannot be."""
        try:
            self.user_home.mkdir(parents=True, mode=0o700)
            (self.user_home / ".claude").mkdir()
            self._be_installed()
            project.generate(self.project, self.environ())
        except (OSError, subprocess.CalledProcessError) as error:
            raise DemoError(f"{self.folder}: the demo could not be laid out: {error}") from error

    def _be_installed(self) -> None:
        """Make the running installation the one that hooks start, without building any."""
        version = self.home.versions / harness_tracing.__version__
        python = python_of(version)
        python.parent.mkdir(parents=True)
        if os.name != "nt":
            python.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n', "utf-8")
            python.chmod(0o755)
        (version / "version").write_text(f"{harness_tracing.__version__}\n", encoding="utf-8")
        if os.name != "nt":
            self.home.current.symlink_to(version.relative_to(self.home.root))

    def harness(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run our own command in the project, as its user would; both outputs are in `stdout`."""
        return subprocess.run(
            [sys.executable, "-I", "-m", "harness_tracing.cli", *words],
            cwd=self.project,
            env=self.environ(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            timeout=_LONGEST_S,
            check=False,
        )

    def harness_here(self, *words: str) -> int:
        """Run our own command in the project with the user's terminal; its exit code."""
        command = [sys.executable, "-I", "-m", "harness_tracing.cli", *words]
        return subprocess.run(command, cwd=self.project, env=self.environ(), check=False).returncode
