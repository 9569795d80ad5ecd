"""What came into the store since one looked last."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Optional

from harness_tracing.model import Step, Turn
from harness_tracing.store import codec
from harness_tracing.store.write import UNSETTLED

_SETTLED = f"ifnull(steps.status, '') NOT IN ({', '.join(repr(status) for status in UNSETTLED)})"

_ASKED = "step_key IN (SELECT value FROM json_each(?))"
_REMEMBERED = 2000


@dataclass(frozen=True)
class Seen:
    """What was there at the last look, by span id, and which keys were still going on.

    Only the latest of them: keys grow, but those that a deletion frees are given again.
    """

    turns: Mapping[int, str] = field(default_factory=dict)
    steps: Mapping[int, str] = field(default_factory=dict)
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
    running = (
        "SELECT step_key FROM turns JOIN steps USING (turn_key)"
        f" WHERE final = 0 AND NOT ({_SETTLED})"
    )
    return Seen(
        _latest(connection, "turns", "turn_key"),
        _latest(connection, "steps", "step_key"),
        _keys(connection, "SELECT turn_key FROM turns WHERE final = 0"),
        _keys(connection, running),
    )


def news(connection: sqlite3.Connection, seen: Seen) -> tuple[list[News], Seen]:
    """What is new since then, in order of time, and what is seen now."""
    began = _new(connection, "turns", "turn_key", seen.turns)
    found = [_of_turn(connection, key, "began") for key in began]
    watched = seen.open_turns.union(began)
    open_turns = watched & _keys(connection, "SELECT turn_key FROM turns WHERE final = 0")
    asked = codec.encode_numbers(
        seen.running_steps.union(_new(connection, "steps", "step_key", seen.steps))
    )
    found += _of_steps(connection, asked)
    found += [_of_turn(connection, key, "ended") for key in sorted(watched - open_turns)]
    now_seen = Seen(
        _latest(connection, "turns", "turn_key"),
        _latest(connection, "steps", "step_key"),
        open_turns,
        _keys(connection, f"SELECT step_key FROM steps WHERE {_ASKED} AND NOT ({_SETTLED})", asked),
    )
    return sorted((each for each in found if each is not None), key=_moment), now_seen


def _new(
    connection: sqlite3.Connection, table: str, key: str, seen: Mapping[int, str]
) -> list[int]:
    rows = connection.execute(
        f"SELECT {key}, span_id FROM {table} WHERE {key} >= ? ORDER BY {key}",
        (min(seen, default=0),),
    )
    return [found for found, span_id in rows if seen.get(found) != span_id]


def _latest(connection: sqlite3.Connection, table: str, key: str) -> dict[int, str]:
    latest = f"SELECT {key}, span_id FROM {table} ORDER BY {key} DESC LIMIT {_REMEMBERED}"
    return dict(connection.execute(latest).fetchall())


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


def _of_steps(connection: sqlite3.Connection, asked: str) -> list[Optional[News]]:
    rows = connection.execute(
        "SELECT agent, session_id, project, turn_bodies.body, kind, step_bodies.body,"
        " ifnull(steps.ended_at_ns, steps.started_at_ns) FROM steps"
        " JOIN step_bodies USING (step_key) JOIN turns USING (turn_key)"
        " JOIN turn_bodies USING (turn_key) JOIN sessions USING (session_key)"
        f" WHERE {_ASKED} AND {_SETTLED} ORDER BY step_key",
        (asked,),
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


def _keys(connection: sqlite3.Connection, sql: str, *parameters: str) -> frozenset[int]:
    return frozenset(row[0] for row in connection.execute(sql, parameters))
