"""The tool calls of a turn, put together from the events that tell of them.

Up to four events tell of one call: preToolUse and postToolUse, which name its id, and between
them a before and an after event, which do not. Those are matched by what was asked (command,
path, MCP tool and input) and by when. An event that fits no id is a call of its own: older
clients have no others.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Optional

from harness_tracing.agents.cursor.drafts import ToolEvent, TurnDraft
from harness_tracing.agents.cursor.payloads import EDIT, MCP, READ, mapping, parsed, text
from harness_tracing.model import Failure, ToolCall, ToolStatus

TASK = "Task"
# Two of our hooks, say the user's and a project's, are started at the same moment.
SAME_EVENT_NS = 1_000_000_000
# How many calls before and after an event it may belong to: as many as run at once.
NEAR = 8


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

    @cached_property
    def span(self) -> tuple[int, Optional[int]]:
        """From when to when the events that name its id say it ran."""
        named = [e for e in self.events if e.tool_use_id is not None]
        starts = [e.at_ns for e in named if e.begins]
        ends = [e.at_ns for e in named if not e.begins]
        return min(starts or ends), max(ends) if ends else None

    def distance(self, event: ToolEvent) -> tuple[bool, int, bool, int]:
        """How far an event without an id is from this call.

        Whether it took another time, then how far outside, whether told before, how late.
        """
        start, end = self.span
        took = {e.duration_ns for e in self.events if e.tool_use_id is not None} - {None}
        other = event.duration_ns is not None and bool(took) and event.duration_ns not in took
        outside = max(0, start - event.at_ns, event.at_ns - (end or event.at_ns))
        told = any(e.event == event.event for e in self.events)
        return other, outside, told, abs(event.at_ns - start)


About = tuple[Optional[str], ...]


class Calls:
    """The tool calls of one turn, put together anew only where an event has come."""

    def __init__(self) -> None:
        self._groups: dict[About, tuple[int, list[Call]]] = {}
        self._built: dict[str, tuple[object, ToolCall]] = {}

    def of(self, turn: TurnDraft) -> list[Call]:
        """The turn's tool calls, by the time of their first event."""
        by_id: dict[str, list[ToolEvent]] = {}
        groups: dict[About, list[list[ToolEvent]]] = {}
        for event in turn.tools:
            if event.tool_use_id is not None:
                by_id.setdefault(event.tool_use_id, []).append(event)
            else:
                groups.setdefault(_about(event), []).append([event])
        for events in by_id.values():
            groups.setdefault(_about(min(events, key=_in_time)), []).append(events)
        found = [call for about, parts in groups.items() for call in self._group(about, parts)]
        return sorted(found, key=lambda call: (call.first.at_ns, call.tool_use_id))

    def _group(self, about: About, parts: list[list[ToolEvent]]) -> list[Call]:
        """The calls that were asked the same: only these can be taken for one another."""
        count = sum(map(len, parts))
        known = self._groups.get(about)
        if known is None or known[0] != count:
            known = self._groups[about] = (count, _calls(parts))
        return known[1]

    def built(self, call: Call, turn: TurnDraft, agent_id: Optional[str]) -> ToolCall:
        """A tool call as its events tell it, built once for the same events."""
        ended = (turn.end.status, turn.end.at_ns) if turn.end is not None else None
        state = (len(call.events), turn.stop_ns, ended, agent_id)
        known = self._built.get(call.tool_use_id)
        if known is None or known[0] != state:
            known = self._built[call.tool_use_id] = (state, build_tool(call, turn, agent_id))
        return known[1]


def _in_time(event: ToolEvent) -> tuple[int, str]:
    return event.at_ns, event.event


def _calls(parts: list[list[ToolEvent]]) -> list[Call]:
    """The calls of one group: those with an id, then what events without one are left over."""
    named = [sorted(events, key=_in_time) for events in parts if events[0].tool_use_id is not None]
    known = [Call(events[0].tool_use_id or "", events) for events in named]
    known.sort(key=lambda call: (call.first.at_ns, call.tool_use_id))
    loose = [events[0] for events in parts if events[0].tool_use_id is None]
    return [*known, *_of_loose(sorted(loose, key=_in_time), known)]


def _of_loose(loose: list[ToolEvent], known: list[Call]) -> list[Call]:
    """Hand events without an id to the calls they fit; the rest are calls of their own."""
    own: list[Call] = []
    starts = [call.first.at_ns for call in known]
    for event in loose:
        if known:
            at = bisect_right(starts, event.at_ns)
            near = known[max(0, at - NEAR) : at + NEAR]
            # The same command twice may be two calls; the same edit at the same moment is one.
            told = (each for call in near for each in call.events)
            if event.edits is not None and any(_repeats(each, event) for each in told):
                continue
            min(near, key=lambda call: call.distance(event)).events.append(event)
        elif any(_repeats(told, event) for call in own[-NEAR:] for told in call.events):
            continue
        elif not event.begins and own and any(not call.closed for call in own[-NEAR:]):
            next(call for call in own[-NEAR:] if not call.closed).events.append(event)
        else:
            own.append(Call(_derived_id(event), [event], has_id=False))
    return own


def _about(event: ToolEvent) -> About:
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
