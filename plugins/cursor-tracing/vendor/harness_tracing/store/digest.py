"""What is kept of final turns so that lists, sums and searches are quick."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from harness_tracing.store import search, sums
from harness_tracing.store.database import transaction
from harness_tracing.store.write import Written

_TURNS_PER_TRANSACTION = 20
_UNSUMMARIZED = "SELECT turn_key FROM turns WHERE final = 1 AND summarized = 0"
_UNINDEXED = "SELECT turn_key FROM turns WHERE final = 1 AND indexed = 0"
_LATE = (
    "SELECT turn_key FROM steps WHERE late != 0 AND indexed = 0"
    " AND ifnull(status, '') NOT IN ('running', 'open')"
)


def take_in(connection: sqlite3.Connection, written: Iterable[Written], *, index: bool) -> None:
    """Digest what writes settled, in their transaction; without `index` the words come later."""
    settled = [each for one in written for each in (*one.final, *one.late)]
    index = index and bool(settled) and search.is_possible(connection)
    turns = {each.turn_key: each.whole for each in settled}
    for turn_key, whole in turns.items():
        sums.write(connection, turn_key, anew=whole is None)
    if index:
        search.index_turns(connection, turns)


def backlog(connection: sqlite3.Connection) -> int:
    """How many turns are to be digested: those of older versions, and put off ones."""
    todo = " UNION ".join(_todo(connection))
    return int(connection.execute(f"SELECT count(*) FROM ({todo})").fetchone()[0])


def catch_up(connection: sqlite3.Connection) -> int:
    """Digest some turns of the backlog in a transaction of its own; returns how many."""
    search.clear_leftovers(connection)
    index = search.is_possible(connection)
    with transaction(connection):
        # One list after the other: both together would be sorted anew each time.
        turn_keys = [
            row[0]
            for todo in _todo(connection)
            for row in connection.execute(f"{todo} LIMIT {_TURNS_PER_TRANSACTION}").fetchall()
        ]
        turn_keys = list(dict.fromkeys(turn_keys))
        for turn_key in turn_keys:
            sums.write(connection, turn_key)
        if index and turn_keys:
            search.index_turns(connection, dict.fromkeys(turn_keys))
    return len(turn_keys)


def _todo(connection: sqlite3.Connection) -> tuple[str, ...]:
    possible = search.is_possible(connection)
    return (_UNSUMMARIZED, _UNINDEXED, _LATE) if possible else (_UNSUMMARIZED,)
