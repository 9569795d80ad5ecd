"""The reading side of the spool: captured events, one file each (see capture/capture.sh).

A file's name is ``<Event>.<agent pid>.<shell pid>[.n]``, its content the payload, its mtime the
time of the event. It is written once and never changed; it is whole when it parses as JSON.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Container, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

import msgspec

from harness_tracing.agents.base import HookEvent
from harness_tracing.paths import Home

COMMON = "_common"
OURS = ("worker.", "flush.", ".")
SESSION_KEYS = ("session_id", "sessionId", "conversation_id", "conversationId", "thread_id")
# A writer needs milliseconds; a file that is not whole after this long never will be.
NEVER_WHOLE_NS = 10 * 10**9
QUARANTINE_DAYS = 14
ORPHAN_CAP_BYTES = 1 << 30
EMPTY_FOLDER_NS = 3600 * 10**9


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


def parse(content: bytes) -> Any:
    """JSON as a value; lone surrogates, which UTF-8 cannot hold, become U+FFFD.

    Raises ValueError when it is no JSON.
    """
    try:
        return msgspec.json.decode(content)
    except msgspec.DecodeError:
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
    content = file.path.read_bytes()
    try:
        payload = parse(content)
    except (ValueError, RecursionError):
        payload = None
    if not isinstance(payload, Mapping):
        if now_ns - file.at_ns < NEVER_WHOLE_NS:
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
    allowed = all(c.isascii() and (c.isalnum() or c in "._-") for c in text)
    return 0 < len(text) <= 128 and allowed and not text.startswith((".", "_"))


def move(file: SpoolFile, folder: Path) -> None:
    """Put an event into another session's folder; its time and name stay."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    target, number = folder / file.key, 0
    while target.exists():
        number += 1
        target = folder / f"{file.key}.{number}"
    with suppress(FileNotFoundError):
        file.path.rename(target)


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
    """Agent, session id and folder of every session in the spool, the common ones too."""
    with suppress(OSError):
        for agent in sorted(home.spool.iterdir()):
            with suppress(OSError):
                for folder in sorted(agent.iterdir()):
                    if folder.is_dir() and not folder.is_symlink():
                        yield agent.name, folder.name, folder


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
        move(file, home.session_spool(agent, session_id))
        sessions.append(session_id)
    return list(dict.fromkeys(sessions))


def remove_old_folder(folder: Path, now_ns: int) -> None:
    """Remove a session's folder that has been empty for an hour.

    Not sooner: a hook may be about to write into it.
    """
    with suppress(OSError):
        names = {entry.name for entry in os.scandir(folder)}
        quiet_ns = now_ns - folder.stat().st_mtime_ns
        if names <= {"worker.lock", "worker.pid"} and quiet_ns > EMPTY_FOLDER_NS:
            for name in names:
                (folder / name).unlink()
            folder.rmdir()


def cap_orphans(home: Home, limit_bytes: int = ORPHAN_CAP_BYTES) -> dict[str, int]:
    """Drop the oldest events of a spool that outgrew its cap; how many of each session.

    That happens only when no worker could run for very long: the disk is the user's.
    """
    files = [file for _, _, folder in session_folders(home) for file in event_files(folder)]
    total = sum(file.size for file in files)
    dropped: dict[str, int] = {}
    for file in sorted(files, key=lambda file: file.at_ns):
        if total <= limit_bytes:
            break
        with suppress(OSError):
            file.path.unlink()
        total -= file.size
        session = f"{file.path.parent.parent.name}/{file.path.parent.name}"
        dropped[session] = dropped.get(session, 0) + 1
    return dropped


def clock_ns() -> int:
    """Now, as file times tell it."""
    return time.time_ns()
