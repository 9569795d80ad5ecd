"""What a span tells of the step it stands for. Each function returns attributes, known or None.

Nothing here knows of parents or times; `shapes` adds those.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Optional

from openinference.instrumentation import get_llm_attributes, get_tool_attributes
from openinference.semconv.trace import SpanAttributes

from harness_tracing.model import (
    Failure,
    Message,
    ModelCall,
    Moment,
    Session,
    Subagent,
    ToolCall,
    ToolRequest,
    Turn,
)
from harness_tracing.prices import Priced
from harness_tracing.spans import attributes as key
from harness_tracing.spans.content import (
    answer,
    input_value,
    json_text,
    last_text,
    message,
    output_value,
)
from harness_tracing.spans.span import StatusCode
from harness_tracing.spans.usage import cost_attributes, token_attributes

_IN_WORDS = {
    "failed": "failed",
    "error": "failed",
    "denied": "was denied",
    "interrupted": "was interrupted",
}


@dataclass(frozen=True)
class Outcome:
    """How something ended: the span's status and what its attributes say of a failure."""

    code: StatusCode
    message: Optional[str] = None
    attributes: Mapping[str, Any] = field(default_factory=dict)


def outcome(what: str, status: str, failure: Optional[Failure]) -> Outcome:
    """The outcome of something with one of our statuses."""
    if status in ("completed", "ok"):
        return Outcome("OK")
    if status not in _IN_WORDS:
        return Outcome("UNSET")
    told = failure.message if failure is not None else None
    text = told or f"{what} {_IN_WORDS[status]}"
    kind = failure.type if failure is not None else status
    return Outcome("ERROR", text, {key.ERROR_TYPE: kind, key.ERROR_MESSAGE: text})


def call_outcome(call: ModelCall) -> Outcome:
    """A model call has no status: it failed, has ended, or goes on."""
    if call.error is not None:
        return outcome("The model call", "failed", call.error)
    return Outcome("UNSET" if call.ended_at_ns is None else "OK")


def common(turn: Turn, session: Session, harness_version: str) -> dict[str, Any]:
    """What every span of a turn carries; custom attributes never replace ours."""
    return {
        **key.custom(session.attributes),
        SpanAttributes.SESSION_ID: turn.session_id,
        SpanAttributes.USER_ID: session.user_id or None,
        key.PHOENIX_PROJECT: session.project,
        key.ARIZE_PROJECT: session.project,
        key.HARNESS_AGENT: turn.agent,
        key.HARNESS_AGENT_VERSION: session.agent_version,
        key.HARNESS_VERSION: harness_version,
        key.TURN_NUMBER: turn.number,
    }


def of_turn(turn: Turn) -> dict[str, Any]:
    """What a turn's own span tells in either shape."""
    answered_ns = None if turn.answered_at_ns is None else turn.answered_at_ns - turn.started_at_ns
    return {
        key.SPAN_TYPE: "turn",
        key.TURN_ID: turn.turn_id,
        key.TURN_STATUS: turn.status,
        key.TURN_ANSWERED_MS: milliseconds(answered_ns),
        key.TURN_CAUSE: turn.cause,
        key.TURN_CAUSED_BY: turn.caused_by,
        key.GAPS: tuple(f"{gap.what}: {gap.why}" for gap in turn.gaps) or None,
        key.WORKING_DIRECTORY: turn.cwd,
        key.REPOSITORY_URL: turn.repository.url,
        key.BRANCH: turn.repository.branch,
        key.COMMIT: turn.repository.commit,
        **input_value(turn.prompt),
        **output_value(turn.response),
    }


