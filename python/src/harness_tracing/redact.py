"""What a user does not want written down is taken out here, before the store and any export.

In this order: content whose switch is off becomes a length marker, ``[prompt hidden: 123 chars]``;
secrets become ``[redacted:<kind>]`` and are counted; what is still too long is cut in its middle.
Cutting comes last, on the whole value, so that no half of a secret is left.

The switches go by where content comes from:

- prompts: prompts and what models wrote (texts, thinking, sub-agents' prompts and responses),
- tool details: what tools were asked,
- tool content: what tools returned.

What repeats content of another kind hides with it: a sub-agent's prompt is its tool's input and
its response that tool's output, a structured result and an error mirror the request, a tool's
message in a model's input repeats the output, an agent wraps outputs in messages of the user's
role, and a provider's error may quote any part of its request. Ids, names of tools and models,
numbers and times always stay.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Optional

from harness_tracing.config import DEFAULT_MAX_VALUE_CHARS, SecretPattern, Settings
from harness_tracing.model import (
    Failure,
    Gap,
    Json,
    Message,
    ModelCall,
    Moment,
    Repository,
    Session,
    Step,
    Subagent,
    ToolCall,
    ToolRequest,
    Turn,
)
from harness_tracing.secret_scan import redact_text, secret_kind_of_name

# Deeper nesting than this is nobody's argument or result.
_DEEPEST = 100
_SHORTEST_LEAF = 200
_MARKER = re.compile(r"\[[a-z ]+ hidden: \d+ chars\]")


@dataclass(frozen=True)
class Policy:
    """What may be written down. Built from the settings of a session."""

    prompts: bool = True
    tool_details: bool = True
    tool_content: bool = True
    secrets: bool = True
    patterns: tuple[SecretPattern, ...] = ()
    max_value_chars: int = DEFAULT_MAX_VALUE_CHARS

    @staticmethod
    def of(settings: Settings) -> Policy:
        """The policy that a session's settings ask for."""
        return Policy(
            prompts=settings.log_prompts,
            tool_details=settings.log_tool_details,
            tool_content=settings.log_tool_content,
            secrets=settings.redact_secrets,
            patterns=settings.secret_patterns,
            max_value_chars=settings.max_value_chars,
        )

    @property
    def tools(self) -> bool:
        """Whether both what tools were asked and what they returned may be shown."""
        return self.tool_details and self.tool_content

    @property
    def all(self) -> bool:
        """Whether content of every kind may be shown."""
        return self.prompts and self.tools


def redact_turn(turn: Turn, policy: Policy) -> Turn:
    """The turn without what `policy` hides, steps included; its ids and numbers are the same.

    `redactions` of the turn counts the secrets of its header, each step counts its own.
    Redacting twice changes nothing more.
    """
    cleaner = _Cleaner(policy)
    asks_model = frozenset(
        s.tool_use_id for s in turn.steps if isinstance(s, Subagent) and s.tool_use_id is not None
    )
    return replace(
        turn,
        prompt=cleaner.user_text(turn.prompt, policy.prompts),
        response=cleaner.text(turn.response, policy.prompts, "response"),
        error=cleaner.failure(turn.error, policy.all),
        cwd=cleaner.scanned(turn.cwd),
        repository=Repository(
            url=cleaner.scanned(turn.repository.url),
            branch=cleaner.scanned(turn.repository.branch),
            commit=turn.repository.commit,
        ),
        gaps=tuple(Gap(gap.what, cleaner.scanned(gap.why) or "") for gap in turn.gaps),
        steps=tuple(_step(step, policy, asks_model) for step in turn.steps),
        redactions=turn.redactions + cleaner.count,
    )


def redact_step(step: Step, policy: Policy) -> Step:
    """One step without what `policy` hides; its `redactions` grows by the secrets found."""
    return _step(step, policy, frozenset())


def redact_session(session: Session, policy: Policy) -> Session:
    """The session without secrets in its free attributes; it holds no content."""
    attributes = _Cleaner(policy).json(session.attributes, True, "attributes")
    return replace(session, attributes=attributes)


def redact_message(message: Message, policy: Policy) -> Message:
    """One message to or from a model without what `policy` hides."""
    return _Cleaner(policy).message(message)


