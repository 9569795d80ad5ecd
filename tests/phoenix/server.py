"""A real Phoenix server for one test: fresh, on loopback, without a word to the outside."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional

import pytest

ROOT = Path(__file__).resolve().parents[2]
PHOENIX = ROOT / ".phoenix" / "bin" / "phoenix"
MISSING = "the Phoenix server is not at .phoenix: run `make setup-phoenix` (860 MB)"
START_S = 120.0
STOP_S = 30.0


def free_port() -> int:
    """A port on loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def missing(what: str) -> None:
    """Something that a test needs is not there: skip it; in CI nothing is skipped."""
    if os.environ.get("CI"):
        pytest.fail(what, pytrace=False)
    pytest.skip(what)


@dataclass
class Phoenix:
    """One Phoenix: its folder, its ports, its process while it runs.

    `database_url` names a PostgreSQL database; without it the data lies in the folder, in
    SQLite. What is stored survives `stop`, `kill` and the next `start`.
    """

    folder: Path
    database_url: Optional[str] = None
    port: int = field(default_factory=free_port)
    grpc_port: int = field(default_factory=free_port)
    process: Optional[subprocess.Popen[bytes]] = None

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def environ(self) -> dict[str, str]:
        """Its whole environment."""
        environ = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.folder),
            "PHOENIX_WORKING_DIR": str(self.folder),
            "PHOENIX_HOST": "127.0.0.1",
            "PHOENIX_PORT": str(self.port),
            "PHOENIX_GRPC_PORT": str(self.grpc_port),
            "PHOENIX_TELEMETRY_ENABLED": "false",
            "PHOENIX_ALLOW_EXTERNAL_RESOURCES": "false",
            "PHOENIX_DISABLE_AGENT_ASSISTANT": "true",
            "PHOENIX_ENABLE_MCP_SERVER": "false",
        }
        if self.database_url:
            environ["PHOENIX_SQL_DATABASE_URL"] = self.database_url
        return environ

    def start(self) -> Phoenix:
        """Start it and wait until it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self.folder / "phoenix.log", "ab") as log:
            self.process = subprocess.Popen(
                [str(PHOENIX), "serve"],
                cwd=self.folder,
                env=self.environ(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until = time.monotonic() + START_S
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > until:
                self.kill()
                raise AssertionError(f"Phoenix did not start\n{self.log()}")
            time.sleep(0.1)
        return self

    def stop(self) -> None:
        """Ask it to end, as an administrator would; what waits is written first."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """kill -9."""
        self._end(signal.SIGKILL)

    @contextmanager
    def unable_to_store(self) -> Iterator[None]:
        """Meanwhile it takes spans and cannot write them: its SQLite file is locked."""
        connection = sqlite3.connect(self.folder / "phoenix.db", isolation_level=None)
        try:
            connection.execute("BEGIN IMMEDIATE")
            yield
        finally:
            connection.close()

    def log(self) -> str:
        """The end of what it said."""
        path = self.folder / "phoenix.log"
        return path.read_text(errors="replace")[-4000:] if path.exists() else ""

    def requests(self) -> int:
        """How many requests with spans it was sent."""
        return (self.folder / "phoenix.log").read_text(errors="replace").count('"POST /v1/traces')

    def _end(self, how: int) -> None:
        process, self.process = self.process, None
        if process is None or process.poll() is not None:
            return
        process.send_signal(how)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(self.url + "/healthz", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False
