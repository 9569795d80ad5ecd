"""A worker from start to end: settings and store opened, trouble with them waited out."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from harness_tracing import spool
from harness_tracing.config import Settings
from harness_tracing.errors import StoreNewerError, TracerError
from harness_tracing.log import agent_log, log_to
from harness_tracing.store import Store
from harness_tracing.worker.couriers import Couriers
from harness_tracing.worker.evaluating import Evaluating
from harness_tracing.worker.presence import PACE, Pace, Presence, Session
from harness_tracing.worker.process import (
    StoreGoneError,
    Worker,
    answer,
    flush_requests,
    start_sweep,
    start_worker,
)
from harness_tracing.worker.retention import keep_retention
from harness_tracing.worker.session import SessionWork
from harness_tracing.worker.settings import keep, settings_for
from harness_tracing.worker.sweep import forsaken

CATCH_UP_S = 1.0
"""How long a worker may take, once, for what an older version stored."""


def live(session: Session, env: Mapping[str, str], presence: Presence, pace: Pace = PACE) -> None:
    """Be the session's worker, unless it has one, until there is nothing left to do.

    With broken settings or an unusable store the events stay where they are and it is tried
    again. Raises StoreNewerError when this version cannot work on the store at all.
    """
    if not presence.enter():
        return
    patience = _Patience(session, presence, pace)
    log = log_to(session.home.logs / f"{session.agent}.log", session.agent)
    try:
        while True:
            try:
                _serve(session, env, presence, pace)
                return
            except StoreNewerError:
                raise
            except StoreGoneError:
                log.warning("the store was moved away or removed; a new one is made")
            except TracerError as error:
                if not presence.holds() or not patience.outlasts(str(error), log):
                    return
    except StoreNewerError:
        raise
    except Exception:
        # The edge of the process: say it where a user can find it; events stay in the spool.
        if presence.holds():
            log.exception("session %s: the worker stopped", session.session_id)
    finally:
        presence.leave()


def _serve(session: Session, env: Mapping[str, str], presence: Presence, pace: Pace) -> None:
    settings = settings_for(session, env)
    if settings.untraced or not settings.enabled:
        _forget(session, presence, pace)
        return
    log = agent_log(settings, session.agent)
    for warning in settings.warnings:
        log.warning("%s", warning)
    keep(session, env, settings)
    couriers = Couriers(session.home, () if settings.dry_run else settings.destinations, log)
    with Store.open(session.home.store) as store:
        couriers.start()
        try:
            _worker(session, env, settings, store, couriers, presence, pace, log).run()
        finally:
            couriers.stop()


def _worker(
    session: Session,
    env: Mapping[str, str],
    settings: Settings,
    store: Store,
    couriers: Couriers,
    presence: Presence,
    pace: Pace,
    log: logging.Logger,
) -> Worker:
    def look_after_others() -> None:
        if forsaken(session.home, store, own=session):
            start_sweep(session.home, env)
        keep_retention(settings, store, log, time.time_ns())
        # What an older version stored; the next worker goes on where this one leaves it.
        until_s = time.monotonic() + CATCH_UP_S
        while store.catch_up() and time.monotonic() < until_s:
            pass

    def start(session_id: str) -> None:
        start_worker(Session(session.home, session.agent, session_id), env)

    evaluating = Evaluating(session.home, env)

    def settled() -> None:
        couriers.wake()
        evaluating.wake()

    def delivered(patient: bool) -> bool:
        evaluating.tend(store)
        return couriers.idle(store, time.time_ns(), patient=patient)

    return Worker(
        session,
        SessionWork(session, settings, store, log, on_settled=settled),
        presence,
        sweep=look_after_others,
        start=start,
        delivered=delivered,
        pace=pace,
    )


def _forget(session: Session, presence: Presence, pace: Pace) -> None:
    """Tracing is off by a setting that hooks do not see: what they wrote goes."""
    quiet_since = time.monotonic()
    while presence.holds() and time.monotonic() - quiet_since < pace.idle_s:
        presence.beat()
        for file in spool.event_files(session.folder):
            quiet_since = time.monotonic()
            with suppress(OSError):
                file.path.unlink()
        answer(flush_requests(session.folder))
        time.sleep(pace.idle_poll_s)


class _Patience:
    """Waits for the user to mend what keeps us from working, for as long as events come."""

    def __init__(self, session: Session, presence: Presence, pace: Pace) -> None:
        self._session, self._presence, self._pace = session, presence, pace
        self._asked: list[Path] = []
        self._said = ""
        self._retry_s = pace.retry_s
        self._known: set[str] = set()
        self._quiet_since = time.monotonic()

    def outlasts(self, why: str, log: logging.Logger) -> bool:
        """Wait and say why; True when it should be tried again, False when we have left."""
        if why != self._said:
            log.error("%s", why)
            self._said, self._retry_s = why, self._pace.retry_s
        answer(self._asked, why)
        until = time.monotonic() + self._retry_s
        self._retry_s = min(2 * self._retry_s, self._pace.longest_retry_s)
        while time.monotonic() < until and self._presence.holds():
            self._presence.beat()
            if flush_requests(self._session.folder):
                break
            if self._new_events():
                self._quiet_since = time.monotonic()
            elif time.monotonic() - self._quiet_since > self._pace.idle_s:
                return self._comes_back()
            time.sleep(self._pace.turn_poll_s)
        # Whoever asks now is told what comes of the next attempt.
        self._asked = flush_requests(self._session.folder)
        return self._presence.holds()

    def _new_events(self) -> bool:
        """Whether events came that were not there before."""
        keys = {file.key for file in spool.event_files(self._session.folder)}
        new, self._known = not keys <= self._known, keys
        return new

    def _comes_back(self) -> bool:
        """Leave as any worker does, looking once more after it."""
        self._presence.leave()
        return self._new_events() and self._presence.enter()
