"""What turns did and cost, added up over groups of them."""

from __future__ import annotations

import datetime
import sqlite3
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Optional

from harness_tracing.model import Usage
from harness_tracing.store.choice import USAGE, TurnChoice

GROUPS = ("day", "project", "agent", "model", "tool")
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
_SECOND_NS = 10**9
_USAGE = ", ".join(f"sum({{0}}.{name})" for name in USAGE.split(", "))
_TURNS = (
    "count(*), count(DISTINCT turns.session_key), sum(turns.status = 'failed'),"
    " sum(model_calls), sum(tools), 0, sum(failures), sum(unpriced_models IS NOT NULL),"
    " sum(max(0, turns.ended_at_ns - turns.started_at_ns)), NULL, sum(turns.cost_usd), "
)
_MODELS = (
    "count(*), count(DISTINCT turns.session_key), sum(turns.status = 'failed'),"
    " sum(m.calls), 0, 0, sum(m.failures), sum(m.unpriced), sum(m.duration_ns), NULL,"
    " sum(m.cost_usd), "
)
_TOOLS = (
    "count(*), count(DISTINCT turns.session_key), sum(turns.status = 'failed'),"
    " 0, sum(t.calls), sum(t.denied), sum(t.failures), 0, sum(t.duration_ns), sum(t.waited_ns),"
    " NULL, NULL, NULL, NULL, NULL, NULL, NULL"
)
_COUNTED = (
    "turns",
    "sessions",
    "failed_turns",
    "model_calls",
    "tools",
    "denied",
    "failures",
    "unpriced",
)
_NAMES = {
    "day": "local_day(turns.started_at_ns)",
    "project": "project",
    "agent": "agent",
    "model": "m.model",
    "tool": "t.tool",
}


@dataclass(frozen=True)
class UsageRow:
    """One group: its names in the order they were asked for, and sums over its turns.

    `failures` are model calls, tools and sub-agents that failed, in a group by model or tool
    those of that model or tool. `unpriced` counts what the cost lacks: turns with a call of a
    model without price, by model such calls. `duration_ns` is the time of turns; by model or
    tool that of its calls. By tool there are no tokens; otherwise `waited_ns` is None.
    """

    names: tuple[str, ...]
    turns: int
    sessions: int
    failed_turns: int
    model_calls: int
    tools: int
    denied: int
    failures: int
    unpriced: int
    duration_ns: Optional[int]
    waited_ns: Optional[int]
    cost_usd: Optional[float]
    usage: Usage = field(default_factory=Usage)


def rows(
    connection: sqlite3.Connection,
    by: Sequence[str],
    where: TurnChoice,
    zone: Optional[datetime.tzinfo] = None,
) -> list[UsageRow]:
    """A row per group, in order of their names; one row in all when `by` is empty.

    Raises ValueError for a group that is not in GROUPS, and for model and tool together.
    """
    if not set(by) <= set(GROUPS) or {"model", "tool"} <= set(by):
        raise ValueError(f"no groups: {', '.join(by)}")
    condition, parameters = where.condition()
    complete = not _count_unsummarized(connection, condition, parameters)
    connection.create_function("local_day", 1, Days(zone), deterministic=True)
    names = ", ".join(_NAMES[name] for name in by) or "NULL"
    places = ", ".join(str(place + 1) for place in range(max(1, len(by))))
    table, sums_of = _source(by, complete)
    found = connection.execute(
        f"SELECT {names}, {sums_of} FROM {table} JOIN sessions USING (session_key)"
        f" WHERE {condition} GROUP BY {places} ORDER BY {places}",
        parameters,
    )
    count = max(1, len(by))
    return [_row(row[: len(by)], row[count:]) for row in found if row[count]]


def _row(names: Sequence[str], values: Sequence[Any]) -> UsageRow:
    counted: dict[str, Any] = {name: value or 0 for name, value in zip(_COUNTED, values)}
    duration_ns, waited_ns, cost_usd, *tokens = values[len(_COUNTED) :]
    return UsageRow(
        tuple(names),
        **counted,
        duration_ns=duration_ns,
        waited_ns=waited_ns,
        cost_usd=cost_usd,
        usage=Usage(*tokens),
    )


