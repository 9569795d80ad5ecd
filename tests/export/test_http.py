"""The HTTP sender against servers that answer well, badly, slowly and not at all."""

from __future__ import annotations

import gzip
import os
import socket
import subprocess
import sys
import threading
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from pathlib import Path

import pytest

from harness_tracing.export.encoding import encode
from harness_tracing.export.outcome import Outcome
from harness_tracing.export.sender import open_sender
from tests.backends import (
    HANG,
    OK,
    OtlpGrpcStub,
    OtlpHttpStub,
    Reply,
    free_port,
    ids_of,
    partial_success,
    wait_for,
)
from tests.export.make import KEY, destination, ids, span

ROOT = Path(__file__).parents[2]
(REQUEST,) = encode([span(1), span(2)])
JSON = "application/json"
HTML = "text/html; charset=utf-8"


def sent(reply: Reply, timeout_s: float = 5.0) -> Outcome:
    """What the sender makes of this reply to two spans."""
    with OtlpHttpStub([reply]) as stub:
        return send(stub.url, timeout_s)


def send(url: str, timeout_s: float = 5.0, **settings) -> Outcome:
    sender = open_sender(destination(url, **settings), version="1.2.3")
    try:
        return sender.send(REQUEST.body, timeout_s)
    finally:
        sender.close()


def test_a_request_is_otlp_over_http_as_the_specification_wants_it():
    with OtlpHttpStub() as stub:
        assert send(stub.url) == Outcome("delivered")
    (request,) = stub.requests
    assert (request.method, request.path) == ("POST", "/v1/traces")
    assert request.headers["content-type"] == "application/x-protobuf"
    assert request.headers["content-encoding"] == "gzip"
    assert request.headers["user-agent"] == "coding-harness-tracing/1.2.3"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert ids_of(request.spans) == ids(1, 2)
    assert request.body == REQUEST.body


@pytest.mark.parametrize(
    "reply",
    [
        OK,
        Reply(202),
        Reply(204, content_type=""),
        Reply(body=b"ok", content_type="text/plain"),
        Reply(body=b"{}", content_type=JSON),
        Reply(body=b'{"partialSuccess": {}}', content_type=JSON),
        Reply(body=b'{"partialSuccess": {"rejectedSpans": "0"}}', content_type=JSON),
        Reply(body=b'"accepted"', content_type=JSON),
        Reply(body=gzip.compress(b"{}"), content_type=JSON, headers={"Content-Encoding": "gzip"}),
    ],
)
def test_a_2xx_without_a_rejection_delivers(reply):
    assert sent(reply) == Outcome("delivered")


@pytest.mark.parametrize(
    "reply",
    [
        partial_success(1, "span 2 is too old"),
        Reply(
            body=b'{"partialSuccess": {"rejectedSpans": "1", "errorMessage": "span 2 is too old"}}',
            content_type=JSON,
        ),
        Reply(
            body=b'{"partial_success": {"rejected_spans": 1, "error_message": "2 is too old"}}',
            content_type=f"{JSON}; charset=utf-8",
        ),
    ],
)
def test_a_partial_success_is_a_rejection_of_so_many_spans(reply):
    outcome = sent(reply)
    assert (outcome.verdict, outcome.rejected_spans) == ("rejected", 1)
    assert "rejected 1 of its spans: " in outcome.reason
    assert outcome.reason.endswith("2 is too old")


def test_a_warning_is_kept_as_the_reason_of_a_delivery():
    outcome = sent(partial_success(0, "slow down"))
    assert outcome.verdict == "delivered"
    assert outcome.reason.endswith("warns: slow down")


@pytest.mark.parametrize(
    "reply",
    [
        Reply(body=b"<!DOCTYPE html><title>Log in</title>", content_type=HTML),
        Reply(body=b"\n<html>Hotel WiFi</html>", content_type="text/plain"),
        Reply(body=b"\xff\xff\xff"),
        Reply(body=b"{", content_type=JSON),
        Reply(body=b"not gzip", headers={"Content-Encoding": "gzip"}),
        Reply(body=b"{}", content_type=JSON, headers={"Content-Encoding": "br"}),
        Reply(body=b"x" * (1 << 21), content_type="text/plain"),
    ],
)
def test_a_200_that_no_otlp_receiver_gives_is_no_delivery(reply):
    assert sent(reply).verdict == "misdirected"


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (301, "misdirected"),
        (302, "misdirected"),
        (307, "misdirected"),
        (308, "misdirected"),
        (400, "rejected"),
        (401, "refused"),
        (403, "refused"),
        (404, "misdirected"),
        (405, "misdirected"),
        (408, "temporary"),
        (413, "too_large"),
        (415, "misdirected"),
        (418, "misdirected"),
        (422, "rejected"),
        (425, "temporary"),
        (429, "temporary"),
        (500, "temporary"),
        (502, "temporary"),
        (503, "temporary"),
        (504, "temporary"),
        (507, "temporary"),
    ],
)
def test_each_status_has_its_verdict(status, verdict):
    outcome = sent(Reply(status, b"said the server", "text/plain"))
    assert outcome.verdict == verdict
    assert f" {status}" in outcome.reason or f"({status})" in outcome.reason


