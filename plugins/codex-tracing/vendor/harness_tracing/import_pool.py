"""History over several processes: one per core, each with a store of its own."""

from __future__ import annotations

import gc
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any, Optional

from harness_tracing.importer import Imported, Importer, Wanted
from harness_tracing.paths import Home
from harness_tracing.store import Store


def import_all(
    home: Home, env: Mapping[str, str], wanted: Sequence[Wanted], jobs: int
) -> Iterator[Imported]:
    """Import sessions; what became of each, as they are done.

    Raises StoreError when there is no using the store. A process that dies fails the sessions
    that were not done; the next run takes them, as it does after a Ctrl-C: that waits for the
    sessions at work and begins no other.
    """
    with Store.open(home.store) as store:
        if min(jobs, len(wanted)) < 2:
            importer = Importer(home, env, store)
            yield from map(importer.take, wanted)
            return
    yield from _in_processes(home, env, wanted, jobs)


def _in_processes(
    home: Home, env: Mapping[str, str], wanted: Sequence[Wanted], jobs: int
) -> Iterator[Imported]:
    from concurrent.futures import ProcessPoolExecutor, as_completed
    from concurrent.futures.process import BrokenProcessPool
    from multiprocessing import get_context

    context = get_context("spawn")  # what this process has open stays its own
    start = str(home.root), dict(env), context.Lock()
    with ProcessPoolExecutor(min(jobs, len(wanted)), context, _start, start) as pool:
        with _no_interrupt():  # nor do those that are started here see one
            # The long ones first, so that none is left to one process at the end.
            largest_first = sorted(wanted, key=_size, reverse=True)
            futures = {pool.submit(_take, each): each for each in largest_first}
        try:
            for future in as_completed(futures):
                each = futures[future]
                try:
                    yield future.result()
                except BrokenProcessPool:
                    reason = "its process ended before it was done"
                    session = each.session
                    yield Imported(
                        each.agent, session.session_id, session.path, "failed", 0, reason
                    )
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _size(wanted: Wanted) -> int:
    size = 0
    for path in (wanted.session.path, *wanted.session.parts):
        with suppress(OSError):
            size += Path(path).stat().st_size
    return size


@contextmanager
def _no_interrupt() -> Iterator[None]:
    """Let Ctrl-C pass by, here and in the processes that are started meanwhile.

    A terminal sends it to all of them. Who stops is this one; they end what they are at.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


_importer: Optional[Importer] = None


def _start(root: str, env: Mapping[str, str], writing: AbstractContextManager[Any]) -> None:
    """Begin a process of the pool: with a store of its own. Who is asked to stop is its parent."""
    global _importer
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    home = Home(Path(root))
    _importer = Importer(home, env, Store.open(home.store), writing=writing)
    # A session makes hundreds of thousands of values and hardly a cycle among them: the
    # collector, a tenth of the time otherwise, looks once per session and at nothing older.
    gc.freeze()
    gc.disable()


def _take(wanted: Wanted) -> Imported:
    assert _importer is not None
    try:
        return _importer.take(wanted)
    finally:
        gc.collect()
