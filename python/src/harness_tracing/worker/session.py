"""One session's pipeline: spool and transcript in, the store kept current.

spool, agent's files → reader → redaction → store. Everything here is resumable: a turn's
events stay in the spool until it is final in the store, and the reader's state goes into the
store together with it, so that killing the process at any point loses and doubles nothing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Callable, Optional

import msgspec
import psutil

from harness_tracing import agents, config, spool
from harness_tracing.agents.base import Agent, Changes, HookEvent, Item, Reader, TurnChange
from harness_tracing.config import Settings
from harness_tracing.follow import Follower, Position
from harness_tracing.model import (
    Message,
    ModelCall,
    Repository,
    Turn,
    Usage,
    step_id,
    trace_id,
)
from harness_tracing.paths import Home
from harness_tracing.prices import Priced, PriceTable, price
from harness_tracing.redact import Policy, redact_message, redact_session, redact_turn
from harness_tracing.repository import read_repository
from harness_tracing.spool import SpoolFile
from harness_tracing.store import SessionChange, Store, TurnWrite

# File times are coarse: a folder touched this recently may have changed again since.
COARSE_CLOCK_NS = 50_000_000
# Agents whose process is not known are taken for dead after a day without a sign of life.
UNKNOWN_AGENT_NS = 86_400 * 10**9

Clock = Callable[[], int]


@dataclass(frozen=True)
class Saved:
    """What the store keeps for the next worker: the reader's state and how far files were read."""

    reader: bytes
    positions: dict[str, Position]
    pid: Optional[int] = None
    pid_started_at_ns: Optional[int] = None


