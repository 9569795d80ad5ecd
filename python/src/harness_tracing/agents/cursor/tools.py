"""The tool calls of a turn, put together from the events that tell of them.

Up to four events tell of one call: preToolUse and postToolUse, which name its id, and between
them a before and an after event, which do not. Those are matched by what was asked (command,
path, MCP tool and input) and by when. An event that fits no id is a call of its own: older
clients have no others.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any, Optional

from harness_tracing.agents.cursor.drafts import ToolEvent, TurnDraft
from harness_tracing.agents.cursor.payloads import EDIT, MCP, READ, mapping, parsed, text
from harness_tracing.model import Failure, ToolCall, ToolStatus

TASK = "Task"
# Two of our hooks, say the user's and a project's, are started at the same moment.
SAME_EVENT_NS = 1_000_000_000


@dataclass
class Call:
    """The events of one tool call, oldest first once `calls_of` has returned it."""

    tool_use_id: str
    events: list[ToolEvent] = field(default_factory=list)
    has_id: bool = True

    @property
    def first(self) -> ToolEvent:
        """Its earliest event; of several at one time the one that names an id."""
        return min(self.events, key=lambda e: (e.at_ns, e.tool_use_id is None, e.event))

    @property
    def closed(self) -> bool:
        """Whether an event told that it is over. Nothing tells it of a read without an id."""
        if not self.has_id:
            return self.first.kind == READ or any(not e.begins for e in self.events)
        return any(e.event.startswith("postToolUse") for e in self.events)

    def distance(self, event: ToolEvent) -> tuple[int, bool, int]:
        """How far an event without an id is from this call: outside it, told before, how late."""
        named = [e for e in self.events if e.tool_use_id is not None]
        starts = [e.at_ns for e in named if e.begins]
        ends = [e.at_ns for e in named if not e.begins]
        start = min(starts) if starts else min(ends)
        end = max(ends) if ends else event.at_ns
        outside = max(0, start - event.at_ns, event.at_ns - end)
        told = any(e.event == event.event for e in self.events)
        return outside, told, abs(event.at_ns - start)


def calls_of(turn: TurnDraft) -> list[Call]:
    """The turn's tool calls, by the time of their first event."""
    calls: dict[str, Call] = {}
    loose: list[ToolEvent] = []
    for event in sorted(turn.tools, key=lambda e: (e.at_ns, e.event, e.subject)):
        if event.tool_use_id is None:
            loose.append(event)
            continue
        calls.setdefault(event.tool_use_id, Call(event.tool_use_id)).events.append(event)
    found = [*calls.values(), *_of_loose(loose, list(calls.values()))]
    return sorted(found, key=lambda call: (call.first.at_ns, call.tool_use_id))


def _of_loose(loose: list[ToolEvent], known: list[Call]) -> list[Call]:
    """Hand events without an id to the calls they fit; the rest are calls of their own."""
    asked: dict[tuple[Optional[str], ...], list[Call]] = {}
    for call in known:
        asked.setdefault(_about(call.first), []).append(call)
    own: list[Call] = []
    alone: dict[tuple[Optional[str], ...], list[Call]] = {}
    for event in loose:
        about = _about(event)
        fitting, others = asked.get(about, []), alone.setdefault(about, [])
        if fitting:
            min(fitting, key=lambda call: call.distance(event)).events.append(event)
        elif any(_repeats(told, event) for call in others for told in call.events):
            continue
        elif others and not event.begins and not all(call.closed for call in others):
            next(call for call in others if not call.closed).events.append(event)
        else:
            others.append(Call(_derived_id(event), [event], has_id=False))
            own.append(others[-1])
    return own


def _about(event: ToolEvent) -> tuple[Optional[str], ...]:
    """What events of one call have in common: what was asked, and in whose conversation."""
    return event.kind, event.subject, event.agent_id


def _repeats(one: ToolEvent, other: ToolEvent) -> bool:
    """Whether two events are one, told by two of our hooks."""
    near = one.event == other.event and abs(one.at_ns - other.at_ns) <= SAME_EVENT_NS
    told = (one.output, one.content, one.edits, one.duration_ns)
    return near and told == (other.output, other.content, other.edits, other.duration_ns)