def _source(by: Sequence[str], complete: bool) -> tuple[str, str]:
    """The table to add up, and what of it; `complete` when all turns are summarized."""
    if "model" in by:
        table = "turn_models AS m JOIN turns USING (turn_key)"
        return table if complete else _both("turn_models", "m"), _MODELS + _USAGE.format("m")
    if "tool" in by:
        table = "turn_tools AS t JOIN turns USING (turn_key)"
        return table if complete else _both("turn_tools", "t"), _TOOLS
    if complete:
        return "turns", _TURNS + _USAGE.format("turns")
    counted = (
        "(SELECT turn_key, session_key, status, started_at_ns, ended_at_ns, unpriced_models,"
        f" cost_usd, {USAGE}, model_calls, tools, failures FROM turns WHERE summarized = 1"
        " UNION ALL SELECT turn_key, session_key, status, started_at_ns, ended_at_ns,"
        f" unpriced_models, cost_usd, {USAGE}, n.model_calls, n.tools, n.failures"
        " FROM turns JOIN temp.counted AS n USING (turn_key)) AS turns"
    )
    return counted, _TURNS + _USAGE.format("turns")


def _both(table: str, alias: str) -> str:
    return (
        f"(SELECT * FROM main.{table} WHERE turn_key NOT IN (SELECT turn_key FROM temp.counted)"
        f" UNION ALL SELECT * FROM temp.{table}) AS {alias} JOIN turns USING (turn_key)"
    )


def _count_unsummarized(
    connection: sqlite3.Connection, condition: str, parameters: tuple[Any, ...]
) -> int:
    """Put the sums of turns that have none into tables that only this connection sees.

    Returns how many those are.
    """
    missing = connection.execute(
        "SELECT turn_key FROM turns JOIN sessions USING (session_key) WHERE turn_key IN"
        " (SELECT turn_key FROM turns WHERE final = 0 UNION ALL"
        f" SELECT turn_key FROM turns WHERE final = 1 AND summarized = 0) AND {condition}",
        parameters,
    ).fetchall()
    if not missing:
        return 0
    from harness_tracing.store import sums

    connection.execute("DROP TABLE IF EXISTS temp.counted")
    connection.execute(
        "CREATE TEMP TABLE counted"
        " (turn_key INTEGER PRIMARY KEY, model_calls INTEGER, tools INTEGER, failures INTEGER)"
    )
    for table in ("turn_models", "turn_tools"):
        connection.execute(f"DROP TABLE IF EXISTS temp.{table}")
        connection.execute(f"CREATE TEMP TABLE {table} AS SELECT * FROM main.{table} LIMIT 0")
    for (turn_key,) in missing:
        added = sums.of_turn(connection, turn_key)
        counts = (turn_key, added.model_calls, added.tools, added.failures)
        connection.execute("INSERT INTO temp.counted VALUES (?, ?, ?, ?)", counts)
        sums.insert_rows(connection, turn_key, added, "temp")
    return len(missing)


class Days:
    """Says in which day of a zone (None: the user's) a moment lies; it knows each day once met."""

    def __init__(self, zone: Optional[datetime.tzinfo]) -> None:
        self._zone = zone
        self._begins: list[int] = []
        self._days: list[tuple[int, str]] = []

    def __call__(self, at_ns: int) -> str:
        place = bisect_right(self._begins, at_ns)
        if place and at_ns < self._days[place - 1][0]:
            return self._days[place - 1][1]
        local = (_EPOCH + datetime.timedelta(seconds=at_ns // _SECOND_NS)).astimezone(self._zone)
        day = local.date()
        self._begins.insert(place, self._begin_ns(day))
        self._days.insert(place, (self._begin_ns(day + datetime.timedelta(days=1)), str(day)))
        return str(day)

    def _begin_ns(self, day: datetime.date) -> int:
        midnight = datetime.datetime.combine(day, datetime.time(), tzinfo=self._zone)
        return int(midnight.timestamp()) * _SECOND_NS
