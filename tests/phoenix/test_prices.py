"""Phoenix's own price table, and what it makes of a turn that is one span."""

from __future__ import annotations

import time

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

from harness_tracing.model import ModelCall, Session, Turn, Usage
from harness_tracing.prices import PriceTable, rates
from harness_tracing.spans import Shape, Span, spans
from harness_tracing.spans.otel import resource, to_readable
from tests.phoenix.reading import Reading
from tests.phoenix.server import Phoenix

pytestmark = pytest.mark.phoenix

TABLE = PriceTable.load()
TIERED = "claude-sonnet-4-5"


def test_phoenix_has_our_prices_for_claude_models(shared_phoenix: Phoenix) -> None:
    theirs = {
        name: prices
        for name, prices in Reading(shared_phoenix.url, "").prices().items()
        if name.startswith("claude-")
    }

    assert len(theirs) > 20
    for name, prices in theirs.items():
        row = TABLE.row(name)
        assert row is not None, name
        ours = rates(row, 0)
        assert prices["input"] == pytest.approx(ours.input), name
        assert prices["output"] == pytest.approx(ours.output), name
        assert prices["cache_read"] == pytest.approx(ours.cache_read), name
        assert prices["cache_write"] == pytest.approx(ours.cache_write), name


@pytest.mark.parametrize(("shape", "factor"), [("calls", 1.0), ("turns", 2.0)])
def test_a_turn_in_one_span_may_cross_the_size_from_which_tokens_cost_more(
    shared_phoenix: Phoenix, shape: Shape, factor: float
) -> None:
    session = Session("claude-code", f"tiers-{shape}", f"tiers-{shape}")
    call = Usage(input_tokens=120_000, output_tokens=0, cache_read_tokens=0, cache_write_tokens=0)
    start_ns = time.time_ns() - 10**10
    steps = tuple(
        ModelCall(
            f"call-{number}",
            TIERED,
            started_at_ns=start_ns + number * 10**9,
            ended_at_ns=start_ns + (number + 1) * 10**9,
            usage=call,
        )
        for number in range(2)
    )
    turn = Turn(
        agent="claude-code",
        session_id=session.session_id,
        turn_id="t1",
        number=1,
        prompt="Read it all.",
        response="Done.",
        started_at_ns=start_ns,
        ended_at_ns=start_ns + 3 * 10**9,
        status="completed",
        steps=steps,
    )
    built = spans(turn, session, shape, TABLE, harness_version="test")
    _send(shared_phoenix, session, built)

    reading = Reading(shared_phoenix.url, session.project)
    reading.wait_for([span.span_id for span in built])
    cost = sum(filter(None, reading.costs().values()))
    ours = sum(float(str(span.attributes.get("llm.cost.total", 0))) for span in built)
    assert ours == pytest.approx(0.72)
    assert cost == pytest.approx(ours * factor)


def _send(phoenix: Phoenix, session: Session, built: list[Span]) -> None:
    exporter = OTLPSpanExporter(endpoint=phoenix.url + "/v1/traces")
    source = resource(session, "test")
    exporter.export([to_readable(span, source) for span in built])
    exporter.shutdown()
