"""What is written is what is read, in whatever pieces it came, and however often."""

from __future__ import annotations

import sqlite3
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness_tracing.errors import StoreError
from harness_tracing.model import Moment, Repository, Subagent, Turn, Usage, trace_id
from harness_tracing.store import SessionChange, Settled, Store, TurnWrite
from tests.store import samples
from tests.store.samples import AGENT, NOON_NS, change, session, stored, turn


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_turn_reads_back_as_last_written_in_whatever_pieces_it_came(data: st.DataObject) -> None:
    drafts = data.draw(st.lists(samples.turns(), max_size=2))
    last = data.draw(samples.turns())
    pieces = data.draw(st.permutations(range(len(last.steps))))
    size = data.draw(st.integers(1, 3))
    with tempfile.TemporaryDirectory() as folder, stored(Path(folder)) as store:
        for draft in drafts:
            same = zip(draft.steps, last.steps)
            steps = tuple(early for early, late in same if type(early) is type(late))
            store.write(change(replace(draft, steps=steps, repository=Repository()), final=False))
        for start in range(0, len(pieces), size):
            some = tuple(last.steps[index] for index in pieces[start : start + size])
            store.write(change(replace(last, steps=some), final=False))
        store.write(change(replace(last, steps=()), final=True))

        assert store.turns(AGENT, "s-1") == [last]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(samples.turns(), st.booleans())
def test_writing_twice_stores_once(whole: Turn, final: bool) -> None:
    with tempfile.TemporaryDirectory() as folder, stored(Path(folder)) as store:
        store.write(change(whole, final=final))
        before = (store.turn_rows(AGENT, "s-1"), store.sessions(), store.stats().steps)
        store.write(change(whole, final=final))

        assert (store.turn_rows(AGENT, "s-1"), store.sessions(), store.stats().steps) == before


def test_a_final_turn_keeps_its_header_and_its_steps(tmp_path: Path) -> None:
    first = turn(response="done", steps=(samples.tool("t1", output="as it was"),))
    again = turn(response="changed", steps=(samples.tool("t1", output="changed"),))
    with stored(tmp_path, change(first)) as store:
        written = store.write(change(again, final=False))

        assert written.final == () and written.late == ()
        assert store.turns(AGENT, "s-1") == [first]


def test_steps_that_come_after_the_end_are_added_as_late(tmp_path: Path) -> None:
    early, late = samples.tool("t1", 1), samples.tool("t2", 90)
    with stored(tmp_path, change(turn(steps=(early,), usage=Usage(100, 10)))) as store:
        written = store.write(change(turn(steps=(early, late), usage=Usage(300, 30))))

        (row,) = store.turn_rows(AGENT, "s-1")
        assert [settled.late_step_ids for settled in written.late] == [("tool:t2",)]
        assert row.turn.steps == (early, late)
        assert row.late_step_ids == {"tool:t2"}
        assert (row.turn.usage, row.usage) == (Usage(100, 10), Usage(300, 30))


def test_a_subagent_that_outlives_its_turn_is_settled_once_and_late(tmp_path: Path) -> None:
    running = Subagent("a1", "Explore", "t1", NOON_NS, None, "open", background=True)
    ended = replace(running, status="completed", ended_at_ns=NOON_NS + 5, response="found it")
    with stored(tmp_path, change(turn(steps=(running,)))) as store:
        assert store.write(change(turn(steps=(running,)))).late == ()

        assert [s.late_step_ids for s in store.write(change(turn(steps=(ended,)))).late] == [
            ("agent:a1",)
        ]
        assert store.write(change(turn(steps=(replace(ended, response="other"),)))).late == ()
        assert store.turns(AGENT, "s-1")[0].steps == (ended,)


def test_a_step_first_seen_running_after_the_end_counts_when_it_ends(tmp_path: Path) -> None:
    running = samples.tool("t9", status="running")
    with stored(tmp_path, change(turn())) as store:
        assert store.write(change(turn(steps=(running,)))).late == ()
        written = store.write(change(turn(steps=(replace(running, status="error"),))))

        assert [settled.late_step_ids for settled in written.late] == [("tool:t9",)]


def test_a_turn_becomes_final_once(tmp_path: Path) -> None:
    with stored(tmp_path, change(turn(), final=False)) as store:
        assert not store.is_final(AGENT, "s-1", "p-1")
        assert [s.turn_id for s in store.write(change(turn())).final] == ["p-1"]
        assert store.write(change(turn())).final == ()
        assert store.is_final(AGENT, "s-1", "p-1")


def test_repository_facts_are_those_of_the_first_write_that_has_any(tmp_path: Path) -> None:
    first, second = Repository("u", "main", "c1"), Repository("u", "main", "c2")
    with stored(tmp_path, change(turn(), final=False)) as store:
        store.write(change(turn(repository=first), final=False))
        store.write(change(turn(repository=second)))

        assert store.turns(AGENT, "s-1")[0].repository == first


