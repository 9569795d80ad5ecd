"""Backends on a bad day: nothing is lost, nothing comes twice, and nobody is bothered in vain."""

from __future__ import annotations

import sqlite3
import threading
import time
from typing import Any, Union

import pytest

from harness_tracing.store import Store
from tests.backends import (
    HANG,
    OK,
    GrpcReply,
    OtlpGrpcStub,
    OtlpHttpStub,
    Received,
    Reply,
    free_port,
    ids_of,
    partial_success,
)
from tests.delivery.arrivals import Home, assert_arrived, assert_one_content, timeout
from tests.worker.player import Recording, capture, play, recording, wait_for

CASE = "tool_cycle"
SHORT_S = 1.0


def played(home: Home, name: str = CASE, **env: str) -> None:
    """A session as it happens, with its worker."""
    play(Recording.ready(home, recording(name), longest_s=SHORT_S), **env)


def refusing(reply: Reply, times: int = 1) -> list[Reply]:
    return [reply] * times + [OK]


# -- away


def test_a_backend_that_is_down_gets_everything_when_it_is_back(home: Home) -> None:
    port = free_port()
    home.env["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"http://127.0.0.1:{port}"
    capture(home, CASE)
    left = home.flush(timeout_s=0.5)
    assert left.left == len(home.exported()) and "wait for otlp at" in left.messages[0]

    with OtlpHttpStub(port=port) as stub:
        assert home.flush().left == 0
        assert_arrived(home, stub)


def test_a_worker_delivers_by_itself_when_its_backend_is_back(home: Home) -> None:
    port = free_port()
    home.env["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"http://127.0.0.1:{port}"
    played(home)
    wait_for(lambda: home.queues() and home.queue().account.failures, "an attempt has failed")
    assert home.workers()

    with OtlpHttpStub(port=port) as stub:
        wait_for(lambda: stub.spans() and not home.queue().waiting, "everything was delivered")
        assert_arrived(home, stub)
        wait_for(lambda: not home.workers(), "the worker has left")


def test_what_a_session_left_is_delivered_by_the_next_one(home: Home) -> None:
    port = free_port()
    home.env["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"http://127.0.0.1:{port}"
    played(home)
    wait_for(lambda: home.queues() and home.queue().account.failures, "an attempt has failed")
    home.kill_all()

    with OtlpHttpStub(port=port) as stub:
        played(home, "simple")
        wait_for(lambda: stub.spans() and not home.queue().waiting, "everything was delivered")
        assert len({span["context"]["trace_id"] for span in home.exported().values()}) == 2
        assert_arrived(home, stub)


# -- there, and of no use


def test_a_backend_that_never_answers_loses_nothing(home: Home) -> None:
    with OtlpHttpStub([HANG]) as stub:
        home.sends_to(stub)
        home.env.update(timeout(0.3))
        capture(home, CASE)
        assert home.flush(timeout_s=0.5).left == len(home.exported())
        stub.stop()
        with OtlpHttpStub(port=stub.port) as awake:
            assert home.flush().left == 0
            assert_arrived(home, awake)
            assert_one_content(s for r in (*stub.requests, *awake.requests) for s in r.spans)


def test_a_slow_backend_gets_everything_once(home: Home) -> None:
    def slowly(received: Received) -> Reply:
        time.sleep(0.5)
        return OK

    with OtlpHttpStub(slowly) as stub:
        home.sends_to(stub)
        home.env.update(timeout(5))
        capture(home, CASE)
        assert home.flush().left == 0
        assert_arrived(home, stub)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(500),
        Reply(502, b"<html>Bad Gateway</html>", "text/html"),
        Reply(503),
        Reply(408),
        Reply(fault="reset"),
        Reply(fault="close"),
        Reply(200, b"x" * 40, fault="half"),
    ],
    ids=["500", "502", "503", "408", "reset", "close", "half"],
)
def test_a_passing_fault_is_waited_out(home: Home, reply: Reply) -> None:
    with OtlpHttpStub(refusing(reply)) as stub:
        home.sends_to(stub)
        capture(home, CASE)
        assert home.flush().left == 0
        assert len(stub.requests) == 2
        assert_arrived(home, stub)


@pytest.mark.parametrize(
    "reply",
    [
        GrpcReply("UNAVAILABLE"),
        GrpcReply("INTERNAL"),
        GrpcReply("RESOURCE_EXHAUSTED", retry_delay_s=0.1),
    ],
    ids=lambda reply: reply.code,
)
def test_a_passing_fault_of_grpc_is_waited_out(home: Home, reply: GrpcReply) -> None:
    with OtlpGrpcStub([reply, GrpcReply()]) as stub:
        home.sends_to(stub, shape="calls")
        capture(home, CASE)
        assert home.flush().left == 0
        assert len(stub.requests) == 2
        assert_arrived(home, stub, "calls")


def test_a_backend_that_asks_for_time_gets_it(home: Home) -> None:
    at: list[float] = []

    def later(received: Received) -> Reply:
        at.append(time.monotonic())
        return OK if len(at) > 1 else Reply(429, headers={"Retry-After": "1"})

    with OtlpHttpStub(later) as stub:
        home.sends_to(stub)
        capture(home, CASE)
        assert home.flush().left == 0
        assert len(at) == 2 and at[1] - at[0] >= 1.0
        assert_arrived(home, stub)


# -- wrong credentials, wrong address


def by_key(good: str) -> Any:
    def answer(received: Received) -> Reply:
        return OK if received.headers.get("authorization") == good else Reply(401)

    return answer


def test_refused_credentials_are_said_once_and_not_shown_again(home: Home) -> None:
    with OtlpHttpStub(by_key("Bearer good")) as stub:
        home.env["OTEL_EXPORTER_OTLP_ENDPOINT"] = stub.base_url
        bad = {"OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20bad"}
        good = {"OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20good"}
        played(home, **bad)
        wait_for(lambda: home.queues() and home.queue().account.paused_by, "it is paused")
        wait_for(lambda: not home.workers(), "the worker does not wait for it")
        played(home, "simple", **bad)
        wait_for(lambda: not home.workers(), "nor does the next one")

        assert len(stub.requests) == 1
        assert home.log().count("refused the credentials") == 1
        assert home.queue().waiting == len(home.exported())
        assert home.harness("flush", "--wait", **good).returncode == 0
        assert_arrived(home, stub)


def test_a_redirect_is_not_followed(home: Home) -> None:
    with OtlpHttpStub() as elsewhere:
        redirect = Reply(302, headers={"Location": elsewhere.url})
        with OtlpHttpStub(refusing(redirect)) as stub:
            home.sends_to(stub)
            capture(home, CASE)
            left = home.flush(timeout_s=0.5)
            assert left.left == len(home.exported()) and "302" in left.messages[0]
            assert elsewhere.requests == []

            assert home.flush().left == 0
            assert_arrived(home, stub)


# -- rejections


def tools_are_too_long(received: Received) -> Reply:
    tools = [span for span in received.spans if not span.name.startswith("Turn ")]
    return partial_success(len(tools), "attribute too long") if tools else OK


def test_rejected_spans_are_dead_and_the_others_arrive(home: Home) -> None:
    with OtlpHttpStub(tools_are_too_long) as stub:
        home.sends_to(stub)
        capture(home, CASE)
        result = home.flush()

        spans = home.exported()
        roots = [span_id for span_id, span in spans.items() if span["name"].startswith("Turn ")]
        assert ids_of(stub.spans()) == roots
        queue = home.queue()
        assert (queue.dead, queue.delivered, queue.waiting) == (len(spans) - 1, 1, 0)
        assert "attribute too long" in (queue.dead_reason or "")
        assert result.left == queue.dead and "attribute too long" in result.messages[0]
        assert_one_content(span for request in stub.requests for span in request.spans)


def test_what_was_rejected_is_sent_again_when_told_to(home: Home) -> None:
    mended = threading.Event()

    def answer(received: Received) -> Reply:
        return OK if mended.is_set() else partial_success(len(received.spans), "not today")

    with OtlpHttpStub(answer) as stub:
        home.sends_to(stub)
        capture(home, CASE)
        home.flush()
        assert home.queue().dead == len(home.exported())
        before = len(stub.requests)
        home.flush()
        assert len(stub.requests) == before, "nobody asks again by himself"

        mended.set()
        with Store.open(home.home.store) as store:
            store.outbox.retry(None, time.time_ns())
        assert home.flush().left == 0
        assert_arrived(home, stub)


# -- killed


def test_a_worker_killed_between_answer_and_commit_sends_the_same_again(home: Home) -> None:
    """The store is locked while the backend answers, so that the answer cannot be noted."""
    locks: list[sqlite3.Connection] = []

    def answer(received: Received) -> Reply:
        if not locks:
            lock = sqlite3.connect(home.home.store, isolation_level=None, check_same_thread=False)
            lock.execute("BEGIN IMMEDIATE")
            locks.append(lock)
        return OK

    with OtlpHttpStub(answer) as stub:
        home.sends_to(stub)
        played(home)
        wait_for(lambda: stub.replies, "the first answer is given")
        time.sleep(0.2)
        assert home.kill_all()
        locks[0].close()
        assert home.queue().waiting == len(home.exported())

        assert home.flush().left == 0
        assert [request.body for request in stub.requests] == [stub.requests[0].body] * 2
        assert_arrived(home, stub, once=False)


# -- one of several


@pytest.mark.parametrize("fault", [HANG, Reply(500), Reply(401)], ids=["hangs", "500", "401"])
def test_one_backend_in_trouble_holds_up_no_other(home: Home, fault: Reply) -> None:
    with OtlpHttpStub([fault]) as troubled, OtlpHttpStub() as well:
        home.sends_to(troubled, well)
        home.env.update(timeout(20))
        played(home)
        wait_for(lambda: well.spans() and not home.queue(well).waiting, "one has everything")
        assert_arrived(home, well)
        assert troubled.spans() == []
        home.kill_all()
        troubled.stop()

        with OtlpHttpStub(port=troubled.port) as again:
            assert home.flush().left == 0
            assert_arrived(home, again)
            assert_arrived(home, well)


def test_http_and_grpc_side_by_side(home: Home) -> None:
    stubs: tuple[Union[OtlpHttpStub, OtlpGrpcStub], ...]
    with OtlpHttpStub() as http, OtlpGrpcStub() as grpc:
        stubs = (http, grpc)
        home.sends_to(*stubs)
        capture(home, CASE)
        assert home.flush().left == 0
        for stub in stubs:
            assert_arrived(home, stub)
