"""What must come to an end: a search for what is rejected, a wait, a worker; and a dry run's no."""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from harness_tracing.destinations import Destination, Target
from harness_tracing.model import Session
from harness_tracing.store import SessionChange, Store, TurnWrite, enqueue
from harness_tracing.worker.delivery import Courier
from tests.backends import HANG, OK, OtlpHttpStub, Received, Reply, free_port, partial_success
from tests.delivery.arrivals import Home, Stub, assert_arrived, assert_one_content, timeout
from tests.store import samples
from tests.worker.player import Recording, play, recording, wait_for

SPANS = 301


def write(home: Home, stub: Stub, tools: int = SPANS - 1, **fields: Any) -> None:
    """Store a turn with its rows in the outbox, as a worker does."""
    target = Target(kind="otlp", endpoint=stub.url, project="pricing")
    steps = tuple(samples.tool(f"t{number}", number) for number in range(tools))
    turn = samples.turn(steps=steps, status="completed", **fields)
    home.home.root.mkdir(parents=True, exist_ok=True)
    with Store.open(home.home.store) as store:
        session = Session(turn.agent, turn.session_id, "pricing", started_at_ns=turn.started_at_ns)
        store.write(
            SessionChange(session, (TurnWrite(turn, True),)),
            partial(enqueue, targets=[target], now_ns=time.time_ns()),
        )


def is_odd(span: Any) -> bool:
    return bool(span.span_id[-1] % 2)


def counts_the_odd(received: Received) -> Reply:
    odd = sum(map(is_odd, received.spans))
    return partial_success(odd) if odd else OK


def refuses_the_odd(received: Received) -> Reply:
    return Reply(400) if any(map(is_odd, received.spans)) else OK


@pytest.mark.parametrize("answer", [counts_the_odd, refuses_the_odd])
def test_every_other_span_is_rejected_and_each_ones_fate_is_found(home: Home, answer: Any) -> None:
    with OtlpHttpStub(answer) as stub:
        home.sends_to(stub)
        write(home, stub)
        home.flush()

        queue = home.queue()
        odd = sum(int(span_id, 16) % 2 for span_id in home.exported())
        assert (queue.waiting, queue.dead, queue.delivered) == (0, odd, SPANS - odd)
        assert len(stub.requests) < 3 * SPANS
        assert_one_content(span for request in stub.requests for span in request.spans)


def test_a_backend_that_contradicts_itself_is_believed_in_the_end(home: Home) -> None:
    """It says of every request, whatever is in it, that one span was rejected."""
    with OtlpHttpStub([partial_success(1)]) as stub:
        home.sends_to(stub)
        write(home, stub)
        home.flush()
        assert (home.queue().waiting, home.queue().dead) == (0, SPANS)
        assert len(stub.requests) < 3 * SPANS


def test_what_is_rejected_is_said_in_few_lines(home: Home) -> None:
    with OtlpHttpStub(refuses_the_odd) as stub:
        home.sends_to(stub)
        write(home, stub)
        said = home.harness("flush", "--wait").stderr
        assert 0 < said.count("are not sent to") < 20
        assert said.count(stub.url) == said.count("\n"), "each line names the destination once"


def test_flush_takes_no_longer_than_it_may(home: Home) -> None:
    """However much there is to send, and however slowly it is taken."""

    def slowly(received: Received) -> Reply:
        time.sleep(0.05)
        return partial_success(1) if len(received.spans) > 1 else OK

    with OtlpHttpStub(slowly) as stub:
        home.sends_to(stub)
        write(home, stub)
        assert home.flush(timeout_s=0.5).left > 0
        assert len(stub.requests) < SPANS


def test_flush_does_not_wait_for_an_answer_longer_than_it_may(home: Home) -> None:
    with OtlpHttpStub([HANG]) as stub:
        home.sends_to(stub)
        home.env.update(timeout(60))
        write(home, stub, 1)
        begun = time.monotonic()
        assert home.flush(timeout_s=0.1).left
        assert stub.requests and time.monotonic() - begun < 30


# -- faults of our own


@pytest.mark.parametrize("at_s", [-5, 253_402_300_799])
def test_a_damaged_time_holds_nothing_up(home: Home, at_s: int) -> None:
    """A clock that was wrong: one turn of 1969, one of the year 9999, and one as usual."""
    with OtlpHttpStub() as stub:
        home.sends_to(stub)
        write(home, stub, 1, turn_id="p-1", started_at_ns=at_s * 10**9, ended_at_ns=at_s * 10**9)
        write(home, stub, 1, turn_id="p-2")
        assert home.flush().left == 0
        assert_arrived(home, stub)


class Told(logging.Handler):
    """What was logged, whatever other tests have made of the loggers above."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


def test_a_fault_of_ours_is_no_reason_to_try_without_a_pause(home: Home) -> None:
    told = Told()
    log = logging.getLogger("harness_tracing.test_ends")
    log.addHandler(told)
    with OtlpHttpStub() as stub:
        write(home, stub, 1)
        target = Target(kind="otlp", endpoint=stub.url, project="pricing")
        impossible = Destination("otlp", target, headers={"x-team": 7})  # type: ignore[dict-item]
        with Store.open(home.home.store) as store:
            courier = Courier(store, impossible, log)
            assert courier.send().wait_s
            assert courier.send().error, "it is left alone for a while"
            account = courier.account()
            courier.close()
        assert account is not None and account.failing_since_ns
        assert [record.exc_info is not None for record in told.records].count(True) == 1
        home.sends_to(stub)
        assert home.flush().left == 0


# -- a dry run


@pytest.mark.parametrize("said_in", ["the environment", "config.yaml"])
def test_a_dry_run_sends_nothing_of_earlier_sessions_either(home: Home, said_in: str) -> None:
    with OtlpHttpStub() as stub:
        home.sends_to(stub)
        write(home, stub, 1)
        config = home.home.config.read_text()
        if said_in == "config.yaml":
            home.home.config.write_text(config + "dry_run: true\n")
        else:
            home.env["ARIZE_DRY_RUN"] = "true"
        flushed = home.harness("flush", "--wait", "--verify", "--timeout", "5")
        assert flushed.returncode == 1 and "a dry run sends nothing" in flushed.stderr
        home.harness("sessions", "list")
        wait_for(lambda: not home.processes(), "a sweep is over")
        assert not stub.requests

        home.home.config.write_text(config)
        home.env.pop("ARIZE_DRY_RUN", None)
        assert home.flush().left == 0
        assert_arrived(home, stub)


# -- a hook that was killed while it waited for delivery


def test_nobody_stays_for_a_hook_that_was_killed(home: Home) -> None:
    home.env["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"http://127.0.0.1:{free_port()}"
    play(Recording.ready(home, recording("simple"), longest_s=0.5))
    wait_for(lambda: home.queues() and home.queue().account.failures, "an attempt has failed")
    (pid_file,) = home.home.spool.glob("*/*/worker.pid")
    request = pid_file.with_name("flush.wait.99999")
    request.touch()
    longer_ago(request, 700)
    has_failed_for(home, 1200)
    wait_for(lambda: not home.workers(), "the worker has left")
    assert not request.exists()


def longer_ago(path: Path, seconds: float) -> None:
    at = time.time() - seconds
    os.utime(path, (at, at))


def has_failed_for(home: Home, seconds: int) -> None:
    """As if the backend had failed for longer than a worker stays."""
    connection = sqlite3.connect(home.home.store, timeout=5)
    with connection:
        connection.execute(
            "UPDATE backends SET failing_since_ns = failing_since_ns - ?", (seconds * 10**9,)
        )
    connection.close()
