"""The outbox: what comes in with which write, who may send it, and what becomes of it."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Optional

import pytest

from harness_tracing.destinations import Shape, Target
from harness_tracing.model import Moment, Step, Subagent, Turn, span_id
from harness_tracing.store import Account, Batch, Outbox, Queue, Store, enqueue
from harness_tracing.store.outbox import LEASE_NS, LONGEST_HOLD_NS, MOST_SPANS
from tests.store.samples import (
    AGENT,
    DAY_NS,
    NOON_NS,
    SECOND_NS,
    call,
    change,
    store_path,
    stored,
    tool,
    turn,
)

REPOSITORY = Path(__file__).parents[2]
NOW_NS = NOON_NS + 3600 * SECOND_NS
ROOT = ""

OTLP = Target("otlp", "http://collector:4318/v1/traces", "pricing")
CALLS = replace(OTLP, shape="calls")
STREAM = replace(CALLS, stream=True)
PHOENIX = Target("phoenix", "http://localhost:6006/v1/traces", "pricing")
AX = Target("ax", "https://otlp.arize.com/v1/traces", "pricing", space="U3BhY2U6MQ==")

COMPACTION = Moment(
    "compaction", NOON_NS + 3 * SECOND_NS, "m1", ended_at_ns=NOON_NS + 4 * SECOND_NS
)
STEPS: tuple[Step, ...] = (
    call("c1", 1),
    tool("t1", 2, call_id="c1"),
    Subagent("a1", "Explore", "t1", NOON_NS + 2 * SECOND_NS, NOON_NS + 3 * SECOND_NS, "completed"),
    COMPACTION,
    Moment("notification", NOON_NS + 5 * SECOND_NS, "m2"),
    call("c2", 6),
    tool("t2", 7, call_id="c2"),
)
SPANS_OF = {
    "turns": {ROOT, "tool:t1", "tool:t2"},
    "calls": {ROOT, "call:c1", "tool:t1", "agent:a1", "moment:m1", "call:c2", "tool:t2"},
}


def ids(items: set[str], turn_id: str = "p-1", session_id: str = "s-1") -> set[str]:
    """The span ids of a turn's items."""
    return {span_id(AGENT, session_id, turn_id, item) for item in items}


def write(
    store: Store, written: Turn, targets: Sequence[Target], *, final: bool = True, at: int = NOW_NS
) -> None:
    add = partial(enqueue, targets=targets, now_ns=at)
    store.write(change(written, final=final), lambda connection, each: add(connection, each))


def account_of(store: Store, target: Target) -> Account:
    (found,) = [each for each in store.outbox.accounts() if each.name == target.account]
    return found


def queue_of(store: Store, target: Target) -> Queue:
    (found,) = [each for each in store.outbox.queues() if each.target == target]
    return found


def lease(store: Store, target: Target, owner: str = "one", at: int = NOW_NS) -> Optional[Batch]:
    return store.outbox.lease(account_of(store, target), owner, at)


def leased(store: Store, target: Target, owner: str = "one", at: int = NOW_NS) -> Batch:
    batch = lease(store, target, owner, at)
    assert batch is not None
    return batch


def span_ids(batch: Optional[Batch]) -> list[str]:
    return [each for turn in batch.turns for each in turn.span_ids] if batch else []


def waiting(store: Store, target: Target) -> list[str]:
    """The span ids that wait for a target; nothing is changed by looking."""
    batch = lease(store, target)
    if batch is not None:
        store.outbox.release(batch)
    return span_ids(batch)


# -- what comes in


@pytest.mark.parametrize("shape", ["turns", "calls"])
def test_a_final_turn_has_one_row_for_each_of_its_spans(tmp_path: Path, shape: Any) -> None:
    target = replace(OTLP, shape=shape)
    with stored(tmp_path) as store:
        write(store, turn(steps=STEPS), [target])

        found = waiting(store, target)
        assert set(found) == ids(SPANS_OF[shape]) and len(found) == len(set(found))


