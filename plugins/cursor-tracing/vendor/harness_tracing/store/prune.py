"""Deleting sessions so that their content leaves the disk, and what the store weighs."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from harness_tracing.store import codec, search
from harness_tracing.store.database import transaction


@dataclass(frozen=True)
class StoreStats:
    """What the store holds and weighs. `free_bytes` is room in the file for new content."""

    path: Path
    schema: str
    journal_mode: str
    sessions: int
    turns: int
    open_turns: int
    steps: int
    first_event_ns: Optional[int]
    last_event_ns: Optional[int]
    file_bytes: int
    wal_bytes: int
    free_bytes: int


def delete_session(connection: sqlite3.Connection, agent: str, session_id: str) -> bool:
    """Delete a session with all that belongs to it; False when there is none."""
    deleted = _delete(
        connection, "session_id = ? AND agent = ?", (codec.whole_text(session_id), agent)
    )
    return deleted > 0


def prune(connection: sqlite3.Connection, older_than_ns: int) -> int:
    """Delete the sessions whose last event is older; returns how many.

    What still waits to be sent stays.
    """
    waits = (
        "session_key IN (SELECT session_key FROM turns JOIN outbox USING (turn_key)"
        " WHERE state = 'waiting')"
    )
    return _delete(connection, f"last_event_ns < ? AND NOT {waits}", (older_than_ns,))


def _delete(connection: sqlite3.Connection, where: str, parameters: tuple[object, ...]) -> int:
    with transaction(connection):
        search.forget_sessions(connection, where, parameters)
        count = connection.execute(f"DELETE FROM sessions WHERE {where}", parameters).rowcount
    if count:
        _leave_the_disk(connection)
    return count


def _leave_the_disk(connection: sqlite3.Connection) -> None:
    """Make deleted content unreadable in the files too.

    Its words are merged out of the index. `secure_delete` has overwritten it within the pages;
    freed pages are given back, and the write-ahead log, which holds older versions of pages, is
    emptied.
    """
    search.clear_leftovers(connection)
    connection.execute("PRAGMA incremental_vacuum").fetchall()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def stats(connection: sqlite3.Connection, path: Path) -> StoreStats:
    """Counts and sizes, as of now."""

    def number(sql: str) -> int:
        return int(connection.execute(sql).fetchone()[0])

    version, page_size = number("PRAGMA user_version"), number("PRAGMA page_size")
    first_ns, last_ns = connection.execute(
        "SELECT (SELECT min(started_at_ns) FROM turns), (SELECT max(last_event_ns) FROM sessions)"
    ).fetchone()
    wal = path.with_name(path.name + "-wal")
    return StoreStats(
        path=path,
        schema=f"{version // 1000}.{version % 1000}",
        journal_mode=str(connection.execute("PRAGMA journal_mode").fetchone()[0]),
        sessions=number("SELECT count(*) FROM sessions"),
        turns=number("SELECT count(*) FROM turns"),
        open_turns=number("SELECT count(*) FROM turns WHERE final = 0"),
        steps=number("SELECT count(*) FROM steps"),
        first_event_ns=first_ns,
        last_event_ns=last_ns,
        file_bytes=number("PRAGMA page_count") * page_size,
        wal_bytes=wal.stat().st_size if wal.exists() else 0,
        free_bytes=number("PRAGMA freelist_count") * page_size,
    )
