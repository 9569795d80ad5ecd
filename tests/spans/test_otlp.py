"""Our spans through OpenTelemetry's own encoder and back out of its protobuf classes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2

from harness_tracing.model import Message, ModelCall, Session, ToolRequest, Turn
from harness_tracing.prices import PriceTable
from harness_tracing.spans import Span, readables, spans
from harness_tracing.spans.otel import resource, to_readable
from tests.spans.random_turns import START_NS, sessions, turns

TABLE = PriceTable.load()
SESSION = Session(
    "claude-code", "s", "order-pricing", agent_version="2.1.330", attributes={"team": "shop"}
)
STATUS = {
    "UNSET": trace_pb2.Status.STATUS_CODE_UNSET,
    "OK": trace_pb2.Status.STATUS_CODE_OK,
    "ERROR": trace_pb2.Status.STATUS_CODE_ERROR,
}


def sent(made: Sequence[Span], session: Session = SESSION) -> trace_pb2.ResourceSpans:
    """What a backend would receive, parsed from the bytes on the wire."""
    wire = encode_spans(readables(made, session, "1.0")).SerializeToString()
    request = ExportTraceServiceRequest.FromString(wire)
    (group,) = request.resource_spans
    return group


def value_of(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return tuple(value_of(each) for each in value.array_value.values)
    return getattr(value, str(kind))


def attributes_of(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    return {pair.key: value_of(pair.value) for pair in pairs}


def many_tools(count: int) -> Turn:
    asked = tuple(ToolRequest(f"u{n}", "Bash", {"command": f"echo {n}"}) for n in range(count))
    call = ModelCall("c1", "m", START_NS, START_NS, output=Message("assistant", "", "", asked))
    return Turn("claude-code", "s", "t", 1, "completed", START_NS, START_NS + 5, steps=(call,))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(turns, sessions)
def test_what_arrives_is_what_was_drawn(turn: Turn, session: Session) -> None:
    """Ids, parents, times, status, attributes and events survive the wire."""
    for shape in ("turns", "calls"):
        made = spans(turn, session, shape, TABLE, harness_version="1.0")  # type: ignore[arg-type]
        finished = [span for span in made if span.end_ns is not None]
        if not finished:
            assert readables(made, session, "1.0") == []
            continue
        (scope,) = sent(made, session).scope_spans
        assert len(scope.spans) == len(finished)
        for span, arrived in zip(finished, scope.spans):
            assert arrived.name == span.name
            assert arrived.trace_id.hex() == span.trace_id
            assert arrived.span_id.hex() == span.span_id
            assert arrived.parent_span_id.hex() == (span.parent_id or "")
            assert arrived.start_time_unix_nano == span.start_ns
            assert arrived.end_time_unix_nano == span.end_ns
            assert arrived.status.code == STATUS[span.status_code]
            assert arrived.status.message == (span.status_message or "")
            assert attributes_of(arrived.attributes) == span.attributes
            assert arrived.dropped_attributes_count == 0
            assert [
                (e.name, e.time_unix_nano, attributes_of(e.attributes)) for e in arrived.events
            ] == [(event.name, event.at_ns, event.attributes) for event in span.events]


def test_more_than_128_attributes_arrive() -> None:
    """The SDK's own limit would drop the rest."""
    made = spans(many_tools(200), SESSION, "calls", TABLE, harness_version="1.0")
    (scope,) = sent(made).scope_spans
    arrived = attributes_of(scope.spans[1].attributes)
    assert len(arrived) > 600
    named = [value for key, value in arrived.items() if key.endswith("tool_call.id")]
    assert named == [f"u{n}" for n in range(200)]


def test_the_resource_names_service_project_and_custom_attributes() -> None:
    group = sent(spans(many_tools(1), SESSION, "turns", TABLE, harness_version="1.0"))
    assert attributes_of(group.resource.attributes) == {
        "service.name": "claude-code",
        "service.version": "2.1.330",
        "team": "shop",
        "openinference.project.name": "order-pricing",
        "arize.project.name": "order-pricing",
        "harness.version": "1.0",
    }


def test_of_the_users_resource_attributes_all_but_project_and_version_win() -> None:
    given = {
        "service.name": "agents",
        "service.version": "9",
        "team": "shop",
        "openinference.project.name": "elsewhere",
        "arize.project.name": "elsewhere",
        "harness.version": "0",
    }
    session = replace(SESSION, attributes=given)
    group = sent(spans(many_tools(1), session, "turns", TABLE, harness_version="1.0"), session)
    assert attributes_of(group.resource.attributes) == {
        "service.name": "agents",
        "service.version": "9",
        "team": "shop",
        "openinference.project.name": "order-pricing",
        "arize.project.name": "order-pricing",
        "harness.version": "1.0",
    }


def test_a_destinations_project_is_named_by_resource_and_spans_alike() -> None:
    session = replace(SESSION, project="their own")
    group = sent(spans(many_tools(2), session, "calls", TABLE, harness_version="1.0"), session)
    (scope,) = group.scope_spans
    for told in (group.resource, *scope.spans):
        named = attributes_of(told.attributes)
        assert named["openinference.project.name"] == "their own"
        assert named["arize.project.name"] == "their own"


@pytest.mark.parametrize("join", ["link", "child"])
def test_an_outer_trace_arrives_as_link_or_parent(join: Any) -> None:
    outer = f"00-{'a' * 32}-{'b' * 16}-01"
    turn = replace(many_tools(1), traceparent=outer, join=join)
    (scope,) = sent(spans(turn, SESSION, "turns", TABLE, harness_version="1.0")).scope_spans
    root, tool = scope.spans[0], scope.spans[-1]
    links = [(link.trace_id.hex(), link.span_id.hex()) for link in root.links]
    assert links == ([("a" * 32, "b" * 16)] if join == "link" else [])
    assert root.parent_span_id.hex() == ("" if join == "link" else "b" * 16)
    assert (root.trace_id.hex() == "a" * 32) is (join == "child")
    assert not tool.links or tool is root


def test_the_scope_is_ours_with_its_version() -> None:
    group = sent(spans(many_tools(1), SESSION, "turns", TABLE, harness_version="1.0"))
    assert [(s.scope.name, s.scope.version) for s in group.scope_spans] == [
        ("harness_tracing", "1.0")
    ]


def test_the_same_turn_gives_the_same_bytes() -> None:
    """A batch that was not acknowledged may be sent again."""

    def wire() -> bytes:
        made = spans(many_tools(3), SESSION, "calls", TABLE, harness_version="1.0")
        return sent(made).SerializeToString(deterministic=True)

    assert wire() == wire()


def test_an_open_span_cannot_be_exported() -> None:
    turn = Turn("claude-code", "s", "t", 1, "open", START_NS)
    (root,) = spans(turn, SESSION, "turns", TABLE, harness_version="1.0")
    with pytest.raises(ValueError, match="has not ended"):
        to_readable(root, resource(SESSION, "1.0"))
