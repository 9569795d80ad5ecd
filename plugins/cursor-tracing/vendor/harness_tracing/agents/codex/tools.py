"""Tool calls: what rollout and hooks tell of one becomes a value; statuses are decided here."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, Optional

from harness_tracing.agents.codex import rollout as r_
from harness_tracing.agents.codex.drafts import HookTimes, ToolDraft, TurnDraft
from harness_tracing.model import Failure, ToolCall, ToolStatus

NO_TIMES = HookTimes("", "")
NESTED = "exec-"
# Asks for more output of a command that runs on: how that ends is told of the command itself.
POLL = "write_stdin"
# Does nothing but wait for the user's answer.
ASKS = "request_user_input"
CELLS_LOOKED_AT = 50
MESSAGE_CHARACTERS = 2000
SHELL = "exec_command"
# Hooks glue a tool's namespace to its name.
_NAMESPACES = ("collaboration", "multi_agent_v1")
_RUNNING_CELL = "Script running with cell ID"
_FAILED_CELL = "Script failed"
_BAD_PATCH = "apply_patch verification failed"
_ABORTED = re.compile(r"^(?:Wall time: .*\n)?aborted by user")
# What Codex gives the model in place of a result; the rollout marks none of them as failed.
_DENIED = re.compile(
    r"^(?:[^\n]{0,80}; reject command|(?:Command|Tool call) blocked by PreToolUse hook"
    r"|(?:exec command |patch )?rejected by user|user (?:rejected|cancelled) MCP tool call)",
    re.I,
)
_FAILED = (
    (re.compile(r"^unsupported (?:custom tool )?call: "), "unknown_tool"),
    (re.compile(r"^command timed out after"), "timeout"),
    (re.compile(r"^failed to parse function arguments"), "invalid_arguments"),
    (re.compile(rf"^{_BAD_PATCH}"), "apply_patch"),
    (re.compile(rf"^{_FAILED_CELL}"), "script_error"),
    (
        re.compile(r"^(?:tool call error|exec_command failed|Fatal error|execution error)\b"),
        "tool_error",
    ),
)


def build_tool(turn: TurnDraft, tool: ToolDraft, times: Optional[HookTimes]) -> ToolCall:
    """A tool call: content from the rollout, exact times from hooks."""
    hook = _within(turn, times or NO_TIMES)
    cell = _cell_of(turn, tool, hook)
    status, error = _outcome(turn, tool, hook, cell)
    start, end = _interval(turn, tool, hook, status, cell)
    wait_start, wait, wait_kind = _wait(tool, hook, start, end)
    return ToolCall(
        tool_use_id=tool.tool_use_id,
        name=tool.name,
        started_at_ns=start,
        ended_at_ns=end,
        status=status,
        call_id=tool.call_id,
        input=tool.input if tool.input is not None else hook.input,
        output=_output(tool, hook),
        result=_result(tool),
        waited_ns=wait,
        wait_started_at_ns=wait_start,
        wait_kind=wait_kind,
        error=error,
        agent_id=tool.agent_id,
        mcp_server=tool.mcp_server or _server(tool.name),
        parent_tool_use_id=None if cell is None else cell.tool_use_id,
    )


def _within(turn: TurnDraft, hook: HookTimes) -> HookTimes:
    """What hooks told of a tool before its turn had ended: a command may run on after that."""
    post_ns, end = hook.post_ns, turn.end
    if post_ns is None or end is None or not turn.has_lines or post_ns <= end.at_ns:
        return hook
    return replace(hook, post_ns=None, response=None)


def hook_tool(times: HookTimes) -> ToolDraft:
    """A tool call that only hooks tell of, under the name that rollouts have for it."""
    name = _rollout_name(times.name)
    return ToolDraft(times.tool_use_id, name, agent_id=times.agent_id, input=times.input)


def _rollout_name(name: str) -> str:
    """What a rollout calls a tool that hooks call `name`: ``Bash``, ``mcp__server__tool``…"""
    if name == "Bash":
        return SHELL
    parts = name.split("__", 2)
    if parts[0] == "mcp" and len(parts) == 3:
        return f"mcp__{parts[1]}.{parts[2]}"
    for namespace in _NAMESPACES:
        if name.startswith(namespace) and len(name) > len(namespace):
            return f"{namespace}.{name[len(namespace) :]}"
    return name


def is_left_running(tool: ToolDraft) -> bool:
    """Whether the call came back while its command ran on."""
    return tool.item_ended_ns is None and "\nProcess running with session ID" in (tool.output or "")


def _server(name: str) -> Optional[str]:
    """The MCP server in a tool's name: `mcp__server.tool`, hooks write `mcp__server__tool`."""
    if not name.startswith("mcp__"):
        return None
    server = name[5:].partition(".")[0]
    return server.partition("__")[0] or None


# -- how it went


def _outcome(
    turn: TurnDraft, tool: ToolDraft, hook: HookTimes, cell: Optional[ToolDraft]
) -> tuple[ToolStatus, Optional[Failure]]:
    text = tool.output
    if tool.status == "declined" or _DENIED.match(text or ""):
        return "denied", Failure("permission_denied", text or tool.item_output)
    if _ABORTED.match(text or ""):
        asked = hook.wait_ns is not None and tool.item_ended_ns is None
        kind: ToolStatus = "denied" if asked else "interrupted"
        return kind, Failure("permission_denied" if asked else "interrupted", text)
    failure = _failure(tool)
    if failure is not None:
        return "error", failure
    if tool.status is not None or text is not None:
        return "ok", None
    return _without_result(turn, tool, hook, cell)


