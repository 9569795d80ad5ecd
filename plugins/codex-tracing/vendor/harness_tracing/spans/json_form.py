"""A span as the JSON that `harness spans export` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from harness_tracing.spans.span import Span, Value


def to_json(
    span: Span,
    annotations: Sequence[Mapping[str, Any]] = (),
    evaluations: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """The span as plain JSON values; what is not known is left out.

    `annotations` and `evaluations` are those of this span, as the store has them. Times are
    ISO 8601 in UTC with nanoseconds; `end_time` is absent while the span is open.
    """
    fields: dict[str, Any] = {
        "name": span.name,
        "context": {"trace_id": span.trace_id, "span_id": span.span_id},
        "kind": span.kind,
        "parent_id": span.parent_id,
        "start_time": iso_time(span.start_ns),
        "end_time": None if span.end_ns is None else iso_time(span.end_ns),
        "status_code": span.status_code,
        "status_message": span.status_message,
        "attributes": _plain(span.attributes),
        "annotations": [dict(each) for each in annotations],
        "evaluations": [dict(each) for each in evaluations],
        "events": [
            {
                "name": event.name,
                "timestamp": iso_time(event.at_ns),
                "attributes": _plain(event.attributes),
            }
            for event in span.events
        ],
    }
    if span.links:
        fields["links"] = [
            {"context": {"trace_id": trace, "span_id": other}} for trace, other in span.links
        ]
    return {key: value for key, value in fields.items() if value is not None}


def iso_time(at_ns: int) -> str:
    """Unix ns as ISO 8601 in UTC, always with nine digits: the text sorts as the time does."""
    seconds, ns = divmod(at_ns, 10**9)
    whole = datetime.fromtimestamp(seconds, timezone.utc)
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{ns:09d}Z"


def _plain(attributes: Mapping[str, Value]) -> dict[str, Any]:
    return {
        key: list(value) if isinstance(value, tuple) else value for key, value in attributes.items()
    }
