"""Sends spans to a destination and says of each what became of it."""

from __future__ import annotations

import os
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
# So many spans from all over a rejected request are tried alone; when each of them is rejected
# as well, the fault lies in all.
_PROBES = 8
_SMALLEST_CUT_BYTES = 32_768


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
        _prepare_grpc()
        from harness_tracing.export.grpc import GrpcSender

        return GrpcSender(destination, version=version)
    from harness_tracing.export.http import HttpSender

    return HttpSender(destination, version=version)


def _prepare_grpc() -> None:
    """Set what gRPC reads from the process's environment, once, when it is first imported.

    Its fork handlers abort a child of fork() between fork and exec, which on Python 3.9 is every
    program that is started while a channel is open (seen with grpcio 1.80). Its own log on
    stderr repeats what outcomes say.
    """
    os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")


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
        waiting = deque([request])
        while waiting:
            part = waiting.popleft()
            if search.verdict_on_all is not None:
                yield Result(part.span_ids, search.verdict_on_all, 0)
                continue
            if self._extra > MOST_EXTRA_REQUESTS:
                self.over = True
                return
            fitting = self._fitting(part)
            if len(fitting) > 1:
                waiting.extendleft(reversed(fitting))
                continue
            outcome = self._sender.send(part.body, self._timeout_s)
            smaller = self._smaller(part, outcome, search)
            if smaller:
                self._extra += len(smaller)
                # Depth first: a search that has to end early has settled some spans by then.
                waiting.extendleft(reversed(smaller))
                continue
            yield Result(part.span_ids, outcome, len(part.body))
            if outcome.verdict in ("temporary", "misdirected", "refused"):
                self.over = True
                return

    def _fitting(self, part: Request) -> list[Request]:
        """The part, in several ones if it is known to be larger than the backend takes."""
        from harness_tracing.export.encoding import split

        if len(part.body) <= self.most_bytes or len(part.span_ids) == 1:
            return [part]
        return list(split(part, self.most_bytes, cut=False))

    def _smaller(self, part: Request, outcome: Outcome, search: _Search) -> list[Request]:
        """The requests to send in place of this one; none when its outcome stands."""
        from harness_tracing.export.encoding import single_out, split

        count = len(part.span_ids)
        if outcome.verdict == "too_large":
            half = len(part.body) // 2
            if count == 1:
                search.note(outcome)
                return list(split(part, half)) if half >= _SMALLEST_CUT_BYTES else []
            self.most_bytes = min(self.most_bytes, half)
            return list(split(part, half, cut=False))
        if outcome.verdict != "rejected":
            search.taken = search.taken or outcome.verdict == "delivered"
            return []
        if outcome.rejected_spans is not None and outcome.rejected_spans < count:
            search.taken = True
        search.note(outcome)
        if count == 1 or (outcome.rejected_spans or 0) >= count:
            return []
        if not search.taken and not search.probes:
            # An odd step, lest it keeps time with turns of two spans each.
            alone, others = single_out(part, -(-count // _PROBES) | 1)
            search.probes = len(alone)
            return alone + others
        return list(split(part, self.most_bytes, most_spans=(count + 1) // 2, cut=False))


class _Search:
    """Looking for what of one request is rejected."""

    def __init__(self) -> None:
        self.taken = False
        self.probes = 0
        self._failed = 0
        self._last: Optional[Outcome] = None

    def note(self, outcome: Outcome) -> None:
        """A part was rejected, or is too large although it is a single span."""
        self._last = outcome
        self._failed += 1 if self.probes else 0

    @property
    def verdict_on_all(self) -> Optional[Outcome]:
        """What holds for all spans that are left, when all that were tried alone are rejected."""
        if self.taken or not self.probes or self._failed < self.probes or self._last is None:
            return None
        return replace(self._last, rejected_spans=None)
