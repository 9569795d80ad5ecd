"""Model calls: requests, the replies to them line by line, and what went wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional

from harness_tracing.agents.claude_code import transcript as t
from harness_tracing.agents.claude_code.core import MAIN, Reading
from harness_tracing.agents.claude_code.drafts import (
    CallDraft,
    End,
    MomentDraft,
    Request,
    Thread,
    ToolDraft,
    TurnDraft,
)
from harness_tracing.model import Failure

Value = Mapping[str, Any]
NO_REASON = Failure("unknown", "the client sent the request again and did not record why")


# -- requests


def on_request(r: Reading, key: str, thread: Thread, value: Value, at_ns: Optional[int]) -> None:
    """An api-request line: the exact start of a call, and its parameters."""
    call_id = t.string(value.get("id"))
    source = str(value.get("querySource") or "sdk")
    if call_id is None or not source.startswith(t.CONVERSATION_SOURCES):
        return
    parameters = t.mapping(value.get("params"))
    model = t.string(parameters.get("model"))
    request = Request(call_id, at_ns, model, _invocation(parameters))
    if _known_already(r, request):
        return
    turn = r.current(key)
    if key == MAIN and not r.skips(thread, at_ns) and _must_wait(r, turn, at_ns):
        r.state.held.append(request)
        r.mark(None, None)
    elif turn is not None:
        _begin(r, turn, key, thread, request)


def _known_already(r: Reading, request: Request) -> bool:
    """Whether the reply to a request stands before it: an interactive session may begin so."""
    if any(held.call_id == request.call_id for held in r.state.held):
        return True
    for turn in r.open_turns():
        call = turn.calls.get(request.call_id)
        if call is None:
            continue
        if call.start_guessed and request.at_ns is not None:
            call.started_at_ns, call.start_guessed = request.at_ns, False
            call.parameters = {**request.parameters, **(call.parameters or {})}
            r.touch(turn, "call:" + call.call_id)
        return True
    return False


def _invocation(parameters: Mapping[str, Any]) -> dict[str, Any]:
    names = ("max_tokens", "temperature", "top_p", "thinking", "output_config", "speed")
    return {name: parameters[name] for name in names if name in parameters}


def _must_wait(r: Reading, turn: Optional[TurnDraft], at_ns: Optional[int]) -> bool:
    """Whether a request may be another turn's than the last one's.

    The interactive client writes it before the line of its prompt as often as after it.
    """
    if turn is None or r.state.branches or r.announced(at_ns) not in (None, turn):
        return True
    return turn.end is not None and turn.end.firm and (at_ns is None or at_ns > turn.end.at_ns)


def release(r: Reading, turn: TurnDraft, thread: Thread, wanted: Optional[str]) -> None:
    """Begin the waiting requests, now that their turn is known.

    `wanted` is the one that is answered. While two processes work at once only that one is
    surely this turn's; otherwise those before it are its failed attempts.
    """
    held, r.state.held = r.state.held, []
    ids = [request.call_id for request in held]
    if (wanted is not None and wanted not in ids) or (wanted is None and r.state.branches):
        r.state.held = held
        return
    if wanted is not None and r.state.branches:
        r.state.held = [request for request in held if request.call_id != wanted]
        held = [request for request in held if request.call_id == wanted]
    elif wanted is not None:
        last = ids.index(wanted) + 1
        held, r.state.held = held[:last], held[last:]
    for request in held:
        _begin(r, turn, MAIN, thread, request)


def release_since(r: Reading, turn: TurnDraft, thread: Thread) -> None:
    """Begin the requests that were sent since a turn's prompt and written before it."""
    since_ns = turn.prompt_ns or 0
    if not r.state.branches:
        r.state.held = [q for q in r.state.held if q.at_ns is None or q.at_ns >= since_ns]
        release(r, turn, thread, None)


def _begin(r: Reading, turn: TurnDraft, key: str, thread: Thread, request: Request) -> None:
    call = CallDraft(
        request.call_id,
        agent_id=None if key == MAIN else key,
        model=request.model,
        started_at_ns=request.at_ns,
        parameters=request.parameters,
    )
    before = turn.calls.get(thread.pending or "")
    if before is not None and not before.answered:
        _retried(r, turn, before, request.at_ns)
        call.attempt = before.attempt + 1
        call.inputs, before.inputs, call.earlier = before.inputs, [], before.earlier
    else:
        call.earlier = thread.count
    _take_messages(r, thread, call)
    _goes_on(turn, key)
    _add_call(r, turn, thread, key, call)
    if key == MAIN:
        _note_model(r, turn, call)
    r.mark(turn, request.at_ns)


