"""Sessions as lists show them: found by what they hold, counted and added up."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Optional

from harness_tracing.errors import StoreError
from harness_tracing.model import Session, Usage
from harness_tracing.store import codec
from harness_tracing.store.choice import USAGE

if TYPE_CHECKING:
    from harness_tracing.store.terms import Term

_MANY_CANDIDATES = 10
_USAGE = ", ".join(f"sum({name})" for name in USAGE.split(", "))
_AFTER_EVERY_TEXT = "\U0010ffff"
_COUNTED = {"model_call": "model_calls", "tool": "tools", "subagent": "subagents"}
_COUNTS = (*_COUNTED.values(), "failures")
_FAILED = ("error", "failed")
_FAILED_STEPS = "kind IN ('model_call', 'tool', 'subagent') AND steps.status IN ('error', 'failed')"
_HAS_FAILED = (
    "session_key IN (SELECT session_key FROM turns WHERE status = 'failed' OR failures > 0"
    " UNION ALL SELECT session_key FROM turns JOIN steps USING (turn_key)"
    f" WHERE summarized = 0 AND {_FAILED_STEPS})"
)


@dataclass(frozen=True)
class SessionRow:
    """A session as lists show it: itself, counted and added up.

    `failures` counts tool calls and model calls in error and failed sub-agents. `usage` and
    `cost_usd` are sums over the turns, late steps included; models in `unpriced_models` are
    not part of the cost. `first_prompt` is cut at 500 characters. `last_event_ns` is the
    latest time seen anywhere in the session. `open`: it has a turn that is not final.
    """

    session: Session
    started_at_ns: Optional[int]
    ended_at_ns: Optional[int]
    last_event_ns: Optional[int]
    turns: int = 0
    model_calls: int = 0
    tools: int = 0
    subagents: int = 0
    failures: int = 0
    usage: Usage = field(default_factory=Usage)
    cost_usd: Optional[float] = None
    unpriced_models: tuple[str, ...] = ()
    first_prompt: Optional[str] = None
    last_status: Optional[str] = None
    open: bool = False

    @property
    def agent(self) -> str:
        """The agent's name."""
        return self.session.agent

    @property
    def session_id(self) -> str:
        """The agent's id of the session."""
        return self.session.session_id

    @property
    def project(self) -> str:
        """The project it is filed under."""
        return self.session.project


@dataclass(frozen=True)
class Choice:
    """Which sessions to list; None: whatever they have there.

    `since_ns`: active since then; `until_ns`: begun before. `terms`: a turn holds all of them.
    `failed`: a model call, a tool, a sub-agent or a turn failed.
    """

    agent: Optional[str] = None
    project: Optional[str] = None
    since_ns: Optional[int] = None
    until_ns: Optional[int] = None
    terms: Sequence[Term] = ()
    failed: bool = False
    limit: Optional[int] = None


def session_rows(connection: sqlite3.Connection, choice: Choice) -> list[SessionRow]:
    """Sessions that match, the latest active first."""
    conditions: dict[str, Any] = {
        "agent = ?": choice.agent,
        "project = ?": choice.project,
        "last_event_ns >= ?": choice.since_ns,
        "ifnull(started_at_ns, last_event_ns) < ?": choice.until_ns,
    }
    if choice.terms:
        from harness_tracing.store import search

        found = codec.encode_numbers(search.sessions_with(connection, choice.terms))
        conditions["session_key IN (SELECT value FROM json_each(?))"] = found
    used = {condition: value for condition, value in conditions.items() if value is not None}
    where = " AND ".join([*used, *([_HAS_FAILED] if choice.failed else [])]) or "1"
    keys = connection.execute(
        f"SELECT session_key FROM sessions WHERE {where} ORDER BY last_event_ns DESC LIMIT ?",
        (*used.values(), -1 if choice.limit is None else choice.limit),
    )
    return _rows(connection, [row[0] for row in keys])


def session_row(
    connection: sqlite3.Connection, id_or_prefix: str, agent: Optional[str] = None
) -> Optional[SessionRow]:
    """The session of that id, or whose id alone begins so; None when there is none.

    Raises StoreError, naming the candidates, when several match.
    """
    beginning = codec.whole_text(id_or_prefix)
    candidates = connection.execute(
        "SELECT session_id, agent, session_key FROM sessions WHERE session_id >= ?"
        " AND session_id < ? AND (? IS NULL OR agent = ?) LIMIT ?",
        (beginning, beginning + _AFTER_EVERY_TEXT, agent, agent, _MANY_CANDIDATES + 1),
    ).fetchall()
    exact = [candidate for candidate in candidates if candidate[0] == beginning]
    matching = exact or candidates
    if len(matching) > 1:
        names = [f"{found_id} ({found_agent})" for found_id, found_agent, _ in matching]
        more = ", …" if len(names) > _MANY_CANDIDATES else ""
        listed = ", ".join(names[:_MANY_CANDIDATES]) + more
        raise StoreError(f"{id_or_prefix!r} is the beginning of several sessions: {listed}")
    if not matching:
        return None
    return _rows(connection, [matching[0][2]])[0]


