"""Which spans end up where when a backend takes them, some of them, or none."""

from __future__ import annotations

from typing import Callable

import pytest

from harness_tracing.export.sender import MOST_EXTRA_REQUESTS, Result, open_sender, send_all
from tests.backends import (
    OK,
    OtlpGrpcStub,
    OtlpHttpStub,
    Received,
    Reply,
    ids_of,
    partial_success,
)
from tests.export.make import destination, ids, span


def results(stub, readables, **settings) -> list[Result]:
    protocol = "grpc" if isinstance(stub, OtlpGrpcStub) else "http"
    sender = open_sender(destination(stub.url, protocol=protocol), version="1")
    try:
        return list(send_all(sender, readables, timeout_s=10, **settings))
    finally:
        sender.close()


def by_verdict(found: list[Result]) -> dict[str, list[str]]:
    told: dict[str, list[str]] = {}
    for result in found:
        told.setdefault(result.outcome.verdict, []).extend(result.span_ids)
    assert len({each for result in found for each in result.span_ids}) == sum(
        len(result.span_ids) for result in found
    )
    return {verdict: sorted(span_ids) for verdict, span_ids in told.items()}


def rejecting(*numbers: int) -> Callable[[Received], Reply]:
    """A backend that answers 400 to any request with one of these spans in it."""
    bad = set(ids(*numbers))
    return lambda received: Reply(400) if bad & set(ids_of(received.spans)) else OK


def test_all_that_is_sent_arrives_once_request_by_request():
    readables = [span(number, number, "x" * 1000) for number in range(1, 41)]
    with OtlpHttpStub() as stub:
        found = results(stub, readables, most_bytes=10_000)
    assert by_verdict(found) == {"delivered": ids(*range(1, 41))}
    assert ids_of(stub.spans()) == ids(*range(1, 41))
    assert [result.bytes_sent for result in found] == [len(each.body) for each in stub.requests]
    assert stub.connections == 1


@pytest.mark.parametrize("status", [302, 401, 404, 429, 500])
def test_it_ends_at_the_first_answer_that_will_not_change_now(status):
    readables = [span(number, number, "x" * 1000) for number in range(1, 41)]
    with OtlpHttpStub([OK, Reply(status)]) as stub:
        found = results(stub, readables, most_bytes=10_000)
    assert [result.outcome.verdict == "delivered" for result in found] == [True, False]
    assert len(stub.requests) == 2


def test_a_request_too_large_for_the_backend_goes_in_smaller_ones():
    with OtlpHttpStub(lambda received: OK if len(received.body) < 40_000 else Reply(413)) as stub:
        found = results(stub, [span(number, 1, "x" * 5_000) for number in range(1, 41)])
    assert by_verdict(found) == {"delivered": ids(*range(1, 41))}
    assert len(stub.requests) < 20


def test_what_is_too_large_once_is_not_tried_again_by_later_requests():
    def answer(received: Received) -> Reply:
        return OK if len(received.body) < 220_000 else Reply(413)

    readables = [span(number, number, "x" * 150_000) for number in range(1, 31)]
    with OtlpHttpStub(answer) as stub:
        found = results(stub, readables, most_bytes=1_000_000)
    assert by_verdict(found) == {"delivered": ids(*range(1, 31))}
    assert [reply.status for reply in stub.replies].count(413) == 2
    assert all("cut" not in str(each) for each in stub.spans())


def test_a_span_too_large_alone_is_cut_until_it_passes():
    with OtlpHttpStub(lambda received: OK if len(received.body) < 200_000 else Reply(413)) as stub:
        found = results(stub, [span(1, 1, "x" * 1_000_000)])
    assert by_verdict(found) == {"delivered": ids(1)}
    (received,) = stub.spans()
    text = next(each.value.string_value for each in received.attributes if each.key[:5] == "input")
    assert text.endswith(" cut: too large to send]")


def test_a_backend_for_which_everything_is_too_large_is_not_asked_for_ever():
    with OtlpHttpStub([Reply(413)]) as stub:
        found = results(stub, [span(1, 1, "x" * 1_000_000)])
    assert by_verdict(found) == {"too_large": ids(1)}
    assert len(stub.requests) < 8


@pytest.mark.parametrize("bad", [(1,), (7,), (40,), (1, 2, 3), (3, 17, 39)])
def test_rejected_spans_are_found_and_the_others_delivered(bad):
    with OtlpHttpStub(rejecting(*bad)) as stub:
        found = results(stub, [span(number) for number in range(1, 41)])
    good = [number for number in range(1, 41) if number not in bad]
    assert by_verdict(found) == {"delivered": ids(*good), "rejected": ids(*bad)}
    assert sorted(ids_of(stub.spans())) == ids(*good)
    assert len(stub.requests) < 40


def test_rejected_spans_that_are_only_counted_are_found_too():
    def answer(received: Received) -> Reply:
        count = len({*ids(5, 6, 11)} & {*ids_of(received.spans)})
        return partial_success(count, "no") if count else OK

    with OtlpHttpStub(answer) as stub:
        found = results(stub, [span(number) for number in range(1, 21)])
    assert by_verdict(found)["rejected"] == ids(5, 6, 11)
    assert len(by_verdict(found)["delivered"]) == 17


def test_when_all_are_rejected_it_is_said_for_all_at_once():
    with OtlpHttpStub([partial_success(20, "no")]) as stub:
        found = results(stub, [span(number) for number in range(1, 21)])
    assert [(len(result.span_ids), result.outcome.verdict) for result in found] == [
        (20, "rejected")
    ]
    assert len(stub.requests) == 1


def test_a_backend_that_rejects_every_request_is_soon_believed():
    with OtlpHttpStub([Reply(400)]) as stub:
        found = results(stub, [span(number) for number in range(1, 201)])
    assert by_verdict(found) == {"rejected": ids(*range(1, 201))}
    assert len(stub.requests) < 20


def test_a_search_has_an_end_and_what_it_did_not_reach_is_left():
    """Every other span is rejected: too many requests to find them all in one go."""
    bad, good = range(1, 401, 2), range(2, 401, 2)
    with OtlpHttpStub(rejecting(*bad)) as stub:
        found = results(stub, [span(number) for number in range(1, 401)])
    assert len(stub.requests) <= MOST_EXTRA_REQUESTS + 2
    told = by_verdict(found)
    assert set(told["rejected"]) < set(ids(*bad))
    assert set(told["delivered"]) < set(ids(*good))


def test_an_outage_during_a_search_ends_it():
    with OtlpHttpStub([partial_success(1), OK, Reply(503)]) as stub:
        found = results(stub, [span(1), span(2), span(3), span(4)])
    assert by_verdict(found) == {"delivered": ids(1, 2), "temporary": ids(3, 4)}
    assert len(stub.requests) == 3


def test_a_grpc_receiver_with_the_default_limit_takes_whatever_there_is():
    readables = [span(number, 1, "x" * 1_500_000) for number in range(1, 6)]
    with OtlpGrpcStub() as stub:
        found = results(stub, [*readables, span(6, 2, "x" * 9_000_000)])
    assert by_verdict(found) == {"delivered": ids(*range(1, 7))}


def test_a_grpc_receiver_with_a_small_limit_gets_smaller_requests():
    with OtlpGrpcStub(most_bytes=100_000) as stub:
        found = results(stub, [span(number, 1, "x" * 30_000) for number in range(1, 9)])
    assert by_verdict(found) == {"delivered": ids(*range(1, 9))}
