"""Checks of our own files: permissions, the installed version, the store, the spool."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from harness_tracing import agents, bootstrap, spool
from harness_tracing.doctor import Finding, Place
from harness_tracing.environments import python_of, starts
from harness_tracing.locks import FileLock
from harness_tracing.observe.text import duration, plural
from harness_tracing.store import Store

_LEAST_FREE_BYTES = 100 * 1_000_000
# Events of a session without a worker are taken up within seconds of the next hook.
_STARTING_NS = 60 * 10**9
_MEGABYTE = 1_000_000


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
        yield Finding(str(home.root), False, "cannot be written", f"chmod u+w {home.root}")
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
            str(path), False, f"others may look into it (mode {mode:o})", f"chmod go-rwx {path}"
        )


def check_installation(place: Place) -> Iterator[Finding]:
    """Whether the version that plugins' hooks start is there and starts."""
    progress, current = bootstrap.status(place.home), place.home.current
    again = "`harness bootstrap --rebuild` builds it anew and says each step"
    if progress.state == "failed":
        yield Finding("bootstrap", False, progress.message, again)
    elif progress.state == "interrupted":
        yield Finding("bootstrap", False, "it was interrupted", again)
    elif progress.state == "building":
        yield Finding("bootstrap", True, progress.message)
    if current.exists():
        if starts(current, place.env):
            yield Finding(str(current), True, f"version {_version(current)} starts")
        else:
            yield Finding(str(current), False, f"{python_of(current)} does not start", again)
    elif progress.state in ("never ran", "ready"):
        yield Finding(
            "bootstrap",
            progress.state == "never ran",
            "no version is installed; a plugin's first session or `harness bootstrap` does that",
            "" if progress.state == "never ran" else again,
        )


def _version(current: Path) -> str:
    with suppress(OSError):
        return (current / "version").read_text(encoding="ascii").strip()
    return "unknown"


def check_store(place: Place) -> Iterator[Finding]:
    """Whether the store can be used, and what is in it; whether its disk has room."""
    path = place.home.store
    if not path.exists():
        yield Finding(str(path), True, "nothing has been traced yet")
    else:
        with Store.open(path) as store:
            stats = store.stats()
            for warning in store.warnings:
                yield Finding(str(path), False, warning)
        size = f"{stats.file_bytes / _MEGABYTE:.1f} MB"
        held = f"{plural(stats.sessions, 'session')}, {plural(stats.turns, 'turn')}"
        yield Finding(str(path), True, f"{held}, {size}")
    folder = next(each for each in (place.home.root, *place.home.root.parents) if each.exists())
    free = shutil.disk_usage(folder).free
    if free < _LEAST_FREE_BYTES:
        remedy = "free some space; `harness prune --older-than 30d` makes room in the store"
        yield Finding(str(folder), False, f"{free // _MEGABYTE} MB are free on its disk", remedy)


def check_spool(place: Place) -> Iterator[Finding]:
    """Whether captured events wait that nobody works on, or could not be read."""
    waiting = 0
    for agent, session_id, folder in spool.session_folders(place.home):
        files = spool.event_files(folder)
        waiting += len(files)
        yield from _session(place, agent, session_id, folder, files)
    quarantined = [path for path in place.home.quarantine.glob("*/*/*") if path.is_file()]
    if quarantined:
        yield Finding(
            str(place.home.quarantine),
            False,
            f"{plural(len(quarantined), 'captured event')} could not be read",
            "they are kept for 14 days and hold raw payloads; look at them, or remove them",
        )
    yield Finding(str(place.home.spool), True, f"{plural(waiting, 'event')} of running turns")


def _session(
    place: Place, agent: str, session_id: str, folder: Path, files: list[spool.SpoolFile]
) -> Iterator[Finding]:
    subject = f"{agent} session {session_id}"
    lost = spool.dropped(folder)
    if lost:
        yield Finding(
            subject, False, f"{plural(lost, 'event')} were dropped: the spool outgrew its cap"
        )
    if not files:
        return
    if agent not in agents.names():
        yield Finding(
            subject,
            False,
            f"{plural(len(files), 'event')} wait, and this version knows no agent of that name",
            "use the newest `harness`",
        )
        return
    lock = FileLock(folder / "worker.lock")
    nobody = lock.acquire()
    lock.release()
    age_ns = place.now_ns - files[0].at_ns
    if nobody and age_ns > _STARTING_NS:
        log, count = place.home.logs / f"{agent}.log", plural(len(files), "event")
        yield Finding(
            subject,
            False,
            f"{count} have waited for {duration(age_ns)} and no worker is there",
            f"`harness flush --wait` takes them up or says why not; see {log}",
        )


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
