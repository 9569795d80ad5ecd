"""What people, code and models said of turns, steps and sessions: writing, reading, deleting."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, Optional

import msgspec

from harness_tracing.errors import StoreError
from harness_tracing.store import codec

AnnotatorKind = Literal["HUMAN", "CODE", "LLM"]
WHOLE_SESSION = ""


@dataclass(frozen=True)
class Annotation:
    """A verdict on a span (16 hex digits), or on its whole session where `span_id` is empty.

    `identifier` tells apart several of one name on one span. The times (Unix ns) are those of
    the store: what is written gets the time of writing.
    """

    span_id: str
    name: str
    annotator_kind: AnnotatorKind
    label: Optional[str] = None
    score: Optional[float] = None
    explanation: Optional[str] = None
    identifier: str = ""
    metadata: Optional[Mapping[str, Any]] = None
    created_at_ns: Optional[int] = None
    updated_at_ns: Optional[int] = None


_COLUMNS = tuple(column.name for column in fields(Annotation))


def write(
    connection: sqlite3.Connection,
    agent: str,
    session_id: str,
    annotations: Iterable[Annotation],
    now_ns: int,
) -> None:
    """Write them; one of the same span, name and identifier replaces what was there.

    Raises StoreError when the session or the span is not in the store.
    """
    session_key = _session_key(connection, agent, session_id)
    for each in annotations:
        connection.execute(
            "INSERT INTO annotations (session_key, turn_key, span_id, name, annotator_kind,"
            " identifier, label, score, explanation, metadata, created_at_ns, updated_at_ns)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (session_key, span_id, name, identifier) DO UPDATE SET"
            " annotator_kind = excluded.annotator_kind, label = excluded.label,"
            " score = excluded.score, explanation = excluded.explanation,"
            " metadata = excluded.metadata, updated_at_ns = excluded.updated_at_ns",
            (
                session_key,
                _turn_key(connection, session_key, each.span_id),
                each.span_id.lower(),
                codec.whole_text(each.name),
                each.annotator_kind,
                codec.whole_text(each.identifier),
                codec.text_column(each.label),
                each.score,
                codec.text_column(each.explanation),
                _encoded(each.metadata),
                now_ns,
                now_ns,
            ),
        )


def read(connection: sqlite3.Connection, agent: str, session_id: str) -> list[Annotation]:
    """All annotations of a session, the first written first; none in a store that has no table."""
    there = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'annotations'"
    if connection.execute(there).fetchone() is None:
        return []
    cursor = connection.execute(
        f"SELECT {', '.join(_COLUMNS)} FROM annotations JOIN sessions USING (session_key)"
        " WHERE session_id = ? AND agent = ? ORDER BY annotation_key",
        (codec.whole_text(session_id), agent),
    )
    rows = [dict(zip(_COLUMNS, row)) for row in cursor]
    return [Annotation(**{**row, "metadata": _decoded(row["metadata"])}) for row in rows]


def delete(
    connection: sqlite3.Connection,
    agent: str,
    session_id: str,
    span_id: str,
    name: str,
    identifier: str,
) -> bool:
    """Delete one; False when there is none."""
    done = connection.execute(
        "DELETE FROM annotations WHERE session_key ="
        " (SELECT session_key FROM sessions WHERE session_id = ? AND agent = ?)"
        " AND span_id = ? AND name = ? AND identifier = ?",
        (
            codec.whole_text(session_id),
            agent,
            span_id.lower(),
            codec.whole_text(name),
            codec.whole_text(identifier),
        ),
    )
    return done.rowcount > 0


def _session_key(connection: sqlite3.Connection, agent: str, session_id: str) -> int:
    found = connection.execute(
        "SELECT session_key FROM sessions WHERE session_id = ? AND agent = ?",
        (codec.whole_text(session_id), agent),
    ).fetchone()
    if found is None:
        raise StoreError(f"there is no {agent} session {session_id!r} in the store")
    return int(found[0])


def _turn_key(connection: sqlite3.Connection, session_key: int, span_id: str) -> Optional[int]:
    if span_id == WHOLE_SESSION:
        return None
    found = connection.execute(
        "SELECT turn_key FROM turns WHERE session_key = ? AND turn_key IN"
        " (SELECT turn_key FROM turns WHERE span_id = ?"
        " UNION SELECT turn_key FROM steps WHERE span_id = ?)",
        (session_key, span_id.lower(), span_id.lower()),
    ).fetchone()
    if found is None:
        raise StoreError(f"the session has no span {span_id!r}; see `harness spans export`")
    return int(found[0])


def _encoded(metadata: Optional[Mapping[str, Any]]) -> Optional[str]:
    if metadata is None:
        return None
    return codec.whole_text(msgspec.json.encode(dict(metadata)).decode())


def _decoded(metadata: Optional[str]) -> Optional[dict[str, Any]]:
    return None if metadata is None else msgspec.json.decode(metadata, type=dict[str, Any])
