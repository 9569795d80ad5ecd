"""What is said of destinations and their queues: matched, named, put into few words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness_tracing.destinations import Target
from harness_tracing.observe.deliveries import (
    Delivery,
    Known,
    chosen,
    deliveries,
    in_short,
    names,
)
from harness_tracing.observe.listing import delivery_notes
from harness_tracing.store import Account, Queue

PHOENIX = Target("phoenix", "http://localhost:6006/v1/traces", "shop")
AX = Target("ax", "https://otlp.arize.com/v1/traces", "shop", space="U3")
NOW_NS = 1_764_684_192_000_000_000
SECOND_NS = 10**9
HERE = Known("phoenix", PHOENIX, fingerprint="mine")


def account(target: Target = PHOENIX, **changes: object) -> Account:
    kind, endpoint, space = target.account
    quiet = Account(hash(target.account), kind, endpoint, space, 0, None, 0, None, None, None)
    return replace(quiet, **changes)  # type: ignore[arg-type]


def queue(target: Target = PHOENIX, *, of: Account, **counts: object) -> Queue:
    empty = Queue(of, target, 0, 0, 0, 0, 0, 0, None, None)
    return replace(empty, **counts)  # type: ignore[arg-type]


def words(*queues: Queue, known: tuple[Known, ...] = (HERE,)) -> list[str]:
    return in_short(deliveries(queues, known))


FAILING = account(failures=2, last_error=f"{PHOENIX.title}: no answer: [Errno 111] Refused here")
PAUSED = account(failures=1, paused_by="mine", last_error=f"{PHOENIX.title}: answered 403 (no)")
WAITING = {"waiting": 12, "waiting_turns": 3}


@pytest.mark.parametrize(
    ("of", "counts", "told"),
    [
        (account(), {}, "phoenix ok"),
        (account(), {"delivered": 7, "sent": 2, "dropped": 1}, "phoenix ok"),
        (account(), WAITING, "phoenix: 3 turns waiting"),
        (account(), {"waiting": 1, "waiting_turns": 1}, "phoenix: 1 turn waiting"),
        (FAILING, WAITING, "phoenix: 3 turns waiting (refused here)"),
        (PAUSED, {}, "phoenix: paused, key refused (403)"),
        (PAUSED, WAITING, "phoenix: paused, key refused (403), 3 turns waiting"),
        (account(), {"dead": 4}, "phoenix: 4 spans not taken"),
    ],
)
def test_a_backend_in_few_words(of: Account, counts: dict[str, object], told: str) -> None:
    assert words(queue(of=of, **counts)) == [told]


def test_a_backend_that_nobody_here_knows_is_told_while_something_waits() -> None:
    assert words(queue(of=account(), **WAITING), known=()) == [
        "phoenix: 3 turns wait for credentials"
    ]
    assert words(queue(of=account(), delivered=9), known=()) == []


def test_a_destination_without_credentials_is_told() -> None:
    assert words(known=(Known("ax", AX, ready=False),)) == ["ax: no credentials"]


def test_projects_of_one_backend_are_counted_together() -> None:
    other = replace(PHOENIX, project="docs")
    of = account()
    told = words(queue(of=of, **WAITING), queue(other, of=of, **WAITING))
    assert told == ["phoenix: 6 turns waiting"]


def test_long_reasons_are_cut_and_never_break_the_line() -> None:
    of = account(failures=1, last_error="first\x1b[2J " + "very " * 40 + "\nsecond")
    (told,) = words(queue(of=of, **WAITING))
    assert len(told) < 100 and told.endswith("…)") and "\x1b" not in told and "\n" not in told


@pytest.mark.parametrize(
    ("of", "counts", "known", "state"),
    [
        (account(), {}, HERE, "ok"),
        (account(), WAITING, HERE, "waiting"),
        (account(), {"dead": 1, **WAITING}, HERE, "refused spans"),
        (FAILING, {"dead": 1, **WAITING}, HERE, "failing"),
        (PAUSED, WAITING, HERE, "paused"),
        (PAUSED, WAITING, replace(HERE, fingerprint="another"), "failing"),
        (PAUSED, WAITING, replace(HERE, ready=False), "paused"),
        (account(), WAITING, None, "no credentials"),
    ],
)
def test_the_most_pressing_state_is_the_one_told(
    of: Account, counts: dict[str, object], known: Known, state: str
) -> None:
    assert Delivery(PHOENIX, queue(of=of, **counts), known).state == state


def test_a_queue_takes_the_name_of_the_destination_of_its_project() -> None:
    known = (Known("first", PHOENIX), Known("second", replace(PHOENIX, project="docs")))
    queues = [queue(replace(PHOENIX, project=name), of=account()) for name in ("docs", "new")]
    assert [row.name for row in deliveries(queues, known)] == ["first", "second"]


def test_destinations_come_in_the_order_of_the_configuration() -> None:
    known = (Known("ax", AX), HERE)
    strange = replace(PHOENIX, endpoint="http://old:6006/v1/traces")
    queues = [queue(strange, of=account(strange)), queue(of=account())]
    rows = deliveries(queues, known)
    assert [(row.name, row.queue is not None) for row in rows] == [
        ("ax", False),
        ("phoenix", True),
        ("phoenix", True),
    ]
    assert rows[-1].target == strange


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("mine", ["mine"]),
        ("phoenix", ["mine"]),
        ("ax", ["ax"]),
        ("http://localhost:6006", ["mine"]),
        (" http://localhost:6006/v1/traces/ ", ["mine"]),
        ("Phoenix at", []),
        ("", []),
    ],
)
def test_a_destination_is_called_by_name_kind_or_endpoint(name: str, found: list[str]) -> None:
    rows = deliveries([], [Known("mine", PHOENIX), Known("ax", AX)])
    assert [row.name for row in chosen(rows, name)] == found
    assert names(rows) == "mine, ax"


def test_the_notes_of_a_backend_say_what_is_wrong_since_when() -> None:
    of = replace(FAILING, failing_since_ns=NOW_NS - 90 * SECOND_NS, due_at_ns=NOW_NS + SECOND_NS)
    row = queue(of=of, oldest_waiting_ns=NOW_NS - 200 * SECOND_NS, **WAITING)
    (note,) = delivery_notes(deliveries([row], [Known("mine", PHOENIX)]), NOW_NS)
    assert note == (
        "mine, phoenix at http://localhost:6006/v1/traces; 3 turns waiting, the oldest for"
        " 3 m 20 s; failing for 1 m 30 s: no answer: [Errno 111] Refused here;"
        " next attempt in 1.0 s"
    )