class SessionWork:
    """The work on one session. The caller holds the session's lock."""

    def __init__(
        self,
        home: Home,
        agent_name: str,
        session_id: str,
        settings: Settings,
        store: Store,
        log: logging.Logger,
        clock: Clock = time.time_ns,
    ) -> None:
        self.folder = home.session_spool(agent_name, session_id)
        self.home, self.session_id = home, session_id
        self.agent: Agent = agents.get(agent_name)
        self.settings, self.store, self.log, self.clock = settings, store, log, clock
        self.policy = Policy.of(settings)
        self.reader: Reader
        self._follower = Follower()
        self._fed: dict[str, SpoolFile] = {}
        self._unread: set[str] = set()
        self._folder_seen_ns = -1
        self._repositories: dict[str, Repository] = {}
        self._prices: Optional[PriceTable] = None
        self._costs: dict[str, dict[str, Priced]] = {}
        self._pid: Optional[int] = None
        self._pid_started_ns: Optional[int] = None
        self.moved: list[str] = []
        self.active_ns = clock()
        self._resume()

    def _resume(self) -> None:
        saved = None
        raw = self.store.reader_state(self.agent.name, self.session_id)
        if raw is not None:
            with suppress(msgspec.DecodeError, msgspec.ValidationError):
                saved = msgspec.json.decode(raw, type=Saved)
        if saved is not None:
            self._follower = Follower(dict(saved.positions))
            self._pid, self._pid_started_ns = saved.pid, saved.pid_started_at_ns
        state = saved.reader if saved is not None else None
        self.reader = self.agent.reader(self.session_id, self.settings.project, state)

    # -- one round

    def step(self) -> bool:
        """Read all there is, let time pass, store what changed. True when anything was new."""
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
        if new or stored:
            self.active_ns = self.clock()
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
        try:
            touched_ns = self.folder.stat().st_mtime_ns
        except OSError:
            return []
        if touched_ns == self._folder_seen_ns and not self._unread:
            return []
        settled = self.clock() - touched_ns > COARSE_CLOCK_NS
        self._folder_seen_ns = touched_ns if settled else -1
        files = spool.event_files(self.folder, self._fed)
        return [event for event in map(self._event, files) if event is not None]

    def _event(self, file: SpoolFile) -> Optional[HookEvent]:
        try:
            event = spool.read_event(file, self.clock())
        except OSError:
            return None
        if event is None:
            self._unread.add(file.key)
            return None
        self._unread.discard(file.key)
        if event.payload is None:
            self.log.warning("%s is no JSON and goes to quarantine", file.path)
            spool.quarantine(self.home, file)
            return event
        named = spool.session_of(event.payload)
        if named is not None and named != self.session_id:
            spool.move(file, self.home.session_spool(self.agent.name, named))
            self.moved.append(named)
            return None
        self._fed[file.key] = file
        if event.pid is not None and event.pid != self._pid:
            self._pid, self._pid_started_ns = event.pid, started_at_ns(event.pid)
        if self.settings.verbose:
            self.log.info("%s at %d", event.name, event.at_ns)
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
            return self.clock() - self.active_ns < UNKNOWN_AGENT_NS
        now_started = started_at_ns(self._pid)
        if now_started is None:
            return False
        return self._pid_started_ns is None or now_started == self._pid_started_ns

    # -- storing

    def _store(self, changes: Changes) -> bool:
        if changes.session is None:
            return False
        idle = self.reader.open_since_ns() is None
        state = self._saved() if idle else None
        session = replace(
            redact_session(changes.session, self.policy),
            user_id=self.settings.user_id,
            pid=self._pid,
            pid_started_at_ns=self._pid_started_ns,
        )
        writes = tuple(self._turn_write(change) for change in changes.turns)
        self.store.write(SessionChange(session, writes, state))
        self._let_go(idle)
        return bool(changes.turns)

    def _saved(self) -> bytes:
        def clean(message: Message) -> Message:
            return redact_message(message, self.policy)

        return msgspec.json.encode(
            Saved(
                reader=self.reader.snapshot(clean),
                positions=self._follower.positions,
                pid=self._pid,
                pid_started_at_ns=self._pid_started_ns,
            )
        )

    def _turn_write(self, change: TurnChange) -> TurnWrite:
        turn = change.turn
        if change.final and self.store.is_final(turn.agent, turn.session_id, turn.turn_id):
            return self._late_write(turn)
        if turn.turn_id not in self._repositories:
            self._repositories[turn.turn_id] = read_repository(turn.cwd)
        found = self._repositories[turn.turn_id]
        repository = Repository(
            url=found.url,
            branch=turn.repository.branch or found.branch,
            commit=found.commit,
        )
        priced = self._cost(turn)
        if change.final:
            self._repositories.pop(turn.turn_id, None)
            self._costs.pop(turn.turn_id, None)
        turn = redact_turn(replace(turn, repository=repository), self.policy)
        return TurnWrite(turn, change.final, _total(priced), priced.unpriced)

    def _cost(self, turn: Turn) -> Priced:
        """List price of the turn's calls so far."""
        if self._prices is None:
            self._prices = PriceTable.load()
        costs = self._costs.setdefault(turn.turn_id, {})
        for step in turn.steps:
            if isinstance(step, ModelCall):
                costs[step_id(step)] = price(step, self._prices)
        return sum(costs.values(), Priced())

    def _late_write(self, late: Turn) -> TurnWrite:
        """Steps of a turn that is final already: they raise its totals."""
        known = self.store.turn_by_trace_id(trace_id(late.agent, late.session_id, late.turn_id))
        steps = {step_id(s): s for s in (*(known.steps if known else ()), *late.steps)}
        priced = self._cost(replace(late, steps=tuple(steps.values())))
        calls = (step.usage for step in steps.values() if isinstance(step, ModelCall))
        late = redact_turn(replace(late, usage=sum(calls, Usage())), self.policy)
        return TurnWrite(late, True, _total(priced), priced.unpriced)

    def _let_go(self, idle: bool) -> None:
        """Remove the events taken in, once every turn they belong to is final in the store."""
        if not idle or self.reader.open_since_ns() is not None:
            return
        for file in self._fed.values():
            with suppress(OSError):
                file.path.unlink()
        self._fed = {}

    # -- for the process around it

    @property
    def done(self) -> bool:
        """Whether the session is over and nothing of it waits."""
        return self.reader.session_over() and not self.reader.pending() and not self.waiting

    @property
    def waiting(self) -> bool:
        """Whether events lie in the spool that have not been taken in."""
        return bool(self._unread) or self.unseen

    @property
    def unseen(self) -> bool:
        """Whether events lie in the spool that have not even been looked at."""
        return bool(spool.event_files(self.folder, self._fed.keys() | self._unread))

    @property
    def has_open_turn(self) -> bool:
        """Whether a turn is not told as final yet."""
        return self.reader.open_since_ns() is not None


def _total(priced: Priced) -> Optional[float]:
    return None if priced.cost is None else priced.cost.total


def started_at_ns(pid: int) -> Optional[int]:
    """When a process started, Unix ns to 10 ms; None when there is no such process."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return int(process.create_time() * 100) * 10**7
    except psutil.Error:
        return None


def settings_for(agent: Agent, env: Mapping[str, str]) -> Settings:
    """The settings that hold for a session of an agent whose hook had this environment."""
    project = env.get(agent.project_variable) if agent.project_variable else None
    return _settings(agent, env, project)


def settings_elsewhere(agent: Agent, env: Mapping[str, str], project: Optional[str]) -> Settings:
    """The settings for another session, in `project`, than the one this environment is of.

    What this environment has from its own project's files is nothing to do with the other.
    """
    own = env.get(agent.project_variable) if agent.project_variable else None
    _, own_project_env = agent.settings_env(env, own)
    neutral = {name: value for name, value in env.items() if own_project_env.get(name) != value}
    return _settings(agent, neutral, project)


def _settings(agent: Agent, env: Mapping[str, str], project: Optional[str]) -> Settings:
    user_env, project_env = agent.settings_env(env, project)
    return config.load(
        env,
        agent=agent.name,
        user_env=user_env,
        project_env=project_env,
    )
