"""What each line of a rollout means. Lines of no interest are passed over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable, Optional

from harness_tracing.agents.codex import calls, ends, items
from harness_tracing.agents.codex import rollout as r_
from harness_tracing.agents.codex.core import Reading
from harness_tracing.agents.codex.drafts import Thread, TurnDraft
from harness_tracing.model import Repository, ToolRequest
from harness_tracing.repository import public_url

Value = Mapping[str, Any]

SECOND_NS = 10**9
# What starts a process of its own for each session, which ends with it.
OWN_PROCESS = ("cli", "exec", "mcp")


def feed_line(r: Reading, thread_id: str, value: Optional[Value], offset: int) -> None:
    """Take in one line of a thread's rollout."""
    thread = r.thread(thread_id)
    if value is None:
        r.gap(r.current(thread), "a line of the rollout", f"not valid JSON, at byte {offset}")
        return
    at_ns = r_.time_ns(value.get("timestamp")) or r.state.now_ns
    kind, payload = value.get("type"), r_.mapping(value.get("payload"))
    if kind == "session_meta":
        _session_meta(r, thread, payload, at_ns)
    elif not _is_copied(thread, value, at_ns):
        _dispatch(r, thread, str(kind), payload, at_ns)


def _dispatch(r: Reading, thread: Thread, kind: str, payload: Value, at_ns: int) -> None:
    if kind == "event_msg":
        turn_id = payload.get("turn_id")
        event = _EVENTS.get(str(payload.get("type")))
        if event is not None and turn_id not in thread.mirrored:
            event(r, thread, payload, at_ns)
        return
    turn = r.current(thread)
    if kind == "response_item":
        _response_item(r, thread, payload, at_ns)
    elif kind == "token_usage_record":
        calls.record(r, thread, turn, payload, at_ns)
    elif kind == "turn_context":
        _turn_context(r, thread, payload)
    elif kind == "compacted":
        calls.compacted(r, thread, turn, payload, at_ns)
    else:
        return
    if thread.running:
        r.mark(turn, at_ns)


# -- beginnings


def _session_meta(r: Reading, thread: Thread, meta: Value, at_ns: int) -> None:
    """The file's first line; another one begins a copy of the history that was forked."""
    if thread.seen_meta:
        if thread.history_until is None:
            thread.history_ns = at_ns + SECOND_NS
        return
    thread.seen_meta = True
    thread.provider = r_.string(meta.get("model_provider"))
    thread.history_until = r_.integer(meta.get("subagent_history_start_ordinal"))
    if meta.get("forked_from_id") or meta.get("history_base"):
        thread.count = None
    if thread.thread_id != r.main_id:
        _child_meta(r, thread, meta)
        return
    state = r.state
    source = r_.string(meta.get("source"))
    state.served = source is not None and source not in OWN_PROCESS
    state.agent_version = r_.string(meta.get("cli_version"))
    state.cwd = r_.string(meta.get("cwd")) or state.cwd
    state.repository = _repository(r_.mapping(meta.get("git")))
    began_ns = r_.time_ns(meta.get("timestamp")) or at_ns
    state.started_ns = min(began_ns, state.started_ns or began_ns)
    for name, key in (
        ("codex.originator", "originator"),
        ("codex.source", "source"),
        ("codex.forked_from", "forked_from_id"),
    ):
        told = r_.string(meta.get(key))
        if told is not None:
            state.attributes[name] = told
    r.session_touched = True


def _repository(git: Value) -> Repository:
    url = r_.string(git.get("repository_url"))
    return Repository(
        url=public_url(url) if url else None,
        branch=r_.string(git.get("branch")),
        commit=r_.string(git.get("commit_hash")),
    )


def _child_meta(r: Reading, thread: Thread, meta: Value) -> None:
    source = r_.mapping(r_.mapping(meta.get("source")).get("subagent"))
    spawn = r_.mapping(source.get("thread_spawn"))
    # A review and the like are threads that nobody asked for by a tool call.
    thread.folded = not spawn
    if not thread.folded:
        known = r.meta(thread.thread_id)
        known.type = known.type or r_.string(spawn.get("agent_role"))
        known.parent_id = r_.string(meta.get("parent_thread_id"))


