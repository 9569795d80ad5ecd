"""What is left lying about: sessions without a worker, turns whose agent is dead.

Every command looks, and mostly finds nothing: what the work itself takes is imported then.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from harness_tracing import agents, spool
from harness_tracing.errors import NoStoreError, TracerError
from harness_tracing.model import Session as StoredSession
from harness_tracing.paths import Home
from harness_tracing.store import Store
from harness_tracing.worker.presence import PACE, Presence, Session
from harness_tracing.worker.result import FlushResult

if TYPE_CHECKING:
    import logging

WAITING = "{count} captured events of session {session} wait: {why}"
NOT_WHOLE = "not whole yet"
NO_ANSWER = "its worker did not answer in time; see the log"
NO_AGENT = "this version knows no agent of that name"
# A hook that has just fired has started a worker, which needs a moment.
STARTING_NS = 5 * 10**9
# A session whose agent writes without a pause is left to the worker that its hooks start.
LONGEST_S = 10.0


def sweep(
    home: Home,
    env: Mapping[str, str],
    *,
    deadline_s: float = 10.0,
    cap_bytes: int = spool.ORPHAN_CAP_BYTES,
) -> FlushResult:
    """Bring sessions that no worker looks after up to date; cheap when there are none.

    Stops at the deadline; the rest stays. Raises StoreError when there is no using the store.
    """
    if not _is_writable(home):
        return FlushResult()
    _tidy(home, cap_bytes)
    until = time.monotonic() + deadline_s
    found = FlushResult()
    for session in _all_forsaken(home):
        if time.monotonic() > until:
            break
        found += _settle(session, env) or FlushResult()
    return found


def sweep_in_background(home: Home, env: Mapping[str, str]) -> None:
    """Have what is due in the outbox sent, and judged, by processes that nobody waits for."""
    if not _is_writable(home):
        return
    unjudged, unsent = _what_waits(home)
    if unjudged:
        from harness_tracing.worker.evaluating import start_if_due

        start_if_due(home, env)
    if not unsent:
        return
    from harness_tracing.worker.process import start_sweep
    from harness_tracing.worker.sending import outbox_is_due

    if outbox_is_due(home, env):
        start_sweep(home, env)


def _what_waits(home: Home) -> tuple[bool, bool]:
    """Whether anything waits to be judged, and whether anything waits to be sent."""
    with suppress(NoStoreError), Store.open(home.store, readonly=True) as store:
        return store.has_unjudged(), store.has_unsent() or store.has_unpushed()
    return False, False


def _is_writable(home: Home) -> bool:
    return os.access(home.root, os.W_OK)


def _tidy(home: Home, cap_bytes: int) -> None:
    now_ns = time.time_ns()
    for agent in agents.names():
        spool.file_common(home, agent, now_ns)
    spool.clear_quarantine(home, now_ns)
    spool.remove_old_folders(home, now_ns)
    for name, count in spool.cap_orphans(home, cap_bytes).items():
        _log().error(
            "the spool outgrew its cap: the %d oldest events of %s were dropped", count, name
        )


def _all_forsaken(home: Home) -> list[Session]:
    if home.store.exists():
        with Store.open(home.store) as store:
            return forsaken(home, store)
    return _captured(home)


def forsaken(home: Home, store: Store, *, own: Optional[Session] = None) -> list[Session]:
    """Sessions nobody works on that have captured events, or an open turn of a dead agent.

    With `own`, which is left out, also those are that a worker may just be starting for.
    """
    found = {
        session: None
        for session in _captured(home)
        if own is None or _newest_ns(session.folder) < time.time_ns() - STARTING_NS
    }
    for stored in store.open_sessions():
        if stored.agent in agents.names() and _is_dead(stored, store):
            found[Session(home, stored.agent, stored.session_id)] = None
    return [session for session in found if session != own and Presence(session.folder).is_free()]


def _log() -> logging.Logger:
    import logging

    return logging.getLogger("harness_tracing")


def _captured(home: Home) -> list[Session]:
    """Sessions with captured events, of agents we know."""
    return [
        Session(home, agent, session_id)
        for agent, session_id, folder in _by_age(home)
        if session_id != spool.COMMON and agent in agents.names() and spool.event_files(folder)
    ]


def _by_age(home: Home) -> list[tuple[str, str, Path]]:
    """The folders of the spool, that with the oldest event first.

    A sub-agent captured under a name of its own comes after the session that knows it, which
    takes its events.
    """

    def oldest_ns(found: tuple[str, str, Path]) -> int:
        return min((file.at_ns for file in spool.event_files(found[2])), default=0)

    return sorted(spool.session_folders(home), key=oldest_ns)


def _newest_ns(folder: Path) -> int:
    return max((file.at_ns for file in spool.event_files(folder)), default=0)


def _is_dead(session: StoredSession, store: Store) -> bool:
    from harness_tracing.worker.processes import is_running
    from harness_tracing.worker.saved import UNKNOWN_AGENT_NS

    if session.pid is not None:
        return not is_running(session.pid, session.pid_started_at_ns)
    row = store.session(session.session_id, session.agent)
    last_ns = row.last_event_ns if row is not None else None
    return time.time_ns() - (last_ns or 0) > UNKNOWN_AGENT_NS


def _settle(session: Session, env: Mapping[str, str], wait_s: float = 0.0) -> Optional[FlushResult]:
    """Do a worker's work on a session for as long as there is some; None when it has one.

    Says what is left and why. With `wait_s`, what only needs moments to become final is
    waited for.
    """
    with suppress(OSError):
        session.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    presence = Presence(session.folder)
    if not presence.borrow():
        return None
    try:
        count, why = _work_off(session, env, wait_s), NOT_WHOLE
    except TracerError as error:
        count, why = len(spool.event_files(session.folder)), str(error)
    except Exception:
        # The edge of one session: the others are to be looked after all the same.
        _log().exception("session %s cannot be brought up to date", session.session_id)
        count, why = len(spool.event_files(session.folder)), "an error; see the log"
    finally:
        presence.leave()
    return _left(session, count, why)


def _left(session: Session, count: int, why: str) -> FlushResult:
    if not count:
        return FlushResult()
    return FlushResult(count, (WAITING.format(count=count, session=session.session_id, why=why),))


def _work_off(session: Session, env: Mapping[str, str], wait_s: float) -> int:
    """Work until nothing is new; how many events are left in the spool."""
    from harness_tracing.config import Source
    from harness_tracing.log import agent_log
    from harness_tracing.worker.session import SessionWork
    from harness_tracing.worker.settings import settings_elsewhere

    started_s = time.monotonic()
    with Store.open(session.home.store) as store:
        settings = settings_elsewhere(session, env, _cwd_of(session, store))
        log = agent_log(settings, session.agent)
        if not settings.enabled and settings.origins["enabled"].source is Source.CONFIG:
            for file in spool.event_files(session.folder):
                file.path.unlink(missing_ok=True)
            return 0
        work = SessionWork(session, settings, store, log)
        while True:
            new, spent_s = work.step(), time.monotonic() - started_s
            if new and spent_s < max(wait_s, LONGEST_S):
                continue
            if new or spent_s >= wait_s or not (work.pending or work.left):
                return work.left
            time.sleep(PACE.busy_poll_s)


def _cwd_of(session: Session, store: Store) -> Optional[str]:
    """The folder a session began in: its project's settings may hide content."""
    row = store.session(session.session_id, session.agent)
    if row is not None and row.session_id == session.session_id and row.session.cwd:
        return row.session.cwd
    for file in spool.event_files(session.folder):
        with suppress(OSError):
            event = spool.read_event(file, time.time_ns())
            cwd = event.payload.get("cwd") if event is not None and event.payload else None
            if isinstance(cwd, str):
                return cwd
    return None