def test_a_redirect_is_not_followed_and_names_where_it_leads():
    with (
        OtlpHttpStub() as elsewhere,
        OtlpHttpStub([Reply(307, headers={"Location": f"{elsewhere.url}?token=t0p"})]) as stub,
    ):
        outcome = send(stub.url)
    assert elsewhere.connections == 0
    assert outcome.reason.endswith(elsewhere.url)


def _in(seconds: float, now: datetime) -> dict[str, str]:
    return {
        "Retry-After": format_datetime(now + timedelta(seconds=seconds), usegmt=True),
        "Date": format_datetime(now, usegmt=True),
    }


NOON = datetime(2031, 5, 1, 12, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "0.5"}, 0.5),
        ({"Retry-After": "-3"}, 0.0),
        ({"Retry-After": "86400"}, 3600.0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "nan"}, None),
        (_in(90, NOON), 90.0),
        (_in(-90, NOON), 0.0),
        (_in(90_000, NOON), 3600.0),
    ],
)
def test_retry_after_is_read_as_seconds_and_as_a_date_by_the_servers_clock(headers, expected):
    assert sent(Reply(429, headers=headers)).retry_after_s == expected


def test_retry_after_as_a_date_without_the_servers_clock_is_read_by_ours():
    soon = format_datetime(datetime.now(timezone.utc) + timedelta(seconds=90), usegmt=True)
    told = sent(Reply(503, headers={"Retry-After": soon})).retry_after_s
    assert told is not None
    assert 60 < told <= 90


@pytest.mark.parametrize(
    "reply",
    [
        HANG,
        Reply(fault="drip", body=b"x" * 1000, content_type="text/plain"),
        Reply(fault="drip", endless=True),
    ],
    ids=["hangs", "drips", "drips a header without an end"],
)
def test_a_server_that_takes_its_time_gets_what_it_is_given_and_no_more(reply):
    with OtlpHttpStub([reply]) as stub:
        outcome = send(stub.url, timeout_s=0.3)
    assert outcome.verdict == "temporary"
    assert "no whole answer within 0.3 s" in outcome.reason or "in time" in outcome.reason


def test_a_connection_that_is_given_up_is_cut():
    with OtlpHttpStub([Reply(fault="drip", endless=True)]) as stub:
        send(stub.url, timeout_s=0.3)
        (there,) = stub.opened
        there.settimeout(5)
        try:
            assert there.recv(1) == b""
        except socket.timeout:
            pytest.fail("the client still listens")
        except OSError:
            pass  # the stub noticed first


def test_a_server_that_accepts_and_never_reads_does_not_hold_a_large_request_up():
    body = b"".join(request.body for request in encode([span(1, text=os.urandom(2 << 20).hex())]))
    with socket.create_server(("127.0.0.1", 0), backlog=1) as deaf:
        sender = open_sender(
            destination(f"http://127.0.0.1:{deaf.getsockname()[1]}/v1/traces"), version="1"
        )
        assert sender.send(body, 0.3).verdict == "temporary"


@pytest.mark.parametrize("fault", ["reset", "close", "half"])
def test_a_connection_that_breaks_is_temporary(fault):
    reply = Reply(fault=fault, body=b"x" * 1000, content_type="text/plain")
    assert sent(reply).verdict == "temporary"


def test_an_answer_given_before_the_request_was_read_is_read():
    """As servers refuse a body by its Content-Length, and hang up."""
    (large,) = encode([span(1, text=os.urandom(1 << 20).hex())])

    def refuse(listening: socket.socket) -> None:
        there, _ = listening.accept()
        there.recv(65_536)
        there.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
        there.close()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=refuse, args=(listening,), daemon=True).start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/v1/traces"
        sender = open_sender(destination(url), version="1")
        assert sender.send(large.body, 5).verdict == "too_large"
        sender.close()


def test_nobody_there_is_temporary_and_said_in_plain_words():
    outcome = send(f"http://127.0.0.1:{free_port()}/v1/traces")
    assert outcome.verdict == "temporary"
    assert outcome.reason.endswith("/v1/traces: no answer: Connection refused")


def test_a_grpc_server_is_misdirected():
    with OtlpGrpcStub() as stub:
        outcome = send(f"{stub.url}/v1/traces")
    assert outcome.verdict == "misdirected"
    assert "gRPC" in outcome.reason


def test_a_host_without_an_address_is_temporary():
    outcome = send("http://nowhere.invalid/v1/traces")
    assert (outcome.verdict, "looked up" in outcome.reason) == ("temporary", True)