def _step(step: Step, policy: Policy, asks_model: frozenset[str]) -> Step:
    cleaner = _Cleaner(policy)
    clean: Step
    if isinstance(step, ModelCall):
        clean = _model_call(step, cleaner)
    elif isinstance(step, ToolCall):
        clean = _tool_call(step, cleaner, step.tool_use_id in asks_model)
    elif isinstance(step, Subagent):
        clean = replace(
            step,
            prompt=cleaner.user_text(step.prompt, policy.prompts and policy.tool_details),
            response=cleaner.text(
                step.response, policy.prompts and policy.tool_content, "response"
            ),
            error=cleaner.failure(step.error, policy.all),
        )
    else:
        clean = replace(step, details=_details(step, cleaner))
    return replace(clean, redactions=clean.redactions + cleaner.count)


def _model_call(call: ModelCall, cleaner: _Cleaner) -> ModelCall:
    of_agent = call.agent_id is not None
    inputs = (cleaner.message(message, of_agent) for message in call.input_messages)
    return replace(
        call,
        input_messages=tuple(inputs),
        output=None if call.output is None else cleaner.message(call.output, of_agent),
        error=cleaner.failure(call.error, cleaner.policy.all),
        parameters=cleaner.facts(call.parameters, cleaner.policy.prompts),
    )


def _tool_call(tool: ToolCall, cleaner: _Cleaner, asks_model: bool) -> ToolCall:
    policy = cleaner.policy
    if isinstance(tool.input, Mapping) and isinstance(tool.input.get("prompt"), str):
        asks_model = True
    details = policy.tool_details and (policy.prompts or not asks_model)
    content = policy.tool_content and (policy.prompts or not asks_model)
    tool = tool if details else _without_echo(tool)
    return replace(
        tool,
        input=cleaner.json(tool.input, details, "tool input"),
        output=cleaner.text(tool.output, content, "tool output"),
        result=cleaner.json(tool.result, content and details, "tool output"),
        error=cleaner.failure(tool.error, content and details),
    )


def _details(moment: Moment, cleaner: _Cleaner) -> Json:
    """Its facts (numbers, triggers, names of models) stay, its texts go with their kind."""
    policy = cleaner.policy
    of_models = moment.kind in ("compaction", "prompt", "hook_feedback")
    details = moment.details
    if of_models and policy.prompts and isinstance(details, Mapping):
        return {
            name: cleaner.user_text(cleaner.named(name, value), True)
            if isinstance(value, str)
            else cleaner.json(value, True, "details", name)
            for name, value in details.items()
        }
    return cleaner.facts(details, policy.prompts if of_models else policy.all)


# --- what a tool was asked, repeated in what it returned

_ECHO_SHORTEST = 4
_ECHO_MOST = 200
_PATH_OR_URL = re.compile(r"[^\s\"'`;|&()<>=,]*/[^\s\"'`;|&()<>=,]*")


def _without_echo(tool: ToolCall) -> ToolCall:
    """The tool call with no argument of its input repeated in its output."""
    if tool.output is None:
        return tool
    return replace(tool, output=_without(tool.output, _echoes(tool.input)))


def _echoes(value: Json) -> list[str]:
    found: set[str] = set()
    for leaf in _leaves(value, 0):
        found.add(leaf.strip())
        found.update(_PATH_OR_URL.findall(leaf[:10_000]))
    long_enough = (text for text in found if len(text) >= _ECHO_SHORTEST)
    return sorted(long_enough, key=len, reverse=True)[:_ECHO_MOST]


def _leaves(value: Json, depth: int) -> list[str]:
    if isinstance(value, str):
        return [value]
    if depth > _DEEPEST or not isinstance(value, (Mapping, list, tuple)):
        return []
    inner = value.values() if isinstance(value, Mapping) else value
    return [leaf for item in inner for leaf in _leaves(item, depth + 1)]


def _without(text: str, echoes: list[str]) -> str:
    for echo in echoes:
        if echo in text:
            text = text.replace(echo, _hidden("tool input", len(echo)))
    return text


# --- content an agent wraps into messages of the user's role

_WRAPPED = (
    "bash-input",
    "bash-stdout",
    "bash-stderr",
    "local-command-stdout",
    "local-command-stderr",
    "task-notification",
    "system-reminder",
)
_OPENING = re.compile(rf"<({'|'.join(_WRAPPED)})>")


