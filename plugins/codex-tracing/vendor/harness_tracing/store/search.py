"""The search index: which turns hold which words. It keeps no texts; those are in the bodies."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Optional

from harness_tracing.model import Step, Turn
from harness_tracing.store import codec
from harness_tracing.store.choice import TurnChoice
from harness_tracing.store.database import transaction
from harness_tracing.store.documents import document
from harness_tracing.store.terms import Term, expression, folded
from harness_tracing.store.write import UNSETTLED

_INDEX = (
    "CREATE VIRTUAL TABLE IF NOT EXISTS search USING fts5(prompts, responses, commands, outputs,"
    " content='', tokenize='unicode61 remove_diacritics 2')"
)
_COLUMNS = "prompts, responses, commands, outputs"
# A word in a prompt tells more of a turn than the same word in the output of a tool.
_RANK = "bm25(search, 4.0, 3.0, 2.0, 1.0)"
_SETTLED = f"ifnull(status, '') NOT IN ({', '.join(repr(status) for status in UNSETTLED)})"
# The index knows a turn by its key, and a step that came late by its own, negative.
_TURN_OF_ROW = (
    "CASE WHEN rowid > 0 THEN rowid ELSE"
    " (SELECT turn_key FROM steps WHERE step_key = -search.rowid) END"
)
_NOT_INDEXED = (
    "turn_key IN (SELECT turn_key FROM turns WHERE final = 0"
    " UNION ALL SELECT turn_key FROM turns WHERE final = 1 AND indexed = 0"
    " UNION ALL SELECT turn_key FROM steps WHERE late != 0 AND indexed = 0)"
)
_MERGED_PAGES = 1000
_NOTHING_MERGED = 2
TO_BE_MERGED = 0


def is_possible(connection: sqlite3.Connection) -> bool:
    """Whether this Python's SQLite has FTS5."""
    found = connection.execute("SELECT 1 FROM pragma_module_list WHERE name = 'fts5'").fetchone()
    return found is not None


def _is_there(connection: sqlite3.Connection) -> bool:
    table = "SELECT 1 FROM sqlite_master WHERE name = 'search'"
    return is_possible(connection) and connection.execute(table).fetchone() is not None


def index_turns(connection: sqlite3.Connection, turns: Mapping[int, Optional[Turn]]) -> None:
    """Take final turns in, and what came late to them; the caller holds the transaction.

    `turns` has by key the turn where it is at hand with all its steps: it need not be read again.
    """
    connection.execute(_INDEX)
    found = [row for key, whole in turns.items() for row in _to_add(connection, key, whole)]
    # At the end, and all at once: whatever else is written after a word makes FTS5 put all words
    # since into a piece of their own on the disk.
    connection.executemany(f"INSERT INTO search (rowid, {_COLUMNS}) VALUES (?, ?, ?, ?, ?)", found)


def _to_add(
    connection: sqlite3.Connection, turn_key: int, whole: Optional[Turn]
) -> Iterator[tuple[Any, ...]]:
    """The rows of a turn that the index lacks; they count as indexed from now on."""
    indexed = connection.execute("SELECT indexed FROM turns WHERE turn_key = ?", (turn_key,))
    if not indexed.fetchone()[0]:
        if whole is None:
            yield (turn_key, *_turn_document(connection, turn_key))
        else:
            settled = [s for s in whole.steps if codec.status_of(s) not in UNSETTLED]
            yield (turn_key, *document(whole, settled))
        connection.execute("UPDATE turns SET indexed = 1 WHERE turn_key = ?", (turn_key,))
        if whole is not None:
            return
    late = f"turn_key = ? AND late != 0 AND steps.indexed = 0 AND {_SETTLED}"
    for step_key, step in _steps(connection, late, turn_key):
        yield (-step_key, *document(None, [step]))
    connection.execute(f"UPDATE steps SET indexed = 1 WHERE {late}", (turn_key,))


def forget_sessions(
    connection: sqlite3.Connection, where: str, parameters: tuple[object, ...]
) -> None:
    """Take the turns of sessions out, before those are deleted in the same transaction."""
    if not _is_there(connection):
        return
    forgotten = connection.execute(
        "SELECT turn_key FROM turns WHERE indexed = 1 AND session_key IN"
        f" (SELECT session_key FROM sessions WHERE {where})",
        parameters,
    ).fetchall()
    for (turn_key,) in forgotten:
        _remove(connection, turn_key, _turn_document(connection, turn_key))
        for step_key, step in _steps(connection, "turn_key = ? AND steps.indexed = 1", turn_key):
            _remove(connection, -step_key, document(None, [step]))
        connection.execute("UPDATE turns SET indexed = 0 WHERE turn_key = ?", (turn_key,))
    if forgotten:
        connection.execute(
            "INSERT OR IGNORE INTO search_leftovers (turn_key) VALUES (?)", (TO_BE_MERGED,)
        )


def clear_leftovers(connection: sqlite3.Connection) -> None:
    """Make words of deleted turns leave the index's pages.

    In pieces, so that others can write in between. Whoever dies halfway leaves the note that
    there is something to do.
    """
    if not connection.execute("SELECT 1 FROM search_leftovers LIMIT 1").fetchone():
        return
    if not _is_there(connection):
        return
    with transaction(connection):
        unknown = connection.execute("SELECT 1 FROM search_leftovers WHERE turn_key != 0")
        if unknown.fetchone():
            connection.execute("INSERT INTO search (search) VALUES ('delete-all')")
            connection.execute("UPDATE turns SET indexed = 0 WHERE indexed = 1")
            connection.execute("UPDATE steps SET indexed = 0 WHERE indexed = 1")
            connection.execute("DELETE FROM search_leftovers")
            return
    pages, done = -_MERGED_PAGES, False
    while not done:
        with transaction(connection):
            before = connection.total_changes
            merge = "INSERT INTO search (search, rank) VALUES ('merge', ?)"
            connection.execute(merge, (pages,))
            done = connection.total_changes - before < _NOTHING_MERGED
        pages = _MERGED_PAGES
    connection.execute("DELETE FROM search_leftovers WHERE turn_key = ?", (TO_BE_MERGED,))