@pytest.mark.parametrize("url", ["http://[::1/v1/traces", "http:///v1/traces", "ftp://h/v1/traces"])
def test_an_impossible_url_is_misdirected(url):
    assert send(url).verdict == "misdirected"


def test_one_connection_serves_many_requests():
    with OtlpHttpStub() as stub:
        sender = open_sender(destination(stub.url), version="1")
        assert [sender.send(REQUEST.body, 5).verdict for _ in range(3)] == ["delivered"] * 3
        assert stub.connections == 1
        sender.close()


def test_a_connection_that_was_closed_while_idle_is_opened_again():
    with OtlpHttpStub([Reply(fault="idle"), OK]) as stub:
        sender = open_sender(destination(stub.url), version="1")
        assert sender.send(REQUEST.body, 5).verdict == "delivered"
        wait_for(lambda: stub.opened[0].fileno() < 0)
        assert sender.send(REQUEST.body, 5).verdict == "delivered"
        assert stub.connections == 2
        sender.close()


def test_after_trouble_the_next_request_has_a_connection_of_its_own():
    with OtlpHttpStub([HANG, OK]) as stub:
        sender = open_sender(destination(stub.url), version="1")
        assert sender.send(REQUEST.body, 0.2).verdict == "temporary"
        assert sender.send(REQUEST.body, 5).verdict == "delivered"
        sender.close()


# In a process of its own: one that has threads, as this one has, must not fork.
FORKS = """
import os, sys
from harness_tracing.export.encoding import encode
from harness_tracing.export.sender import open_sender
from tests.export.make import destination, span

(request,) = encode([span(1), span(2)])
sender = open_sender(destination(sys.argv[1]), version="1")
assert sender.send(request.body, 5).verdict == "delivered"
child = os.fork()
if child == 0:
    verdict = sender.send(request.body, 5).verdict
    sender.close()
    os._exit(0 if verdict == "delivered" else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert sender.send(request.body, 5).verdict == "delivered"
sender.close()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_and_its_parent_do_not_share_a_connection():
    with OtlpHttpStub() as stub:
        words = [sys.executable, "-c", FORKS, stub.url]
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        assert stub.connections == 2


@pytest.mark.parametrize(
    "echo",
    [
        f"bad key {KEY}",
        f"authorization: Bearer {KEY}",
        f"<b>bearer&nbsp;{KEY}</b>",
        "x" * 190 + KEY,
        f"line\r\n{KEY}\x00",
    ],
)
@pytest.mark.parametrize("status", [401, 400, 500, 404, 302])
def test_a_key_that_the_server_echoes_is_masked(echo, status):
    location = {"Location": f"https://login.example/{KEY}"} if status == 302 else {}
    reason = sent(Reply(status, echo.encode(), "text/plain", location)).reason
    assert KEY not in reason
    assert KEY[:8] not in reason
    assert reason.isprintable()


def test_the_excerpt_of_an_answer_is_short():
    with OtlpHttpStub([Reply(500, b"no " * 10_000, "text/plain")]) as stub:
        reason = send(stub.url).reason
    assert len(reason) < len(f"otlp at {stub.url}: answered 500 Internal Server Error: ") + 201


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {KEY}\r\nX-Other: 1"},
        {"authorization": f"Bearer {KEY}\u2026"},
        {"authorization": f"Bearer {KEY} "},
        {"x y": KEY},
        {"x\n": KEY},
    ],
)
@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_a_header_that_cannot_be_sent_is_said_without_its_value(headers, protocol):
    with OtlpHttpStub() as stub:
        outcome = send(stub.url, headers=headers, protocol=protocol)
    assert outcome.verdict == "refused"
    assert KEY not in outcome.reason
    assert stub.connections == 0


def test_an_endpoint_below_a_prefix_is_used_as_it_is():
    with OtlpHttpStub() as stub:
        assert send(f"{stub.base_url}/tenant/a%20b/v1/traces").verdict == "delivered"
    assert stub.requests[0].path == "/tenant/a%20b/v1/traces"


def test_no_cookie_is_kept():
    with OtlpHttpStub([Reply(headers={"Set-Cookie": "a=b; Path=/"})]) as stub:
        sender = open_sender(destination(stub.url), version="1")
        sender.send(REQUEST.body, 5)
        sender.send(REQUEST.body, 5)
        sender.close()
    assert "cookie" not in stub.requests[1].headers


def test_threads_of_requests_that_are_over_are_gone():
    with OtlpHttpStub([HANG]) as stub:
        send(stub.url, timeout_s=0.1)
        threads = [each for each in threading.enumerate() if each.name == "otlp-request"]
        for thread in threads:
            thread.join(5)
        assert not any(thread.is_alive() for thread in threads)
