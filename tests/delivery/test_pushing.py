"""Verdicts follow the spans they are about: when, where to, and what a backend's answers change.

The backend is a stub that answers as a Phoenix was seen to; a real one is in tests/phoenix.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, Optional

import pytest

from harness_tracing import worker
from harness_tracing.destinations import Destination, Target
from harness_tracing.model import Session, ToolCall, span_id, step_id
from harness_tracing.store import Annotation, PushQueue, SessionChange, Store, TurnWrite, enqueue
from harness_tracing.worker.couriers import Couriers
from harness_tracing.worker.pushing import MOST_ABSENCES, Pushed, Pusher
from harness_tracing.worker.settings import destinations
from tests.backends import OK, OtlpHttpStub, Received, Reply
from tests.delivery.arrivals import Home
from tests.store import samples
from tests.worker.player import Recording, play, recording, wait_for

LOG = logging.getLogger("harness_tracing")
SECOND_NS = 10**9


class Phoenix:
    """A server that keeps spans, sessions and annotations; `refusal` answers the latter instead."""

    def __init__(self) -> None:
        self.spans: set[str] = set()
        self.sessions: set[str] = set()
        self.kept: dict[tuple[str, str, str], dict[str, Any]] = {}
        self.pushes = 0
        self.refusal: Optional[Reply] = None

    def __call__(self, received: Received) -> Reply:
        if received.path == "/v1/traces":
            for span in received.spans:
                self.spans.add(span.span_id.hex())
                told = {each.key: each.value.string_value for each in span.attributes}
                self.sessions.add(told["session.id"])
            return OK
        if received.path == "/v1/spans":
            asked = re.findall(r"[0-9a-f]{16}", received.body.decode())
            found = {"data": [{"span_id": each} for each in asked if each in self.spans]}
            part = f"--cut\r\nContent-Type: application/json\r\n\r\n{json.dumps(found)}\r\n--cut--"
            return Reply(body=part.encode(), content_type="multipart/mixed; boundary=cut")
        self.pushes += 1
        return self.refusal or self._take(received)

    def _take(self, received: Received) -> Reply:
        rows = json.loads(received.body)["data"]
        key = "span_id" if "span" in received.path else "session_id"
        missing = [each[key] for each in rows if each[key] not in self.spans | self.sessions]
        if missing:
            return Reply(404, f"IDs {', '.join(missing)} do not exist.".encode(), "text/plain")
        for each in rows:
            self.kept[each["name"], each[key], each["identifier"]] = each
        body = json.dumps({"data": [{"id": "x"} for _ in rows]})
        return Reply(body=body.encode(), content_type="application/json")

    def labels(self) -> dict[str, Optional[str]]:
        """The label of each annotation by its name."""
        return {name: each["result"]["label"] for (name, _, _), each in self.kept.items()}


@pytest.fixture
def phoenix() -> Phoenix:
    return Phoenix()


@pytest.fixture
def stub(phoenix: Phoenix, home: Home) -> Iterator[OtlpHttpStub]:
    """The server, where the home sends to."""
    with OtlpHttpStub(phoenix) as listening:
        home.env["PHOENIX_ENDPOINT"] = listening.base_url
        yield listening


def destination_of(home: Home, **env: str) -> Destination:
    (found,) = destinations(home.home, home.environ(**env))
    return found


TOOL = ToolCall(
    "toolu_1", "Bash", status="ok", started_at_ns=samples.NOON_NS, ended_at_ns=samples.NOON_NS + 1
)
TURN = samples.turn(steps=(samples.call("req_1"), TOOL))
SPAN = span_id(TURN.agent, TURN.session_id, TURN.turn_id)


def store_turn(home: Home, *targets: Target, turn: Any = TURN) -> None:
    """Store a turn with its rows in the outbox, as a worker does."""
    with Store.open(home.home.store) as store:
        session = Session(turn.agent, turn.session_id, "pricing", started_at_ns=turn.started_at_ns)
        store.write(
            SessionChange(session, (TurnWrite(turn, True),)),
            partial(enqueue, targets=targets, now_ns=time.time_ns()),
        )


def verdict(name: str = "verified", label: str = "verified", **fields: Any) -> Annotation:
    told: dict[str, Any] = {"span_id": SPAN, "annotator_kind": "CODE", "identifier": "ev_1"}
    return Annotation(name=name, label=label, **{**told, **fields})


def annotate(home: Home, *annotations: Annotation, at_ns: Optional[int] = None) -> None:
    with Store.open(home.home.store) as store:
        store.annotate(TURN.agent, TURN.session_id, annotations, at_ns or time.time_ns())


def sent(home: Home, *annotations: Annotation) -> None:
    """A turn that was sent, and what is said of it since."""
    store_turn(home, destination_of(home).target)
    assert home.flush().left == 0
    annotate(home, *annotations)


def open_pushes(home: Home) -> Optional[PushQueue]:
    with Store.open(home.home.store) as store:
        return next(iter(store.pushes.queues().values()), None)


@contextmanager
def pusher(home: Home, *, now_ns: int = 0, **env: str) -> Iterator[Pusher]:
    """Pushes with the credentials of an environment, at another time."""
    with Store.open(home.home.store) as store:
        made = Pusher(
            store,
            destination_of(home, **env),
            LOG,
            now=lambda: time.time_ns() + now_ns,
            jitter=lambda: 1.0,
        )
        yield made
        made.close()


# -- what goes where


def test_a_verdict_goes_where_its_span_went_and_once(
    home: Home, stub: OtlpHttpStub, phoenix: Phoenix
) -> None:
    said = [verdict("a"), verdict("b", annotator_kind="LLM"), verdict("c", annotator_kind="HUMAN")]
    sent(home, *said, verdict("whole", span_id=""))
    for _ in range(3):
        assert home.flush() == worker.FlushResult()

    assert phoenix.labels() == dict.fromkeys(("a", "b", "c", "whole"), "verified")
    assert phoenix.pushes == 2  # one for spans, one for the session
    with Store.open(home.home.store) as store:
        assert not store.pushes.any_open()


def test_a_verdict_that_changed_is_pushed_again_and_one_that_did_not_is_not(
    home: Home, stub: OtlpHttpStub, phoenix: Phoenix
) -> None:
    sent(home, verdict("a"), verdict("b"))
    home.flush()
    annotate(home, verdict("a", "unverified"), verdict("b"))
    home.flush()

    assert phoenix.labels() == {"a": "unverified", "b": "verified"}
    (_, last) = [each for each in stub.requests if "annotations" in each.path]
    assert [each["name"] for each in json.loads(last.body)["data"]] == ["a"]


def test_what_was_deleted_here_stays_there(
    home: Home, stub: OtlpHttpStub, phoenix: Phoenix
) -> None:
    sent(home, verdict("a"))
    home.flush()
    with Store.open(home.home.store) as store:
        store.delete_annotation(TURN.agent, TURN.session_id, SPAN, "a", "ev_1")
    assert home.flush() == worker.FlushResult()
    assert (phoenix.labels(), phoenix.pushes) == ({"a": "verified"}, 1)


def test_of_a_turn_that_went_nowhere_nothing_is_pushed_until_it_goes(
    home: Home, stub: OtlpHttpStub, phoenix: Phoenix
) -> None:
    store_turn(home)
    annotate(home, verdict(), verdict("whole", span_id=""))
    assert home.flush() == worker.FlushResult()
    assert phoenix.pushes == 0

    done = home.harness("outbox", "add", "--destination", "phoenix", "--all")
    assert done.returncode == 0, done.stderr
    assert home.flush() == worker.FlushResult()
    assert set(phoenix.labels()) == {"verified", "whole"}


def test_a_span_that_the_destinations_shape_does_not_have_is_passed_over(
    home: Home, stub: OtlpHttpStub, phoenix: Phoenix
) -> None:
    def of(step: Any) -> str:
        return span_id(TURN.agent, TURN.session_id, TURN.turn_id, step_id(step))

    call, tool = TURN.steps
    sent(home, verdict("call", span_id=of(call)), verdict("tool", span_id=of(tool)))
    assert home.flush() == worker.FlushResult()
    assert set(phoenix.labels()) == {"tool"}


def test_a_destination_may_be_kept_from_verdicts(
    home: Home, stub: OtlpHttpStub, phoenix: Phoenix
) -> None:
    home.home.root.mkdir(parents=True, exist_ok=True)
    home.home.config.write_text("destinations:\n  phoenix:\n    annotations: false\n")
    sent(home, verdict())
    assert home.flush() == worker.FlushResult()
    assert phoenix.spans and phoenix.pushes == 0

    home.home.config.write_text("destinations:\n  phoenix:\n    annotations: true\n")
    annotate(home, verdict("later"))
    home.flush()
    assert set(phoenix.labels()) == {"later"}


def test_a_dry_run_pushes_nothing(home: Home, stub: OtlpHttpStub, phoenix: Phoenix) -> None:
    sent(home, verdict())
    dry = {"ARIZE_DRY_RUN": "true"}
    result = worker.flush(home.home, home.environ(**dry), timeout_s=5)
    assert (result.left, phoenix.pushes) == (0, 0)


def test_a_destination_that_sees_not_all_gets_no_explanation_but_a_persons(
    home: Home, stub: OtlpHttpStub, phoenix: Phoenix
) -> None:
    home.home.root.mkdir(parents=True, exist_ok=True)
    home.home.config.write_text("destinations:\n  phoenix:\n    log_tool_content: false\n")
    told = {"explanation": "it printed the customer's name"}
    sent(
        home,
        verdict("code", **told),
        verdict("model", annotator_kind="LLM", **told),
        verdict("person", annotator_kind="HUMAN", **told),
    )
    home.flush()
    found = {name: each["result"]["explanation"] for (name, _, _), each in phoenix.kept.items()}
    assert found == {"code": None, "model": None, "person": told["explanation"]}
    assert set(phoenix.labels().values()) == {"verified"}


# -- what answers change


def test_a_verdict_waits_for_its_span_and_flush_says_so(
    home: Home, stub: OtlpHttpStub, phoenix: Phoenix
) -> None:
    sent(home, verdict("a"), verdict("whole", span_id=""))
    spans, phoenix.spans = phoenix.spans, set()
    result = worker.flush(home.home, home.environ(), timeout_s=0.3)
    assert result.left == 1 and "does not have the span" in result.messages[0]
    assert set(phoenix.labels()) == {"whole"}

    phoenix.spans = spans
    assert home.flush() == worker.FlushResult()
    assert set(phoenix.labels()) == {"a", "whole"}


def test_a_span_that_is_gone_there_is_given_up_in_the_end(
    home: Home, stub: OtlpHttpStub, phoenix: Phoenix
) -> None:
    sent(home, verdict())
    worker.flush(home.home, home.environ(), timeout_s=5, verify=True)
    annotate(home, verdict("late"))
    phoenix.spans.clear()
    tried = 0
    for hours in range(MOST_ABSENCES):
        with pusher(home, now_ns=hours * 3601 * SECOND_NS) as pushing:
            while pushing.push().wait_s == 0.0:
                tried += 1
    queue = open_pushes(home)
    assert queue is not None and (queue.waiting, queue.dead) == (0, 1)
    assert "does not have its span" in (queue.dead_reason or "")
    assert tried == MOST_ABSENCES


def test_refused_credentials_hold_up_verdicts_and_no_span(
    home: Home, stub: OtlpHttpStub, phoenix: Phoenix
) -> None:
    home.env["PHOENIX_API_KEY"] = "may-only-write-spans"
    sent(home, verdict())
    phoenix.refusal = Reply(403)
    result = worker.flush(home.home, home.environ(), timeout_s=5)
    assert result.left == 1 and "does not accept the credentials" in result.messages[0]

    with pusher(home) as pushing:
        assert pushing.push().lasting
    assert phoenix.pushes == 1
    assert "1 annotation waiting (does not accept" in home.harness("status").stdout
    assert "1 annotation waiting: does not accept" in home.harness("doctor").stdout
    (row,) = json.loads(home.harness("outbox", "list", "--json").stdout)
    assert row["waiting_annotations"] == 1 and row["state"] == "ok"
    store_turn(home, destination_of(home).target, turn=replace(TURN, turn_id="p-2", number=2))
    home.flush()
    assert home.queue().waiting == 0 and not home.queue().account.failures

    phoenix.refusal = None
    with pusher(home, PHOENIX_API_KEY="may-write-both") as pushing:
        assert pushing.push().taken == 1


def test_what_is_refused_for_itself_is_dead_and_said_and_tried_again_when_told_to(
    home: Home, stub: OtlpHttpStub, phoenix: Phoenix
) -> None:
    sent(home, verdict("note"))
    phoenix.refusal = Reply(400, b"The name 'note' is reserved", "text/plain")
    result = home.flush()
    assert result.left == 0 and "name 'note' is reserved" in result.messages[0]
    assert home.flush().left == 0 and phoenix.pushes == 1

    (row,) = json.loads(home.harness("outbox", "list", "--json").stdout)
    assert row["dead_annotations"] == 1 and "reserved" in row["dead_annotations_reason"]
    assert "1 annotation not taken" in home.harness("outbox", "list").stderr
    assert "1 annotation not taken" in home.harness("status").stdout
    assert "would not take 1 annotation" in home.harness("doctor").stdout

    phoenix.refusal = None
    home.harness("outbox", "retry")
    assert home.flush() == worker.FlushResult()
    assert set(phoenix.labels()) == {"note"}


def test_a_server_that_fails_is_left_alone_for_longer_each_time(
    home: Home, stub: OtlpHttpStub, phoenix: Phoenix
) -> None:
    sent(home, verdict())
    phoenix.refusal = Reply(503)
    waits, later_ns = [], 0
    for _ in range(4):
        with pusher(home, now_ns=later_ns) as pushing:
            failed = pushing.push()
            assert pushing.push().wait_s and phoenix.pushes == len(waits) + 1
        waits.append(failed.wait_s)
        later_ns += int(((failed.wait_s or 0.0) + 1.0) * SECOND_NS)
    assert waits == [1.0, 2.0, 4.0, 8.0]

    phoenix.refusal = None
    with pusher(home, now_ns=later_ns) as pushing:
        assert pushing.push().taken == 1
        assert pushing.push() == Pushed()


def test_of_two_versions_at_once_the_last_one_stays(
    home: Home, stub: OtlpHttpStub, phoenix: Phoenix
) -> None:
    sent(home, verdict("a", "first"))
    with Store.open(home.home.store) as store:
        (account,) = store.outbox.accounts()
        looked_up = store.pushes.due(account, time.time_ns())
        annotate(home, verdict("a", "second"))
        home.flush()
        assert phoenix.labels() == {"a": "second"}
        # The one that had the older version only comes to write it down now, whoever was first.
        phoenix.kept["a", SPAN, "ev_1"]["result"]["label"] = "first"
        store.pushes.note(looked_up, "pushed")
    home.flush()
    assert phoenix.labels() == {"a": "second"}


# -- who pushes


def test_a_worker_pushes_what_is_said_while_it_lives_and_stays_for_it(
    home: Home, stub: OtlpHttpStub, phoenix: Phoenix
) -> None:
    sent(home)
    couriers = Couriers(home.home, [destination_of(home)], LOG)
    with Store.open(home.home.store) as store:
        annotate(home, verdict())
        assert not couriers.idle(store, time.time_ns(), patient=False)
        assert couriers.idle(store, time.time_ns(), patient=True), "no agent waits for it"
        assert couriers.idle(store, time.time_ns() + 901 * SECOND_NS, patient=False)

        couriers.start()
        try:
            wait_for(lambda: phoenix.labels() == {"verified": "verified"}, "it is pushed")
            wait_for(lambda: couriers.idle(store, time.time_ns(), patient=False), "it is noted")
        finally:
            couriers.stop()


def test_a_worker_does_not_stay_for_a_backend_that_refuses(
    home: Home, stub: OtlpHttpStub, phoenix: Phoenix
) -> None:
    sent(home, verdict())
    phoenix.refusal = Reply(401)
    worker.flush(home.home, home.environ(), timeout_s=5)
    couriers = Couriers(home.home, [destination_of(home)], LOG)
    with Store.open(home.home.store) as store:
        assert couriers.idle(store, time.time_ns(), patient=False)


def test_what_a_person_says_is_pushed_at_once(
    home: Home, stub: OtlpHttpStub, phoenix: Phoenix
) -> None:
    sent(home)
    done = home.harness("annotate", SPAN, "--name", "quality", "--label", "good")
    assert done.returncode == 0, done.stderr
    wait_for(lambda: phoenix.labels() == {"quality": "good"}, "it is pushed")


def test_any_command_has_pushed_what_was_left(
    home: Home, stub: OtlpHttpStub, phoenix: Phoenix
) -> None:
    sent(home, verdict())
    assert home.harness("sessions", "list").returncode == 0
    wait_for(lambda: phoenix.labels() == {"verified": "verified"}, "it is pushed")


def test_what_a_continuous_task_finds_arrives_by_itself(
    home: Home, stub: OtlpHttpStub, phoenix: Phoenix
) -> None:
    rules = ("--task-type", "code_evaluation", "--evaluators", "all", "--is-continuous")
    made = home.harness("tasks", "create-evaluation", "--name", "rules", *rules)
    assert made.returncode == 0, made.stderr
    play(Recording.ready(home, recording("tool_cycle"), longest_s=1.0))

    wait_for(lambda: "verified_before_done" in phoenix.labels(), "it was judged and pushed")
