"""What Arize AX gets of a recorded session, at the very names of its endpoints.

The stub has a certificate for them; a proxy leads there.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from recorded import FOLDER, play

from harness_tracing.export.sender import open_sender, send_all
from harness_tracing.prices import PriceTable
from harness_tracing.spans import spans
from harness_tracing.spans.otel import readables
from tests.backends import Authority, OtlpGrpcStub, OtlpHttpStub, ProxyStub
from tests.export.make import destination

HEADERS = {"authorization": "ak-0123456789abcdef", "arize-space-id": "U3BhY2U6MQ=="}
PROJECT = "order-pricing (EU)"
METHOD = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
HOSTS = ("otlp.arize.com", "otlp.eu-west-1a.arize.com")


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def recorded(shape) -> list:
    """The spans of a session with tools, as an exporter takes them."""
    (collected,) = play(FOLDER / "claude-code" / "tool_cycle").values()
    assert collected.session is not None
    session = replace(collected.session, project=PROJECT)
    made = [
        span
        for turn in collected.whole()
        for span in spans(turn, session, shape, PriceTable.load(), harness_version="0.1.0")
    ]
    return readables(made, session, "0.1.0")


@pytest.mark.parametrize("shape", ["turns", "calls"])
@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_a_session_arrives_at_arize_ax(protocol, host, shape, authority):
    stubs = {"http": OtlpHttpStub, "grpc": OtlpGrpcStub}
    endpoint = f"https://{host}/v1/traces" if protocol == "http" else f"https://{host}:443"
    expected = recorded(shape)
    with (
        stubs[protocol](tls=authority.issue(host)) as stub,
        ProxyStub({f"{host}:443": stub.port}) as proxy,
    ):
        sender = open_sender(
            destination(
                endpoint,
                kind="ax",
                protocol=protocol,
                headers=HEADERS,
                project=PROJECT,
                proxy=proxy.url,
                certificate=authority.certificate,
            ),
            version="0.1.0",
        )
        results = list(send_all(sender, expected, timeout_s=10))
        sender.close()
    assert [result.outcome.verdict for result in results] == ["delivered"]
    (request,) = stub.requests
    assert request.path == ("/v1/traces" if protocol == "http" else METHOD)
    assert {name: request.headers[name] for name in HEADERS} == HEADERS
    for source in request.message.resource_spans:
        told = {each.key: each.value.string_value for each in source.resource.attributes}
        assert told["arize.project.name"] == told["openinference.project.name"] == PROJECT
    assert [span.name for span in request.spans] == [each.name for each in expected]
    assert len(request.spans) > 2
    for span, readable in zip(request.spans, expected):
        assert span.span_id.hex() == f"{readable.context.span_id:016x}"
        assert span.trace_id.hex() == f"{readable.context.trace_id:032x}"
        assert {each.key for each in span.attributes} == set(readable.attributes)
        told = {each.key: each.value.string_value for each in span.attributes}
        assert told["arize.project.name"] == PROJECT
