"""Which turns hold a row that something may be true of: the store's part in filtering.

A condition is a small value; only columns named here can be in it and every value is bound.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Optional, Union

from harness_tracing.store import codec

Value = Union[str, int]
Where = Mapping[str, "Condition"]
"""For each kind of row (turn, model_call, tool, subagent, moment) what it has to be like."""

ROWS = ("turn", "model_call", "tool", "subagent", "moment")
_COLUMNS = {
    "session_id": "sessions.session_id",
    "agent": "sessions.agent",
    "turn_number": "turns.number",
    "turn_status": "turns.status",
    "turn_started_ns": "turns.started_at_ns",
    "turn_ended_ns": "turns.ended_at_ns",
    "turn_span_id": "turns.span_id",
    "status": "steps.status",
    "name": "steps.name",
    "model": "steps.model",
    "span_id": "steps.span_id",
}
_SIGNS = ("=", "!=", "<", "<=", ">", ">=", "is null", "is not null", "begins with")
# SQLite takes 999 values in its older versions, and expressions 1000 levels deep.
_MOST_TESTS = 300


@dataclass(frozen=True)
class Is:
    """``column <sign> value``; several values: one of them for ``=``, none of them for ``!=``."""

    column: str
    sign: str
    values: tuple[Value, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what is not known here: it would become part of a statement."""
        if self.column not in _COLUMNS or self.sign not in _SIGNS:
            raise ValueError(f"no condition: {self.column} {self.sign}")


@dataclass(frozen=True)
class Every:
    """All of the parts; without parts: always."""

    parts: tuple[Condition, ...] = ()


@dataclass(frozen=True)
class AnyOf:
    """One of the parts; without parts: never."""

    parts: tuple[Condition, ...] = ()


Condition = Union[Is, Every, AnyOf]
ALWAYS: Condition = Every()
NEVER: Condition = AnyOf()


def every(parts: Iterable[Condition]) -> Condition:
    """All of these, without those that always hold."""
    kept = tuple(part for part in parts if part != ALWAYS)
    if NEVER in kept:
        return NEVER
    return kept[0] if len(kept) == 1 else Every(kept)


def any_of(parts: Iterable[Condition]) -> Condition:
    """One of these, without those that never hold."""
    kept = tuple(part for part in parts if part != NEVER)
    if ALWAYS in kept:
        return ALWAYS
    return kept[0] if len(kept) == 1 else AnyOf(kept)


@dataclass(frozen=True)
class TurnRef:
    """Where a turn is to be found: `Store.turn_by_trace_id`."""

    agent: str
    session_id: str
    trace_id: str


def turns(
    connection: sqlite3.Connection,
    *,
    project: Optional[str] = None,
    session: Optional[tuple[str, str]] = None,
    since_ns: Optional[int] = None,
    until_ns: Optional[int] = None,
    where: Optional[Where] = None,
) -> list[TurnRef]:
    """The turns that began in that time and may hold a matching row, the latest first.

    `session` is an agent and the id of a session of its; `until_ns` is not part of the time.
    Without `where` every turn may.
    """
    agent, session_id = session or (None, None)
    session_id = codec.text_column(session_id)
    scope = {
        "sessions.project = ?": project,
        "sessions.agent = ?": agent,
        "sessions.session_id = ?": session_id,
        "turns.started_at_ns >= ?": since_ns,
        "turns.started_at_ns < ?": until_ns,
    }
    used = {condition: value for condition, value in scope.items() if value is not None}
    sql, values = " AND ".join(used) or "1", list(used.values())
    if where is not None and sum(map(_tests, where.values())) <= _MOST_TESTS:
        held, more = _held(where)
        sql, values = f"{sql} AND ({held})", [*values, *more]
    rows = connection.execute(
        "SELECT agent, session_id, trace_id FROM turns JOIN sessions USING (session_key)"
        f" WHERE {sql} ORDER BY turns.started_at_ns DESC, turn_key DESC",
        values,
    )
    return [TurnRef(*row) for row in rows]


def _tests(condition: Condition) -> int:
    if isinstance(condition, Is):
        return max(1, len(condition.values))
    return 1 + sum(map(_tests, condition.parts))


def _held(where: Where) -> tuple[str, list[Any]]:
    """SQL over a turn: its own row matches, or one of its steps' rows does."""
    sql, values = _sql(where.get("turn", NEVER))
    steps, of_steps = [], []
    for kind in ROWS[1:]:
        condition = where.get(kind, NEVER)
        if condition != NEVER:
            test, bound = _sql(condition)
            steps.append(f"(steps.kind = ? AND {test})")
            of_steps += [kind, *bound]
    if not steps:
        return sql, values
    found = "SELECT 1 FROM steps WHERE steps.turn_key = turns.turn_key AND "
    return f"{sql} OR EXISTS ({found}({' OR '.join(steps)}))", [*values, *of_steps]


def _sql(condition: Condition) -> tuple[str, list[Any]]:
    if isinstance(condition, Is):
        return _one(condition)
    if not condition.parts:
        return ("1", []) if isinstance(condition, Every) else ("0", [])
    parts = [_sql(part) for part in condition.parts]
    word = " AND " if isinstance(condition, Every) else " OR "
    return f"({word.join(sql for sql, _ in parts)})", [v for _, values in parts for v in values]


def _one(test: Is) -> tuple[str, list[Any]]:
    column = _COLUMNS[test.column]
    if test.sign in ("is null", "is not null"):
        return f"{column} {test.sign}", []
    if test.sign == "begins with":
        # As bytes: in texts SQLite stops at a NUL, and LIKE knows no case but ASCII's.
        wanted = str(test.values[0]).encode()
        return f"substr(CAST({column} AS BLOB), 1, ?) = ?", [len(wanted), wanted]
    if len(test.values) == 1:
        return f"{column} {test.sign} ?", list(test.values)
    word = "IN" if test.sign == "=" else "NOT IN"
    return f"{column} {word} ({', '.join('?' * len(test.values))})", list(test.values)
