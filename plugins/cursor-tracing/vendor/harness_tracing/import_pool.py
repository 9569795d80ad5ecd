"""History over several processes: one per core, each with a store of its own."""

from __future__ import annotations

import gc
import signal
import sys
import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness_tracing.importer import Imported, Importer, Wanted
from harness_tracing.paths import Home
from harness_tracing.store import Store

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

BATCH_BYTES = 12 << 20


def import_all(
    home: Home, env: Mapping[str, str], wanted: Sequence[Wanted], jobs: int
) -> Generator[Imported, None, None]:
    """Import sessions; what became of each, as they are done. The processes start at once.

    Raises StoreError when there is no using the store. A process that dies fails the sessions
    that were not done; the next run takes them, as it does after a Ctrl-C: that waits for the
    sessions at work and begins no other.
    """
    with Store.open(home.store):
        pass  # made or migrated by one, before several use it
    batches = list(_batches(wanted, jobs))
    if min(jobs, len(batches)) < 2:
        return _alone(home, env, batches)
    return _results(_processes(home, env, min(jobs, len(batches))), batches)


def size(wanted: Wanted) -> int:
    """How many bytes a session's files have."""
    found = 0
    for path in (wanted.session.path, *wanted.session.parts):
        with suppress(OSError):
            found += Path(path).stat().st_size
    return found


def _batches(wanted: Sequence[Wanted], jobs: int) -> Iterator[list[Wanted]]:
    """The sessions in groups that are stored together; the largest first, and alone.

    So no process is left with a long one at the end.
    """
    sized = sorted(((size(each), each) for each in wanted), key=lambda sized: -sized[0])
    most = min(BATCH_BYTES, sum(each_size for each_size, _ in sized) // (8 * jobs))
    batch: list[Wanted] = []
    together = 0
    for each_size, each in sized:
        batch.append(each)
        together += each_size
        if together >= most:
            yield batch
            batch, together = [], 0
    if batch:
        yield batch


def _alone(
    home: Home, env: Mapping[str, str], batches: Sequence[Sequence[Wanted]]
) -> Generator[Imported, None, None]:
    with Store.open(home.store) as store:
        store.expect_much()
        importer = Importer(home, env, store)
        for batch in batches:
            yield from importer.take_all(batch)


class _Process:
    """One process of the pool, this side of its pipe, and the sessions it is at."""

    def __init__(self, context: Any, before: Sequence[_Process], *start: Any) -> None:
        self.pipe, theirs = context.Pipe()
        self.batch: Sequence[Wanted] = ()
        forks = context.get_start_method() == "fork"
        # A fork has this side of all pipes up to its own: it would never see that we left.
        inherited = (self.pipe, *(process.pipe for process in before)) if forks else ()
        arguments = (theirs, inherited, *start)
        self._arguments = arguments  # a lock has to be there until the process has it
        self._process = context.Process(target=_serve, args=arguments, daemon=True)
        self._process.start()
        theirs.close()

    def give(self, batch: Sequence[Wanted]) -> None:
        self.batch = batch
        # Where it is dead its pipe has ended, which is seen when its answer is read.
        with suppress(OSError):
            self.pipe.send(batch)

    def leave(self) -> None:
        """Let it end when it is done with what it is at."""
        self.pipe.close()

    def wait(self) -> None:
        self._process.join()

    def kill(self) -> None:
        self._process.terminate()


def _processes(home: Home, env: Mapping[str, str], count: int) -> list[_Process]:
    from multiprocessing import get_context

    # A fork has everything imported. It is safe where nobody else runs in this process, of which
    # `threading` does not know all; what is open here (no store is) stays its parent's.
    forks = sys.platform == "linux" and len([*Path("/proc/self/task").glob("*")]) == 1
    context = get_context("fork" if forks else "spawn")
    writing = context.Lock()
    found: list[_Process] = []
    with _no_interrupt():  # nor do those that are started here see one
        for _ in range(count):
            found.append(_Process(context, found, str(home.root), dict(env), writing))
    return found


def _results(
    processes: Sequence[_Process], batches: Sequence[Sequence[Wanted]]
) -> Generator[Imported, None, None]:
    from multiprocessing.connection import wait

    try:
        waiting = iter(batches)
        busy: dict[Any, _Process] = {}
        for process, batch in zip(processes, waiting):
            process.give(batch)
            busy[process.pipe] = process
        while busy:
            for pipe in wait(list(busy)):
                try:
                    done = busy[pipe].pipe.recv()
                except (EOFError, OSError):
                    # It may have died with the turn to write, for which the others would wait.
                    for process in processes:
                        process.kill()
                    at_work = (process.batch for process in busy.values())
                    yield from (_lost(each) for batch in (*at_work, *waiting) for each in batch)
                    return
                following = next(waiting, None)
                if following is None:
                    del busy[pipe]
                else:
                    busy[pipe].give(following)
                yield from done
    finally:
        for process in processes:
            process.leave()
        for process in processes:
            process.wait()


def _lost(wanted: Wanted) -> Imported:
    session, reason = wanted.session, "its process ended before it was done"
    return Imported(wanted.agent, session.session_id, session.path, "failed", 0, reason)


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


def _serve(
    pipe: Connection,
    inherited: Sequence[Connection],
    root: str,
    env: Mapping[str, str],
    writing: AbstractContextManager[Any],
) -> None:
    """A process of the pool: takes what it is given until nobody is left at the other end."""
    for other in inherited:
        other.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Sessions make hundreds of thousands of values and hardly a cycle among them: the collector,
    # a tenth of the time otherwise, looks once per batch and at nothing older.
    gc.freeze()
    gc.disable()
    home = Home(Path(root))
    with Store.open(home.store) as store, suppress(EOFError, OSError):
        store.expect_much()
        importer = Importer(home, env, store, writing=writing)
        while True:
            pipe.send(importer.take_all(pipe.recv()))
            gc.collect()
