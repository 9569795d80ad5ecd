"""Reading turns, steps and projects back."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Optional

from harness_tracing.model import ModelCall, Session, Step, Turn, Usage, step_id
from harness_tracing.store import codec
from harness_tracing.store.write import CAME_LATER

_DEEPEST_PARENT = 64


@dataclass(frozen=True)
class TurnRow:
    """A turn with what the store knows about it beyond the turn itself.

    `usage` and `cost_usd` include late steps, which `turn.usage` of a final turn does not.
    `late_step_ids`: steps settled after the turn was final (see model.step_id);
    `joined_step_ids`: those of them that it did not have then.
    """

    turn: Turn
    final: bool
    usage: Usage
    cost_usd: Optional[float]
    unpriced_models: tuple[str, ...]
    late_step_ids: frozenset[str]
    joined_step_ids: frozenset[str] = frozenset()

    @property
    def turn_when_final(self) -> Turn:
        """The turn as it became final, but for the end of steps that still ran.

        What was sent of it then is built from this whenever it is sent: a span has one content.
        """
        steps = [step for step in self.turn.steps if step_id(step) not in self.joined_step_ids]
        return replace(self.turn, steps=tuple(map(self._uncounted, steps)))

    def _uncounted(self, step: Step) -> Step:
        if isinstance(step, ModelCall) and step_id(step) in self.late_step_ids:
            return replace(step, usage=Usage())
        return step


@dataclass(frozen=True)
class ProjectRow:
    """A project: which agents' sessions it holds and when something last happened in it."""

    project: str
    agents: tuple[str, ...]
    sessions: int
    turns: int
    last_event_ns: Optional[int]


@dataclass(frozen=True)
class AgentRow:
    """An agent: how many sessions it has, and when something last happened in a captured one.

    Who was captured has a process that is known; what was imported says nothing about hooks.
    """

    agent: str
    sessions: int
    last_event_ns: Optional[int]


def turn_rows(connection: sqlite3.Connection, agent: str, session_id: str) -> list[TurnRow]:
    """The turns of a session in order, steps included; the last may be open."""
    return _turn_rows(
        connection,
        "session_key = (SELECT session_key FROM sessions WHERE session_id = ? AND agent = ?)",
        (codec.whole_text(session_id), agent),
    )


def turn_row(connection: sqlite3.Connection, trace_id: str) -> Optional[TurnRow]:
    """The turn of a trace (32 hex digits), None when there is none."""
    rows = _turn_rows(connection, "trace_id = ?", (trace_id.lower(),))
    return rows[0] if rows else None


def turn_by_trace_id(connection: sqlite3.Connection, trace_id: str) -> Optional[Turn]:
    """The turn of a trace (32 hex digits), None when there is none."""
    row = turn_row(connection, trace_id)
    return None if row is None else row.turn


def final_turns(
    connection: sqlite3.Connection,
    *,
    agent: Optional[str],
    session_id: Optional[str],
    project: Optional[str],
    since_ns: Optional[int],
) -> list[int]:
    """The keys of final turns that match, oldest first."""
    conditions = {
        "agent = ?": agent,
        "session_id = ?": session_id,
        "project = ?": project,
        "turns.started_at_ns >= ?": since_ns,
    }
    used = {condition: value for condition, value in conditions.items() if value is not None}
    where = "".join(f" AND {condition}" for condition in used)
    rows = connection.execute(
        "SELECT turn_key FROM turns JOIN sessions USING (session_key)"
        f" WHERE final = 1{where} ORDER BY turns.started_at_ns, turn_key",
        tuple(used.values()),
    )
    return [row[0] for row in rows]


def turn_by_span_id(connection: sqlite3.Connection, span_id: str) -> Optional[Turn]:
    """The turn that has a span of that id (16 hex digits), as its own or as a step's."""
    rows = _turn_rows(
        connection,
        "turn_key IN (SELECT turn_key FROM turns WHERE span_id = ?"
        " UNION SELECT turn_key FROM steps WHERE span_id = ?)",
        (span_id.lower(), span_id.lower()),
    )
    return rows[0].turn if rows else None


