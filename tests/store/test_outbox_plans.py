"""Looking for what is to be done costs the same after years of delivered spans."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Callable

import pytest

from harness_tracing.destinations import Target
from harness_tracing.store import Account, Outbox, Store
from tests.observe import examples

LOOKS: dict[str, Callable[[Outbox, Account], object]] = {
    "waiting": lambda box, account: box.accounts("waiting"),
    "sent": lambda box, account: box.accounts("sent"),
    "dead": lambda box, account: box.accounts("dead"),
    "lease": lambda box, account: box.lease(account, "me", time.time_ns()),
    "unverified": lambda box, account: box.unverified(account, time.time_ns()),
    "queues": lambda box, account: box.queues(done=False),
}


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_no_look_reads_the_whole_outbox(
    tmp_path: Path, look: Callable[[Outbox, Account], object]
) -> None:
    with Store.open(tmp_path / "store.sqlite3") as store:
        examples.write(store)
        target = Target("otlp", "http://localhost:4318/v1/traces", "p")
        store.outbox.add(store.final_turns(), [target], time.time_ns())
        (account,) = store.outbox.accounts()
        asked: list[str] = []
        connection = store._connection
        connection.set_trace_callback(asked.append)
        look(store.outbox, account)
        connection.set_trace_callback(None)
        looks = [sql for sql in asked if sql.startswith("SELECT") and "outbox" in sql]
        assert looks
        for sql in looks:
            plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}")]
            assert "SCAN outbox" not in plan, sql
