"""What people said of turns, pushed to Arize AX by its REST API.

Facts, of the API's published description (version 2.0.0, the pages "Annotate a batch of project
spans" and "List projects" of arize.com/docs/api-reference; both are called beta there):

- `POST /v2/spans/annotate` writes *human* annotations: `{project_id, annotations: [{record_id,
  values: [{name, label, score, text}]}], start_time, end_time, granularity}`, with the key as
  `Authorization: Bearer …`. It answers 202.
- A name has to be that of an annotation config of the space. The same name and record replaces
  what was there; there are no identifiers, and a field that is left out stays as it was.
- Records are looked up in a window of at most 31 days (sessions: 7) that does not reach into the
  future. When one of them is not in it, all are refused with 404.
- At most 1000 records in a request (sessions: 100), each of them once.
- The project's id is looked up by `GET /v2/projects`, whose `name` matches parts of names.
- The host is `api.` where that of OTLP is `otlp.`, also of regions.

Verdicts of code and models are evaluations there. Those are taken only by Arrow Flight, through
the vendor's Python package (391 MB installed): see docs/pushing.md.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from typing import Any, Callable, Optional, Union
from urllib.parse import urlencode, urlsplit

from harness_tracing import __version__
from harness_tracing.destinations import Destination
from harness_tracing.export.annotations import (
    Answered,
    Verdict,
    clean,
    is_over,
    taken_apart,
)
from harness_tracing.export.connection import Answer, Connection
from harness_tracing.export.http import refusal_of
from harness_tracing.export.outcome import Outcome

DAY_NS = 86_400 * 10**9
BEFORE_NS = 3600 * 10**9
"""How much earlier than its turn a span is looked for: clocks differ."""
LONGEST_TURN_NS = 5 * DAY_NS
"""How much later than its turn began a span is looked for."""
SPREAD_NS = 20 * DAY_NS
"""How far apart the turns of one request may have begun."""


class AxAnnotations:
    """Pushes to the space of Arize AX that a destination sends its spans to."""

    def __init__(self, destination: Destination, *, now: Callable[[], int] = time.time_ns) -> None:
        host = urlsplit(destination.target.endpoint).hostname or ""
        self._base = f"https://api.{host.partition('.')[2]}"
        self._space, self._now = destination.target.space, now
        self._key = destination.headers.get("authorization", "")
        self._connection = Connection(destination, version=__version__)
        self._projects: dict[str, str] = {}

    def push(
        self, verdicts: Sequence[Verdict], project: str, timeout_s: float
    ) -> Iterator[Answered]:
        """See `Annotations`."""
        project_id = self._project_id(project, timeout_s)
        if not isinstance(project_id, str):
            keys = tuple(each.key for each in verdicts)
            why = self._connection.reasons.say("does not have the project (yet)")
            absent = project_id is None
            yield Answered(keys, project_id or Outcome("temporary", why), absent=absent)
            return
        for some, granularity, most in (*_by_time(verdicts), *_sessions(verdicts)):

            def ask(part: Sequence[Verdict], granularity: str = granularity) -> Answered:
                return self._ask(part, project_id, granularity, timeout_s)

            for answered in taken_apart(some, ask, most):
                yield answered
                if is_over(answered):
                    return

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def _request(
        self, method: str, path: str, timeout_s: float, body: Optional[bytes] = None
    ) -> Union[Answer, Outcome]:
        return self._connection.ask(
            method,
            self._base + path,
            timeout_s=timeout_s,
            headers={
                "authorization": f"Bearer {self._key}",
                "Content-Type": "application/json",
                "Accept": "application/json",
            },
            body=body,
        )

    def _project_id(self, project: str, timeout_s: float) -> Union[str, Outcome, None]:
        """The project's id, None when there is no such project, or why it is not known."""
        if project in self._projects:
            return self._projects[project]
        asked = {"space_id": self._space, "name": project, "limit": "100"}
        while True:
            answer = self._request("GET", f"/v2/projects?{urlencode(asked)}", timeout_s)
            if isinstance(answer, Outcome):
                return answer
            if answer.status != 200:
                return refusal_of(answer, self._connection.reasons)
            try:
                told = json.loads(answer.body)
                for each in told["projects"]:
                    if each["name"] == project:
                        self._projects[project] = str(each["id"])
                        return self._projects[project]
                after = (told.get("pagination") or {}).get("next_cursor")
            except (ValueError, KeyError, TypeError, AttributeError):
                says = "does not answer a question for projects as Arize AX does"
                return Outcome("misdirected", self._connection.reasons.say(says))
            if not after:
                return None
            asked["cursor"] = str(after)

    def _ask(
        self, verdicts: Sequence[Verdict], project_id: str, granularity: str, timeout_s: float
    ) -> Answered:
        body: dict[str, Any] = {
            "project_id": project_id,
            "granularity": granularity,
            "annotations": _records(verdicts),
            "start_time": _iso(min(each.began_at_ns for each in verdicts) - BEFORE_NS),
        }
        end_ns = max(each.began_at_ns for each in verdicts) + LONGEST_TURN_NS
        if end_ns < self._now():
            body["end_time"] = _iso(end_ns)
        sent = json.dumps(clean(body)).encode()
        answer = self._request("POST", "/v2/spans/annotate", timeout_s, sent)
        keys = tuple(each.key for each in verdicts)
        if isinstance(answer, Outcome):
            return Answered(keys, answer)
        if answer.status in (200, 202, 204):
            return Answered(keys, Outcome("delivered"))
        reasons = self._connection.reasons
        if answer.status == 404:
            text = answer.body.decode("utf-8", "replace")
            missing = tuple(each.key for each in verdicts if _record_id(each) in text)
            why = reasons.say("does not have the span or session (yet)", text)
            return Answered(missing or keys, Outcome("temporary", why), absent=True)
        outcome = refusal_of(answer, reasons)
        alone = answer.status == 500 or outcome.verdict in ("rejected", "too_large")
        return Answered(keys, outcome, alone=alone)


