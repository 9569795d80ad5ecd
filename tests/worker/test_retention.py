"""Sessions older than `retention_days` go by themselves, at most once a day."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from harness_tracing import config
from harness_tracing.model import Session, Turn
from harness_tracing.store import SessionChange, Store, TurnWrite
from harness_tracing.worker.retention import DAY_NS, MARKER, keep_retention

NOW_NS = 1_800_000_000 * 10**9
LOG = logging.getLogger("test")


def stored(home: Path, ages_days: list[int]) -> Store:
    """A store with one session of each age."""
    store = Store.open(home / "store.sqlite3")
    for age in ages_days:
        at_ns = NOW_NS - age * DAY_NS
        session = Session("claude-code", f"s{age}", "p", started_at_ns=at_ns)
        turn = Turn("claude-code", f"s{age}", "t", 1, "completed", at_ns, at_ns + 1)
        store.write(SessionChange(session, (TurnWrite(turn, True),)))
    return store


def settings(home: Path, text: str) -> config.Settings:
    """The settings of a home with this config.yaml."""
    (home / "config.yaml").write_text(text, encoding="utf-8")
    return config.load({"HOME": str(home), "ARIZE_HARNESS_HOME": str(home)})


def ids(store: Store) -> set[str]:
    """The sessions in a store."""
    return {row.session_id for row in store.sessions()}


def test_only_sessions_older_than_asked_are_deleted(tmp_path: Path) -> None:
    with stored(tmp_path, [1, 29, 31, 400]) as store:
        keep_retention(settings(tmp_path, "retention_days: 30\n"), store, LOG, NOW_NS)

        assert ids(store) == {"s1", "s29"}


def test_without_the_setting_nothing_is_deleted(tmp_path: Path) -> None:
    with stored(tmp_path, [400]) as store:
        keep_retention(settings(tmp_path, ""), store, LOG, NOW_NS)

        assert ids(store) == {"s400"}


def test_it_runs_once_a_day(tmp_path: Path) -> None:
    chosen = settings(tmp_path, "retention_days: 30\n")
    with stored(tmp_path, [400]) as store:
        (tmp_path / MARKER).touch()
        os.utime(tmp_path / MARKER, ns=(NOW_NS - DAY_NS // 2, NOW_NS - DAY_NS // 2))
        keep_retention(chosen, store, LOG, NOW_NS)
        assert ids(store) == {"s400"}

        os.utime(tmp_path / MARKER, ns=(NOW_NS - 2 * DAY_NS, NOW_NS - 2 * DAY_NS))
        keep_retention(chosen, store, LOG, NOW_NS)
        assert ids(store) == set()
