"""The gRPC sender against servers that answer well, badly, slowly and not at all."""

from __future__ import annotations

import pytest

from harness_tracing.export.encoding import encode
from harness_tracing.export.outcome import Outcome
from harness_tracing.export.sender import open_sender
from tests.backends import GrpcReply, OtlpGrpcStub, OtlpHttpStub, free_port, ids_of
from tests.export.make import KEY, destination, ids, span

(REQUEST,) = encode([span(1), span(2)])


def sent(reply: GrpcReply, timeout_s: float = 5.0) -> Outcome:
    """What the sender makes of this reply to two spans."""
    with OtlpGrpcStub([reply]) as stub:
        return send(stub.url, timeout_s)


def send(url: str, timeout_s: float = 5.0, **settings) -> Outcome:
    sender = open_sender(destination(url, protocol="grpc", **settings), version="1.2.3")
    try:
        return sender.send(REQUEST.body, timeout_s)
    finally:
        sender.close()


def test_a_call_carries_the_headers_and_the_spans():
    with OtlpGrpcStub() as stub:
        headers = {"Authorization": f"Bearer {KEY}", "X-Team": "tracing"}
        assert send(stub.url, headers=headers) == Outcome("delivered")
    (request,) = stub.requests
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["x-team"] == "tracing"
    assert request.headers["user-agent"].startswith("coding-harness-tracing/1.2.3 ")
    assert request.body == REQUEST.body
    assert ids_of(request.spans) == ids(1, 2)


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        ("CANCELLED", "temporary"),
        ("UNKNOWN", "temporary"),
        ("INVALID_ARGUMENT", "rejected"),
        ("DEADLINE_EXCEEDED", "temporary"),
        ("NOT_FOUND", "misdirected"),
        ("ALREADY_EXISTS", "misdirected"),
        ("PERMISSION_DENIED", "refused"),
        ("RESOURCE_EXHAUSTED", "temporary"),
        ("FAILED_PRECONDITION", "misdirected"),
        ("ABORTED", "temporary"),
        ("OUT_OF_RANGE", "temporary"),
        ("UNIMPLEMENTED", "misdirected"),
        ("INTERNAL", "temporary"),
        ("UNAVAILABLE", "temporary"),
        ("DATA_LOSS", "temporary"),
        ("UNAUTHENTICATED", "refused"),
    ],
)
def test_each_status_has_its_verdict(code, verdict):
    outcome = sent(GrpcReply(code, "said the server"))
    assert outcome.verdict == verdict
    assert outcome.reason.startswith("otlp at http://127.0.0.1:")
    assert outcome.reason.endswith(": said the server")


@pytest.mark.parametrize("code", ["UNAVAILABLE", "RESOURCE_EXHAUSTED"])
@pytest.mark.parametrize(("told", "expected"), [(7.5, 7.5), (0.0, 0.0), (86_400.0, 3600.0)])
def test_the_delay_of_a_retry_info_is_read(code, told, expected):
    assert sent(GrpcReply(code, "busy", told)).retry_after_s == expected


def test_a_message_larger_than_the_server_takes_is_too_large():
    with OtlpGrpcStub(most_bytes=100) as stub:
        assert send(stub.url).verdict == "too_large"


def test_a_partial_success_is_a_rejection_of_so_many_spans():
    outcome = sent(GrpcReply(rejected=1, message="span 2 is too old"))
    assert (outcome.verdict, outcome.rejected_spans) == ("rejected", 1)
    assert outcome.reason.endswith("rejected 1 of its spans: span 2 is too old")


def test_a_warning_is_kept_as_the_reason_of_a_delivery():
    outcome = sent(GrpcReply(message="slow down"))
    assert outcome.verdict == "delivered"
    assert outcome.reason.endswith("warns: slow down")


def test_an_answer_that_is_no_otlp_is_no_delivery():
    assert sent(GrpcReply(raw=b"\xff\xff")).verdict == "misdirected"


def test_a_server_that_hangs_gets_what_it_is_given_and_no_more():
    outcome = sent(GrpcReply(hang=True), timeout_s=0.3)
    assert outcome.verdict == "temporary"
    assert "no answer in time" in outcome.reason


def test_nobody_there_is_temporary():
    outcome = send(f"http://127.0.0.1:{free_port()}")
    assert outcome.verdict == "temporary"
    assert "refused" in outcome.reason


def test_a_server_that_comes_back_is_reached_by_the_next_request():
    port = free_port()
    sender = open_sender(destination(f"http://127.0.0.1:{port}", protocol="grpc"), version="1")
    assert sender.send(REQUEST.body, 5).verdict == "temporary"
    assert sender.send(REQUEST.body, 5).verdict == "temporary"
    with OtlpGrpcStub(port=port):
        assert sender.send(REQUEST.body, 5).verdict == "delivered"
    assert sender.send(REQUEST.body, 5).verdict == "temporary"
    with OtlpGrpcStub(port=port):
        assert sender.send(REQUEST.body, 5).verdict == "delivered"
    sender.close()


def test_a_web_server_is_misdirected():
    with OtlpHttpStub() as stub:
        assert send(stub.base_url).verdict == "misdirected"


@pytest.mark.parametrize("code", ["UNAUTHENTICATED", "INVALID_ARGUMENT", "UNAVAILABLE"])
def test_a_key_that_the_server_echoes_is_masked(code):
    reason = sent(GrpcReply(code, f"bad key {KEY}, Bearer {KEY}")).reason
    assert KEY not in reason
    assert reason.endswith("bad key ***, ***")
