"""The Anthropic Messages API as far as a scripted reply needs it: whole and as a stream."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Optional


@dataclass(frozen=True)
class Tokens:
    """What a reply says it used; `input` is the part that no cache knew."""

    input: int
    cache_read: int
    cache_write_5m: int
    cache_write_1h: int
    output: int

    def on_the_wire(self) -> dict[str, Any]:
        """The `usage` object of the Messages API."""
        return {
            "input_tokens": self.input,
            "cache_read_input_tokens": self.cache_read,
            "cache_creation_input_tokens": self.cache_write_5m + self.cache_write_1h,
            "cache_creation": {
                "ephemeral_5m_input_tokens": self.cache_write_5m,
                "ephemeral_1h_input_tokens": self.cache_write_1h,
            },
            "output_tokens": self.output,
            "service_tier": "standard",
        }


@dataclass(frozen=True)
class Tool:
    """A tool call to ask for.

    In a string argument ``{cwd}`` becomes the session's folder, ``{agent}`` the sub-agent and
    ``{task}`` the background command that a tool's result named last.
    """

    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Step:
    """One reply.

    `errors` are HTTP statuses that the first attempts get; `always_fails` is one that every
    attempt gets. `delay_s` passes before the reply begins. With `hangs` the stream stops
    after its first piece of text and never goes on; with `breaks_off` the connection is
    closed in the middle of the last block. `blocks` are further content blocks as they go over
    the wire, before the tools. `tokens` None: counts made from the reply's number, so that no
    two replies of a server have the same.
    """

    text: Optional[str] = None
    thinking: Optional[str] = None
    tools: tuple[Tool, ...] = ()
    tokens: Optional[Tokens] = None
    stop_reason: Optional[str] = None
    delay_s: float = 0.0
    errors: tuple[int, ...] = ()
    always_fails: Optional[int] = None
    hangs: bool = False
    breaks_off: bool = False
    blocks: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class Reply:
    """A step with its ids and numbers filled in."""

    number: int
    model: str
    step: Step
    tokens: Tokens
    content: tuple[Mapping[str, Any], ...]
    stop_reason: str

    @property
    def message_id(self) -> str:
        """The id that the transcript keeps as `message.id`."""
        return f"msg_01scripted{self.number:012d}"

    @property
    def request_id(self) -> str:
        """The id sent in the `request-id` header."""
        return f"req_011scripted{self.number:010d}"

    def message(self) -> dict[str, Any]:
        """The whole reply as the Messages API gives it without streaming."""
        return {**self.head(), "content": list(self.content), "stop_reason": self.stop_reason}

    def head(self) -> dict[str, Any]:
        """The reply as a stream's `message_start` announces it."""
        return {
            "id": self.message_id,
            "type": "message",
            "role": "assistant",
            "model": self.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": self.tokens.on_the_wire(),
        }

    def stream(self) -> Iterator[dict[str, Any]]:
        """The reply as the events of a stream."""
        first_words = replace(self.tokens, output=1)
        yield {
            "type": "message_start",
            "message": {**self.head(), "usage": first_words.on_the_wire()},
        }
        for index, block in enumerate(self.content):
            yield from _block_events(index, block)
        yield {
            "type": "message_delta",
            "delta": {"stop_reason": self.stop_reason, "stop_sequence": None},
            "usage": self.tokens.on_the_wire(),
        }
        yield {"type": "message_stop"}


def _block_events(index: int, block: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    deltas: list[dict[str, Any]] = []
    if block["type"] in ("tool_use", "server_tool_use"):
        empty, whole = {**block, "input": {}}, json.dumps(block["input"])
        deltas = [{"type": "input_json_delta", "partial_json": part} for part in _halves(whole)]
    elif block["type"] == "thinking":
        empty = {"type": "thinking", "thinking": "", "signature": ""}
        deltas = [{"type": "thinking_delta", "thinking": p} for p in _halves(block["thinking"])]
        deltas.append({"type": "signature_delta", "signature": block["signature"]})
    elif block["type"] != "text":
        empty = dict(block)
    else:
        empty = {"type": "text", "text": ""}
        deltas = [{"type": "text_delta", "text": part} for part in _halves(block["text"])]
    yield {"type": "content_block_start", "index": index, "content_block": empty}
    for delta in deltas:
        yield {"type": "content_block_delta", "index": index, "delta": delta}
    yield {"type": "content_block_stop", "index": index}


def _halves(text: str) -> list[str]:
    middle = (len(text) + 1) // 2
    return [part for part in (text[:middle], text[middle:]) if part]
