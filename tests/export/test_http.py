"""The HTTP sender against servers that answer well, badly, slowly and not at all."""

from __future__ import annotations

from harness_tracing.export.encoding import encode
from harness_tracing.export.outcome import Outcome
from harness_tracing.export.sender import open_sender
from tests.backends import OtlpHttpStub, ids_of
from tests.export.make import KEY, destination, ids, span


def sent(stub: OtlpHttpStub, timeout_s: float = 5.0) -> Outcome:
    sender = open_sender(destination(stub.url), version="1.2.3")
    (request,) = encode([span(1), span(2)])
    try:
        return sender.send(request.body, timeout_s)
    finally:
        sender.close()


def test_a_200_delivers():
    with OtlpHttpStub() as stub:
        assert sent(stub) == Outcome("delivered")
    (request,) = stub.requests
    assert (request.method, request.path) == ("POST", "/v1/traces")
    assert request.headers["content-type"] == "application/x-protobuf"
    assert request.headers["user-agent"] == "coding-harness-tracing/1.2.3"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert ids_of(request.spans) == ids(1, 2)