def _without_wrapped(text: str, policy: Policy) -> str:
    """`text` without the tool content in it: all of it goes when either tool switch is off."""
    if policy.tools:
        return text
    pieces, at = [], 0
    for opening in _OPENING.finditer(text):
        if opening.start() < at:
            continue
        end = text.find(f"</{opening.group(1)}>", opening.end())
        end = end if end >= 0 else len(text)
        inner = text[opening.end() : end]
        shown = inner if _MARKER.fullmatch(inner) else _hidden("tool content", len(inner))
        pieces += [text[at : opening.end()], shown]
        at = end
    return "".join([*pieces, text[at:]])


# --- values

# What these keys of a model's parameters or a moment's details hold is a choice among few words.
_FACTS = frozenset(
    "trigger source reason kind type status model from_model to_model effort speed service_tier"
    " display mode notification_type command_source expansion_type display_name error_type".split()
)
_FACT = re.compile(r"[A-Za-z0-9_.:/\[\]-]{0,80}")


def _hidden(what: str, chars: int) -> str:
    return f"[{what} hidden: {chars} chars]"


class _Cleaner:
    """Applies one policy and counts the secrets it replaced."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.count = 0
        self._patterns = tuple((pattern.kind, pattern.regex) for pattern in policy.patterns)

    def text(self, text: Optional[str], shown: bool, what: str) -> Optional[str]:
        """A text: hidden, or without secrets and not too long."""
        if not text:
            return text
        if not shown:
            return text if _MARKER.fullmatch(text) else _hidden(what, len(text))
        return self._cut(self.scanned(text) or "")

    def user_text(self, text: Optional[str], shown: bool) -> Optional[str]:
        """A text of the user's role, which may have tool content wrapped into it."""
        if text and shown:
            text = _without_wrapped(text, self.policy)
        return self.text(text, shown, "prompt")

    def scanned(self, text: Optional[str]) -> Optional[str]:
        """A text without secrets, of whatever length."""
        if not text or not (self.policy.secrets or self._patterns):
            return text
        clean, count = redact_text(text, self._patterns, self.policy.secrets)
        self.count += count
        return clean

    def _cut(self, text: str) -> str:
        most = self.policy.max_value_chars
        if len(text) <= most:
            return text
        marker = f"\n[cut: {len(text)} chars in all]\n"
        tail = (most - len(marker)) // 4
        head = most - len(marker) - tail
        return text[:head] + marker + text[len(text) - tail :]

    def failure(self, failure: Optional[Failure], shown: bool) -> Optional[Failure]:
        """An error: its type stays."""
        if failure is None:
            return None
        return Failure(
            type=self.scanned(failure.type) or failure.type,
            message=self.text(failure.message, shown, "error"),
        )

    def message(self, message: Message, of_agent: bool = False) -> Message:
        """A message to or from a model, by its role; `of_agent`: the model is a sub-agent's."""
        policy = self.policy
        if message.role == "tool":
            content = self.text(message.content, policy.tools, "tool output")
        elif message.role == "assistant":
            shown = policy.prompts and (policy.tool_content or not of_agent)
            content = self.text(message.content, shown, "response")
        else:
            shown = policy.prompts and (policy.tool_details or not of_agent)
            content = self.user_text(message.content, shown)
        return replace(
            message,
            content=content,
            thinking=self.text(message.thinking, policy.prompts, "thinking"),
            tool_requests=tuple(self._request(request) for request in message.tool_requests),
        )

    def _request(self, request: ToolRequest) -> ToolRequest:
        arguments = request.arguments
        shown = self.policy.tool_details
        if isinstance(arguments, Mapping) and isinstance(arguments.get("prompt"), str):
            shown = shown and self.policy.prompts
        return replace(request, arguments=self.json(arguments, shown, "tool input"))

    # -- JSON

    def json(self, value: Json, shown: bool, what: str, name: str = "") -> Json:
        """A JSON value: hidden as one text, or each text in it clean, all together not too long."""
        if value is None or (isinstance(value, (bool, int, float)) and shown):
            return value
        if isinstance(value, str):
            return self.text(self.named(name, value), shown, what)
        if not shown:
            return _hidden(what, len(_dumped(value)))
        clean = self._clean(value, name, 0)
        return _shortened(clean, self.policy.max_value_chars, self)

    def facts(self, value: Json, shown: bool) -> Json:
        """JSON of facts with texts among them: when hidden, numbers and chosen words stay."""
        if shown:
            return self.json(value, True, "details")
        return self._facts(value, "", 0)

    def _facts(self, value: Json, name: str, depth: int) -> Json:
        if isinstance(value, str):
            if (name in _FACTS and _FACT.fullmatch(value)) or _MARKER.fullmatch(value):
                return value
            return _hidden("text", len(value)) if value else value
        if isinstance(value, Mapping) and depth < _DEEPEST:
            return {
                key if _FACT.fullmatch(str(key)) else _hidden("text", len(str(key))): self._facts(
                    item, str(key), depth + 1
                )
                for key, item in value.items()
            }
        if isinstance(value, (list, tuple)) and depth < _DEEPEST:
            return [self._facts(item, name, depth + 1) for item in value]
        return value if value is None or isinstance(value, (bool, int, float)) else _too_deep()

    def named(self, name: str, value: str) -> str:
        """The text, or a marker in its place when the name it stands under calls it a secret."""
        if not name or not value.strip() or not self.policy.secrets or _is_reference(value):
            return value
        kind = secret_kind_of_name(name)
        if kind is None:
            return value
        self.count += 1
        return f"[redacted:{kind}]"

    def _clean(self, value: Json, name: str, depth: int) -> Json:
        if isinstance(value, str):
            return self.scanned(self.named(name, value))
        if isinstance(value, Mapping) and depth < _DEEPEST:
            return self._clean_mapping(value, depth)
        if isinstance(value, (list, tuple)) and depth < _DEEPEST:
            return [self._clean(item, name, depth + 1) for item in value]
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, (int, float)):
            is_password = self.policy.secrets and secret_kind_of_name(name) == "password"
            return self.named(name, str(value)) if is_password else value
        return _too_deep()

    def _clean_mapping(self, value: Mapping[Any, Json], depth: int) -> dict[str, Json]:
        # {"name": "DB_PASSWORD", "value": "…"}: what `value` holds goes by the other's word.
        given = value.get("name", value.get("key"))
        clean: dict[str, Json] = {}
        for key, item in value.items():
            name = given if key == "value" and isinstance(given, str) else str(key)
            new_key = self.scanned(str(key)) or ""
            while new_key in clean:
                new_key += "'"
            clean[new_key] = self._clean(item, name, depth + 1)
        return clean


