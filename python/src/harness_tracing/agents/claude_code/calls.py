"""Model calls in the transcript: requests, the blocks of their answers, attempts that failed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional

from harness_tracing.agents.claude_code import transcript as t
from harness_tracing.agents.claude_code.core import MAIN, Reading
from harness_tracing.agents.claude_code.drafts import (
    AgentDraft,
    CallDraft,
    End,
    MomentDraft,
    Thread,
    ToolDraft,
    TurnDraft,
)
from harness_tracing.model import Failure

Value = Mapping[str, Any]


def on_request(r: Reading, key: str, thread: Thread, value: Value, at_ns: Optional[int]) -> None:
    """An api-request line: a call begins, or the attempt before it failed."""
    request = t.string(value.get("id"))
    source = str(value.get("querySource") or "sdk")
    turn = r.working_turn(key, at_ns)
    if request is None or turn is None or not source.startswith(t.CONVERSATION_SOURCES):
        return
    call = CallDraft(request, agent_id=None if key == MAIN else key, started_at_ns=at_ns)
    parameters = t.mapping(value.get("params"))
    call.model = t.string(parameters.get("model"))
    call.parameters = _invocation(parameters)
    before = turn.calls.get(thread.pending or "")
    if before is not None and not before.answered:
        _retried(r, turn, before, at_ns)
        call.attempt = before.attempt + 1
        call.inputs, before.inputs, call.earlier = before.inputs, [], before.earlier
    else:
        call.earlier = thread.count
    _take_messages(thread, call)
    _goes_on(turn, key)
    _add_call(r, turn, thread, key, call)
    if key == MAIN:
        _note_model(r, turn, call)
    r.mark(turn, at_ns)


def _note_model(r: Reading, turn: TurnDraft, call: CallDraft) -> None:
    """The main agent goes on with another model than before."""
    before, r.state.main_model = r.state.main_model, call.model or r.state.main_model
    if before is None or call.model in (None, before) or call.started_at_ns is None:
        return
    moment = MomentDraft("model:" + call.call_id, "model_switch", call.started_at_ns)
    moment.details = {"from": before, "to": call.model}
    turn.moments[moment.moment_id] = moment
    r.touch(turn, "moment:" + moment.moment_id)


def _invocation(parameters: Mapping[str, Any]) -> dict[str, Any]:
    names = ("max_tokens", "temperature", "top_p", "thinking", "output_config", "speed")
    return {name: parameters[name] for name in names if name in parameters}


def _retried(r: Reading, turn: TurnDraft, call: CallDraft, at_ns: Optional[int]) -> None:
    call.ended_at_ns = call.ended_at_ns or at_ns
    if call.error is None:
        call.error = Failure("unknown", "the client sent the request again and did not record why")
    r.touch(turn, "call:" + call.call_id)


def _take_messages(thread: Thread, call: CallDraft) -> None:
    call.inputs = call.inputs + thread.messages
    thread.count += len(thread.messages)
    thread.messages = []


def _goes_on(turn: TurnDraft, key: str) -> None:
    """The main agent works on: what looked like the turn's end was none."""
    if key == MAIN:
        turn.end, turn.failure, turn.failure_ns = None, None, None


def _add_call(r: Reading, turn: TurnDraft, thread: Thread, key: str, call: CallDraft) -> None:
    turn.calls[call.call_id] = call
    turn.has_lines = True
    thread.pending = call.call_id
    if key == MAIN:
        turn.last_call_id = call.call_id
    else:
        r.agent(turn, key).last_call_id = call.call_id
    r.touch(turn, "call:" + call.call_id)


def on_assistant(r: Reading, key: str, thread: Thread, value: Value, at_ns: Optional[int]) -> None:
    """One block of a model's answer; all lines of an answer repeat its usage."""
    message = t.mapping(value.get("message"))
    session_facts(r, value)
    if message.get("model") == t.SYNTHETIC_MODEL:
        if value.get("isApiErrorMessage"):
            _on_api_failure(r, key, thread, value, message, at_ns)
        return
    call, turn = _call_of(r, key, thread, value, message, at_ns)
    uuid = t.string(value.get("uuid"))
    if call is None or turn is None or (uuid is not None and uuid in call.lines):
        return
    call.lines.append(uuid or "")
    _answer(r, turn, thread, call, value, message, at_ns)
    for block in t.blocks(message.get("content")):
        _on_block(r, turn, call, block, at_ns)
    if key == MAIN:
        turn.feedback = False
        if turn.stop_ns is not None and at_ns is not None and at_ns > turn.stop_ns:
            turn.stop_ns = None
    else:
        agent_seen(r, turn, r.agent(turn, key), at_ns)
        if call.texts:
            r.agent(turn, key).response = "\n".join(call.texts)
    r.mark(turn, at_ns)
    r.touch(turn, "call:" + call.call_id)


def _call_of(
    r: Reading,
    key: str,
    thread: Thread,
    value: Value,
    message: Value,
    at_ns: Optional[int],
) -> tuple[Optional[CallDraft], Optional[TurnDraft]]:
    """The call a line belongs to: by its api-request line, else by request or message id."""
    request_id = t.string(value.get("requestId"))
    message_id = t.string(message.get("id"))
    turn = r.working_turn(key, at_ns)
    if turn is None:
        return None, None
    reference = t.string(value.get("requestRef"))
    if reference in turn.calls:
        return turn.calls[reference], turn
    for call in turn.calls.values():
        if call.answered and (call.request_id or call.message_id) == (request_id or message_id):
            return call, turn
    identity = reference or request_id or message_id
    if identity is None:
        return None, None
    started = thread.last_ns if thread.last_ns is not None else at_ns
    call = CallDraft(identity, agent_id=None if key == MAIN else key, started_at_ns=started)
    call.earlier = thread.count
    _take_messages(thread, call)
    _goes_on(turn, key)
    _add_call(r, turn, thread, key, call)
    r.gap(turn, "exact start of a model call", "the client wrote no api-request line for it")
    return call, turn


