"""Who works on a session: the lock that makes it one, the pid file by which hooks see it.

A worker holds both. A sweep holds the lock for moments and writes no pid file: a hook that
fires meanwhile starts a worker, and that one waits for the lock. So whatever order things
happen in, an event that was captured has somebody who looks for it afterwards.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from harness_tracing.locks import FileLock
from harness_tracing.paths import Home


@dataclass(frozen=True)
class Pace:
    """How often a worker looks, and how long it waits (seconds).

    `ahead_s`: capture.sh takes a worker for live while its pid file's time is ahead of the
    event's.
    """

    heartbeat_s: float = 10.0
    ahead_s: float = 30.0
    idle_s: float = 60.0
    sweep_after_s: float = 1.0
    busy_poll_s: float = 0.05
    turn_poll_s: float = 0.2
    idle_poll_s: float = 0.4
    retry_s: float = 2.0
    longest_retry_s: float = 60.0
    queue_s: float = 60.0


PACE = Pace()


@dataclass(frozen=True)
class Session:
    """Which session of which home is worked on."""

    home: Home
    agent: str
    session_id: str

    @property
    def folder(self) -> Path:
        """Its folder in the spool."""
        return self.home.session_spool(self.agent, self.session_id)


class Presence:
    """A session's lock and pid file, to be entered by a worker or borrowed by a sweep."""

    def __init__(self, folder: Path, pace: Pace = PACE) -> None:
        self._folder, self._pace = folder, pace
        self._lock = FileLock(folder / "worker.lock")
        self._pid_file = folder / "worker.pid"
        self._beaten = 0.0

    def enter(self) -> bool:
        """Become the session's worker; False when another one is, or is about to be."""
        if not self._lock.acquire() and not self._queue():
            return False
        self.beat(force=True)
        return True

    def _queue(self) -> bool:
        """Wait for a sweep to give the lock back; one of us is enough for that."""
        queue = FileLock(self._folder / "worker.next")
        if self._pid_file.exists() or not queue.acquire():
            return False
        try:
            until = time.monotonic() + self._pace.queue_s
            while time.monotonic() < until and not self._pid_file.exists():
                if self._lock.acquire():
                    return True
                time.sleep(self._pace.busy_poll_s)
            return False
        finally:
            queue.release()

    def borrow(self) -> bool:
        """Take the session for a moment, without being its worker; False when it has one."""
        if not self._lock.acquire():
            return False
        self.hide()
        return True

    def holds(self) -> bool:
        """Whether the session is ours: its folder may have been removed, and made again."""
        return self._lock.holds()

    def is_free(self) -> bool:
        """Whether nobody works on the session at this moment."""
        free = self._lock.acquire()
        self._lock.release()
        return free

    def beat(self, force: bool = False) -> None:
        """Say that this worker lives."""
        if not force and time.monotonic() - self._beaten < self._pace.heartbeat_s:
            return
        self._beaten = time.monotonic()
        ahead = time.time() + self._pace.ahead_s
        with suppress(OSError):
            if force or not self._pid_file.exists():
                descriptor = os.open(self._pid_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
                with os.fdopen(descriptor, "w", encoding="ascii") as stream:
                    stream.write(f"{os.getpid()}\n")
            os.utime(self._pid_file, (ahead, ahead))

    def hide(self) -> None:
        """From now on hooks start a new worker."""
        with suppress(OSError):
            self._pid_file.unlink()

    def leave(self) -> None:
        """Let others have the session. A pid file that is not ours any more stays."""
        if self.holds():
            self.hide()
        self._lock.release()
