"""Working off what is due in a process of its own: one per home, niced, and never traced.

Started by a session's worker, a sweep or a command when something is due; it leaves when nothing
is. A kernel lock makes it single. Whoever comes while it works leaves at once: after giving the
lock back it looks once more, so that what was settled meanwhile is not forgotten.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Optional

from harness_tracing.config import load, user_home
from harness_tracing.errors import NoStoreError, TracerError
from harness_tracing.evaluate.catalogue import Catalogue, own_rules_of
from harness_tracing.evaluate.judges import judges_of
from harness_tracing.evaluate.own_rules import OwnRule
from harness_tracing.evaluate.running import Runner
from harness_tracing.evaluate.task_work import Means
from harness_tracing.locks import FileLock
from harness_tracing.paths import Home
from harness_tracing.store import Store
from harness_tracing.store.task_queue import names_in

_NICE = 5
_TRIES, _PAUSE_S = 5, 0.05


@contextmanager
def alone(home: Home) -> Iterator[bool]:
    """Be the one who works on the tasks of this home; gives False when somebody else is.

    Whoever only looks whether somebody is holds the lock for an instant: that is waited out.
    """
    lock = FileLock(home.evaluate_lock)
    for _ in range(_TRIES):
        if lock.acquire():
            break
        time.sleep(_PAUSE_S)
    try:
        yield lock.holds()
    finally:
        lock.release()


def means_of(home: Home, env: Mapping[str, str], store: Store, log: logging.Logger) -> Means:
    """What tasks of this home are worked on with; files of own rules get their versions."""
    own: dict[str, OwnRule] = {}
    gates: Mapping[str, str] = {}
    try:
        gates = load(env, home=home.root).gates
        own = own_rules_of(home, user_home(env))
        Catalogue(store, own).note_own_rules(time.time_ns())
    except TracerError as error:
        # Tasks that use one of them wait, and say so; the others do not need them.
        log.error("your own evaluators: %s", error)
    return Means(store, Catalogue(store, own, gates), judges_of(home, env), time.time_ns)


def is_due(home: Home, env: Mapping[str, str]) -> bool:
    """Whether a process with this environment has something to judge."""
    with suppress(NoStoreError), Store.open(home.store, readonly=True) as store:
        return store.evaluations.queue.is_due(time.time_ns(), names_in(env))
    return False


def live(home: Home, env: Mapping[str, str], log: logging.Logger) -> None:
    """Work until nothing is due, unless somebody else does. Raises what the store raises."""
    while is_due(home, env):
        with alone(home) as is_ours:
            if not is_ours:
                return
            with Store.open(home.store) as store:
                Runner(means_of(home, env, store, log), log, names_in(env)).work_off()


def be_quiet() -> None:
    """Leave the processor to whoever wants it."""
    if sys.platform != "win32":
        with suppress(OSError):
            os.nice(_NICE)


def pusher(home: Home) -> Optional[list[str]]:
    """The command that sends results on; None when there is nothing to send."""
    with suppress(NoStoreError), Store.open(home.store, readonly=True) as store:
        if not store.pushes.any_open():
            return None
        words = [sys.executable, "-I", "-B", "-m", "harness_tracing.worker"]
        return [*words, "--home", str(home.root), "--sweep"]
    return None
