"""Checks of our own files: permissions, the store and its disk, the spool."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Callable

from harness_tracing import agents, spool
from harness_tracing.doctor import Finding, Place
from harness_tracing.locks import FileLock
from harness_tracing.observe.text import duration, plural
from harness_tracing.store import Store

_LEAST_FREE_BYTES = 100 * 1_000_000
# Events of a session without a worker are taken up within seconds of the next hook.
_STARTING_NS = 60 * 10**9
_MEGABYTE = 1_000_000
_MANY_BYTES = 64 * _MEGABYTE
_SWEEP_S = 60.0


def check_permissions(place: Place) -> Iterator[Finding]:
    """Whether our files are ours and nobody else's: they hold what was said and done."""
    home, problems = place.home, 0
    if not home.root.exists():
        return
    paths = [home.root, home.config, home.store, home.spool, home.quarantine, home.logs]
    paths += home.root.glob(home.store.name + "-*")
    paths += home.logs.glob("*")
    for path in paths:
        for finding in _permissions(path):
            problems += 1
            yield finding
    if not os.access(home.root, os.W_OK):
        problems += 1
        yield Finding(
            str(home.root),
            False,
            "cannot be written",
            f"chmod u+w {home.root}",
            lambda: _allow(home.root, stat.S_IRWXU),
        )
    if not problems:
        yield Finding(str(home.root), True, "only you can read it")


def _permissions(path: Path) -> Iterator[Finding]:
    if os.name != "posix":
        return
    try:
        status = path.lstat()
    except OSError:
        return
    if status.st_uid != os.geteuid():
        yield Finding(
            str(path), False, "belongs to another user", f"chown -R $(id -u) {path}, or remove it"
        )
    elif status.st_mode & 0o077 and not stat.S_ISLNK(status.st_mode):
        mode = stat.S_IMODE(status.st_mode)
        yield Finding(
            str(path),
            False,
            f"others may look into it (mode {mode:o})",
            f"chmod go-rwx {path}",
            lambda: _allow(path, 0),
        )


def _allow(path: Path, more: int) -> str:
    """Let only the user at a file, and that one with these rights as well."""
    mode = (stat.S_IMODE(path.stat().st_mode) & ~0o077) | more
    path.chmod(mode)
    return f"{path} has mode {mode:o} now"


def check_store(place: Place) -> Iterator[Finding]:
    """Whether the store can be used, and what is in it; whether its disk has room."""
    path = place.home.store
    if not path.exists():
        yield Finding(str(path), True, "nothing has been traced yet")
    else:
        with Store.open(path) as store:
            stats = store.stats()
            for warning in store.warnings:
                remedy = "ARIZE_HARNESS_HOME may name a local folder instead"
                yield Finding(str(path), False, warning, remedy)
        size = f"{stats.file_bytes / _MEGABYTE:.1f} MB"
        held = f"{plural(stats.sessions, 'session')}, {plural(stats.turns, 'turn')}"
        yield Finding(str(path), True, f"{held}, {size}")
    folder = next(each for each in (place.home.root, *place.home.root.parents) if each.exists())
    network = None if path.exists() else place.network(folder)
    if network is not None:
        yield Finding(
            str(folder),
            False,
            f"lies on a network file system ({network}): the store will be slow there",
            "ARIZE_HARNESS_HOME may name a local folder instead",
        )
    free = place.free_bytes(folder)
    if free < _LEAST_FREE_BYTES:
        remedy = "free some space; `harness prune --older-than 30d` makes room in the store"
        yield Finding(str(folder), False, f"{free // _MEGABYTE} MB are free on its disk", remedy)


