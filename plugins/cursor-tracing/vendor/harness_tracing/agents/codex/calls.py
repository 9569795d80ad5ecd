"""Model calls: which lines go into one, and what ends it.

A call is everything the model said since the last input. ``token_usage_record`` ends it and
gives its id; older clients write only ``token_count``, which ends one when its total has grown.
A stream that broke off leaves what it said and then a ``token_count`` that counts nothing new.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional

from harness_tracing.agents.codex import rollout as r_
from harness_tracing.agents.codex.core import Reading
from harness_tracing.agents.codex.drafts import CallDraft, MomentDraft, Thread, TurnDraft
from harness_tracing.model import Failure, Message, ToolRequest, Usage

CUT = Failure("stream_error", "the reply's stream broke off and Codex asked again")


def add_input(thread: Thread, said: Message, at_ns: Optional[int]) -> None:
    """A message that the next call will bring to the model."""
    thread.inputs.append(said)
    thread.input_ns = at_ns if at_ns is not None else thread.input_ns
    thread.last_call_id = None


def running_call(r: Reading, thread: Thread, turn: TurnDraft, at_ns: Optional[int]) -> CallDraft:
    """The call whose reply is being written, begun if there is none."""
    if thread.call is not None and thread.call.cut_ns is not None:
        fail(r, thread, turn, CUT, thread.call.cut_ns)
    if thread.call is not None and thread.inputs and not thread.has_records:
        # A client that counted nothing in between.
        _close(r, thread, turn, thread.call.call_id, None, thread.input_ns)
    if thread.call is None:
        thread.call = _begin(r, thread, turn, at_ns)
    return thread.call


def _begin(r: Reading, thread: Thread, turn: TurnDraft, at_ns: Optional[int]) -> CallDraft:
    thread.calls += 1
    call = CallDraft(
        call_id=f"{thread.turn_id or turn.turn_id}:{thread.calls}",
        agent_id=r.agent_id(thread),
        model=thread.model,
        provider=thread.provider,
        effort=thread.effort,
        started_ns=thread.input_ns if thread.input_ns is not None else at_ns,
        inputs=thread.inputs,
        earlier=thread.count,
        attempt=thread.attempt,
    )
    if thread.count is not None:
        thread.count += len(thread.inputs)
    thread.inputs = []
    return call


def add_request(
    r: Reading, thread: Thread, turn: TurnDraft, request: ToolRequest, at_ns: Optional[int]
) -> None:
    """The model asked for a tool."""
    call = running_call(r, thread, turn, at_ns)
    call.tools.append(request)
    tool = r.tool(turn, request.tool_use_id, request.name)
    tool.name, tool.input = request.name, request.arguments
    tool.asked, tool.asked_ns, tool.agent_id = True, at_ns, call.agent_id
    thread.last_call_id = None


def record(
    r: Reading, thread: Thread, turn: Optional[TurnDraft], value: Mapping[str, Any], at_ns: int
) -> None:
    """``token_usage_record``: a call is complete."""
    thread.has_records = True
    call_id, usage = r_.string(value.get("response_id")), r_.usage_of(value.get("usage"))
    if turn is None:
        thread.call = None
        return
    call = running_call(r, thread, turn, at_ns)
    _close(r, thread, turn, call_id or call.call_id, usage, at_ns)


def count(
    r: Reading, thread: Thread, turn: Optional[TurnDraft], info: object, at_ns: Optional[int]
) -> None:
    """``token_count``: with records only the sign that an attempt is over, else the count."""
    told = r_.mapping(info)
    total = r_.integer(r_.mapping(told.get("total_token_usage")).get("total_tokens"))
    grown = total is not None and total != thread.total
    if not thread.has_records and grown:
        thread.total = total
        usage = r_.usage_of(told.get("last_token_usage"))
        if turn is not None and (thread.call is not None or (usage and usage.output_tokens)):
            call = running_call(r, thread, turn, at_ns)
            _close(r, thread, turn, call.call_id, usage, at_ns)
    elif thread.call is not None and thread.call.cut_ns is None:
        thread.call.cut_ns = at_ns


def _close(
    r: Reading,
    thread: Thread,
    turn: TurnDraft,
    call_id: str,
    usage: Optional[Usage],
    at_ns: Optional[int],
) -> None:
    call, thread.call, thread.attempt = thread.call, None, 1
    if call is None or call_id in r.known_calls:
        return
    call.call_id, call.usage, call.ended_ns, call.cut_ns = call_id, usage, at_ns, None
    if call.model is None:
        call.model = thread.model
    if thread.count is not None and (call.texts or call.tools or call.thoughts):
        thread.count += 1
    thread.input_ns, thread.last_call_id = at_ns, call_id
    _keep(r, turn, call)


def _keep(r: Reading, turn: TurnDraft, call: CallDraft) -> None:
    turn.calls[call.call_id] = call
    r.known_calls.add(call.call_id)
    if call.usage is not None:
        turn.usage = turn.usage + call.usage
    for request in call.tools:
        tool = turn.tools.get(request.tool_use_id)
        if tool is not None:
            tool.call_id = call.call_id
            r.touch(turn, "tool:" + tool.tool_use_id)
    r.touch(turn, "call:" + call.call_id)


def fail(r: Reading, thread: Thread, turn: TurnDraft, error: Failure, at_ns: Optional[int]) -> None:
    """The attempt that runs has failed; one is begun where only its request is known."""
    call = thread.call or _begin(r, thread, turn, at_ns)
    thread.call, thread.attempt = None, call.attempt + 1
    call.error, call.ended_ns = error, at_ns
    thread.input_ns = at_ns
    _keep(r, turn, call)


def drop(r: Reading, thread: Thread, turn: TurnDraft, at_ns: Optional[int], cut: bool) -> None:
    """The turn is over and a reply was never counted: Codex keeps neither id nor tokens of it.

    One that asked for tools is kept as interrupted, for their sake. `cut`: it was cut short.
    """
    call = thread.call
    if call is None:
        return
    if cut:
        r.gap(turn, "tokens of a reply cut short", "Codex writes none for it")
    if call.tools:
        fail(r, thread, turn, Failure("interrupted", "the reply was cut short"), at_ns)
    elif thread.count is not None:
        thread.count += 1
    thread.call = None


def compacted(
    r: Reading, thread: Thread, turn: Optional[TurnDraft], value: Mapping[str, Any], at_ns: int
) -> None:
    """``compacted``: a summary stands for all before it. The call just before made it."""
    history = value.get("replacement_history")
    thread.count = len(history) if isinstance(history, list) else None
    thread.inputs = []
    if turn is None:
        return
    call = turn.calls.get(thread.last_call_id or "")
    moment = new_compaction(r, thread, turn, at_ns)
    moment.ended_at_ns = at_ns
    summary = r_.string(value.get("message"))
    if summary is not None:
        moment.details["summary"] = summary
    if call is not None and call.moment_id is None and not call.tools:
        call.moment_id = moment.moment_id
        moment.at_ns = min(at_ns, call.started_ns or at_ns)
        r.touch(turn, "call:" + call.call_id)
    thread.last_call_id = None


def new_compaction(r: Reading, thread: Thread, turn: TurnDraft, at_ns: int) -> MomentDraft:
    """A compaction of a turn, named by its time: a file read again tells the same one."""
    moment_id = f"compaction:{at_ns}"
    moment = MomentDraft(moment_id, "compaction", at_ns, agent_id=r.agent_id(thread))
    turn.moments[moment.moment_id] = moment
    r.touch(turn, "moment:" + moment.moment_id)
    return moment
