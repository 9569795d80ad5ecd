"""What came into the store since one looked last."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, replace
from typing import Any, Literal, Optional

from harness_tracing.model import Step, Turn
from harness_tracing.store import codec
from harness_tracing.store.write import UNSETTLED

_SETTLED = f"ifnull(status, '') NOT IN ({', '.join(repr(status) for status in UNSETTLED)})"


@dataclass(frozen=True)
class Seen:
    """What was there at the last look: the largest keys, and what was still going on."""

    turn_key: int = 0
    step_key: int = 0
    open_turns: frozenset[int] = frozenset()
    running_steps: frozenset[int] = frozenset()


@dataclass(frozen=True)
class News:
    """A turn that began or ended, or a step that is done, and whose it is."""

    what: Literal["began", "ended", "step"]
    at_ns: int
    agent: str
    session_id: str
    project: str
    turn: Turn
    step: Optional[Step] = None
    cost_usd: Optional[float] = None


def seen_by_now(connection: sqlite3.Connection) -> Seen:
    """All that is there, as seen; what still goes on will be news when it ends."""
    return Seen(
        _largest(connection, "turns", "turn_key"),
        _largest(connection, "steps", "step_key"),
        _keys(connection, "SELECT turn_key FROM turns WHERE final = 0"),
        _keys(
            connection,
            "SELECT step_key FROM turns JOIN steps USING (turn_key)"
            f" WHERE final = 0 AND NOT ({_SETTLED.replace('status', 'steps.status')})",
        ),
    )


def news(connection: sqlite3.Connection, seen: Seen) -> tuple[list[News], Seen]:
    """What is new since then, in order of time, and what is seen now."""
    now_seen = Seen(
        _largest(connection, "turns", "turn_key"), _largest(connection, "steps", "step_key")
    )
    # After a deletion keys are given anew.
    after_turn = min(seen.turn_key, now_seen.turn_key)
    after_step = min(seen.step_key, now_seen.step_key)
    began = connection.execute(
        "SELECT turn_key FROM turns WHERE turn_key > ? ORDER BY turn_key", (after_turn,)
    ).fetchall()
    found = [_of_turn(connection, key, "began") for (key,) in began]
    watched = seen.open_turns | {key for (key,) in began}
    open_turns = watched & _keys(connection, "SELECT turn_key FROM turns WHERE final = 0")
    found += _of_steps(connection, after_step, seen.running_steps)
    found += [_of_turn(connection, key, "ended") for key in sorted(watched - open_turns)]
    running = _running(connection, after_step, seen.running_steps)
    now_seen = replace(now_seen, open_turns=open_turns, running_steps=running)
    return sorted((each for each in found if each is not None), key=_moment), now_seen


def _moment(each: News) -> tuple[int, int]:
    return each.at_ns, ("began", "step", "ended").index(each.what)


def _of_turn(
    connection: sqlite3.Connection, turn_key: int, what: Literal["began", "ended"]
) -> Optional[News]:
    """None when the turn was deleted meanwhile."""
    row = connection.execute(
        "SELECT agent, session_id, project, cost_usd, turn_bodies.body FROM turns"
        " JOIN sessions USING (session_key) JOIN turn_bodies USING (turn_key) WHERE turn_key = ?",
        (turn_key,),
    ).fetchone()
    if row is None:
        return None
    agent, session_id, project, cost_usd, body = row
    turn = codec.decode_turn(body, ())
    at_ns = turn.ended_at_ns if what == "ended" else turn.started_at_ns
    at_ns = turn.started_at_ns if at_ns is None else at_ns
    return News(what, at_ns, agent, session_id, project, turn, None, cost_usd)


def _of_steps(
    connection: sqlite3.Connection, after: int, running: frozenset[int]
) -> list[Optional[News]]:
    rows = connection.execute(
        "SELECT agent, session_id, project, turn_bodies.body, kind, step_bodies.body,"
        " ifnull(steps.ended_at_ns, steps.started_at_ns) FROM steps"
        " JOIN step_bodies USING (step_key) JOIN turns USING (turn_key)"
        " JOIN turn_bodies USING (turn_key) JOIN sessions USING (session_key)"
        " WHERE (step_key > ? OR step_key IN (SELECT value FROM json_each(?)))"
        f" AND {_SETTLED.replace('status', 'steps.status')} ORDER BY step_key",
        (after, codec.encode_numbers(running)),
    )
    return [_of_step(*row) for row in rows]


def _of_step(
    agent: str,
    session_id: str,
    project: str,
    turn_body: bytes,
    kind: str,
    body: bytes,
    at_ns: Optional[int],
) -> Optional[News]:
    step, turn = codec.decode_step(kind, body), codec.decode_turn(turn_body, ())
    if step is None:
        return None
    when = turn.started_at_ns if at_ns is None else at_ns
    return News("step", when, agent, session_id, project, turn, step)


def _running(connection: sqlite3.Connection, after: int, running: frozenset[int]) -> frozenset[int]:
    return _keys(
        connection,
        "SELECT step_key FROM steps"
        " WHERE (step_key > ? OR step_key IN (SELECT value FROM json_each(?)))"
        f" AND NOT ({_SETTLED})",
        (after, codec.encode_numbers(running)),
    )


def _largest(connection: sqlite3.Connection, table: str, key: str) -> int:
    return int(connection.execute(f"SELECT ifnull(max({key}), 0) FROM {table}").fetchone()[0])


def _keys(
    connection: sqlite3.Connection, sql: str, parameters: tuple[Any, ...] = ()
) -> frozenset[int]:
    return frozenset(row[0] for row in connection.execute(sql, parameters))
