"""Transcript lines: prompts, model calls, tools, compaction, endings.

The transcript tells what happened and in which order; its own order ends turns.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Callable, Optional

from harness_tracing.agents.claude_code import compaction
from harness_tracing.agents.claude_code import transcript as t
from harness_tracing.agents.claude_code.core import CONTINUED, MAIN, Reading
from harness_tracing.agents.claude_code.drafts import (
    AgentDraft,
    CallDraft,
    End,
    MomentDraft,
    Thread,
    ToolDraft,
    TurnDraft,
)
from harness_tracing.agents.claude_code.ends import end_by_evidence
from harness_tracing.model import Failure, Message

Value = Mapping[str, Any]
# Lines this close to a fork may be its own; copies among them are known by their calls.
FORK_SLACK_NS = 2 * 10**9


def feed_line(r: Reading, key: str, value: Optional[Value], offset: int) -> None:
    """Take in one line of the main transcript (`main`) or of a sub-agent's (its id)."""
    if value is None:
        r.gap(r.current(key), "a line of the transcript", f"not valid JSON, at byte {offset}")
        return
    key = t.string(value.get("agentId")) or key
    at_ns = t.time_ns(value.get("timestamp"))
    if _copied(r, value, at_ns):
        _on_copied(r, key, value)
        return
    handler = _HANDLERS.get(str(value.get("type")))
    if handler is None:
        return
    thread = r.thread(key)
    handler(r, key, thread, value, at_ns)
    if at_ns is not None:
        thread.last_ns = max(thread.last_ns or 0, at_ns)


def _copied(r: Reading, value: Value, at_ns: Optional[int]) -> bool:
    """Whether a fork took this line over from the session it was forked from."""
    origin = t.string(value.get("requestSessionId"))
    if origin is not None and origin != r.state.session_id:
        return True
    forked_ns = r.state.forked_ns
    return forked_ns is not None and at_ns is not None and at_ns < forked_ns - FORK_SLACK_NS


def _on_copied(r: Reading, key: str, value: Value) -> None:
    """A copied call belongs to the other session: only its usage counts, for cost-state."""
    if value.get("type") == "assistant":
        message = t.mapping(value.get("message"))
        request = t.string(value.get("requestId")) or t.string(message.get("id"))
        if request is not None and "copied:" + request not in r.state.closed:
            r.state.closed["copied:" + request] = 0
            _count_usage(r, t.string(message.get("model")), t.usage_of(message.get("usage"), True))
    thread = r.thread(key)
    turn = r.current(key)
    if turn is not None and turn.has_lines:
        _forget(r, turn)
    thread.turn_id, thread.pending, thread.messages = None, None, []


def _forget(r: Reading, turn: TurnDraft) -> None:
    """Drop a draft whose lines turned out to be copies; what hooks told stays."""
    again = TurnDraft(turn.turn_id, hook_ns=turn.hook_ns, hook_prompt=turn.hook_prompt)
    if turn.number == r.state.turn_count:
        r.state.turn_count -= 1
    del r.state.turns[turn.turn_id]
    r.touched.pop(turn.turn_id, None)
    if turn.hook_ns is not None:
        r.state.turns[turn.turn_id] = again


# -- user lines


def _on_user(r: Reading, key: str, thread: Thread, value: Value, at_ns: Optional[int]) -> None:
    content = t.mapping(value.get("message")).get("content")
    _session_facts(r, value)
    results = [b for b in t.blocks(content) if b.get("type") == "tool_result"]
    for block in results:
        _on_result(r, thread, value, block, at_ns)
    text = t.text_of(content)
    if results:
        if text:
            thread.messages.append(Message("user", text))
        r.mark(r.current(key), at_ns if _same_turn(r.current(key), value) else None)
        return
    if key == MAIN:
        _on_main_text(r, value, text or "", at_ns)
    else:
        _on_agent_text(r, key, thread, value, text, at_ns)
    if not value.get("isCompactSummary"):
        thread.messages.append(Message("user", text))


def _session_facts(r: Reading, value: Value) -> None:
    state = r.state
    state.agent_version = t.string(value.get("version")) or state.agent_version
    state.cwd = state.cwd or t.string(value.get("cwd"))
    state.entrypoint = t.string(value.get("entrypoint")) or state.entrypoint


def _on_main_text(r: Reading, value: Value, text: str, at_ns: Optional[int]) -> None:
    turn = r.current(MAIN)
    if value.get("isCompactSummary"):
        compaction.on_summary(r, text)
    elif text.startswith(t.INTERRUPTED_PREFIX):
        if turn is not None and at_ns is not None:
            r.mark(turn, at_ns)
            turn.end = End("interrupted", at_ns, True, r.state.now_ns)
    elif text.startswith(t.FEEDBACK_PREFIX) and value.get("isMeta"):
        if turn is not None:
            turn.feedback, turn.end, turn.stop_ns = True, None, None
            r.mark(turn, at_ns)
            _add_moment(r, turn, "hook_feedback", str(value.get("uuid")), at_ns, text)
    elif _is_prompt(r, value, text):
        _on_prompt(r, value, text, at_ns)
    else:
        r.mark(turn, None)


