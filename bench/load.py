"""Many users' sessions through one OTLP endpoint; writes docs/scale.md.

python -m bench.load                 200 users
python -m bench.load --users 20      fewer, printed, not written

Each user has a home with a store of its own, a recorded session under new ids, and a name; each
session is stored and delivered by a process of its own, some at once. Afterwards the receiver's
spans are held against what the users' stores export: every id once, with its user.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from bench import machine
from bench.report import table
from bench.report import write as write_page
from bench.sink import Sink, taking
from bench.stats import median, milliseconds, p95
from harness_tracing.observe.export import Selection, exported
from harness_tracing.store import Store

ROOT = Path(__file__).parent.parent
RECORDINGS = ROOT / "tests" / "recordings" / "claude-code"
CASES = ("tool_cycle", "parallel_tools", "subagent_foreground", "thinking", "tool_failure")
RECORDED_HOME = "/home/dev"
PAGE = ROOT / "docs" / "scale.md"
BEGIN = "<!-- measured: begin (make load) -->"
USERS = 200
AT_ONCE = 8


@dataclass(frozen=True)
class User:
    """A simulated user: a name, a home, and the session that was recorded there."""

    name: str
    home: Path
    session_id: str

    @property
    def root(self) -> Path:
        """Our home in the user's."""
        return self.home / ".arize" / "harness"

    def env(self, url: str) -> dict[str, str]:
        """The whole environment of the user's commands."""
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.home),
            "ARIZE_USER_ID": self.name,
            "OTEL_EXPORTER_OTLP_ENDPOINT": url,
        }

    def exported(self) -> dict[str, str]:
        """The ids of the spans in the user's store, with the user they name."""
        with Store.open(self.root / "store.sqlite3", readonly=True) as store:
            found = exported(store, Selection(session_id=self.session_id), "turns").spans
        return {span["context"]["span_id"]: span["attributes"]["user.id"] for span in found}


@dataclass(frozen=True)
class Load:
    """What was sent by how many, and how long it took."""

    users: int
    turns: int
    spans: int
    requests: int
    wall_s: float
    flush_s: list[float]
    unpacked_bytes: int
    wire_bytes: int


def main() -> int:
    """Play the users, check what arrived, write or print what was measured."""
    parser = argparse.ArgumentParser(prog="bench.load", description="Many users, one endpoint.")
    parser.add_argument("--users", type=int, default=USERS, help="fewer: print only")
    users = parser.parse_args().users
    with tempfile.TemporaryDirectory(prefix="load-") as folder, taking() as sink:
        load = measure(Path(folder).resolve(), sink, users)
    text = report(load)
    print(text)
    if users == USERS:
        write_page(text, PAGE, BEGIN)
    return 0


def measure(folder: Path, sink: Sink, users: int) -> Load:
    """All users' sessions, `AT_ONCE` of them at a time; RuntimeError unless all arrived once."""
    made = [
        _user(folder / f"user-{number:03d}", CASES[number % len(CASES)]) for number in range(users)
    ]
    started = time.perf_counter()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        taken = list(pool.map(lambda user: _flush(user, sink.url), made))
    wall_s = time.perf_counter() - started
    wanted: dict[str, str] = {}
    for user in made:
        wanted.update(user.exported())
    turns = _check(sink, wanted)
    return Load(
        users=users,
        turns=turns,
        spans=len(wanted),
        requests=len(sink.bodies),
        wall_s=wall_s,
        flush_s=taken,
        unpacked_bytes=sum(map(len, sink.unpacked)),
        wire_bytes=sink.wire_bytes,
    )


def _check(sink: Sink, wanted: dict[str, str]) -> int:
    """How many turns arrived; RuntimeError unless each wanted span did, once, with its user."""
    spans = list(sink.spans())
    counts = Counter(span.span_id.hex() for span in spans)
    if set(counts) != set(wanted) or set(counts.values()) != {1}:
        missing, extra = len(set(wanted) - set(counts)), len(set(counts) - set(wanted))
        again = sum(count > 1 for count in counts.values())
        raise RuntimeError(f"{missing} spans are missing, {extra} unknown, {again} came again")
    for span in spans:
        user = next(each.value.string_value for each in span.attributes if each.key == "user.id")
        if user != wanted[span.span_id.hex()]:
            raise RuntimeError(f"a span of {wanted[span.span_id.hex()]} came as one of {user}")
    return sum(not span.parent_span_id for span in spans)


def _flush(user: User, url: str) -> float:
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "harness_tracing.cli", "flush", "--wait", "--timeout", "120"],
        env=user.env(url),
        cwd=user.home,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{user.name}: {done.stderr[-500:]}")
    return time.perf_counter() - started


def _user(home: Path, case: str) -> User:
    """A home in which a recorded session has just been captured, under a new id."""
    folder = RECORDINGS / case
    events = [json.loads(line) for line in (folder / "events.jsonl").open(encoding="utf-8")]
    known, session_id = json.loads(events[0]["stdin"])["session_id"], str(uuid.uuid4())

    def own(text: str) -> str:
        return text.replace(known, session_id).replace(RECORDED_HOME, str(home))

    for source, name in _recorded_files(folder):
        target = home / own(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(own(source.read_text(encoding="utf-8")), encoding="utf-8")
    spool = home / ".arize" / "harness" / "spool" / "claude-code" / session_id
    spool.mkdir(parents=True, mode=0o700)
    for number, event in enumerate(events):
        path = spool / f"{event['event']}.1.{1000 + number}"
        path.write_text(own(event["stdin"]), encoding="utf-8")
        os.utime(path, ns=(event["at_ns"], event["at_ns"]))
    return User(home.name, home, session_id)


def _recorded_files(folder: Path) -> Iterator[tuple[Path, str]]:
    """The agent's files of a recording, and where they lie in a home (`dot-x` is `.x`)."""
    for source in sorted((folder / "home").rglob("*")):
        if source.is_file():
            parts = source.relative_to(folder / "home").parts
            names = ("." + part[4:] if part.startswith("dot-") else part for part in parts)
            yield source, "/".join(names)


def report(load: Load) -> str:
    """The measured part of the page."""
    rows = [
        ["sessions, each from a store of its own", f"{load.users}"],
        ["turns, spans (shape `turns`)", f"{load.turns}, {load.spans}"],
        ["every span id at the receiver, once, with its user", "yes"],
        ["requests", f"{load.requests}"],
        ["sessions stored and delivered per second", f"{load.users / load.wall_s:.1f}"],
        ["one `harness flush`, start to exit: median, p95", _spread(load.flush_s)],
        ["bytes per turn, unpacked", f"{load.unpacked_bytes / load.turns:,.0f}"],
        ["bytes per turn, gzip, as sent", f"{load.wire_bytes / load.turns:,.0f}"],
        ["bytes per span, unpacked", f"{load.unpacked_bytes / load.spans:,.0f}"],
        ["bytes per span, gzip, as sent", f"{load.wire_bytes / load.spans:,.0f}"],
    ]
    return "\n\n".join(
        [
            f"Machine: {machine.in_words()}; receiver and {AT_ONCE} users at once on it.",
            table(["what", "measured"], rows),
        ]
    )


def _spread(seconds: list[float]) -> str:
    return f"{milliseconds(median(seconds))}, {milliseconds(p95(seconds))}"


if __name__ == "__main__":
    sys.exit(main())