def _turn_rows(
    connection: sqlite3.Connection, where: str, parameters: tuple[Any, ...]
) -> list[TurnRow]:
    steps: dict[int, list[Step]] = defaultdict(list)
    late: dict[int, dict[str, int]] = defaultdict(dict)
    for turn_key, kind, how_late, body in connection.execute(
        "SELECT turn_key, kind, late, step_bodies.body FROM steps JOIN step_bodies USING (step_key)"
        f" WHERE turn_key IN (SELECT turn_key FROM turns WHERE {where}) ORDER BY step_key",
        parameters,
    ):
        step = codec.decode_step(kind, body)
        if step is not None:
            steps[turn_key].append(step)
            if how_late:
                late[turn_key][step_id(step)] = how_late
    rows = []
    for turn_key, final, cost_usd, unpriced, body, *counts in connection.execute(
        "SELECT turn_key, final, cost_usd, unpriced_models, body, input_tokens, output_tokens,"
        " cache_read_tokens, cache_write_tokens, cache_write_1h_tokens, reasoning_tokens"
        f" FROM turns JOIN turn_bodies USING (turn_key) WHERE {where} ORDER BY number, turn_key",
        parameters,
    ):
        turn = codec.decode_turn(body, in_order(steps[turn_key]))
        unpriced_models = codec.decode_names(unpriced)
        joined = (item for item, how_late in late[turn_key].items() if how_late == CAME_LATER)
        rows.append(
            TurnRow(
                turn,
                bool(final),
                Usage(*counts),
                cost_usd,
                unpriced_models,
                late_step_ids=frozenset(late[turn_key]),
                joined_step_ids=frozenset(joined),
            )
        )
    return rows


def in_order(steps: Iterable[Step]) -> tuple[Step, ...]:
    """Steps in order of start; equal starts stay as they are.

    A step whose start is not known stands where its end does, else behind the step it
    belongs to, else first.
    """
    listed = list(steps)
    columns = {row.step_id: row for row in map(codec.step_columns, listed)}

    def place(row: codec.StepColumns, seen: int) -> tuple[int, int]:
        at_ns = row.ended_at_ns if row.started_at_ns is None else row.started_at_ns
        if at_ns is not None:
            return (at_ns, seen)
        parent = columns.get(row.parent_id or "")
        # A step hangs at most a few levels deep; a ring of parents must not hang us.
        return place(parent, seen + 1) if parent and seen < _DEEPEST_PARENT else (-1, seen)

    return tuple(sorted(listed, key=lambda step: place(columns[step_id(step)], 0)))


def project_rows(connection: sqlite3.Connection) -> list[ProjectRow]:
    """Every project, the latest active first."""
    return [
        ProjectRow(project, tuple(sorted(agents.split("\n"))), sessions, turns, last_event_ns)
        for project, agents, sessions, turns, last_event_ns in connection.execute(
            "SELECT project, group_concat(agent, x'0a'), sum(sessions), sum(turns), max(last_ns)"
            " FROM (SELECT project, agent, count(*) AS sessions, max(last_event_ns) AS last_ns,"
            " sum((SELECT count(*) FROM turns WHERE turns.session_key = sessions.session_key))"
            " AS turns FROM sessions GROUP BY project, agent)"
            " GROUP BY project ORDER BY max(last_ns) DESC, project"
        )
    ]


def agent_rows(connection: sqlite3.Connection) -> list[AgentRow]:
    """Every agent that has sessions, by name."""
    counted = connection.execute("SELECT agent, count(*) FROM sessions GROUP BY agent ORDER BY 1")
    return [
        AgentRow(agent, sessions, _last_captured_ns(connection, agent))
        for agent, sessions in counted.fetchall()
    ]


def _last_captured_ns(connection: sqlite3.Connection, agent: str) -> Optional[int]:
    latest_first = connection.execute(
        "SELECT last_event_ns, body FROM sessions WHERE agent = ? AND last_event_ns IS NOT NULL"
        " ORDER BY last_event_ns DESC",
        (agent,),
    )
    for last_event_ns, body in latest_first:
        if codec.decode_session(body).pid is not None:
            return int(last_event_ns)
    return None


def open_sessions(connection: sqlite3.Connection) -> list[Session]:
    """Sessions that have a turn which is not final."""
    return [
        codec.decode_session(body)
        for (body,) in connection.execute(
            "SELECT body FROM sessions WHERE session_key IN"
            " (SELECT session_key FROM turns WHERE final = 0) ORDER BY session_key"
        )
    ]


def reader_state(connection: sqlite3.Connection, agent: str, session_id: str) -> Optional[bytes]:
    """The state of the session's reader as last written, None when there is none."""
    found = connection.execute(
        "SELECT state FROM reader_states JOIN sessions USING (session_key)"
        " WHERE session_id = ? AND agent = ?",
        (codec.whole_text(session_id), agent),
    ).fetchone()
    return bytes(found[0]) if found else None


def is_final(connection: sqlite3.Connection, agent: str, session_id: str, turn_id: str) -> bool:
    """Whether the turn is stored and will not change any more."""
    found = connection.execute(
        "SELECT final FROM turns JOIN sessions USING (session_key)"
        " WHERE session_id = ? AND agent = ? AND turn_id = ?",
        (codec.whole_text(session_id), agent, codec.whole_text(turn_id)),
    ).fetchone()
    return bool(found and found[0])
