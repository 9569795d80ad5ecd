"""What a Phoenix server has stored, by its REST API.

Facts (arize-phoenix 20.26.1): `POST /v1/spans` takes a query of the client library's SpanQuery
and answers with a table in JSON, in multipart/mixed. Asked for nothing but ids it took 34 ms
where `GET /v1/projects/{name}/spans`, which sends all attributes along, took 9 s for the same 60
spans of 300 kB. It takes any project name, one with a slash too; for an unknown project its
table is empty. A path that it does not know it answers with 200 and a web page.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Sequence
from email import message_from_bytes
from typing import Any

from harness_tracing import __version__
from harness_tracing.destinations import Destination
from harness_tracing.export.connection import Answer, Connection
from harness_tracing.export.http import refusal_of
from harness_tracing.export.outcome import Outcome
from harness_tracing.export.readback import CannotTellError

_TRACES_PATH = "/v1/traces"
_QUERY_PATH = "/v1/spans"
_MOST_IDS = 500
_SPAN_ID = re.compile(r"[0-9a-f]{16}")


class PhoenixReadBack:
    """Asks the Phoenix server that a destination sends to over HTTP."""

    def __init__(self, destination: Destination) -> None:
        self._destination = destination
        self._url = destination.target.endpoint.removesuffix(_TRACES_PATH) + _QUERY_PATH
        self._connection = Connection(destination, version=__version__)

    def stored(self, project: str, span_ids: Collection[str]) -> set[str]:
        """Which of these spans (16 hex digits each) the server has in the project.

        Raises CannotTellError when it cannot be asked, or answers as no Phoenix does.
        """
        if not self._destination.target.endpoint.endswith(_TRACES_PATH):
            raise CannotTellError(f"{self._destination.target.title}: its read API is not known")
        wanted = sorted(each for each in span_ids if _SPAN_ID.fullmatch(each))
        found: set[str] = set()
        for start in range(0, len(wanted), _MOST_IDS):
            found |= self._among(project, wanted[start : start + _MOST_IDS])
        return found

    def _among(self, project: str, span_ids: Sequence[str]) -> set[str]:
        query = {
            "select": {"span_id": {"key": "span_id"}},
            "filter": {"condition": f"span_id in {list(span_ids)!r}"},
        }
        asked = {"queries": [query], "project_name": project, "limit": len(span_ids)}
        answer = self._connection.ask(
            "POST",
            self._url,
            timeout_s=self._destination.timeout_s,
            headers={"Content-Type": "application/json", "Accept": "application/json"},
            body=json.dumps(asked).encode(),
        )
        if isinstance(answer, Outcome):
            raise CannotTellError(answer.reason)
        if not 200 <= answer.status < 300:
            raise CannotTellError(refusal_of(answer, self._connection.reasons).reason)
        try:
            told = {text for row in _rows(answer) for text in row.values()}
        except (ValueError, AttributeError, KeyError, TypeError) as error:
            what = "does not answer a query for spans as Phoenix does"
            raise CannotTellError(self._connection.reasons.say(what)) from error
        return told & set(span_ids)


def _rows(answer: Answer) -> Iterator[dict[str, Any]]:
    """The rows of the one table in the answer."""
    head = f"Content-Type: {answer.headers['Content-Type']}\r\n\r\n".encode("latin-1")
    message: Any = message_from_bytes(head + answer.body)
    (part,) = message.get_payload()
    yield from json.loads(part.get_payload(decode=True))["data"]
