"""A span as OpenTelemetry's SDK knows it, ready for any of its exporters."""

from __future__ import annotations

from collections.abc import Iterable

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from harness_tracing.model import Session
from harness_tracing.spans import attributes as key
from harness_tracing.spans.span import Span

SCOPE = "harness_tracing"
_LATEST_NS = 2**63 - 1  # in 2262; a later time is a damaged one, as is one before 1970


def resource(session: Session, harness_version: str) -> Resource:
    """What the spans of a session have in common as their source."""
    return Resource(key.resource_attributes(session, harness_version))


def readables(made: Iterable[Span], session: Session, harness_version: str) -> list[ReadableSpan]:
    """The finished ones of a session's spans for an OpenTelemetry exporter, in their order.

    For a destination with a project of its own, `session` is the one the spans were made with:
    the resource names its project as well.
    """
    source = resource(session, harness_version)
    return [to_readable(span, source) for span in made if span.end_ns is not None]


def to_readable(span: Span, source: Resource) -> ReadableSpan:
    """The finished span for an OpenTelemetry exporter; ValueError while it is open.

    The attributes are handed over as a plain dict, which the SDK's limit of 128 does not
    touch: a turn names every tool call of its own.
    """
    if span.end_ns is None:
        raise ValueError(f"span {span.span_id} ({span.name}) has not ended")
    parent = None if span.parent_id is None else _context(span.trace_id, span.parent_id)
    version = span.attributes.get(key.HARNESS_VERSION)
    return ReadableSpan(
        span.name,
        context=_context(span.trace_id, span.span_id),
        parent=parent,
        resource=source,
        attributes=dict(span.attributes),
        events=[Event(each.name, dict(each.attributes), _time(each.at_ns)) for each in span.events],
        links=[Link(_context(*link, is_remote=True)) for link in span.links],
        kind=SpanKind.INTERNAL,
        status=Status(StatusCode[span.status_code], span.status_message),
        start_time=_time(span.start_ns),
        end_time=_time(span.end_ns),
        instrumentation_scope=InstrumentationScope(
            SCOPE, None if version is None else str(version)
        ),
    )


def _time(at_ns: int) -> int:
    """A time that OTLP can tell: an encoder that fails on one loses all that is sent with it."""
    return min(max(at_ns, 0), _LATEST_NS)


def _context(trace_id: str, span_id: str, is_remote: bool = False) -> SpanContext:
    return SpanContext(
        trace_id=int(trace_id, 16),
        span_id=int(span_id, 16),
        is_remote=is_remote,
        trace_flags=TraceFlags(TraceFlags.SAMPLED),
    )
