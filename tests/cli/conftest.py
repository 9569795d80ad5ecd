"""Runs the command line as its entry point does, with a home of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from harness_tracing.cli.app import harness
from harness_tracing.cli.edge import Edge
from harness_tracing.paths import Home
from harness_tracing.store import Store
from tests.observe import examples


@dataclass(frozen=True)
class Ran:
    """What a run of the command came to."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class CommandLine:
    """The command line of one user."""

    folder: Path
    capsys: pytest.CaptureFixture[str]
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Home:
        return Home(self.folder / ".arize" / "harness")

    def __call__(self, *arguments: str) -> Ran:
        """Run in this process."""
        self.capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            harness.main(args=arguments, prog_name="harness", obj=Edge(self.environ))
        captured = self.capsys.readouterr()
        return Ran(int(ended.value.code or 0), captured.out, captured.err)

    def process(self, *arguments: str, stdin: str = "", **environ: str) -> Ran:
        """Run in a process of its own."""
        done = subprocess.run(
            [sys.executable, "-m", "harness_tracing.cli", *arguments],
            input=stdin,
            env={**self.environ, **environ},
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)


@pytest.fixture(autouse=True)
def _zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Times are shown in the user's zone; this user's is UTC."""
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "UTC")
        _take_zone()
        yield
    _take_zone()


def _take_zone() -> None:
    if hasattr(time, "tzset"):  # not on Windows
        time.tzset()


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    """The command line of a user who never traced anything."""
    environ = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "TZ": "UTC"}
    return CommandLine(tmp_path, capsys, environ)


@pytest.fixture
def traced(run: CommandLine) -> CommandLine:
    """The command line of a user with the example session in the store."""
    with Store.open(run.home.store) as store:
        examples.write(store)
    return run