def _is_prompt(r: Reading, value: Value, text: str) -> bool:
    if value.get("isMeta") or value.get("isVisibleInTranscriptOnly"):
        return False
    if t.string(value.get("promptSource")) or t.string(value.get("turnOrigin")):
        return True
    # Clients before promptSource: whatever is neither command nor part of the running turn.
    return not t.is_command(text) and t.string(value.get("promptId")) not in r.state.turns


def _on_prompt(r: Reading, value: Value, text: str, at_ns: Optional[int]) -> None:
    uuid = t.string(value.get("uuid"))
    turn_id = t.string(value.get("promptId")) or uuid
    if turn_id is None:
        return
    thread = r.thread(MAIN)
    # A file that begins anew shows turns again that are told already.
    thread.skipping = turn_id in r.state.closed
    if thread.skipping:
        thread.turn_id = turn_id
        return
    turn = r.turn(turn_id)
    if turn.prompt_uuid is not None and turn.prompt_uuid != uuid:
        queue_prompt(r, turn, text, at_ns)
        return
    for other in r.open_turns():
        if other is not turn and other.end is None:
            end_by_evidence(r, other)
    r.settle_number(turn)
    turn.prompt, turn.prompt_ns, turn.prompt_uuid = t.slash_command(text), at_ns, uuid
    turn.has_lines = True
    turn.cwd = t.string(value.get("cwd")) or turn.cwd
    turn.branch = t.string(value.get("gitBranch"))
    note_cause(r, turn, text)
    compaction.attach_waiting(r, turn)
    thread.turn_id = turn_id
    r.mark(turn, at_ns)


def note_cause(r: Reading, turn: TurnDraft, text: str) -> None:
    """A turn that a background task's end started, and the tool call behind that task."""
    ids = t.notification(text)
    if not ids:
        return
    turn.cause = "task_notification"
    turn.caused_by = ids.get("tool-use-id")
    agent_id = ids.get("task-id", "")
    origin = r.state.turns.get(r.state.agent_turns.get(agent_id, ""))
    if origin is not None and agent_id in origin.agents:
        r.agent_over(origin, origin.agents[agent_id])


def queue_prompt(r: Reading, turn: TurnDraft, text: str, at_ns: Optional[int]) -> None:
    """A message the user sent while the turn ran; hook and transcript tell of it once."""
    digest = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:12]
    moment_id = "prompt:" + digest
    moment = turn.moments.get(moment_id)
    if moment is None:
        _add_moment(r, turn, "prompt", moment_id, at_ns, text)
    elif at_ns is not None and at_ns < moment.at_ns:
        moment.at_ns = at_ns
        r.touch(turn, "moment:" + moment_id)
    r.mark(turn, at_ns)


def _add_moment(
    r: Reading, turn: TurnDraft, kind: str, moment_id: str, at_ns: Optional[int], text: str
) -> None:
    at = at_ns if at_ns is not None else turn.last_ns
    turn.moments[moment_id] = MomentDraft(moment_id, kind, at, details={"text": text})
    r.touch(turn, "moment:" + moment_id)


def _on_agent_text(
    r: Reading, key: str, thread: Thread, value: Value, text: Optional[str], at_ns: Optional[int]
) -> None:
    prompt_id = t.string(value.get("promptId"))
    if prompt_id is not None and prompt_id in r.state.turns:
        thread.turn_id = prompt_id
    agent, turn = _agent_of(r, key)
    if agent is None or turn is None:
        return
    if agent.prompt is None:
        agent.prompt = text
    _agent_seen(r, turn, agent, at_ns)


def _agent_of(r: Reading, key: str) -> tuple[Optional[AgentDraft], Optional[TurnDraft]]:
    turn = r.current(key)
    return (None, None) if turn is None else (r.agent(turn, key), turn)


def _agent_seen(r: Reading, turn: TurnDraft, agent: AgentDraft, at_ns: Optional[int]) -> None:
    agent.has_lines = True
    if at_ns is not None:
        agent.first_ns = at_ns if agent.first_ns is None else min(agent.first_ns, at_ns)
        agent.last_ns = max(agent.last_ns or 0, at_ns)
    r.mark(turn, at_ns)
    r.touch(turn, "agent:" + agent.agent_id)


# -- tool results


def _same_turn(turn: Optional[TurnDraft], value: Value) -> bool:
    prompt_id = t.string(value.get("promptId"))
    return turn is None or prompt_id is None or turn.turn_id.split(CONTINUED)[0] == prompt_id


