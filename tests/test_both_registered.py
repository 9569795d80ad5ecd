"""Plugin and `harness install` both there: both lines fire, everything is told once."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from recorded import FOLDER, RECORDED_HOME, _undotted

import harness_tracing
from harness_tracing import agents
from tests.test_plugins import ROOT_VARIABLE, handlers, plugin

CASES = {
    "claude-code": "claude-code/tool_cycle",
    "codex": "codex/tool_cycle",
    "cursor": "cursor/tool_cycle",
}
NANOSECONDS = re.compile(r"\b\d{19}\b")


@dataclass(frozen=True)
class User:
    """A home with an agent's recorded files, and our hooks in its own configuration."""

    folder: Path
    agent: str

    def env(self, **more: str) -> dict[str, str]:
        return {"HOME": str(self.folder), "PATH": "/usr/bin:/bin", **more}

    def harness(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "harness_tracing.cli", *words],
            env=self.env(),
            capture_output=True,
            text=True,
            check=True,
        )

    def prepare(self, recording: Path) -> None:
        """The recorded files, our hooks, and an installed version that leaves events alone."""
        home = recording / "home"
        for path in filter(Path.is_file, home.rglob("*")):
            target = self.folder / _undotted(str(path.relative_to(home)))
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(self.here(path.read_text(encoding="utf-8")), encoding="utf-8")
        # Cursor's events depend on its version, and nobody can be asked for that here.
        self.harness("install", self.agent, "--agent-version", "2.7.0")
        current = self.folder / ".arize" / "harness" / "current"
        (current / "bin").mkdir(parents=True)
        (current / "bin" / "python").write_text("#!/bin/sh\n")
        (current / "bin" / "python").chmod(0o755)
        (current / "version").write_text(harness_tracing.__version__ + "\n")

    def here(self, text: str) -> str:
        return text.replace(RECORDED_HOME, f"{self.folder}/")

    def registered(self) -> dict[str, str]:
        """The line of each event in the agent's own configuration."""
        (path,) = (each for each in self.folder.glob(".*/*.json") if "capture" in each.read_text())
        found = {}
        for event, items in json.loads(path.read_text())["hooks"].items():
            (item,) = items
            (handler,) = item.get("hooks", [item])
            found[event] = handler["command"]
        return found

    def play(self, recording: Path, *ways: dict[str, str]) -> None:
        """Give each recorded payload to the lines of each way of registration, one by one."""
        lines = (recording / "events.jsonl").read_text(encoding="utf-8").split("\n")
        for raw in map(json.loads, filter(None, lines)):
            variables = {name: self.here(value) for name, value in raw["env"].items()}
            for way in ways:
                if raw["event"] not in way:
                    continue
                (variable,) = set(ROOT_VARIABLE.findall(way[raw["event"]])) or {"UNUSED"}
                done = subprocess.run(
                    ["sh", "-c", way[raw["event"]]],
                    input=self.here(raw["stdin"]).encode(),
                    env=self.env(**{**variables, variable: str(plugin(self.agent))}),
                    capture_output=True,
                    check=False,
                )
                assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")

    def captured(self) -> int:
        return len(list((self.folder / ".arize" / "harness" / "spool").glob("*/*/*.*.*")))

    def told(self) -> list[dict[str, Any]]:
        """Every span, without what the time of the run is in."""
        self.harness("flush", "--wait")
        (session,) = json.loads(self.harness("sessions", "list", "--json").stdout)
        words = ("--session-id", session["session_id"], "--shape", "calls", "--stdout")
        spans = json.loads(self.harness("spans", "export", *words).stdout)
        return sorted((self._timeless(span) for span in spans), key=str)

    def _timeless(self, span: dict[str, Any]) -> dict[str, Any]:
        attributes = {
            name: value
            for name, value in span["attributes"].items()
            if not name.endswith(("_ms", ".start_time", ".end_time"))
        }
        text = json.dumps(attributes, sort_keys=True).replace(str(self.folder), "~")
        return {
            "name": span["name"],
            "kind": span["kind"],
            "status": span["status_code"],
            "attributes": NANOSECONDS.sub("N", text),
            "events": [event["name"] for event in span["events"]],
        }


@pytest.mark.parametrize("agent", agents.names())
def test_both_lines_fire_and_everything_is_told_once(agent: str, tmp_path: Path) -> None:
    recording = FOLDER / CASES[agent]
    of_plugin = {event: handler["command"] for event, handler in handlers(agent).items()}
    told, captured = [], []
    for name in ("once", "both"):
        user = User(tmp_path / name, agent)
        user.folder.mkdir()
        user.prepare(recording)
        ways = [user.registered()] if name == "once" else [user.registered(), of_plugin]
        user.play(recording, *ways)
        captured.append(user.captured())
        told.append(user.told())
    assert captured[1] == 2 * captured[0] > 0, "both have to fire, or this shows nothing"
    assert told[0] == told[1]
    assert len([span for span in told[0] if span["kind"] == "TOOL"]) > 0
