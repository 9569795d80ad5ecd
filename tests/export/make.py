"""Spans and destinations for the tests of the sender."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Optional

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from harness_tracing.destinations import Destination, Target

KEY = "sk-test-0123456789abcdef"
START_NS = 1_795_378_307_000_000_000
SOURCE = Resource({"service.name": "claude-code", "openinference.project.name": "demo"})
SCOPE = InstrumentationScope("harness_tracing", "0.1.0")


def span(number: int, trace: int = 1, text: str = "hello", **attributes: Any) -> ReadableSpan:
    """A finished span; its id is its number."""
    return ReadableSpan(
        f"span {number}",
        context=SpanContext(trace, number, False, TraceFlags(TraceFlags.SAMPLED)),
        resource=SOURCE,
        attributes={"openinference.span.kind": "TOOL", "input.value": text, **attributes},
        events=[Event("permission", {"note": "asked"}, START_NS + number)],
        kind=SpanKind.INTERNAL,
        status=Status(StatusCode.OK),
        start_time=START_NS + number,
        end_time=START_NS + number + 1_000_000,
        instrumentation_scope=SCOPE,
    )


def ids(*numbers: int) -> list[str]:
    """Span ids as results have them."""
    return [f"{number:016x}" for number in numbers]


def destination(
    endpoint: str,
    *,
    kind: Any = "otlp",
    protocol: Any = "http",
    headers: Optional[dict[str, str]] = None,
    proxy: Optional[str] = None,
    certificate: Optional[Path] = None,
    project: str = "demo",
) -> Destination:
    """A destination at a stub, with a key of its own."""
    return Destination(
        "stub",
        Target(kind, endpoint, project, protocol=protocol),
        headers={"authorization": f"Bearer {KEY}"} if headers is None else headers,
        proxy=proxy,
        certificate=certificate,
    )
