"""How often evaluators were content: verdicts of code and models, counted in groups."""

from __future__ import annotations

import datetime
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Optional

from harness_tracing.store import codec
from harness_tracing.store.choice import TurnChoice
from harness_tracing.store.database import has_table
from harness_tracing.store.usage import Days

RATE_GROUPS = ("day", "project", "agent", "evaluator")
# A verdict passed with more than half of what can be had: `partial` (0.5) did not.
_COUNTS = (
    "ifnull(sum(score > 0.5), 0), ifnull(sum(score <= 0.5), 0),"
    " sum(score IS NULL AND label IS 'not_measurable'),"
    " sum(score IS NULL AND label IS NULL),"
    " sum(score IS NULL AND label IS NOT NULL AND label IS NOT 'not_measurable')"
)
# Turns are named as TurnChoice names them; a whole session has the time of its beginning.
_VERDICTS = (
    "(SELECT a.*, ifnull(t.started_at_ns, ifnull(s.started_at_ns, s.last_event_ns))"
    " AS started_at_ns, s.agent AS agent, s.project AS project"
    " FROM annotations AS a JOIN sessions AS s USING (session_key)"
    " LEFT JOIN turns AS t USING (turn_key) WHERE a.annotator_kind != 'HUMAN') AS turns"
)
_NAMES = {
    "day": "local_day(turns.started_at_ns)",
    "project": "project",
    "agent": "agent",
    "evaluator": "name",
}


@dataclass(frozen=True)
class VerdictCounts:
    """Verdicts that passed and did not, and those without a score: what the record lacks for,
    judges that failed, labels that have none.
    """

    passed: int = 0
    not_passed: int = 0
    not_measurable: int = 0
    errors: int = 0
    unscored: int = 0

    @property
    def judged(self) -> int:
        """Those that have a score, of which the pass rate is."""
        return self.passed + self.not_passed

    @property
    def pass_rate(self) -> Optional[float]:
        """The part of them that passed; None where there are none."""
        return self.passed / self.judged if self.judged else None


@dataclass(frozen=True)
class RateRow:
    """One group: its names in the order they were asked for, verdicts, and what they cost.

    `sessions` are those with a verdict; `cost_usd` is what judges are known to have cost.
    """

    names: tuple[str, ...]
    counts: VerdictCounts
    sessions: int
    cost_usd: Optional[float] = None


def rows(
    connection: sqlite3.Connection,
    by: Sequence[str],
    where: TurnChoice,
    zone: Optional[datetime.tzinfo] = None,
) -> list[RateRow]:
    """A row per group, in order of their names; days are those of the judged turns."""
    if not by or not set(by) <= set(RATE_GROUPS):
        raise ValueError(f"no groups: {', '.join(by)}")
    if not has_table(connection, "annotations"):
        return []
    condition, parameters = where.condition()
    connection.create_function("local_day", 1, Days(zone), deterministic=True)
    places = ", ".join(str(place + 1) for place in range(len(by)))
    found = connection.execute(
        f"SELECT {', '.join(_NAMES[name] for name in by)}, {_COUNTS},"
        " count(DISTINCT session_key), sum(json_extract(metadata, '$.cost_usd'))"
        f" FROM {_VERDICTS} WHERE {condition} GROUP BY {places} ORDER BY {places}",
        parameters,
    )
    return [_row(row[: len(by)], row[len(by) :]) for row in found]


def of_sessions(
    connection: sqlite3.Connection, sessions: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], tuple[VerdictCounts, int]]:
    """Verdicts of these sessions (agent, id), and how often people said something of each."""
    if not has_table(connection, "annotations"):
        return {}
    wanted = {(agent, session_id): (VerdictCounts(), 0) for agent, session_id in sessions}
    ids = codec.encode_names(tuple({session_id for _, session_id in wanted}))
    for agent, session_id, is_human, count, *counts in connection.execute(
        f"SELECT agent, session_id, annotator_kind = 'HUMAN', count(*), {_COUNTS}"
        " FROM json_each(?) JOIN sessions ON session_id = value"
        " JOIN annotations USING (session_key) GROUP BY session_key, 3",
        (ids,),
    ):
        if (agent, session_id) in wanted:
            verdicts, humans = wanted[agent, session_id]
            wanted[agent, session_id] = (
                (verdicts, count) if is_human else (VerdictCounts(*counts), humans)
            )
    return wanted


def _row(names: Sequence[str], values: Sequence[Any]) -> RateRow:
    *counts, sessions, cost_usd = values
    return RateRow(tuple(names), VerdictCounts(*counts), sessions, cost_usd)
