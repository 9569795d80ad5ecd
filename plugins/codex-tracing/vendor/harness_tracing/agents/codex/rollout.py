"""Reading single values out of Codex's JSON: times, texts, tokens. Nothing here raises."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, Optional

from harness_tracing.model import Failure, Message, Usage

MS_NS = 10**6
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_THREAD = re.compile(r"([0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})\.jsonl$")
_EXIT_CODE = re.compile(r"^(?:Process exited with code|Exit code:) (-?\d+)$", re.M)
_HTTP_STATUS = "http_status_code"
# How Codex marks what only the model's provider can read.
_CIPHERTEXT = "gAAAA"


def mapping(value: object) -> Mapping[str, Any]:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def string(value: object) -> Optional[str]:
    """The value if it is a text with something in it."""
    return value if isinstance(value, str) and value else None


def integer(value: object) -> Optional[int]:
    """The value if it is a whole number."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def time_ns(value: object) -> Optional[int]:
    """A line's ISO 8601 `timestamp` as Unix ns."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value.replace("Z", "+00:00"))
    except ValueError:
        return None
    if moment.tzinfo is None:
        return None
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000


def ms_ns(value: object) -> Optional[int]:
    """Unix milliseconds as ns."""
    number = integer(value)
    return None if number is None or not 0 < number < 10**13 else number * MS_NS


def duration_ns(value: object) -> Optional[int]:
    """A Rust duration, `{"secs", "nanos"}`."""
    parts = mapping(value)
    seconds, nanos = integer(parts.get("secs")), integer(parts.get("nanos"))
    return None if seconds is None or nanos is None else seconds * 10**9 + nanos


def text_of(content: object) -> Optional[str]:
    """The text of a message or of a tool's output: itself, or its parts joined."""
    if isinstance(content, str):
        return content
    if isinstance(content, dict):
        return text_of(content.get("content")) if "content" in content else json_text(content)
    if not isinstance(content, list):
        return None
    parts = [_part(mapping(part)) for part in content]
    return "\n".join(part for part in parts if part is not None) if parts else None


def _part(part: Mapping[str, Any]) -> Optional[str]:
    text = part.get("text")
    if isinstance(text, str):
        return text
    secret = part.get("encrypted_content")
    if isinstance(secret, str):
        return clear(secret)
    kind = string(part.get("type"))
    return f"[{kind}]" if kind is not None else None


def clear(text: Optional[str]) -> Optional[str]:
    """The text, unless it is one that only the model's provider can read."""
    return None if text is None or text.startswith(_CIPHERTEXT) else text


def json_text(value: object) -> str:
    """A value as JSON."""
    return json.dumps(value, ensure_ascii=False, default=str)


def arguments(value: object) -> Any:
    """A tool call's arguments: parsed, or as they are where they are no JSON."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def usage_of(value: object) -> Optional[Usage]:
    """Tokens as Codex counts them: `input_tokens` and `output_tokens` hold everything."""
    raw = mapping(value)
    if integer(raw.get("input_tokens")) is None and integer(raw.get("output_tokens")) is None:
        return None
    return Usage(
        input_tokens=integer(raw.get("input_tokens")),
        output_tokens=integer(raw.get("output_tokens")),
        cache_read_tokens=integer(raw.get("cached_input_tokens")),
        cache_write_tokens=integer(raw.get("cache_write_input_tokens")),
        reasoning_tokens=integer(raw.get("reasoning_output_tokens")),
    )


def message(payload: Mapping[str, Any], role: str, tool_call_id: Optional[str] = None) -> Message:
    """A message to the model from a response item."""
    content = payload.get("output") if tool_call_id is not None else payload.get("content")
    if content is None and tool_call_id is not None:
        content = payload.get("tools")
        content = None if content is None else json_text(content)
    return Message(role=role, content=text_of(content), tool_call_id=tool_call_id)


def exit_code(text: Optional[str]) -> Optional[int]:
    """The exit code that the text given to the model tells of.

    Older clients gave the model JSON with ``metadata.exit_code``.
    """
    if text is None:
        return None
    head = text.partition("\nOutput:")[0]
    match = _EXIT_CODE.search(head)
    if match:
        return int(match[1])
    if text.startswith('{"output"'):
        return integer(mapping(mapping(arguments(text)).get("metadata")).get("exit_code"))
    return None


def failure_of(value: object) -> Failure:
    """Why a turn failed: `error` of its last line.

    `codex_error_info` is a word, or an object whose one key is the word.
    """
    error = mapping(value)
    info = error.get("codex_error_info")
    if isinstance(info, dict) and info:
        info = next(iter(info))
    kind = string(info) or "error"
    return Failure("api_error" if kind == "other" else kind, string(error.get("message")))


def gave_up(value: object) -> bool:
    """Whether it failed after several attempts, of which only the last is told."""
    info = mapping(value).get("codex_error_info")
    return isinstance(info, dict) and any(_HTTP_STATUS in mapping(told) for told in info.values())


def thread_of(path: Optional[str]) -> Optional[str]:
    """The id of the thread whose rollout lies there: its name ends with it."""
    match = _THREAD.search(path or "")
    return match[1] if match else None


def born_ns(thread_id: str) -> Optional[int]:
    """When a thread began: its id is a UUIDv7, which starts with the time in milliseconds."""
    digits = thread_id.replace("-", "")
    if len(digits) != 32 or digits[12] != "7":
        return None
    try:
        return int(digits[:12], 16) * MS_NS
    except ValueError:
        return None
