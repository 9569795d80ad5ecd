"""A turn as OpenInference spans: the only package that knows attribute names.

Two shapes with the same ids (docs/spans.md is generated from `attributes.py`):

- ``turns``: the turn is one LLM span with all its tokens, its tools are TOOL spans below it;
- ``calls``: the turn is an AGENT span; model calls, tools, sub-agents and compactions are
  spans of their own.

`tree` places the steps (parents and times), `items` says what a span tells of each,
`shapes` puts both together, `otel` and `json_form` carry the result out. Importing this
package loads none of the OpenTelemetry libraries; calling :func:`spans` does.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from harness_tracing.destinations import Shape
from harness_tracing.model import Session, Turn
from harness_tracing.spans.json_form import to_json
from harness_tracing.spans.span import Span, SpanEvent

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

    from harness_tracing.prices import PriceTable

__all__ = ["Shape", "Span", "SpanEvent", "readables", "spans", "to_json"]


def spans(
    turn: Turn,
    session: Session,
    shape: Shape,
    table: PriceTable,
    *,
    harness_version: str,
) -> list[Span]:
    """The spans of one turn, its root first, then its steps in their order.

    The same turn gives the same ids, and the same bytes, every time. What still runs has
    `end_ns` None and is not to be exported yet. A turn with a `traceparent` has a link to the
    span of the outer trace that it names or, as `join` says, hangs below it in that trace.
    """
    from harness_tracing.spans.shapes import build

    return build(turn, session, shape, table, harness_version)


def readables(made: Iterable[Span], session: Session, harness_version: str) -> list[ReadableSpan]:
    """The finished ones of these spans for an OpenTelemetry exporter, in their order.

    `session` is the one they were made with: its project is named by their resource as well.
    """
    from harness_tracing.spans import otel

    return otel.readables(made, session, harness_version)
