"""Turns out of the ordinary, and several at work: the same promises."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from harness_tracing import worker
from harness_tracing.destinations import Destination, Target
from harness_tracing.model import Session, Step, Turn, Usage
from harness_tracing.store import SessionChange, Store, TurnWrite, enqueue
from harness_tracing.worker.delivery import Courier
from harness_tracing.worker.settings import destinations
from tests.backends import OK, OtlpHttpStub, Received, Reply, free_port, ids_of
from tests.delivery.arrivals import (
    Home,
    Stub,
    assert_arrived,
    assert_one_content,
    content_of,
    sizes,
)
from tests.store import samples
from tests.worker.player import HOUR_NS, NOBODY, Recording, capture, play, recording, wait_for

CASE = "tool_cycle"
LARGEST_REQUEST_BYTES = 4_000_000
LOG = logging.getLogger("harness_tracing")


def target_of(stub: Stub, **fields: Any) -> Target:
    values: dict[str, Any] = {"kind": "otlp", "endpoint": stub.url, "project": "pricing", **fields}
    return Target(**values)


def write(home: Home, turn: Turn, *targets: Target, final: bool = True) -> None:
    """Store a turn with its rows in the outbox, as a worker does."""
    with Store.open(home.home.store) as store:
        session = Session(turn.agent, turn.session_id, "pricing", started_at_ns=turn.started_at_ns)
        store.write(
            SessionChange(session, (TurnWrite(turn, final),)),
            partial(enqueue, targets=targets, now_ns=time.time_ns()),
        )


# -- a backend that answers before it stores


class Phoenix:
    """Answers of a Phoenix server that keeps spans only while it is `awake`."""

    def __init__(self) -> None:
        self.awake = False
        self.stored: dict[str, dict[str, Any]] = {}

    def __call__(self, received: Received) -> Reply:
        if received.path == "/v1/traces":
            for span in received.spans if self.awake else ():
                self.stored.setdefault(span.span_id.hex(), content_of(span))
            return OK
        asked = re.findall(r"[0-9a-f]{16}", received.body.decode())
        found = {"data": [{"span_id": each} for each in asked if each in self.stored]}
        part = f"--cut\r\nContent-Type: application/json\r\n\r\n{json.dumps(found)}\r\n--cut--\r\n"
        return Reply(body=part.encode(), content_type="multipart/mixed; boundary=cut")


@pytest.mark.parametrize("shape", ["turns", "calls"])
def test_what_a_backend_took_and_lost_is_sent_again_when_verified(home: Home, shape: Any) -> None:
    phoenix = Phoenix()
    with OtlpHttpStub(phoenix) as stub:
        home.env.update({"PHOENIX_ENDPOINT": stub.base_url, "ARIZE_TRACE_SHAPE": shape})
        capture(home, CASE)
        assert home.flush().left == 0
        assert phoenix.stored == {} and home.queue().sent == len(home.exported(shape))

        phoenix.awake = True
        for timeout_s in (0.5, 10):  # it is given the first time to store what it never will
            result = worker.flush(home.home, home.environ(), timeout_s=timeout_s, verify=True)
        assert result.left == 0
        assert set(phoenix.stored) == set(home.exported(shape))
        assert home.queue().delivered == len(phoenix.stored)
        posts = [request for request in stub.requests if request.path == "/v1/traces"]
        assert_one_content(span for request in posts for span in request.spans)


def test_a_backend_that_keeps_losing_is_given_up_and_said_so(home: Home) -> None:
    with OtlpHttpStub(Phoenix()) as stub:
        home.env["PHOENIX_ENDPOINT"] = stub.base_url
        capture(home, CASE)
        home.flush()
        (destination,) = destinations(home.home, home.environ())
        with Store.open(home.home.store) as store:
            courier = Courier(store, destination, LOG)
            while courier.send().sent or courier.read_back(sent_before_ns=time.time_ns()):
                pass
            courier.close()
        queue = home.queue()
        assert queue.dead == len(home.exported()) and not queue.waiting
        assert "read back" in (queue.dead_reason or "")


# -- credentials


def test_spans_wait_for_credentials_that_only_the_session_had(home: Home) -> None:
    port = free_port()
    of_session = {
        "ARIZE_API_KEY": "ak-of-the-session",
        "ARIZE_SPACE_ID": "space-1",
        "ARIZE_OTLP_ENDPOINT": f"http://127.0.0.1:{port}/v1",
    }
    play(Recording.ready(home, recording(CASE), longest_s=1.0), **of_session)
    wait_for(lambda: home.queues() and home.queue().account.failures, "an attempt has failed")
    home.kill_all()
    with OtlpHttpStub(port=port) as stub:
        left = home.flush(timeout_s=2)
        assert left.left == len(home.exported()) and stub.requests == []
        assert "credentials" in left.messages[0] and "ARIZE_API_KEY" in left.messages[0]
        assert "ak-of-the-session" not in str(left)

        assert home.harness("flush", "--wait", **of_session).returncode == 0
        assert_arrived(home, stub)
        assert {r.headers["authorization"] for r in stub.requests} == {"ak-of-the-session"}


# -- large turns


def large_turn(count: int, characters: int) -> Turn:
    output = "0123456789abcde\n" * (characters // 16)
    steps: tuple[Step, ...] = tuple(
        samples.tool(f"t{number}", number, output=output + str(number)) for number in range(count)
    )
    return samples.turn(steps=steps, status="completed")


def test_a_turn_of_30_mb_arrives_in_requests_below_4_mb(home: Home) -> None:
    with OtlpHttpStub() as stub:
        home.sends_to(stub)
        write(home, large_turn(300, 100_000), target_of(stub))
        assert home.flush().left == 0

        assert sum(sizes(stub)) > 30_000_000
        assert max(sizes(stub)) < LARGEST_REQUEST_BYTES
        assert_arrived(home, stub)


def test_a_single_span_of_30_mb_arrives_shortened(home: Home) -> None:
    with OtlpHttpStub() as stub:
        home.sends_to(stub)
        write(home, large_turn(1, 30_000_000), target_of(stub))
        assert home.flush().left == 0

        assert max(sizes(stub)) < LARGEST_REQUEST_BYTES
        found = {span.span_id.hex(): content_of(span) for span in stub.spans()}
        assert set(found) == set(home.exported())
        (tool,) = [each for each in found.values() if each["name"] == "Bash"]
        assert "output.value" in tool["attributes"] and "30000" not in str(len(str(tool)))
        assert tool["attributes"]["tool.id"] == "t0"


def test_a_backend_that_takes_less_gets_smaller_requests(home: Home) -> None:
    limit = 400_000

    def answer(received: Received) -> Reply:
        return OK if len(received.body) <= limit else Reply(413)

    with OtlpHttpStub(answer) as stub:
        home.sends_to(stub)
        write(home, large_turn(30, 100_000), target_of(stub))
        assert home.flush().left == 0
        assert_arrived(home, stub)


# -- an installation in trouble

WITHOUT_A_LIBRARY = """
import logging, sys
from pathlib import Path
sys.modules["opentelemetry.sdk.trace"] = None  # as while it is being replaced by a newer one
from harness_tracing.destinations import Destination, Target
from harness_tracing.store import Store
from harness_tracing.worker.delivery import Courier

