"""Where the tokens, the money and the time of a session went."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Optional

from harness_tracing.activity import tool_calls
from harness_tracing.model import ModelCall, Subagent, ToolCall, Turn, Usage
from harness_tracing.observe.text import telling_length
from harness_tracing.prices import Priced, PriceTable, price

Interval = tuple[int, int]

MAIN = "main agent"
# Of what runs at a moment, the first of these has the time.
_KINDS_OF_TIME = ("person", "tools", "models")


@dataclass(frozen=True)
class Spent:
    """Model calls taken together under a name: a model's, or an agent's.

    `cost_usd` is at list prices (None: nothing of it has one), `unpriced` names models without.
    `time_ns` is the time in which at least one of the calls ran.
    """

    name: str
    calls: int = 0
    usage: Usage = field(default_factory=Usage)
    cost_usd: Optional[float] = None
    unpriced: tuple[str, ...] = ()
    time_ns: int = 0


@dataclass(frozen=True)
class ToolSpent:
    """The calls of one tool. `time_ns` is without waiting for a person.

    `grew_tokens` is by how much the context grew from call to call of the model where nothing but
    this tool ran in between; None where that never was so.
    """

    name: str
    calls: int = 0
    failed: int = 0
    time_ns: Optional[int] = None
    waited_ns: int = 0
    grew_tokens: Optional[int] = None


@dataclass(frozen=True)
class Times:
    """Wall-clock time of the turns, each moment counted once, the first that applies.

    `person_ns`: a question or a permission was open. `tools_ns`: a tool ran. `models_ns`: a
    model was working. `other_ns`: the client itself, hooks, or what was not seen. `between_ns`:
    between turns, until the next prompt.
    """

    turns_ns: int = 0
    person_ns: int = 0
    tools_ns: int = 0
    models_ns: int = 0
    other_ns: int = 0
    between_ns: int = 0


@dataclass(frozen=True)
class ContextPoint:
    """A call of the main agent: the size of its input and how much it grew since the call before.

    `after` are the tools that ran in between; `compacted`: the context was summarised there.
    """

    turn: int
    call: int
    input_tokens: int
    grew: Optional[int]
    after: tuple[str, ...] = ()
    compacted: bool = False


def by_model(turns: Sequence[Turn], table: PriceTable) -> list[Spent]:
    """The calls of each model, the most expensive first."""
    return _spent(turns, table, lambda call: call.model or "model not known")


def by_agent(turns: Sequence[Turn], table: PriceTable) -> list[Spent]:
    """The calls of the main agent and of each sub-agent, the most expensive first."""
    agents = (step for turn in turns for step in turn.steps if isinstance(step, Subagent))
    types = {agent.agent_id: agent.type or "agent" for agent in agents}
    length = telling_length({call.agent_id for call in _calls(turns) if call.agent_id})

    def name(call: ModelCall) -> str:
        if call.agent_id is None:
            return "compaction" if call.kind == "compaction" else MAIN
        return f"{types.get(call.agent_id, 'agent')} {call.agent_id[:length]}"

    return _spent(turns, table, name)


def by_turn(turns: Sequence[Turn], table: PriceTable) -> list[Spent]:
    """Each turn whose tokens are known, in order; where calls are not, with its own sum."""
    rows = []
    for turn in turns:
        calls = list(_calls([turn]))
        priced = sum((price(call, table) for call in calls), Priced())
        if turn.usage.total_tokens is None and not calls:
            continue
        whole = _interval(turn.started_at_ns, turn.ended_at_ns or _last(turn))
        cost = priced.cost.total if priced.cost else None
        name = str(turn.number)
        usage = usage_of(turn)
        rows.append(Spent(name, len(calls), usage, cost, priced.unpriced, _length(whole)))
    return rows


def usage_of(turn: Turn) -> Usage:
    """The tokens of a turn's calls: a compaction's may have come when its own sum was made."""
    calls = [call.usage for call in _calls([turn])]
    return sum(calls, Usage()) if calls else turn.usage


def _spent(
    turns: Sequence[Turn], table: PriceTable, name: Callable[[ModelCall], str]
) -> list[Spent]:
    found: dict[str, Spent] = {}
    priced: dict[str, Priced] = {}
    times: dict[str, list[Interval]] = {}
    for call in _calls(turns):
        key = name(call)
        known = found.get(key, Spent(key))
        found[key] = replace(known, calls=known.calls + 1, usage=known.usage + call.usage)
        priced[key] = priced.get(key, Priced()) + price(call, table)
        times.setdefault(key, []).extend(_interval(call.started_at_ns, call.ended_at_ns))
    rows = [
        replace(
            row,
            cost_usd=priced[key].cost.total if priced[key].cost else None,  # type: ignore[union-attr]
            unpriced=priced[key].unpriced,
            time_ns=_length(_union(times[key])),
        )
        for key, row in found.items()
    ]
    return sorted(rows, key=lambda row: (-(row.cost_usd or 0), -(row.usage.total_tokens or 0)))


def by_tool(turns: Sequence[Turn], context: Sequence[ContextPoint]) -> list[ToolSpent]:
    """The calls of each tool, the one that took longest first."""
    found: dict[str, ToolSpent] = {}
    times: dict[str, list[Interval]] = {}
    for turn in turns:
        for tool in tool_calls(turn):
            known = found.get(tool.name, ToolSpent(tool.name))
            found[tool.name] = replace(
                known,
                calls=known.calls + 1,
                failed=known.failed + (tool.status == "error"),
                waited_ns=known.waited_ns + (tool.waited_ns or 0),
            )
            whole = _interval(tool.started_at_ns, tool.ended_at_ns)
            times.setdefault(tool.name, []).extend(_without(whole, waits_of(tool)))
    grown: dict[str, int] = {}
    for point in context:
        if len(set(point.after)) == 1 and point.grew is not None and not point.compacted:
            grown[point.after[0]] = grown.get(point.after[0], 0) + point.grew
    rows = [
        replace(
            row,
            time_ns=_length(_union(times[name])) if times[name] else None,
            grew_tokens=grown.get(name),
        )
        for name, row in found.items()
    ]
    return sorted(rows, key=lambda row: (-(row.time_ns or 0), -row.calls, row.name))


def times(turns: Sequence[Turn]) -> Times:
    """How the time of the turns divides; one without a known end counts up to its last step.

    Turns may overlap: a background agent works on while the next prompt is answered.
    """
    spans: dict[str, list[Interval]] = {kind: [] for kind in ("turns", *_KINDS_OF_TIME)}
    for turn in turns:
        spans["turns"] += _interval(turn.started_at_ns, turn.ended_at_ns or _last(turn))
        starters = {step.tool_use_id for step in turn.steps if isinstance(step, Subagent)}
        for tool in tool_calls(turn):
            spans["person"] += waits_of(tool)
            if not _waits_for_agents(tool, starters):
                spans["tools"] += _interval(tool.started_at_ns, tool.ended_at_ns)
        for call in _calls([turn]):
            spans["models"] += _interval(call.started_at_ns, call.ended_at_ns)
    marks = sorted(
        mark
        for kind, intervals in spans.items()
        for start, end in intervals
        for mark in ((start, kind, 1), (end, kind, -1))
    )
    running = dict.fromkeys(spans, 0)
    lengths: Counter[str] = Counter()
    gap = 0
    for (at_ns, kind, step), (next_ns, _, _) in zip(marks, marks[1:]):
        running[kind] += step
        if running["turns"]:
            lengths["between"] += gap
            gap = 0
            first = next((each for each in _KINDS_OF_TIME if running[each]), "other")
            lengths[first] += next_ns - at_ns
        elif lengths:  # only what lies before another turn is between turns
            gap += next_ns - at_ns
    parts = (lengths["person"], lengths["tools"], lengths["models"], lengths["other"])
    return Times(sum(parts), *parts, between_ns=lengths["between"])


def context(turns: Sequence[Turn]) -> list[ContextPoint]:
    """The context of the main agent from call to call; calls without known tokens are left out."""
    points: list[ContextPoint] = []
    compacted = False
    for turn in turns:
        number = 0
        after: list[
            str
        ] = []  # what ran last is not alone in what the context grew by: a prompt came
        for step in _in_time(turn):
            if isinstance(step, ToolCall) and step.agent_id is None:
                after += [step.name] if step.parent_tool_use_id is None else []
            elif isinstance(step, ModelCall) and step.agent_id is None:
                compacted = compacted or step.kind == "compaction"
                size = step.usage.input_tokens
                if step.kind is not None or step.error is not None or size is None:
                    continue
                number += 1
                grew = size - points[-1].input_tokens if points else None
                points.append(
                    ContextPoint(turn.number, number, size, grew, tuple(after), compacted)
                )
                after, compacted = [], False
    return points


def _in_time(turn: Turn) -> list[object]:
    """Calls by their start, tools behind the call that asked for them."""
    starts = {
        step.call_id: step.started_at_ns for step in turn.steps if isinstance(step, ModelCall)
    }

    def at(step: object) -> tuple[int, int]:
        if isinstance(step, ToolCall):
            asked = starts.get(step.call_id or "")
            return (asked if asked is not None else step.started_at_ns or 0, 1)
        return (getattr(step, "started_at_ns", None) or 0, 0)

    kept = [step for step in turn.steps if isinstance(step, (ModelCall, ToolCall))]
    return sorted(kept, key=at)


def waits_of(tool: ToolCall) -> list[Interval]:
    """When a tool call waited for a person."""
    if not tool.waited_ns:
        return []
    start = tool.wait_started_at_ns or tool.started_at_ns
    return [] if start is None else [(start, start + tool.waited_ns)]


def _waits_for_agents(tool: ToolCall, starters: set[Optional[str]]) -> bool:
    return tool.tool_use_id in starters or tool.name.endswith("wait_agent")


def _calls(turns: Iterable[Turn]) -> Iterable[ModelCall]:
    return (step for turn in turns for step in turn.steps if isinstance(step, ModelCall))


def _last(turn: Turn) -> Optional[int]:
    ends = (getattr(step, "ended_at_ns", None) for step in turn.steps)
    return max((end for end in ends if end is not None), default=None)


def _interval(start: Optional[int], end: Optional[int]) -> list[Interval]:
    return [(start, end)] if start is not None and end is not None and end > start else []


def _union(intervals: Iterable[Interval]) -> list[Interval]:
    merged: list[Interval] = []
    for start, end in sorted(intervals):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _without(intervals: Iterable[Interval], cut: Sequence[Interval]) -> list[Interval]:
    left = list(intervals)
    for start, end in cut:
        pieces: list[Interval] = []
        for a, b in left:
            pieces += [(a, min(b, start))] if a < start else []
            pieces += [(max(a, end), b)] if b > end else []
        left = pieces
    return left


def _length(intervals: Iterable[Interval]) -> int:
    return sum(end - start for start, end in intervals)
