"""What people, code and models said of turns, steps and sessions: writing, reading, deleting."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, Optional

import msgspec

from harness_tracing.errors import StoreError
from harness_tracing.store import codec
from harness_tracing.store.database import has_table

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


@dataclass(frozen=True)
class TurnFacts:
    """The turn that an annotation is about, as far as counting needs it. Times are Unix ns.

    Of a whole session only what it shares with its turns is known, and `started_at_ns` is its own.
    """

    agent: str
    session_id: str
    project: str
    started_at_ns: int
    turn_id: Optional[str] = None
    trace_id: Optional[str] = None
    number: Optional[int] = None
    cost_usd: Optional[float] = None
    ended_at_ns: Optional[int] = None
    session_started_at_ns: Optional[int] = None

    @property
    def duration_ns(self) -> Optional[int]:
        """How long the turn took; None when it is not known."""
        return None if self.ended_at_ns is None else max(0, self.ended_at_ns - self.started_at_ns)


_COLUMNS = tuple(column.name for column in fields(Annotation))
_DIFFERS = " OR ".join(
    f"{name} IS NOT excluded.{name}"
    for name in ("annotator_kind", "label", "score", "explanation", "metadata")
)
_BETWEEN = (
    "SELECT sessions.agent, session_id, project,"
    " coalesce(turns.started_at_ns, sessions.started_at_ns, last_event_ns, 0) AS at_ns,"
    " turn_id, trace_id, number, cost_usd, turns.ended_at_ns, sessions.started_at_ns,"
    f" {', '.join('annotations.' + name for name in _COLUMNS)}"
    " FROM annotations JOIN sessions USING (session_key) LEFT JOIN turns USING (turn_key)"
)


def write(
    connection: sqlite3.Connection,
    agent: str,
    session_id: str,
    annotations: Iterable[Annotation],
    now_ns: int,
) -> None:
    """Write them; one of the same span, name and identifier replaces what was there and differs.

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
            " metadata = excluded.metadata, updated_at_ns = excluded.updated_at_ns"
            f" WHERE {_DIFFERS}",
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
    if not has_table(connection, "annotations"):
        return []
    cursor = connection.execute(
        f"SELECT {', '.join(_COLUMNS)} FROM annotations JOIN sessions USING (session_key)"
        " WHERE session_id = ? AND agent = ? ORDER BY annotation_key",
        (codec.whole_text(session_id), agent),
    )
    return [annotation_of(row) for row in cursor]


def between(
    connection: sqlite3.Connection,
    *,
    project: Optional[str],
    since_ns: Optional[int],
    until_ns: Optional[int],
    names: Optional[Collection[str]],
    agent: Optional[str],
) -> Iterator[tuple[Annotation, TurnFacts]]:
    """Annotations of turns that began in that time, in the order of those; see `Store`."""
    if not has_table(connection, "annotations"):
        return
    conditions: dict[str, Any] = {
        "project = ?": project,
        "sessions.agent = ?": agent,
        "at_ns >= ?": since_ns,
        "at_ns < ?": until_ns,
        "name IN (SELECT value FROM json_each(?))": None if names is None else _json(list(names)),
    }
    used = {condition: value for condition, value in conditions.items() if value is not None}
    rows = connection.execute(
        f"{_BETWEEN} WHERE {' AND '.join(used) or '1'} ORDER BY at_ns, annotation_key",
        tuple(used.values()),
    ).fetchall()
    for agent_of, session_id, project_of, at_ns, *row in rows:
        facts = TurnFacts(agent_of, session_id, project_of, at_ns, *row[:6])
        yield annotation_of(row[6:]), facts


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


def has_session(connection: sqlite3.Connection, agent: str, session_id: str) -> bool:
    """Whether that session is in the store."""
    return _find_session(connection, agent, session_id) is not None


def _session_key(connection: sqlite3.Connection, agent: str, session_id: str) -> int:
    found = _find_session(connection, agent, session_id)
    if found is None:
        raise StoreError(f"there is no {agent} session {session_id!r} in the store")
    return found


def _find_session(connection: sqlite3.Connection, agent: str, session_id: str) -> Optional[int]:
    found = connection.execute(
        "SELECT session_key FROM sessions WHERE session_id = ? AND agent = ?",
        (codec.whole_text(session_id), agent),
    ).fetchone()
    return None if found is None else int(found[0])


def annotation_of(row: Sequence[Any]) -> Annotation:
    """The annotation of a row that has the columns in the order of its fields."""
    told = dict(zip(_COLUMNS, row))
    return Annotation(**{**told, "metadata": _decoded(told["metadata"])})


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
    return _json(dict(metadata))


def _json(value: Any) -> str:
    return codec.whole_text(msgspec.json.encode(value).decode())


def _decoded(metadata: Optional[str]) -> Optional[dict[str, Any]]:
    return None if metadata is None else msgspec.json.decode(metadata, type=dict[str, Any])