destination = Destination("stub", Target("otlp", sys.argv[2], "pricing"))
with Store.open(Path(sys.argv[1])) as store:
    Courier(store, destination, logging.getLogger()).send()
"""


def test_a_library_that_is_missing_for_a_moment_buries_no_span(home: Home) -> None:
    with OtlpHttpStub() as stub:
        home.sends_to(stub)
        write(home, large_turn(3, 100), target_of(stub))
        words = [sys.executable, "-c", WITHOUT_A_LIBRARY, str(home.home.store), stub.url]
        done = subprocess.run(words, env=home.environ(), capture_output=True, text=True)
        assert "opentelemetry.sdk.trace" in done.stderr, "it was not missed"
        assert (home.queue().waiting, home.queue().dead) == (4, 0)

        assert home.flush().left == 0
        assert_arrived(home, stub)


# -- clocks


def courier_at(store: Store, stub: Stub, now_ns: int) -> Courier:
    destination = Destination("stub", target_of(stub), timeout_s=2.0)
    return Courier(store, destination, LOG, now=lambda: now_ns)


@pytest.mark.parametrize("jump_h", [-48, 48], ids=["back", "ahead"])
def test_a_clock_that_jumps_holds_nothing_up(home: Home, jump_h: int) -> None:
    now_ns = time.time_ns()
    with OtlpHttpStub([Reply(503, headers={"Retry-After": "600"}), OK]) as stub:
        write(home, large_turn(3, 100), target_of(stub))
        with Store.open(home.home.store) as store:
            assert courier_at(store, stub, now_ns).send().sent == 0
            assert courier_at(store, stub, now_ns + 10**9).send().sent == 0
            assert len(stub.requests) == 1, "it asked for ten minutes"

            assert courier_at(store, stub, now_ns + jump_h * HOUR_NS).send().sent == 4
        assert_arrived(home, stub)


def test_times_set_back_in_a_session_arrive_as_they_are_stored(home: Home) -> None:
    with OtlpHttpStub() as stub:
        home.sends_to(stub)
        made = Recording.ready(home, recording(CASE), longest_s=1.0, set_back_at=4)
        play(made)
        assert home.flush().left == 0
        assert_arrived(home, stub)
        assert all(s.end_time_unix_nano >= s.start_time_unix_nano for s in stub.spans())


# -- many at once


def test_twenty_sessions_at_once_arrive_once_each(home: Home) -> None:
    with OtlpHttpStub() as stub:
        home.sends_to(stub)
        made = Recording.ready(home, recording("simple"), past=True)
        session_ids = [f"{number:08d}{made.session_ids[0][8:]}" for number in range(20)]
        for call in made.calls:
            # The workers start with the last event, all of them at about the same time.
            interpreter = sys.executable if call is made.calls[-1] else NOBODY
            for session_id in session_ids:
                _write_transcript(made, session_id)
                payload = call.payload.replace(made.session_ids[0], session_id)
                env = {**call.env, "CLAUDE_CODE_SESSION_ID": session_id, "CLAUDE_PID": "1"}
                home.fire(call.event, payload.encode(), interpreter=interpreter, **env)
        wait_for(lambda: not home.workers() and not home.event_files(), "workers have left", 60)
        assert home.flush().left == 0

        assert {span["attributes"]["session.id"] for span in _stored(home)} == set(session_ids)
        assert_arrived(home, stub)
        assert "ERROR" not in home.log()


def _write_transcript(made: Recording, session_id: str) -> None:
    """A session's transcript is the recorded one with another id."""
    known = made.session_ids[0]
    for path, lines in made.files.items():
        target = path.with_name(path.name.replace(known, session_id))
        text = b"".join(made.rewrite.bytes(line, 0) for line in lines)
        target.write_bytes(text.replace(known.encode(), session_id.encode()))


