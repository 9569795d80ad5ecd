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

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from harness_tracing.model import (
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
    Turn,
)
from harness_tracing.redact.values import Cleaner, Policy, Seen, hidden, same_or_new, texts_in

__all__ = ["Policy", "redact_message", "redact_session", "redact_step", "redact_turn"]


def redact_turn(turn: Turn, policy: Policy) -> Turn:
    """The turn without what `policy` hides, steps included; its ids and numbers are the same.

    `redactions` of the turn counts the secrets of its header, each step counts its own.
    Redacting twice changes nothing more.
    """
    seen = Seen()
    cleaner = Cleaner(policy, seen)
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
        steps=tuple(_step(step, Cleaner(policy, seen), asks_model) for step in turn.steps),
        redactions=turn.redactions + cleaner.count,
    )


def redact_step(step: Step, policy: Policy) -> Step:
    """One step without what `policy` hides; its `redactions` grows by the secrets found."""
    return _step(step, Cleaner(policy), frozenset())


def redact_session(session: Session, policy: Policy) -> Session:
    """The session without secrets in its free attributes; it holds no content."""
    attributes = Cleaner(policy).json(session.attributes, True, "attributes")
    return replace(session, attributes=attributes)


def redact_message(message: Message, policy: Policy) -> Message:
    """One message to or from a model without what `policy` hides."""
    return Cleaner(policy).message(message)


def _step(step: Step, cleaner: Cleaner, asks_model: frozenset[str]) -> Step:
    policy = cleaner.policy
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
    if not cleaner.count:
        return clean
    return replace(clean, redactions=clean.redactions + cleaner.count)


def _model_call(call: ModelCall, cleaner: Cleaner) -> ModelCall:
    of_agent = call.agent_id is not None
    clean = partial(cleaner.message, of_agent=of_agent)
    inputs = same_or_new(call.input_messages, map(clean, call.input_messages))
    output = None if call.output is None else clean(call.output)
    error = cleaner.failure(call.error, cleaner.policy.all)
    parameters = cleaner.facts(call.parameters, cleaner.policy.prompts)
    # Most calls hold nothing to take out.
    if (
        inputs is call.input_messages
        and output is call.output
        and error is call.error
        and parameters is call.parameters
    ):
        return call
    return replace(call, input_messages=inputs, output=output, error=error, parameters=parameters)


def _tool_call(tool: ToolCall, cleaner: Cleaner, asks_model: bool) -> ToolCall:
    policy = cleaner.policy
    if isinstance(tool.input, (dict, Mapping)) and isinstance(tool.input.get("prompt"), str):
        asks_model = True
    details = policy.tool_details and (policy.prompts or not asks_model)
    content = policy.tool_content and (policy.prompts or not asks_model)
    tool = tool if details else _without_echo(tool)
    asked = cleaner.json(tool.input, details, "tool input")
    output = cleaner.text(tool.output, content, "tool output")
    result = cleaner.json(tool.result, content and details, "tool output")
    error = cleaner.failure(tool.error, content and details)
    if (
        asked is tool.input
        and output is tool.output
        and result is tool.result
        and error is tool.error
    ):
        return tool
    return replace(tool, input=asked, output=output, result=result, error=error)


def _details(moment: Moment, cleaner: Cleaner) -> Json:
    """Its facts (numbers, triggers, names of models) stay, its texts go with their kind."""
    policy = cleaner.policy
    of_models = moment.kind in ("compaction", "prompt", "hook_feedback", "thinking", "message")
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
    for text in texts_in(value):
        found.add(text.strip())
        found.update(_PATH_OR_URL.findall(text[:10_000]))
    long_enough = (text for text in found if len(text) >= _ECHO_SHORTEST)
    return sorted(long_enough, key=len, reverse=True)[:_ECHO_MOST]


def _without(text: str, echoes: list[str]) -> str:
    for echo in echoes:
        if echo in text:
            text = text.replace(echo, hidden("tool input", len(echo)))
    return text
