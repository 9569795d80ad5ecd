"""Content switches and secret patterns: values in, the same values without what is not to be kept.

Runs before anything is stored or sent. Doing it twice changes nothing more.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Optional

from harness_tracing.config import DEFAULT_MAX_VALUE_CHARS, Settings
from harness_tracing.model import (
    Failure,
    Message,
    ModelCall,
    Moment,
    Session,
    Step,
    Subagent,
    ToolCall,
    ToolRequest,
    Turn,
)
from harness_tracing.secret_scan import redact_text as redact_secrets
from harness_tracing.secret_scan import secret_kind_of_name

PROMPT, TOOL_INPUT, TOOL_OUTPUT = "prompt", "tool input", "tool output"

_HIDDEN = re.compile(r"\[(?:prompt|tool input|tool output) hidden: \d+ characters\]\Z")
_CUT = re.compile(r" … \[cut: \d+ characters in all\]\Z")
_REDACTED = re.compile(r"\[redacted:[^\]]{1,60}\]\Z")
_CUT_ROOM = 60


@dataclass(frozen=True)
class Policy:
    """What may be kept. The switches are the user's; secrets go unless that is switched off.

    `patterns` are (kind, compiled expression) of the user's own. Texts longer than
    `max_value_chars` are cut, with their length noted.
    """

    log_prompts: bool = True
    log_tool_details: bool = True
    log_tool_content: bool = True
    secrets: bool = True
    patterns: tuple[tuple[str, re.Pattern[str]], ...] = ()
    max_value_chars: int = DEFAULT_MAX_VALUE_CHARS

    @classmethod
    def of(cls, settings: Settings) -> Policy:
        """The policy that the settings ask for."""
        return cls(
            settings.log_prompts,
            settings.log_tool_details,
            settings.log_tool_content,
            settings.redact_secrets,
            tuple((kind, re.compile(pattern)) for kind, pattern in settings.secret_patterns),
            settings.max_value_chars,
        )


@dataclass
class _Redaction:
    """One value's redaction under a policy; counts the secrets it took out."""

    policy: Policy
    found: int = 0
    shown: Mapping[str, bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.shown = {
            PROMPT: self.policy.log_prompts,
            TOOL_INPUT: self.policy.log_tool_details,
            TOOL_OUTPUT: self.policy.log_tool_content,
        }

    def text(self, text: Optional[str], *kinds: str) -> Optional[str]:
        """A text that is shown only if content of all these kinds is."""
        if text is None or _HIDDEN.match(text):
            return text
        hidden = self._hidden(kinds)
        if hidden is not None:
            return _marker(hidden, len(text))
        return self._cut(self._without_secrets(text))

    def json(self, value: Any, *kinds: str) -> Any:
        """A JSON value that is shown only if content of all these kinds is."""
        if value is None or (isinstance(value, str) and _HIDDEN.match(value)):
            return value
        hidden = self._hidden(kinds)
        if hidden is not None:
            return _marker(hidden, len(_as_json(value)))
        return self._json(value)

    def _hidden(self, kinds: tuple[str, ...]) -> Optional[str]:
        return next((kind for kind in kinds if not self.shown[kind]), None)

    def _json(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._cut(self._without_secrets(value))
        if isinstance(value, Mapping):
            return {self._key(key): self._member(key, item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self._json(item) for item in value]
        return value

    def _key(self, key: Any) -> str:
        return self._cut(self._without_secrets(str(key)))

    def _member(self, key: Any, value: Any) -> Any:
        """A member whose name says it is a secret is one, whatever it looks like."""
        kind = secret_kind_of_name(str(key)) if self.policy.secrets else None
        if kind is None or not isinstance(value, str) or not value or _REDACTED.match(value):
            return self._json(value)
        self.found += 1
        return f"[redacted:{kind}]"

    def _without_secrets(self, text: str) -> str:
        if not self.policy.secrets:
            return text
        text, found = redact_secrets(text, self.policy.patterns)
        self.found += found
        return text

    def _cut(self, text: str) -> str:
        limit = self.policy.max_value_chars
        if len(text) <= limit or (_CUT.search(text) and len(text) <= limit + _CUT_ROOM):
            return text
        return f"{text[:limit]} … [cut: {len(text)} characters in all]"

    def failure(self, failure: Optional[Failure], *kinds: str) -> Optional[Failure]:
        """A failure's type stays; its message is content."""
        return failure and replace(failure, message=self.text(failure.message, *kinds))

    def message(self, message: Message) -> Message:
        """A message: a tool's result is tool output, all others are prompts."""
        kind = TOOL_OUTPUT if message.role == "tool" else PROMPT
        return replace(
            message,
            content=self.text(message.content, kind),
            thinking=self.text(message.thinking, PROMPT),
            tool_requests=tuple(self._request(asked) for asked in message.tool_requests),
        )

    def _request(self, asked: ToolRequest) -> ToolRequest:
        return replace(asked, arguments=self.json(asked.arguments, TOOL_INPUT))


def _marker(kind: str, length: int) -> str:
    return f"[{kind} hidden: {length} characters]"


def _as_json(value: Any) -> str:
    import json

    return json.dumps(value, ensure_ascii=False, default=str)


def redact_message(message: Message, policy: Policy) -> Message:
    """A message as the policy lets it be kept."""
    return _Redaction(policy).message(message)


def redact_step(step: Step, policy: Policy) -> Step:
    """A step as the policy lets it be kept; `redactions` counts the secrets taken out of it."""
    redaction = _Redaction(policy)
    if isinstance(step, ModelCall):
        redacted: Step = _call(step, redaction)
    elif isinstance(step, ToolCall):
        redacted = _tool(step, redaction)
    elif isinstance(step, Subagent):
        redacted = _agent(step, redaction)
    else:
        redacted = _moment(step, redaction)
    return replace(redacted, redactions=step.redactions + redaction.found)


def _call(call: ModelCall, redaction: _Redaction) -> ModelCall:
    return replace(
        call,
        input_messages=tuple(redaction.message(message) for message in call.input_messages),
        output=redaction.message(call.output) if call.output is not None else None,
        error=redaction.failure(call.error, PROMPT),
    )


def _tool(tool: ToolCall, redaction: _Redaction) -> ToolCall:
    """What a tool returned may repeat what it was asked: a denial its command, an edit its text."""
    both = (TOOL_OUTPUT, TOOL_INPUT)
    return replace(
        tool,
        input=redaction.json(tool.input, TOOL_INPUT),
        output=redaction.text(tool.output, TOOL_OUTPUT),
        result=redaction.json(tool.result, *both),
        error=redaction.failure(tool.error, *both),
    )


def _agent(agent: Subagent, redaction: _Redaction) -> Subagent:
    """A sub-agent's prompt is its tool's input, its answer that tool's output."""
    return replace(
        agent,
        prompt=redaction.text(agent.prompt, PROMPT, TOOL_INPUT),
        response=redaction.text(agent.response, PROMPT, TOOL_OUTPUT),
        error=redaction.failure(agent.error, PROMPT),
    )


def _moment(moment: Moment, redaction: _Redaction) -> Moment:
    details = moment.details
    if isinstance(details, Mapping):
        details = {
            key: redaction.json(value, PROMPT) if isinstance(value, str) and key in _SAID else value
            for key, value in details.items()
        }
    return replace(moment, details=details)


# Which of a moment's details a person or a model said; the others are counts and triggers.
_SAID = ("text", "summary", "instructions")


def redact_turn(turn: Turn, policy: Policy) -> Turn:
    """A turn, header and steps, as the policy lets it be kept."""
    redaction = _Redaction(policy)
    redacted = replace(
        turn,
        prompt=redaction.text(turn.prompt, PROMPT),
        response=redaction.text(turn.response, PROMPT),
        error=redaction.failure(turn.error, PROMPT),
        steps=tuple(redact_step(step, policy) for step in turn.steps),
    )
    return replace(redacted, redactions=turn.redactions + redaction.found)


def redact_session(session: Session, policy: Policy) -> Session:
    """A session: only its free attributes may hold what is not to be kept."""
    redaction = _Redaction(policy)
    attributes = {key: redaction.text(value) or "" for key, value in session.attributes.items()}
    return replace(session, attributes=attributes)
