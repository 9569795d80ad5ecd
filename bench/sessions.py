"""The real client through a tool cycle: without hooks, with ``/bin/true`` hooks, with ours, and
with ours sending to a backend that never answers."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from bench.capture import hook_command
from bench.sink import hanging
from bench.stats import paired_ratio
from bench.store import ended_turns, open_store
from claude_client import Home
from harness_tracing.agents import get as get_agent
from harness_tracing.loop_demo.scripted_model import ScriptedModel
from scenarios import SCRIPTS

ROUNDS = 20
PROMPT = "Add SAVE25. [[tool_cycle]]"
VARIANTS = ("none", "true", "ours", "hanging")
SETTLE_S = 10.0


@dataclass(frozen=True)
class Walls:
    """Seconds of each run by variant, and from Stop to the turn standing final in the store."""

    runs: Mapping[str, list[float]]
    stop_to_visible: list[float]

    @property
    def ratio(self) -> float:
        """Ours as a multiple of the run with ``/bin/true`` hooks."""
        return paired_ratio(self.runs["ours"], self.runs["true"])

    @property
    def ratio_hanging(self) -> float:
        """With a backend that never answers, as a multiple of the run without a backend."""
        return paired_ratio(self.runs["hanging"], self.runs["ours"])


def measure(folder: Path, rounds: int = ROUNDS) -> Walls:
    """Run the variants in turn; the first round warms caches up and is left out."""
    runs: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
    with ScriptedModel(SCRIPTS) as model, hanging() as backend:
        homes = {variant: _home(folder, variant, model.url) for variant in VARIANTS}
        homes["hanging"].extra_env["OTEL_EXPORTER_OTLP_ENDPOINT"] = backend.url
        for number in range(rounds + 1):
            first = number % len(VARIANTS)
            turned = VARIANTS[first:] + VARIANTS[:first]
            for variant in turned:
                taken = _timed_run(homes[variant])
                if number:
                    runs[variant].append(taken)
        visible = [_stop_to_visible(homes["ours"]) for _ in range(rounds)]
    return Walls(runs, visible)


def _home(folder: Path, variant: str, url: str) -> Home:
    home = Home.fresh(folder / variant, url)
    if variant != "none":
        home.write_settings({"hooks": _hooks(home, variant)})
    return home


def _hooks(home: Home, variant: str, at_stop: Optional[str] = None) -> dict[str, Any]:
    """Settings for every event we register: our command or ``/bin/true``."""
    hooks: dict[str, Any] = {}
    for event in get_agent("claude-code").events:
        command = "/bin/true" if variant == "true" else hook_command(event.name, home.env())
        entry: dict[str, Any] = {"type": "command", "command": command}
        if event.timeout_s:
            entry["timeout"] = event.timeout_s
        hooks[event.name] = [{"hooks": [entry]}]
    if at_stop:
        hooks["Stop"][0]["hooks"].append({"type": "command", "command": at_stop})
    return hooks


def _timed_run(home: Home, session_id: Optional[str] = None) -> float:
    subprocess.run(["git", "checkout", "-q", "."], cwd=home.project, env=home.env(), check=True)
    started = time.perf_counter()
    done = home.prompt(PROMPT, session_id=session_id or str(uuid.uuid4()))
    taken = time.perf_counter() - started
    if done.returncode:
        raise RuntimeError(f"claude -p failed: {done.stderr[-500:]}")
    if "OTEL_EXPORTER_OTLP_ENDPOINT" in home.extra_env:
        _end_workers(home)
    _settle(home)
    return taken


def _end_workers(home: Home) -> None:
    """End the workers, which would stay for a quarter of an hour while their backend hangs."""
    for pid_file in (home.path / ".arize" / "harness" / "spool").rglob("worker.pid"):
        with suppress(OSError, ValueError):
            os.kill(int(pid_file.read_text().split()[0]), signal.SIGKILL)
            pid_file.unlink()


def _settle(home: Home) -> None:
    """Wait until the session's worker has left, so that it does not weigh on the next run."""
    spool = home.path / ".arize" / "harness" / "spool"
    deadline = time.monotonic() + SETTLE_S
    while any(spool.rglob("worker.pid")) and time.monotonic() < deadline:
        time.sleep(0.02)


def _stop_to_visible(home: Home) -> float:
    """Seconds from the Stop hook to the turn final in the store, seen from outside.

    A second Stop hook marks the moment by touching a file.
    """
    mark = home.path / "stopped"
    mark.unlink(missing_ok=True)
    home.write_settings({"hooks": _hooks(home, "ours", at_stop=f": > '{mark}'")})
    session_id = str(uuid.uuid4())
    subprocess.run(["git", "checkout", "-q", "."], cwd=home.project, env=home.env(), check=True)
    process = home.start(
        "-p", PROMPT, "--permission-mode", "bypassPermissions", session_id=session_id
    )
    try:
        seen_at = _when_ended(home, session_id)
    finally:
        process.communicate(timeout=60)
    _settle(home)
    return seen_at - mark.stat().st_mtime


def _when_ended(home: Home, session_id: str) -> float:
    """The Unix time at which the session's turn first stood ended in the store."""
    deadline = time.monotonic() + 60
    store = open_store(home.path / ".arize" / "harness" / "store.sqlite3", deadline)
    while time.monotonic() < deadline:
        if ended_turns(store, session_id):
            store.close()
            return time.time()
        time.sleep(0.005)
    raise RuntimeError(f"the turn of {session_id} did not appear in the store")