def _stored(home: Home) -> list[dict[str, Any]]:
    return list(home.exported().values()) if home.home.store.exists() else []


def test_two_processes_that_deliver_at_once_send_nothing_twice(home: Home) -> None:
    with OtlpHttpStub() as stub:
        home.sends_to(stub)
        for number in range(30):
            steps = tuple(samples.tool(f"t{n}", n) for n in range(100))
            write(home, samples.turn("s-1", f"p-{number}", steps, number=number), target_of(stub))
        words = [sys.executable, "-m", "harness_tracing.cli", "flush", "--wait"]
        both = [subprocess.Popen(words, env=home.environ(), cwd=home.user_home) for _ in range(2)]
        assert [process.wait(60) for process in both] == [0, 0]
        assert_arrived(home, stub)


# -- dry run


def test_a_dry_run_sends_nothing_and_says_what_it_would_have_sent(home: Home) -> None:
    with OtlpHttpStub() as stub:
        home.sends_to(stub)
        play(Recording.ready(home, recording(CASE), longest_s=1.0), ARIZE_DRY_RUN="true")
        wait_for(lambda: "dry run" in home.log(), "it says so")
        wait_for(lambda: not home.workers(), "the worker has left")

        count = len(home.exported())
        assert f"would go to otlp at {stub.url}" in home.log()
        assert f"as {count} spans" in home.log()
        assert home.flush().left == 0
        assert stub.connections == 0 and home.queues() == []


# -- while a turn runs, and after it


def test_a_long_turn_is_streamed_and_its_own_span_comes_at_the_end(home: Home) -> None:
    with OtlpHttpStub() as stub:
        home.sends_to(stub, shape="calls", stream=True)
        made = Recording.ready(home, recording(CASE), longest_s=1.0)
        events = [call.event for call in made.calls]

        def look(number: int) -> None:
            if number == events.index("Stop"):
                wait_for(stub.spans, "something has arrived before the turn ends")

        play(made, before=look)
        assert home.flush().left == 0

        roots = [
            n for n, r in enumerate(stub.requests) if any(not s.parent_span_id for s in r.spans)
        ]
        assert roots == [len(stub.requests) - 1]
        assert_arrived(home, stub, "calls")


def test_a_late_step_arrives_and_changes_no_span_that_was_sent(home: Home) -> None:
    """The answer to the turn's own span is lost, and before it is sent again a step comes late."""
    late = samples.call("late", 90, usage=Usage(input_tokens=70, output_tokens=7))
    first = samples.turn(
        steps=(
            samples.call("c1", 1, usage=Usage(input_tokens=10, output_tokens=1)),
            samples.tool("t1", 2),
            samples.tool("t2", 3, status="running"),
        )
    )
    ended: Step = samples.tool("t2", 3)
    for shape in ("turns", "calls"):
        with OtlpHttpStub([Reply(fault="reset"), OK]) as stub:
            target = target_of(stub, shape=shape)
            write(home, first, target)
            with Store.open(home.home.store) as store:
                destination = Destination("stub", target)
                Courier(store, destination, LOG).send()
            write(home, replace(first, steps=(*first.steps[:2], ended, late)))
            with Store.open(home.home.store) as store:
                Courier(store, destination, LOG).send(anyway=True)
                assert store.delete_session(first.agent, first.session_id)

            assert len(stub.requests) == 2
            assert set(ids_of(stub.requests[0].spans)) <= set(ids_of(stub.requests[1].spans))
            assert_one_content(span for request in stub.requests for span in request.spans)
