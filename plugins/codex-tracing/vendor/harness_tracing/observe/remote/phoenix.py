"""A Phoenix server as its client library reads it, page by page, and what its refusals mean.

The library is given a connection of ours: left alone it takes keys, headers and endpoints from
the environment and from a ``.env.phoenix`` in the folder it is called from.
Facts (arize-phoenix 20.26.1, client 3.5.0): a project is named by its id, as names with a slash
do not fit the library's addresses; spans come with all their attributes, JSON texts among them
taken apart into dotted keys, times to the microsecond; a query (`POST /v1/spans`) gives chosen
attributes alone, their names numbered as ``3_session.id``.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from email import message_from_bytes
from typing import TYPE_CHECKING, Any, Callable, Optional
from urllib.parse import urlsplit

from harness_tracing.destinations import Destination
from harness_tracing.errors import RemoteError
from harness_tracing.observe.text import first_line

if TYPE_CHECKING:
    import httpx
    from phoenix.client import Client

Json = dict[str, Any]

_TRACES_PATH = "/v1/traces"
_PAGE = 100
_TRACES_AT_ONCE = 25
_SPANS_AT_ONCE = 100
_EVERYTHING = 1_000_000
# Spans of long turns are large: 60 of 300 kB each took a server 9 s.
_TIMEOUT_S = 60
_OLDEST = "13.9"


@dataclass(frozen=True)
class RemoteSession:
    """A session as the server lists it: its project's id and its traces, times in ISO 8601."""

    session_id: str
    project_id: str
    started_at: str
    ended_at: str
    trace_ids: tuple[str, ...]


class Phoenix:
    """The server that a destination sends to. Every method raises RemoteError."""

    def __init__(self, destination: Destination, tls: Callable[[], ssl.SSLContext]) -> None:
        """`tls` makes the context that says whom to trust; it is called for https alone."""
        target = destination.target
        self.name = target.title.removesuffix(_TRACES_PATH)
        if target.protocol != "http" or not target.endpoint.endswith(_TRACES_PATH):
            raise RemoteError(
                f"{target.title} is no address to read from; give destination "
                f"{destination.name} Phoenix's HTTP endpoint, such as http://localhost:6006"
            )
        self._http = _connection(destination, tls)
        self._client = _client(self._http)

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def projects(self) -> dict[str, str]:
        """The ids of all projects by their names."""
        with self._explained("its projects"):
            return {each["name"]: each["id"] for each in self._client.projects.list()}

    def sessions(self, project_id: str) -> list[RemoteSession]:
        """Every session of a project."""
        with self._explained("its sessions"):
            listed = self._client.sessions.list(project_id=project_id, timeout=_TIMEOUT_S)
        return [_session(dict(each)) for each in listed]

    def session(self, session_id: str) -> Optional[RemoteSession]:
        """The session of that id, None when there is none, or its id does not fit an address."""
        import httpx

        if "/" in session_id:
            return None
        with self._explained(f"session {session_id}"):
            try:
                return _session(
                    dict(self._client.sessions.get(session_id=session_id, timeout=_TIMEOUT_S))
                )
            except httpx.HTTPStatusError as error:
                if error.response.status_code in (404, 422):
                    return None
                raise

    def traces(self, project_id: str, trace_ids: Sequence[str]) -> Iterator[Json]:
        """The spans of these traces."""
        for start in range(0, len(trace_ids), _TRACES_AT_ONCE):
            some = trace_ids[start : start + _TRACES_AT_ONCE]
            with self._explained("the spans of a session"):
                found = self._client.spans.get_spans(
                    project_identifier=project_id,
                    trace_ids=some,
                    limit=_EVERYTHING,
                    timeout=_TIMEOUT_S,
                )
            yield from map(dict, found)

    def span(self, project_id: str, span_id: str) -> list[Json]:
        """The span of that id, if the project has it."""
        with self._explained(f"span {span_id}"):
            found = self._client.spans.get_spans(
                project_identifier=project_id, span_ids=[span_id], timeout=_TIMEOUT_S
            )
        return [dict(each) for each in found]

    def latest(self, project_id: str, **wanted: Any) -> Iterator[Json]:
        """The spans of a project, the last to arrive first; `wanted` as the server's parameters."""
        more: dict[str, str] = {}
        while True:
            with self._explained("its spans"):
                answer = self._http.get(
                    f"v1/projects/{project_id}/spans",
                    params={"limit": _PAGE, **wanted, **more},
                    headers={"accept": "application/json"},
                )
                page = answer.raise_for_status().json()
                spans = page["data"]
            yield from spans
            if not spans or not page.get("next_cursor"):
                return
            more = {"cursor": str(page["next_cursor"])}

    def outlines(
        self, project: str, trace_ids: Sequence[str], condition: str, keys: Iterable[str]
    ) -> Iterator[Json]:
        """Of the spans of these traces of which the condition holds: the chosen attributes."""
        from phoenix.client.types.spans import SpanQuery

        for start in range(0, len(trace_ids), _PAGE):
            among = f"trace_id in {list(trace_ids[start : start + _PAGE])!r}"
            where = f"{among} and {condition}" if condition else among
            query = SpanQuery().where(where).select(*keys)
            with self._explained("an outline of its spans"):
                answer = self._http.post(
                    "v1/spans",
                    params={"project_name": project},
                    json={"queries": [query.to_dict()], "limit": _EVERYTHING},
                    headers={"accept": "application/json"},
                )
                rows = list(_rows(answer.raise_for_status()))
            yield from rows

    def annotations(self, project_id: str, span_ids: Sequence[str]) -> Iterator[Json]:
        """What was said of these spans."""
        for start in range(0, len(span_ids), _SPANS_AT_ONCE):
            with self._explained("annotations"):
                found = self._client.spans.get_span_annotations(
                    span_ids=span_ids[start : start + _SPANS_AT_ONCE],
                    project_identifier=project_id,
                    timeout=_TIMEOUT_S,
                )
            yield from map(dict, found)

    @contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        """Turn what the connection and the library say into a RemoteError."""
        import httpx
        from phoenix.client.exceptions import PhoenixException

        try:
            yield
        except httpx.HTTPStatusError as error:
            raise RemoteError(f"{self.name} {_refusal(error.response, what)}") from None
        except httpx.TimeoutException:
            raise RemoteError(f"{self.name} does not answer in time; try again later") from None
        except (httpx.HTTPError, OSError) as error:
            reason = first_line(str(error)) or type(error).__name__
            raise RemoteError(f"{self.name} cannot be reached: {reason}") from None
        except PhoenixException as error:
            reason = first_line(str(error))
            if "could not be determined" in reason:
                raise RemoteError(f"{self.name} does not say that it is a Phoenix server") from None
            raise RemoteError(f"{self.name} is too old to give {what}: {reason}") from None
        except (ValueError, KeyError, TypeError, AttributeError, AssertionError) as error:
            raise RemoteError(
                f"{self.name} does not answer as Phoenix does when asked for {what} "
                f"({first_line(str(error)) or type(error).__name__}); is it a Phoenix server of "
                f"version {_OLDEST} or newer?"
            ) from None


