"""Recordings spoilt in every way: nothing raises, no call is doubled, every turn closes."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from recorded import QUIET_NS, Collected, Files, recorded_events, recordings

from harness_tracing.agents.base import HookEvent, Item, Line, Listing
from harness_tracing.agents.codex.reader import CodexReader
from harness_tracing.model import ModelCall, ToolCall

FOLDERS = [f for f in recordings("codex") if not f.name.startswith(("long_session", "big_output"))]
SEEDS = range(6)


class Spoilt(Files):
    """The files of a recording with lines lost, doubled, cut short and in the wrong place."""

    def __init__(self, folder: Path, chance: random.Random) -> None:
        super().__init__(folder)
        share = chance.choice((0.0, 0.05, 0.3))
        for path, content in self.content.items():
            lines = content.split(b"\n")[:-1]
            kept = [line for line in lines if chance.random() >= share]
            for _ in range(chance.randrange(3)):
                if len(kept) > 1:
                    at = chance.randrange(1, len(kept))
                    kept.insert(at, kept[chance.randrange(at)])
            if chance.random() < 0.3 and kept:
                kept = kept[: chance.randrange(len(kept))]
            self.content[path] = b"".join(line + b"\n" for line in kept)


def spoil(value: Any, chance: random.Random) -> Any:
    """JSON with some of its values replaced by what does not belong there."""
    if chance.random() < 0.02:
        return chance.choice((None, [], {}, 0, -1, "", True, "x" * 10))
    if isinstance(value, dict):
        return {key: spoil(item, chance) for key, item in value.items()}
    if isinstance(value, list):
        return [spoil(item, chance) for item in value]
    return value


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_spoilt_recording_still_gives_closed_turns(folder: Path, seed: int) -> None:
    chance = random.Random(f"{folder.name} {seed}")
    events = recorded_events(folder)
    for session_id in dict.fromkeys(event.session_id for event in events):
        own = [e.event for e in events if e.session_id == session_id and chance.random() > 0.2]
        collected = _played(session_id, Spoilt(folder, chance), own, chance, seed % 2 == 1)
        turns = collected.whole()
        calls = [s.call_id for t in turns for s in t.steps if isinstance(s, ModelCall)]
        tools = [s for t in turns for s in t.steps if isinstance(s, ToolCall)]

        assert all(turn.turn_id in collected.final for turn in turns)
        assert [turn.number for turn in turns] == list(range(1, len(turns) + 1))
        assert len(calls) == len(set(calls))
        assert all(tool.status != "running" for tool in tools)
        assert all(turn.ended_at_ns >= turn.started_at_ns for turn in turns)


def _played(
    session_id: str, files: Spoilt, own: list[HookEvent], chance: random.Random, odd: bool
) -> Collected:
    reader = CodexReader.resume(session_id, "order-pricing", None)
    collected = Collected()
    files.show_all()
    waiting: list[Item] = list(own)
    now_ns = max((event.at_ns for event in own), default=0)
    reader.tick(now_ns, True)
    while waiting:
        if odd:
            waiting = [_spoilt(item, chance) for item in waiting]
        reader.feed_all(waiting)
        collected.take(reader)
        waiting = files.new_items(reader)
    for alive in (True, False):
        now_ns += QUIET_NS
        reader.tick(now_ns, alive)
        collected.take(reader)
    return collected


def _spoilt(item: Item, chance: random.Random) -> Item:
    if isinstance(item, Line):
        value = spoil(json.loads(json.dumps(item.value)), chance)
        return Line(item.file, value if isinstance(value, dict) else None, item.offset)
    if isinstance(item, Listing):
        return item
    assert isinstance(item, HookEvent)
    payload = spoil(dict(item.payload or {}), chance)
    return HookEvent(
        item.key, item.name, item.at_ns, payload if isinstance(payload, dict) else None
    )
