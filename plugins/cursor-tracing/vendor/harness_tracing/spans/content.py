"""What people, models and tools said, as attribute values: text, JSON text, messages."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from openinference.instrumentation import get_input_attributes, get_output_attributes

from harness_tracing.model import Json, Message, ToolRequest
from harness_tracing.spans.span import Value

if TYPE_CHECKING:
    from openinference import instrumentation as openinference

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_JSON_ESCAPE = re.compile(r"\\(?:u0000|.)")


def cleaned(attributes: Mapping[str, Any]) -> dict[str, Value]:
    """The attributes that are known, as values every encoder takes.

    JSON may hold half a surrogate pair; UTF-8 can not, and protobuf drops the whole attribute.
    It may hold a NUL; PostgreSQL's text can not, and a backend on it drops the whole span.
    """
    return {
        clean_text(key): _clean_value(value)
        for key, value in attributes.items()
        if value is not None
    }


def clean_text(text: str) -> str:
    """The text with U+FFFD in place of what UTF-8 or PostgreSQL can not hold."""
    if text.isascii() and "\x00" not in text:
        return text
    return _UNSTORABLE.sub("\ufffd", text)


def json_text(value: Json) -> str:
    """The value as compact JSON, without an escape that stands for NUL: backends parse it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
    if "\\u0000" not in text:
        return text
    return _JSON_ESCAPE.sub(lambda escape: _storable(escape[0]), text)


def _storable(escape: str) -> str:
    return "\ufffd" if escape == "\\u0000" else escape


def input_value(value: Json) -> dict[str, Any]:
    """`input.value` and its type; nothing when the value is not known."""
    if value is None:
        return {}
    if isinstance(value, str):
        return get_input_attributes(value, mime_type="text/plain")
    return get_input_attributes(json_text(value), mime_type="application/json")


def output_value(value: Json) -> dict[str, Any]:
    """`output.value` and its type; nothing when the value is not known."""
    if value is None:
        return {}
    if isinstance(value, str):
        return get_output_attributes(value, mime_type="text/plain")
    return get_output_attributes(json_text(value), mime_type="application/json")


def message(said: Message) -> openinference.Message:
    """A message as OpenInference's helpers take it; its thinking becomes a part of its own."""
    told: openinference.Message = {"role": said.role}
    if said.thinking is not None:
        told["contents"] = [{"type": "reasoning", "text": said.thinking}]
        if said.content is not None:
            told["contents"] = [*told["contents"], {"type": "text", "text": said.content}]
    elif said.content is not None:
        told["content"] = said.content
    if said.tool_call_id is not None:
        told["tool_call_id"] = said.tool_call_id
    if said.tool_requests:
        told["tool_calls"] = [tool_call(each) for each in said.tool_requests]
    return told


def tool_call(request: ToolRequest) -> openinference.ToolCall:
    """A tool call as a message names it."""
    function: openinference.ToolCallFunction = {"name": request.name}
    if request.arguments is not None:
        function["arguments"] = json_text(request.arguments)
    return {"id": request.tool_use_id, "function": function}


def last_text(messages: Sequence[Message]) -> Json:
    """The text of the last message that has one."""
    return next((each.content for each in reversed(messages) if each.content is not None), None)


def answer(said: Message) -> Json:
    """What a model answered: its text, else the tool calls it asked for."""
    if said.content or not said.tool_requests:
        return said.content
    return [
        {"id": each.tool_use_id, "name": each.name, "arguments": each.arguments}
        for each in said.tool_requests
    ]


def _clean_value(value: Any) -> Value:
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, (list, tuple)):
        return tuple(clean_text(str(each)) for each in value)
    if isinstance(value, (bool, int, float)):
        return value
    return clean_text(str(value))