def open_ax_annotations(destination: Destination) -> Optional[AxAnnotations]:
    """The way to a destination, None where its address is not known: of hosts of one's own."""
    return AxAnnotations(destination) if destination.target.annotator_kinds else None


def _sessions(verdicts: Sequence[Verdict]) -> list[tuple[Sequence[Verdict], str, int]]:
    return [([each], "SESSION", 1) for each in verdicts if not each.span_id]


def _by_time(verdicts: Sequence[Verdict]) -> Iterator[tuple[Sequence[Verdict], str, int]]:
    """Those of spans, in lists that one window of time covers."""
    part: list[Verdict] = []
    of_spans = [each for each in verdicts if each.span_id]
    for each in sorted(of_spans, key=lambda one: one.began_at_ns):
        if part and each.began_at_ns - part[0].began_at_ns > SPREAD_NS:
            yield part, "SPAN", 100
            part = []
        part.append(each)
    if part:
        yield part, "SPAN", 100


def _record_id(verdict: Verdict) -> str:
    return verdict.span_id or verdict.session_id


def _records(verdicts: Sequence[Verdict]) -> list[dict[str, Any]]:
    by_record: dict[str, dict[str, dict[str, Any]]] = {}
    for each in verdicts:
        told = {
            "name": each.name,
            "label": each.label,
            "score": each.score,
            "text": each.explanation,
        }
        known = {name: value for name, value in told.items() if value is not None}
        by_record.setdefault(_record_id(each), {})[each.name] = known
    return [
        {"record_id": record_id, "values": list(values.values())}
        for record_id, values in by_record.items()
    ]


def _iso(at_ns: int) -> str:
    return datetime.fromtimestamp(max(0, at_ns) // 10**9, timezone.utc).isoformat()
