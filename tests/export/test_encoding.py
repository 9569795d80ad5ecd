"""Spans as requests: sizes, order, bytes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from harness_tracing.export.encoding import MOST_BYTES, Request, encode, split
from tests.backends import ids_of, spans_of
from tests.export.make import ids, span


def in_it(request: Request) -> list:
    return spans_of(ExportTraceServiceRequest.FromString(request.body))


def value(encoded, key: str) -> str:
    return next(each.value.string_value for each in encoded.attributes if each.key == key)


def test_what_fits_is_one_request_that_says_what_the_plain_exporter_says():
    readables = [span(1), span(2), span(3, trace=2)]
    (request,) = encode(readables)
    assert list(request.span_ids) == ids(1, 2, 3)
    plain = spans_of(encode_spans(readables))
    assert in_it(request) == plain
    assert all(
        source.resource.attributes
        for source in ExportTraceServiceRequest.FromString(request.body).resource_spans
    )


def test_nothing_is_no_request():
    assert list(encode([])) == []


def test_the_spans_of_a_trace_stay_together_where_they_fit():
    readables = [span(3 * trace + n, trace, "x" * 300) for trace in range(1, 10) for n in range(3)]
    requests = list(encode(readables, most_bytes=4_000))
    assert len(requests) > 2
    for request in requests:
        traces = [each.trace_id for each in in_it(request)]
        assert all(traces.count(trace) == 3 for trace in traces)


def test_a_trace_that_does_not_fit_is_split_in_order():
    readables = [span(number, text="x" * 1000) for number in range(1, 21)]
    requests = list(encode(readables, most_bytes=4_000))
    assert [each for request in requests for each in request.span_ids] == ids(*range(1, 21))
    assert len(requests) < 12


TEXTS = st.lists(
    st.tuples(st.integers(1, 3), st.sampled_from([0, 10, 700, 1_500, 9_000]), st.booleans()),
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(TEXTS)
def test_no_request_is_too_large_and_no_span_missing(shapes):
    readables = [
        span(number, trace, ("ü" if wide else "x") * size, extra=("y" * size, "z"))
        for number, (trace, size, wide) in enumerate(shapes, start=1)
    ]
    requests = list(encode(readables, most_bytes=3_000))
    assert all(len(request.body) <= 3_000 for request in requests)
    assert [each for request in requests for each in request.span_ids] == ids(
        *range(1, len(shapes) + 1)
    )
    assert [ids_of(in_it(request)) for request in requests] == [
        list(request.span_ids) for request in requests
    ]
    assert requests == list(encode(readables, most_bytes=3_000))


def test_a_span_too_large_loses_the_ends_of_its_longest_texts_and_says_how_much():
    (request,) = encode([span(1, text="ab" * 4_000_000, other="c" * 1000)])
    assert MOST_BYTES - 200 < len(request.body) <= MOST_BYTES
    (cut,) = in_it(request)
    text = value(cut, "input.value")
    kept, marker = text.split("… ")
    assert kept == ("ab" * 4_000_000)[: len(kept)]
    assert marker == f"[{8_000_000 - len(kept)} of 8000000 bytes cut: too large to send]"
    assert value(cut, "other") == "c" * 1000
    assert [request] == list(encode([span(1, text="ab" * 4_000_000, other="c" * 1000)]))


@pytest.mark.parametrize("most_bytes", [10_000, 10_002, 10_003, 10_004])
def test_several_long_texts_are_cut_to_one_length_between_characters(most_bytes):
    texts = {"input.value": "é" * 9_000, "output.value": "漢" * 9_000, "c": "x" * 2_000}
    (request,) = encode([span(1, **texts)], most_bytes=most_bytes)
    (cut,) = in_it(request)
    kept = {key: value(cut, key).split("… ")[0] for key in texts}
    assert kept["c"] == texts["c"]
    sizes = [len(kept[key].encode()) for key in ("input.value", "output.value")]
    assert abs(sizes[0] - sizes[1]) <= 3
    assert set(kept["input.value"] + kept["output.value"]) == {"é", "漢"}
    assert len(request.body) > 9_500


def test_texts_within_lists_and_events_are_cut_too():
    (request,) = encode([span(1, many=("x" * 9_000, "y"))], most_bytes=3_000)
    assert len(request.body) <= 3_000
    (cut,) = in_it(request)
    many = next(each.value.array_value for each in cut.attributes if each.key == "many")
    assert [each.string_value[:1] for each in many.values] == ["x", "y"]


def test_a_span_of_many_short_texts_goes_as_it_is():
    """Nothing in it is long enough to be cut; the backend decides."""
    shorts = {f"key.{number}": "short" for number in range(500)}
    (request,) = encode([span(1, **shorts)], most_bytes=3_000)
    assert len(request.body) > 3_000
    assert len(in_it(request)[0].attributes) == 502


@pytest.mark.parametrize("most_spans", [1, 2, 3])
def test_a_request_can_be_split_by_number(most_spans):
    (request,) = encode([span(1), span(2), span(3, trace=2)])
    parts = list(split(request, MOST_BYTES, most_spans=most_spans))
    assert [each for part in parts for each in part.span_ids] == ids(1, 2, 3)
    assert max(len(part.span_ids) for part in parts) == most_spans
    assert [each for part in parts for each in in_it(part)] == in_it(request)
