"""OpenAI's API, or any that speaks its chat completions: the official SDK, asked once a call.

The SDK takes more from the environment than we want sent to an endpoint of somebody else's: its
base URL, organization and project. All of them are given, or left out, here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal, Optional, Union

from harness_tracing import extras
from harness_tracing.evaluate.judge.answers import Failure, malformed
from harness_tracing.evaluate.judge.asking import ANSWER_NAME, Question, Reply
from harness_tracing.evaluate.judge.sdk import body_of, count, mapping, objects, text
from harness_tracing.model import Usage

OPENAI_URL = "https://api.openai.com/v1"
Structured = Literal["json_schema", "tool"]

_OF_THE_ENVIRONMENT = ("OpenAI-Organization", "OpenAI-Project")


class OpenAICompatible:
    """A model behind chat completions.

    `structured` says how the answer is held to the schema: by `response_format`, or by a tool
    that has to be called, for servers that know only that.
    """

    most_calls = 1
    overhead_tokens = 200

    def __init__(
        self,
        model: str,
        api_key: Optional[str],
        *,
        base_url: str = OPENAI_URL,
        structured: Structured = "json_schema",
        timeout_s: float = 120.0,
        max_output_tokens: int = 4096,
    ) -> None:
        extras.need("judge", "openai")
        import openai

        self.identity = f"openai {base_url} {structured}"
        self.model: Optional[str] = model
        self.max_output_tokens = max_output_tokens
        self._where = base_url
        self._structured = structured
        self._sdk = openai
        left_out: Any = dict.fromkeys(_OF_THE_ENVIRONMENT, openai.Omit())
        self._client = openai.OpenAI(
            api_key=api_key or "none",
            base_url=base_url,
            timeout=timeout_s,
            max_retries=0,
            default_headers=left_out,
        )

    def ask(self, question: Question) -> Reply:
        """The reply to one question. Raises ProviderError."""
        asked = {**self._request(question), **self._structure(question)}
        create: Any = self._client.chat.completions.with_raw_response.create
        body = body_of(lambda: create(**asked), self._sdk, self._where)
        choice = mapping(next(iter(objects(body.get("choices"))), None))
        return Reply(self._answer(choice), _usage(body), text(body.get("model")))

    def _request(self, question: Question) -> dict[str, Any]:
        return {
            "model": self.model,
            "messages": [
                {"role": "system", "content": question.instructions},
                {"role": "user", "content": question.prompt.text},
            ],
            "max_completion_tokens": self.max_output_tokens,
        }

    def _structure(self, question: Question) -> dict[str, Any]:
        schema = question.choices.schema()
        if self._structured == "json_schema":
            named = {"name": ANSWER_NAME, "strict": True, "schema": schema}
            return {"response_format": {"type": "json_schema", "json_schema": named}}
        function = {"name": ANSWER_NAME, "description": "Give the verdict.", "parameters": schema}
        return {
            "tools": [{"type": "function", "function": {**function, "strict": True}}],
            "tool_choice": {"type": "function", "function": {"name": ANSWER_NAME}},
        }

    def _answer(self, choice: Mapping[str, Any]) -> Union[Any, Failure]:
        message = mapping(choice.get("message"))
        refusal = text(message.get("refusal"))
        if refusal or choice.get("finish_reason") == "content_filter":
            return refused(refusal)
        if choice.get("finish_reason") == "length":
            return truncated(self.max_output_tokens)
        calls = objects(message.get("tool_calls"))
        if self._structured == "json_schema":
            if calls:
                return malformed("the judge asked for a tool, though none was offered")
            return _parsed(message.get("content"))
        functions = [mapping(each.get("function")) for each in calls]
        if len(functions) != 1 or functions[0].get("name") != ANSWER_NAME:
            return malformed("the judge did not call the one tool that takes its verdict once")
        return _parsed(functions[0].get("arguments"))


def refused(why: Optional[str]) -> Failure:
    """The model, or a filter before it, would not answer."""
    told = f": {why[:300]}" if why else ""
    return Failure(
        "refusal",
        f"the judge refused to answer{told}; look at the recorded text, or try another model",
    )


def truncated(most: int) -> Failure:
    """The answer did not fit."""
    return Failure(
        "truncated",
        f"the answer did not end within {most} tokens; raise max_output_tokens of the integration",
    )


def _parsed(said: Any) -> Union[Any, Failure]:
    try:
        return json.loads(said)
    except (TypeError, ValueError):
        return malformed("the answer is no JSON")


def _usage(body: Mapping[str, Any]) -> Usage:
    told = mapping(body.get("usage"))
    return Usage(
        input_tokens=count(told.get("prompt_tokens")),
        output_tokens=count(told.get("completion_tokens")),
        cache_read_tokens=count(mapping(told.get("prompt_tokens_details")).get("cached_tokens")),
        reasoning_tokens=count(
            mapping(told.get("completion_tokens_details")).get("reasoning_tokens")
        ),
    )
