"""The recorded long session at its own pace: what its worker takes of processor and memory."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from bench.capture import hook_command
from bench.spawn import seconds_of

RECORDING = Path(__file__).parent.parent / "tests" / "recordings" / "claude-code" / "long_session"
RECORDED_HOME = "/home/dev"
ISO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z")


@dataclass(frozen=True)
class WorkerCost:
    """What the worker of the whole session used, and what it had to do for it."""

    cpu_s: float
    peak_memory_mb: float
    wall_s: float
    events: int
    transcript_bytes: int


@dataclass(frozen=True)
class Player:
    """Puts the recording into a home of its own and moves its times to now."""

    home: Path
    moved_by: timedelta

    def text(self, recorded: str) -> str:
        """Recorded text with the new home's paths and times."""
        text = recorded.replace(RECORDED_HOME, str(self.home))
        return ISO_TIME.sub(self._moved, text)

    def _moved(self, found: re.Match[str]) -> str:
        at = datetime.fromisoformat(found.group().replace("Z", "+00:00")) + self.moved_by
        return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def measure(folder: Path) -> WorkerCost:
    """Run the worker as a child, play every hook call and every line, wait until it leaves."""
    events = _read_events()
    first_ns = events[0]["at_ns"]
    started = time.time()
    player = Player(folder / "home", timedelta(seconds=started - first_ns / 1e9))
    (player.home / "order-pricing").mkdir(parents=True)
    transcript = long_transcript()
    lines = player.text(transcript.read_text(encoding="utf-8")).encode().split(b"\n")
    target = player.home / _as_live(transcript)
    target.parent.mkdir(parents=True)
    env = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(player.home)}
    commands = {name: hook_command(name, env) for name in {event["event"] for event in events}}
    session_id = events[0]["env"]["CLAUDE_CODE_SESSION_ID"]
    worker = _start_worker(player.home, session_id, env)
    fired = 0
    with target.open("ab", buffering=0) as growing:
        shown = 0
        for event in events:
            time.sleep(max(0.0, started + (event["at_ns"] - first_ns) / 1e9 - time.time()))
            count = max((state["lines"] for state in event["files"].values()), default=0)
            shown = _show(growing, lines, shown, count)
            if commands[event["event"]]:
                fired += 1
                seconds_of(
                    commands[event["event"]],
                    player.text(event["stdin"]).encode(),
                    {**env, "CLAUDE_CODE_SESSION_ID": session_id, "CLAUDE_PID": str(os.getpid())},
                )
        _show(growing, lines, shown, len(lines))
    _, status, used = os.wait4(worker.pid, 0)
    if status:
        raise RuntimeError(f"the worker ended with wait status {status}")
    per_unit = 1 if sys.platform == "darwin" else 1024
    return WorkerCost(
        cpu_s=used.ru_utime + used.ru_stime,
        peak_memory_mb=used.ru_maxrss * per_unit / 1e6,
        wall_s=time.time() - started,
        events=fired,
        transcript_bytes=target.stat().st_size,
    )


def _start_worker(home: Path, session_id: str, env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """The worker just as capture starts it, but as our child, so that its use can be read."""
    root = home / ".arize" / "harness"
    spool = root / "spool" / "claude-code" / session_id
    spool.mkdir(parents=True, mode=0o700)
    where = ["--home", str(root), "--agent", "claude-code", "--session", session_id]
    worker = subprocess.Popen(
        [sys.executable, "-I", "-m", "harness_tracing.worker", *where],
        env={**env, "CLAUDE_CODE_SESSION_ID": session_id, "CLAUDE_PID": str(os.getpid())},
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 10
    while not (spool / "worker.pid").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    return worker


def _show(growing: Any, lines: Sequence[bytes], shown: int, count: int) -> int:
    """Let the transcript hold at least `count` lines; returns how many it holds."""
    for line in lines[shown:count]:
        if line:
            growing.write(line + b"\n")
    return max(shown, count)


def _read_events() -> list[dict[str, Any]]:
    text = (RECORDING / "events.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.split("\n") if line]


def long_transcript() -> Path:
    """The recorded transcript."""
    (path,) = (RECORDING / "home").rglob("*.jsonl")
    return path


def _as_live(path: Path) -> Path:
    """Where a recorded file lies in a real home: `dot-x` stands for `.x`."""
    parts = path.relative_to(RECORDING / "home").parts
    return Path(*("." + part[4:] if part.startswith("dot-") else part for part in parts))
