"""Claude Code as judge: `claude -p` with the user's own account, and nothing else of theirs.

Learned from 2.1.330: with `--json-schema` the answer comes as `structured_output`, which the
client has held to the schema; after a refusal or a wrong label the key is missing. With
`--tools ""` the model is offered the tool that takes the answer, and no other.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Optional

from harness_tracing.evaluate.judge import agent
from harness_tracing.evaluate.judge.answers import malformed
from harness_tracing.evaluate.judge.asking import ProviderError, Question, Reply
from harness_tracing.evaluate.judge.openai_api import refused
from harness_tracing.evaluate.judge.sdk import count, mapping, text
from harness_tracing.model import Usage

_MOST_CALLS = 3
_ALONE = (
    "--tools",
    "",
    "--strict-mcp-config",
    "--disable-slash-commands",
    "--no-session-persistence",
    "--settings",
    '{"disableAllHooks":true}',
)


class ClaudeCode:
    """The `claude` command as a provider; `env` is the user's environment."""

    most_calls = _MOST_CALLS
    overhead_tokens = 16_000  # what the client adds to a prompt of ours, and room

    def __init__(
        self,
        env: Mapping[str, str],
        *,
        model: Optional[str] = None,
        command: str = "claude",
        timeout_s: float = 300.0,
        max_output_tokens: int = 4096,
    ) -> None:
        self.identity = "claude-code"
        self.model = model
        self.max_output_tokens = max_output_tokens
        self._command = command
        self._timeout_s = timeout_s
        self._env = {**env, "CLAUDE_CODE_MAX_OUTPUT_TOKENS": str(max_output_tokens)}

    def ask(self, question: Question) -> Reply:
        """The reply to one question. Raises ProviderError."""
        command = [agent.found(self._command, self._env), "-p", "--output-format", "json"]
        command += [*_ALONE, "--max-turns", str(_MOST_CALLS)]
        command += ["--system-prompt", question.instructions]
        command += ["--json-schema", json.dumps(question.choices.schema())]
        command += ["--model", self.model] if self.model else []
        with agent.empty_folder() as folder:
            ended = agent.run(command, question.prompt.text, folder, self._env, self._timeout_s)
        return _reply(_result(ended))


def _result(ended: agent.Ended) -> Mapping[str, Any]:
    try:
        found = json.loads(ended.out)
    except ValueError:
        found = None
    if isinstance(found, Mapping):
        return found
    raise ProviderError(
        "rejected",
        f"claude ended with status {ended.status}: {ended.said()}; try `claude -p hello`, "
        "and update it if it does not know an option",
        fatal=True,
    )


def _reply(result: Mapping[str, Any]) -> Reply:
    failed = result.get("is_error") is True and result.get("subtype") == "success"
    if failed:
        raise _failure(result)
    told = mapping(result.get("usage"))
    models = list(mapping(result.get("modelUsage")))
    cost = result.get("total_cost_usd")
    reply = Reply(
        result.get("structured_output"),
        _usage(told),
        models[0] if len(models) == 1 else None,
        float(cost) if isinstance(cost, (int, float)) else None,
    )
    if reply.answer is not None:
        return reply
    if result.get("stop_reason") == "refusal":
        answer = refused(text(result.get("result")))
    else:
        answer = malformed("the judge gave no answer that fits the choices")
    return Reply(answer, reply.usage, reply.model, reply.cost_usd)


def _failure(result: Mapping[str, Any]) -> ProviderError:
    status = count(result.get("api_error_status"))
    said = f"claude -p failed: {str(result.get('result'))[:300]}"
    if status == 429:
        return ProviderError("rate_limit", f"{said}; run it again later", retry=True)
    if status is not None and (status >= 500 or status == 408):
        return ProviderError("server", f"{said}; run it again later", retry=True)
    message = f"{said}; see whether `claude -p hello` answers"
    return ProviderError("rejected", message, fatal=status in (None, 401, 403, 404))


def _usage(told: Mapping[str, Any]) -> Usage:
    read = count(told.get("cache_read_input_tokens"))
    written = count(told.get("cache_creation_input_tokens"))
    uncached = count(told.get("input_tokens"))
    long_lived = mapping(told.get("cache_creation")).get("ephemeral_1h_input_tokens")
    return Usage(
        input_tokens=None if uncached is None else uncached + (read or 0) + (written or 0),
        output_tokens=count(told.get("output_tokens")),
        cache_read_tokens=read,
        cache_write_tokens=written,
        cache_write_1h_tokens=count(long_lived),
    )
