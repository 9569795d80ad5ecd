"""A span as the step of a turn that it stands for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Optional, cast, get_args

from openinference.semconv.trace import MessageAttributes as M
from openinference.semconv.trace import MessageContentAttributes as C
from openinference.semconv.trace import SpanAttributes
from openinference.semconv.trace import ToolCallAttributes as T

from harness_tracing.model import (
    Message,
    ModelCall,
    Moment,
    Step,
    Subagent,
    ToolCall,
    ToolRequest,
    ToolStatus,
    TurnStatus,
)
from harness_tracing.observe.remote.fields import RemoteSpan, json_value
from harness_tracing.spans import attributes as key

_TYPES = {"LLM": "model_call", "TOOL": "tool", "AGENT": "subagent"}
_OURS = ("model_call", "tool", "subagent", "moment")
_TOOL_STATUSES = {"OK": "ok", "ERROR": "error"}
_NANOSECONDS = 1_000_000


def type_of(span: RemoteSpan) -> str:
    """What a step it is: as our spans say, else by its kind; everything else is a moment."""
    own = span.type
    return own if own in _OURS else _TYPES.get(span.kind, "moment")


def step_of(span: RemoteSpan, parent: Optional[RemoteSpan], own_id: str) -> Step:
    """The step, under an id that no other of its kind has in the turn."""
    kind = type_of(span)
    if kind == "model_call":
        return _model_call(span, parent, own_id)
    if kind == "tool":
        return _tool(span, parent, own_id)
    if kind == "subagent":
        return _subagent(span, parent, own_id)
    return _moment(span, own_id)


def id_of(span: RemoteSpan) -> str:
    """The agent's own id of the step, else the span's."""
    names = {
        "model_call": key.CALL_ID,
        "tool": SpanAttributes.TOOL_ID,
        "subagent": key.SUBAGENT_ID,
    }
    return span.text(names.get(type_of(span), key.MOMENT_ID)) or span.span_id


def events_of(span: RemoteSpan) -> Iterator[Moment]:
    """The moments that are events of a span."""
    for number, event in enumerate(span.events):
        told = RemoteSpan(
            name=str(event.get("name") or "event"),
            trace_id=span.trace_id,
            span_id=f"{span.span_id}-{number}",
            parent_id=span.span_id,
            kind="",
            start_ns=span.start_ns,
            end_ns=None,
            status_code="UNSET",
            status_message=None,
            attributes=told_by(event),
        )
        if key.WAIT_KIND in told.attributes:
            continue  # the tool says how long it waited
        yield _event(told, event.get("timestamp"), span)


def told_by(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """The attributes of an event."""
    attributes = event.get("attributes")
    return attributes if isinstance(attributes, dict) else {}


def _event(told: RemoteSpan, timestamp: Any, span: RemoteSpan) -> Moment:
    from harness_tracing.observe import values

    at_ns = values.instant_ns(timestamp) if isinstance(timestamp, str) else None
    at_ns = span.start_ns if at_ns is None else at_ns
    took_ms = told.count(key.MOMENT_DURATION_MS)
    return Moment(
        kind=told.text(key.MOMENT_KIND) or told.name,
        at_ns=at_ns,
        moment_id=told.text(key.MOMENT_ID) or told.span_id,
        ended_at_ns=None if took_ms is None else at_ns + took_ms * _NANOSECONDS,
        details=told.below(SpanAttributes.METADATA) if told.text(key.MOMENT_KIND) else _rest(told),
        agent_id=told.text(key.SUBAGENT_ID) or _agent_of(span),
    )


def _rest(told: RemoteSpan) -> Any:
    return dict(told.attributes) or None


def _model_call(span: RemoteSpan, parent: Optional[RemoteSpan], own_id: str) -> ModelCall:
    said = list(_messages(span, SpanAttributes.LLM_OUTPUT_MESSAGES))
    answer = span.content("output")
    if not said and isinstance(answer, str) and span.type is None:
        said = [Message("assistant", answer)]
    of_compaction = parent is not None and type_of(parent) == "moment"
    return ModelCall(
        call_id=own_id,
        model=span.text(SpanAttributes.LLM_MODEL_NAME) or (None if span.type else span.name),
        started_at_ns=span.began_ns,
        ended_at_ns=span.end_ns,
        usage=span.usage,
        input_messages=tuple(_messages(span, SpanAttributes.LLM_INPUT_MESSAGES)),
        output=said[0] if said else None,
        finish_reason=span.text(SpanAttributes.LLM_FINISH_REASON),
        error=span.failure,
        request_id=span.text(key.REQUEST_ID),
        message_id=None,
        agent_id=span.text(key.SUBAGENT_ID),
        earlier_messages=span.count(key.EARLIER_MESSAGES),
        attempt=span.count(key.CALL_ATTEMPT) or 1,
        kind=span.text(key.CALL_KIND),
        moment_id=id_of(parent) if parent is not None and of_compaction else None,
        provider=span.text(SpanAttributes.LLM_PROVIDER),
        parameters=span.below(SpanAttributes.LLM_INVOCATION_PARAMETERS),
    )


def _messages(span: RemoteSpan, which: str) -> Iterator[Message]:
    for number in range(_length(span, which)):
        told = f"{which}.{number}."
        parts = [
            (
                span.text(f"{told}{M.MESSAGE_CONTENTS}.{m}.{C.MESSAGE_CONTENT_TYPE}"),
                span.text(f"{told}{M.MESSAGE_CONTENTS}.{m}.{C.MESSAGE_CONTENT_TEXT}"),
            )
            for m in range(_length(span, told + M.MESSAGE_CONTENTS))
        ]
        thinking = [text for kind, text in parts if kind == "reasoning" and text is not None]
        texts = [text for kind, text in parts if kind == "text" and text is not None]
        yield Message(
            role=span.text(told + M.MESSAGE_ROLE) or "user",
            content=span.text(told + M.MESSAGE_CONTENT) or ("\n".join(texts) if texts else None),
            thinking="\n".join(thinking) if thinking else None,
            tool_requests=tuple(_requests(span, told + M.MESSAGE_TOOL_CALLS)),
            tool_call_id=span.text(told + M.MESSAGE_TOOL_CALL_ID),
        )


def _requests(span: RemoteSpan, which: str) -> Iterator[ToolRequest]:
    for number in range(_length(span, which)):
        call = f"{which}.{number}."
        arguments = span.text(call + T.TOOL_CALL_FUNCTION_ARGUMENTS_JSON)
        yield ToolRequest(
            tool_use_id=span.text(call + T.TOOL_CALL_ID) or "",
            name=span.text(call + T.TOOL_CALL_FUNCTION_NAME) or "",
            arguments=None if arguments is None else json_value(arguments),
        )


def _length(span: RemoteSpan, which: str) -> int:
    """How many items a flattened list has."""
    dotted = which + "."
    indices = {
        name[len(dotted) :].partition(".")[0] for name in span.attributes if name.startswith(dotted)
    }
    length = 0
    while str(length) in indices:
        length += 1
    return length


def _tool(span: RemoteSpan, parent: Optional[RemoteSpan], own_id: str) -> ToolCall:
    above = None if parent is None else type_of(parent)
    waited_ms = span.number(key.TOOL_WAITED_MS)
    output = span.content("output")
    status = span.text(key.TOOL_STATUS) or _TOOL_STATUSES.get(span.status_code, "unknown")
    waits = (told_by(event).get(key.WAIT_KIND) for event in span.events)
    agent = span.text(key.SUBAGENT_ID)
    return ToolCall(
        tool_use_id=own_id,
        name=span.text(SpanAttributes.TOOL_NAME) or span.name,
        started_at_ns=span.began_ns,
        ended_at_ns=span.end_ns,
        status=cast("ToolStatus", status if status in get_args(ToolStatus) else "unknown"),
        call_id=id_of(parent) if parent is not None and above == "model_call" else None,
        input=span.content("input"),
        output=output if isinstance(output, str) else None,
        result=None if isinstance(output, str) else output,
        waited_ns=None if waited_ms is None else int(waited_ms * _NANOSECONDS),
        wait_kind=next((each for each in waits if isinstance(each, str)), None),
        error=span.failure,
        agent_id=agent or (_agent_of(parent) if parent is not None else None),
        mcp_server=span.text(key.TOOL_MCP_SERVER),
        parent_tool_use_id=id_of(parent)
        if parent is not None and above == "tool" and agent is None
        else None,
    )


def _subagent(span: RemoteSpan, parent: Optional[RemoteSpan], own_id: str) -> Subagent:
    status = span.text(key.SUBAGENT_STATUS) or ("failed" if span.failure else "completed")
    prompt, response = span.content("input"), span.content("output")
    in_tool = parent is not None and type_of(parent) == "tool"
    return Subagent(
        agent_id=own_id,
        type=span.text(SpanAttributes.AGENT_NAME) or (None if span.type else span.name),
        tool_use_id=id_of(parent) if parent is not None and in_tool else None,
        started_at_ns=span.began_ns,
        ended_at_ns=span.end_ns,
        status=cast("TurnStatus", status if status in get_args(TurnStatus) else "completed"),
        prompt=prompt if isinstance(prompt, str) else None,
        response=response if isinstance(response, str) else None,
        parent_agent_id=_agent_above(parent),
        background=span.attributes.get(key.SUBAGENT_BACKGROUND) is True,
        error=span.failure,
    )


def _agent_of(span: RemoteSpan) -> Optional[str]:
    return id_of(span) if type_of(span) == "subagent" else span.text(key.SUBAGENT_ID)


def _agent_above(parent: Optional[RemoteSpan]) -> Optional[str]:
    return None if parent is None else _agent_of(parent)


def _moment(span: RemoteSpan, own_id: str) -> Moment:
    details = span.below(SpanAttributes.METADATA)
    if span.type is None:
        name = {"name": span.name} if span.name else {}
        details = {**name, "input": span.content("input"), "output": span.content("output")}
        details = {name: value for name, value in details.items() if value is not None}
    return Moment(
        kind=span.text(key.MOMENT_KIND) or span.kind.lower() or "span",
        at_ns=span.start_ns,
        moment_id=own_id,
        ended_at_ns=span.end_ns,
        details=details or None,
        agent_id=span.text(key.SUBAGENT_ID),
    )
