"""A session's spans as its turns: each is one, whoever made them and in whichever shape."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Optional, cast, get_args

from openinference.semconv.trace import SpanAttributes

from harness_tracing.model import (
    Gap,
    Repository,
    Session,
    Step,
    Subagent,
    ToolCall,
    Turn,
    TurnStatus,
    Usage,
)
from harness_tracing.observe.remote.fields import RemoteSpan
from harness_tracing.observe.remote.steps import events_of, id_of, step_of, type_of
from harness_tracing.spans import attributes as key
from harness_tracing.store import SessionChange, TurnWrite

_FOREIGN = "unknown"
_ROOTS = ("turn", "AGENT", "LLM", "CHAIN")


@dataclass(frozen=True)
class _Part:
    """The spans of one turn: the one that stands for it, and those of its steps."""

    root: RemoteSpan
    steps: tuple[RemoteSpan, ...]
    parents: Mapping[str, RemoteSpan]


def session_of(session_id: str, project: str, spans: Iterable[RemoteSpan]) -> SessionChange:
    """What the spans tell of a session, as it can be put into a store.

    Spans that are not ours make turns too: one per trace, of which the root is the turn.
    """
    parts = sorted(_parts(spans), key=lambda part: part.root.start_ns)
    first = parts[0].root if parts else None
    agent = (first and (first.text(key.HARNESS_AGENT) or first.text("agent.name"))) or _FOREIGN
    session = Session(
        agent=agent,
        session_id=session_id,
        project=project,
        started_at_ns=first.start_ns if first else None,
        agent_version=first.text(key.HARNESS_AGENT_VERSION) if first else None,
        cwd=first.text(key.WORKING_DIRECTORY) if first else None,
        user_id=first.text(SpanAttributes.USER_ID) if first else None,
    )
    numbers = [part.root.count(key.TURN_NUMBER) for part in parts]
    ours = None not in numbers and len(set(numbers)) == len(numbers)
    named = Counter(part.root.text(key.TURN_ID) for part in parts)
    writes = []
    for place, (part, number) in enumerate(zip(parts, numbers), 1):
        own_id = part.root.text(key.TURN_ID)
        if own_id is None or named[own_id] > 1:
            own_id = f"{part.root.trace_id}-{part.root.span_id}"
        writes.append(_turn(part, session, own_id, cast("int", number) if ours else place))
    return SessionChange(session, tuple(writes))


def _parts(spans: Iterable[RemoteSpan]) -> list[_Part]:
    """The turns: one per trace, or several of ours that hang below one outer trace."""
    once = {(span.trace_id, span.span_id): span for span in spans}
    groups: dict[tuple[str, Optional[int]], list[RemoteSpan]] = {}
    for span in once.values():
        groups.setdefault((span.trace_id, span.count(key.TURN_NUMBER)), []).append(span)
    return [_part(group) for group in groups.values()]


def _part(spans: Sequence[RemoteSpan]) -> _Part:
    known = {span.span_id: span for span in spans}
    tops = [span for span in spans if span.parent_id not in known]
    root = min(tops or spans, key=lambda span: (_rank(span), span.start_ns, span.span_id))
    steps = tuple(
        span for span in sorted(spans, key=lambda span: span.start_ns) if span is not root
    )
    parents = {
        span.span_id: known[span.parent_id]
        for span in steps
        if span.parent_id in known and known[span.parent_id] is not root
    }
    return _Part(root, steps, parents)


def _rank(span: RemoteSpan) -> int:
    """Which of several top spans stands for the turn: ours, else the most like one."""
    if span.type == "turn":
        return 0
    return 1 if span.parent_id is None else 2


def _turn(part: _Part, session: Session, turn_id: str, number: int) -> TurnWrite:
    root = part.root
    status = root.text(key.TURN_STATUS) or (
        "failed" if root.status_code == "ERROR" else "completed"
    )
    prompt, response = root.text("input.value"), root.text("output.value")
    answered_ms = root.count(key.TURN_ANSWERED_MS)
    turn = Turn(
        agent=session.agent,
        session_id=session.session_id,
        turn_id=turn_id,
        number=number,
        status=cast("TurnStatus", status if status in get_args(TurnStatus) else "completed"),
        started_at_ns=root.start_ns,
        ended_at_ns=root.end_ns,
        answered_at_ns=None if answered_ms is None else root.start_ns + answered_ms * 1_000_000,
        prompt=prompt,
        response=response,
        model=root.text(SpanAttributes.LLM_MODEL_NAME) or _last_model(part),
        usage=_usage(part),
        steps=_steps(part),
        gaps=tuple(_gap(text) for text in root.names(key.GAPS)),
        error=root.failure,
        cause=root.text(key.TURN_CAUSE),
        caused_by=root.text(key.TURN_CAUSED_BY),
        cwd=root.text(key.WORKING_DIRECTORY),
        repository=Repository(
            root.text(key.REPOSITORY_URL), root.text(key.BRANCH), root.text(key.COMMIT)
        ),
    )
    cost, unpriced = _cost(part)
    return TurnWrite(turn, turn.status != "open", cost, unpriced)


def _steps(part: _Part) -> tuple[Step, ...]:
    """The steps; what a server holds twice, or under one id, is not lost."""
    times = Counter((type_of(span), id_of(span)) for span in part.steps)
    found: list[Step] = []
    for span in part.steps:
        alone = times[type_of(span), id_of(span)] == 1
        parent = part.parents.get(span.span_id)
        found.append(step_of(span, parent, id_of(span) if alone else span.span_id))
    for span in (part.root, *part.steps):
        found += events_of(span)
    return (*found, *_agents_told_by_tools(part, found))


def _agents_told_by_tools(part: _Part, found: Sequence[Step]) -> list[Subagent]:
    """Sub-agents that have no span (shape turns): their tools name them, below the tool that did.

    Of such a one it is known that it was, and where; when it began and ended is not.
    """
    known = {step.agent_id for step in found if isinstance(step, Subagent)}
    starters: dict[str, ToolCall] = {}
    tools = {step.tool_use_id: step for step in found if isinstance(step, ToolCall)}
    for span in part.steps:
        agent, parent = span.text(key.SUBAGENT_ID), part.parents.get(span.span_id)
        if agent is None or agent in known or parent is None or id_of(parent) not in tools:
            continue
        starters.setdefault(agent, tools[id_of(parent)])
    return [
        Subagent(
            agent,
            None,
            tool.tool_use_id,
            tool.started_at_ns,
            tool.ended_at_ns,
            "completed",
            parent_agent_id=tool.agent_id,
        )
        for agent, tool in starters.items()
    ]


def _usage(part: _Part) -> Usage:
    """The root's tokens when it counts any (then no span below it does again), else their sum."""
    if part.root.usage != Usage():
        return part.root.usage
    calls = [span.usage for span in part.steps if type_of(span) == "model_call"]
    return sum(calls, Usage())


def _cost(part: _Part) -> tuple[Optional[float], tuple[str, ...]]:
    counted = [part.root] if part.root.number(SpanAttributes.LLM_COST_TOTAL) else part.steps
    costs = [span.number(SpanAttributes.LLM_COST_TOTAL) for span in counted]
    known = [cost for cost in costs if cost is not None]
    unpriced = {
        name for span in (part.root, *part.steps) for name in span.names(key.UNPRICED_MODELS)
    }
    return (sum(known) if known else None), tuple(sorted(unpriced))


def _last_model(part: _Part) -> Optional[str]:
    models = [
        span.text(SpanAttributes.LLM_MODEL_NAME)
        for span in part.steps
        if type_of(span) == "model_call" and span.text(key.SUBAGENT_ID) is None
    ]
    return next((model for model in reversed(models) if model), None)


def _gap(text: str) -> Gap:
    what, _, why = text.partition(": ")
    return Gap(what, why)
