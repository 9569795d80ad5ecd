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
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from harness_tracing.errors import StoreError, StoreNewerError
from harness_tracing.locks import FileLock
from harness_tracing.paths import Home
from harness_tracing.store import Store
from harness_tracing.worker.session import SessionWork

HEARTBEAT_S = 10.0
# capture.sh takes a worker for live while its pid file's time is ahead of the event's.
AHEAD_S = 30.0
IDLE_S = 60.0
SWEEP_AFTER_S = 1.0
BUSY_POLL_S = 0.05
TURN_POLL_S = 0.2
IDLE_POLL_S = 1.0
RETRY_S = 5.0


@dataclass(frozen=True)
class Session:
    """Which session a worker is for."""

    home: Home
    agent: str
    session_id: str

    @property
    def folder(self) -> Path:
        """Its folder in the spool."""
        return self.home.session_spool(self.agent, self.session_id)


class Presence:
    """The lock that makes a worker single, and the pid file by which hooks see it."""

    def __init__(self, folder: Path) -> None:
        self._lock = FileLock(folder / "worker.lock")
        self._pid_file = folder / "worker.pid"
        self._beaten = 0.0

    def enter(self) -> bool:
        """Become the session's worker; False when another one is."""
        if not self._lock.acquire():
            return False
        self.beat(force=True)
        return True

    def is_free(self) -> bool:
        """Whether the session has no worker at this moment."""
        free = self._lock.acquire()
        self._lock.release()
        return free

    def beat(self, force: bool = False) -> None:
        """Say that this worker lives."""
        if not force and time.monotonic() - self._beaten < HEARTBEAT_S:
            return
        self._beaten = time.monotonic()
        ahead = time.time() + AHEAD_S
        with suppress(OSError):
            descriptor = os.open(self._pid_file, os.O_WRONLY | os.O_CREAT, 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as stream:
                stream.truncate(0)
                stream.write(f"{os.getpid()}\n")
            os.utime(self._pid_file, (ahead, ahead))

    def hide(self) -> None:
        """From now on hooks start a new worker."""
        with suppress(OSError):
            self._pid_file.unlink()

    def leave(self) -> None:
        """Let another worker have the session."""
        self.hide()
        self._lock.release()


def flush_requests(folder: Path) -> list[Path]:
    """The files by which `harness flush` asks a live worker to settle what it can."""
    return sorted(folder.glob("flush.*"))


class Worker:
    """Works on one session until that is over, its agent is dead, or nothing happens."""

    def __init__(
        self,
        session: Session,
        work: SessionWork,
        presence: Presence,
        sweep: Callable[[], object],
    ) -> None:
        self.session, self.work, self.presence, self.sweep = session, work, presence, sweep
        self._quiet_since = time.monotonic()
        self._swept = False

    def run(self) -> None:
        """Work until it is time to leave; the lock is free after."""
        while True:
            self._until_leaving()
            if not self._swept:
                self._swept = True
                self.sweep()
            # Whoever fires a hook from here on sees no worker and starts one; an event that
            # came before that is found by looking once more.
            self.presence.leave()
            if not self.work.unseen:
                return
            if not self.presence.enter():
                return

    def _until_leaving(self) -> None:
        while self.session.home.root.exists():
            new = self.work.step()
            self.presence.beat()
            requests = flush_requests(self.session.folder)
            settled = not (new or self.work.waiting or self.work.reader.pending())
            if requests and settled:
                for request in requests:
                    with suppress(OSError):
                        request.unlink()
            if new:
                self._quiet_since = time.monotonic()
            elif not requests:
                self._sweep_once()
                if self._may_leave():
                    return
            time.sleep(self._pause(new, bool(requests)))

    def _sweep_once(self) -> None:
        """Look after forsaken sessions, once, when the own one is quiet."""
        if not self._swept and time.monotonic() - self._quiet_since > SWEEP_AFTER_S:
            self._swept = True
            self.sweep()

    def _may_leave(self) -> bool:
        if self.work.done or not self.work.agent_alive():
            return not self.work.reader.pending()
        if self.work.has_open_turn or self.work.reader.pending():
            return False
        return time.monotonic() - self._quiet_since > IDLE_S

    def _pause(self, new: bool, asked: bool) -> float:
        if new or asked or self.work.reader.pending():
            return BUSY_POLL_S
        return TURN_POLL_S if self.work.has_open_turn else IDLE_POLL_S


def open_store(home: Home, log: logging.Logger) -> Store:
    """Open the store; a full disk is waited out for as long as the home folder is there."""
    while True:
        try:
            return Store.open(home.store)
        except StoreNewerError:
            raise
        except StoreError as error:
            log.error("%s", error)
            time.sleep(RETRY_S)
            if not home.root.exists():
                raise


def command(home: Home, agent: str, session_id: str) -> list[str]:
    """How a worker of this installation is started."""
    words = [sys.executable, "-I", "-B", "-m", "harness_tracing.worker", "--home", str(home.root)]
    return [*words, "--agent", agent, "--session", session_id]


def start_worker(home: Home, agent: str, session_id: str, env: Mapping[str, str]) -> None:
    """Start a detached worker for another session."""
    with suppress(OSError):
        subprocess.Popen(
            command(home, agent, session_id),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=dict(env),
            cwd="/" if os.name == "posix" else None,
            start_new_session=True,
        )


def detach() -> None:
    """Leave the agent's process group, so that nothing it is sent reaches us."""
    if os.name == "posix":
        with suppress(OSError):
            os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def hand_over(home: Home, arguments: list[str], log: logging.Logger) -> int:
    """The store is newer than we are: let the installed version go on with the session."""
    current = home.current / "bin" / "python"
    if not current.exists() or current.resolve() == Path(sys.executable).resolve():
        log.error("the store was written by a newer version; events wait until that is installed")
        return 0
    words = [str(current), "-I", "-B", "-m", "harness_tracing.worker", *arguments]
    # Its own process, not ours made over: the lock we gave back is free for it to take.
    return subprocess.call(words)
