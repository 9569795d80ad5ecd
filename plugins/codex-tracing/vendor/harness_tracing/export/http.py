"""OTLP over HTTP with protobuf: one request, one strict reading of its answer.

Facts: the OTLP specification 1.9 (https://opentelemetry.io/docs/specs/otlp/#otlphttp), and of
Phoenix 20.26 that 415 and 422 answer a wrong content type and a body it cannot decode.
"""

from __future__ import annotations

import gzip
import json
import math
import re
import time
import zlib
from email.utils import parsedate_to_datetime
from typing import Any, Optional

from harness_tracing.destinations import Destination
from harness_tracing.export.connection import ANSWER_BYTES, Answer, Connection
from harness_tracing.export.outcome import LONGEST_RETRY_AFTER_S, Outcome
from harness_tracing.export.partial import partial_success
from harness_tracing.export.reasons import Reasons

PROTOBUF = "application/x-protobuf"
_PROTOBUF_TYPES = (PROTOBUF, "application/protobuf", "application/vnd.google.protobuf")
_JSON_TYPES = ("application/json", "text/json")
_WEB_TYPES = ("text/html", "application/xhtml+xml")
_WEB_PAGES = (b"<!doctype html", b"<html")
# What Go's and nginx's servers answer to a request without TLS.
_SPEAKS_TLS = re.compile(r"\bHTTP request (?:was sent )?to (?:an )?HTTPS\b", re.IGNORECASE)
# As fast as writing them would be, at twice the size of the best that gzip can do at most.
_GZIP_LEVEL = 4


class HttpSender:
    """Sends requests to a destination's URL, one attempt each."""

    def __init__(self, destination: Destination, *, version: str) -> None:
        self._url = destination.target.endpoint
        self._connection = Connection(destination, version=version)

    def send(self, request: bytes, timeout_s: float) -> Outcome:
        """Send one encoded request; never raises for what the network or the server does."""
        answer = self._connection.ask(
            "POST",
            self._url,
            timeout_s=timeout_s,
            headers={"Content-Type": PROTOBUF, "Content-Encoding": "gzip"},
            body=gzip.compress(request, _GZIP_LEVEL, mtime=0),
        )
        if isinstance(answer, Outcome):
            return answer
        return outcome_of(answer, self._connection.reasons)

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


def outcome_of(answer: Answer, reasons: Reasons) -> Outcome:
    """What an answer to spans means. Only 2xx without a rejection is delivery."""
    if 200 <= answer.status < 300:
        return _accepted(answer, reasons)
    return refusal_of(answer, reasons)


def refusal_of(answer: Answer, reasons: Reasons) -> Outcome:
    """What an answer other than 2xx means, whatever was asked."""
    status = answer.status
    what = f"answered {status} {reasons.excerpt(answer.reason)}".rstrip()
    said = _said(answer)
    if status in (401, 403):
        what = f"does not accept the credentials ({status}); set others"
        return Outcome("refused", reasons.say(what, said))
    if status in (400, 422):
        return _rejection(answer, what, said, reasons)
    if status == 413:
        return Outcome("too_large", reasons.say(what, said))
    if status >= 500 or status in (408, 425, 429):
        return Outcome("temporary", reasons.say(what, said), retry_after_s=_retry_after_s(answer))
    if 300 <= status < 400:
        elsewhere = answer.headers.get("Location", "").partition("?")[0]
        what += " (a redirect is not followed; set the endpoint it should go to)"
        return Outcome("misdirected", reasons.say(what, elsewhere))
    return Outcome("misdirected", reasons.say(f"{what} (is the endpoint right?)", said))


def _rejection(answer: Answer, what: str, said: str, reasons: Reasons) -> Outcome:
    """A 400, which is a word on the spans only if who gave it reads spans at all."""
    if _SPEAKS_TLS.search(said):
        what += " (it speaks TLS only; write https:// in the endpoint)"
        return Outcome("misdirected", reasons.say(what, said))
    if _is_web_page(answer, said.encode()):
        what += " with a web page (is the endpoint right?)"
        return Outcome("misdirected", reasons.say(what, said))
    return Outcome("rejected", reasons.say(what, said))


