"""Verdicts on spans and sessions, pushed to the backends that have these.

Facts of Phoenix (arize-phoenix 20.26.1, each tried out on the real server):

- `POST /v1/span_annotations` and `POST /v1/session_annotations` take a list. Without `sync=true`
  they answer 200 to anything, also for spans that they do not have and never will: so only with.
- Then a span that is not there makes the whole list a 404, nothing of it is kept, and the text
  names the ids that are missing ("Spans with IDs 00…, 00… do not exist."). A session likewise.
- The same name, target and identifier replaces what was there, an empty identifier too, and the
  later one of two in a list wins. The id stays.
- Label, score and explanation may each be null, as may all of them.
- 422 (a kind that it does not know) and 400 (the name `note`, which is taken) refuse the whole
  list. Unknown fields are passed over. A lone surrogate is a 500, as is NUL on
  PostgreSQL; SQLite keeps it.
- A body that is compressed is a 400. 5 MB in one explanation were taken. A hundred took 0.4 s.
- With authentication on, a wrong key is a 401. An unknown path that begins alike is a 405.
"""

from __future__ import annotations

import json
import math
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Optional, Protocol

from harness_tracing import __version__
from harness_tracing.destinations import Destination
from harness_tracing.export.connection import Answer, Connection
from harness_tracing.export.http import refusal_of
from harness_tracing.export.outcome import Outcome

TRACES_PATH = "/v1/traces"
MOST_ANNOTATIONS = 100
"""How many go in one request."""
MOST_BYTES = 1 << 20
MOST_REQUESTS = 64
"""How many requests one call makes at most, when lists have to be taken apart."""


@dataclass(frozen=True)
class Verdict:
    """One annotation as a backend is told it.

    `key` is the caller's number for it. `span_id` (16 hex digits) is empty where the whole
    session is meant. `began_at_ns` is when its turn began.
    """

    key: int
    span_id: str
    session_id: str
    name: str
    annotator_kind: str
    identifier: str
    label: Optional[str]
    score: Optional[float]
    explanation: Optional[str]
    metadata: Optional[Mapping[str, Any]]
    began_at_ns: int = 0


@dataclass(frozen=True)
class Answered:
    """What became of some annotations: `outcome` holds for each of them.

    `absent`: the backend does not have what they are about, or not yet. `alone`: the outcome
    says something of these annotations, not of the backend.
    """

    keys: tuple[int, ...]
    outcome: Outcome
    absent: bool = False
    alone: bool = False


class Annotations(Protocol):
    """A backend's way to take annotations. Close it when done."""

    def push(
        self, verdicts: Sequence[Verdict], project: str, timeout_s: float
    ) -> Iterator[Answered]:
        """Push them and say of each what became of it; those not named were not tried.

        Never raises for what network or backend do. Pushing the same again changes nothing.
        """
        ...

    def close(self) -> None:
        """Hang up."""
        ...


def open_annotations(destination: Destination) -> Optional[Annotations]:
    """The way to a destination, None where there is none. Nobody is called yet."""
    target = destination.target
    if not destination.annotations or not target.annotator_kinds:
        return None
    if target.kind == "phoenix":
        return PhoenixAnnotations(destination)
    from harness_tracing.export.ax_annotations import open_ax_annotations

    return open_ax_annotations(destination)


def taken_apart(
    verdicts: Sequence[Verdict], ask: _Ask, most: int = MOST_ANNOTATIONS
) -> Iterator[Answered]:
    """Push in lists of at most `most`; a list that fails for one of it is taken apart.

    What the answer names as absent is left out, else the list is halved. Stops at an answer that
    is about the backend, and after so many requests that somebody else wants a turn.
    """
    waiting = deque(_lists(verdicts, most))
    requests, faults, taken = 0, 0, False
    while waiting and requests < MOST_REQUESTS:
        part = waiting.popleft()
        answered = ask(part)
        requests += 1
        taken = taken or answered.outcome.verdict == "delivered"
        known = set(answered.keys)
        rest = [each for each in part if each.key not in known]
        if rest:
            yield answered
            waiting.appendleft(rest)
        elif len(part) > 1 and (answered.alone or answered.absent):
            middle = len(part) // 2
            waiting.extendleft([part[middle:], part[:middle]])
        else:
            faults += answered.alone and answered.outcome.verdict == "temporary"
            if faults > 1 and not taken:
                answered = replace(answered, alone=False)  # it is not these annotations
            yield answered
            if is_over(answered):
                return


