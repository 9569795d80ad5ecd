"""A mistake in an endpoint costs no span: what a wrong place answers is no word on them."""

from __future__ import annotations

import pytest

from tests.backends import OtlpHttpStub, Reply
from tests.delivery.arrivals import Home
from tests.worker.player import capture

GO = b"Client sent an HTTP request to an HTTPS server.\n"
NGINX = b"<html>\r\n<title>400 The plain HTTP request was sent to HTTPS port</title></html>"
OTHER = b"<!doctype html><title>Bad Request</title>"


@pytest.mark.parametrize(
    ("answer", "advice"),
    [
        (Reply(400, GO, "text/plain; charset=utf-8"), "write https://"),
        (Reply(400, NGINX, "text/html"), "write https://"),
        (Reply(400, OTHER, "text/html; charset=utf-8"), "is the endpoint right?"),
        (Reply(422, OTHER, ""), "is the endpoint right?"),
    ],
)
def test_a_400_of_what_reads_no_spans_gives_none_up(home: Home, answer: Reply, advice: str) -> None:
    with OtlpHttpStub([answer]) as stub:
        home.sends_to(stub)
        capture(home, "simple")
        (message,) = home.flush(timeout_s=1).messages
        assert advice in message
        assert home.queue().waiting and not home.queue().dead


def test_what_waits_for_an_endpoint_of_before_can_be_given_up_as_said(home: Home) -> None:
    home.env["PHOENIX_ENDPOINT"] = "http://127.0.0.1:9/wrong"
    capture(home, "simple")
    home.flush(timeout_s=0.1)
    with OtlpHttpStub() as stub:
        home.env["PHOENIX_ENDPOINT"] = stub.base_url
        (message,) = home.flush().messages
        advice = message.rpartition("`harness ")[2].rstrip("`").split()
        assert home.harness(*advice, "--yes").returncode == 0
        added = home.harness("outbox", "add", "--destination", "phoenix", "--all")
        assert added.returncode == 0, added.stderr
        assert home.flush().left == 0
        assert stub.spans()