def _failure(tool: ToolDraft) -> Optional[Failure]:
    text = tool.output if tool.output is not None else tool.item_output
    code = tool.exit_code
    if code is None and tool.name != POLL:
        code = r_.exit_code(tool.output)
    if code:
        said = tool.item_output if tool.item_output is not None else text
        return Failure("exit_code", f"Exit code {code}\n{(said or '')[-MESSAGE_CHARACTERS:]}")
    if tool.status is None or not tool.kind:
        for pattern, kind in _FAILED:
            if pattern.match(tool.output or ""):
                return Failure(kind, text)
    if tool.status == "failed":
        return Failure("mcp_error" if tool.kind == "McpToolCall" else "tool_error", text)
    return None


def _without_result(
    turn: TurnDraft, tool: ToolDraft, hook: HookTimes, cell: Optional[ToolDraft]
) -> tuple[ToolStatus, Optional[Failure]]:
    """Neither item nor output: hooks, the cell around it, and the turn's end have to tell."""
    told = cell.output if cell is not None else None
    if told is not None and _BAD_PATCH in told and tool.name == "apply_patch":
        return "error", Failure("apply_patch", told[told.index(_BAD_PATCH) :])
    if hook.post_ns is not None:
        # The hook comes for a command however it went, for all others only on success.
        return ("unknown" if hook.name == "Bash" else "ok"), None
    agent = turn.agents.get(tool.agent_id or "")
    if turn.end is None or (agent is not None and agent.running):
        return "running", None
    if turn.end.status == "completed":
        return "unknown", None
    return "interrupted", Failure("interrupted", None)


# -- contents


def _output(tool: ToolDraft, hook: HookTimes) -> Optional[str]:
    """What the model got; of a call that no model made, what the tool wrote."""
    if tool.output is not None:
        return tool.output
    if tool.item_output is not None or tool.kind is not None:
        return tool.item_output
    response = hook.response
    return response if response is None or isinstance(response, str) else r_.json_text(response)


def _result(tool: ToolDraft) -> Any:
    """The structured result; with what a command wrote after its call had come back."""
    late = tool.item_ended_ns is not None and "\nProcess running with" in (tool.output or "")
    if late and isinstance(tool.result, dict):
        return {**tool.result, "output": tool.item_output}
    return tool.result


# -- when


def _interval(
    turn: TurnDraft,
    tool: ToolDraft,
    hook: HookTimes,
    status: ToolStatus,
    cell: Optional[ToolDraft],
) -> tuple[Optional[int], Optional[int]]:
    start = hook.pre_ns if hook.pre_ns is not None else tool.asked_ns
    if start is None:
        start = tool.item_started_ns
    end = tool.item_ended_ns
    if end is None or status in ("interrupted", "denied"):
        end = tool.output_ns if tool.output_ns is not None else hook.post_ns
    if end is None and cell is not None and _is_over(cell):
        end = cell.output_ns
    if end is None and status != "running" and turn.end is not None:
        end = max(turn.end.at_ns, start or 0)
    if start is not None and end is not None and end < start:
        # Hook and file disagree on the clock; what the file says stands.
        start = min(tool.asked_ns if tool.asked_ns is not None else end, end)
    return start, end


def _wait(
    tool: ToolDraft, hook: HookTimes, start_ns: Optional[int], end_ns: Optional[int]
) -> tuple[Optional[int], Optional[int], Optional[str]]:
    """When a person began to be waited for, for how long, and what for.

    An approval's wait ends where the command's own time began.
    """
    if end_ns is None:
        return None, None, None
    if hook.wait_ns is not None:
        until = end_ns
        if tool.item_ended_ns is not None and tool.duration_ns is not None:
            until = tool.item_ended_ns - tool.duration_ns
        return hook.wait_ns, max(0, until - hook.wait_ns), "permission"
    if tool.name == ASKS and start_ns is not None:
        until = hook.post_ns if hook.post_ns is not None else end_ns
        return start_ns, max(0, min(until, end_ns) - start_ns), "question"
    return None, None, None


# -- code cells


def _cell_of(turn: TurnDraft, tool: ToolDraft, hook: HookTimes) -> Optional[ToolDraft]:
    """The code cell that made a call: only time and source tell."""
    if tool.asked or not tool.tool_use_id.startswith(NESTED):
        return None
    at_ns = hook.pre_ns if hook.pre_ns is not None else tool.item_started_ns
    around = [
        cell
        for cell in (turn.tools[cell_id] for cell_id in turn.cells[-CELLS_LOOKED_AT:])
        if cell.agent_id == tool.agent_id and _is_around(cell, at_ns)
    ]
    source = _source(tool, hook)
    for cell in around:
        if source and source in str(cell.input):
            return cell
    return around[-1] if around else None


def _is_around(cell: ToolDraft, at_ns: Optional[int]) -> bool:
    if at_ns is None or (cell.asked_ns or 0) > at_ns:
        return False
    return not _is_over(cell) or at_ns <= (cell.output_ns or 0)


def _is_over(cell: ToolDraft) -> bool:
    return cell.output_ns is not None and not (cell.output or "").startswith(_RUNNING_CELL)


def _source(tool: ToolDraft, hook: HookTimes) -> Optional[str]:
    """What the code must hold if it made this call."""
    for asked in (tool.input, hook.input):
        told = r_.mapping(asked)
        text = r_.string(told.get("cmd")) or r_.string(told.get("command"))
        if text is not None:
            return text.partition("\n")[0]
    return None