_REFERENCE = re.compile(
    r"\$\w+|\$?\{\{?[^{}]*\}\}?|\$\([^()]*\)|%\w+%|<[^<>]*>|\*+|\.{3}|\[redacted:[\w-]+\]"
    r"|(?:true|false|null|none|undefined)|\[[a-z ]+ hidden: \d+ chars\]",
    re.IGNORECASE,
)


def _is_reference(value: str) -> bool:
    """Whether the text only stands for a value: a variable, a placeholder, a marker of ours."""
    return _REFERENCE.fullmatch(value.strip()) is not None


def _too_deep() -> str:
    return f"[cut: nested deeper than {_DEEPEST}]"


def _dumped(value: Json) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, default=str)
    except (ValueError, RecursionError):
        return ""


def _shortened(value: Json, most: int, cleaner: _Cleaner) -> Json:
    """`value` with its longest texts cut until the whole is not too long.

    Where many short ones add up, it becomes the beginning of its JSON text.
    """
    leaves = _leaves(value, 0)
    if sum(map(len, leaves)) <= most and len(leaves) * 4 <= most:
        dumped = _dumped(value) if len(leaves) > 50 or sum(map(len, leaves)) * 2 > most else ""
        if len(dumped) <= most:
            return value
    leaf_most = most
    while leaf_most > _SHORTEST_LEAF:
        leaf_most = max(_SHORTEST_LEAF, leaf_most // 2)
        shorter = _cut_leaves(value, leaf_most, cleaner)
        if len(_dumped(shorter)) <= most:
            return shorter
    return cleaner._cut(_dumped(value))


def _cut_leaves(value: Json, most: int, cleaner: _Cleaner) -> Json:
    if isinstance(value, str):
        return _Cleaner(replace(cleaner.policy, max_value_chars=most))._cut(value)
    if isinstance(value, Mapping):
        return {key: _cut_leaves(item, most, cleaner) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_cut_leaves(item, most, cleaner) for item in value]
    return value
