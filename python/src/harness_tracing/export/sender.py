"""Sends spans to a destination and says of each what became of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Optional, Protocol

from harness_tracing.destinations import Destination
from harness_tracing.export.outcome import Outcome

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

    from harness_tracing.export.encoding import Request

MOST_EXTRA_REQUESTS = 64
# Two halves, four quarters, eight eighths: when none of them is taken, the fault lies in all.
_ENOUGH_PARTS = 14
_SMALLEST_LIMIT_BYTES = 32_768


class Sender(Protocol):
    """Sends encoded requests to one destination. Close it when done."""

    def send(self, request: bytes, timeout_s: float) -> Outcome:
        """One attempt for one ExportTraceServiceRequest, over after `timeout_s` at most.

        Never raises for what network or backend do.
        """
        ...

    def close(self) -> None:
        """Give up the connection."""
        ...


@dataclass(frozen=True)
class Result:
    """What became of some spans: `outcome` holds for each of them.

    `span_ids` are 16 hex digits each. `bytes_sent` is the size of the request, uncompressed.
    """

    span_ids: tuple[str, ...]
    outcome: Outcome
    bytes_sent: int


def open_sender(destination: Destination, *, version: str) -> Sender:
    """A sender for the destination's protocol. Nothing is sent and nobody is called yet."""
    if destination.target.protocol == "grpc":
        from harness_tracing.export.grpc import GrpcSender

        return GrpcSender(destination, version=version)
    from harness_tracing.export.http import HttpSender

    return HttpSender(destination, version=version)


def send_all(
    sender: Sender,
    readables: Iterable[ReadableSpan],
    *,
    timeout_s: float,
    most_bytes: Optional[int] = None,
) -> Iterator[Result]:
    """Send the spans, request by request; yields what became of them as soon as it is known.

    Each span is in one result at most. It ends with the first outcome ``temporary``,
    ``misdirected`` or ``refused``, or when too many requests went into finding what a backend
    rejects; spans without a result were not sent, or not settled, and are to be sent again.
    A request that is too large or rejected is sent again in parts, so that the spans at fault
    are found and the others delivered.
    """
    from harness_tracing.export.encoding import MOST_BYTES, encode

    sending = _Sending(sender, timeout_s, MOST_BYTES if most_bytes is None else most_bytes)
    for request in encode(readables, sending.most_bytes):
        yield from sending.settle(request)
        if sending.over:
            return


class _Sending:
    """The requests of one call: what was learned about the backend, what it cost."""

    def __init__(self, sender: Sender, timeout_s: float, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self.over = False
        self._sender = sender
        self._timeout_s = timeout_s
        self._extra = 0

    def settle(self, request: Request) -> Iterator[Result]:
        """Send a request, and its parts until each span's fate is known, or it is over."""
        search = _Search()
        waiting = deque(self._fitting(request))
        while waiting:
            if self._extra > MOST_EXTRA_REQUESTS:
                self.over = True
                return
            part = waiting.popleft()
            outcome = self._sender.send(part.body, self._timeout_s)
            smaller = self._smaller(part, outcome, search)
            if smaller:
                self._extra += len(smaller)
                waiting.extend(smaller)
                continue
            if outcome.verdict in ("temporary", "misdirected", "refused"):
                self.over = True
            yield Result(part.span_ids, outcome, len(part.body))
            if self.over:
                return
            if search.hopeless:
                yield from _all_rejected(waiting, outcome)
                return

    def _fitting(self, request: Request) -> list[Request]:
        from harness_tracing.export.encoding import split

        if len(request.body) <= self.most_bytes:
            return [request]
        return list(split(request, self.most_bytes))

    def _smaller(self, part: Request, outcome: Outcome, search: _Search) -> list[Request]:
        """The requests to send in place of this one; none when its outcome stands."""
        from harness_tracing.export.encoding import split

        if outcome.verdict == "too_large":
            limit = len(part.body) // 2
            if limit < _SMALLEST_LIMIT_BYTES:
                return []
            self.most_bytes = min(self.most_bytes, limit)
            return list(split(part, self.most_bytes))
        if outcome.verdict != "rejected":
            search.taken = search.taken or outcome.verdict == "delivered"
            return []
        count = len(part.span_ids)
        search.count(outcome, count)
        if count == 1 or search.hopeless or (outcome.rejected_spans or 0) >= count:
            return []
        return list(split(part, self.most_bytes, most_spans=(count + 1) // 2))


class _Search:
    """Looking for what of one request is rejected."""

    def __init__(self) -> None:
        self.taken = False
        self._rejected = 0

    def count(self, outcome: Outcome, count: int) -> None:
        if outcome.rejected_spans is None:
            self._rejected += 1
        elif outcome.rejected_spans < count:
            self.taken = True

    @property
    def hopeless(self) -> bool:
        """Whether so many parts were rejected and none taken that all will be."""
        return not self.taken and self._rejected > _ENOUGH_PARTS


def _all_rejected(waiting: Iterable[Request], outcome: Outcome) -> Iterator[Result]:
    for part in waiting:
        yield Result(part.span_ids, replace(outcome, rejected_spans=None), 0)