def _is_web_page(answer: Answer, body: bytes) -> bool:
    return _kind(answer) in _WEB_TYPES or body[:256].lstrip().lower().startswith(_WEB_PAGES)


def _kind(answer: Answer) -> str:
    return answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()


def _accepted(answer: Answer, reasons: Reasons) -> Outcome:
    """A 2xx, which counts unless its body tells otherwise.

    A body has to be what its content type says: one that is not comes from no OTLP receiver.
    One of any other type than protobuf, JSON or a web page says nothing about spans.
    """
    kind, body = _kind(answer), _decoded(answer)
    if body is None or answer.cut:
        what = f"answered {answer.status} with a body that cannot be read"
        return Outcome("misdirected", reasons.say(what))
    if _is_web_page(answer, body):
        what = f"answered {answer.status} with a web page: this is no OTLP endpoint"
        return Outcome("misdirected", reasons.say(what, _text(body)))
    if not body or kind not in (*_PROTOBUF_TYPES, *_JSON_TYPES):
        return Outcome("delivered")
    try:
        rejected, message = _partial_of_json(body) if kind in _JSON_TYPES else _partial(body)
    except ValueError:
        what = f"answered {answer.status} with {kind} that is none"
        return Outcome("misdirected", reasons.say(what, _text(body)))
    return partial_success(rejected, message, reasons)


def _partial(body: bytes) -> tuple[int, str]:
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

    try:
        partial = ExportTraceServiceResponse.FromString(body).partial_success
    except DecodeError as error:
        raise ValueError(str(error)) from error
    return partial.rejected_spans, partial.error_message


def _partial_of_json(body: bytes) -> tuple[int, str]:
    told: Any = json.loads(body)
    partial: Any = {}
    if isinstance(told, dict):
        partial = told.get("partialSuccess", told.get("partial_success"))
    if not isinstance(partial, dict):
        return 0, ""
    rejected = partial.get("rejectedSpans", partial.get("rejected_spans")) or 0
    message = partial.get("errorMessage", partial.get("error_message")) or ""
    # In protobuf's JSON a number of 64 bits is a text.
    return (int(rejected) if isinstance(rejected, (int, str)) else 0), str(message)


def _decoded(answer: Answer) -> Optional[bytes]:
    """The body as it was meant; None if it cannot be known. No more than 1 MB of it."""
    coding = answer.headers.get("Content-Encoding", "identity").strip().lower()
    if coding in ("", "identity") or not answer.body:
        return answer.body
    if coding not in ("gzip", "x-gzip"):
        return None
    try:
        inflate = zlib.decompressobj(16 + zlib.MAX_WBITS)
        body = inflate.decompress(answer.body, ANSWER_BYTES)
    except zlib.error:
        return None
    return body if inflate.eof else None


def _said(answer: Answer) -> str:
    """The text of an error's answer; its message if it is protobuf, as OTLP wants it."""
    body = _decoded(answer) or b""
    if _kind(answer) not in _PROTOBUF_TYPES:
        return _text(body)
    from google.protobuf.message import DecodeError
    from google.rpc.status_pb2 import Status

    try:
        return str(Status.FromString(body).message)
    except DecodeError:
        return ""


def _text(body: bytes) -> str:
    return body.decode("utf-8", "replace")


def _retry_after_s(answer: Answer) -> Optional[float]:
    told = answer.headers.get("Retry-After", "").strip()
    if not told:
        return None
    try:
        seconds = float(told)
    except ValueError:
        at_s = _http_date_s(told)
        if at_s is None:
            return None
        # By the server's own clock where it tells it: ours may be wrong.
        now_s = _http_date_s(answer.headers.get("Date", ""))
        seconds = at_s - (time.time() if now_s is None else now_s)
    if math.isnan(seconds):
        return None
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER_S)


def _http_date_s(text: str) -> Optional[float]:
    try:
        return parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