def test_the_readers_state_is_kept_until_a_write_brings_another(tmp_path: Path) -> None:
    with stored(tmp_path, change(turn(), reader_state=b"\x00one")) as store:
        store.write(change(turn()))
        assert store.reader_state(AGENT, "s-1") == b"\x00one"
        store.write(change(turn(), reader_state=b"two"))
        assert store.reader_state(AGENT, "s-1") == b"two"
        assert store.reader_state(AGENT, "unknown") is None


def test_what_the_callback_writes_is_committed_with_the_turn(tmp_path: Path) -> None:
    def on_settled(connection: sqlite3.Connection, settled: Settled) -> None:
        connection.execute("CREATE TABLE IF NOT EXISTS due (turn_id TEXT, final INT, late TEXT)")
        late = ",".join(settled.late_step_ids)
        connection.execute(
            "INSERT INTO due VALUES (?, ?, ?)", (settled.turn_id, settled.final, late)
        )

    with stored(tmp_path) as store:
        store.write(change(turn(), final=False), on_settled)
        store.write(change(turn()), on_settled)
        store.write(change(turn(steps=(samples.tool("t2"),))), on_settled)
    with sqlite3.connect(samples.store_path(tmp_path)) as connection:
        assert connection.execute("SELECT * FROM due").fetchall() == [
            ("p-1", 0, ""),
            ("p-1", 1, ""),
            ("p-1", 0, "tool:t2"),
        ]


def test_a_callback_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    def on_settled(connection: sqlite3.Connection, settled: Settled) -> None:
        raise RuntimeError("no room in the outbox")

    with stored(tmp_path) as store:
        with pytest.raises(RuntimeError, match="outbox"):
            store.write(change(turn(), reader_state=b"state"), on_settled)

        assert store.sessions() == []
        assert store.reader_state(AGENT, "s-1") is None


def test_text_that_is_no_unicode_is_stored_with_replacement_characters(tmp_path: Path) -> None:
    broken = "caf\ud800\u00e9 \ud83d\ude00"
    steps = (
        samples.tool(f"t{broken}", output=broken, input={broken: [broken]}),
        Moment(broken, NOON_NS, "m1"),
    )
    whole = turn(turn_id=broken, prompt=broken, model=broken, steps=steps)
    with stored(tmp_path, change(whole, project=broken), change(whole)) as store:
        (back,) = store.turns(AGENT, "s-1")
        mended = "caf\ufffd\u00e9 \U0001f600"

        assert (back.turn_id, back.prompt, back.model) == (mended, mended, mended)
        assert {step.kind for step in back.steps if isinstance(step, Moment)} == {mended}
        assert store.is_final(AGENT, "s-1", broken)
        assert store.turn_by_trace_id(trace_id(AGENT, "s-1", broken)) == back


def test_values_beyond_what_columns_hold_do_not_break_a_write(tmp_path: Path) -> None:
    nested: dict[str, object] = {}
    innermost = nested
    for _ in range(5000):
        innermost["deeper"] = inner = {}
        innermost = inner
    whole = turn(
        steps=(samples.tool("t1", input={"n": 2**80}, result=nested),),
        usage=Usage(10**30, 5),
        ended_at_ns=2**70,
    )
    with stored(tmp_path, change(whole)) as store:
        (row,) = store.turn_rows(AGENT, "s-1")

        assert row.usage == Usage(None, 5)
        assert row.turn.usage == Usage(10**30, 5)
        assert row.turn.ended_at_ns == 2**70


def test_a_commit_to_a_long_turn_touches_only_what_changed(tmp_path: Path) -> None:
    many = tuple(samples.tool(f"t{number}", number, output="x" * 5000) for number in range(500))
    with stored(tmp_path, change(turn(steps=many), final=False)) as store:
        connection = sqlite3.connect(samples.store_path(tmp_path))
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        before = store.stats().wal_bytes
        store.write(change(turn(steps=(samples.tool("t250", 250, output="y"),)), final=False))

        assert store.stats().wal_bytes - before < 20 * 16384
        connection.close()


def test_a_session_is_stored_as_last_written(tmp_path: Path) -> None:
    last = session(user_id="me", attributes={"team": "shop"}, ended_at_ns=NOON_NS + 5)
    with stored(tmp_path, SessionChange(session(pid=7)), SessionChange(last)) as store:
        assert [row.session for row in store.sessions()] == [last]


def test_costs_and_unpriced_models_are_stored_with_their_turn(tmp_path: Path) -> None:
    write = TurnWrite(turn(), True, cost_usd=0.25, unpriced_models=("mystery",))
    with stored(tmp_path, SessionChange(session(), (write,))) as store:
        (row,) = store.turn_rows(AGENT, "s-1")

        assert (row.cost_usd, row.unpriced_models) == (0.25, ("mystery",))


def test_a_store_object_belongs_to_the_thread_that_opened_it(tmp_path: Path) -> None:
    with stored(tmp_path) as store, ThreadPoolExecutor(1) as pool:
        listing = pool.submit(store.sessions)
        with pytest.raises(StoreError, match="thread"):
            listing.result()


def test_threads_with_a_store_each_write_side_by_side(tmp_path: Path) -> None:
    def write(number: int) -> int:
        with Store.open(samples.store_path(tmp_path)) as store:
            return len(store.write(change(turn(session_id=f"s-{number}"))).final)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(write, range(12))) == [1] * 12