def _rows(connection: sqlite3.Connection, keys: Sequence[int]) -> list[SessionRow]:
    """Rows of the sessions of those keys, the latest active first."""
    chosen = "WITH chosen(session_key) AS (SELECT value FROM json_each(?))"
    parameters = (codec.encode_numbers(keys),)
    totals = _turn_totals(connection, chosen, parameters)
    counts = _step_counts(connection, chosen, parameters)
    sessions = connection.execute(
        f"{chosen} SELECT session_key, ended_at_ns, last_event_ns, body"
        " FROM chosen JOIN sessions USING (session_key) ORDER BY last_event_ns DESC, session_key",
        parameters,
    ).fetchall()
    rows = []
    for key, ended_at_ns, last_event_ns, body in sessions:
        session = codec.decode_session(body)
        of_turns = totals.get(key, {})
        first_turn_ns = of_turns.pop("first_turn_ns", None)
        started_at_ns = first_turn_ns if session.started_at_ns is None else session.started_at_ns
        of_steps = counts.get(key, {})
        rows.append(
            SessionRow(session, started_at_ns, ended_at_ns, last_event_ns, **of_turns, **of_steps)
        )
    return rows


def _turn_totals(
    connection: sqlite3.Connection, chosen: str, parameters: tuple[Any, ...]
) -> dict[int, dict[str, Any]]:
    """What SessionRow says about the turns, by session key."""
    of_turns = "FROM chosen JOIN turns USING (session_key)"
    totals: dict[int, dict[str, Any]] = {}
    for key, turns, is_open, first_ns, cost_usd, *counts in connection.execute(
        f"{chosen} SELECT session_key, count(*), max(final = 0), min(started_at_ns),"
        f" sum(cost_usd), {_USAGE} {of_turns} GROUP BY session_key",
        parameters,
    ):
        totals[key] = {
            "turns": turns,
            "open": bool(is_open),
            "first_turn_ns": first_ns,
            "cost_usd": cost_usd,
            "usage": Usage(*counts),
        }
    # Beside min() and max() SQLite takes the other columns from the row that has it.
    for key, _, prompt in connection.execute(
        f"{chosen} SELECT session_key, min(number), prompt_start {of_turns}"
        " WHERE prompt_start IS NOT NULL GROUP BY session_key",
        parameters,
    ):
        totals[key]["first_prompt"] = prompt
    for key, _, status in connection.execute(
        f"{chosen} SELECT session_key, max(number), status {of_turns} GROUP BY session_key",
        parameters,
    ):
        totals[key]["last_status"] = status
    for key, models in connection.execute(
        f"{chosen} SELECT DISTINCT session_key, unpriced_models {of_turns}"
        " WHERE unpriced_models IS NOT NULL",
        parameters,
    ):
        known = totals[key].get("unpriced_models", ())
        totals[key]["unpriced_models"] = tuple(sorted({*known, *codec.decode_names(models)}))
    return totals


def _step_counts(
    connection: sqlite3.Connection, chosen: str, parameters: tuple[Any, ...]
) -> dict[int, dict[str, Any]]:
    """What SessionRow says about the steps, by session key."""
    counts: dict[int, dict[str, Any]] = {}
    for key, *added_up in connection.execute(
        f"{chosen} SELECT session_key, {', '.join(f'sum({name})' for name in _COUNTS)}"
        " FROM chosen JOIN turns USING (session_key) WHERE summarized = 1 GROUP BY session_key",
        parameters,
    ):
        counts[key] = dict(zip(_COUNTS, added_up))
    for key, kind, status, count in connection.execute(
        f"{chosen} SELECT session_key, kind, steps.status, count(*) FROM chosen"
        " JOIN turns USING (session_key) JOIN steps USING (turn_key) WHERE summarized = 0"
        " GROUP BY session_key, kind, steps.status",
        parameters,
    ):
        if kind in _COUNTED:
            of_session = counts.setdefault(key, dict.fromkeys(_COUNTS, 0))
            of_session[_COUNTED[kind]] += count
            of_session["failures"] += count if status in _FAILED else 0
    return counts
