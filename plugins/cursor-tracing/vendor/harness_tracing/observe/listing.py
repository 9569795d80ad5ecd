"""Deliveries as a table for the terminal."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Optional

from rich.table import Table
from rich.text import Text

from harness_tracing.observe.rows import words
from harness_tracing.observe.text import duration, plural

if TYPE_CHECKING:
    from harness_tracing.observe.deliveries import Delivery

Zone = Optional[datetime.tzinfo]


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
