"""What every registered agent's reader has to keep, on every recording of it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path

import pytest
from recorded import (
    QUIET_NS,
    Collected,
    Files,
    Recorded,
    feed_until_quiet,
    recorded_events,
    recordings,
)

from harness_tracing import agents
from harness_tracing.agents.base import Document, HookEvent, Item, Line, Listing
from harness_tracing.model import Turn

# How much later the second of two hooks of one event comes.
DELAY_NS = 1000
CASES = [
    pytest.param(folder, id=f"{name}-{folder.name}")
    for name in agents.names()
    for folder in recordings(name)
]
ODD_VALUES = (None, [], {}, "", "x", -1, 1e308, True, {"": {"a": [None]}}, ["x", {"type": 7}])


def make(agent: str, session_id: str = "s"):
    return agents.get(agent).reader(session_id, "p", None)


@cache
def sessions_of(folder: Path) -> dict[str, list[Recorded]]:
    """The hook calls of each session of a recording."""
    sessions: dict[str, list[Recorded]] = {}
    for event in recorded_events(folder):
        sessions.setdefault(event.session_id, []).append(event)
    return sessions


def agent_of(folder: Path) -> str:
    return folder.parent.name.replace("-own", "")


@pytest.mark.parametrize("agent", agents.names())
def test_every_agent_has_recordings(agent: str) -> None:
    assert recordings(agent)


@pytest.mark.parametrize("agent", agents.names())
def test_what_an_agent_never_wrote_before_is_passed_over(agent: str) -> None:
    known = [event.name for event in agents.get(agent).events]
    reader = make(agent)
    fields = ("session_id", "tool_input", "tool_use_id", "prompt", "type", "payload", "message")
    for number, value in enumerate(ODD_VALUES * len(known)):
        name = known[number % len(known)] if number % 3 else "brand_new_event"
        payload = dict.fromkeys(fields, value)
        whole = {**payload, "conversation_id": "s", "session_id": "s", "turn_id": value}
        items: tuple[Item, ...] = (
            HookEvent(f"a{number}", name, number, payload, None),
            HookEvent(f"b{number}", name, number, whole, 7),
            HookEvent(f"c{number}", name, number, None),
            Line("main", payload, number),
            Line(str(value), {"type": "new", "payload": payload}, number),
            Line("main", None, number),
            Document("main", str(value)),
            Listing("main", (str(value),)),
        )
        for item in items:
            reader.feed(item)
        reader.tick(number, True)
    reader.close(10**9, "died")
    reader.changes()


@pytest.mark.parametrize("folder", CASES)
def test_every_prefix_gives_a_prefix_of_the_closed_turns(folder: Path) -> None:
    for session_id, own in sessions_of(folder).items():
        reader = make(agent_of(folder), session_id)
        files, collected = Files(folder), Collected()
        seen: list[dict[str, Turn]] = []
        for recorded in own:
            reader.tick(recorded.event.at_ns, True)
            files.show(recorded.sizes)
            feed_until_quiet(reader, files, [recorded.event], collected)
            reader.tick(recorded.event.at_ns, True)
            collected.take(reader)
            seen.append({turn_id: collected.turns[turn_id] for turn_id in collected.final})
        for earlier, later in zip(seen, seen[1:]):
            assert earlier.items() <= later.items()


@pytest.mark.parametrize("folder", CASES)
def test_who_asks_for_final_turns_alone_gets_the_same_and_open_ones_wait(folder: Path) -> None:
    for session_id, own in sessions_of(folder).items():
        readers = [make(agent_of(folder), session_id) for _ in range(2)]
        seen = [(Files(folder), Collected()), (Files(folder), Collected(with_open=False))]
        for reader, (files, collected) in zip(readers, seen):
            for recorded in own:
                reader.tick(recorded.event.at_ns, True)
                files.show(recorded.sizes)
                feed_until_quiet(reader, files, [recorded.event], collected)
                reader.tick(recorded.event.at_ns, True)
                collected.take(reader)
        every, final = (collected for _, collected in seen)
        assert final.turns == {turn_id: every.turns[turn_id] for turn_id in every.final}
        final.with_open = True
        final.take(readers[1])
        assert [turn.turn_id for turn in final.whole()] == [t.turn_id for t in every.whole()]
        assert final.steps.keys() == every.steps.keys()
        for turn_id, steps in every.steps.items():
            assert final.steps[turn_id].keys() == steps.keys()


def at_once(folder: Path, session_id: str, own: list[Recorded]) -> list[Turn]:
    """The turns when all events lie waiting in this order."""
    reader, files, collected = make(agent_of(folder), session_id), Files(folder), Collected()
    files.show_all()
    feed_until_quiet(reader, files, [recorded.event for recorded in own], collected)
    last_ns = max(recorded.event.at_ns for recorded in own)
    for quiet in range(1, 4):
        reader.tick(last_ns + quiet * QUIET_NS, False)
    collected.take(reader)
    return collected.whole()


@pytest.mark.parametrize("folder", CASES)
def test_the_order_in_which_events_are_found_changes_nothing(folder: Path) -> None:
    for session_id, own in sessions_of(folder).items():
        if not all(recorded.event.at_ns for recorded in own):
            continue  # their times are not known: the order is all there is
        shuffled = list(own)
        random.Random(7).shuffle(shuffled)
        assert at_once(folder, session_id, shuffled) == at_once(folder, session_id, own)


@pytest.mark.parametrize("folder", CASES)
def test_events_registered_twice_change_nothing(folder: Path) -> None:
    for session_id, own in sessions_of(folder).items():
        twice = [again for each in own for again in (each, _copy(each))]
        once = at_once(folder, session_id, own)
        assert list(changes(once, at_once(folder, session_id, twice))) == []


def changes(one: object, other: object, name: str = "turns") -> Iterator[str]:
    """Where two differ. A time may be as much later as the second hook was: it saw the same."""
    if is_dataclass(one) and type(one) is type(other):
        for field in fields(one):
            yield from changes(getattr(one, field.name), getattr(other, field.name), field.name)
    elif isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        if len(one) != len(other):
            yield f"{name}: {len(one)} became {len(other)}"
        for each, same in zip(one, other):
            yield from changes(each, same, f"{name} of {getattr(each, 'turn_id', type(each))}")
    elif name.endswith("_ns") and isinstance(one, int) and isinstance(other, int):
        if not 0 <= other - one <= DELAY_NS:
            yield f"{name}: {other - one} ns later"
    elif one != other:
        yield f"{name}: {one!r} became {other!r}"


def _copy(recorded: Recorded) -> Recorded:
    event = recorded.event
    at_ns = event.at_ns + DELAY_NS if event.at_ns else event.at_ns
    again = HookEvent(event.key + "-again", event.name, at_ns, event.payload, event.pid)
    return Recorded(recorded.session_id, again, recorded.sizes)
