"""Spans as OTLP requests: no larger than receivers take, the same bytes every time.

Encoded by OpenTelemetry's own encoder. Uses protobuf, so only a process that sends loads it.
Facts: a gRPC receiver takes 4 MiB uncompressed unless told otherwise, the Collector's included
(https://grpc.github.io/grpc/core/group__grpc__arg__keys.html, max_receive_message_length).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span
from opentelemetry.sdk.trace import ReadableSpan

from harness_tracing.export.shrink import shrink

MOST_BYTES = 3_500_000
# Key and length in front of a message that lies in another one.
_FRAME_BYTES = 12


@dataclass(frozen=True)
class Request:
    """An encoded ExportTraceServiceRequest and the ids (16 hex digits) of what is in it."""

    span_ids: tuple[str, ...]
    body: bytes


def encode(readables: Iterable[ReadableSpan], most_bytes: int = MOST_BYTES) -> Iterator[Request]:
    """The spans as requests of at most `most_bytes`, in the order they came.

    Spans of one trace that come one after another stay together where they fit. A span that
    does not fit alone loses the ends of its longest texts, with a marker that says how much.
    Equal spans in equal order give equal bytes.
    """
    # Messages of protobuf are merged by writing one after the other, so that traces which are
    # encoded once can be put together without looking into them again.
    parts: list[Request] = []
    size = 0
    for trace in _traces(readables, most_bytes * 9 // 10):
        encoded = encode_spans(trace)
        whole = Request(_ids(trace), encoded.SerializeToString())
        if parts and size + len(whole.body) > most_bytes:
            yield _together(parts)
            parts, size = [], 0
        if len(whole.body) > most_bytes:
            yield from split(whole, most_bytes)
        else:
            parts.append(whole)
            size += len(whole.body)
    if parts:
        yield _together(parts)


def split(
    request: Request, most_bytes: int, *, most_spans: int = 1 << 30, cut: bool = True
) -> Iterator[Request]:
    """A request's spans in several ones of at most `most_bytes` and `most_spans`.

    A span that does not fit alone is cut, or else goes alone as it is.
    """
    message = ExportTraceServiceRequest.FromString(request.body)
    chosen = _Chosen()
    for frame, spans in _scopes(message):
        frame_bytes = frame.ByteSize() + 3 * _FRAME_BYTES
        chosen.begin(frame, frame_bytes)
        for span in spans:
            if cut and frame_bytes + span.ByteSize() + _FRAME_BYTES > most_bytes:
                shrink(span, most_bytes - frame_bytes - _FRAME_BYTES)
            span_bytes = span.ByteSize() + _FRAME_BYTES
            full = chosen.size + span_bytes > most_bytes or len(chosen.ids) >= most_spans
            if full and chosen.ids:
                yield chosen.request()
                chosen = _Chosen()
                chosen.begin(frame, frame_bytes)
            chosen.add(span, span_bytes)
    if chosen.ids:
        yield chosen.request()


def single_out(request: Request, every: int) -> tuple[list[Request], list[Request]]:
    """Each `every`-th span of a request alone, and all the others together (one or none)."""
    alone: list[Request] = []
    others = _Chosen()
    position = 0
    for frame, spans in _scopes(ExportTraceServiceRequest.FromString(request.body)):
        others.begin(frame, 0)
        for span in spans:
            if position % every:
                others.add(span, 0)
            else:
                single = _Chosen()
                single.begin(frame, 0)
                single.add(span, 0)
                alone.append(single.request())
            position += 1
    return alone, [others.request()] if others.ids else []


def _scopes(message: ExportTraceServiceRequest) -> Iterator[tuple[ResourceSpans, Iterable[Span]]]:
    """The spans of each source, and what has to stand around them."""
    for source in message.resource_spans:
        for scope in source.scope_spans:
            frame = ResourceSpans(resource=source.resource, schema_url=source.schema_url)
            frame.scope_spans.add(scope=scope.scope, schema_url=scope.schema_url)
            yield frame, scope.spans


class _Chosen:
    """The request that is being filled."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.size = 0
        self._message = ExportTraceServiceRequest()
        self._spans: list[Span] = []

    def begin(self, frame: ResourceSpans, frame_bytes: int) -> None:
        """Go on below another source."""
        self._put()
        self._message.resource_spans.append(frame)
        self.size += frame_bytes

    def add(self, span: Span, span_bytes: int) -> None:
        self.ids.append(span.span_id.hex())
        self._spans.append(span)
        self.size += span_bytes

    def request(self) -> Request:
        self._put()
        return Request(tuple(self.ids), self._message.SerializeToString())

    def _put(self) -> None:
        if self._message.resource_spans:
            source = self._message.resource_spans[-1]
            source.scope_spans[0].spans.extend(self._spans)
            if not self._spans:
                del self._message.resource_spans[-1]
        self._spans = []


def _traces(readables: Iterable[ReadableSpan], most_bytes: int) -> Iterator[list[ReadableSpan]]:
    """Spans of one trace that come one after another; no more than roughly so many bytes.

    So a long turn is encoded piece by piece, and is never in memory several times.
    """
    trace: list[ReadableSpan] = []
    size = 0
    for readable in readables:
        values = (readable.attributes or {}).values()
        more = sum(len(value) for value in values if isinstance(value, str))
        other = bool(trace) and readable.context.trace_id != trace[0].context.trace_id
        if trace and (other or size + more > most_bytes):
            yield trace
            trace, size = [], 0
        trace.append(readable)
        size += more
    if trace:
        yield trace


def _ids(readables: Sequence[ReadableSpan]) -> tuple[str, ...]:
    return tuple(f"{readable.context.span_id:016x}" for readable in readables)


def _together(parts: Sequence[Request]) -> Request:
    ids = tuple(span_id for part in parts for span_id in part.span_ids)
    return Request(ids, b"".join(part.body for part in parts))