def _answer(
    r: Reading,
    turn: TurnDraft,
    thread: Thread,
    call: CallDraft,
    value: Value,
    message: Value,
    at_ns: Optional[int],
) -> None:
    if not call.answered:
        thread.count += 1
    first, call.answered = not call.answered, True
    call.model = t.string(message.get("model")) or call.model
    call.request_id = t.string(value.get("requestId"))
    call.message_id = t.string(message.get("id"))
    call.finish_reason = t.string(message.get("stop_reason"))
    call.raw_usage = dict(t.mapping(message.get("usage")))
    call.aborted = call.aborted or bool(value.get("isAbortedMidStream"))
    where = t.string(call.raw_usage.get("inference_geo"))
    if where is not None:
        call.parameters = {**(call.parameters or {}), "inference_geo": where}
    call.error = Failure("interrupted", "the reply was cut off") if call.aborted else None
    if at_ns is not None:
        call.ended_at_ns = max(call.ended_at_ns or 0, at_ns)
    if first and not call.aborted:
        count_usage(r, call.model, t.usage_of(call.raw_usage, True))


def count_usage(r: Reading, model: Optional[str], usage: Any) -> None:
    """Add to what has been seen of a model's tokens: cost-state is held against it."""
    name = model or ""
    seen = r.state.seen.get(name)
    r.state.seen[name] = usage if seen is None else seen + usage


def _on_block(
    r: Reading, turn: TurnDraft, call: CallDraft, block: Value, at_ns: Optional[int]
) -> None:
    kind = block.get("type")
    if kind == "text" and block.get("text"):
        call.texts.append(str(block["text"]))
    elif kind == "thinking":
        call.was_thinking = True
        call.thoughts.append(str(block.get("thinking") or ""))
    elif kind == "redacted_thinking":
        call.was_thinking = True
        call.thoughts.append("[redacted by the provider]")
    elif kind == "tool_use":
        asked = t.tool_request(block)
        if asked is None:
            return
        call.tools.append(asked)
        if asked.tool_use_id in turn.tools:
            return
        turn.tools[asked.tool_use_id] = ToolDraft(
            asked.tool_use_id,
            asked.name,
            agent_id=call.agent_id,
            call_id=call.call_id,
            input=asked.arguments,
            asked_at_ns=at_ns,
        )
        r.link_waiting(turn, asked.tool_use_id)
        r.touch(turn, "tool:" + asked.tool_use_id)


def _on_api_failure(
    r: Reading,
    key: str,
    thread: Thread,
    value: Value,
    message: Value,
    at_ns: Optional[int],
) -> None:
    turn = r.working_turn(key, at_ns)
    if turn is None:
        return
    kind = t.string(value.get("apiErrorType")) or t.string(value.get("error")) or "api_error"
    failure = Failure(kind, t.text_of(message.get("content")))
    call = turn.calls.get(thread.pending or "")
    if call is not None and not call.answered:
        call.error, call.ended_at_ns = failure, at_ns
        call.request_id = t.string(value.get("requestId"))
        r.touch(turn, "call:" + call.call_id)
    r.mark(turn, at_ns)
    if key == MAIN:
        turn.failure, turn.failure_ns = failure, at_ns
        turn.end = End("failed", at_ns or turn.last_ns, False, r.state.now_ns)
    else:
        agent = r.agent(turn, key)
        agent.error = failure
        agent_seen(r, turn, agent, at_ns)


def on_api_error(r: Reading, turn: TurnDraft, thread: Thread, value: Value, at_ns: int) -> None:
    """A request failed and will be tried again."""
    call = turn.calls.get(thread.pending or "")
    if call is None or call.answered:
        return
    error = t.mapping(value.get("error"))
    status = error.get("status")
    kind = f"http_{status}" if isinstance(status, int) else "connection_error"
    call.error = Failure(kind, t.string(error.get("formatted")) or t.string(error.get("message")))
    call.request_id = t.string(error.get("requestId"))
    call.ended_at_ns = at_ns
    r.mark(turn, at_ns)
    r.touch(turn, "call:" + call.call_id)


def session_facts(r: Reading, value: Value) -> None:
    """What every line repeats of its session."""
    state = r.state
    state.agent_version = t.string(value.get("version")) or state.agent_version
    state.cwd = state.cwd or t.string(value.get("cwd"))
    state.entrypoint = t.string(value.get("entrypoint")) or state.entrypoint


def agent_seen(r: Reading, turn: TurnDraft, agent: AgentDraft, at_ns: Optional[int]) -> None:
    """A sub-agent's own file tells that it was at work."""
    agent.has_lines = True
    if at_ns is not None:
        agent.first_ns = at_ns if agent.first_ns is None else min(agent.first_ns, at_ns)
        agent.last_ns = max(agent.last_ns or 0, at_ns)
    r.mark(turn, at_ns)
    r.touch(turn, "agent:" + agent.agent_id)
