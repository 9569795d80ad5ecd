"""Readers see one moment, while others write."""

from __future__ import annotations

import threading
from pathlib import Path

from harness_tracing.model import Session, Turn
from harness_tracing.store import SessionChange, Store, TurnWrite


def test_a_list_is_of_one_moment_while_sessions_come(tmp_path: Path) -> None:
    path, over = tmp_path / "store.sqlite3", threading.Event()

    def write() -> None:
        with Store.open(path) as store:
            for number in range(150):
                session = Session("claude-code", f"s{number}", "p", started_at_ns=number)
                turn = Turn("claude-code", f"s{number}", "t", 1, "completed", number, number + 1)
                store.write(SessionChange(session, (TurnWrite(turn, True),)))
        over.set()

    Store.open(path).close()
    thread = threading.Thread(target=write)
    thread.start()
    with Store.open(path, readonly=True) as store:
        while not over.is_set():
            assert all(row.turns == 1 for row in store.sessions())
    thread.join()
