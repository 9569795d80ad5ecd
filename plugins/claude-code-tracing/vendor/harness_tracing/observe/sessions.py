"""Sessions and projects as lines for the terminal."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Optional

from harness_tracing.observe.columns import Column, Line, fitting, joined, table, words
from harness_tracing.observe.styles import STATUS_STYLES
from harness_tracing.observe.text import duration, moment, money, plural, telling_length, tokens

if TYPE_CHECKING:
    from harness_tracing.store import ProjectRow, SessionRow

_ROOM_FOR_ALL_COLUMNS = 100
_ROOM_FOR_WHOLE_IDS = 140
_ROOM_FOR_AGENTS = 120
_ROOM_FOR_CLOCK = 70
# The columns of numbers, each with the width from which on there is room for it.
_NUMBERS = {"time": 100, "turns": 0, "tools": 100, "failed": 108, "tokens": 64, "cost": 0}
_LEAST_PROMPT = 12
_LEAST_PROJECT = 12
# What goes first where even these have no room.
_SPARED = ("turns", "cost", "project", "started")

Zone = Optional[datetime.tzinfo]


def session_lines(rows: Sequence[SessionRow], width: int, zone: Zone = None) -> Iterator[Line]:
    """One line per session; narrow outputs get short ids and dates and fewer columns.

    A short id is as much of it as tells the sessions apart.
    """
    return table(fitting(_columns(rows, width, zone), width, _SPARED), width)


def project_lines(rows: Sequence[ProjectRow], width: int, zone: Zone = None) -> Iterator[Line]:
    """One line per project; narrow outputs get fewer columns."""
    active = [moment(at, zone) if at is not None else "" for at in (r.last_event_ns for r in rows)]
    columns = [
        Column("project", [words(row.project, "bold") for row in rows], least=_LEAST_PROJECT),
        Column("agents", [words(", ".join(row.agents)) for row in rows]),
        Column("sessions", [[(str(row.sessions), "")] for row in rows], right=True),
        Column("turns", [[(str(row.turns), "")] for row in rows], right=True),
        Column("last active", [[(at, "dim")] for at in active]),
    ]
    return table(fitting(columns, width, ("agents", "turns", "sessions", "last active")), width)


def _columns(rows: Sequence[SessionRow], width: int, zone: Zone) -> list[Column]:
    ids = [row.session_id for row in rows]
    whole_ids = width >= _ROOM_FOR_WHOLE_IDS
    id_length = None if whole_ids else telling_length(ids)
    day = slice(0 if width >= _ROOM_FOR_ALL_COLUMNS else len("2025-"), _clock_end(width))
    cells = {
        "time": [[(_time(row), "")] for row in rows],
        "turns": [[(str(row.turns), "")] for row in rows],
        "tools": [[(str(row.tools), "")] for row in rows],
        "failed": [[(str(row.failures or ""), "red")] for row in rows],
        "tokens": [[(_tokens(row), "")] for row in rows],
        "cost": [[(_cost(row), "")] for row in rows],
    }
    columns = [
        Column("session", [words(row.session_id[:id_length], "bold") for row in rows]),
        Column("started", [[(_started(row, zone)[day], "dim")] for row in rows]),
        Column("project", [words(row.project) for row in rows], most=20),
    ]
    if width >= _ROOM_FOR_AGENTS and (whole_ids or len({row.agent for row in rows}) > 1):
        columns.append(Column("agent", [words(row.agent) for row in rows], most=12))
    columns += [
        Column(name, cells[name], right=True)
        for name, least_width in _NUMBERS.items()
        if width >= least_width
    ]
    with_failures = width < _NUMBERS["failed"]
    prompts = [_prompt(row, with_failures) for row in rows]
    return [*columns, Column("first prompt", prompts, least=_LEAST_PROMPT)]


def _clock_end(width: int) -> Optional[int]:
    return None if width >= _ROOM_FOR_CLOCK else len("2025-12-31")


def _started(row: SessionRow, zone: Zone) -> str:
    return moment(row.started_at_ns, zone) if row.started_at_ns is not None else ""


def _tokens(row: SessionRow) -> str:
    return tokens(row.usage.total_tokens) if row.usage.total_tokens else ""


def _time(row: SessionRow) -> str:
    begun, ended = row.started_at_ns, row.ended_at_ns or row.last_event_ns
    return duration(ended - begun) if begun is not None and ended is not None else ""


def _cost(row: SessionRow) -> str:
    if row.cost_usd is None:
        return "no price" if row.unpriced_models else ""
    return money(row.cost_usd) + ("+" if row.unpriced_models else "")


def _prompt(row: SessionRow, with_failures: bool) -> Line:
    """How it went unless it went well, then what was asked first."""
    status: Line = []
    if row.open:
        status = [("running", "cyan")]
    elif row.last_status is not None and row.last_status != "completed":
        status = words(row.last_status, STATUS_STYLES.get(row.last_status, ""))
    failed = row.failures if with_failures else 0
    failures: Line = [(plural(failed, "failure"), "red")] if failed else []
    return joined(status, failures, words(row.first_prompt))