def test_the_rows_are_those_that_the_spans_have(tmp_path: Path) -> None:
    from harness_tracing.prices import PriceTable
    from harness_tracing.spans import spans
    from tests.store.samples import session

    shapes: tuple[Shape, ...] = ("turns", "calls")
    for shape in shapes:
        target = replace(OTLP, shape=shape)
        with stored(tmp_path / shape) as store:
            write(store, turn(steps=STEPS), [target])
            built = spans(
                turn(steps=STEPS),
                session(),
                shape,
                PriceTable.load(),
                harness_version="1",
            )

            assert set(waiting(store, target)) == {each.span_id for each in built}


def test_a_turn_that_still_runs_sends_nothing_but_where_it_streams(tmp_path: Path) -> None:
    with stored(tmp_path) as store:
        still_open = turn(status="open", steps=STEPS)
        write(store, still_open, [OTLP, replace(STREAM, shape="turns")], final=False)

        assert store.outbox.accounts() == []


def test_writing_the_same_again_adds_nothing(tmp_path: Path) -> None:
    with stored(tmp_path) as store:
        write(store, turn(steps=STEPS), [OTLP])
        store.outbox.settle(leased(store, OTLP), ids(SPANS_OF["turns"]), "delivered", NOW_NS)
        write(store, turn(steps=STEPS), [OTLP])

        assert waiting(store, OTLP) == []
        assert queue_of(store, OTLP).delivered == 3


def test_each_target_has_its_own_rows_in_its_own_shape(tmp_path: Path) -> None:
    with stored(tmp_path) as store:
        write(store, turn(steps=STEPS), [OTLP, replace(PHOENIX, shape="calls"), AX])

        assert set(waiting(store, OTLP)) == ids(SPANS_OF["turns"])
        assert set(waiting(store, AX)) == ids(SPANS_OF["turns"])
        assert set(waiting(store, PHOENIX)) == ids(SPANS_OF["calls"])


def test_one_otlp_account_may_have_a_turn_in_two_projects(tmp_path: Path) -> None:
    other = replace(OTLP, project="elsewhere")
    with stored(tmp_path) as store:
        write(store, turn(steps=STEPS), [OTLP, other])

        assert sorted(waiting(store, OTLP)) == sorted([*ids(SPANS_OF["turns"])] * 2)


def test_a_phoenix_server_gets_a_turn_once_whatever_the_project(tmp_path: Path) -> None:
    other = replace(PHOENIX, project="elsewhere", shape="calls")
    with stored(tmp_path) as store:
        write(store, turn(steps=STEPS), [PHOENIX, other])

        assert sorted(waiting(store, PHOENIX)) == sorted(ids(SPANS_OF["turns"]))
        (key,) = store.final_turns()
        assert store.outbox.add([key], [other], NOW_NS) == 0


# -- what comes late


def test_a_step_that_still_runs_comes_when_it_has_ended(tmp_path: Path) -> None:
    running = tool("t2", 7, status="running")
    with stored(tmp_path) as store:
        write(store, turn(steps=(tool("t1"), running)), [OTLP])
        assert set(waiting(store, OTLP)) == ids({ROOT, "tool:t1"})
        store.outbox.settle(leased(store, OTLP), ids({ROOT, "tool:t1"}), "delivered", NOW_NS)

        write(store, turn(steps=(replace(running, status="ok"),)), [])
        assert set(waiting(store, OTLP)) == ids({"tool:t2"})


def test_late_steps_go_where_their_turn_went_in_its_shape(tmp_path: Path) -> None:
    late = (call("c9", 90), tool("t9", 91), COMPACTION)
    with stored(tmp_path) as store:
        write(store, turn(steps=(call("c1"),)), [OTLP, replace(PHOENIX, shape="calls")])
        write(store, turn(steps=late), [replace(OTLP, shape="calls"), PHOENIX, AX])

        assert set(waiting(store, OTLP)) == ids({ROOT, "tool:t9"})
        wanted = {ROOT, "call:c1", "call:c9", "tool:t9", "moment:m1"}
        assert set(waiting(store, PHOENIX)) == ids(wanted)
        assert AX.account not in [each.name for each in store.outbox.accounts("waiting")]


