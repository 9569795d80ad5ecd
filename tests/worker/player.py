"""Playing a recording through the real hook lines, while the agent's files grow as they did.

Each event's registered line runs through ``/bin/sh -c`` with the payload on stdin, in a home of
its own, with times moved to now. What the store holds afterwards is compared as `contents`:
everything but times, which differ from one playing to the next.
"""

from __future__ import annotations

import difflib
import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Callable, Optional

import msgspec
import pytest

from harness_tracing import agents, worker
from harness_tracing.capture import CAPTURE_SH, hook_command
from harness_tracing.errors import StoreError
from harness_tracing.model import step_id
from harness_tracing.paths import Home
from harness_tracing.store import Store
from harness_tracing.worker import FlushResult

AGENT = "claude-code"
RECORDINGS = Path(__file__).parents[1] / "recordings"
RECORDED_HOME = "/home/dev"
LAG_S = 0.05
ALL = 10**9
HOUR_NS = 3600 * 10**9
# Started in the worker's place where there is to be none.
NOBODY = "/bin/true"
GROWING = (".jsonl",)

_HOME = re.compile(re.escape(RECORDED_HOME) + r"(?![A-Za-z0-9_-])")
_ISO = re.compile(r"\b(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|\+00:00)")
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_PATH = os.environ.get("PATH", os.defpath)


def recording(name: str) -> Path:
    """The folder of a recording, `case` or `claude-code-own/case`."""
    return RECORDINGS / (name if "/" in name else f"{AGENT}/{name}")