def _note_model(r: Reading, turn: TurnDraft, call: CallDraft) -> None:
    """The main agent goes on with another model than before."""
    before, r.state.main_model = r.state.main_model, call.model or r.state.main_model
    if before is None or call.model in (None, before) or call.started_at_ns is None:
        return
    moment = MomentDraft("model:" + call.call_id, "model_switch", call.started_at_ns)
    moment.details = {"from": before, "to": call.model}
    turn.moments[moment.moment_id] = moment
    r.touch(turn, "moment:" + moment.moment_id)


def _retried(r: Reading, turn: TurnDraft, call: CallDraft, at_ns: Optional[int]) -> None:
    call.ended_at_ns = call.ended_at_ns or at_ns
    if call.error is None:
        call.error = NO_REASON
    r.touch(turn, "call:" + call.call_id)


def _take_messages(r: Reading, thread: Thread, call: CallDraft) -> None:
    call.inputs = call.inputs + thread.messages
    r.count(thread, len(thread.messages))
    thread.messages = []


def _goes_on(turn: TurnDraft, key: str) -> None:
    """The main agent works on: what looked like the turn's end was none."""
    if key == MAIN:
        turn.end, turn.failure, turn.failure_ns = None, None, None


def _add_call(r: Reading, turn: TurnDraft, thread: Thread, key: str, call: CallDraft) -> None:
    turn.calls[call.call_id] = call
    thread.pending = call.call_id
    if key == MAIN:
        turn.has_lines = True
        turn.last_call_id = call.call_id
    else:
        r.agent(turn, key).last_call_id = call.call_id
    r.touch(turn, "call:" + call.call_id)


# -- replies


def on_reply(
    r: Reading, key: str, thread: Thread, value: Value, at_ns: Optional[int]
) -> Optional[tuple[TurnDraft, CallDraft]]:
    """An assistant line: one block of a reply. None when it is no model's, or known already."""
    message = t.mapping(value.get("message"))
    if message.get("model") == t.SYNTHETIC_MODEL:
        if value.get("isApiErrorMessage"):
            _on_api_failure(r, key, thread, value, message, at_ns)
        return None
    call, turn = _call_of(r, key, thread, value, message, at_ns)
    uuid = t.string(value.get("uuid"))
    if call is None or turn is None or (uuid is not None and uuid in call.lines):
        return None
    call.lines.append(uuid or "")
    _answer(r, thread, call, value, message, at_ns)
    r.note_reply(turn, call)
    for block in t.blocks(message.get("content")):
        _on_block(r, turn, call, block, at_ns)
    r.mark(turn, at_ns)
    r.touch(turn, "call:" + call.call_id)
    return turn, call


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
    if message_id is not None and _told_elsewhere(r, key, message_id):
        return None, None
    known = _answered_by(r, r.current(key), request_id, message_id)
    if known is not None:
        return known, r.current(key)
    turn = r.working_turn(key, at_ns)
    if turn is None:
        return None, None
    thread = r.thread(key)
    reference = t.string(value.get("requestRef"))
    if key == MAIN and reference not in turn.calls:
        release(r, turn, thread, reference)
    if reference in turn.calls:
        return turn.calls[reference], turn
    waiting = turn.calls.get(thread.pending or "")
    if reference is None and waiting is not None and not waiting.answered:
        # A client that writes requests and does not say which one a reply answers.
        return waiting, turn
    identity = reference or request_id or message_id
    if identity is None:
        return None, None
    started = thread.last_ns if thread.last_ns is not None else at_ns
    call = CallDraft(identity, agent_id=None if key == MAIN else key, started_at_ns=started)
    call.start_guessed = True
    call.earlier = thread.count
    _take_messages(r, thread, call)
    _goes_on(turn, key)
    _add_call(r, turn, thread, key, call)
    return call, turn


