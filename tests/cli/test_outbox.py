"""`harness outbox`: what is to be sent is listed, tried again, given up and put back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from harness_tracing.destinations import Target
from harness_tracing.store import Account, Outbox, Store
from tests.cli.conftest import CommandLine
from tests.observe import examples

PHOENIX = Target("phoenix", "http://127.0.0.1:9/v1/traces", "order-pricing")
AX = Target("ax", "https://otlp.arize.com/v1/traces", "order-pricing", space="U3BhY2U6")
KEY = "sekrit-0123456789"
SECOND_NS = 10**9


@contextmanager
def outbox(user: CommandLine, *targets: Target) -> Iterator[Outbox]:
    """The outbox with all final turns for these targets."""
    with Store.open(user.home.store) as store:
        store.outbox.add(store.final_turns(), targets, time.time_ns() - 90 * SECOND_NS)
        yield store.outbox


def account(box: Outbox, kind: str) -> Account:
    (found,) = [each for each in box.accounts() if each.kind == kind]
    return found


def bury(box: Outbox, kind: str, reason: str = "too old") -> int:
    """Have a backend refuse everything; how many spans that are."""
    batch = box.lease(account(box, kind), "test", time.time_ns())
    assert batch is not None
    ids = [span_id for turn in batch.turns for span_id in turn.span_ids]
    box.settle(batch, ids, "dead", time.time_ns(), reason)
    return len(ids)


@pytest.fixture
def phoenix(traced: CommandLine) -> CommandLine:
    """A user with a traced session and a Phoenix that is not there."""
    traced.environ["PHOENIX_ENDPOINT"] = "http://127.0.0.1:9"
    traced.environ["ARIZE_PROJECT_NAME"] = "order-pricing"
    return traced


def test_without_a_destination_the_list_is_empty(traced: CommandLine) -> None:
    ran = traced("outbox", "list")
    assert (ran.code, ran.out) == (0, "")
    assert "No destination is configured" in ran.err
    assert traced("outbox", "list", "--json").json == []


def test_a_destination_that_nothing_waits_for_is_listed(phoenix: CommandLine) -> None:
    (row,) = phoenix("outbox", "list", "--json").json
    assert row["destination"] == "phoenix" and row["endpoint"] == PHOENIX.endpoint
    assert (row["configured"], row["credentials"], row["state"]) == (True, True, "ok")
    assert row["waiting_spans"] == 0


def test_the_json_tells_all_of_a_queue(phoenix: CommandLine) -> None:
    with outbox(phoenix, PHOENIX) as box:
        now_ns = time.time_ns()
        box.hold(account(box, "phoenix"), now_ns + 600 * SECOND_NS, "no answer", now_ns)
        (queue,) = box.queues()
    (row,) = phoenix("outbox", "list", "--json").json
    assert set(row) == {
        *("destination", "kind", "endpoint", "space", "protocol", "project", "shape", "stream"),
        *("state", "configured", "credentials", "paused", "due_at", "delivered_at"),
        *("waiting_spans", "waiting_turns", "sent_spans", "delivered_spans", "dead_spans"),
        *("dead_reason", "dropped_spans", "oldest_waiting_at"),
        *("waiting_annotations", "waiting_annotations_reason"),
        *("dead_annotations", "dead_annotations_reason"),
        *("failures", "failing_since", "last_error"),
    }
    assert (row["waiting_spans"], row["waiting_turns"]) == (queue.waiting, queue.waiting_turns)
    assert queue.waiting_turns > 1
    assert (row["state"], row["failures"], row["last_error"]) == ("failing", 1, "no answer")
    assert row["due_at"] > row["oldest_waiting_at"]


def test_the_list_says_what_is_wrong(phoenix: CommandLine) -> None:
    with outbox(phoenix, PHOENIX, AX) as box:
        box.pause(account(box, "ax"), "fingerprint", f"{AX.title}: answered 401", time.time_ns())
        bury(box, "phoenix", "span is too old")
    ran = phoenix("outbox", "list")
    assert ran.code == 0
    assert [line.split()[0] for line in ran.out.splitlines()] == ["destination", "phoenix", "ax"]
    assert "refused spans" in ran.out and "paused" in ran.out
    assert "not taken: span is too old" in ran.err
    assert "no credentials here" in ran.err and "answered 401" in ran.err


@pytest.mark.parametrize(
    "name", ["phoenix", "http://127.0.0.1:9/v1/traces", "http://127.0.0.1:9", "http://127.0.0.1:9/"]
)
def test_a_destination_has_a_name_and_an_endpoint(phoenix: CommandLine, name: str) -> None:
    with outbox(phoenix, PHOENIX, AX):
        pass
    rows = phoenix("outbox", "list", "--json", "--destination", name).json
    assert [row["kind"] for row in rows] == ["phoenix"]


@pytest.mark.parametrize("command", ["list", "retry", "drop"])
def test_an_unknown_destination_is_a_problem_that_names_those_there_are(
    phoenix: CommandLine, command: str
) -> None:
    ran = phoenix("outbox", command, "--destination", "phenix")
    assert (ran.code, ran.out) == (1, "")
    assert "'phenix'" in ran.err and "there are: phoenix" in ran.err


def test_retry_sends_again_what_was_not_taken_and_forgets_the_pause(phoenix: CommandLine) -> None:
    with outbox(phoenix, PHOENIX, AX) as box:
        dead = bury(box, "phoenix")
        bury(box, "ax")
        box.pause(account(box, "phoenix"), "f", "401", time.time_ns())
    ran = phoenix("outbox", "retry", "--destination", "phoenix")
    assert ran.code == 0 and f"wait again: {dead}." in ran.err
    with Store.open(phoenix.home.store) as store:
        assert account(store.outbox, "phoenix").paused_by is None
        waiting = {
            queue.target.kind: (queue.waiting, queue.dead) for queue in store.outbox.queues()
        }
    assert waiting == {"phoenix": (dead, 0), "ax": (0, dead)}


def test_drop_asks_and_says_how_much(phoenix: CommandLine) -> None:
    with outbox(phoenix, PHOENIX) as box:
        (queue,) = box.queues()
    declined = phoenix.process("outbox", "drop", stdin="n\n")
    assert declined.code == 1
    assert f"{queue.waiting} spans of {queue.waiting_turns} turns waiting" in declined.err
    assert "nothing was dropped" in declined.err
    with Store.open(phoenix.home.store) as store:
        assert store.outbox.queues()[0].waiting == queue.waiting
    accepted = phoenix.process("outbox", "drop", stdin="y\n")
    assert accepted.code == 0 and f"Dropped spans: {queue.waiting}." in accepted.err
    (row,) = phoenix("outbox", "list", "--json").json
    assert (row["waiting_spans"], row["dropped_spans"]) == (0, queue.waiting)


def test_drop_of_the_dead_leaves_what_waits(phoenix: CommandLine) -> None:
    with outbox(phoenix, PHOENIX, AX) as box:
        dead = bury(box, "ax")
    ran = phoenix("outbox", "drop", "--dead-only", "--yes")
    assert ran.code == 0 and f"Dropped spans: {dead}." in ran.err
    rows = {row["kind"]: row for row in phoenix("outbox", "list", "--json").json}
    assert rows["phoenix"]["waiting_spans"] == dead and rows["ax"]["dropped_spans"] == dead


def test_with_nothing_to_drop_nothing_is_asked(phoenix: CommandLine) -> None:
    ran = phoenix.process("outbox", "drop")
    assert (ran.code, ran.err) == (0, "There is nothing to drop.\n")


def test_add_puts_stored_turns_into_the_outbox_once(phoenix: CommandLine) -> None:
    first = phoenix("outbox", "add", "--destination", "phoenix", "--all")
    (row,) = phoenix("outbox", "list", "--json").json
    assert first.code == 0 and f"wait now: {row['waiting_spans']}." in first.err
    assert row["waiting_spans"] > row["waiting_turns"] > 0
    again = phoenix("outbox", "add", "--destination", "phoenix", "--all")
    assert "wait now: 0." in again.err


def test_add_brings_back_what_was_dropped(phoenix: CommandLine) -> None:
    phoenix("outbox", "add", "--destination", "phoenix", "--all")
    phoenix("outbox", "drop", "--yes")
    (dropped,) = phoenix("outbox", "list", "--json").json
    ran = phoenix("outbox", "add", "--destination", "phoenix", "--project", "order-pricing")
    assert f"wait now: {dropped['dropped_spans']}." in ran.err


def test_add_takes_the_beginning_of_a_session_id(phoenix: CommandLine) -> None:
    short = examples.SESSION.session_id[:4]
    ran = phoenix("outbox", "add", "--destination", "phoenix", "--session-id", short)
    (row,) = phoenix("outbox", "list", "--json").json
    assert ran.code == 0 and row["waiting_turns"] > 0


def test_add_since_leaves_older_turns_alone(phoenix: CommandLine) -> None:
    ran = phoenix("outbox", "add", "--destination", "phoenix", "--since", "1d")
    assert ran.code == 0 and "wait now: 0." in ran.err


@pytest.mark.parametrize("what", [["--session-id", "nonsense"], ["--project", "nonsense"]])
def test_add_of_what_is_not_there_is_a_problem(phoenix: CommandLine, what: list[str]) -> None:
    ran = phoenix("outbox", "add", "--destination", "phoenix", *what)
    assert ran.code == 1 and "there is no" in ran.err and "nonsense" in ran.err


def test_added_turns_keep_the_project_of_their_session(phoenix: CommandLine) -> None:
    del phoenix.environ["ARIZE_PROJECT_NAME"]
    phoenix("outbox", "add", "--destination", "phoenix", "--all")
    rows = phoenix("outbox", "list", "--json").json
    assert {row["project"] for row in rows if row["waiting_spans"]} == {"order-pricing"}


def test_a_destination_with_a_project_of_its_own_keeps_that(phoenix: CommandLine) -> None:
    phoenix.environ["PHOENIX_PROJECT"] = "the-team"
    phoenix("outbox", "add", "--destination", "phoenix", "--all")
    rows = phoenix("outbox", "list", "--json").json
    assert {row["project"] for row in rows if row["waiting_spans"]} == {"the-team"}


def test_turns_may_be_added_before_there_are_credentials(traced: CommandLine) -> None:
    traced.environ["ARIZE_SPACE_ID"] = "U3BhY2U6"
    ran = traced("outbox", "add", "--destination", "ax", "--all")
    (row,) = traced("outbox", "list", "--json").json
    assert ran.code == 0 and row["waiting_spans"] > 0
    assert (row["credentials"], row["state"]) == (False, "no credentials")


def test_no_key_is_ever_shown(traced: CommandLine) -> None:
    traced.environ.update(ARIZE_API_KEY=KEY, ARIZE_SPACE_ID="U3BhY2U6")
    traced.environ["ARIZE_OTLP_ENDPOINT"] = "http://127.0.0.1:9"
    shown = [
        traced("outbox", "add", "--destination", "ax", "--all"),
        traced("outbox", "list"),
        traced("outbox", "list", "--json"),
        traced("status", "--json"),
        traced("status"),
    ]
    assert all(KEY not in ran.out + ran.err for ran in shown)