def test_late_steps_of_a_turn_that_went_nowhere_go_nowhere(tmp_path: Path) -> None:
    with stored(tmp_path) as store:
        write(store, turn(steps=(call("c1"),)), [])
        write(store, turn(steps=(tool("t9", 91),)), [OTLP])

        assert store.outbox.queues() == []


def test_late_steps_of_a_turn_that_was_given_up_stay_here(tmp_path: Path) -> None:
    with stored(tmp_path) as store:
        write(store, turn(steps=(tool("t1"),)), [OTLP])
        store.outbox.drop(account_of(store, OTLP), ["waiting"], NOW_NS)
        write(store, turn(steps=(tool("t9", 91),)), [OTLP])

        assert waiting(store, OTLP) == []
        assert queue_of(store, OTLP).dropped == 2


# -- what goes out while a turn runs


def test_streaming_sends_the_steps_that_a_later_call_has_seen(tmp_path: Path) -> None:
    steps: tuple[Step, ...] = (
        call("c1", 1),
        tool("t1", 2),
        tool("t2", 3, status="running"),
        call("c2", 4),
        tool("t3", 5),
        call("sub", 6, agent_id="a1"),
    )
    with stored(tmp_path) as store:
        write(store, turn(status="open", steps=steps), [STREAM, OTLP], final=False)

        assert set(waiting(store, STREAM)) == ids({"call:c1", "tool:t1"})


def test_the_end_of_a_streamed_turn_sends_the_rest_and_its_root(tmp_path: Path) -> None:
    with stored(tmp_path) as store:
        write(store, turn(status="open", steps=STEPS), [STREAM], final=False)
        streamed = span_ids(batch := leased(store, STREAM))
        assert 0 < len(streamed) < len(SPANS_OF["calls"])
        store.outbox.settle(batch, streamed, "delivered", NOW_NS)
        # The destination's settings have changed meanwhile: the turn ends as it began.
        write(store, turn(steps=()), [OTLP])

        rest = waiting(store, STREAM)
        assert set(streamed) | set(rest) == ids(SPANS_OF["calls"])
        assert not set(streamed) & set(rest)
        assert [each.target for each in store.outbox.queues()] == [STREAM]


def test_streaming_does_not_bring_back_what_was_given_up(tmp_path: Path) -> None:
    running = turn(status="open", steps=STEPS)
    with stored(tmp_path) as store:
        write(store, running, [STREAM], final=False)
        dropped = store.outbox.drop(account_of(store, STREAM), ["waiting"], NOW_NS)
        write(store, running, [STREAM], final=False)

        assert waiting(store, STREAM) == []
        assert queue_of(store, STREAM).dropped == dropped > 0


def test_streaming_looks_at_a_step_once(tmp_path: Path) -> None:
    """What a write costs may not grow with the square of the steps that are out already."""
    cost = []
    for folder, count in (("short", 100), ("long", 400)):
        steps = tuple(call(f"c{number}", number) for number in range(count))
        with stored(tmp_path / folder) as store:
            write(store, turn(status="open", steps=steps), [STREAM], final=False)
            (key,) = [row[0] for row in _rows(store, "SELECT turn_key FROM turns")]
            connection = _counted(store.path)
            settled = enqueue_settled(key)
            connection.steps = 0
            enqueue(connection, settled, [STREAM], NOW_NS)
            cost.append(connection.steps)
            connection.close()

    assert cost[1] < 6 * cost[0]


# -- in one transaction with what it sends

WRITER_THAT_STOPS_INSIDE = """
import sys, time
from pathlib import Path
from harness_tracing.store import Store, enqueue
from tests.store.samples import change, turn
from tests.store.test_outbox import NOW_NS, OTLP, STEPS

def stop_inside(connection, settled):
    enqueue(connection, settled, [OTLP], NOW_NS)
    print("inside", flush=True)
    time.sleep(60)

with Store.open(Path(sys.argv[1])) as store:
    store.write(change(turn(steps=STEPS)), stop_inside)
"""


def test_a_writer_killed_inside_leaves_neither_turn_nor_rows(tmp_path: Path) -> None:
    path = store_path(tmp_path)
    process = _started(WRITER_THAT_STOPS_INSIDE, path)
    assert process.stdout and process.stdout.readline() == "inside\n"
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()

    with Store.open(path) as store:
        assert store.sessions() == [] and store.outbox.queues() == []
        write(store, turn(steps=STEPS), [OTLP])
        assert set(waiting(store, OTLP)) == ids(SPANS_OF["turns"])