def _is_copied(thread: Thread, value: Value, at_ns: int) -> bool:
    """Whether a line is a copy out of the thread that this one was forked from."""
    ordinal = r_.integer(value.get("ordinal"))
    if thread.history_until is not None and ordinal is not None:
        return ordinal < thread.history_until
    if thread.history_ns is not None and at_ns > thread.history_ns:
        thread.history_ns = None
    return thread.history_ns is not None


def _task_started(r: Reading, thread: Thread, payload: Value, at_ns: int) -> None:
    told = r_.mapping(payload.get("turn_attribution"))
    turn_id = r_.string(payload.get("turn_id")) or f"{ends.UNNAMED}{at_ns}"
    root_id = r_.string(payload.get("root_turn_id")) or r_.string(told.get("root_turn_id"))
    if thread.thread_id == r.main_id:
        if root_id not in (None, turn_id):
            # A review's thread repeats its events in the main thread's file.
            thread.mirrored = [*thread.mirrored[-20:], turn_id]
            return
        begin(r, thread, turn_id, at_ns)
        return
    parent_id = r_.string(told.get("parent_turn_id"))
    _begin_child(r, thread, turn_id, root_id or r.root_of(parent_id), at_ns)


def begin(r: Reading, thread: Thread, turn_id: str, at_ns: int) -> Optional[TurnDraft]:
    """The main thread begins a turn; one that has no end by now gets none of its own."""
    before = r.current(thread)
    if before is not None and before.turn_id != turn_id and before.end is None:
        ends.end_by_evidence(r, before, "the next turn began without it")
    turn = r.turn(turn_id)
    _enter(thread, turn_id, turn_id, at_ns)
    thread.skipping = turn is None
    # Told once, as the session began: for later turns only the remote can be relied on.
    repository, r.state.repository = r.state.repository, Repository(r.state.repository.url)
    if turn is not None:
        if turn.repository == Repository():
            turn.repository = repository
        turn.has_lines = True
        turn.started_ns = min(at_ns, turn.started_ns or at_ns)
        turn.cwd = turn.cwd or r.state.cwd
        r.state.ended_ns = r.state.end_seen_ns = None
        r.mark(turn, at_ns)
    return turn


def _enter(thread: Thread, turn_id: str, root_turn_id: Optional[str], at_ns: int) -> None:
    thread.turn_id, thread.root_turn_id, thread.running = turn_id, root_turn_id, True
    thread.call, thread.calls, thread.attempt = None, 0, 1
    thread.input_ns, thread.last_call_id = at_ns, None


def _begin_child(
    r: Reading, thread: Thread, turn_id: str, root_id: Optional[str], at_ns: int
) -> None:
    open_turns = r.open_turns()
    if root_id is None and open_turns:
        root_id = open_turns[-1].turn_id
    turn = r.turn(root_id) if root_id is not None else None
    _enter(thread, turn_id, root_id, at_ns)
    thread.skipping = turn is None
    if root_id is not None:
        r.state.turn_roots[turn_id] = root_id
    if turn is None:
        return
    r.mark(turn, at_ns)
    if not thread.folded:
        agent = r.agent(turn, thread.thread_id)
        agent.has_lines, agent.running, agent.status = True, True, None
        agent.first_ns = min(at_ns, agent.first_ns or at_ns)


def _turn_context(r: Reading, thread: Thread, payload: Value) -> None:
    thread.model = r_.string(payload.get("model")) or thread.model
    thread.effort = r_.string(payload.get("effort"))
    turn = r.current(thread)
    if turn is not None and r.agent_id(thread) is None:
        turn.model = thread.model
        turn.cwd = r_.string(payload.get("cwd")) or turn.cwd


# -- what the model gets and says


