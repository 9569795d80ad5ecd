"""What the readers of agents share: state restored, items put in order, news of turns noted.

A leaf like base.py. What only looks alike from agent to agent stays with the agent.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Callable, Optional, Protocol, TypeVar

import msgspec

from harness_tracing.agents.base import HookEvent, Item, Line
from harness_tracing.decoding import decoder_of
from harness_tracing.model import (
    Gap,
    ModelCall,
    Moment,
    Step,
    Subagent,
    ToolCall,
    Turn,
    TurnStatus,
    step_id,
)

_ORDER = {ModelCall: 0, ToolCall: 1, Subagent: 2, Moment: 3}


class _Versioned(Protocol):
    project: str
    version: int


State = TypeVar("State", bound=_Versioned)


def restored(snapshot: Optional[bytes], kind: type[State], project: str) -> Optional[State]:
    """The state a snapshot holds, for a session of `project`; None when it is of no use.

    A snapshot of another version of the state means something else.
    """
    if snapshot is None:
        return None
    try:
        state = decoder_of(kind).decode(snapshot)
    except (msgspec.DecodeError, msgspec.ValidationError):
        return None
    if state.version != kind.version:
        return None
    state.project = project
    return state


def by_time(items: Sequence[Item], time_ns: Callable[[Any], Optional[int]]) -> Iterator[Item]:
    """Merge files and hooks by time; a file's own order is never changed.

    `time_ns` reads a line's `timestamp` as Unix ns.
    """
    files = {item.file if isinstance(item, Line) else None for item in items}
    if len(files) == 1 and None not in files:
        yield from items  # one file alone: nothing to merge it with
        return
    streams: dict[str, list[tuple[int, int, Item]]] = {}
    for number, item in enumerate(items):
        if isinstance(item, HookEvent):
            streams.setdefault("hooks", []).append((item.at_ns, number, item))
        elif isinstance(item, Line):
            stream = streams.setdefault(item.file, [])
            at_ns = time_ns((item.value or {}).get("timestamp")) or 0
            stream.append((max(at_ns, stream[-1][0] if stream else 0), number, item))
        else:
            streams.setdefault("rest", []).append((0, number, item))
    if "hooks" in streams:
        streams["hooks"].sort(key=lambda entry: entry[:2])
    for _, _, item in heapq.merge(*streams.values(), key=lambda entry: entry[0]):
        yield item


def in_order(steps: Sequence[Step]) -> tuple[Step, ...]:
    """Steps by start; ties by kind, then id, so that every replay agrees."""

    def key(step: Step) -> tuple[int, int, str]:
        at_ns = step.at_ns if isinstance(step, Moment) else step.started_at_ns
        return at_ns or 0, _ORDER[type(step)], step_id(step)

    return tuple(sorted(steps, key=key))


@dataclass
class Header:
    """What a late step needs to know of its turn, which is closed."""

    turn_id: str
    number: int
    status: TurnStatus
    started_at_ns: int
    ended_at_ns: Optional[int]


def header_of(turn: Turn) -> Header:
    """What late steps need of a closed turn."""
    return Header(turn.turn_id, turn.number, turn.status, turn.started_at_ns, turn.ended_at_ns)


def late_turn(agent: str, session_id: str, header: Header, steps: tuple[Step, ...]) -> Turn:
    """A turn that is closed, with steps that follow it."""
    return Turn(
        agent=agent,
        session_id=session_id,
        turn_id=header.turn_id,
        number=header.number,
        status=header.status,
        started_at_ns=header.started_at_ns,
        ended_at_ns=header.ended_at_ns,
        steps=steps,
    )


class _Clock(Protocol):
    now_ns: int
    active_ns: int


class _Draft(Protocol):
    turn_id: str
    last_ns: int
    active_ns: int
    gaps: list[Gap]


class News:
    """What changed since it was last told: `touched` holds turns with their changed steps."""

    def __init__(self, clock: _Clock) -> None:
        """`clock` is the reader's state, which knows the time."""
        self._clock = clock
        self.touched: dict[str, set[str]] = {}
        self.session_touched = False

    def touch(self, turn: _Draft, step: Optional[str] = None) -> None:
        """Mark a turn, and one of its steps, as changed."""
        steps = self.touched.setdefault(turn.turn_id, set())
        if step is not None:
            steps.add(step)
        self.session_touched = True

    def take_touched(self) -> dict[str, set[str]]:
        """What was marked since the last call."""
        touched, self.touched = self.touched, {}
        return touched

    def mark(self, turn: Optional[_Draft], at_ns: Optional[int]) -> None:
        """Something happened: evidence that the turn was at work at `at_ns`."""
        self._clock.active_ns = self._clock.now_ns
        if turn is None:
            return
        turn.active_ns = self._clock.now_ns
        if at_ns is not None:
            turn.last_ns = max(turn.last_ns, at_ns)
        self.touch(turn)

    def gap(self, turn: Optional[_Draft], what: str, why: str) -> None:
        """Say once per turn that something could not be seen."""
        if turn is not None and Gap(what, why) not in turn.gaps:
            turn.gaps.append(Gap(what, why))
            self.touch(turn)