@dataclass
class Place:
    """A user's home with ours in it, and the environment in which hooks and commands run there."""

    user_home: Path
    env: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.user_home.mkdir(parents=True, exist_ok=True)

    @property
    def home(self) -> Home:
        """Our home."""
        return Home(self.user_home / ".arize" / "harness")

    def environ(self, **more: str) -> dict[str, str]:
        """A clean environment."""
        return {"PATH": _PATH, "HOME": str(self.user_home), **self.env, **more}

    def line(self, event: str, interpreter: Optional[str] = sys.executable) -> str:
        """The line registered for an event."""
        return hook_command(AGENT, event, interpreter, str(CAPTURE_SH))

    def fire(
        self,
        event: str,
        payload: bytes,
        *,
        interpreter: Optional[str] = sys.executable,
        **env: str,
    ) -> None:
        """Run the line registered for an event; it has to exit 0, silently."""
        done = subprocess.run(
            ["/bin/sh", "-c", self.line(event, interpreter)],
            input=payload,
            env=self.environ(**env),
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")

    def harness(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run a command of ours in a process of its own."""
        return subprocess.run(
            [sys.executable, "-m", "harness_tracing.cli", *arguments],
            env=self.environ(**env),
            cwd=self.user_home,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def flush(self, timeout_s: float = 120.0) -> FlushResult:
        """Have everything captured stored."""
        return worker.flush(self.home, self.environ(), timeout_s=timeout_s)

    def event_files(self, session: str = "*") -> list[Path]:
        """The events that lie in the spool."""
        found = self.home.spool.glob(f"*/{session}/*")
        return sorted(p for p in found if not p.name.startswith(("worker.", "flush.", ".")))

    def workers(self) -> list[int]:
        """The processes that say they are workers here, and are."""
        found = []
        for path in self.home.spool.glob("*/*/worker.pid"):
            with suppress(OSError, ValueError):
                pid = int(path.read_text())
                if str(self.home.root).encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                    found.append(pid)
        return found

    def processes(self) -> list[int]:
        """All processes of ours that belong to this home, sweeps among them."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                words = path.read_bytes()
                if str(self.home.root).encode() in words and b"harness_tracing" in words:
                    found.append(int(path.parent.name))
        return found

    def kill_all(self) -> int:
        """kill -9 each of them; how many there were."""
        return sum(kill(pid) for pid in self.processes())

    def log(self) -> str:
        """What our logs say."""
        return "\n".join(path.read_text() for path in sorted(self.home.logs.glob("*.log")))

    def turns(self, session: Optional[str] = None) -> list[dict[str, Any]]:
        """The stored turns with all their steps, as plain data, times included."""
        with suppress(StoreError), Store.open(self.home.store, readonly=True) as store:
            return [
                msgspec.to_builtins(replace(turn, steps=tuple(sorted(turn.steps, key=step_id))))
                for row in sorted(store.sessions(), key=lambda row: row.session_id)
                for turn in store.turns(row.agent, row.session_id)
                if session in (None, row.session_id)
            ]
        return []  # no store is there yet

    def contents(self) -> str:
        """All that is stored of turns but times and the home's name, as readable text.

        Steps stand in the order of their ids: that of their times may hang on a millisecond
        by which a hook of this playing came earlier or later.
        """
        text = json.dumps(_timeless(self.turns()), indent=1, sort_keys=True, ensure_ascii=False)
        return text.replace(str(self.user_home), RECORDED_HOME)


def assert_same(stored: str, wanted: str) -> None:
    """Fail with the differences where what is stored is not what should be."""
    lines = difflib.unified_diff(
        wanted.split("\n"), stored.split("\n"), "wanted", "stored", "", "", 4, lineterm=""
    )
    if stored != wanted:
        pytest.fail("\n".join(list(lines)[:120]), pytrace=False)


def kill(pid: int, how: int = signal.SIGKILL) -> bool:
    """Send a signal; False when the process is gone."""
    try:
        os.kill(pid, how)
    except ProcessLookupError:
        return False
    return True


def remove_tree(folder: Path) -> None:
    """Remove a folder in which a worker makes and removes files meanwhile, as `rm -rf` does."""
    for _ in range(100):
        with suppress(FileNotFoundError):
            shutil.rmtree(folder, onerror=_but_for_what_comes_and_goes)
        if not folder.exists():
            return
    pytest.fail(f"{folder} is made anew again and again")


def _but_for_what_comes_and_goes(_: object, path: str, why: tuple[type, OSError, object]) -> None:
    if why[1].errno not in (errno.ENOENT, errno.ENOTEMPTY):
        raise why[1]


def wait_for(condition: Callable[[], object], what: str, seconds: float = 60.0) -> None:
    """Wait until something is true."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"not within {seconds} s: {what}"
        time.sleep(0.02)


def _timeless(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_timeless(item) for item in value]
    if isinstance(value, dict):
        return {k: _timeless(v) for k, v in value.items() if not k.endswith("_ns")}
    return value


@dataclass(frozen=True)
class Call:
    """One recorded hook call. `lines` says how many lines each of the agent's files had."""

    at_ns: int
    event: str
    payload: str
    env: Mapping[str, str]
    lines: Mapping[str, int]

    @property
    def session_id(self) -> str:
        """The session it names."""
        return str(json.loads(self.payload)["session_id"])

    @property
    def prompt_id(self) -> str:
        """The prompt it names, if any."""
        return str(json.loads(self.payload).get("prompt_id"))


@dataclass
class Recording:
    """A recording made ready to be played in a place from a moment on.

    `files` are the growing ones' lines as recorded, `shown` says how many of each are there.
    While `still` is held, no file grows. `late_ns` is by how much the playing lags behind.
    """

    place: Place
    calls: list[Call]
    files: dict[Path, list[bytes]]
    rewrite: Rewriter
    shown: dict[Path, int] = field(default_factory=dict)
    still: threading.Lock = field(default_factory=threading.Lock)
    late_ns: int = 0

    @classmethod
    def ready(
        cls,
        place: Place,
        folder: Path,
        *,
        longest_s: Optional[float] = None,
        past: bool = False,
        set_back_at: Optional[int] = None,
    ) -> Recording:
        """Read a recording; its times move to now, and go by faster where it is too long.

        With `past` it ends now, else it begins. The clock is set back by an hour before the
        call of number `set_back_at`.
        """
        agent = agents.get(AGENT)
        known = {event.name for event in agent.events}
        lines = (folder / "events.jsonl").read_bytes().split(b"\n")
        raw = [
            record for record in map(json.loads, filter(None, lines)) if record["event"] in known
        ]
        first_ns, last_ns = raw[0]["at_ns"], raw[-1]["at_ns"]
        speed = max(1.0, (last_ns - first_ns) / 1e9 / longest_s) if longest_s else 1.0
        start_ns = time.time_ns() - (last_ns - first_ns + 10**9 if past else 0)
        jump_ns = None if set_back_at is None else raw[set_back_at]["at_ns"]
        rewrite = Rewriter(place, first_ns, start_ns, speed, jump_ns)
        calls = [_call(record, rewrite) for record in raw]
        made = cls(place, calls, {}, rewrite)
        growing = {place.user_home / path for call in calls for path in call.lines}
        for source in (p for p in sorted((folder / "home").rglob("*")) if p.is_file()):
            target = place.user_home / _below_home(str(source.relative_to(folder / "home")))
            target.parent.mkdir(parents=True, exist_ok=True)
            if target in growing and target.suffix in GROWING:
                made.files[target] = re.findall(rb"[^\n]*\n|[^\n]+$", source.read_bytes())
            else:
                target.write_bytes(rewrite.bytes(source.read_bytes(), 0))
        return made

    @property
    def session_ids(self) -> list[str]:
        """The sessions in it, in order."""
        return list(dict.fromkeys(call.session_id for call in self.calls))

    def show(self, lines: Mapping[str, int]) -> None:
        """Let files have grown to so many lines."""
        for path, count in lines.items():
            self._grow(self.place.user_home / path, count)

    def show_all(self) -> None:
        """Let all files have grown to their end."""
        for path, lines in self.files.items():
            self._grow(path, len(lines))

    def _grow(self, path: Path, count: int) -> None:
        with self.still:
            shown = self.shown.get(path, 0)
            if path in self.files and (count > shown or not path.exists()):
                with open(path, "ab") as stream:
                    for line in self.files[path][shown:count]:
                        stream.write(self.rewrite.bytes(line, self.late_ns))
                self.shown[path] = max(shown, count)

    def fire(self, call: Call, **env: str) -> None:
        """Run one recorded hook."""
        self.place.fire(call.event, call.payload.encode(), **{**call.env, **env})


def play(
    recording: Recording,
    *,
    times: int = 1,
    pid: Optional[int] = None,
    before: Callable[[int], object] = lambda number: None,
    **env: str,
) -> None:
    """Play a recording to its end: every event `times` times, files growing meanwhile.

    `before` is called before each event with its number, and once more at the end. `pid` is
    the agent's process, this one when None. Where the machine is too slow for the recorded
    pace, lines get the times at which they come.
    """
    calls, process = recording.calls, str(pid or os.getpid())
    last = {path: number for number, call in enumerate(calls) for path in call.lines}
    flushes = []
    for number, call in enumerate(calls):
        before(number)
        due_ns = call.at_ns + recording.late_ns - time.time_ns()
        time.sleep(max(0, due_ns) / 1e9)
        recording.late_ns = max(recording.late_ns, recording.late_ns - due_ns)
        recording.show(call.lines)
        # The client writes the last lines of a file some moments after its last event.
        ended = {path: ALL for path, at in last.items() if at == number}
        flushes.append(threading.Timer(LAG_S, recording.show, [ended]))
        flushes[-1].start()
        for _ in range(times):
            recording.fire(call, CLAUDE_PID=process, **env)
    for flush in flushes:
        flush.join()
    before(len(calls))


def capture(place: Place, name: str, **env: str) -> Recording:
    """Have a recording captured that has just ended, with nobody there to take its events."""
    made = Recording.ready(place, recording(name), past=True)
    made.show_all()
    for call in made.calls:
        known = set(place.event_files())
        words = {**call.env, "CLAUDE_PID": str(os.getpid()), **env}
        place.fire(call.event, call.payload.encode(), interpreter=NOBODY, **words)
        for path in set(place.event_files()) - known:
            os.utime(path, ns=(call.at_ns, call.at_ns))
    return made


def _call(record: dict[str, Any], rewrite: Rewriter) -> Call:
    recorded = (record.get("env") or {}).items()
    env = {name: rewrite.text(str(value)) for name, value in recorded if value is not None}
    for name in ("PATH", "HOME", "CLAUDE_PID"):
        env.pop(name, None)
    lines = {
        _below_home(path): state["lines"]
        for path, state in (record.get("files") or {}).items()
        if state.get("lines") is not None
    }
    at_ns = rewrite.moved_ns(record["at_ns"])
    return Call(at_ns, record["event"], rewrite.text(record["stdin"]), env, lines)


def _below_home(path: str) -> str:
    """A recorded path as one below the home: no /home/dev in front, `dot-x` as `.x`."""
    parts = path.removeprefix(RECORDED_HOME + "/").split("/")
    parts = parts[1:] if parts[0] == "home" else parts
    return "/".join("." + part[4:] if part.startswith("dot-") else part for part in parts)


@dataclass(frozen=True)
class Rewriter:
    """Puts the place's home where the recorded one stands, and moves recorded times.

    From the recorded time `jump_ns` on, they are an hour earlier.
    """

    place: Place
    first_ns: int
    start_ns: int
    speed: float
    jump_ns: Optional[int] = None

    def bytes(self, content: bytes, late_ns: int) -> bytes:
        """Rewrite what a file holds; what is no text stays as it is."""
        try:
            return self.text(content.decode("utf-8"), late_ns).encode("utf-8")
        except UnicodeDecodeError:
            return content

    def text(self, text: str, late_ns: int = 0) -> str:
        """Rewrite a text, its times so much later."""
        text = _HOME.sub(lambda _: str(self.place.user_home), text)
        return _ISO.sub(lambda match: self._iso(match, late_ns), text)

    def moved_ns(self, at_ns: int) -> int:
        """Where a recorded time lies in this playing."""
        back_ns = HOUR_NS if self.jump_ns is not None and at_ns >= self.jump_ns else 0
        return self.start_ns + int((at_ns - self.first_ns) / self.speed) - back_ns

    def _iso(self, match: re.Match[str], late_ns: int) -> str:
        seconds = (datetime.fromisoformat(match[1] + "+00:00") - _EPOCH) // timedelta(seconds=1)
        fraction = (match[2] or ".")[1:]
        moved = late_ns + self.moved_ns(seconds * 10**9 + int(fraction.ljust(9, "0")[:9] or 0))
        whole = _EPOCH + timedelta(seconds=moved // 10**9)
        digits = f"{moved % 10**9:09d}"[: len(fraction)]
        return whole.strftime("%Y-%m-%dT%H:%M:%S") + ("." + digits if digits else "") + match[3]


def put_event(
    place: Place, session: str, event: str, payload: object, at_ns: Optional[int] = None
) -> Path:
    """Put an event into the spool as if captured at a time."""
    folder = place.home.session_spool(AGENT, session)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    content = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    number = len(list(folder.iterdir()))
    new, path = folder / ".new", folder / f"{event}.{os.getpid()}.{1000 + number}"
    new.write_bytes(content)
    if at_ns is not None:
        os.utime(new, ns=(at_ns, at_ns))
    return new.rename(path)
