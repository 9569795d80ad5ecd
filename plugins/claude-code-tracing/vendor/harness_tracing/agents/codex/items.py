"""Finished items (``item_completed``): what was said, what tools did, which agents were started."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional

from harness_tracing.agents.codex import calls
from harness_tracing.agents.codex import rollout as r_
from harness_tracing.agents.codex.core import Reading
from harness_tracing.agents.codex.drafts import MomentDraft, Thread, ToolDraft, TurnDraft
from harness_tracing.agents.codex.tools import SHELL, is_left_running

Value = Mapping[str, Any]

# Calls that the provider runs itself: no output follows them.
AT_ONCE = ("web_search_call", "image_generation_call")
_NAMES = {
    "CommandExecution": SHELL,
    "FileChange": "apply_patch",
    "WebSearch": "web_search_call",
    "ImageGeneration": "image_generation_call",
}
_NO_TOOLS = ("Plan", "Reasoning")
# A command that the user typed after `!`: a turn of its own, without a prompt.
TYPED = "user_shell"
_STARTS = ("spawn_agent", "resume_agent", "send_input")


def feed_item(r: Reading, thread: Thread, payload: Value, item: Value, at_ns: int) -> None:
    """Take in one finished item."""
    item_id = r_.string(item.get("id")) or f"item:{at_ns}"
    started_ns = r_.ms_ns(payload.get("started_at_ms")) or at_ns
    ended_ns = r_.ms_ns(payload.get("completed_at_ms")) or at_ns
    turn = _turn_of(r, thread, r_.string(payload.get("turn_id")))
    if turn is None or _outlived(r, thread, turn, item, ended_ns):
        _late(r, turn, item_id, item, (started_ns, ended_ns))
        return
    if thread.running:
        r.mark(turn, at_ns)
    kind = str(item.get("type"))
    if kind == "UserMessage":
        said_by_user(r, thread, turn, item_id, r_.text_of(item.get("content")), started_ns)
    elif kind == "AgentMessage":
        said_by_agent(r, thread, turn, r_.text_of(item.get("content")), ended_ns)
    elif kind == "ContextCompaction":
        _compaction(r, thread, turn, started_ns, ended_ns)
    elif kind in ("HookPrompt", "EnteredReviewMode", "ExitedReviewMode"):
        _moment(r, thread, turn, item_id, kind, item, started_ns)
    elif kind == "SubAgentActivity":
        _link(r, turn, item_id, r_.string(item.get("agent_thread_id")), None)
        _tool_item(r, thread, turn, item_id, kind, item, (started_ns, ended_ns))
    elif kind not in _NO_TOOLS:
        if kind == "CollabAgentToolCall":
            _collaboration(r, turn, item_id, item)
        _tool_item(r, thread, turn, item_id, kind, item, (started_ns, ended_ns))


def said_by_user(
    r: Reading, thread: Thread, turn: TurnDraft, item_id: str, text: Optional[str], at_ns: int
) -> None:
    """A prompt, or a message that came while the turn ran."""
    if text is None:
        return
    if thread.folded:
        # What Codex asks the reviewer is all there is of a review's prompt.
        turn.prompt = turn.prompt or text
        r.touch(turn)
        return
    agent_id = r.agent_id(thread)
    if agent_id is not None:
        agent = r.agent(turn, agent_id)
        agent.prompt = agent.prompt or text
    elif turn.prompt_id in (None, item_id):
        turn.prompt, turn.prompt_id = text, item_id
        r.touch(turn)
    else:
        _add(r, turn, MomentDraft(item_id, "prompt", at_ns, details={"text": text}))


def said_by_agent(
    r: Reading, thread: Thread, turn: TurnDraft, text: Optional[str], at_ns: int
) -> None:
    """Text of a reply; the last one is the answer."""
    if thread.folded or text is None:
        return
    agent_id = r.agent_id(thread)
    if agent_id is not None:
        r.agent(turn, agent_id).response = text
    elif turn.end is None:
        turn.response, turn.answered_ns = text, at_ns
        r.touch(turn)


def _add(r: Reading, turn: TurnDraft, moment: MomentDraft) -> None:
    turn.moments[moment.moment_id] = moment
    r.touch(turn, "moment:" + moment.moment_id)


def _moment(
    r: Reading, thread: Thread, turn: TurnDraft, item_id: str, kind: str, item: Value, at_ns: int
) -> None:
    if kind == "HookPrompt":
        said = [r_.mapping(part).get("text") for part in item.get("fragments") or []]
        details: dict[str, Any] = {"text": "\n".join(filter(None, map(r_.string, said)))}
        name = "hook_feedback"
    elif kind == "EnteredReviewMode":
        details, name = {"target": item.get("target")}, "review_started"
    else:
        details, name = {"findings": item.get("review_output")}, "review_finished"
    _add(r, turn, MomentDraft(item_id, name, at_ns, details=details, agent_id=r.agent_id(thread)))


def _compaction(
    r: Reading, thread: Thread, turn: TurnDraft, started_ns: int, ended_ns: int
) -> None:
    """The exact times of the compaction that the ``compacted`` line just told of."""
    agent_id = r.agent_id(thread)
    known = [m for m in turn.moments.values() if m.kind == "compaction" and m.agent_id == agent_id]
    if known and started_ns <= (known[-1].ended_at_ns or 0) <= ended_ns:
        moment = known[-1]
    else:
        moment = calls.new_compaction(r, thread, turn, started_ns)
    moment.at_ns, moment.ended_at_ns = started_ns, ended_ns
    thread.input_ns = ended_ns
    r.touch(turn, "moment:" + moment.moment_id)
    for call in list(turn.calls.values())[-1:]:
        if call.moment_id == moment.moment_id:
            call.started_ns = max(started_ns, call.started_ns or 0)
            r.touch(turn, "call:" + call.call_id)


# -- tools


def _tool_item(
    r: Reading,
    thread: Thread,
    turn: TurnDraft,
    item_id: str,
    kind: str,
    item: Value,
    times: tuple[int, int],
) -> None:
    known = item_id in turn.tools
    if not known and kind == "SubAgentActivity":
        return
    tool = r.tool(turn, item_id, _name(kind, item))
    if not known:
        tool.agent_id, tool.input = r.agent_id(thread), _input(kind, item)
        if item.get("source") == TYPED and turn.prompt is None:
            turn.prompt = "! " + str(r_.mapping(tool.input).get("cmd"))
    tool.kind = kind
    tool.item_started_ns, tool.item_ended_ns = times
    if kind != "SubAgentActivity":
        tool.status = r_.string(item.get("status")) or "completed"
    tool.exit_code = r_.integer(item.get("exit_code"))
    tool.duration_ns = r_.duration_ns(item.get("duration"))
    tool.item_output, tool.result = _output(kind, item), _result(kind, item)
    tool.mcp_server = r_.string(item.get("server")) if kind == "McpToolCall" else None


def _name(kind: str, item: Value) -> str:
    """A tool's name as a model would ask for it: nested calls have no other."""
    if kind == "McpToolCall":
        return f"mcp__{item.get('server')}.{item.get('tool')}"
    return _NAMES.get(kind) or r_.string(item.get("tool")) or kind