def _connection(destination: Destination, tls: Callable[[], ssl.SSLContext]) -> httpx.Client:
    import httpx

    base = destination.target.endpoint.removesuffix(_TRACES_PATH)
    encrypted = urlsplit(base).scheme == "https"
    try:
        context: Any = tls() if encrypted else True
    except (OSError, ValueError) as error:
        raise RemoteError(f"the certificate file cannot be used: {error}") from None
    return httpx.Client(
        base_url=base,
        headers=dict(destination.headers),
        proxy=destination.proxy,
        verify=context,
        timeout=httpx.Timeout(_TIMEOUT_S, connect=destination.timeout_s),
        trust_env=False,
        follow_redirects=False,
    )


def _client(connection: httpx.Client) -> Client:
    from phoenix.client import Client

    return Client(http_client=connection)


def _session(told: Mapping[str, Any]) -> RemoteSession:
    return RemoteSession(
        session_id=str(told["session_id"]),
        project_id=str(told["project_id"]),
        started_at=str(told["start_time"]),
        ended_at=str(told["end_time"]),
        trace_ids=tuple(str(each["trace_id"]) for each in told["traces"]),
    )


def _refusal(response: httpx.Response, what: str) -> str:
    status = response.status_code
    if status in (401, 403):
        key = "with the key it was given" if "authorization" in response.request.headers else ""
        refused = f"refuses to give {what} {key}".rstrip()
        return f"{refused} ({status}); set PHOENIX_API_KEY or the destination's api_key"
    if 300 <= status < 400:
        return f"sends us elsewhere ({status}), where no key is sent; set its real endpoint"
    if status == 404:
        return f"does not have {what} (404)"
    return f"cannot give {what} ({status}); see the server's log"


def _rows(answer: httpx.Response) -> Iterator[Json]:
    """The rows of the one table in the answer; the number before each name is left out."""
    head = f"Content-Type: {answer.headers['Content-Type']}\r\n\r\n".encode("latin-1")
    message: Any = message_from_bytes(head + answer.content)
    (part,) = message.get_payload()
    for row in json.loads(part.get_payload(decode=True))["data"]:
        yield {name.partition("_")[2]: value for name, value in row.items()}