def test_a_failing_enqueue_leaves_neither_turn_nor_rows(tmp_path: Path) -> None:
    def fail(connection: sqlite3.Connection, settled: Any) -> None:
        enqueue(connection, settled, [OTLP], NOW_NS)
        raise RuntimeError("the disk is gone")

    with stored(tmp_path) as store:
        with pytest.raises(RuntimeError):
            store.write(change(turn(steps=STEPS)), fail)

        assert store.sessions() == [] and store.outbox.queues() == []


# -- added by hand


def test_turns_stored_before_there_was_a_target_are_added_once(tmp_path: Path) -> None:
    with stored(tmp_path, change(turn(steps=STEPS)), change(turn("s-2", "p-2"))) as store:
        keys = store.final_turns()

        assert store.outbox.add(keys, [OTLP, PHOENIX], NOW_NS) == 2 * (3 + 1)
        assert store.outbox.add(keys, [OTLP, PHOENIX], NOW_NS) == 0
        assert set(waiting(store, OTLP)) == ids(SPANS_OF["turns"]) | ids({ROOT}, "p-2", "s-2")


def test_what_was_given_up_may_be_added_again(tmp_path: Path) -> None:
    with stored(tmp_path) as store:
        write(store, turn(steps=STEPS), [OTLP])
        assert store.outbox.drop(None, ["waiting"], NOW_NS) == 3
        assert waiting(store, OTLP) == []

        assert store.outbox.add(store.final_turns(), [OTLP], NOW_NS) == 3
        assert set(waiting(store, OTLP)) == ids(SPANS_OF["turns"])


def test_what_was_delivered_is_not_added_again(tmp_path: Path) -> None:
    with stored(tmp_path) as store:
        write(store, turn(steps=STEPS), [OTLP])
        store.outbox.settle(leased(store, OTLP), ids({ROOT}), "delivered", NOW_NS)
        store.outbox.drop(None, ["waiting"], NOW_NS)

        assert store.outbox.add(store.final_turns(), [OTLP], NOW_NS) == 2
        assert set(waiting(store, OTLP)) == ids({"tool:t1", "tool:t2"})


# -- leases

TAKER = """
import sys, time
from pathlib import Path
from harness_tracing.store import Store
from tests.store.test_outbox import NOW_NS, OTLP, account_of

with Store.open(Path(sys.argv[1])) as store:
    account = account_of(store, OTLP)
    print("ready", flush=True)
    sys.stdin.readline()
    while batch := store.outbox.lease(account, sys.argv[2], NOW_NS):
        print(*[each for turn in batch.turns for each in turn.span_ids], flush=True)
        time.sleep(0.01)  # else it is done before the other one is awake
"""


