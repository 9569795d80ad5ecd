"""What a Phoenix server has stored, by its REST API.

Facts (arize-phoenix 20.26): `GET /v1/projects/{name or id}/spans` takes `span_id` many times and
a `limit` up to 1000; its spans come with all their attributes. A project that nothing was stored
in does not exist: 404, `Project with name … not found`. A name with a slash in it only works as
an id, which `GET /v1/projects` tells.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any, Optional
from urllib.parse import quote, urlencode

from harness_tracing import __version__
from harness_tracing.destinations import Destination
from harness_tracing.export.connection import Answer, Connection
from harness_tracing.export.http import refusal_of
from harness_tracing.export.outcome import Outcome
from harness_tracing.export.readback import CannotTellError

TRACES_PATH = "/v1/traces"
_MOST_IDS = 50  # in one URL: servers take 8 kB of it
_MOST_BYTES = 16 << 20
_PROJECTS = 100


class PhoenixReadBack:
    """Asks the Phoenix server that a destination sends to over HTTP."""

    def __init__(self, destination: Destination) -> None:
        self._destination = destination
        self._base = destination.target.endpoint.removesuffix(TRACES_PATH)
        self._connection = Connection(destination, version=__version__)

    def stored(self, project: str, span_ids: Collection[str]) -> set[str]:
        """Which of these spans (16 hex digits each) the server has in the project.

        Raises CannotTellError when it cannot be asked, or answers as no Phoenix does.
        """
        if not self._destination.target.endpoint.endswith(TRACES_PATH):
            raise CannotTellError(f"{self._destination.target.title}: its read API is not known")
        wanted = sorted(span_ids)
        name = self._id_of(project) if "/" in project else project
        found: set[str] = set()
        for start in range(0, len(wanted) if name is not None else 0, _MOST_IDS):
            found |= self._among(str(name), wanted[start : start + _MOST_IDS])
        return found

    def _among(self, project: str, span_ids: Sequence[str]) -> set[str]:
        asked = urlencode({"span_id": span_ids, "limit": len(span_ids)}, doseq=True)
        answer = self._get(f"/v1/projects/{quote(project, safe='')}/spans?{asked}")
        if answer.status == 404 and b"not found" in answer.body:
            return set()
        if answer.cut:
            # Too much to read whole. Of one span, nothing but its presence is of interest.
            half = len(span_ids) // 2
            if half == 0:
                return set(span_ids)
            return self._among(project, span_ids[:half]) | self._among(project, span_ids[half:])
        told = self._listed(answer)
        return {_text(each, "context", "span_id") for each in told} & set(span_ids)

    def _id_of(self, name: str) -> Optional[str]:
        """The id of a project; None if there is none of that name."""
        cursor = ""
        while True:
            asked = {"limit": _PROJECTS, "name_contains": name, "cursor": cursor}
            words = urlencode({key: value for key, value in asked.items() if value})
            answer = self._get(f"/v1/projects?{words}")
            for each in self._listed(answer):
                if _text(each, "name") == name:
                    return _text(each, "id")
            following = _parsed(answer).get("next_cursor")
            if not isinstance(following, str) or following == cursor:
                return None
            cursor = following

    def _get(self, path: str) -> Answer:
        answer = self._connection.ask(
            "GET",
            self._base + path,
            timeout_s=self._destination.timeout_s,
            most_bytes=_MOST_BYTES,
        )
        if isinstance(answer, Outcome):
            raise CannotTellError(answer.reason)
        return answer

    def _listed(self, answer: Answer) -> list[Any]:
        if not 200 <= answer.status < 300:
            raise CannotTellError(refusal_of(answer, self._connection.reasons).reason)
        told = _parsed(answer).get("data")
        if not isinstance(told, list):
            raise CannotTellError(self._connection.reasons.say("does not answer as Phoenix does"))
        return told


def _parsed(answer: Answer) -> dict[str, Any]:
    try:
        told = json.loads(answer.body)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _text(told: Any, *keys: str) -> str:
    for key in keys:
        told = told.get(key) if isinstance(told, dict) else None
    return told if isinstance(told, str) else ""
