"""What is left lying about: sessions without a worker, turns whose agent is dead."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from harness_tracing import agents, spool
from harness_tracing.errors import TracerError
from harness_tracing.model import Session as StoredSession
from harness_tracing.paths import Home
from harness_tracing.store import Store
from harness_tracing.worker.process import BUSY_POLL_S, Presence, Session, flush_requests
from harness_tracing.worker.session import SessionWork, settings_elsewhere, started_at_ns

WAITING = "{count} captured events of session {session} wait: {why}"


@dataclass(frozen=True)
class FlushResult:
    """What a flush left undone: how many captured events, and why."""

    left: int
    messages: tuple[str, ...] = ()


def sweep(
    home: Home,
    env: Mapping[str, str],
    *,
    own: Optional[Session] = None,
    log: Optional[logging.Logger] = None,
    deadline_s: float = 10.0,
) -> FlushResult:
    """Bring sessions that no worker looks after up to date; cheap when there are none.

    `own` is left alone: the caller is its worker. Stops at the deadline; the rest stays.
    """
    log = log or logging.getLogger("harness_tracing")
    now_ns = time.time_ns()
    for agent in agents.names():
        spool.file_common(home, agent, now_ns)
    spool.clear_quarantine(home, now_ns)
    for name, count in spool.cap_orphans(home).items():
        log.error("the spool outgrew 1 GiB: the %d oldest events of %s were dropped", count, name)
    until = time.monotonic() + deadline_s
    left, messages = 0, []
    for session in _forsaken(home, own):
        if time.monotonic() > until:
            break
        try:
            count, why = _settle(session, env, log, wait_s=0.0)
        except TracerError as error:
            count, why = len(spool.event_files(session.folder)), str(error)
        if count:
            left += count
            messages.append(WAITING.format(count=count, session=session.session_id, why=why))
    return FlushResult(left, tuple(messages))


def _forsaken(home: Home, own: Optional[Session]) -> list[Session]:
    """Sessions with captured events, or with an open turn whose agent is dead."""
    found = {
        (agent, session_id)
        for agent, session_id, folder in spool.session_folders(home)
        if session_id != spool.COMMON and agent in agents.names() and spool.event_files(folder)
    }
    if home.store.exists():
        with Store.open(home.store) as store:
            for stored in store.open_sessions():
                if _is_dead(stored):
                    found.add((stored.agent, stored.session_id))
    sessions = [Session(home, agent, session_id) for agent, session_id in sorted(found)]
    return [session for session in sessions if session != own]


def _is_dead(session: StoredSession) -> bool:
    if session.pid is None:
        return False
    started = started_at_ns(session.pid)
    return started is None or session.pid_started_at_ns not in (None, started)


def _settle(
    session: Session, env: Mapping[str, str], log: logging.Logger, wait_s: float
) -> tuple[int, str]:
    """Do a worker's work on a session that has none, for as long as there is some.

    Returns how many events are left and why. With `wait_s`, what only needs moments to become
    final is waited for.
    """
    session.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    presence = Presence(session.folder)
    if not presence.enter():
        return 0, ""
    try:
        with Store.open(session.home.store) as store:
            agent = agents.get(session.agent)
            settings = settings_elsewhere(agent, env, _folder_of(session, store))
            work = SessionWork(
                session.home, session.agent, session.session_id, settings, store, log
            )
            while True:
                _work_off(work, presence, wait_s)
                # What came meanwhile saw a worker in us and started none.
                presence.leave()
                if not work.unseen or not presence.enter():
                    return (1 if work.waiting else 0), "not whole yet"
    finally:
        presence.leave()
        spool.remove_old_folder(session.folder, time.time_ns())


def _folder_of(session: Session, store: Store) -> Optional[str]:
    """The folder a session works in: its project's settings may hide content."""
    for file in spool.event_files(session.folder):
        with suppress(OSError):
            event = spool.read_event(file, time.time_ns())
            cwd = event.payload.get("cwd") if event is not None and event.payload else None
            if isinstance(cwd, str):
                return cwd
    row = store.session(session.session_id, session.agent)
    return row.session.cwd if row is not None else None


def _work_off(work: SessionWork, presence: Presence, wait_s: float) -> None:
    until = time.monotonic() + wait_s
    while True:
        new = work.step()
        presence.beat()
        if new:
            continue
        if not (work.reader.pending() or work.waiting) or time.monotonic() > until:
            return
        time.sleep(BUSY_POLL_S)


def flush(
    home: Home, env: Mapping[str, str], timeout_s: float = 60.0, wait: bool = True
) -> FlushResult:
    """Store all that was captured, also with workers alive: those are asked to do it.

    Open turns are stored and do not count as left.
    """
    log = logging.getLogger("harness_tracing")
    until = time.monotonic() + timeout_s
    now_ns = time.time_ns()
    for agent in agents.names():
        spool.file_common(home, agent, now_ns)
    left, messages = 0, []
    for agent, session_id, folder in list(spool.session_folders(home)):
        if session_id == spool.COMMON or agent not in agents.names():
            count = len(spool.event_files(folder))
            why = "no agent of that name" if agent not in agents.names() else "not whole yet"
        else:
            session = Session(home, agent, session_id)
            count, why = _flush_one(session, env, log, max(0.1, until - time.monotonic()), wait)
        if count:
            left += count
            messages.append(WAITING.format(count=count, session=session_id, why=why))
    rest = sweep(home, env, log=log, deadline_s=max(0.1, until - time.monotonic()))
    return FlushResult(left + rest.left, (*messages, *rest.messages))


def _flush_one(
    session: Session, env: Mapping[str, str], log: logging.Logger, seconds: float, wait: bool
) -> tuple[int, str]:
    """Ask the session's worker; where there is none, do its work."""
    request = session.folder / f"flush.{os.getpid()}"
    until = time.monotonic() + seconds
    while True:
        presence = Presence(session.folder)
        if not session.folder.exists():
            return 0, ""
        if presence.enter():
            presence.leave()
            with suppress(OSError):
                request.unlink()
            try:
                return _settle(session, env, log, max(0.0, until - time.monotonic()) * wait)
            except TracerError as error:
                return len(spool.event_files(session.folder)), str(error)
        if not wait:
            return 0, ""
        if _answered(session, request, until):
            return 0, ""
        if time.monotonic() > until:
            with suppress(OSError):
                request.unlink()
            return 1, "its worker did not answer in time; see the log"


def _answered(session: Session, request: Path, until: float) -> bool:
    """Put the request and wait; False when the worker left without answering."""
    with suppress(OSError):
        request.touch(exist_ok=True)
    while time.monotonic() < until:
        if request not in flush_requests(session.folder):
            return True
        if Presence(session.folder).is_free():
            return False
        time.sleep(BUSY_POLL_S)
    return False
