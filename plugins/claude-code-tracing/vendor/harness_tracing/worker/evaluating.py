"""Having new turns judged: a child process, started when something is due and nobody does it yet.

Nothing of evaluation is loaded here: a look at the store says whether there is something, and the
child does the rest. It gets the environment of this process, for its keys, without what a
project's files have put there, and is never traced itself.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Optional

from harness_tracing.errors import NoStoreError
from harness_tracing.locks import FileLock
from harness_tracing.paths import Home
from harness_tracing.store import Store
from harness_tracing.store.task_queue import names_in
from harness_tracing.worker.process import start_detached
from harness_tracing.worker.settings import without_projects

LOOK_S = 60.0
"""How often it is looked whether something has become due by itself."""
AGAIN_S = 5.0
"""How soon after a child another one is started, and twice as long each time it was in vain."""
LONGEST_S = 60.0


def command(home: Home) -> list[str]:
    """How the child of this installation is started."""
    words = [sys.executable, "-I", "-B", "-m", "harness_tracing.evaluate"]
    return [*words, "--home", str(home.root)]


def start_child(home: Home, env: Mapping[str, str]) -> Optional[subprocess.Popen[bytes]]:
    """Have what is due judged by a process that nobody waits for."""
    return start_detached(command(home), {**without_projects(home, env), "HARNESS_UNTRACED": "1"})


def start_if_due(home: Home, env: Mapping[str, str]) -> bool:
    """The same if there is something to judge; whether there is."""
    with suppress(NoStoreError), Store.open(home.store, readonly=True) as store:
        if is_due(home, store, env):
            if _is_free(FileLock(home.evaluate_lock)):
                start_child(home, env)
            return True
    return False


def is_due(home: Home, store: Store, env: Mapping[str, str]) -> bool:
    """Whether a child of this process would have something to judge."""
    queue, now_ns = store.evaluations.queue, time.time_ns()
    # Mostly nothing is: then no project's settings have to be read for what they add.
    return queue.is_due(now_ns, names_in(env)) and queue.is_due(
        now_ns, names_in(without_projects(home, env))
    )


def _is_free(lock: FileLock) -> bool:
    """Whether no child is at work; one that is will look once more before it leaves."""
    free = lock.acquire()
    lock.release()
    return free


class Evaluating:
    """A worker's look at what is to be judged: cheap, and rare where nothing happens."""

    def __init__(self, home: Home, env: Mapping[str, str]) -> None:
        self._home, self._env = home, env
        self.child: Optional[subprocess.Popen[bytes]] = None
        self._look_at = 0.0
        self._again_s = AGAIN_S

    def wake(self) -> None:
        """A turn has become final."""
        if self.child is None:
            self._look_at = 0.0

    def tend(self, store: Store) -> None:
        """Start a child when something is due; one at a time, and seldom when that is in vain."""
        if self.child is not None and self.child.poll() is None:
            return
        now = time.monotonic()
        if now < self._look_at:
            return
        if not is_due(self._home, store, self._env):
            self.child, self._again_s, self._look_at = None, AGAIN_S, now + LOOK_S
            return
        if self.child is not None:
            self._again_s = min(2 * self._again_s, LONGEST_S)
        self.child, self._look_at = start_child(self._home, self._env), now + self._again_s
