"""A worker's life: take the session's lock, work while there is work, leave without losing any."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Callable, Optional, Protocol

from harness_tracing.paths import Home
from harness_tracing.spool import FolderWatch
from harness_tracing.worker.presence import PACE, Pace, Presence, Session


class Work(Protocol):
    """What a worker does, as `SessionWork` does it."""

    moved: list[str]

    def step(self) -> bool:
        """Read all there is, let time pass, store what changed. True when anything was new."""

    def agent_alive(self) -> bool:
        """Whether the agent's process is there."""

    @property
    def left(self) -> int:
        """How many events lie in the spool that have not been taken in."""

    @property
    def unseen(self) -> bool:
        """Whether events lie in the spool that have not even been looked at."""

    @property
    def pending(self) -> bool:
        """Whether moments alone will settle something."""

    @property
    def over(self) -> bool:
        """Whether the session has ended and everything of it is stored."""

    @property
    def has_open_turn(self) -> bool:
        """Whether a turn is not told as final yet."""


class StoreGoneError(Exception):
    """The store's file was moved away or removed while we had it open."""


class Worker:
    """Works on one session until that is over, its agent is dead, or nothing happens.

    `sweep` looks after forsaken sessions, `start` has another session worked on. `delivered`
    says whether all that can be sent has been; a patient one waits for backends that fail. Raises
    StoreGoneError when the store's file is not the one any more that was there at first.
    """

    def __init__(
        self,
        session: Session,
        work: Work,
        presence: Presence,
        *,
        sweep: Callable[[], object],
        start: Callable[[str], object],
        delivered: Callable[[bool], bool] = lambda patient: True,
        pace: Pace = PACE,
    ) -> None:
        self.session, self.work, self.presence = session, work, presence
        self._sweep, self._start, self._pace = sweep, start, pace
        self._delivered = delivered
        self._quiet_since = time.monotonic()
        self._swept = False
        self._store_file = _identity(session.home.store)
        self._watch = FolderWatch(session.folder)
        self._requests: list[Path] = []

    def run(self) -> None:
        """Work until it is time to leave; the lock is free after."""
        while self._until_leaving():
            if not self._swept:
                self._swept = True
                self._sweep()
            # Whoever fires a hook from here on sees no worker and starts one; an event that
            # came before that is found by looking once more.
            self.presence.leave()
            if not self.work.unseen or not self.presence.enter():
                return

    def _until_leaving(self) -> bool:
        """Work; False when the session's folder is not ours any more."""
        while self.presence.holds():
            # Asked before, so that the answer covers all that had happened then.
            if self._requests or self._watch.changed():
                self._requests = flush_requests(self.session.folder)
            new = self._step()
            self.presence.beat()
            if new:
                self._quiet_since = time.monotonic()
            elif self._requests:
                self._answer()
            else:
                self._sweep_once()
                if self._may_leave():
                    return True
            time.sleep(self._pause(new))
        return False

    def _answer(self) -> None:
        """Tell those who asked when everything is stored, or, where they wait for it, sent."""
        if self.work.pending or self.work.left:
            return
        waiting = [request for request in self._requests if request.name.startswith(WAIT)]
        answer([request for request in self._requests if request not in waiting])
        if waiting and self._delivered(True):
            answer(waiting)

    def _step(self) -> bool:
        if _identity(self.session.home.store) != self._store_file:
            raise StoreGoneError
        new = self.work.step()
        for session_id in dict.fromkeys(self.work.moved):
            self._start(session_id)
        self.work.moved.clear()
        return new

    def _sweep_once(self) -> None:
        """Look after forsaken sessions, once, when the own one is quiet."""
        quiet_s = time.monotonic() - self._quiet_since
        if not self._swept and quiet_s > self._pace.sweep_after_s:
            self._swept = True
            self._sweep()

    def _may_leave(self) -> bool:
        if self.work.pending or self.work.left or not self._delivered(False):
            return False
        if self.work.over or not self.work.agent_alive():
            return True
        quiet_s = time.monotonic() - self._quiet_since
        return not self.work.has_open_turn and quiet_s > self._pace.idle_s

    def _pause(self, new: bool) -> float:
        if new or self._requests or self.work.pending:
            return self._pace.busy_poll_s
        return self._pace.turn_poll_s if self.work.has_open_turn else self._pace.idle_poll_s


def _identity(path: Path) -> Optional[tuple[int, int]]:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


# -- being asked to settle what can be settled

WAIT = "flush.wait."
"""How requests begin that also wait until everything is sent."""
LONGEST_WAIT_S = 660.0
"""Longer than a hook waits (wait.sh): whoever asked was killed, and nobody must stay for it."""


def flush_requests(folder: Path) -> list[Path]:
    """The files by which `harness flush` asks a live worker to settle what it can."""
    found = []
    for request in sorted(folder.glob("flush.*")):
        with suppress(OSError):
            status = request.stat()
            if request.name.startswith(WAIT) and time.time() - status.st_mtime > LONGEST_WAIT_S:
                request.unlink()
            elif status.st_size == 0:
                found.append(request)
    return found


def answer(requests: list[Path], why: str = "") -> None:
    """Say that all is settled: the file goes; or why it cannot be: the reason stands in it."""
    for request in requests:
        with suppress(OSError):
            if not why:
                request.unlink()
                continue
            # Only where it still lies: who asked may have given up.
            with open(os.open(request, os.O_WRONLY | os.O_TRUNC), "w", encoding="utf-8") as file:
                file.write(why)


# -- processes


def command(home: Home, *arguments: str) -> list[str]:
    """How a worker of this installation is started."""
    words = [sys.executable, "-I", "-B", "-m", "harness_tracing.worker", "--home", str(home.root)]
    return [*words, *arguments]


def start_worker(session: Session, env: Mapping[str, str]) -> None:
    """Start a detached worker for another session."""
    words = ("--agent", session.agent, "--session", session.session_id)
    start_detached(command(session.home, *words), env)


def start_sweep(home: Home, env: Mapping[str, str]) -> None:
    """Start a detached process that looks after forsaken sessions: our own need not wait."""
    start_detached(command(home, "--sweep"), env)


def start_detached(words: list[str], env: Mapping[str, str]) -> Optional[subprocess.Popen[bytes]]:
    """Start a process that outlives us and that nobody waits for; None where that fails."""
    with suppress(OSError):
        return subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=dict(env),
            cwd="/" if os.name == "posix" else None,
            start_new_session=True,
        )
    return None


def detach() -> None:
    """Leave the agent's process group, so that nothing it is sent reaches us."""
    if os.name == "posix":
        with suppress(OSError):
            os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def hand_over(home: Home, arguments: list[str], log: logging.Logger) -> int:
    """The store is newer than we are: let the installed version go on with the session."""
    current = home.current / "bin" / "python"
    if not current.exists() or home.current.resolve() == Path(sys.prefix).resolve():
        log.error("the store was written by a newer version; events wait until that is installed")
        return 0
    words = [str(current), "-I", "-B", "-m", "harness_tracing.worker", *arguments]
    # Its own process, not ours made over: the lock we gave back is free for it to take.
    return subprocess.call(words)