def _response_item(r: Reading, thread: Thread, item: Value, at_ns: int) -> None:
    if thread.skipping:
        thread.count = None
        return
    kind, role = str(item.get("type")), item.get("role")
    turn = _turn_of_item(r, thread, item, at_ns)
    call_id = r_.string(item.get("call_id"))
    if kind.endswith("_output"):
        _tool_output(r, thread, turn, call_id, item, at_ns)
    elif kind in ("message", "agent_message") and role != "assistant":
        role = "system" if role in ("developer", "system") else "user"
        calls.add_input(thread, r_.message(item, role), at_ns)
    elif turn is None or not thread.running:
        return
    elif kind == "message":
        said = r_.text_of(item.get("content"))
        if said is not None:
            calls.running_call(r, thread, turn, at_ns).texts.append(said)
    elif kind == "reasoning":
        call = calls.running_call(r, thread, turn, at_ns)
        thought = r_.text_of(item.get("summary")) or r_.text_of(item.get("content"))
        if thought:
            call.thoughts.append(thought)
    elif kind.endswith("_call"):
        _tool_request(r, thread, turn, kind, item, at_ns)


def _turn_of_item(r: Reading, thread: Thread, item: Value, at_ns: int) -> Optional[TurnDraft]:
    """The turn a thread is in; an item that names one nothing began shows that a line was lost."""
    told = r_.mapping(item.get("internal_chat_message_metadata_passthrough"))
    turn_id = r_.string(told.get("turn_id"))
    turn = r.state.turns.get(turn_id or "")
    known = turn.has_lines if turn is not None else turn_id in (*r.state.closed, *thread.mirrored)
    if turn_id is None or known or thread.thread_id != r.main_id:
        return r.current(thread)
    return begin(r, thread, turn_id, at_ns)


def _tool_output(
    r: Reading,
    thread: Thread,
    turn: Optional[TurnDraft],
    call_id: Optional[str],
    item: Value,
    at_ns: int,
) -> None:
    said = r_.message(item, "tool", call_id or "")
    calls.add_input(thread, said, at_ns)
    tool = turn.tools.get(call_id or "") if turn is not None else None
    if tool is not None and turn is not None:
        tool.output, tool.output_ns = said.content, at_ns
        tool.status = tool.status or r_.string(item.get("status"))
        r.touch(turn, "tool:" + tool.tool_use_id)


def _tool_request(
    r: Reading, thread: Thread, turn: TurnDraft, kind: str, item: Value, at_ns: int
) -> None:
    call_id = r_.string(item.get("call_id")) or r_.string(item.get("id"))
    call = calls.running_call(r, thread, turn, at_ns)
    tool_id = call_id or f"{call.call_id}:{len(call.tools) + 1}"
    asked = ToolRequest(tool_id, _tool_name(kind, item), _tool_input(item))
    calls.add_request(r, thread, turn, asked, at_ns)
    if kind == "custom_tool_call" and asked.name == "exec":
        turn.cells.append(tool_id)
    if kind in items.AT_ONCE:
        # The provider ran it: there is no output line, the call itself tells how it went.
        tool = turn.tools[tool_id]
        tool.kind, tool.status = tool.kind or kind, r_.string(item.get("status"))
        tool.output_ns = at_ns


def _tool_name(kind: str, item: Value) -> str:
    name, namespace = r_.string(item.get("name")), r_.string(item.get("namespace"))
    if name is None:
        return kind
    return name if namespace is None else f"{namespace}.{name}"


def _tool_input(item: Value) -> Any:
    for key in ("arguments", "input", "action"):
        if item.get(key) is not None:
            return r_.arguments(item[key]) if key == "arguments" else item[key]
    return None


# -- endings


