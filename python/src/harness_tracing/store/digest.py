"""What is kept of final turns so that lists, sums and searches are quick."""

from __future__ import annotations

import sqlite3

from harness_tracing.store import search, sums
from harness_tracing.store.database import transaction
from harness_tracing.store.write import Written

_TURNS_PER_TRANSACTION = 20
_UNSUMMARIZED = "SELECT turn_key FROM turns WHERE final = 1 AND summarized = 0"
_UNINDEXED = (
    "SELECT turn_key FROM turns WHERE final = 1 AND indexed = 0"
    " UNION SELECT turn_key FROM steps WHERE late != 0 AND indexed = 0"
    " AND ifnull(status, '') NOT IN ('running', 'open')"
)


def take_in(connection: sqlite3.Connection, written: Written, *, index: bool) -> None:
    """Digest what a write settled, in its transaction; without `index` the words come later."""
    settled = (*written.final, *written.late)
    for turn_key, whole in {each.turn_key: each.whole for each in settled}.items():
        sums.write(connection, turn_key)
        if index:
            search.index_turn(connection, turn_key, whole)


def backlog(connection: sqlite3.Connection) -> int:
    """How many turns are to be digested: those of older versions, and put off ones."""
    todo = _todo(connection)
    return int(connection.execute(f"SELECT count(*) FROM ({todo})").fetchone()[0])


def catch_up(connection: sqlite3.Connection) -> int:
    """Digest some turns of the backlog in a transaction of its own; returns how many."""
    search.clear_leftovers(connection)
    with transaction(connection):
        some = f"SELECT turn_key FROM ({_todo(connection)}) LIMIT {_TURNS_PER_TRANSACTION}"
        turn_keys = [row[0] for row in connection.execute(some).fetchall()]
        for turn_key in turn_keys:
            sums.write(connection, turn_key)
            search.index_turn(connection, turn_key)
    return len(turn_keys)


def _todo(connection: sqlite3.Connection) -> str:
    possible = search.is_possible(connection)
    return f"{_UNSUMMARIZED} UNION {_UNINDEXED}" if possible else _UNSUMMARIZED
