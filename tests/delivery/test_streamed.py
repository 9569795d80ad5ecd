"""What is streamed stays true: a step goes out while its turn runs only if it will not change."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from harness_tracing import agents
from harness_tracing.agents.base import Reader
from harness_tracing.destinations import Target
from harness_tracing.prices import PriceTable
from harness_tracing.store import SessionChange, Store, TurnWrite, enqueue
from harness_tracing.worker.delivery import readables
from tests.recorded import FOLDER, Files, recorded_events

TARGET = Target("otlp", "http://127.0.0.1:9/v1/traces", "pricing", shape="calls", stream=True)
PRICES = PriceTable.load()
QUIET_NS = 60 * 10**9


@pytest.mark.parametrize(
    "name",
    [
        "claude-code/tool_cycle",
        "claude-code/subagent_failing",
        "claude-code-own/fallback_model",
        "claude-code-own/one_agent_fails",
        "claude-code-own/send_message",
        "claude-code-own/subagent_nested",
    ],
)
def test_a_streamed_span_is_what_the_turn_has_in_the_end(tmp_path: Path, name: str) -> None:
    with Store.open(tmp_path / "store.sqlite3") as store:
        streamed = _streamed(store, FOLDER / name)
        assert streamed
        assert {key: _built(store)[key] for key in streamed} == streamed


def _streamed(store: Store, folder: Path) -> dict[str, Any]:
    """What goes out of a recording while its turns run, by span id, read line by line."""
    found: dict[str, Any] = {}
    events = recorded_events(folder)
    reader = agents.get("claude-code").reader(events[0].session_id, "pricing", None)
    files = Files(folder)
    for recorded in events:
        files.show(recorded.sizes)
        for item in files.new_items(reader):
            reader.feed(item)
            found.update(_taken(store, reader))
        reader.feed(recorded.event)
        found.update(_taken(store, reader))
    files.show_all()
    for count in range(1, 4):
        reader.feed_all(list(files.new_items(reader)))
        reader.tick(events[-1].event.at_ns + count * QUIET_NS, True)
        _taken(store, reader)
    return found


def _taken(store: Store, reader: Reader) -> dict[str, Any]:
    """Store what changed; the spans of running turns that a courier would now send."""
    changes = reader.changes()
    if changes.session is None:
        return {}
    writes = tuple(TurnWrite(change.turn, change.final) for change in changes.turns)
    add = partial(enqueue, targets=[TARGET], now_ns=time.time_ns())
    store.write(SessionChange(changes.session, writes), add)
    sent: dict[str, Any] = {}
    for account in store.outbox.accounts("waiting"):
        batch = store.outbox.lease(account, "ours", time.time_ns())
        for leased in batch.turns if batch else ():
            row = store.turn_row(leased.agent, leased.session_id, leased.turn_id)
            if row is not None and not row.final:
                built = _built(store)
                sent.update({key: built[key] for key in leased.span_ids})
            store.outbox.settle(batch, leased.span_ids, "delivered", time.time_ns())
    return sent


def _built(store: Store) -> dict[str, Any]:
    """All spans of all turns as they are now."""
    return {
        key: (
            span.name,
            span.parent and span.parent.span_id,
            (span.start_time, span.end_time),
            (span.status.status_code, span.status.description),
            dict(span.attributes or {}),
        )
        for row in store.sessions()
        for turn in store.turns(row.agent, row.session_id)
        for key, span in readables(turn, row.session, TARGET, PRICES).items()
    }
