"""What a Phoenix server has, read back through its REST API; costs through its GraphQL one."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Optional

Json = Any

_COSTS = """
query ($project: String!, $after: String) {
  getProjectByName(name: $project) {
    spans(first: 1000, after: $after) {
      pageInfo { hasNextPage endCursor }
      edges { node { spanId costSummary { total { cost } } } }
    }
  }
}
"""
_SESSION = """
query ($id: String!) {
  getProjectSessionById(sessionId: $id) {
    numTraces numTracesWithError
    tokenUsage { prompt completion }
    costSummary { total { cost } }
    firstInput { value } lastOutput { value }
  }
}
"""
_MODELS = """
{ generativeModels { edges { node { name tokenPrices { tokenType kind costPerMillionTokens } } } } }
"""


@dataclass(frozen=True)
class Reading:
    """Reads a project of one server through its API."""

    url: str
    project: str

    def id(self) -> str:
        """The server's own id of the project, as it stands in the addresses of its pages."""
        return str(self._got(f"/v1/projects/{urllib.parse.quote(self.project)}")["data"]["id"])

    def spans(self) -> dict[str, Json]:
        """All spans by their id."""
        return {each["context"]["span_id"]: each for each in self._listed("spans")}

    def sessions(self) -> dict[str, Json]:
        """All sessions by the id that the agent gave them."""
        return {each["session_id"]: each for each in self._listed("sessions")}

    def session(self, session_id: str) -> Json:
        """What the page of a session shows at its top."""
        return self._asked(_SESSION, id=session_id)["getProjectSessionById"]

    def costs(self) -> dict[str, Optional[float]]:
        """What the server thinks each span cost, in USD; None: it knows no price."""
        found: dict[str, Optional[float]] = {}
        after, more = None, True
        while more:
            page = self._asked(_COSTS, project=self.project, after=after)
            page = page["getProjectByName"]["spans"]
            for edge in page["edges"]:
                summary = edge["node"]["costSummary"]
                found[edge["node"]["spanId"]] = summary and summary["total"]["cost"]
            after, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
        return found

    def prices(self) -> dict[str, dict[str, float]]:
        """The server's own price table: model, kind of token, USD per million tokens."""
        models = self._asked(_MODELS)["generativeModels"]["edges"]
        return {
            edge["node"]["name"]: {
                price["tokenType"]: price["costPerMillionTokens"]
                for price in edge["node"]["tokenPrices"]
            }
            for edge in models
        }

    def wait_for(self, span_ids: Collection[str], seconds: float = 60) -> None:
        """Wait until these spans are stored: a server says 200 before it has stored anything."""
        until = time.monotonic() + seconds
        while missing := set(span_ids) - set(self.spans()):
            assert time.monotonic() < until, f"not there after {seconds} s: {sorted(missing)}"
            time.sleep(0.3)

    def _listed(self, what: str) -> Iterator[Json]:
        cursor = None
        while True:
            more = {} if cursor is None else {"cursor": cursor}
            query = urllib.parse.urlencode({"limit": 1000, **more})
            page = self._got(f"/v1/projects/{urllib.parse.quote(self.project)}/{what}?{query}")
            yield from page["data"]
            cursor = page.get("next_cursor")
            if not cursor:
                return

    def _got(self, path: str) -> Json:
        try:
            with urllib.request.urlopen(self.url + path, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
            return {"data": []}  # no span has made the project yet

    def _asked(self, query: str, **variables: Json) -> Mapping[str, Json]:
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(
            self.url + "/graphql", body, {"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            told = json.load(answer)
        assert not told.get("errors"), told
        found: Mapping[str, Json] = told["data"]
        return found
