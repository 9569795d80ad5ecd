"""Writing sessions' changes: whole in one transaction, costing only what changed.

What can be made of a change without the store is made before its lock is taken: see `prepare`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Callable, NamedTuple, Optional

from harness_tracing.model import Repository, Session, Step, Turn, span_id, trace_id
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


class _StepRow(NamedTuple):
    """The columns of a step's row, named as they are, but for the keys."""

    step_id: str
    parent_id: Optional[str]
    span_id: str
    kind: str
    name: Optional[str]
    status: Optional[str]
    late: int
    agent_id: Optional[str]
    model: Optional[str]
    started_at_ns: Optional[int]
    ended_at_ns: Optional[int]
    waited_ns: Optional[int]
    input_tokens: Optional[int]
    output_tokens: Optional[int]
    cache_read_tokens: Optional[int]
    cache_write_tokens: Optional[int]
    cache_write_1h_tokens: Optional[int]
    reasoning_tokens: Optional[int]
    error_type: Optional[str]


_STEP_COLUMNS = ", ".join(_StepRow._fields)
_STEP_PLACES = ", ".join("?" * (2 + len(_StepRow._fields)))
_INSERT_STEP = f"INSERT INTO steps (step_key, turn_key, {_STEP_COLUMNS}) VALUES ({_STEP_PLACES})"
_INSERT_STEP_BODY = "INSERT INTO step_bodies (step_key, body) VALUES (?, ?)"
_UPDATE_STEP = f"UPDATE steps SET {', '.join(f'{c} = ?' for c in _StepRow._fields)}"


@dataclass(frozen=True)
class _PreparedTurn:
    """A turn as told, the rows of its steps and their bodies."""

    write: TurnWrite
    rows: Sequence[_StepRow]
    bodies: Sequence[bytes]


@dataclass(frozen=True)
class Prepared:
    """A change with its rows: all that can be made of it before the store is locked."""

    change: SessionChange
    body: bytes
    turns: tuple[_PreparedTurn, ...]

    @property
    def size(self) -> int:
        """How many bytes its steps' bodies take."""
        return sum(len(body) for turn in self.turns for body in turn.bodies)


def prepare(change: SessionChange) -> Prepared:
    """Make the rows of a change; what it costs is paid outside of any transaction."""
    turns = tuple(
        _PreparedTurn(
            write,
            [_step_row(write.turn, step) for step in write.turn.steps],
            [codec.encode(step) for step in write.turn.steps],
        )
        for write in change.turns
    )
    return Prepared(change, codec.encode(change.session), turns)


def write_change(
    connection: sqlite3.Connection, prepared: Prepared, on_settled: Optional[OnSettled]
) -> Written:
    """Store a change; the caller holds the transaction."""
    session_key = _write_session(connection, prepared)
    found = [_write_turn(connection, session_key, turn) for turn in prepared.turns]
    settled = [each for each in found if each is not None]
    if prepared.change.reader_state is not None:
        connection.execute(
            "INSERT OR REPLACE INTO reader_states (session_key, state) VALUES (?, ?)",
            (session_key, prepared.change.reader_state),
        )
    if on_settled is not None:
        for each in settled:
            on_settled(connection, each)
    return Written(
        final=tuple(each for each in settled if each.final),
        late=tuple(each for each in settled if each.late_step_ids),
        running=tuple(each for each in settled if not each.final and not each.late_step_ids),
    )


def _write_session(connection: sqlite3.Connection, prepared: Prepared) -> int:
    session = prepared.change.session
    name = (codec.whole_text(session.session_id), codec.whole_text(session.agent))
    found = connection.execute(
        "SELECT session_key, last_event_ns FROM sessions WHERE session_id = ? AND agent = ?", name
    ).fetchone()
    columns: dict[str, Any] = {
        "project": codec.whole_text(session.project),
        "started_at_ns": codec.time_column(session.started_at_ns),
        "ended_at_ns": codec.time_column(session.ended_at_ns),
        "last_event_ns": _latest(_times(prepared), found[1] if found else None),
        "body": prepared.body,
    }
    if found:
        _update(connection, "sessions", "session_key", found[0], columns)
        return int(found[0])
    return _insert(connection, "sessions", {"session_id": name[0], "agent": name[1], **columns})