def check_spool(place: Place) -> Iterator[Finding]:
    """Whether captured events wait that nobody works on, or could not be read."""
    waiting, forsaken = 0, []
    for agent, session_id, folder in spool.session_folders(place.home):
        files = spool.event_files(folder)
        waiting += len(files)
        free = is_free(folder)
        forsaken += files if free else []
        yield from _session(place, agent, session_id, files, free)
        yield from _mark_of_the_dead(place, folder, free)
    yield from _orphans(place, forsaken)
    quarantined = [path for path in place.home.quarantine.glob("*/*/*") if path.is_file()]
    if quarantined:
        yield Finding(
            str(place.home.quarantine),
            False,
            f"{plural(len(quarantined), 'captured event')} could not be read",
            "they are kept for 14 days and hold raw payloads; look at them, or remove them",
        )
    yield Finding(str(place.home.spool), True, f"{plural(waiting, 'event')} of running turns")


def is_free(folder: Path) -> bool:
    """Whether nobody works on a session."""
    lock = FileLock(folder / "worker.lock")
    free = lock.acquire()
    lock.release()
    return free


def _session(
    place: Place, agent: str, session_id: str, files: list[spool.SpoolFile], free: bool
) -> Iterator[Finding]:
    subject, folder = f"{agent} session {session_id}", place.home.session_spool(agent, session_id)
    lost = spool.dropped(folder)
    if lost:
        yield Finding(
            subject,
            False,
            f"{plural(lost, 'event')} dropped: the spool outgrew its cap",
            "`harness flush --wait` stores the rest, with a note of what is missing",
            _sweep(place),
        )
    if not files:
        return
    count = plural(len(files), "event")
    if agent not in agents.names():
        yield Finding(
            subject,
            False,
            f"{count} waiting: this version knows no agent of that name",
            "use the newest `harness`",
        )
        return
    age_ns = place.now_ns - files[0].at_ns
    if free and age_ns > _STARTING_NS:
        log = place.home.logs / f"{agent}.log"
        yield Finding(
            subject,
            False,
            f"{count} waiting for {duration(age_ns)}, and no worker is there",
            f"`harness flush --wait` takes them up or says why not; see {log}",
            _sweep(place),
        )


def _mark_of_the_dead(place: Place, folder: Path, free: bool) -> Iterator[Finding]:
    """A killed worker's mark counts for seconds, unless the clock was set back since."""
    mark = folder / "worker.pid"
    with suppress(OSError):
        ahead_ns = mark.stat().st_mtime_ns - place.now_ns
        if free and ahead_ns > _STARTING_NS:
            yield Finding(
                str(mark),
                False,
                f"says for {duration(ahead_ns)} more that a worker lives, and there is none:"
                " hooks start no other",
                f"rm {mark}",
                lambda: _removed(mark),
            )


def _removed(path: Path) -> str:
    path.unlink(missing_ok=True)
    return f"{path} is gone"


def _orphans(place: Place, files: list[spool.SpoolFile]) -> Iterator[Finding]:
    size = sum(file.size for file in files)
    if size > _MANY_BYTES:
        yield Finding(
            str(place.home.spool),
            False,
            f"{plural(len(files), 'event')} that nobody works on: {size // _MEGABYTE} MB;"
            f" from {spool.ORPHAN_CAP_BYTES // _MEGABYTE} MB on the oldest are dropped",
            "`harness flush --wait` takes them up or says why not",
            _sweep(place),
        )


def _sweep(place: Place) -> Callable[[], str]:
    def mend() -> str:
        from harness_tracing import worker

        left = worker.sweep(place.home, place.env, deadline_s=_SWEEP_S)
        rest = f"; {'; '.join(left.messages)}" if left.messages else ""
        return f"what waited in the spool was taken up{rest}"

    return mend


def check_capture(place: Place) -> Iterator[Finding]:
    """Whether hooks left word of a failure (`capture.py` does)."""
    log = place.home.logs / "capture.log"
    with suppress(FileNotFoundError):
        lines = log.read_text(encoding="utf-8", errors="replace").strip().split("\n")
        age = duration(place.now_ns - log.stat().st_mtime_ns)
        yield Finding(
            str(log),
            False,
            f"a hook could not capture its event {age} ago: {lines[-1]}",
            f"mend that and remove {log}",
        )
