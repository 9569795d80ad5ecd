"""The reading side of the spool: captured events, one file each (see capture/capture.sh).

A file's name is ``<Event>.<agent pid>.<shell pid>[.n]``, its content the payload, its mtime the
time of the event. It is written once and never changed; it is whole when it parses as JSON.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Container, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from harness_tracing.locks import FileLock
from harness_tracing.paths import Home

if TYPE_CHECKING:
    from harness_tracing.agents.base import HookEvent

COMMON = "_common"
OURS = ("worker.", "flush.", ".")
DROPPED = "worker.dropped"
# Who a sub-agent works for comes first: its end belongs there.
SESSION_KEYS = (
    "parent_conversation_id",
    "session_id",
    "sessionId",
    "conversation_id",
    "conversationId",
    "thread_id",
)
_IN_IDS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"
# A writer needs milliseconds; a file that is not whole after this long never will be.
NEVER_WHOLE_NS = 10 * 10**9
QUARANTINE_DAYS = 14
ORPHAN_CAP_BYTES = 1 << 30
EMPTY_FOLDER_NS = 3600 * 10**9
# File times are coarse: a folder touched this recently may have changed again since.
COARSE_CLOCK_NS = 50_000_000
COARSEST_CLOCK_NS = 2 * 10**9


@dataclass(frozen=True)
class SpoolFile:
    """One event file: where it lies, what event it is, when it fired."""

    path: Path
    event: str
    at_ns: int
    pid: Optional[int]
    size: int

    @property
    def key(self) -> str:
        """The file's name, which no other event of the session has."""
        return self.path.name


def event_files(folder: Path, known: Container[str] = ()) -> list[SpoolFile]:
    """The events in a session's folder, in order of their time, but for those `known` by key."""
    found = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name in known or entry.name.startswith(OURS):
                    continue
                with suppress(OSError):
                    if entry.is_file(follow_symlinks=False):
                        found.append(_spool_file(folder, entry))
    except OSError:
        return []
    return sorted(found, key=lambda file: (file.at_ns, file.key))


def _spool_file(folder: Path, entry: os.DirEntry[str]) -> SpoolFile:
    status = entry.stat(follow_symlinks=False)
    parts = entry.name.split(".")
    pid = int(parts[1]) if len(parts) > 1 and parts[1].isdigit() else 0
    return SpoolFile(folder / entry.name, parts[0], status.st_mtime_ns, pid or None, status.st_size)


class FolderWatch:
    """Tells cheaply, by its time, whether something may have come into a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen_ns = -1

    def changed(self) -> bool:
        """Whether the folder may have changed since this was last asked; True the first time."""
        try:
            touched_ns = self._folder.stat().st_mtime_ns
        except OSError:
            return False
        if touched_ns == self._seen_ns:
            return False
        # Whole seconds only: some file systems know nothing finer.
        coarse_ns = COARSE_CLOCK_NS if touched_ns % 10**9 else COARSEST_CLOCK_NS
        settled = time.time_ns() - touched_ns > coarse_ns
        self._seen_ns = touched_ns if settled else -1
        return True


def parse(content: bytes) -> Any:
    """JSON as a value; lone surrogates, which UTF-8 cannot hold, become U+FFFD.

    Raises ValueError when it is no JSON.
    """
    import msgspec

    try:
        return msgspec.json.decode(content)
    except msgspec.DecodeError:
        import json

        text = content.decode("utf-8", "replace")
        return _without_surrogates(json.loads(text))


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8") if _has_surrogate(value) else value
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    return value


def _has_surrogate(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


def read_event(file: SpoolFile, now_ns: int) -> Optional[HookEvent]:
    """The event in a file; None while it is still being written.

    One that will never be whole (the disk was full) gives an event without a payload: its name
    and time are true all the same. Raises FileNotFoundError when it is gone.
    """
    from harness_tracing.agents.base import HookEvent

    content = file.path.read_bytes()
    try:
        payload = parse(content)
    except (ValueError, RecursionError):
        payload = None
    if not isinstance(payload, Mapping):
        # A time ahead of now is one from before the clock was set back.
        if abs(now_ns - file.at_ns) < NEVER_WHOLE_NS:
            return None
        payload = None
    return HookEvent(file.key, file.event, file.at_ns, payload, file.pid)


def session_of(payload: Mapping[str, Any]) -> Optional[str]:
    """The session a payload names, if it may be the name of a folder."""
    for key in SESSION_KEYS:
        value = payload.get(key)
        if isinstance(value, str) and is_session_id(value):
            return value
    return None


def is_session_id(text: str) -> bool:
    """Whether a session id is safe as a folder's name; capture.sh decides likewise."""
    return 0 < len(text) <= 128 and not text.strip(_IN_IDS) and text[0] not in "._"