def _on_result(
    r: Reading, thread: Thread, value: Value, block: Value, at_ns: Optional[int]
) -> None:
    tool_use_id = t.string(block.get("tool_use_id")) or ""
    text = t.text_of(block.get("content"))
    thread.messages.append(Message("tool", text, tool_call_id=tool_use_id))
    turn, tool = r.tool(tool_use_id)
    if turn is None or tool is None:
        return
    if not _same_turn(turn, value):
        # Filled in when the session was resumed: says that it was cut, not when.
        tool.cut_short = True
    else:
        tool.result_at_ns = at_ns
        r.mark(turn, at_ns)
    tool.output = text
    tool.is_error = bool(block.get("is_error"))
    tool.denial = t.string(value.get("toolDenialKind"))
    decision = t.mapping(value.get("permissionDecision"))
    tool.decision = t.string(decision.get("decision"))
    tool.decided_by = t.string(decision.get("source"))
    _structured_result(r, turn, tool, value.get("toolUseResult"))
    r.touch(turn, "tool:" + tool_use_id)


def _structured_result(r: Reading, turn: TurnDraft, tool: ToolDraft, raw: Any) -> None:
    if not isinstance(raw, Mapping):
        return
    result = t.without_pictures(raw)
    tool.output_file = t.string(raw.get("persistedOutputPath"))
    if tool.output_file is not None:
        result.pop("stdout", None)
    tool.result = result
    agent_id = t.string(raw.get("agentId"))
    if agent_id is None:
        return
    agent = r.agent(turn, agent_id)
    agent.tool_use_id = agent.tool_use_id or tool.tool_use_id
    if raw.get("isAsync"):
        agent.background = True
    elif tool.agent_id != agent_id:
        r.agent_over(turn, agent)
    r.touch(turn, "agent:" + agent_id)


# -- model calls


def _on_request(r: Reading, key: str, thread: Thread, value: Value, at_ns: Optional[int]) -> None:
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


def _on_assistant(r: Reading, key: str, thread: Thread, value: Value, at_ns: Optional[int]) -> None:
    message = t.mapping(value.get("message"))
    _session_facts(r, value)
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
        _agent_seen(r, turn, r.agent(turn, key), at_ns)
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
        _count_usage(r, call.model, t.usage_of(call.raw_usage, True))


def _count_usage(r: Reading, model: Optional[str], usage: Any) -> None:
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
        _agent_seen(r, turn, agent, at_ns)


# -- the rest


def _on_attachment(
    r: Reading, key: str, thread: Thread, value: Value, at_ns: Optional[int]
) -> None:
    thread.messages.extend(t.rendered_messages(value))
    attachment = t.mapping(value.get("attachment"))
    turn = r.current(key)
    if attachment.get("type") == "queued_command" and key == MAIN and turn is not None:
        text = t.text_of(attachment.get("prompt"))
        if text and not t.notification(text):
            queue_prompt(r, turn, text, at_ns)
    r.mark(turn, None)


def _on_system(r: Reading, key: str, thread: Thread, value: Value, at_ns: Optional[int]) -> None:
    subtype = value.get("subtype")
    turn = r.current(key)
    if subtype == "compact_boundary":
        compaction.on_boundary(r, key, value, at_ns)
    elif turn is None or at_ns is None:
        return
    elif subtype == "api_error":
        _on_api_error(r, turn, thread, value, at_ns)
    elif key == MAIN and subtype == "stop_hook_summary":
        r.state.summaries = True
        r.mark(turn, at_ns)
        if t.stop_hooks_let_go(value) and not turn.feedback:
            turn.end = End("completed", at_ns, True, r.state.now_ns)
    elif key == MAIN and subtype == "turn_duration" and turn.end is None and not turn.feedback:
        r.mark(turn, at_ns)
        turn.end = End("completed", at_ns, True, r.state.now_ns)


def _on_api_error(r: Reading, turn: TurnDraft, thread: Thread, value: Value, at_ns: int) -> None:
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


def _on_cost(r: Reading, key: str, thread: Thread, value: Value, at_ns: Optional[int]) -> None:
    usage = t.mapping(value.get("modelUsage"))
    r.state.reported = {str(model): t.reported_usage(raw) for model, raw in usage.items()}
    total = value.get("totalCostUSD")
    if isinstance(total, (int, float)) and not isinstance(total, bool):
        r.state.reported_usd = float(total)
    r.state.active_ns = r.state.now_ns
    r.session_touched = True


_HANDLERS: dict[str, Callable[[Reading, str, Thread, Value, Optional[int]], None]] = {
    "user": _on_user,
    "assistant": _on_assistant,
    "attachment": _on_attachment,
    "system": _on_system,
    "api-request": _on_request,
    "cost-state": _on_cost,
}