def _input(kind: str, item: Value) -> Any:
    if kind == "CommandExecution":
        command = item.get("command")
        return {"cmd": command[-1]} if isinstance(command, list) and command else None
    return item.get("arguments") if kind == "McpToolCall" else None


def _output(kind: str, item: Value) -> Optional[str]:
    if kind == "CommandExecution":
        return r_.string(item.get("aggregated_output"))
    if kind == "FileChange":
        said = (r_.string(item.get(name)) for name in ("stdout", "stderr"))
        return "\n".join(filter(None, said)) or None
    if kind == "McpToolCall":
        error = r_.mapping(item.get("error"))
        return r_.text_of(r_.mapping(item.get("result")).get("content")) or r_.string(
            error.get("message")
        )
    return None


_RESULTS = {
    "CommandExecution": ("exit_code", "status", "cwd"),
    "FileChange": ("changes", "status"),
    "McpToolCall": ("result", "error"),
    "WebSearch": ("query", "action"),
    "CollabAgentToolCall": ("receiver_thread_ids", "agents_states", "model", "status"),
    "SubAgentActivity": ("agent_thread_id", "agent_path", "model"),
}


def _result(kind: str, item: Value) -> Any:
    """The structured part of an item that its output does not tell."""
    names = _RESULTS.get(kind) or tuple(n for n in item if n not in ("type", "id"))
    found = {name: item[name] for name in names if item.get(name) not in (None, [], {})}
    return found or None


