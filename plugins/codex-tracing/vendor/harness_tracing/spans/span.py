"""The values that leave this package: a span and its events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Optional, Union

StatusCode = Literal["OK", "ERROR", "UNSET"]
Value = Union[str, bool, int, float, tuple[str, ...]]


@dataclass(frozen=True)
class SpanEvent:
    """Something that happened within a span, at `at_ns` (Unix ns)."""

    name: str
    at_ns: int
    attributes: Mapping[str, Value]


@dataclass(frozen=True)
class Span:
    """One span. Ids are hex digits, `kind` is OpenInference's, times are Unix ns.

    `parent_id` is None for a root, `end_ns` is None while the span is open. `attributes` are
    flat; their values are text, numbers, booleans or tuples of text, never None. `links` are
    the trace and span ids of spans elsewhere that it belongs with.
    """

    name: str
    trace_id: str
    span_id: str
    parent_id: Optional[str]
    kind: str
    start_ns: int
    end_ns: Optional[int]
    status_code: StatusCode
    status_message: Optional[str]
    attributes: Mapping[str, Value]
    events: tuple[SpanEvent, ...] = ()
    links: tuple[tuple[str, str], ...] = ()