def move(file: SpoolFile, folder: Path) -> bool:
    """Put an event into another folder; its time and name stay. False when that fails."""
    target, number = folder / file.key, 0
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        while target.exists():
            number += 1
            target = folder / f"{file.key}.{number}"
        file.path.rename(target)
    except OSError:
        return False
    return True


def quarantine(home: Home, file: SpoolFile) -> None:
    """Keep a file that cannot be used where a person can look at it, for 14 days."""
    session = file.path.parent
    move(file, home.quarantine / session.parent.name / session.name)


def clear_quarantine(home: Home, now_ns: int) -> None:
    """Remove what has been in quarantine for longer than its 14 days."""
    limit_ns = now_ns - QUARANTINE_DAYS * 86_400 * 10**9
    for path in home.quarantine.glob("*/*/*"):
        with suppress(OSError):
            if path.stat().st_mtime_ns < limit_ns:
                path.unlink()


def session_folders(home: Home) -> Iterator[tuple[str, str, Path]]:
    """Agent, session id and folder of every session in the spool, the common ones too.

    A link in the place of a folder, or a folder of somebody else's, is none of ours; capture
    does not write there either.
    """
    for agent in _folders(home.spool):
        for folder in _folders(agent):
            yield agent.name, folder.name, folder


def _folders(above: Path) -> list[Path]:
    if not is_ours(above):
        return []
    try:
        return sorted(folder for folder in above.iterdir() if is_ours(folder))
    except OSError:
        return []


def is_ours(folder: Path) -> bool:
    """Whether this is a folder, and of our own making."""
    try:
        status = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and (os.name != "posix" or status.st_uid == os.geteuid())


def file_common(home: Home, agent: str, now_ns: int) -> list[str]:
    """Move events of the common folder to the sessions their payloads name; those sessions."""
    sessions = []
    for file in event_files(home.session_spool(agent, COMMON)):
        try:
            event = read_event(file, now_ns)
        except OSError:
            continue
        if event is None:
            continue
        session_id = session_of(event.payload) if event.payload is not None else None
        if session_id is None:
            quarantine(home, file)
            continue
        if move(file, home.session_spool(agent, session_id)):
            sessions.append(session_id)
    return list(dict.fromkeys(sessions))


def remove_old_folders(home: Home, now_ns: int) -> None:
    """Remove the folders of sessions that have had no event for an hour.

    Not sooner: a hook may be about to write into one. Nobody else has it: we hold its lock.
    """
    for _, _, folder in session_folders(home):
        lock = FileLock(folder / "worker.lock")
        with suppress(OSError):
            quiet_ns = now_ns - folder.stat().st_mtime_ns
            if quiet_ns < EMPTY_FOLDER_NS or event_files(folder) or not lock.acquire():
                continue
            try:
                for entry in os.scandir(folder):
                    if entry.name.startswith(OURS):
                        (folder / entry.name).unlink()
                folder.rmdir()
            finally:
                lock.release()


def cap_orphans(home: Home, limit_bytes: int = ORPHAN_CAP_BYTES) -> dict[str, int]:
    """Drop the oldest events of a spool that outgrew its cap; how many of each session.

    Only of sessions that nobody works on. That happens when no worker could run for very
    long: the disk is the user's. How many went is left in the session's folder.
    """
    files = [file for _, _, folder in session_folders(home) for file in event_files(folder)]
    total = sum(file.size for file in files)
    lost: dict[Path, int] = {}
    locks = {file.path.parent: FileLock(file.path.parent / "worker.lock") for file in files}
    for file in sorted(files, key=lambda file: file.at_ns):
        if total <= limit_bytes:
            break
        folder = file.path.parent
        if not locks[folder].acquire():
            continue
        with suppress(OSError):
            file.path.unlink()
            total -= file.size
            lost[folder] = lost.get(folder, 0) + 1
    for folder, count in lost.items():
        with suppress(OSError):
            (folder / DROPPED).write_text(f"{dropped(folder) + count}\n", encoding="ascii")
    for lock in locks.values():
        lock.release()
    return {f"{folder.parent.name}/{folder.name}": count for folder, count in lost.items()}


def dropped(folder: Path) -> int:
    """How many events of a session were dropped and not told of yet."""
    try:
        return int((folder / DROPPED).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0


def told_of_dropped(folder: Path) -> None:
    """The store says by now that events of the session were dropped."""
    with suppress(OSError):
        (folder / DROPPED).unlink()