def _derived_id(event: ToolEvent) -> str:
    digest = hashlib.sha256(event.subject.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{event.kind}-{event.at_ns}-{digest}"


def build_tool(call: Call, turn: TurnDraft, agent_id: Optional[str]) -> ToolCall:
    """A tool call as its events tell it."""
    status, error = _outcome(call, turn)
    start, end = _times(call, turn, status)
    servers = [e.mcp_server for e in call.events if e.mcp_server is not None]
    inputs = [e.input for e in call.events if e.input is not None and e.tool_use_id is not None]
    output, result = _output(call)
    return ToolCall(
        tool_use_id=call.tool_use_id,
        name=next((e.name for e in call.events if e.tool_use_id), call.first.name),
        started_at_ns=start,
        ended_at_ns=end,
        status=status,
        input=inputs[0] if inputs else call.first.input,
        output=output,
        result=result,
        error=error,
        agent_id=agent_id,
        mcp_server=servers[0] if servers else None,
    )


def _times(call: Call, turn: TurnDraft, status: ToolStatus) -> tuple[Optional[int], Optional[int]]:
    """Its first event and the first that came after it had run: the last one may come late."""
    begun = [e.at_ns for e in call.events if e.begins]
    over = [e for e in call.events if not e.begins]
    first_over = min(over, key=lambda e: e.at_ns) if over else None
    end = first_over.at_ns if first_over is not None else None
    start = min(begun) if begun else None
    if start is None and first_over is not None and first_over.duration_ns is not None:
        start = first_over.at_ns - first_over.duration_ns
    if end is None and status == "interrupted" and turn.end is not None:
        end = turn.end.at_ns
    if end is not None and start is not None and turn.stop_ns is not None:
        # The hook came late; the call was over before its turn was.
        end = max(start, min(end, turn.stop_ns))
    return start, end if start is None or end is None else max(start, end)


def _outcome(call: Call, turn: TurnDraft) -> tuple[ToolStatus, Optional[Failure]]:
    for event in call.events:
        if event.failure is not None:
            return _failed(event)
    over = [e for e in call.events if not e.begins]
    if over:
        return _told(over)
    if turn.end is None:
        return "running", None
    interrupted = turn.end.told and turn.end.status == "interrupted"
    return ("interrupted", Failure("interrupted")) if interrupted else ("unknown", None)


def _failed(event: ToolEvent) -> tuple[ToolStatus, Failure]:
    assert event.failure is not None
    if event.denied:
        return "denied", event.failure
    if event.interrupted:
        return "interrupted", Failure("interrupted", event.failure.message)
    return "error", event.failure


def _told(over: list[ToolEvent]) -> tuple[ToolStatus, Optional[Failure]]:
    """What outputs say: Cursor calls some failures a success, and after events say less."""
    sure = False
    for event in over:
        told = parsed(event.output)
        if isinstance(told, dict):
            code = told.get("exitCode")
            if isinstance(code, int) and not isinstance(code, bool) and code != 0:
                message = text(told.get("output")) or f"exit code {code}"
                return "error", Failure("exit_code", message)
            if told.get("isError") is True:
                return "error", Failure("tool_error", _mcp_text(told))
            if told.get("success") is False:
                return "error", Failure("tool_error", text(told.get("error")))
        sure = sure or event.event == "postToolUse" or event.kind in (MCP, EDIT)
    return ("ok" if sure else "unknown"), None


def _mcp_text(told: dict[str, Any]) -> Optional[str]:
    parts = told.get("content")
    texts = [text(mapping(part).get("text")) for part in parts] if isinstance(parts, list) else []
    return "\n".join(each for each in texts if each is not None) or None


def _output(call: Call) -> tuple[Optional[str], Any]:
    """What the call returned as text, and the structured rest of it."""
    output: Optional[str] = None
    result: Any = None
    edits = [edit for e in call.events if isinstance(e.edits, list) for edit in e.edits]
    for event in sorted(call.events, key=lambda e: e.tool_use_id is None):
        if event.content is not None:
            output = event.content
        if event.output is None or result is not None:
            continue
        told = parsed(event.output)
        if not isinstance(told, dict):
            output = output if output is not None else str(event.output)
            continue
        said = told.get("output")
        said = said if isinstance(said, str) else _mcp_text(told)
        output = output if output is not None else said
        result = {name: value for name, value in told.items() if name != "output"} or None
    if edits:
        result = {**(result or {}), "edits": edits}
    return output, result


def task_call(agent_call_id: str, task: Optional[str], started: Optional[int]) -> ToolEvent:
    """The tool call behind a sub-agent that no event of its own told of."""
    asked = {"prompt": task} if task is not None else None
    return ToolEvent("subagentStart", started or 0, TASK, "other", "", agent_call_id, input=asked)