def _times(prepared: Prepared) -> Iterator[Optional[int]]:
    session = prepared.change.session
    yield codec.time_column(session.started_at_ns)
    yield codec.time_column(session.ended_at_ns)
    for turn in prepared.turns:
        yield codec.time_column(turn.write.turn.started_at_ns)
        yield codec.time_column(turn.write.turn.ended_at_ns)
        for row in turn.rows:
            yield row.started_at_ns
            yield row.ended_at_ns


def _latest(times: Iterable[Optional[int]], known: Optional[int]) -> Optional[int]:
    return max((at for at in (*times, known) if at is not None), default=None)


def _write_turn(
    connection: sqlite3.Connection, session_key: int, prepared: _PreparedTurn
) -> Optional[Settled]:
    write = prepared.write
    turn = write.turn
    found = connection.execute(
        "SELECT turn_key, final, repository_url, repository_branch, repository_commit"
        " FROM turns WHERE session_key = ? AND turn_id = ?",
        (session_key, codec.whole_text(turn.turn_id)),
    ).fetchone()
    if found and found[1]:
        return _write_late(connection, found[0], prepared)
    if found and any(found[2:]):
        turn = replace(turn, repository=Repository(*found[2:]))
    turn_key = _write_header(
        connection, session_key, found[0] if found else None, replace(write, turn=turn)
    )
    # A turn that is new has no steps, but what is told twice in this very write.
    fresh = found is None and len({row.step_id for row in prepared.rows}) == len(prepared.rows)
    if fresh:
        _insert_steps(connection, turn_key, prepared.rows, prepared.bodies)
    else:
        for row, body in zip(prepared.rows, prepared.bodies):
            _write_step(connection, turn_key, _find_step(connection, turn_key, row), row, body)
    whole = turn if fresh else None
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
    connection: sqlite3.Connection, turn_key: int, prepared: _PreparedTurn
) -> Optional[Settled]:
    """Add to a final turn the steps it lacks, and those that still ran when it became final."""
    turn = prepared.write.turn
    settled_ids = []
    for row, body in zip(prepared.rows, prepared.bodies):
        found = _find_step(connection, turn_key, row)
        is_settled = row.status not in UNSETTLED
        if found and (found[1] not in UNSETTLED or not is_settled):
            continue
        late = row._replace(late=RAN_ON if found else CAME_LATER)
        _write_step(connection, turn_key, found, late, body)
        if is_settled:
            settled_ids.append(row.step_id)
    if not settled_ids:
        return None
    _raise_totals(connection, turn_key, prepared.write)
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
    connection: sqlite3.Connection, turn_key: int, row: _StepRow
) -> Optional[tuple[int, Optional[str]]]:
    found: Optional[tuple[int, Optional[str]]] = connection.execute(
        "SELECT step_key, status FROM steps WHERE turn_key = ? AND step_id = ?",
        (turn_key, row.step_id),
    ).fetchone()
    return found


def _step_row(turn: Turn, step: Step) -> _StepRow:
    row = codec.step_columns(step)
    step_id = codec.whole_text(row.step_id)
    return _StepRow(
        step_id,
        codec.text_column(row.parent_id),
        span_id(turn.agent, turn.session_id, turn.turn_id, row.step_id),
        row.kind,
        codec.text_column(row.name),
        row.status,
        0,
        codec.text_column(row.agent_id),
        codec.text_column(row.model),
        codec.time_column(row.started_at_ns),
        codec.time_column(row.ended_at_ns),
        codec.time_column(row.waited_ns),
        *codec.usage_values(row.usage),
        codec.text_column(row.error_type),
    )


def _insert_steps(
    connection: sqlite3.Connection,
    turn_key: int,
    rows: Sequence[_StepRow],
    bodies: Sequence[bytes],
) -> None:
    # The keys that SQLite would give them, so that all can be inserted at once.
    last = connection.execute("SELECT ifnull(max(step_key), 0) FROM steps").fetchone()[0]
    keyed = [(key, turn_key, *row) for key, row in enumerate(rows, last + 1)]
    connection.executemany(_INSERT_STEP, keyed)
    connection.executemany(_INSERT_STEP_BODY, enumerate(bodies, last + 1))


def _write_step(
    connection: sqlite3.Connection,
    turn_key: int,
    found: Optional[tuple[int, Optional[str]]],
    row: _StepRow,
    body: bytes,
) -> None:
    if found is None:
        _insert_steps(connection, turn_key, (row,), (body,))
        return
    connection.execute(f"{_UPDATE_STEP} WHERE step_key = ?", (*row, found[0]))
    connection.execute("UPDATE step_bodies SET body = ? WHERE step_key = ?", (body, found[0]))


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
