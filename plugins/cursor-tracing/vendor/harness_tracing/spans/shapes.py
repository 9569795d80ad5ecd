"""The two shapes: which spans a turn has in each, under which ids, with which events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Optional

from openinference.instrumentation import get_span_kind_attributes
from openinference.semconv.trace import SpanAttributes

from harness_tracing.destinations import Shape
from harness_tracing.model import (
    ModelCall,
    Moment,
    Session,
    Step,
    Subagent,
    ToolCall,
    Turn,
    outer_span,
    span_id,
    step_id,
    trace_id,
)
from harness_tracing.prices import PriceTable, price, price_all
from harness_tracing.spans import attributes as key
from harness_tracing.spans import items
from harness_tracing.spans.content import clean_text, cleaned
from harness_tracing.spans.items import Outcome
from harness_tracing.spans.json_form import iso_time
from harness_tracing.spans.span import Span, SpanEvent
from harness_tracing.spans.tree import Interval, Tree, is_compaction
from harness_tracing.spans.usage import cost_attributes, token_attributes, turn_usage


def build(
    turn: Turn,
    session: Session,
    shape: Shape,
    table: PriceTable,
    harness_version: str,
) -> list[Span]:
    """The spans of a turn; see :func:`harness_tracing.spans.spans`."""
    own_trace = trace_id(turn.agent, turn.session_id, turn.turn_id)
    outer = outer_span(turn.traceparent)
    child = outer is not None and turn.join == "child"
    common = items.common(turn, session, harness_version)
    drawing = _Drawing(
        turn,
        Tree.of(turn),
        table,
        trace_id=outer[0] if outer and child else own_trace,
        outer_span_id=outer[1] if outer and child else None,
        links=(outer,) if outer and not child else (),
        common=common,
    )
    return drawing.turns() if shape == "turns" else drawing.calls()


@dataclass(frozen=True)
class _Part:
    """What is particular to one span; times, ids and common attributes come from the drawing."""

    item: str
    parent: Optional[str]
    name: str
    kind: str
    outcome: Outcome
    attributes: Mapping[str, Any]
    interval: Interval
    events: Sequence[SpanEvent] = field(default_factory=tuple)


@dataclass(frozen=True)
class _Drawing:
    """One turn on its way to spans."""

    turn: Turn
    tree: Tree
    table: PriceTable
    trace_id: str
    outer_span_id: Optional[str]
    links: tuple[tuple[str, str], ...]
    common: Mapping[str, Any]

    def turns(self) -> list[Span]:
        """Shape `turns`: one LLM span, and a TOOL span for each tool call."""
        steps = self.tree.steps
        tools = {item: step for item, step in steps.items() if isinstance(step, ToolCall)}
        moments = [step for step in steps.values() if isinstance(step, Moment)]
        own = [
            tool
            for tool in tools.values()
            if tool.agent_id is None and tool.parent_tool_use_id is None
        ]
        attributes = {
            **items.of_turn(self.turn),
            **items.of_turn_as_llm(self.turn, self.model, own),
            **token_attributes(turn_usage(self.turn, steps.values())),
            **cost_attributes(price_all(steps.values(), self.table)),
        }
        spans = [self._root("LLM", attributes, moments)]
        for item, tool in tools.items():
            spans.append(self._span(self._tool(item, tool, self.tree.tool_above(item))))
        return spans

    def calls(self) -> list[Span]:
        """Shape `calls`: a span for each model call, tool, sub-agent and compaction."""
        steps = self.tree.steps
        moments = self._moments_by_place()
        attributes = {
            **items.of_turn(self.turn),
            SpanAttributes.AGENT_NAME: self.turn.agent,
        }
        if not any(isinstance(step, ModelCall) for step in steps.values()):
            # An agent that tells no single calls: its tokens have no other place.
            attributes.update(token_attributes(turn_usage(self.turn, steps.values())))
        spans = [self._root("AGENT", attributes, moments.get(None, []))]
        for item, step in steps.items():
            part = self._part(item, step, moments)
            spans += [] if part is None else [self._span(part)]
        return spans

    @cached_property
    def model(self) -> Optional[str]:
        """The model of the turn's last main call."""
        if self.turn.model is not None:
            return self.turn.model
        main = [
            step.model
            for step in self.tree.steps.values()
            if isinstance(step, ModelCall) and step.agent_id is None and step.kind is None
        ]
        return next((model for model in reversed(main) if model is not None), None)

    def _part(
        self, item: str, step: Step, moments: Mapping[Optional[str], list[Moment]]
    ) -> Optional[_Part]:
        """The span of a step in shape `calls`; None for one that is an event."""
        parent = self.tree.parents[item]
        if isinstance(step, ToolCall):
            return self._tool(item, step, parent)
        if isinstance(step, ModelCall):
            return self._call(item, step, parent)
        if isinstance(step, Subagent):
            return self._subagent(item, step, parent, moments.get(item, []))
        return self._compaction(item, step, parent) if is_compaction(step) else None

    def _call(self, item: str, call: ModelCall, parent: Optional[str]) -> _Part:
        return _Part(
            item,
            parent,
            name=call.model or "model call",
            kind="LLM",
            outcome=items.call_outcome(call),
            attributes=items.of_call(call, price(call, self.table)),
            interval=self.tree.intervals[item],
        )

    def _tool(self, item: str, tool: ToolCall, parent: Optional[str]) -> _Part:
        interval = self.tree.intervals[item]
        return _Part(
            item,
            parent,
            name=tool.name,
            kind="TOOL",
            outcome=items.outcome("The tool call", tool.status, tool.error),
            attributes=items.of_tool(tool),
            interval=interval,
            events=self._waits(tool, interval),
        )

    def _subagent(
        self, item: str, agent: Subagent, parent: Optional[str], moments: Sequence[Moment]
    ) -> _Part:
        return _Part(
            item,
            parent,
            name=agent.type or "sub-agent",
            kind="AGENT",
            outcome=items.outcome("The sub-agent", agent.status, agent.error),
            attributes=items.of_subagent(agent),
            interval=self.tree.intervals[item],
            events=self._events(moments),
        )

    def _compaction(self, item: str, moment: Moment, parent: Optional[str]) -> _Part:
        interval = self.tree.intervals[item]
        return _Part(
            item,
            parent,
            name=moment.kind,
            kind="CHAIN",
            outcome=Outcome("UNSET" if interval.end_ns is None else "OK"),
            attributes=items.of_compaction(moment),
            interval=interval,
        )

    def _root(self, kind: str, attributes: Mapping[str, Any], moments: Sequence[Moment]) -> Span:
        redactions = self.turn.redactions + sum(moment.redactions for moment in moments)
        part = _Part(
            item="",
            parent=None,
            name=f"Turn {self.turn.number}",
            kind=kind,
            outcome=items.outcome("The turn", self.turn.status, self.turn.error),
            attributes={**attributes, key.REDACTIONS: redactions or None},
            interval=self.tree.root,
            events=self._events(moments),
        )
        return self._span(part)

    def _moments_by_place(self) -> dict[Optional[str], list[Moment]]:
        """The moments that are events in shape `calls`, by the span that carries them."""
        places: dict[Optional[str], list[Moment]] = {}
        for item, step in self.tree.steps.items():
            if isinstance(step, Moment) and not is_compaction(step):
                places.setdefault(self.tree.parents[item], []).append(step)
        return places

    def _events(self, moments: Sequence[Moment]) -> tuple[SpanEvent, ...]:
        return tuple(self._event(moment) for moment in moments)

    def _event(self, moment: Moment) -> SpanEvent:
        place = self.tree.intervals[step_id(moment)]
        duration_ns = None if moment.ended_at_ns is None else moment.ended_at_ns - moment.at_ns
        attributes = {
            **items.of_moment(moment),
            key.MOMENT_DURATION_MS: items.milliseconds(duration_ns),
            key.TIME_STARTED: _iso(place.own_start_ns),
            key.TIME_ENDED: None if place.own_start_ns is None else _iso(moment.ended_at_ns),
        }
        return SpanEvent(clean_text(moment.kind), place.start_ns, cleaned(attributes))

    def _waits(self, tool: ToolCall, interval: Interval) -> tuple[SpanEvent, ...]:
        """The wait for a person, as an event at its beginning."""
        if tool.wait_started_at_ns is None and not tool.waited_ns:
            return ()
        began_ns = interval.start_ns if tool.wait_started_at_ns is None else tool.wait_started_at_ns
        ends = [at for at in (interval.end_ns, self.tree.root.end_ns) if at is not None]
        at_ns = min([max(began_ns, interval.start_ns), *ends])
        kind = tool.wait_kind or "permission"
        told = {key.WAIT_KIND: kind, key.WAIT_MS: items.milliseconds(tool.waited_ns)}
        return (SpanEvent(clean_text(f"{kind} wait"), at_ns, cleaned(told)),)

    def _span(self, part: _Part) -> Span:
        turn, interval = self.turn, part.interval
        parent = self.outer_span_id if not part.item else self._id(part.parent or "")
        unfinished = turn.status == "open" and interval.end_ns is None
        attributes = {
            **self.common,
            **get_span_kind_attributes(part.kind.lower()),  # type: ignore[arg-type]
            **({key.TURN_STATUS: "open"} if unfinished else {}),
            **part.attributes,
            **part.outcome.attributes,
            key.TIME_UNKNOWN: interval.unknown or None,
            key.TIME_STARTED: _iso(interval.own_start_ns),
            key.TIME_ENDED: _iso(interval.own_end_ns),
        }
        message = part.outcome.message
        return Span(
            name=clean_text(part.name),
            trace_id=self.trace_id,
            span_id=self._id(part.item),
            parent_id=parent,
            kind=part.kind,
            start_ns=interval.start_ns,
            end_ns=interval.end_ns,
            status_code=part.outcome.code,
            status_message=None if message is None else clean_text(message),
            attributes=cleaned(attributes),
            events=tuple(part.events),
            links=() if part.item else self.links,
        )

    def _id(self, item: str) -> str:
        turn = self.turn
        return span_id(turn.agent, turn.session_id, turn.turn_id, item)


def _iso(at_ns: Optional[int]) -> Optional[str]:
    return None if at_ns is None else iso_time(at_ns)
