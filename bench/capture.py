"""Capture of one event, beside ``/bin/true`` and beside a Python hook that posts by itself."""

from __future__ import annotations

import itertools
import json
import os
import shlex
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from bench.spawn import seconds_of
from bench.stats import paired_ratio
from harness_tracing.agents import get as get_agent
from harness_tracing.agents import names as agent_names

HARNESS = Path(sys.executable).with_name("harness")
BASELINE = Path(__file__).with_name("baseline_hook.py")
SESSION = "0f0e0d0c-0b0a-4908-8706-050403020100"
SIZES = {"500 B": 500, "10 kB": 10_000, "200 kB": 200_000, "2 MB": 2_000_000}
PLACES = ("env", "first", "last", "absent")
ROUNDS = 60
EVENT = "PostToolUse"


@dataclass(frozen=True)
class Timings:
    """Seconds of every round, by payload size: of `/bin/true`, the baseline, and of capture
    by (size, where the session id stands); of each agent's line with 10 kB."""

    true: Mapping[str, list[float]]
    baseline: Mapping[str, list[float]]
    capture: Mapping[tuple[str, str], list[float]]
    first_event: list[float]
    agents: Mapping[str, list[float]]

    def ratio(self, size: str, place: str) -> float:
        """Capture as a multiple of `/bin/true` with the same payload."""
        return paired_ratio(self.capture[size, place], self.true[size])


def payload(size: int, place: str) -> bytes:
    """An event of about `size` bytes with the session id at the given place."""
    identity = {"session_id": SESSION}
    middle = {"hook_event_name": EVENT, "cwd": "/home/dev/order-pricing", "tool_name": "Bash"}
    fixed = {**identity, **middle, "tool_response": {"stdout": ""}}
    body = {"stdout": "0123456789abcde\n" * max(1, (size - len(json.dumps(fixed))) // 17)}
    event: dict[str, object] = {**middle, "tool_response": body}
    if place == "last":
        event = {**event, **identity}
    elif place != "absent":
        event = {**identity, **event}
    return json.dumps(event, separators=(",", ":")).encode()


def hook_command(event: str, env: Mapping[str, str], agent: str = "claude-code") -> str:
    """The shell line registered for an event, as ``harness hook-command`` prints it."""
    command = [str(HARNESS), "hook-command", agent, event]
    done = subprocess.run(command, env=dict(env), check=True, capture_output=True, text=True)
    return done.stdout.strip()


def measure(folder: Path, rounds: int = ROUNDS) -> Timings:
    """Time everything in turn, round after round, so that a busy moment meets all alike.

    Capture is measured as nearly every event finds it: with a live worker. This process
    plays the worker's part. What the first event of a session costs, with the start of a
    worker, is `first_event`.
    """
    home = folder / "home"
    spool = home / ".arize" / "harness" / "spool" / "claude-code"
    env = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(home)}
    home.mkdir(parents=True)
    ours = hook_command(EVENT, env)
    true, baseline = defaultdict(list), defaultdict(list)
    capture = defaultdict(list)
    with _collector() as url:
        posting = shlex.join([sys.executable, str(BASELINE)])
        for _, (label, size) in itertools.product(range(rounds), SIZES.items()):
            _pretend_worker(spool)
            usual = payload(size, "first")
            with_id = {**env, "CLAUDE_CODE_SESSION_ID": SESSION}
            true[label].append(seconds_of("/bin/true", usual, env))
            for place in PLACES:
                where = with_id if place == "env" else env
                capture[label, place].append(seconds_of(ours, payload(size, place), where))
            collected = {**with_id, "BENCH_COLLECTOR": url}
            baseline[label].append(seconds_of(posting, usual, collected))
            _empty(spool)
    agents = _of_agents(home, rounds)
    first = [_first_event(ours, folder / f"first-{n}") for n in range(max(5, rounds // 6))]
    return Timings(true, baseline, capture, first, agents)


def _of_agents(home: Path, rounds: int) -> dict[str, list[float]]:
    """Each agent's line in turn, with an event as most of its events find it."""
    path = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(home)}
    ready = {}
    for name in agent_names():
        agent = get_agent(name)
        env = {**path, agent.session_variable: SESSION} if agent.session_variable else path
        event = {agent.session_key: SESSION, **json.loads(payload(10_000, "first"))}
        line = hook_command(agent.events[0].name, path, name)
        ready[name] = (line, json.dumps(event).encode(), env)
    found: dict[str, list[float]] = {name: [] for name in ready}
    for _, (name, words) in itertools.product(range(rounds), ready.items()):
        _pretend_worker(home / ".arize" / "harness" / "spool" / name)
        found[name].append(seconds_of(*words))
    return found


def _pretend_worker(spool: Path) -> None:
    """Let capture find a live worker: a pid file of this process, fresh for an hour."""
    for name in (SESSION, "_common"):
        session = spool / name
        session.mkdir(parents=True, exist_ok=True)
        pid_file = session / "worker.pid"
        pid_file.write_text(f"{os.getpid()}\n")
        later = time.time() + 3600
        os.utime(pid_file, (later, later))


def _empty(spool: Path) -> None:
    for path in spool.rglob(EVENT + "*"):
        path.unlink()


def _first_event(ours: str, home: Path) -> float:
    """Capture of a session's first event in a fresh home: makes folders, starts the worker."""
    home.mkdir()
    env = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(home)}
    taken = seconds_of(ours, payload(500, "first"), {**env, "CLAUDE_CODE_SESSION_ID": SESSION})
    _end_worker(home)
    return taken


def _end_worker(home: Path) -> None:
    """Take the home away, which ends its worker; wait until the worker's pid is gone."""
    pid_file = home / ".arize" / "harness" / "spool" / "claude-code" / SESSION / "worker.pid"
    deadline = time.monotonic() + 5
    while not pid_file.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    if pid_file.exists():
        os.kill(int(pid_file.read_text().split()[0]), 15)


@contextmanager
def _collector() -> Iterator[str]:
    """A collector on this machine that takes everything and answers at once; yields its URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Collector)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1/traces"
    finally:
        server.shutdown()
        server.server_close()


class _Collector(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""