def of_turn_as_llm(turn: Turn, model: Optional[str], tools: list[ToolCall]) -> dict[str, Any]:
    """What the LLM span of a turn adds: its model, and its prompt and answer as messages.

    `tools` are those that the main agent asked for; only their names and ids are repeated.
    """
    prompt = [] if turn.prompt is None else [message(Message("user", turn.prompt))]
    asked = tuple(ToolRequest(tool.tool_use_id, tool.name) for tool in tools)
    said = Message("assistant", turn.response, tool_requests=asked)
    known = turn.response is not None or asked
    return get_llm_attributes(
        model_name=model, input_messages=prompt, output_messages=[message(said)] if known else []
    )


def of_call(call: ModelCall, priced: Priced) -> dict[str, Any]:
    """What the LLM span of one model call tells."""
    parameters = None if call.parameters is None else json_text(call.parameters)
    said = call.output
    return {
        key.SPAN_TYPE: "model_call",
        **input_value(last_text(call.input_messages)),
        **output_value(None if said is None else answer(said)),
        **get_llm_attributes(
            model_name=call.model,
            invocation_parameters=parameters,
            input_messages=[message(each) for each in call.input_messages],
            output_messages=[] if said is None else [message(said)],
        ),
        SpanAttributes.LLM_PROVIDER: None if call.provider is None else call.provider.lower(),
        SpanAttributes.LLM_FINISH_REASON: call.finish_reason,
        key.EARLIER_MESSAGES: call.earlier_messages,
        key.CALL_ID: call.message_id or call.request_id or call.call_id,
        key.REQUEST_ID: call.request_id,
        key.CALL_ATTEMPT: call.attempt if call.attempt > 1 else None,
        key.CALL_KIND: call.kind,
        key.SUBAGENT_ID: call.agent_id,
        key.REDACTIONS: call.redactions or None,
        **token_attributes(call.usage),
        **cost_attributes(priced),
    }


def of_tool(tool: ToolCall) -> dict[str, Any]:
    """What the TOOL span of a tool call tells."""
    told: dict[str, Any] = {SpanAttributes.TOOL_NAME: tool.name}
    if tool.input is not None:
        told = get_tool_attributes(name=tool.name, parameters=json_text(tool.input))
    return {
        key.SPAN_TYPE: "tool",
        **told,
        SpanAttributes.TOOL_ID: tool.tool_use_id,
        **input_value(tool.input),
        **output_value(tool.result if tool.output is None else tool.output),
        key.TOOL_STATUS: tool.status,
        key.TOOL_WAITED_MS: milliseconds(tool.waited_ns),
        key.TOOL_MCP_SERVER: tool.mcp_server,
        key.SUBAGENT_ID: tool.agent_id,
        key.REDACTIONS: tool.redactions or None,
    }


def of_subagent(agent: Subagent) -> dict[str, Any]:
    """What the AGENT span of a sub-agent tells."""
    return {
        key.SPAN_TYPE: "subagent",
        SpanAttributes.AGENT_NAME: agent.type,
        key.SUBAGENT_ID: agent.agent_id,
        key.SUBAGENT_STATUS: agent.status,
        key.SUBAGENT_BACKGROUND: agent.background,
        **input_value(agent.prompt),
        **output_value(agent.response),
        key.REDACTIONS: agent.redactions or None,
    }


def of_compaction(moment: Moment) -> dict[str, Any]:
    """What the CHAIN span of a compaction tells; its model call is a step of its own."""
    return {
        key.SPAN_TYPE: "moment",
        **of_moment(moment),
        key.REDACTIONS: moment.redactions or None,
    }


def of_moment(moment: Moment) -> dict[str, Any]:
    """What a moment tells, be it a span (a compaction) or an event."""
    return {
        key.MOMENT_KIND: moment.kind,
        key.MOMENT_ID: moment.moment_id,
        key.SUBAGENT_ID: moment.agent_id,
        SpanAttributes.METADATA: None if moment.details is None else json_text(moment.details),
    }


def milliseconds(duration_ns: Optional[int]) -> Optional[int]:
    """A duration in whole milliseconds, never below zero."""
    return None if duration_ns is None else max(0, round(duration_ns / 1e6))
