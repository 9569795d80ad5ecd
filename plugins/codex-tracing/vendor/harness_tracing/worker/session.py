"""One session's pipeline: spool and transcript in, the store kept current.

spool, agent's files → reader → redaction → store. Everything here is resumable: a turn's
events stay in the spool until it is final in the store, and the reader's state goes into the
store together with it, so that killing the process at any point loses and doubles nothing.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from contextlib import suppress
from dataclasses import replace
from typing import Callable, Optional

import msgspec

from harness_tracing import agents, spool
from harness_tracing.agents.base import Agent, Changes, HookEvent, Item, Reader, TurnChange
from harness_tracing.config import Settings
from harness_tracing.decoding import decoder_of
from harness_tracing.follow import Follower
from harness_tracing.model import Gap, Message, Repository
from harness_tracing.model import Session as StoredSession
from harness_tracing.redact import Policy, redact_message, redact_session, redact_turn
from harness_tracing.repository import read_repository
from harness_tracing.spool import FolderWatch, SpoolFile
from harness_tracing.store import SessionChange, Settled, Store, TurnWrite, enqueue
from harness_tracing.worker.closing import close_lost
from harness_tracing.worker.delivery import rehearse
from harness_tracing.worker.presence import Session
from harness_tracing.worker.pricing import Pricing, total
from harness_tracing.worker.processes import is_running, started_at, was_running
from harness_tracing.worker.saved import UNKNOWN_AGENT_NS, Saved
from harness_tracing.worker.settings import targets

Clock = Callable[[], int]


class SteadyClock:
    """Unix ns that never go back and never stand still: what waiting times are measured with.

    A clock that is set back by an hour must not make a wait of a second one of an hour.
    """

    def __init__(
        self,
        wall: Clock = time.time_ns,
        steady: Clock = time.monotonic_ns,
    ) -> None:
        self._wall, self._steady = wall, steady
        self._now_ns, self._looked_ns = wall(), steady()

    def not_before(self, at_ns: int) -> None:
        """Go on from the time a worker before us had reached."""
        self._now_ns = max(self._now_ns, at_ns)

    def __call__(self) -> int:
        """Now."""
        steady_ns = self._steady()
        elapsed_ns, self._looked_ns = steady_ns - self._looked_ns, steady_ns
        self._now_ns = max(self._now_ns + elapsed_ns, self._wall())
        return self._now_ns


class SessionWork:
    """The work on one session. The caller holds the session's lock."""

    def __init__(
        self,
        session: Session,
        settings: Settings,
        store: Store,
        log: logging.Logger,
        clock: Optional[Clock] = None,
        on_settled: Callable[[], None] = lambda: None,
    ) -> None:
        self.folder, self.home, self.session_id = session.folder, session.home, session.session_id
        self.agent: Agent = agents.get(session.agent)
        self.settings, self.store, self.log = settings, store, log
        self._steady = SteadyClock()
        self.clock: Clock = clock or self._steady
        self.policy = Policy.of(settings)
        self._pricing = Pricing(store, self.policy)
        self._targets, self._on_settled = targets(settings), on_settled
        self.reader: Reader
        self._follower = Follower()
        self._fed: dict[str, SpoolFile] = {}
        self._spoiled: set[str] = set()
        self._unread: set[str] = set()
        self._watch = FolderWatch(self.folder)
        self._repositories: dict[str, Repository] = {}
        self._session: Optional[StoredSession] = None
        self._pid: Optional[int] = None
        self._pid_started: Optional[int] = None
        self._dropped = spool.dropped(self.folder)
        self.moved: list[str] = []
        self._resume()

    def _resume(self) -> None:
        saved = None
        raw = self.store.reader_state(self.agent.name, self.session_id)
        if raw is not None:
            with suppress(msgspec.DecodeError, msgspec.ValidationError):
                saved = decoder_of(Saved).decode(raw)
        if saved is not None:
            self._follower = Follower(dict(saved.positions))
            self._steady.not_before(saved.now_ns)
            taken = set(saved.taken)
            for file in spool.event_files(self.folder):
                if (file.key, file.at_ns) in taken:
                    file.path.unlink(missing_ok=True)
        row = self.store.session(self.session_id, self.agent.name)
        if row is not None and row.session_id == self.session_id:
            self._session = row.session
            self._pid, self._pid_started = row.session.pid, row.session.pid_started_at_ns
        self._lost_closed = row is None or not row.open
        self._sign_ns = (row.last_event_ns if row is not None else None) or time.time_ns()
        state = saved.reader if saved is not None else None
        self.reader = self.agent.reader(self.session_id, self.settings.project, state)

    # -- one round

    def step(self) -> bool:
        """Read all there is, let time pass, store what changed. True when anything was new."""
        self.reader.time_is(self.clock())
        new = self._read_all()
        alive = self.agent_alive()
        if not alive:
            # Its last lines were written before it died: they are there by now.
            new = self._read_all() or new
        self.reader.tick(self.clock(), alive)
        stored = self._store(self.reader.changes())
        if not alive or self.reader.session_over():
            # Without a turn there is nothing to store, and nothing to keep events for.
            self._let_go(idle=True)
            self._close_lost()
        return new or stored

    def _read_all(self) -> bool:
        """Events are listed before files are read: lines older than an event come before it."""
        events = self._new_events()
        any_new = bool(events)
        items: list[Item] = [*self._new_lines(), *events]
        while items:
            any_new = True
            self._feed(items)
            items = list(self._new_lines())
        return any_new

    def _new_lines(self) -> list[Item]:
        return self._follower.new_items(self.reader.wanted_files(), self.reader)

    def _new_events(self) -> list[HookEvent]:
        self._gather_parts()
        if not self._unread and not self._watch.changed():
            return []
        self._notice_taken()
        files = spool.event_files(self.folder, self._fed)
        return [event for event in map(self._event, files) if event is not None]

    def _gather_parts(self) -> None:
        """Take the events that were captured under the name of a part of this session."""
        for part in filter(spool.is_session_id, self.reader.parts()):
            for file in spool.event_files(self.home.session_spool(self.agent.name, part)):
                spool.move(file, self.folder)

    def _notice_taken(self) -> None:
        """Begin anew when the session that we are a part of has taken our events."""
        if self._fed and not next(iter(self._fed.values())).path.exists():
            self._fed, self._spoiled = {}, set()
            self._resume()

    def _event(self, file: SpoolFile) -> Optional[HookEvent]:
        try:
            event = spool.read_event(file, time.time_ns())
        except OSError:
            return None
        if event is None:
            self._unread.add(file.key)
            return None
        self._unread.discard(file.key)
        if event.payload is None:
            self.log.warning("%s is no JSON and goes to quarantine", file.path)
            self._spoiled.add(file.key)
        named = spool.session_of(event.payload or {})
        ours = (self.session_id, *self.reader.parts())
        if named is not None and named not in ours:
            if spool.move(file, self.home.session_spool(self.agent.name, named)):
                self.moved.append(named)
            else:
                self._unread.add(file.key)
            return None
        self._fed[file.key] = file
        self._sign_ns = max(self._sign_ns, file.at_ns)
        self._note_process(event)
        if self.settings.verbose:
            self.log.info("session %s: %s", self.session_id, event.name)
        return event

    def _feed(self, items: list[Item]) -> None:
        """Feed all; an item the reader cannot take is named in the log and put aside."""
        try:
            self.reader.feed_all(items)
            return
        except Exception:
            self.log.exception("the reader failed on %d items; taking them one by one", len(items))
        for item in items:
            try:
                self.reader.feed(item)
            except Exception:
                self.log.exception(
                    "the reader cannot take %s; it is put aside", type(item).__name__
                )
                if isinstance(item, HookEvent) and item.key in self._fed:
                    spool.quarantine(self.home, self._fed.pop(item.key))

    # -- the agent's process

    def agent_alive(self) -> bool:
        """Whether the agent's process is there: the same one, not another with its number."""
        if self._pid is None:
            last_ns = max(self._sign_ns, self._follower.latest_ns)
            return time.time_ns() - last_ns < UNKNOWN_AGENT_NS
        return is_running(self._pid, self._pid_started)

    def _note_process(self, event: HookEvent) -> None:
        """Note which process fired an event. In a container a new agent may have the old number."""
        if event.pid is None:
            return
        if event.pid != self._pid:
            self._pid, self._pid_started = event.pid, started_at(event.pid)
        elif not self.agent_alive() and was_running(event.pid, event.at_ns):
            self._pid_started = started_at(event.pid)

    # -- storing

    def _store(self, changes: Changes) -> bool:
        idle = self.reader.open_since_ns() is None
        if changes.session is not None:
            self._session = replace(
                redact_session(changes.session, self.policy),
                user_id=self.settings.user_id,
                pid=self._pid,
                pid_started_at_ns=self._pid_started,
            )
        elif not (idle and self._fed):
            return False
        if self._session is not None:
            state = self._saved() if idle else None
            writes = tuple(self._turn_write(change) for change in changes.turns)
            self._write(SessionChange(self._session, writes, state))
        self._let_go(idle)
        return bool(changes.turns)

    def _write(self, change: SessionChange) -> None:
        """Store a change and, in the same transaction, what is to be sent of it."""
        if self.settings.dry_run:
            for settled in self.store.write(change).final:
                rehearse(self.store, settled, self._targets, self.log)
                self._on_settled()
            return

        def put_into_outbox(connection: sqlite3.Connection, settled: Settled) -> None:
            enqueue(connection, settled, self._targets, time.time_ns())

        written = self.store.write(change, put_into_outbox)
        if written.final or written.late or any(target.stream for target in self._targets):
            self._on_settled()

    def _close_lost(self) -> None:
        """End what is open in the store though the session is over and the reader knows no turn."""
        if self._lost_closed or self._session is None or self.has_open_turn:
            return
        self._lost_closed = True
        rows = self.store.turn_rows(self.agent.name, self.session_id)
        writes = tuple(close_lost(row) for row in rows if not row.final)
        if writes:
            self._write(SessionChange(self._session, writes))

    def _saved(self) -> bytes:
        def clean(message: Message) -> Message:
            return redact_message(message, self.policy)

        return msgspec.json.encode(
            Saved(
                reader=self.reader.snapshot(clean),
                positions=self._follower.positions,
                taken=tuple((file.key, file.at_ns) for file in self._fed.values()),
                now_ns=self.clock(),
            )
        )

    def _turn_write(self, change: TurnChange) -> TurnWrite:
        turn = change.turn
        if change.final and self.store.is_final(turn.agent, turn.session_id, turn.turn_id):
            return self._pricing.late_write(turn)
        if turn.turn_id not in self._repositories:
            self._repositories[turn.turn_id] = read_repository(turn.cwd)
        found = self._repositories[turn.turn_id]
        repository = Repository(
            url=found.url or turn.repository.url,
            branch=turn.repository.branch or found.branch,
            commit=found.commit or turn.repository.commit,
        )
        priced = self._pricing.of(turn)
        if change.final:
            self._repositories.pop(turn.turn_id, None)
            self._pricing.forget(turn.turn_id)
        if self._dropped:
            lost = Gap(f"{self._dropped} events of the session", "the spool outgrew its cap")
            turn = replace(turn, gaps=(*turn.gaps, lost))
        turn = redact_turn(replace(turn, repository=repository), self.policy)
        if self.settings.join_trace != "off":
            outer = self.settings.traceparent
            turn = replace(turn, traceparent=outer, join=self.settings.join_trace)
        return TurnWrite(turn, change.final, total(priced), priced.unpriced)

    def _let_go(self, idle: bool) -> None:
        """Remove the events taken in, once every turn they belong to is final in the store."""
        if not idle or self.reader.open_since_ns() is not None:
            return
        for file in self._fed.values():
            with suppress(OSError):
                if file.key in self._spoiled:
                    spool.quarantine(self.home, file)
                else:
                    file.path.unlink()
        self._fed, self._spoiled = {}, set()
        if self._dropped:
            spool.told_of_dropped(self.folder)
            self._dropped = 0

    # -- for the process around it

    @property
    def pending(self) -> bool:
        """Whether moments alone will settle something."""
        return self.reader.pending()

    @property
    def over(self) -> bool:
        """Whether the session has ended and everything of it is stored."""
        return self.reader.session_over()

    @property
    def left(self) -> int:
        """How many events lie in the spool that have not been taken in."""
        return len(spool.event_files(self.folder, self._fed))

    @property
    def unseen(self) -> bool:
        """Whether events lie in the spool that have not even been looked at."""
        return bool(spool.event_files(self.folder, self._fed.keys() | self._unread))

    @property
    def has_open_turn(self) -> bool:
        """Whether a turn is not told as final yet."""
        return self.reader.open_since_ns() is not None
