"""One span that a server gave back: its fields as values, whoever made it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Optional

from openinference.semconv.trace import SpanAttributes

from harness_tracing.errors import RemoteError
from harness_tracing.model import Failure, Usage
from harness_tracing.observe import values
from harness_tracing.spans import attributes as key

_DETAILS_DEPTH = 50
_IN_WORDS = {
    "failed": "failed",
    "error": "failed",
    "denied": "was denied",
    "interrupted": "was interrupted",
}
_WHAT = ("The turn", "The tool call", "The sub-agent")


@dataclass(frozen=True)
class RemoteSpan:
    """A span: ids in hex digits, `kind` OpenInference's, times in Unix ns, None: not known."""

    name: str
    trace_id: str
    span_id: str
    parent_id: Optional[str]
    kind: str
    start_ns: int
    end_ns: Optional[int]
    status_code: str
    status_message: Optional[str]
    attributes: Mapping[str, Any]
    events: tuple[Mapping[str, Any], ...] = ()

    @property
    def type(self) -> Optional[str]:
        """What our spans say they stand for (turn, model_call, tool …); None: not one of ours."""
        return self.text(key.SPAN_TYPE)

    def text(self, name: str) -> Optional[str]:
        """An attribute as a text."""
        value = self.attributes.get(name)
        return value if isinstance(value, str) else None if value is None else str(value)

    def count(self, name: str) -> Optional[int]:
        """An attribute as a whole number; some servers make all numbers floats."""
        value = self.attributes.get(name)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value:
            return None
        return int(value) if abs(value) < 2**63 else None

    def number(self, name: str) -> Optional[float]:
        """An attribute as a number."""
        value = self.attributes.get(name)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return None
        return float(value)

    def names(self, name: str) -> tuple[str, ...]:
        """An attribute that lists texts."""
        value = self.attributes.get(name)
        return tuple(map(str, value)) if isinstance(value, (list, tuple)) else ()

    def content(self, which: str) -> Any:
        """``input`` or ``output``: the text, or the value of it where it is JSON."""
        text = self.text(f"{which}.value")
        if text is None or self.text(f"{which}.mime_type") != "application/json":
            return text
        return json_value(text)

    def below(self, prefix: str) -> Any:
        """A JSON text, or the value that a server made of it by taking it apart."""
        text = self.attributes.get(prefix)
        if text is not None:
            return json_value(text) if isinstance(text, str) else text
        dotted = prefix + "."
        apart = {k[len(dotted) :]: v for k, v in self.attributes.items() if k.startswith(dotted)}
        return joined(apart) if apart else None

    @property
    def began_ns(self) -> Optional[int]:
        """Its start; None where nobody saw it and it was drawn at the nearest evidence."""
        return None if "start" in self.names(key.TIME_UNKNOWN) else self.start_ns

    @property
    def usage(self) -> Usage:
        """The tokens that it counts."""
        return Usage(
            input_tokens=self.count(SpanAttributes.LLM_TOKEN_COUNT_PROMPT),
            output_tokens=self.count(SpanAttributes.LLM_TOKEN_COUNT_COMPLETION),
            cache_read_tokens=self.count(SpanAttributes.LLM_TOKEN_COUNT_PROMPT_DETAILS_CACHE_READ),
            cache_write_tokens=self.count(
                SpanAttributes.LLM_TOKEN_COUNT_PROMPT_DETAILS_CACHE_WRITE
            ),
            cache_write_1h_tokens=self.count(key.CACHE_WRITE_1H),
            reasoning_tokens=self.count(
                SpanAttributes.LLM_TOKEN_COUNT_COMPLETION_DETAILS_REASONING
            ),
        )

    @property
    def failure(self) -> Optional[Failure]:
        """Why it failed; None when it did not."""
        if self.status_code != "ERROR":
            return None
        message = self.text(key.ERROR_MESSAGE) or self.status_message or None
        kind = self.text(key.ERROR_TYPE) or "error"
        # Where the agent gave no reason our spans say the status in words instead.
        in_words = [f"{what} {_IN_WORDS.get(kind)}" for what in _WHAT]
        if self.type is not None and message in in_words:
            return None
        return Failure(kind, message)


def read(told: Mapping[str, Any], *, own_times: bool = False) -> RemoteSpan:
    """The span of what a server tells; RemoteError when it is none.

    What lay outside its turn, or has an end nobody saw, was drawn at the nearest evidence;
    `own_times` gives it its own times again.
    """
    context = told.get("context") or {}
    start_ns = _instant(told.get("start_time"))
    if not context.get("span_id") or not context.get("trace_id") or start_ns is None:
        raise RemoteError("the server sent a span without ids or a start; is it a Phoenix server?")
    attributes = {k: v for k, v in (told.get("attributes") or {}).items() if v is not None}
    end_ns = _instant(told.get("end_time"))
    if own_times:
        own_start_ns = _instant(attributes.get(key.TIME_STARTED))
        own_end_ns = _instant(attributes.get(key.TIME_ENDED))
        start_ns = start_ns if own_start_ns is None else own_start_ns
        end_ns = end_ns if own_end_ns is None else own_end_ns
        unknown = attributes.get(key.TIME_UNKNOWN)
        end_ns = None if isinstance(unknown, (list, tuple)) and "end" in unknown else end_ns
    return RemoteSpan(
        name=str(told.get("name") or ""),
        trace_id=str(context["trace_id"]),
        span_id=str(context["span_id"]),
        parent_id=told.get("parent_id") or None,
        kind=str(told.get("span_kind") or told.get("kind") or "UNKNOWN"),
        start_ns=start_ns,
        end_ns=end_ns,
        status_code=str(told.get("status_code") or "UNSET"),
        status_message=told.get("status_message") or None,
        attributes=attributes,
        events=tuple(each for each in told.get("events") or () if isinstance(each, dict)),
    )


def _instant(text: Any) -> Optional[int]:
    return values.instant_ns(text) if isinstance(text, str) else None


def json_value(text: str) -> Any:
    """The value of a JSON text; the text itself where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def joined(apart: Mapping[str, Any], depth: int = 0) -> Any:
    """The value that was taken apart into dotted keys; numbers as keys make a list."""
    if depth > _DETAILS_DEPTH:
        return dict(apart)
    groups: dict[str, dict[str, Any]] = {}
    whole: dict[str, Any] = {}
    for name, value in apart.items():
        first, dot, rest = name.partition(".")
        if dot:
            groups.setdefault(first, {})[rest] = value
        else:
            whole[first] = value
    found = {**whole, **{name: joined(parts, depth + 1) for name, parts in groups.items()}}
    if found and sorted(found) == sorted(map(str, range(len(found)))):
        return [found[str(index)] for index in range(len(found))]
    return found