@dataclass(frozen=True)
class Found:
    """A turn that holds what was searched for, and whose it is."""

    agent: str
    session_id: str
    project: str
    turn: Turn


def found(
    connection: sqlite3.Connection, terms: Sequence[Term], where: TurnChoice, limit: int
) -> list[Found]:
    """The turns that hold all terms, the best first, with their steps."""
    return [_found(connection, key) for key in found_turns(connection, terms, where, limit)]


def _found(connection: sqlite3.Connection, turn_key: int) -> Found:
    agent, session_id, project = connection.execute(
        "SELECT agent, session_id, project FROM turns JOIN sessions USING (session_key)"
        " WHERE turn_key = ?",
        (turn_key,),
    ).fetchone()
    steps = tuple(step for _, step in _steps(connection, "turn_key = ?", turn_key))
    turn = replace(_header(connection, turn_key), steps=steps)
    return Found(agent, session_id, project, turn)


def found_turns(
    connection: sqlite3.Connection, terms: Sequence[Term], where: TurnChoice, limit: int
) -> list[int]:
    """Keys of the turns that hold all terms, the best first; those not indexed yet at the end."""
    condition, parameters = where.condition()
    keys = []
    if _is_there(connection):
        # The limit keeps SQLite from merging both queries, in which bm25 could not be asked.
        rows = connection.execute(
            "SELECT turn_key, min(score) AS best FROM"
            f" (SELECT {_TURN_OF_ROW} AS turn_key, {_RANK} AS score FROM search"
            "   WHERE search MATCH ? LIMIT -1)"
            " JOIN turns USING (turn_key) JOIN sessions USING (session_key)"
            f" WHERE {condition} GROUP BY turn_key ORDER BY best, turn_key DESC LIMIT ?",
            (expression(terms), *parameters, limit),
        )
        keys = [row[0] for row in rows]
    keys += scanned_turns(connection, terms, where)
    return list(dict.fromkeys(keys))[:limit]


def scanned_turns(
    connection: sqlite3.Connection, terms: Sequence[Term], where: TurnChoice, *, all_: bool = False
) -> list[int]:
    """Keys of the turns that hold all terms, found by reading them, the latest first.

    Only of those that the index does not have, unless `all_`.
    """
    condition, parameters = where.condition()
    rows = connection.execute(
        "SELECT turn_key FROM turns JOIN sessions USING (session_key)"
        f" WHERE {'1' if all_ else _NOT_INDEXED} AND {condition}"
        " ORDER BY turns.started_at_ns DESC, turn_key DESC",
        parameters,
    ).fetchall()
    return [row[0] for row in rows if _holds(connection, row[0], terms)]


def sessions_with(connection: sqlite3.Connection, terms: Sequence[Term]) -> list[int]:
    """Keys of the sessions that have a turn which holds all terms."""
    turns = scanned_turns(connection, terms, TurnChoice())
    if _is_there(connection):
        rows = connection.execute(
            f"SELECT {_TURN_OF_ROW} FROM search WHERE search MATCH ?", (expression(terms),)
        )
        turns += [row[0] for row in rows]
    listed = codec.encode_numbers(turns)
    sessions = connection.execute(
        "SELECT DISTINCT session_key FROM turns WHERE turn_key IN (SELECT value FROM json_each(?))",
        (listed,),
    )
    return [row[0] for row in sessions]


def _holds(connection: sqlite3.Connection, turn_key: int, terms: Sequence[Term]) -> bool:
    header = _header(connection, turn_key)
    steps = [step for _, step in _steps(connection, "turn_key = ?", turn_key)]
    text = folded("\n".join(document(header, steps)))
    return all(term.pattern.search(text) for term in terms)


def _turn_document(connection: sqlite3.Connection, turn_key: int) -> tuple[str, ...]:
    """What the index has of a turn: all that was settled when the turn became final."""
    settled = _steps(connection, f"turn_key = ? AND late = 0 AND {_SETTLED}", turn_key)
    return document(_header(connection, turn_key), [step for _, step in settled])


def _header(connection: sqlite3.Connection, turn_key: int) -> Turn:
    body = connection.execute("SELECT body FROM turn_bodies WHERE turn_key = ?", (turn_key,))
    return codec.decode_turn(body.fetchone()[0], ())


def _steps(connection: sqlite3.Connection, where: str, turn_key: int) -> list[tuple[int, Step]]:
    rows = connection.execute(
        "SELECT step_key, kind, body FROM steps JOIN step_bodies USING (step_key)"
        f" WHERE {where} ORDER BY step_key",
        (turn_key,),
    ).fetchall()
    decoded = ((key, codec.decode_step(kind, body)) for key, kind, body in rows)
    return [(key, step) for key, step in decoded if step is not None]


def _remove(connection: sqlite3.Connection, row: int, texts: tuple[str, ...]) -> None:
    connection.execute(
        f"INSERT INTO search (search, rowid, {_COLUMNS}) VALUES ('delete', ?, ?, ?, ?, ?)",
        (row, *texts),
    )