def _task_complete(r: Reading, thread: Thread, payload: Value, at_ns: int) -> None:
    error = r_.failure_of(payload["error"]) if payload.get("error") else None
    turn = _ending(r, thread, payload)
    if turn is None:
        return
    if error is not None and (thread.call is not None or thread.inputs):
        calls.fail(r, thread, turn, error, at_ns)
        if r_.gave_up(payload["error"]):
            r.gap(turn, "failed attempts of a model call", "Codex writes only the last one's error")
    calls.drop(r, thread, turn, at_ns, cut=False)
    response = r_.string(payload.get("last_agent_message"))
    ends.thread_ended(r, thread, turn, "failed" if error else "completed", at_ns, error, response)


def _turn_aborted(r: Reading, thread: Thread, payload: Value, at_ns: int) -> None:
    turn = _ending(r, thread, payload)
    if turn is not None:
        calls.drop(r, thread, turn, at_ns, cut=True)
        ends.thread_ended(r, thread, turn, "interrupted", at_ns)


def _ending(r: Reading, thread: Thread, payload: Value) -> Optional[TurnDraft]:
    """The turn that a thread's last line ends; None when it is not the thread's, or closed."""
    turn_id = r_.string(payload.get("turn_id"))
    if turn_id not in (None, thread.turn_id) and thread.turn_id is not None:
        return None
    thread.running = False
    turn = r.current(thread)
    r.mark(turn, None)
    return turn


# -- counts, items, and the events of older clients


def _token_count(r: Reading, thread: Thread, payload: Value, at_ns: int) -> None:
    calls.count(r, thread, r.current(thread), payload.get("info"), at_ns)


def _rolled_back(r: Reading, thread: Thread, payload: Value, at_ns: int) -> None:
    """The user went back to an earlier prompt: how much of the conversation is left is unknown."""
    thread.count, thread.inputs = None, []


def _item_completed(r: Reading, thread: Thread, payload: Value, at_ns: int) -> None:
    item = r_.mapping(payload.get("item"))
    turn_id = r_.string(payload.get("turn_id"))
    if item.get("type") == "EnteredReviewMode" and turn_id is not None:
        turn = begin(r, thread, turn_id, r_.ms_ns(payload.get("started_at_ms")) or at_ns)
        if turn is not None:
            turn.cause = "review"
    items.feed_item(r, thread, payload, item, at_ns)


def _user_message(r: Reading, thread: Thread, payload: Value, at_ns: int) -> None:
    """Older clients; they began a turn with it, or told of its beginning just before."""
    text = r_.string(payload.get("message"))
    turn = r.current(thread)
    begins = (
        turn is None
        or turn.end is not None
        or (turn.prompt and turn.turn_id.startswith(ends.UNNAMED))
    )
    if thread.thread_id == r.main_id and begins:
        if turn is not None and turn.end is None:
            ends.end_by_evidence(r, turn, "the next turn began without it")
        turn = begin(r, thread, f"{ends.UNNAMED}{at_ns}", at_ns)
    if turn is not None and text is not None:
        items.said_by_user(r, thread, turn, f"{ends.UNNAMED}{at_ns}", text, at_ns)


def _agent_message(r: Reading, thread: Thread, payload: Value, at_ns: int) -> None:
    turn, text = r.current(thread), r_.string(payload.get("message"))
    if turn is not None and text is not None:
        items.said_by_agent(r, thread, turn, text, at_ns)


def _command_end(r: Reading, thread: Thread, payload: Value, at_ns: int) -> None:
    turn, call_id = r.current(thread), r_.string(payload.get("call_id"))
    if turn is not None and call_id is not None:
        items.old_tool_end(r, thread, turn, call_id, payload, at_ns)


_EVENTS: dict[str, Callable[[Reading, Thread, Value, int], None]] = {
    "task_started": _task_started,
    "task_complete": _task_complete,
    "turn_aborted": _turn_aborted,
    "thread_rolled_back": _rolled_back,
    "token_count": _token_count,
    "item_completed": _item_completed,
    "user_message": _user_message,
    "agent_message": _agent_message,
    "exec_command_end": _command_end,
    "mcp_tool_call_end": _command_end,
    "patch_apply_end": _command_end,
}
