"""Sessions and projects as tables for the terminal."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from typing import Optional

from rich.table import Table
from rich.text import Text

from harness_tracing.observe.deliveries import Delivery
from harness_tracing.observe.labels import STATUS_STYLES
from harness_tracing.observe.rows import sentence, words
from harness_tracing.observe.text import duration, moment, money, plural, telling_length, tokens
from harness_tracing.store import ProjectRow, SessionRow

_ROOM_FOR_ALL_COLUMNS = 100
_ROOM_FOR_WHOLE_IDS = 140
_ROOM_FOR_AGENTS = 120
_ROOM_FOR_CLOCK = 70
# The columns of numbers, each with the width from which on there is room for it.
_NUMBERS = {"time": 100, "turns": 0, "tools": 100, "failed": 108, "tokens": 64, "cost": 0}
_LEAST_PROMPT = 12

Zone = Optional[datetime.tzinfo]


def session_table(rows: Sequence[SessionRow], width: int, zone: Zone = None) -> Table:
    """One line per session; narrow outputs get short ids and dates and fewer columns.

    A short id is as much of it as tells the sessions apart.
    """
    wide = width >= _ROOM_FOR_ALL_COLUMNS
    ids = [row.session_id for row in rows]
    id_length = None if width >= _ROOM_FOR_WHOLE_IDS else telling_length(ids)
    agents = len({row.agent for row in rows}) > 1 or width >= _ROOM_FOR_WHOLE_IDS
    table = _table()
    table.add_column("session", no_wrap=True)
    table.add_column("started", no_wrap=True, style="dim")
    table.add_column("project", no_wrap=True, overflow="ellipsis", max_width=20)
    if agents and width >= _ROOM_FOR_AGENTS:
        table.add_column("agent", no_wrap=True, overflow="ellipsis", max_width=12)
    for name, least_width in _NUMBERS.items():
        if width >= least_width:
            table.add_column(name, justify="right", no_wrap=True)
    # The only column that may shrink; its cells do not wrap either.
    table.add_column("first prompt", min_width=_LEAST_PROMPT)
    for row in rows:
        cells = {
            "agent": words(row.agent),
            "time": Text(_time(row)),
            "turns": Text(str(row.turns)),
            "tools": Text(str(row.tools)),
            "failed": Text(str(row.failures) if row.failures else "", "red"),
            "tokens": Text(tokens(row.usage.total_tokens) if row.usage.total_tokens else ""),
            "cost": Text(_cost(row)),
        }
        shown = [cells[str(each.header)] for each in table.columns if each.header in cells]
        table.add_row(
            words(row.session_id[:id_length], "bold"),
            _started(row, zone)[
                0 if wide else len("2025-") : None if width >= _ROOM_FOR_CLOCK else 10
            ],
            words(row.project),
            *shown,
            _prompt(row, with_failures=width < _NUMBERS["failed"]),
        )
    return table


def project_table(rows: Sequence[ProjectRow], zone: Zone = None) -> Table:
    """One line per project."""
    table = _table()
    table.add_column("project", no_wrap=True, overflow="ellipsis", style="bold")
    table.add_column("agents", overflow="fold")
    for name in ("sessions", "turns"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("last active", no_wrap=True, style="dim")
    for row in rows:
        active = moment(row.last_event_ns, zone) if row.last_event_ns is not None else ""
        agents = words(", ".join(row.agents))
        table.add_row(words(row.project), agents, str(row.sessions), str(row.turns), active)
    return table


def delivery_table(rows: Sequence[Delivery]) -> Table:
    """A line per destination and project: how many spans are how far."""
    table = _table()
    table.add_column("destination", no_wrap=True, style="bold")
    table.add_column("project", no_wrap=True, overflow="ellipsis", max_width=20)
    for name in ("waiting", "sent", "delivered", "dead", "dropped"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("state", no_wrap=True, min_width=len("no credentials"))
    for row in rows:
        queue = row.queue
        counts = (row.waiting, row.sent, queue.delivered if queue else 0, row.dead)
        table.add_row(
            words(row.name),
            words(row.target.project),
            *[str(count or "-") for count in (*counts, queue.dropped if queue else 0)],
            Text(row.state, {"ok": "green", "waiting": ""}.get(row.state, "red")),
        )
    return table


def delivery_notes(rows: Sequence[Delivery], now_ns: int) -> list[str]:
    """For each backend where it is, what waits, what is wrong with it and since when."""
    accounts: dict[tuple[str, str, str], list[Delivery]] = {}
    for row in rows:
        accounts.setdefault(row.target.account, []).append(row)
    return ["; ".join(_notes(each, now_ns)) for each in accounts.values()]


def _notes(rows: Sequence[Delivery], now_ns: int) -> Iterator[str]:
    row, account = rows[0], rows[0].account
    yield row.target.title if row.name == row.target.kind else f"{row.name}, {row.target.title}"
    turns = sum(each.waiting_turns for each in rows)
    if turns:
        oldest_ns = min(each.queue.oldest_waiting_ns or now_ns for each in rows if each.queue)
        yield f"{plural(turns, 'turn')} waiting, the oldest for {duration(now_ns - oldest_ns)}"
    if account is not None and account.failures and row.reason:
        since = account.failing_since_ns
        ago = f" for {duration(now_ns - since)}" if since is not None else ""
        yield f"{'paused' if row.paused else 'failing'}{ago}: {row.reason}"
    if account is not None and not account.is_due(now_ns):
        yield f"next attempt in {duration(account.due_at_ns - now_ns)}"
    yield from (f"not taken: {each.dead_reason}" for each in rows if each.dead)
    for each in rows:
        if each.annotations_waiting:
            why = f": {each.annotations_reason}" if each.annotations_reason else ""
            yield f"{plural(each.annotations_waiting, 'annotation')} waiting{why}"
        if each.annotations_dead:
            count = plural(each.annotations_dead, "annotation")
            yield f"{count} not taken: {each.annotations_dead_reason}"
    if not row.ready:
        yield "no credentials here"


def _table() -> Table:
    return Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim", expand=False)


def _started(row: SessionRow, zone: Zone) -> str:
    return moment(row.started_at_ns, zone) if row.started_at_ns is not None else ""


def _time(row: SessionRow) -> str:
    begun, ended = row.started_at_ns, row.ended_at_ns or row.last_event_ns
    return duration(ended - begun) if begun is not None and ended is not None else ""


def _cost(row: SessionRow) -> str:
    if row.cost_usd is None:
        return "no price" if row.unpriced_models else ""
    return money(row.cost_usd) + ("+" if row.unpriced_models else "")


def _prompt(row: SessionRow, with_failures: bool) -> Text:
    """How it went unless it went well, then what was asked first."""
    status = Text()
    if row.open:
        status = Text("running", "cyan")
    elif row.last_status is not None and row.last_status != "completed":
        status = words(row.last_status, STATUS_STYLES.get(row.last_status, ""))
    failed = row.failures if with_failures else 0
    failures = Text(plural(failed, "failure") if failed else "", "red")
    prompt = sentence(status, failures, words(row.first_prompt or ""))
    prompt.no_wrap, prompt.overflow = True, "ellipsis"
    return prompt