class _Ask(Protocol):
    def __call__(self, verdicts: Sequence[Verdict], /) -> Answered: ...


def _lists(verdicts: Sequence[Verdict], most: int) -> Iterator[Sequence[Verdict]]:
    part: list[Verdict] = []
    size = 0
    for each in verdicts:
        # A character may take six bytes; only long texts matter here.
        more = len(each.explanation or "") + len(str(each.metadata or ""))
        if part and (len(part) >= most or size + more > MOST_BYTES):
            yield part
            part, size = [], 0
        part.append(each)
        size += more
    if part:
        yield part


def clean(value: Any) -> Any:
    """A JSON value without what PostgreSQL (NUL) or JSON (NaN, infinities) cannot hold."""
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd")
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {clean(str(name)): clean(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [clean(each) for each in value]
    return value


class PhoenixAnnotations:
    """Pushes to the Phoenix server that a destination sends its spans to over HTTP."""

    def __init__(self, destination: Destination) -> None:
        self._base = destination.target.endpoint.removesuffix(TRACES_PATH)
        self._connection = Connection(destination, version=__version__)

    def push(
        self, verdicts: Sequence[Verdict], project: str, timeout_s: float
    ) -> Iterator[Answered]:
        """See `Annotations`. The project does not matter: ids are known to the whole server."""
        of_spans = [each for each in verdicts if each.span_id]
        of_sessions = [each for each in verdicts if not each.span_id]
        for what, target, some in (
            ("span", "span_id", of_spans),
            ("session", "session_id", of_sessions),
        ):
            for answered in taken_apart(
                some, lambda part, w=what, t=target: self._ask(w, t, part, timeout_s)
            ):
                yield answered
                if is_over(answered):
                    return

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def _ask(
        self, what: str, target: str, verdicts: Sequence[Verdict], timeout_s: float
    ) -> Answered:
        told = {"data": [_told(each, target) for each in verdicts]}
        answer = self._connection.ask(
            "POST",
            f"{self._base}/v1/{what}_annotations?sync=true",
            timeout_s=timeout_s,
            headers={"Content-Type": "application/json", "Accept": "application/json"},
            body=json.dumps(clean(told)).encode(),
        )
        keys = tuple(each.key for each in verdicts)
        if isinstance(answer, Outcome):
            return Answered(keys, answer)
        return self._read(answer, what, target, verdicts, keys)

    def _read(
        self,
        answer: Answer,
        what: str,
        target: str,
        verdicts: Sequence[Verdict],
        keys: tuple[int, ...],
    ) -> Answered:
        reasons = self._connection.reasons
        if 200 <= answer.status < 300:
            if _taken(answer) == len(keys):
                return Answered(keys, Outcome("delivered"))
            says = f"answered {answer.status} but does not say that it took the annotations"
            return Answered(keys, Outcome("misdirected", reasons.say(says)))
        if answer.status == 404:
            text = answer.body.decode("utf-8", "replace")
            missing = tuple(each.key for each in verdicts if getattr(each, target) in text)
            if missing:
                why = f"does not have the {what} (yet)"
                return Answered(missing, Outcome("temporary", reasons.say(why)), absent=True)
        if what == "session" and answer.status in (404, 405):
            says = f"answered {answer.status}: it takes no annotations of sessions (is it older?)"
            return Answered(keys, Outcome("temporary", reasons.say(says)), alone=True)
        outcome = refusal_of(answer, reasons)
        # A fault of the server's with one annotation must not keep all the others back.
        alone = answer.status == 500 or outcome.verdict in ("rejected", "too_large")
        return Answered(keys, outcome, alone=alone)


def is_over(answered: Answered) -> bool:
    """Whether an answer is about the backend, which need not be asked on."""
    good = answered.outcome.verdict == "delivered"
    return not (good or answered.absent or answered.alone)


def _told(verdict: Verdict, target: str) -> dict[str, Any]:
    return {
        target: getattr(verdict, target),
        "name": verdict.name,
        "annotator_kind": verdict.annotator_kind,
        "identifier": verdict.identifier,
        "result": {
            "label": verdict.label,
            "score": verdict.score,
            "explanation": verdict.explanation,
        },
        "metadata": dict(verdict.metadata or {}),
    }


def _taken(answer: Answer) -> Optional[int]:
    """How many annotations an answer says were taken; None where it is not Phoenix's."""
    try:
        return len(json.loads(answer.body)["data"])
    except (ValueError, KeyError, TypeError):
        return None
