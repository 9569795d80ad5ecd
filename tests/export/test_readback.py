"""Asking a Phoenix server for what it stored; the real one is in tests/phoenix."""

from __future__ import annotations

import json

import pytest

from harness_tracing.export.readback import CannotTellError, open_readback
from tests.backends import OtlpHttpStub, Received, Reply
from tests.export.make import KEY, destination, ids

TYPE = "multipart/mixed; boundary=b0"


def table(*span_ids: str) -> Reply:
    """What arize-phoenix 20.26.1 answers to a query for ids (recorded)."""
    rows = ",".join(
        f'{{"0_context.span_id":"{span_id}","1_context.span_id":"{span_id}"}}'
        for span_id in span_ids
    )
    fields = '{"name":"0_context.span_id","type":"string","extDtype":"str"}'
    told = f'{{"schema":{{"fields":[{fields}],"pandas_version":"1.4.0"}},"data":[{rows}]}}'
    body = f"--b0\r\nContent-Type: application/json\r\n\r\n{told}\r\n--b0--\r\n"
    return Reply(body=body.encode(), content_type=TYPE)


def stored(stub: OtlpHttpStub, project: str, *span_ids: str) -> set[str]:
    readback = open_readback(destination(stub.url, kind="phoenix"))
    assert readback is not None
    return readback.stored(project, span_ids)


def test_those_of_the_spans_that_are_there_are_told():
    with OtlpHttpStub([table(*ids(1, 3, 99))]) as stub:
        assert stored(stub, "my/project é", *ids(1, 2, 3)) == set(ids(1, 3))
    (request,) = stub.requests
    assert (request.method, request.path) == ("POST", "/v1/spans")
    assert request.headers["authorization"] == f"Bearer {KEY}"
    asked = json.loads(request.body)
    assert asked["project_name"] == "my/project é"
    assert asked["limit"] == 3
    assert asked["queries"][0]["filter"]["condition"] == f"span_id in {ids(1, 2, 3)}"


def test_an_empty_table_is_nothing():
    with OtlpHttpStub([table()]) as stub:
        assert stored(stub, "demo", *ids(1)) == set()


def test_many_spans_are_asked_for_in_several_requests():
    def answer(received: Received) -> Reply:
        condition = json.loads(received.body)["queries"][0]["filter"]["condition"]
        return table(*json.loads(condition.partition(" in ")[2].replace("'", '"')))

    wanted = ids(*range(1, 1201))
    with OtlpHttpStub(answer) as stub:
        assert stored(stub, "demo", *wanted) == set(wanted)
    assert len(stub.requests) == 3


def test_what_is_no_span_id_never_reaches_the_query():
    with OtlpHttpStub([table(*ids(1))]) as stub:
        assert stored(stub, "demo", *ids(1), "x'] or True or span_id in ['") == set(ids(1))
    assert b"True" not in stub.requests[0].body


@pytest.mark.parametrize(
    "reply",
    [
        Reply(401, f"key {KEY}".encode(), "text/plain"),
        Reply(302, headers={"Location": "https://login.example"}),
        Reply(404),
        Reply(500),
        Reply(body=b"<html>Phoenix</html>", content_type="text/html"),
        Reply(body=b"{}", content_type="application/json"),
        Reply(body=b"--b0\r\n\r\n{}\r\n--b0--", content_type=TYPE),
        Reply(body=b"--b0\r\n\r\n[", content_type=TYPE),
        Reply(fault="close"),
    ],
)
def test_any_other_answer_is_no_statement_about_spans(reply):
    with OtlpHttpStub([reply]) as stub, pytest.raises(CannotTellError) as raised:
        stored(stub, "demo", *ids(1))
    assert KEY not in str(raised.value)


def test_nobody_there_cannot_tell():
    with OtlpHttpStub() as stub:
        readback = open_readback(destination(stub.url, kind="phoenix"))
    assert readback is not None
    with pytest.raises(CannotTellError, match="refused"):
        readback.stored("demo", ids(1))


@pytest.mark.parametrize(
    ("kind", "protocol"), [("ax", "http"), ("otlp", "http"), ("phoenix", "grpc")]
)
def test_a_backend_whose_read_api_is_not_known_cannot_be_asked(kind, protocol):
    assert open_readback(destination("http://h/v1/traces", kind=kind, protocol=protocol)) is None


def test_an_endpoint_that_is_not_phoenix_own_has_no_known_read_api():
    readback = open_readback(destination("http://h/ingest", kind="phoenix"))
    assert readback is not None
    with pytest.raises(CannotTellError, match="not known"):
        readback.stored("demo", ids(1))
