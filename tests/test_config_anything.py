"""Whatever stands in a variable: no error, no secret shown, one form of each endpoint."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness_tracing.config import OF_THE_USER, load
from harness_tracing.config.endpoints import parse
from harness_tracing.destinations import Kind

CHARACTERS = st.sampled_from([*"aZ0-._~:/?#[]@!$&'()*+,;=% \\\t\n\"<>", "é", "\udc80"])
PIECES = st.sampled_from(
    [
        *("http://", "HTTPS://", "grpc://", "grpcs://", "//", "://", "localhost", "127.0.0.1"),
        *("otel.corp", "[::1]", ":4317", ":443", ":99999", "/v1", "/v1/traces", "/..", "user:pw@"),
        *("name=", "value", ",", "%20", "%0a", "=", "true", "7"),
    ]
)
written = st.lists(PIECES | CHARACTERS, max_size=8).map("".join)
kinds: st.SearchStrategy[Kind] = st.sampled_from(["ax", "phoenix", "otlp"])
many = settings(max_examples=300, deadline=None)


@many
@given(written, kinds, st.sampled_from([None, "http", "grpc"]), st.booleans())
def test_an_endpoint_is_refused_or_has_a_form_that_stays(
    text: str, kind: Kind, protocol: str | None, whole: bool
) -> None:
    try:
        endpoint = parse(text, kind, protocol, whole=whole)  # type: ignore[arg-type]
    except ValueError:
        return
    again = parse(endpoint.url, kind, endpoint.protocol, whole=whole)

    assert (again.url, again.server) == (endpoint.url, endpoint.server)
    assert endpoint.url.isascii()
    assert endpoint.url.isprintable()
    assert not set("@?#\\ ") & set(endpoint.url.partition("://")[2].partition("/")[0])
    assert (endpoint.path == "") or endpoint.protocol == "http"


@many
@given(st.dictionaries(st.sampled_from(sorted(OF_THE_USER - {"ARIZE_HARNESS_HOME"})), written))
def test_no_variable_keeps_a_session_from_being_traced(variables: dict[str, str]) -> None:
    for project_env in ({}, variables):
        found = load({"HOME": "/nonexistent", **variables}, project_env=project_env)
        assert found.enabled
        accounts = {(each.target.account, each.target.project) for each in found.destinations}
        assert len(accounts) == len(found.destinations)
        for destination in found.destinations:
            for name, value in destination.headers.items():
                assert (name + value).isascii()
                assert (name + value).isprintable()


@pytest.mark.parametrize("name", ["PHOENIX_ENDPOINT", "HTTPS_PROXY", "ARIZE_API_KEY", "no_proxy"])
def test_the_variables_of_destinations_are_the_users(name: str) -> None:
    assert name in OF_THE_USER
    assert not {"ARIZE_PROJECT_NAME", "ARIZE_TRACE_ENABLED", "ARIZE_LOG_PROMPTS"} & OF_THE_USER
