"""Writing a session's changes: one transaction each, costing only what changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Callable, Optional

from harness_tracing.model import Moment, Repository, Session, Step, Turn, span_id, trace_id
from harness_tracing.store import codec

UNSETTLED = ("running", "open")
"""States of steps that are still to end."""
CAME_LATER, RAN_ON = 1, 2
"""How a late step stood to its turn when that became final."""


@dataclass(frozen=True)
class TurnWrite:
    """A turn to store: its header, with only new or changed steps in `turn.steps`.

    `final`: its header will not change any more. `cost_usd` is the price of the whole turn as
    far as its models have prices (None: not known), `unpriced_models` names the others.
    """

    turn: Turn
    final: bool
    cost_usd: Optional[float] = None
    unpriced_models: tuple[str, ...] = ()


@dataclass(frozen=True)
class SessionChange:
    """What one transaction stores: a session, turns of it, and where its reader is.

    `reader_state` None leaves the stored one as it is.
    """

    session: Session
    turns: tuple[TurnWrite, ...] = ()
    reader_state: Optional[bytes] = None


@dataclass(frozen=True)
class Settled:
    """A turn that this transaction made final, or added settled steps to.

    Of one that is `final` every step counts, save those that still run: they are settled
    later. To one that already was final this transaction added the steps `late_step_ids`. One
    that is neither still runs; steps of it may be settled. `whole` is the turn with its steps
    where this transaction stored all that there is of it.
    """

    agent: str
    session_id: str
    turn_id: str
    turn_key: int
    final: bool
    late_step_ids: tuple[str, ...] = ()
    whole: Optional[Turn] = None


@dataclass(frozen=True)
class Written:
    """What a write settled for good."""

    final: tuple[Settled, ...] = ()
    late: tuple[Settled, ...] = ()
    running: tuple[Settled, ...] = ()


OnSettled = Callable[[sqlite3.Connection, Settled], None]
"""Called inside the transaction: what it writes is committed with the turn, or not at all."""


def write_change(
    connection: sqlite3.Connection, change: SessionChange, on_settled: Optional[OnSettled]
) -> Written:
    """Store a change; the caller holds the transaction."""
    session_key = _write_session(connection, change)
    found = [_write_turn(connection, session_key, turn_write) for turn_write in change.turns]
    settled = [each for each in found if each is not None]
    if change.reader_state is not None:
        connection.execute(
            "INSERT OR REPLACE INTO reader_states (session_key, state) VALUES (?, ?)",
            (session_key, change.reader_state),
        )
    if on_settled is not None:
        for each in settled:
            on_settled(connection, each)
    return Written(
        final=tuple(each for each in settled if each.final),
        late=tuple(each for each in settled if each.late_step_ids),
        running=tuple(each for each in settled if not each.final and not each.late_step_ids),
    )


def _write_session(connection: sqlite3.Connection, change: SessionChange) -> int:
    session = change.session
    name = (codec.whole_text(session.session_id), codec.whole_text(session.agent))
    found = connection.execute(
        "SELECT session_key, last_event_ns FROM sessions WHERE session_id = ? AND agent = ?", name
    ).fetchone()
    columns: dict[str, Any] = {
        "project": codec.whole_text(session.project),
        "started_at_ns": codec.time_column(session.started_at_ns),
        "ended_at_ns": codec.time_column(session.ended_at_ns),
        "last_event_ns": _latest(_times(change), found[1] if found else None),
        "body": codec.encode(session),
    }
    if found:
        _update(connection, "sessions", "session_key", found[0], columns)
        return int(found[0])
    return _insert(connection, "sessions", {"session_id": name[0], "agent": name[1], **columns})


def _times(change: SessionChange) -> Iterable[Optional[int]]:
    yield change.session.started_at_ns
    yield change.session.ended_at_ns
    for turn in (turn_write.turn for turn_write in change.turns):
        yield turn.started_at_ns
        yield turn.ended_at_ns
        for step in turn.steps:
            yield step.at_ns if isinstance(step, Moment) else step.started_at_ns
            yield step.ended_at_ns


def _latest(times: Iterable[Optional[int]], known: Optional[int]) -> Optional[int]:
    usable = [at for at in (*map(codec.time_column, times), known) if at is not None]
    return max(usable, default=None)


def _write_turn(
    connection: sqlite3.Connection, session_key: int, write: TurnWrite
) -> Optional[Settled]:
    turn = write.turn
    found = connection.execute(
        "SELECT turn_key, final, repository_url, repository_branch, repository_commit"
        " FROM turns WHERE session_key = ? AND turn_id = ?",
        (session_key, codec.whole_text(turn.turn_id)),
    ).fetchone()
    if found and found[1]:
        return _write_late(connection, found[0], write)
    if found and any(found[2:]):
        turn = replace(turn, repository=Repository(*found[2:]))
    turn_key = _write_header(
        connection, session_key, found[0] if found else None, replace(write, turn=turn)
    )
    written: set[str] = set()
    for step in turn.steps:
        columns = _step_row(turn, step)
        # A turn that is new has no steps, but what is told twice in this very write.
        fresh = found is None and columns["step_id"] not in written
        written.add(columns["step_id"])
        found_step = None if fresh else _find_step(connection, turn_key, columns["step_id"])
        _write_step(connection, turn_key, found_step, columns, codec.encode(step))
    whole = turn if found is None and len(written) == len(turn.steps) else None
    return Settled(turn.agent, turn.session_id, turn.turn_id, turn_key, write.final, whole=whole)


def _write_header(
    connection: sqlite3.Connection, session_key: int, turn_key: Optional[int], write: TurnWrite
) -> int:
    turn = write.turn
    columns: dict[str, Any] = {
        "number": turn.number,
        "status": turn.status,
        "final": int(write.final),
        "started_at_ns": codec.time_column(turn.started_at_ns) or 0,
        "ended_at_ns": codec.time_column(turn.ended_at_ns),
        "model": codec.text_column(turn.model),
        "repository_url": codec.text_column(turn.repository.url),
        "repository_branch": codec.text_column(turn.repository.branch),
        "repository_commit": codec.text_column(turn.repository.commit),
        "prompt_start": codec.prompt_start(turn.prompt),
        **_totals(write),
    }
    body = codec.encode(replace(turn, steps=()))
    if turn_key is None:
        name = (turn.agent, turn.session_id, turn.turn_id)
        columns["session_key"] = session_key
        columns["turn_id"] = codec.whole_text(turn.turn_id)
        columns["trace_id"] = trace_id(*name)
        columns["span_id"] = span_id(*name)
        turn_key = _insert(connection, "turns", columns)
        _insert(connection, "turn_bodies", {"turn_key": turn_key, "body": body})
    else:
        _update(connection, "turns", "turn_key", turn_key, columns)
        _update(connection, "turn_bodies", "turn_key", turn_key, {"body": body})
    return turn_key


def _totals(write: TurnWrite) -> dict[str, Any]:
    return {
        **codec.usage_columns(write.turn.usage),
        "cost_usd": write.cost_usd,
        "unpriced_models": codec.encode_names(write.unpriced_models),
    }


def _write_late(
    connection: sqlite3.Connection, turn_key: int, write: TurnWrite
) -> Optional[Settled]:
    """Add to a final turn the steps it lacks, and those that still ran when it became final."""
    turn = write.turn
    settled_ids = []
    for step in turn.steps:
        columns = _step_row(turn, step)
        found = _find_step(connection, turn_key, columns["step_id"])
        is_settled = columns["status"] not in UNSETTLED
        if found and (found[1] not in UNSETTLED or not is_settled):
            continue
        late = RAN_ON if found else CAME_LATER
        _write_step(connection, turn_key, found, {**columns, "late": late}, codec.encode(step))
        if is_settled:
            settled_ids.append(columns["step_id"])
    if not settled_ids:
        return None
    _raise_totals(connection, turn_key, write)
    return Settled(turn.agent, turn.session_id, turn.turn_id, turn_key, False, tuple(settled_ids))


def _raise_totals(connection: sqlite3.Connection, turn_key: int, write: TurnWrite) -> None:
    totals = _totals(write)
    unpriced = totals.pop("unpriced_models")
    larger = ", ".join(f"{c} = max(ifnull({c}, :{c}), ifnull(:{c}, {c}))" for c in totals)
    connection.execute(
        f"UPDATE turns SET {larger}, unpriced_models = ifnull(:unpriced, unpriced_models)"
        " WHERE turn_key = :turn_key",
        {**totals, "unpriced": unpriced, "turn_key": turn_key},
    )


def _find_step(
    connection: sqlite3.Connection, turn_key: int, step_id: str
) -> Optional[tuple[int, Optional[str]]]:
    found: Optional[tuple[int, Optional[str]]] = connection.execute(
        "SELECT step_key, status FROM steps WHERE turn_key = ? AND step_id = ?", (turn_key, step_id)
    ).fetchone()
    return found


def _step_row(turn: Turn, step: Step) -> dict[str, Any]:
    row = codec.step_columns(step)
    return {
        "step_id": codec.whole_text(row.step_id),
        "parent_id": codec.text_column(row.parent_id),
        "span_id": span_id(turn.agent, turn.session_id, turn.turn_id, row.step_id),
        "kind": row.kind,
        "name": codec.text_column(row.name),
        "status": row.status,
        "late": 0,
        "agent_id": codec.text_column(row.agent_id),
        "model": codec.text_column(row.model),
        "started_at_ns": codec.time_column(row.started_at_ns),
        "ended_at_ns": codec.time_column(row.ended_at_ns),
        "waited_ns": codec.time_column(row.waited_ns),
        **codec.usage_columns(row.usage),
        "error_type": codec.text_column(row.error_type),
    }


def _write_step(
    connection: sqlite3.Connection,
    turn_key: int,
    found: Optional[tuple[int, Optional[str]]],
    columns: dict[str, Any],
    body: bytes,
) -> None:
    if found:
        step_key = found[0]
        _update(connection, "steps", "step_key", step_key, columns)
        _update(connection, "step_bodies", "step_key", step_key, {"body": body})
    else:
        step_key = _insert(connection, "steps", {"turn_key": turn_key, **columns})
        _insert(connection, "step_bodies", {"step_key": step_key, "body": body})


def _insert(connection: sqlite3.Connection, table: str, columns: dict[str, Any]) -> int:
    names, places = ", ".join(columns), ", ".join("?" * len(columns))
    cursor = connection.execute(
        f"INSERT INTO {table} ({names}) VALUES ({places})", tuple(columns.values())
    )
    return int(cursor.lastrowid or 0)


def _update(
    connection: sqlite3.Connection, table: str, key_name: str, key: int, columns: dict[str, Any]
) -> None:
    assignments = ", ".join(f"{name} = ?" for name in columns)
    connection.execute(
        f"UPDATE {table} SET {assignments} WHERE {key_name} = ?", (*columns.values(), key)
    )