def test_two_processes_never_take_on_the_same(tmp_path: Path) -> None:
    count = 40
    with stored(tmp_path) as store:
        for number in range(count):
            steps = tuple(tool(f"t{n}", n) for n in range(MOST_SPANS // 8))
            write(store, turn("s-1", f"p-{number}", steps, number=number + 1), [OTLP])
    takers = [_started(TAKER, store.path, name) for name in ("one", "two")]
    for taker in takers:
        assert taker.stdout and taker.stdout.readline() == "ready\n"
    for taker in takers:
        assert taker.stdin
        taker.stdin.write("go\n")
        taker.stdin.flush()
    taken = [taker.communicate()[0].split() for taker in takers]

    assert all(taken), "one of them had nothing to do"
    assert not set(taken[0]) & set(taken[1])
    assert len(taken[0]) + len(taken[1]) == count * (MOST_SPANS // 8 + 1)


def test_a_turn_is_taken_on_whole_and_the_oldest_first(tmp_path: Path) -> None:
    with stored(tmp_path) as store:
        for number, size in ((1, 10), (2, MOST_SPANS - 20), (3, 40), (4, MOST_SPANS * 3)):
            steps = tuple(tool(f"t{n}", n) for n in range(size - 1))
            write(store, turn("s-1", f"p-{number}", steps, number=number), [OTLP])

        sizes: list[list[tuple[str, int]]] = []
        while batch := lease(store, OTLP, f"owner {len(sizes)}"):
            sizes.append([(each.turn_id, len(each.span_ids)) for each in batch.turns])
        assert sizes == [
            [("p-1", 10), ("p-2", MOST_SPANS - 20)],
            [("p-3", 40)],
            [("p-4", MOST_SPANS * 3)],
        ]


def test_a_lease_that_ran_out_is_taken_over(tmp_path: Path) -> None:
    with stored(tmp_path) as store:
        write(store, turn(steps=STEPS), [OTLP])
        leased(store, OTLP, "one")

        assert lease(store, OTLP, "two", NOW_NS + LEASE_NS - 1) is None
        assert span_ids(lease(store, OTLP, "two", NOW_NS + LEASE_NS)) != []


def test_a_lease_given_while_another_process_waited_for_the_store_is_respected(
    tmp_path: Path,
) -> None:
    with stored(tmp_path) as store:
        write(store, turn(steps=STEPS), [OTLP])
        leased(store, OTLP, "quick", NOW_NS + SECOND_NS)

        assert lease(store, OTLP, "slow", NOW_NS) is None


def test_a_lease_whose_owner_is_gone_is_taken_over_at_once(tmp_path: Path) -> None:
    with stored(tmp_path) as store:
        write(store, turn(steps=STEPS), [OTLP])
        leased(store, OTLP, "killed")
        account = account_of(store, OTLP)

        assert store.outbox.lease(account, "two", NOW_NS, {"other"}.__contains__) is None
        assert store.outbox.lease(account, "two", NOW_NS, {"killed"}.__contains__) is not None


def test_a_renewed_lease_holds_on(tmp_path: Path) -> None:
    with stored(tmp_path) as store:
        write(store, turn(steps=STEPS), [OTLP])
        batch = leased(store, OTLP, "one")
        store.outbox.renew(batch, NOW_NS + LEASE_NS // 2)

        assert lease(store, OTLP, "two", NOW_NS + LEASE_NS) is None


def test_a_lost_lease_cannot_be_renewed_or_given_back(tmp_path: Path) -> None:
    with stored(tmp_path) as store:
        write(store, turn(steps=STEPS), [OTLP])
        lost = leased(store, OTLP, "one")
        later_ns = NOW_NS + LEASE_NS
        leased(store, OTLP, "two", later_ns)
        store.outbox.renew(lost, later_ns + LEASE_NS)
        store.outbox.release(lost)

        assert lease(store, OTLP, "three", later_ns + LEASE_NS - 1) is None
        assert lease(store, OTLP, "three", later_ns + LEASE_NS) is not None


def test_a_lease_given_before_the_clock_was_set_back_is_over(tmp_path: Path) -> None:
    with stored(tmp_path) as store:
        write(store, turn(steps=STEPS), [OTLP])
        leased(store, OTLP, "one", NOW_NS + DAY_NS)

        assert lease(store, OTLP, "two", NOW_NS) is not None


def test_steps_that_come_while_their_turn_is_being_sent_wait_for_the_next(tmp_path: Path) -> None:
    with stored(tmp_path) as store:
        write(store, turn(steps=(tool("t1"),)), [OTLP])
        batch = leased(store, OTLP, "one")
        write(store, turn(steps=(tool("t9", 91),)), [])
        assert lease(store, OTLP, "two") is None
        store.outbox.settle(batch, span_ids(batch), "delivered", NOW_NS)

        assert set(waiting(store, OTLP)) == ids({"tool:t9"})


# -- what became of it


def test_what_was_sent_is_settled_and_the_rest_given_back(tmp_path: Path) -> None:
    with stored(tmp_path) as store:
        write(store, turn(steps=STEPS), [OTLP])
        batch = leased(store, OTLP)
        store.outbox.settle(batch, ids({ROOT}), "delivered", NOW_NS)
        store.outbox.settle(batch, ids({"tool:t1"}), "dead", NOW_NS, "too large for it")
        store.outbox.release(batch)

        queue = queue_of(store, OTLP)
        assert (queue.delivered, queue.dead, queue.waiting) == (1, 1, 1)
        assert queue.dead_reason == "too large for it"
        assert set(waiting(store, OTLP)) == ids({"tool:t2"})


def test_what_was_taken_stays_taken_also_after_the_lease_was_lost(tmp_path: Path) -> None:
    with stored(tmp_path) as store:
        write(store, turn(steps=STEPS), [OTLP])
        slow = leased(store, OTLP, "slow")
        quick = leased(store, OTLP, "quick", NOW_NS + LEASE_NS)
        store.outbox.settle(slow, span_ids(slow), "delivered", NOW_NS)
        store.outbox.settle(quick, span_ids(quick), "dead", NOW_NS, "twice")

        queue = queue_of(store, OTLP)
        assert (queue.delivered, queue.dead, queue.waiting) == (3, 0, 0)


def test_settling_one_turn_leaves_others_alone(tmp_path: Path) -> None:
    with stored(tmp_path) as store:
        for number in (1, 2):
            write(store, turn("s-1", f"p-{number}", (tool("t1"),), number=number), [OTLP, AX])
        batch = leased(store, OTLP)
        store.outbox.settle(batch, ids({ROOT, "tool:t1"}, "p-1"), "delivered", NOW_NS)

        assert queue_of(store, OTLP).waiting == 2
        assert queue_of(store, AX).waiting == 4


# -- how a backend answers


def test_a_backend_is_held_off_until_its_time_comes(tmp_path: Path) -> None:
    with stored(tmp_path) as store:
        write(store, turn(), [OTLP])
        store.outbox.hold(account_of(store, OTLP), NOW_NS + 30, "no answer", NOW_NS)
        store.outbox.hold(account_of(store, OTLP), NOW_NS + 60, "still none", NOW_NS + 30)

        held = account_of(store, OTLP)
        assert not held.is_due(NOW_NS + 59) and held.is_due(NOW_NS + 60)
        assert (held.failures, held.failing_since_ns) == (2, NOW_NS)
        assert held.last_error == "still none"


def test_no_backend_is_held_off_longer_than_an_hour(tmp_path: Path) -> None:
    with stored(tmp_path) as store:
        write(store, turn(), [OTLP])
        store.outbox.hold(account_of(store, OTLP), NOW_NS + DAY_NS, "come back tomorrow", NOW_NS)

        assert account_of(store, OTLP).is_due(NOW_NS + LONGEST_HOLD_NS)


def test_a_hold_from_before_the_clock_was_set_back_is_over(tmp_path: Path) -> None:
    with stored(tmp_path) as store:
        write(store, turn(), [OTLP])
        store.outbox.hold(account_of(store, OTLP), NOW_NS + DAY_NS + 60, "down", NOW_NS + DAY_NS)

        assert account_of(store, OTLP).is_due(NOW_NS)


def test_refused_credentials_pause_a_backend_until_it_takes_something(tmp_path: Path) -> None:
    with stored(tmp_path) as store:
        write(store, turn(), [OTLP, AX])
        store.outbox.pause(account_of(store, OTLP), "0123456789ab", "401", NOW_NS)
        paused = account_of(store, OTLP)
        assert paused.paused_by == "0123456789ab" and not paused.is_due(NOW_NS + SECOND_NS)
        assert account_of(store, AX).is_due(NOW_NS)

        store.outbox.worked(paused, NOW_NS + 5)
        free = account_of(store, OTLP)
        assert free.paused_by is None and free.is_due(NOW_NS + 6)
        assert (free.failures, free.failing_since_ns, free.last_error) == (0, None, None)
        assert free.delivered_at_ns == NOW_NS + 5


# -- reading back


def sent(store: Store, target: Target, at: int = NOW_NS) -> None:
    batch = leased(store, target, at=at)
    store.outbox.settle(batch, span_ids(batch), "sent", at)


def test_what_was_sent_is_read_back_when_it_is_old_enough(tmp_path: Path) -> None:
    with stored(tmp_path) as store:
        write(store, turn(steps=STEPS), [PHOENIX])
        sent(store, PHOENIX)
        account = account_of(store, PHOENIX)

        assert waiting(store, PHOENIX) == []
        assert store.outbox.unverified(account, NOW_NS - 1) is None
        assert set(span_ids(store.outbox.unverified(account, NOW_NS))) == ids(SPANS_OF["turns"])


def test_what_was_sent_before_the_clock_was_set_back_is_read_back_too(tmp_path: Path) -> None:
    with stored(tmp_path) as store:
        write(store, turn(steps=STEPS), [PHOENIX])
        sent(store, PHOENIX, NOW_NS + DAY_NS)

        assert store.outbox.unverified(account_of(store, PHOENIX), NOW_NS) is not None


@pytest.mark.parametrize("lost", ["waiting", "dead"])
def test_what_the_backend_lost_is_told_from_what_it_has(tmp_path: Path, lost: str) -> None:
    with stored(tmp_path) as store:
        write(store, turn(steps=STEPS), [PHOENIX])
        sent(store, PHOENIX)
        batch = store.outbox.unverified(account_of(store, PHOENIX), NOW_NS)
        assert batch is not None
        (found,) = batch.turns
        stored_there = ids({ROOT, "tool:t2", "tool:somebody else's"})
        assert store.outbox.verify(found, stored_there, lost, NOW_NS, "it was lost") == 1

        queue = queue_of(store, PHOENIX)
        assert (queue.delivered, queue.sent) == (2, 0)
        assert (queue.waiting, queue.dead) == ((1, 0) if lost == "waiting" else (0, 1))
        assert set(waiting(store, PHOENIX)) == (ids({"tool:t1"}) if lost == "waiting" else set())


def test_how_often_a_span_was_answered_to_is_counted(tmp_path: Path) -> None:
    with stored(tmp_path) as store:
        write(store, turn(), [PHOENIX])
        for count in range(3):
            batch = leased(store, PHOENIX)
            assert [each.attempts for each in batch.turns] == [count]
            store.outbox.settle(batch, span_ids(batch), "sent", NOW_NS)
            store.outbox.verify(batch.turns[0], (), "waiting", NOW_NS, "it was lost")


# -- what people decide


def test_retry_sends_dead_spans_again_and_tries_the_backend_at_once(tmp_path: Path) -> None:
    with stored(tmp_path) as store:
        write(store, turn(steps=STEPS), [OTLP, AX])
        for target in (OTLP, AX):
            batch = leased(store, target)
            store.outbox.settle(batch, span_ids(batch), "dead", NOW_NS, "no")
            store.outbox.pause(account_of(store, target), "fingerprint", "401", NOW_NS)

        assert store.outbox.retry(account_of(store, OTLP), NOW_NS) == 3
        assert account_of(store, OTLP).is_due(NOW_NS)
        assert account_of(store, OTLP).paused_by is None
        assert not account_of(store, AX).is_due(NOW_NS + 1)
        assert [each.attempts for each in leased(store, OTLP).turns] == [0]
        assert queue_of(store, AX).dead == 3

        assert store.outbox.retry(None, NOW_NS) == 3


def test_drop_gives_up_only_what_it_names(tmp_path: Path) -> None:
    with stored(tmp_path) as store:
        write(store, turn(steps=STEPS), [OTLP, AX])
        store.outbox.settle(leased(store, OTLP), ids({ROOT}), "dead", NOW_NS, "no")

        assert store.outbox.drop(account_of(store, OTLP), ["dead"], NOW_NS) == 1
        queue = queue_of(store, OTLP)
        assert (queue.waiting, queue.dropped, queue.dead) == (2, 1, 0)
        assert store.outbox.drop(None, ["waiting", "dead"], NOW_NS) == 5
        assert queue_of(store, AX).dropped == 3


def test_queues_say_how_much_waits_and_since_when(tmp_path: Path) -> None:
    with stored(tmp_path) as store:
        write(store, turn("s-1", "p-1", STEPS), [OTLP], at=NOW_NS)
        write(store, turn("s-1", "p-2", STEPS, number=2), [OTLP], at=NOW_NS + 5)
        store.outbox.settle(leased(store, OTLP), ids({ROOT}), "delivered", NOW_NS + 9)

        queue = queue_of(store, OTLP)
        assert (queue.waiting, queue.waiting_turns, queue.delivered) == (5, 2, 1)
        assert queue.oldest_waiting_ns == NOW_NS
        assert queue.account == account_of(store, OTLP)


# -- with the sessions they belong to


def test_a_deleted_session_takes_its_rows_along(tmp_path: Path) -> None:
    with stored(tmp_path) as store:
        write(store, turn("s-1", steps=STEPS), [OTLP])
        write(store, turn("s-2", "p-2"), [OTLP])
        batch = leased(store, OTLP)
        assert store.delete_session(AGENT, "s-1")
        store.outbox.settle(batch, span_ids(batch), "delivered", NOW_NS)

        queue = queue_of(store, OTLP)
        assert (queue.waiting, queue.delivered) == (0, 1)
        assert _rows(store, "SELECT count(*) FROM outbox") == [(1,)]


def test_old_sessions_stay_while_something_of_them_waits(tmp_path: Path) -> None:
    with stored(tmp_path) as store:
        write(store, turn("s-1", steps=STEPS), [OTLP])
        write(store, turn("s-2", "p-2"), [])
        later_ns = NOON_NS + 365 * DAY_NS
        assert store.prune(later_ns) == 1
        batch = leased(store, OTLP)
        store.outbox.settle(batch, span_ids(batch), "delivered", NOW_NS)

        assert store.prune(later_ns) == 1
        assert store.sessions() == []


# -- with many rows


class _Counted(sqlite3.Connection):
    """A connection that counts what SQLite does, in hundreds of its instructions."""

    steps = 0

    def counts(self) -> None:
        self.set_progress_handler(self._step, 100)

    def _step(self) -> int:
        self.steps += 1
        return 0


def _counted(path: Path) -> _Counted:
    connection = sqlite3.connect(path, isolation_level=None, factory=_Counted)
    connection.counts()
    return connection


def enqueue_settled(turn_key: int) -> Any:
    from harness_tracing.store import Settled

    return Settled(AGENT, "s-1", "p-1", turn_key, False)


def test_a_round_costs_the_same_whatever_was_delivered_before_and_waits_behind(
    tmp_path: Path,
) -> None:
    cost = []
    for folder, turns in (("small", 40), ("large", 200)):
        with stored(tmp_path / folder) as store:
            steps = tuple(tool(f"t{n}", n) for n in range(49))
            for number in range(turns):
                write(store, turn("s-1", f"p-{number}", steps, number=number + 1), [OTLP])
                if number < turns // 2:
                    batch = leased(store, OTLP)
                    store.outbox.settle(batch, span_ids(batch), "sent", NOW_NS)
            connection = _counted(store.path)
            outbox = Outbox(store.path, connection)
            (account,) = outbox.accounts("waiting")
            taken = outbox.lease(account, "one", NOW_NS)
            assert taken is not None and len(span_ids(taken)) == MOST_SPANS // 50 * 50
            outbox.settle(taken, span_ids(taken), "delivered", NOW_NS)
            assert outbox.unverified(account, NOW_NS) is not None
            cost.append(connection.steps)
            connection.close()

    assert cost[1] < 2 * cost[0]


def test_ten_thousand_rows_go_out_in_rounds(tmp_path: Path) -> None:
    with stored(tmp_path) as store:
        steps = tuple(tool(f"t{n}", n) for n in range(99))
        for number in range(100):
            write(store, turn("s-1", f"p-{number}", steps, number=number + 1), [OTLP])
        seen: list[str] = []
        while batch := lease(store, OTLP):
            seen += span_ids(batch)
            store.outbox.settle(batch, span_ids(batch), "delivered", NOW_NS)

        assert len(seen) == len(set(seen)) == 10_000
        assert store.outbox.accounts("waiting") == []


def _rows(store: Store, sql: str) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(store.path)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def _started(program: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", program, *map(str, arguments)]
    path = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "tests")])
    return subprocess.Popen(
        command,
        cwd=REPOSITORY,
        env={"PATH": os.environ.get("PATH", os.defpath), "PYTHONPATH": path},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