def _collaboration(r: Reading, turn: TurnDraft, item_id: str, item: Value) -> None:
    """Tools of sub-agents, first generation: which agents a call was meant for."""
    if item.get("tool") not in _STARTS:
        return
    for thread_id in item.get("receiver_thread_ids") or []:
        _link(r, turn, item_id, r_.string(thread_id), r_.string(item.get("prompt")))


def _link(
    r: Reading, turn: TurnDraft, tool_id: str, thread_id: Optional[str], prompt: Optional[str]
) -> None:
    """A tool call started a sub-agent, or gave one something to do."""
    if thread_id is None or thread_id == r.main_id or tool_id not in turn.tools:
        return
    r.thread(thread_id)
    agent = r.agent(turn, thread_id)
    if agent.tool_use_id is None:
        asked = r_.mapping(turn.tools[tool_id].input)
        agent.tool_use_id = tool_id
        agent.prompt = agent.prompt or r_.clear(prompt or r_.string(asked.get("message")))


def old_tool_end(
    r: Reading, thread: Thread, turn: TurnDraft, call_id: str, payload: Value, at_ns: int
) -> None:
    """``exec_command_end`` and the like of older clients."""
    tool: ToolDraft = r.tool(turn, call_id, "tool")
    tool.item_ended_ns = at_ns
    tool.exit_code = r_.integer(payload.get("exit_code"))
    if tool.exit_code is not None:
        tool.status = "failed" if tool.exit_code else "completed"
    elif payload.get("success") is not None:
        tool.status = "completed" if payload["success"] else "failed"
    tool.item_output = r_.string(payload.get("aggregated_output")) or r_.string(
        payload.get("stdout")
    )
    tool.duration_ns = r_.duration_ns(payload.get("duration"))


def _turn_of(r: Reading, thread: Thread, turn_id: Optional[str]) -> Optional[TurnDraft]:
    """The turn an item names, while that takes steps: not always the one that runs."""
    root_id = r.root_of(turn_id)
    if root_id is None or (root_id not in r.state.turns and root_id not in r.state.closed):
        return r.current(thread)
    turn = r.state.turns.get(root_id)
    if turn is not None and turn.closed and thread.thread_id not in turn.left_running:
        return None
    return turn


def _outlived(r: Reading, thread: Thread, turn: TurnDraft, item: Value, ended_ns: int) -> bool:
    """Whether a command of the main agent ended after its turn had."""
    if item.get("type") != "CommandExecution" or r.agent_id(thread) is not None:
        return False
    return turn.end is not None and ended_ns > turn.end.at_ns


def _late(
    r: Reading, turn: Optional[TurnDraft], tool_id: str, item: Value, times: tuple[int, int]
) -> None:
    """A command that ran on after its turn has ended: told in the turn that runs then."""
    turn_id = r.state.left_tools.pop(tool_id, None)
    if turn is not None and _left_behind(r, turn, tool_id, item, times[0]):
        turn_id = turn.turn_id
    if turn_id is None:
        return
    details = {
        "tool_use_id": tool_id,
        "turn_id": turn_id,
        "exit_code": item.get("exit_code"),
        "status": item.get("status"),
        "output": item.get("aggregated_output"),
    }
    moment = MomentDraft(f"late:{tool_id}", "background_command_ended", times[1], details=details)
    running = r.current(r.main)
    if running is not None and running.end is None:
        _add(r, running, moment)
    else:
        moment.between_turns = True
        r.state.waiting_moments[moment.moment_id] = moment


def _left_behind(r: Reading, turn: TurnDraft, tool_id: str, item: Value, started_ns: int) -> bool:
    """Whether a turn that is over, but not told yet, completed while the command ran."""
    if tool_id not in turn.tools:
        tool = r.tool(turn, tool_id, _name("CommandExecution", item))
        tool.input, tool.item_started_ns = _input("CommandExecution", item), started_ns
    tool = turn.tools[tool_id]
    completed = turn.end is not None and turn.end.status == "completed"
    return completed and (tool.output is None or is_left_running(tool))
