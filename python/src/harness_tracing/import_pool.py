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

BATCH_BYTES = 4 << 20


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
            for batch in _batches(wanted):
                yield from importer.take_all(batch)
            return
    yield from _in_processes(home, env, wanted, jobs)


def _batches(wanted: Sequence[Wanted]) -> Iterator[list[Wanted]]:
    """The sessions in groups that are stored together; the largest first, and alone.

    So no process is left with a long one at the end.
    """
    batch: list[Wanted] = []
    size = 0
    for each in sorted(wanted, key=_size, reverse=True):
        batch.append(each)
        size += _size(each)
        if size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


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
            futures = {pool.submit(_take, batch): batch for batch in _batches(wanted)}
        try:
            for future in as_completed(futures):
                try:
                    yield from future.result()
                except BrokenProcessPool:
                    yield from map(_lost, futures[future])
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _lost(wanted: Wanted) -> Imported:
    session, reason = wanted.session, "its process ended before it was done"
    return Imported(wanted.agent, session.session_id, session.path, "failed", 0, reason)


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
    # Sessions make hundreds of thousands of values and hardly a cycle among them: the collector,
    # a tenth of the time otherwise, looks once per batch and at nothing older.
    gc.freeze()
    gc.disable()


def _take(batch: Sequence[Wanted]) -> list[Imported]:
    assert _importer is not None
    try:
        return _importer.take_all(batch)
    finally:
        gc.collect()
