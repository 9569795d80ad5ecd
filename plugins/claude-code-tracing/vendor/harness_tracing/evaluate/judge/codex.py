"""Codex as judge: `codex exec` with the user's own account, and nothing else of theirs.

Learned from 0.169: `--disable hooks` keeps all hooks from running, trusted ones too;
`--ignore-user-config` leaves out MCP servers and `notify`, and keeps the login. Two tools cannot
be switched off, asking the user and apply_patch; the one has nobody to answer it, the other a
read-only sandbox around an empty folder.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Optional, Union

from harness_tracing.evaluate.judge import agent
from harness_tracing.evaluate.judge.answers import Failure, malformed
from harness_tracing.evaluate.judge.asking import ProviderError, Question, Reply
from harness_tracing.evaluate.judge.sdk import count, mapping, text
from harness_tracing.model import Usage

_FEATURES_OFF = (
    "hooks",
    "apps",
    "browser_use",
    "code_mode_host",
    "computer_use",
    "goals",
    "image_generation",
    "in_app_browser",
    "memories",
    "multi_agent",
    "plugins",
    "shell_tool",
    "skill_search",
    "sleep_tool",
    "tool_suggest",
    "unified_exec",
    "view_image",
)
_ALONE = (
    "--json",
    "--ephemeral",
    "--skip-git-repo-check",
    "--ignore-user-config",
    "--ignore-rules",
    "--sandbox",
    "read-only",
    "-c",
    'web_search="disabled"',
    "-c",
    "notify=[]",
)


class Codex:
    """The `codex` command as a provider; `env` is the user's environment.

    `arguments` come last, for what a user's configuration would have said (`-c`, a provider).
    """

    most_calls = 1
    overhead_tokens = 16_000  # the client's own instructions, and room

    def __init__(
        self,
        env: Mapping[str, str],
        *,
        model: Optional[str] = None,
        command: str = "codex",
        arguments: Sequence[str] = (),
        timeout_s: float = 300.0,
        max_output_tokens: int = 4096,
    ) -> None:
        self.identity = " ".join(("codex", *arguments))
        self.model = model
        self.max_output_tokens = max_output_tokens
        self._command = command
        self._arguments = tuple(arguments)
        self._timeout_s = timeout_s
        self._env = dict(env)

    def ask(self, question: Question) -> Reply:
        """The reply to one question. Raises ProviderError."""
        off = [word for feature in _FEATURES_OFF for word in ("--disable", feature)]
        command = [agent.found(self._command, self._env), "exec", *_ALONE, *off]
        command += ["-c", f"developer_instructions={json.dumps(question.instructions)}"]
        command += ["--model", self.model] if self.model else []
        with agent.empty_folder() as schema_folder, agent.empty_folder() as folder:
            schema = schema_folder / "answer.json"
            schema.write_text(json.dumps(question.choices.schema()), encoding="utf-8")
            command += ["--output-schema", str(schema), *self._arguments, "-"]
            ended = agent.run(command, question.prompt.text, folder, self._env, self._timeout_s)
        return self._reply(ended)

    def _reply(self, ended: agent.Ended) -> Reply:
        said: Optional[str] = None
        usage: Optional[Usage] = None
        failed: Optional[str] = None
        for event in _events(ended.out):
            item = mapping(event.get("item"))
            if event.get("type") == "item.completed" and item.get("type") == "agent_message":
                said = text(item.get("text"))
            elif event.get("type") == "turn.completed":
                usage = _usage(mapping(event.get("usage")))
            elif event.get("type") == "turn.failed":
                failed = str(mapping(event.get("error")).get("message"))
        if usage is None:
            raise _failure(failed, ended)
        return Reply(_parsed(said), usage, self.model)


def _events(out: str) -> Iterator[Mapping[str, Any]]:
    for line in out.split("\n"):
        try:
            yield mapping(json.loads(line))
        except ValueError:
            continue


def _parsed(said: Optional[str]) -> Union[Any, Failure]:
    try:
        return json.loads(said or "")
    except ValueError:
        return malformed("the judge gave no answer that fits the choices")


def _failure(failed: Optional[str], ended: agent.Ended) -> ProviderError:
    if failed is None:
        message = f"codex ended with status {ended.status}: {ended.said()}; try `codex exec hello`"
        return ProviderError("rejected", message, fatal=True)
    message = f"codex exec failed: {failed[:300]}; see whether `codex exec hello` answers"
    # Codex has tried several times itself, and says no more than this.
    return ProviderError("server", message)


def _usage(told: Mapping[str, Any]) -> Usage:
    return Usage(
        input_tokens=count(told.get("input_tokens")),
        output_tokens=count(told.get("output_tokens")),
        cache_read_tokens=count(told.get("cached_input_tokens")),
        reasoning_tokens=count(told.get("reasoning_output_tokens")),
    )