def flush(
    home: Home,
    env: Mapping[str, str],
    timeout_s: float = 60.0,
    wait: bool = True,
    destination: Optional[str] = None,
    verify: bool = False,
) -> FlushResult:
    """Store all that was captured, also with workers alive, and send what is to be sent.

    Open turns are stored and do not count as left. `destination`, `verify`: see `send_all`.
    """
    from harness_tracing.worker.evaluating import start_if_due
    from harness_tracing.worker.sending import send_all

    until = time.monotonic() + timeout_s
    result = _store_all(home, env, until, wait)
    if not _is_writable(home):
        return result
    start_if_due(home, env)
    return result + send_all(home, env, until, wait=wait, only=destination, verify=verify)


def _store_all(home: Home, env: Mapping[str, str], until: float, wait: bool) -> FlushResult:
    """Have everything that was captured stored; workers alive are asked to do it."""
    if _is_writable(home):
        _tidy(home, spool.ORPHAN_CAP_BYTES)
    result, asked, seen = FlushResult(), [], set()
    for agent, session_id, folder in _by_age(home):
        session = Session(home, agent, session_id)
        count = len(spool.event_files(folder))
        if agent not in agents.names() or session_id == spool.COMMON:
            result += _left(session, count, NOT_WHOLE if agent in agents.names() else NO_AGENT)
        elif not _is_writable(home):
            result += _left(session, count, f"{home.root} cannot be written")
        elif count or not Presence(folder).is_free():
            seen.add(session)
            settled = _settle(session, env, max(0.0, until - time.monotonic()) if wait else 0.0)
            if settled is not None:
                result += settled
            elif wait:
                asked.append(_Request(session))
    for request in asked:
        result += request.result(env, until)
    for session in _others(home, seen):
        result += _settle(session, env) or FlushResult()
    return result


def _others(home: Home, seen: set[Session]) -> list[Session]:
    """Sessions with an open turn whose agent is dead, but for those."""
    if not home.store.exists() or not _is_writable(home):
        return []
    try:
        with Store.open(home.store) as store:
            return [session for session in forsaken(home, store) if session not in seen]
    except TracerError:
        if not seen:
            raise
        return []


class _Request:
    """A worker asked to settle what it can: the file goes when it has, or says why it cannot."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._file = session.folder / f"flush.{os.getpid()}"
        self._problem = ""
        try:
            self._file.touch()
        except OSError as error:
            self._problem = f"{self._file.parent}: {error.strerror or error}"

    def result(self, env: Mapping[str, str], until: float) -> FlushResult:
        """What is left; where the worker went away instead of answering, its work is done."""
        try:
            while time.monotonic() < until:
                why = self._answer()
                if why is None:
                    return FlushResult()
                if why:
                    return _left(self._session, max(1, self._count()), why)
                if Presence(self._session.folder).is_free():
                    settled = _settle(self._session, env, until - time.monotonic())
                    if settled is not None:
                        return settled
                time.sleep(PACE.busy_poll_s)
            return _left(self._session, max(1, self._count()), NO_ANSWER)
        finally:
            from harness_tracing.worker.process import answer

            answer([self._file])

    def _answer(self) -> Optional[str]:
        """None: settled; a text: why not; empty: no answer yet."""
        try:
            return self._problem or self._file.read_text(encoding="utf-8")
        except OSError:
            return None

    def _count(self) -> int:
        return len(spool.event_files(self._session.folder))
