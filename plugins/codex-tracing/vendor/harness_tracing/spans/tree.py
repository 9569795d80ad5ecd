"""Where each step of a turn stands: below which other step, and from when to when.

A turn's steps are flat and what binds them may be missing or wrong in any way. The tree made
of them is always one: no loops, every step below its root, every interval within the root's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Optional

from harness_tracing.model import ModelCall, Moment, Step, Subagent, ToolCall, Turn, step_id

COMPACTION = "compaction"


@dataclass(frozen=True)
class Interval:
    """From when to when a span is drawn (Unix ns); `end_ns` is None while its step runs.

    `unknown` names what nobody saw ("start", "end") and is therefore drawn at the nearest
    evidence. `own_start_ns` and `own_end_ns` are the step's own times where these lie outside
    the turn, so that the span could not be drawn at them.
    """

    start_ns: int
    end_ns: Optional[int]
    unknown: tuple[str, ...] = ()
    own_start_ns: Optional[int] = None
    own_end_ns: Optional[int] = None


@dataclass(frozen=True)
class Tree:
    """A turn's steps by their ids, in their order; None as a parent is the turn itself."""

    turn: Turn
    root: Interval
    steps: Mapping[str, Step]
    parents: Mapping[str, Optional[str]]
    intervals: Mapping[str, Interval]

    @classmethod
    def of(cls, turn: Turn) -> Tree:
        """The tree of a turn. Of two steps with one id the later is the newer version."""
        steps = {step_id(step): step for step in turn.steps}
        parents = _parents(steps)
        seen = _seen_times(steps, parents)
        root = _root(turn, seen)
        intervals = _intervals(turn, root, steps, seen)
        return cls(turn, root, steps, parents, intervals)

    def above(self, item: str) -> Iterator[str]:
        """The ids of the steps above a step, the nearest first."""
        return _above(item, self.parents)

    def tool_above(self, item: str) -> Optional[str]:
        """The tool call that a step hangs below, however deep; None when there is none."""
        return next((each for each in self.above(item) if each.startswith("tool:")), None)


def is_compaction(step: Step) -> bool:
    """Whether a step is a compaction of the context, which has a span of its own."""
    return isinstance(step, Moment) and step.kind == COMPACTION


def _is_span(step: Optional[Step]) -> bool:
    """Whether others can hang below it: a moment other than a compaction is only an event."""
    return step is not None and (not isinstance(step, Moment) or is_compaction(step))


def _above(item: str, parents: Mapping[str, Optional[str]]) -> Iterator[str]:
    parent = parents.get(item)
    while parent is not None:
        yield parent
        parent = parents.get(parent)


def _parents(steps: Mapping[str, Step]) -> dict[str, Optional[str]]:
    """Each step's parent: the first of its candidates that exists and closes no loop."""
    askers = {
        request.tool_use_id: item
        for item, step in steps.items()
        if isinstance(step, ModelCall) and step.output is not None
        for request in step.output.tool_requests
    }
    parents: dict[str, Optional[str]] = {}
    for item, step in steps.items():
        parents[item] = next(
            (
                candidate
                for candidate in _candidates(step, askers)
                if candidate != item
                and _is_span(steps.get(candidate))
                and item not in _above(candidate, parents)
            ),
            None,
        )
    return parents


def _candidates(step: Step, askers: Mapping[str, str]) -> Iterator[str]:
    """What a step may hang below, the best first."""
    if isinstance(step, ModelCall) and step.moment_id is not None:
        yield "moment:" + step.moment_id
    if isinstance(step, ToolCall):
        if step.parent_tool_use_id is not None:
            yield "tool:" + step.parent_tool_use_id
        if step.call_id is not None:
            yield "call:" + step.call_id
        if step.tool_use_id in askers:
            yield askers[step.tool_use_id]
    if isinstance(step, Subagent):
        if step.tool_use_id is not None:
            yield "tool:" + step.tool_use_id
        if step.parent_agent_id is not None:
            yield "agent:" + step.parent_agent_id
    elif step.agent_id is not None:
        yield "agent:" + step.agent_id


def _times(step: Step) -> tuple[Optional[int], Optional[int]]:
    if isinstance(step, Moment):
        return step.at_ns, step.ended_at_ns if is_compaction(step) else step.at_ns
    return step.started_at_ns, step.ended_at_ns


def _seen_times(
    steps: Mapping[str, Step], parents: Mapping[str, Optional[str]]
) -> dict[str, tuple[int, int]]:
    """The first and the last time known of each step and all that hangs below it."""
    seen: dict[str, tuple[int, int]] = {}
    for item, step in steps.items():
        waited_from = step.wait_started_at_ns if isinstance(step, ToolCall) else None
        known = [at for at in (*_times(step), waited_from) if at is not None]
        if not known:
            continue
        for each in (item, *_above(item, parents)):
            first, last = seen.get(each, (known[0], known[0]))
            seen[each] = (min(first, *known), max(last, *known))
    return seen


def _root(turn: Turn, seen: Mapping[str, tuple[int, int]]) -> Interval:
    if turn.status == "open":
        return Interval(turn.started_at_ns, None)
    if turn.ended_at_ns is None:
        last = max((last for _, last in seen.values()), default=turn.started_at_ns)
        return Interval(turn.started_at_ns, max(last, turn.started_at_ns), ("end",))
    return Interval(turn.started_at_ns, max(turn.ended_at_ns, turn.started_at_ns))


def _intervals(
    turn: Turn, root: Interval, steps: Mapping[str, Step], seen: Mapping[str, tuple[int, int]]
) -> dict[str, Interval]:
    """Where each step is drawn. A start nobody saw is not before that of the step before it."""
    open_agents = {
        step.agent_id
        for step in steps.values()
        if isinstance(step, Subagent) and step.status == "open"
    }
    intervals: dict[str, Interval] = {}
    previous_ns = root.start_ns
    for item, step in steps.items():
        start_ns, end_ns = _times(step)
        unknown: tuple[str, ...] = ("start",) if start_ns is None else ()
        if start_ns is None:
            start_ns = seen[item][0] if item in seen else previous_ns
        if end_ns is None and not _runs(turn, step, open_agents):
            unknown += ("end",)
            end_ns = max(start_ns, seen[item][1]) if item in seen else start_ns
        intervals[item] = _within(root, start_ns, end_ns, unknown)
        previous_ns = intervals[item].start_ns
    return intervals


def _runs(turn: Turn, step: Step, open_agents: set[str]) -> bool:
    """Whether a step without an end still goes on. A background agent may outlive its turn."""
    if turn.status == "open":
        return True
    if isinstance(step, Subagent):
        return step.status == "open"
    if isinstance(step, ToolCall) and step.status == "running":
        return True
    return step.agent_id in open_agents


def _within(
    root: Interval, start_ns: int, end_ns: Optional[int], unknown: tuple[str, ...] = ()
) -> Interval:
    """The interval moved into the root's, remembering its own times when that changed it."""
    latest = root.end_ns
    start = max(start_ns, root.start_ns)
    start = start if latest is None else min(start, latest)
    if end_ns is None:
        end = None
    else:
        end = max(end_ns, start)
        end = end if latest is None else min(end, latest)
    return Interval(
        start,
        end,
        unknown,
        own_start_ns=None if start == start_ns else start_ns,
        own_end_ns=None if end == end_ns else end_ns,
    )
