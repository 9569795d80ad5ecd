"""Asking a backend whether it is there and takes the credentials."""

from __future__ import annotations

import socket

import pytest

from harness_tracing.destinations import Destination, Target
from harness_tracing.setup.probe import ask
from tests.backends import HANG, OK, OtlpGrpcStub, OtlpHttpStub, Received, Reply

KEY = "k3y-of-mine"
FOUND = b'{"schema":{"fields":[]},"data":[]}'
TABLE = b"--b0\r\nContent-Type: application/json\r\n\r\n" + FOUND + b"\r\n--b0--\r\n"


def destination(url: str, kind: str = "otlp", protocol: str = "http") -> Destination:
    target = Target(kind=kind, endpoint=url, project="p", protocol=protocol)  # type: ignore[arg-type]
    return Destination("it", target, headers={"authorization": f"Bearer {KEY}"})


def phoenix(received: Received) -> Reply:
    if received.path == "/v1/spans":
        return Reply(body=TABLE, content_type="multipart/mixed; boundary=b0")
    return OK


def test_a_receiver_that_takes_the_key_is_well_and_gets_no_span() -> None:
    with OtlpHttpStub() as stub:
        checked = ask(destination(stub.url))
    assert (checked.ok, stub.spans()) == (True, [])
    assert "takes the credentials" in checked.message
    assert stub.requests[0].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_is_refused_is_told_without_the_key(status: int) -> None:
    with OtlpHttpStub([Reply(status, f"bad key {KEY}".encode(), "text/plain")]) as stub:
        checked = ask(destination(stub.url))
    assert not checked.ok
    assert f"does not accept the credentials ({status})" in checked.message
    assert KEY not in checked.message


def test_nobody_there_is_told() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        checked = ask(destination(f"http://127.0.0.1:{free.getsockname()[1]}/v1/traces"))
    assert not checked.ok
    assert "Connection refused" in checked.message


def test_an_answer_that_never_comes_is_told_in_time() -> None:
    with OtlpHttpStub([HANG]) as stub:
        checked = ask(destination(stub.url), 0.3)
    assert not checked.ok
    # Which of the two time limits is noticed first is chance.
    assert "within 0.3 s" in checked.message or "in time" in checked.message


def test_a_phoenix_is_known_by_its_own_answer() -> None:
    with OtlpHttpStub(phoenix) as stub:
        checked = ask(destination(stub.url, "phoenix"))
    assert checked.ok
    assert "answers as Phoenix does and takes the credentials" in checked.message


def test_another_receiver_is_no_phoenix() -> None:
    with OtlpHttpStub() as stub:
        checked = ask(destination(stub.url, "phoenix"))
    assert not checked.ok
    assert "as Phoenix does" in checked.message


def test_grpc_is_asked_too() -> None:
    with OtlpGrpcStub() as stub:
        checked = ask(destination(f"http://127.0.0.1:{stub.port}", "otlp", "grpc"))
    assert checked.ok, checked.message