def _answered_by(
    r: Reading, turn: Optional[TurnDraft], request_id: Optional[str], message_id: Optional[str]
) -> Optional[CallDraft]:
    """The turn's call that a line is a further block of."""
    if turn is None:
        return None
    call = r.replied_in(request_id or message_id).get(turn.turn_id)
    if call is None or (call.request_id or call.message_id) != (request_id or message_id):
        return None
    return call


def _told_elsewhere(r: Reading, key: str, message_id: str) -> bool:
    """Whether a reply is one of another turn already: its line was written twice."""
    if message_id in r.told_calls:
        return True
    own = r.current(key)
    found = r.replied_in(message_id).items()
    return any(
        call.message_id == message_id and (own is None or turn_id != own.turn_id)
        for turn_id, call in found
    )


def _answer(
    r: Reading,
    thread: Thread,
    call: CallDraft,
    value: Value,
    message: Value,
    at_ns: Optional[int],
) -> None:
    first, call.answered = not call.answered, True
    if first:
        r.count(thread, 1)
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
        r.count_usage(call.model, t.usage_of(call.raw_usage, True))


def on_cut_stream(r: Reading, key: str, at_ns: Optional[int]) -> None:
    """The client goes on after a reply whose connection broke; it had made up the reply's end."""
    turn = r.current(key)
    call = turn.calls.get(r.thread(key).pending or "") if turn is not None else None
    if turn is None or call is None:
        return
    call.error = Failure("interrupted", "the connection broke in the middle of the reply")
    if call.answered:
        call.aborted, call.finish_reason = True, None
    r.mark(turn, at_ns)
    r.touch(turn, "call:" + call.call_id)


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
    elif kind in ("tool_use", "server_tool_use", "mcp_tool_use"):
        asked = t.tool_request(block)
        if asked is None:
            return
        call.tools.append(asked)
        # Tools of the provider's run inside the reply: there is no call of the client's to show.
        if kind != "tool_use" or asked.tool_use_id in turn.tools:
            return
        if asked.tool_use_id in r.state.told_tools:
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


# -- what went wrong


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
    call = _unanswered(r, turn, key)
    if call is not None:
        call.error, call.ended_at_ns = failure, at_ns
        call.request_id = t.string(value.get("requestId"))
        r.touch(turn, "call:" + call.call_id)
    r.mark(turn, at_ns)
    if key == MAIN:
        turn.failure, turn.failure_ns = failure, at_ns
        turn.end = End("failed", at_ns or turn.last_ns, False, r.state.now_ns)
    else:
        r.agent(turn, key).error = failure


def _unanswered(r: Reading, turn: TurnDraft, key: str) -> Optional[CallDraft]:
    """The call that an error line is about: the thread's last, if no reply has come."""
    if key == MAIN:
        release(r, turn, r.thread(key), None)
    call = turn.calls.get(r.thread(key).pending or "")
    return None if call is None or call.answered else call


def on_api_error(r: Reading, key: str, turn: TurnDraft, value: Value, at_ns: int) -> None:
    """A system line about an attempt that failed and will be made again."""
    call = _unanswered(r, turn, key)
    if call is None:
        return
    error = t.mapping(value.get("error"))
    status = error.get("status")
    kind = f"http_{status}" if isinstance(status, int) else "connection_error"
    call.error = Failure(kind, t.string(error.get("formatted")) or t.string(error.get("message")))
    call.request_id = t.string(error.get("requestId"))
    call.ended_at_ns = at_ns
    r.mark(turn, at_ns)
    r.touch(turn, "call:" + call.call_id)


def on_fallback(r: Reading, turn: TurnDraft, value: Value, at_ns: int) -> None:
    """The client went over to another model: that is why the attempt before failed."""
    trigger = t.string(value.get("trigger")) or "model_fallback"
    model = t.string(value.get("originalModel"))
    for call in reversed(list(turn.calls.values())):
        if call.agent_id is None and call.model == model and not call.answered:
            if call.error in (None, NO_REASON):
                call.error = Failure(trigger, t.string(value.get("content")))
                r.touch(turn, "call:" + call.call_id)
            break
    for moment in turn.moments.values():
        if moment.kind == "model_switch" and moment.details["to"] == value.get("fallbackModel"):
            moment.details["trigger"] = trigger
            r.touch(turn, "moment:" + moment.moment_id)
    r.mark(turn, at_ns)
