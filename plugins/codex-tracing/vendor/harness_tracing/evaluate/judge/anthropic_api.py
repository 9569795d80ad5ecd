"""Anthropic's Messages API: the official SDK, asked once a call.

The answer is the input of a tool that the model has to call. It does nothing; it is how this
API takes a schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional, Union

from harness_tracing import extras
from harness_tracing.evaluate.judge.answers import Failure, malformed
from harness_tracing.evaluate.judge.asking import ANSWER_NAME, Question, Reply
from harness_tracing.evaluate.judge.openai_api import refused, truncated
from harness_tracing.evaluate.judge.sdk import body_of, count, mapping, objects, text
from harness_tracing.model import Usage

ANTHROPIC_URL = "https://api.anthropic.com"


class Anthropic:
    """A model behind Anthropic's API."""

    most_calls = 1
    overhead_tokens = 1_000  # the system prompt that tool use adds

    def __init__(
        self,
        model: str,
        api_key: Optional[str],
        *,
        base_url: str = ANTHROPIC_URL,
        timeout_s: float = 120.0,
        max_output_tokens: int = 4096,
    ) -> None:
        extras.need("judge", "anthropic")
        import anthropic

        self.identity = f"anthropic {base_url}"
        self.model: Optional[str] = model
        self.max_output_tokens = max_output_tokens
        self._where = base_url
        self._sdk = anthropic
        self._client = anthropic.Anthropic(
            api_key=api_key or "none",
            base_url=base_url,
            timeout=timeout_s,
            max_retries=0,
        )
        # Older versions take it from ANTHROPIC_AUTH_TOKEN, which is not for this endpoint.
        self._client.auth_token = None

    def ask(self, question: Question) -> Reply:
        """The reply to one question. Raises ProviderError."""
        tool = {
            "name": ANSWER_NAME,
            "description": "Give the verdict.",
            "input_schema": question.choices.schema(),
        }
        asked = {
            "model": self.model,
            "max_tokens": self.max_output_tokens,
            "system": question.instructions,
            "messages": [{"role": "user", "content": question.prompt.text}],
            "tools": [tool],
            "tool_choice": {
                "type": "tool",
                "name": ANSWER_NAME,
                "disable_parallel_tool_use": True,
            },
        }
        create: Any = self._client.messages.with_raw_response.create
        body = body_of(lambda: create(**asked), self._sdk, self._where)
        return Reply(self._answer(body), _usage(body), text(body.get("model")))

    def _answer(self, body: Mapping[str, Any]) -> Union[Any, Failure]:
        if body.get("stop_reason") == "refusal":
            return refused(None)
        if body.get("stop_reason") == "max_tokens":
            return truncated(self.max_output_tokens)
        used = [each for each in objects(body.get("content")) if each.get("type") == "tool_use"]
        if len(used) != 1 or used[0].get("name") != ANSWER_NAME:
            return malformed("the judge did not call the one tool that takes its verdict once")
        return used[0].get("input")


def _usage(body: Mapping[str, Any]) -> Usage:
    told = mapping(body.get("usage"))
    read = count(told.get("cache_read_input_tokens"))
    written = count(told.get("cache_creation_input_tokens"))
    uncached = count(told.get("input_tokens"))
    return Usage(
        input_tokens=None if uncached is None else uncached + (read or 0) + (written or 0),
        output_tokens=count(told.get("output_tokens")),
        cache_read_tokens=read,
        cache_write_tokens=written,
    )
