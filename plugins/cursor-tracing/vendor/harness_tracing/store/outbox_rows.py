"""Writing outbox rows: part of the transaction that settles what they send."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from harness_tracing.decoding import decoder_of
from harness_tracing.destinations import Target
from harness_tracing.store import codec
from harness_tracing.store.write import UNSETTLED, Settled

# The steps that have a span of their own, by the shape of the trace (see spans/shapes.py).
_WITH_SPAN = {
    "turns": "kind = 'tool'",
    "calls": "(kind IN ('model_call', 'tool', 'subagent')"
    " OR (kind = 'moment' AND name = 'compaction'))",
}
_SETTLED = f"ifnull(status, '') NOT IN ({', '.join(repr(status) for status in UNSETTLED)})"
# Asked first, so that the rest is only asked of the few steps that are not out yet.
_NEW = (
    "NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.turn_key = steps.turn_key"
    " AND destination_key = ? AND outbox.step_key = steps.step_key)"
)
# A step that a later call of the same thread has seen will not change any more; but a sub-agent may
# be asked again, and why a call failed may be told later.
_SEEN = (
    "kind != 'subagent' AND NOT (kind = 'model_call' AND status = 'error') AND"
    " ended_at_ns IS NOT NULL AND EXISTS (SELECT 1 FROM steps AS later"
    " WHERE later.turn_key = steps.turn_key AND later.kind = 'model_call'"
    " AND later.agent_id IS steps.agent_id AND later.step_key != steps.step_key"
    " AND later.started_at_ns >= steps.ended_at_ns)"
)


def enqueue(
    connection: sqlite3.Connection, settled: Settled, targets: Sequence[Target], now_ns: int
) -> None:
    """Add the spans that were settled, for each target.

    Of a turn that still runs only targets that stream get anything. Steps that end after their
    turn go where the turn went, in the shape it went in. What the user gave up stays given up.
    """
    turn_key = settled.turn_key
    if settled.late_step_ids:
        where = f"step_id IN (SELECT value FROM json_each(?)) AND {_SETTLED}"
        step_ids = msgspec.json.encode(settled.late_step_ids).decode()
        for key, target in _destinations_of(connection, turn_key, "state != 'dropped'"):
            _add(connection, turn_key, key, target, now_ns, where, (step_ids,))
    elif settled.final:
        streamed = [target for _, target in _destinations_of(connection, turn_key)]
        add_turn(connection, turn_key, [*streamed, *targets], now_ns)
    else:
        streaming = [each for each in targets if each.stream and each.shape == "calls"]
        for key, target in _settled_targets(connection, turn_key, streaming):
            where = f"{_NEW} AND {_SETTLED} AND {_SEEN}"
            _add(connection, turn_key, key, target, now_ns, where, (key,))


def add_turn(
    connection: sqlite3.Connection,
    turn_key: int,
    targets: Sequence[Target],
    now_ns: int,
    again: bool = False,
) -> int:
    """Add a final turn's spans for those targets that do not have them yet.

    `again`: also those that were given up. Returns how many spans that were.
    """
    count = 0
    for key, target in _settled_targets(connection, turn_key, targets):
        if any(_same_place(target, wanted) for wanted in targets):
            count += _add(connection, turn_key, key, target, now_ns, _SETTLED, again=again)
            count += _add_root(connection, turn_key, key, now_ns, again)
    return count


def _settled_targets(
    connection: sqlite3.Connection, turn_key: int, targets: Sequence[Target]
) -> list[tuple[int, Target]]:
    """The targets' numbers; where the turn already went to one of them it keeps its first shape.

    A Phoenix server knows a span id once, whatever project it was sent to.
    """
    known = _destinations_of(connection, turn_key)
    found = dict(known)
    for target in targets:
        if not any(_same_place(target, other) for other in found.values()):
            found[_destination(connection, target)] = target
    return list(found.items())


def _same_place(one: Target, other: Target) -> bool:
    if one.account != other.account:
        return False
    return one.kind == "phoenix" or one.project == other.project


def _destinations_of(
    connection: sqlite3.Connection, turn_key: int, where: str = "1"
) -> list[tuple[int, Target]]:
    rows = connection.execute(
        "SELECT destination_key, settings FROM destinations WHERE destination_key IN"
        f" (SELECT destination_key FROM outbox WHERE turn_key = ? AND {where})"
        " ORDER BY destination_key",
        (turn_key,),
    )
    return [(key, target_of(settings)) for key, settings in rows]


def _destination(connection: sqlite3.Connection, target: Target) -> int:
    connection.execute(
        "INSERT OR IGNORE INTO backends (kind, endpoint, space) VALUES (?, ?, ?)", target.account
    )
    (backend_key,) = connection.execute(
        "SELECT backend_key FROM backends WHERE kind = ? AND endpoint = ? AND space = ?",
        target.account,
    ).fetchone()
    settings = msgspec.json.encode(target).decode()
    connection.execute(
        "INSERT OR IGNORE INTO destinations (backend_key, project, settings) VALUES (?, ?, ?)",
        (backend_key, codec.whole_text(target.project), settings),
    )
    (key,) = connection.execute(
        "SELECT destination_key FROM destinations WHERE backend_key = ? AND settings = ?",
        (backend_key, settings),
    ).fetchone()
    return int(key)


def _add(
    connection: sqlite3.Connection,
    turn_key: int,
    destination_key: int,
    target: Target,
    now_ns: int,
    where: str,
    parameters: Iterable[Any] = (),
    again: bool = False,
) -> int:
    return connection.execute(
        "INSERT INTO outbox (turn_key, destination_key, step_key, state, changed_at_ns)"
        " SELECT turn_key, ?, step_key, 'waiting', ? FROM steps"
        f" WHERE turn_key = ? AND {_WITH_SPAN[target.shape]} AND {where} {_on_conflict(again)}",
        (destination_key, now_ns, turn_key, *parameters),
    ).rowcount


def _add_root(
    connection: sqlite3.Connection, turn_key: int, destination_key: int, now_ns: int, again: bool
) -> int:
    return connection.execute(
        "INSERT INTO outbox (turn_key, destination_key, step_key, state, changed_at_ns)"
        f" VALUES (?, ?, 0, 'waiting', ?) {_on_conflict(again)}",
        (turn_key, destination_key, now_ns),
    ).rowcount


def _on_conflict(again: bool) -> str:
    if not again:
        return "ON CONFLICT DO NOTHING"
    return (
        "ON CONFLICT DO UPDATE SET state = 'waiting', attempts = 0, error = NULL,"
        " changed_at_ns = excluded.changed_at_ns WHERE state = 'dropped'"
    )


def target_of(settings: str) -> Target:
    return decoder_of(Target).decode(settings)
