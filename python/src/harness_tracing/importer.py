"""History: what agents keep on disk goes through the same readers into the store.

Only the agents' own files are read; no hook told of these turns, and a Gap says so. Nothing is put
into the outbox. What capture stored stays as it is, and what it works on is left to it. Turns of
several sessions are stored in one transaction; stopped at any point, the next run goes on.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Callable, Literal, Optional

import msgspec

from harness_tracing import agents, spool
from harness_tracing.agents.base import COMPRESSED_SUFFIX, Changes, HistorySession, Line, TurnChange
from harness_tracing.agents.history import folder_name
from harness_tracing.config import Settings
from harness_tracing.decoding import decoder_of
from harness_tracing.errors import TracerError
from harness_tracing.follow import Follower
from harness_tracing.log import agent_log
from harness_tracing.model import IMPORTED, Message, Turn
from harness_tracing.paths import Home
from harness_tracing.prices import PriceTable
from harness_tracing.redact import Policy, redact_message, redact_session, redact_turn
from harness_tracing.store import Prepared, SessionChange, SessionRow, Store, TurnWrite
from harness_tracing.worker.presence import Presence, Session
from harness_tracing.worker.pricing import Pricing, total
from harness_tracing.worker.saved import UNKNOWN_AGENT_NS, Saved
from harness_tracing.worker.settings import settings_elsewhere

MAY_RUN = "the last turn may still run: it has no end, and its file is not a day old"
# How far apart what is read in one go is said to have been seen: readers settle what has been quiet
# for seconds, and hold open for many minutes what may still come.
ROUND_NS = 5 * 10**9
# What of a file is in memory at once, beside the turns that are not over.
CHUNK_BYTES = 256 << 10
# How many bytes of bodies wait for one transaction: commits are few, and memory stays flat.
MOST_WAITING_BYTES = 2 << 20

Outcome = Literal["imported", "unchanged", "busy", "off", "empty", "compressed", "failed"]


@dataclass(frozen=True)
class Wanted:
    """A session to import: whose it is, and where it lies."""

    agent: str
    session: HistorySession


@dataclass(frozen=True)
class Imported:
    """What became of a session. `turns` are those that are new in the store.

    "busy": capture is at work on it, or its last turn may still run; what of it was over is in
    the store. "off": its settings say it is not traced. "empty": there is no turn in it.
    "compressed": its file cannot be read.
    """

    agent: str
    session_id: str
    path: str
    outcome: Outcome
    turns: int = 0
    reason: str = ""


def find(
    env: Mapping[str, str],
    names: Iterable[str],
    *,
    since_ns: Optional[int] = None,
    project: Optional[str] = None,
) -> list[Wanted]:
    """The sessions on disk of these agents, the last changed first.

    `project` is a folder, whose sessions and those below it are meant, or the last part of one.
    """
    found: dict[tuple[str, str], Wanted] = {}
    for name in names:
        history = agents.get(name).history
        for session in history(env, since_ns) if history is not None else ():
            if not spool.is_session_id(session.session_id) or not _is_in(session, project):
                continue
            known = found.get((name, session.session_id))
            # One that went on in another folder has a file in each: the newer goes on.
            if known is None or known.session.modified_ns < session.modified_ns:
                found[name, session.session_id] = Wanted(name, session)
    return sorted(found.values(), key=lambda each: -each.session.modified_ns)


def _is_in(session: HistorySession, project: Optional[str]) -> bool:
    if project is None:
        return True
    if os.sep not in project and not Path(project).is_dir():
        cwd = session.cwd
        if cwd is not None:
            return Path(cwd).name == project
        return ("-" + session.folder).endswith("-" + folder_name(project))
    folder = str(Path(project).absolute())
    if session.cwd is not None:
        return Path(folder) in (Path(session.cwd), *Path(session.cwd).parents)
    named = folder_name(folder).lstrip("-")
    return (session.folder.lstrip("-") + "-").startswith(named + "-")


class Importer:
    """Imports sessions into one store, one after the other. Belongs to one process.

    `writing` is held while it writes: who shares it waits in turn, where SQLite would only try
    again every few milliseconds.
    """

    def __init__(
        self,
        home: Home,
        env: Mapping[str, str],
        store: Store,
        clock: Callable[[], int] = time.time_ns,
        chunk_bytes: int = CHUNK_BYTES,
        writing: Optional[AbstractContextManager[Any]] = None,
    ) -> None:
        self._home, self._env, self._store, self._clock = home, env, store, clock
        self._chunk_bytes = chunk_bytes
        self._waiting = _Waiting(store, nullcontext() if writing is None else writing)
        self._prices = PriceTable.load()
        self._settings: dict[tuple[str, Optional[str]], Settings] = {}

    def take(self, wanted: Wanted) -> Imported:
        """Import a session as far as it is new. What goes wrong with it is told, not raised."""
        return self.take_all((wanted,))[0]

    def take_all(self, wanted: Sequence[Wanted]) -> list[Imported]:
        """Import sessions, in as few transactions as memory allows; all is stored on return."""
        done = [self._taken(each) for each in wanted]
        with suppress(TracerError):
            self._waiting.store()
        failure = self._waiting.failure()
        if failure is None:
            return done
        # Which of them it hit cannot be told; the next run finds those that are stored.
        return [
            replace(each, outcome="failed", turns=0, reason=failure) if each.turns else each
            for each in done
        ]

    def _taken(self, wanted: Wanted) -> Imported:
        session = wanted.session

        def told(outcome: Outcome, turns: int = 0, reason: str = "") -> Imported:
            return Imported(wanted.agent, session.session_id, session.path, outcome, turns, reason)

        if session.path.endswith(COMPRESSED_SUFFIX):
            return told("compressed")
        try:
            saved = self._saved(wanted)
            if saved is not None and _is_unchanged(saved, session):
                return told("unchanged")
            settings = self._settings_of(wanted)
            if not settings.enabled:
                return told("off", reason=f"tracing is off: {settings.origins['enabled'].name}")
            if self._would_go(session, settings):
                return told("off", reason="it is older than retention_days")
            return told(*self._guarded(wanted, settings))
        except (TracerError, OSError) as error:
            return told("failed", reason=str(error))

    def _guarded(self, wanted: Wanted, settings: Settings) -> tuple[Outcome, int, str]:
        """The edge of one session: whatever is wrong with it, the others go on."""
        try:
            return self._take(wanted, settings)
        except (TracerError, OSError):
            raise
        except Exception as error:
            log = agent_log(settings, wanted.agent)
            log.exception("session %s cannot be imported", wanted.session.session_id)
            return "failed", 0, f"{type(error).__name__}: {error}; the log has more"

    def _would_go(self, session: HistorySession, settings: Settings) -> bool:
        days = settings.retention_days
        return days is not None and self._clock() - session.modified_ns > days * 86_400 * 10**9

    def _take(self, wanted: Wanted, settings: Settings) -> tuple[Outcome, int, str]:
        traced = Session(self._home, wanted.agent, wanted.session.session_id)
        if spool.event_files(traced.folder):
            return "busy", 0, "captured events of it wait to be stored"
        if self._clock() - wanted.session.modified_ns >= UNKNOWN_AGENT_NS:
            return self._work(wanted, settings)
        traced.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        presence = Presence(traced.folder)
        if not presence.borrow():
            return "busy", 0, "it is being captured"
        try:
            done = self._work(wanted, settings)
            self._waiting.store()  # before capture may begin with it
            return done
        finally:
            presence.leave()

    def _work(self, wanted: Wanted, settings: Settings) -> tuple[Outcome, int, str]:
        row = self._store.session(wanted.session.session_id, wanted.agent)
        if row is not None and row.session_id != wanted.session.session_id:
            row = None
        if row is not None and row.open:
            return "busy", 0, "a turn of it is open and being captured"
        saved = self._saved(wanted)
        if row is not None and saved is None and self._is_captured(row):
            return "unchanged", 0, "it was captured"
        pricing = Pricing(self._store, Policy.of(settings), self._prices)
        work = _Work(self._store, self._waiting, wanted, settings, row, saved, pricing)
        return work.run(self._clock(), self._chunk_bytes)

    def _is_captured(self, row: SessionRow) -> bool:
        turns = self._store.turns(row.agent, row.session_id)
        return any(IMPORTED not in turn.gaps for turn in turns)

    def _saved(self, wanted: Wanted) -> Optional[Saved]:
        raw = self._store.reader_state(wanted.agent, wanted.session.session_id)
        with suppress(msgspec.DecodeError, msgspec.ValidationError):
            return decoder_of(Saved).decode(raw) if raw is not None else None
        return None

    def _settings_of(self, wanted: Wanted) -> Settings:
        traced = Session(self._home, wanted.agent, wanted.session.session_id)
        if traced.folder.exists():
            return settings_elsewhere(traced, self._env, wanted.session.cwd)
        key = wanted.agent, wanted.session.cwd
        if key not in self._settings:
            self._settings[key] = settings_elsewhere(traced, self._env, wanted.session.cwd)
        return self._settings[key]


def _is_unchanged(saved: Saved, session: HistorySession) -> bool:
    """Whether every file of a session is as long as it was read."""
    positions = saved.positions.values()
    if not any(position.path == session.path for position in positions):
        return False
    for position in positions:
        with suppress(OSError):
            if Path(position.path).stat().st_size != position.offset:
                return False
    return True


class _Waiting:
    """Changes that wait to be stored together, in the order they came."""

    def __init__(self, store: Store, writing: AbstractContextManager[Any]) -> None:
        self._store, self._writing = store, writing
        self._changes: list[Prepared] = []
        self._turns: set[tuple[str, str, str]] = set()
        self._bytes = 0
        self._failure: Optional[str] = None

    def add(self, change: SessionChange) -> None:
        """Have it stored, now or with others later."""
        prepared = self._store.prepare(change)
        self._changes.append(prepared)
        self._turns.update(_name(write.turn) for write in change.turns)
        self._bytes += prepared.size
        if self._bytes > MOST_WAITING_BYTES:
            self.store()

    def holds(self, turn: Turn) -> bool:
        """Whether something of that turn waits here."""
        return _name(turn) in self._turns

    def store(self) -> None:
        """Store what waits. Where that is not possible it is given up: see `failure`."""
        changes, self._changes = self._changes, []
        self._turns.clear()
        self._bytes = 0
        if not changes:
            return
        try:
            with self._writing:
                self._store.write_all(changes)
        except TracerError as error:
            self._failure = str(error)
            raise

    def failure(self) -> Optional[str]:
        """Why something was not stored since this was last asked; None when all was."""
        failure, self._failure = self._failure, None
        return failure


def _name(turn: Turn) -> tuple[str, str, str]:
    return turn.agent, turn.session_id, turn.turn_id


class _Work:
    """One session, from where it was left to the end of its files."""

    def __init__(
        self,
        store: Store,
        waiting: _Waiting,
        wanted: Wanted,
        settings: Settings,
        row: Optional[SessionRow],
        saved: Optional[Saved],
        pricing: Pricing,
    ) -> None:
        self._store, self._wanted, self._pricing = store, wanted, pricing
        self._waiting = waiting
        self._settings, self._row = settings, row
        self._policy = Policy.of(settings)
        self._follower = Follower(dict(saved.positions) if saved is not None else {})
        project = row.session.project if row is not None else settings.project
        self._reader = agents.get(wanted.agent).reader(
            wanted.session.session_id, project, saved.reader if saved is not None else None
        )
        self._now_ns = max(wanted.session.modified_ns, saved.now_ns if saved is not None else 0)
        self._session = row.session if row is not None else None
        self._told: set[str] = set()
        self._turns = 0

    def run(self, clock_ns: int, chunk_bytes: int) -> tuple[Outcome, int, str]:
        """Read all there is, so much of a file at once, and store it; `clock_ns` is now."""
        reader = self._reader
        self._follower.chunk_bytes = chunk_bytes
        with open(self._wanted.session.path, "rb"):
            pass  # what cannot be read is an error here; whoever follows a file waits for it
        reader.begin(self._wanted.session.path, self._wanted.session.parts)
        reader.time_is(self._now_ns)
        while True:
            read = self._read()
            items = self._follower.new_items(reader.wanted_files(), reader)
            if items:
                reader.feed_all(items)
            elif self._read() == read:
                break
            if all(isinstance(item, Line) and item.file == "main" for item in items):
                # Nothing of the turns that are over waits in another file.
                reader.tick(self._now_ns, True)
            self._keep(reader.changes(with_open=False))
            self._now_ns += ROUND_NS
            reader.time_is(self._now_ns)
        if clock_ns - self._follower.latest_ns < UNKNOWN_AGENT_NS:
            reader.tick(self._now_ns, True)
            self._keep(reader.changes(with_open=False))
            if reader.open_since_ns() is not None:
                return "busy", self._turns, MAY_RUN
        reader.close(self._now_ns, "imported")
        self._keep(reader.changes(with_open=False), last=True)
        nothing: Outcome = "empty" if self._row is None else "unchanged"
        return ("imported" if self._turns else nothing), self._turns, ""

    def _read(self) -> int:
        return sum(position.offset for position in self._follower.positions.values())

    def _keep(self, changes: Changes, last: bool = False) -> None:
        """Store what is final by now; at the end also from where a later reader goes on."""
        if changes.session is not None:
            known = self._row.session if self._row is not None else None
            self._session = replace(
                redact_session(changes.session, self._policy),
                user_id=known.user_id if known is not None else self._settings.user_id,
                pid=known.pid if known is not None else None,
                pid_started_at_ns=known.pid_started_at_ns if known is not None else None,
            )
        writes = tuple(map(self._write, changes.turns))
        stored = bool(writes or self._turns or self._row is not None)
        if self._session is not None and (writes or (last and stored)):
            state = self._saved() if last else None
            self._waiting.add(SessionChange(self._session, writes, state))

    def _write(self, change: TurnChange) -> TurnWrite:
        turn = change.turn
        if self._waiting.holds(turn):
            self._waiting.store()
        # A session that is new here has no turns but those told of it just now.
        is_new = self._row is None and turn.turn_id not in self._told
        if not is_new and self._store.is_final(turn.agent, turn.session_id, turn.turn_id):
            return self._pricing.late_write(turn)
        self._told.add(turn.turn_id)
        self._turns += 1
        priced = self._pricing.of(turn)
        self._pricing.forget(turn.turn_id)
        turn = redact_turn(replace(turn, gaps=(*turn.gaps, IMPORTED)), self._policy)
        return TurnWrite(turn, True, total(priced), priced.unpriced)

    def _saved(self) -> bytes:
        def clean(message: Message) -> Message:
            return redact_message(message, self._policy)

        return msgspec.json.encode(
            Saved(
                reader=self._reader.snapshot(clean),
                positions=self._follower.positions,
                now_ns=self._now_ns,
            )
        )
