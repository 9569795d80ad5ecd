"""Reading a transcript: from bytes on disk to finished turns, as the worker does it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from bench.long_session import Player, long_transcript
from bench.stats import median
from harness_tracing.agents import get as get_agent
from harness_tracing.agents.base import Changes, HookEvent
from harness_tracing.follow import Follower
from harness_tracing.model import Turn

ROUNDS = 15
TURNS = 24
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})")
PROVIDER_ID = re.compile(r"\b((?:toolu|msg|req)_)")


@dataclass(frozen=True)
class ReadingRate:
    """How fast a file of `megabytes` was read, over several readings."""

    mb_per_s: float
    slowest_mb_per_s: float
    megabytes: float
    rounds: int


def measure(folder: Path, rounds: int = ROUNDS) -> ReadingRate:
    """Read a session of many long turns from its beginning, several times."""
    folder.mkdir(parents=True)
    session_id = long_transcript().stem
    transcript = folder / f"{session_id}.jsonl"
    one = long_transcript().read_text(encoding="utf-8")
    turns = [_as_turn(one, session_id, number) for number in range(TURNS)]
    transcript.write_text("".join(turns), encoding="utf-8")
    megabytes = transcript.stat().st_size / 1e6
    rates = [megabytes / _seconds_to_read(transcript, session_id) for _ in range(rounds)]
    return ReadingRate(median(rates), min(rates), megabytes, rounds)


def finished_turns(folder: Path, turns: int = 40) -> Iterator[Turn]:
    """The recorded long turn over and over, under new ids, as its reader understands it."""
    folder.mkdir(parents=True)
    session_id = long_transcript().stem
    transcript = folder / f"{session_id}.jsonl"
    one = long_transcript().read_text(encoding="utf-8")
    text = (_as_turn(one, session_id, number) for number in range(turns))
    transcript.write_text("".join(text), encoding="utf-8")
    for changes in _readings(transcript, session_id):
        yield from (change.turn for change in changes.turns if change.final)


def _as_turn(transcript: str, session_id: str, number: int) -> str:
    """The recorded turn once more: other ids, an hour later each time, in the same session."""
    text = PROVIDER_ID.sub(rf"\g<1>{number}x", transcript)
    text = UUID.sub(
        lambda id_: id_[0] if id_[0] == session_id else f"{number + 1:08x}{id_[1]}", text
    )
    return Player(Path("/home/dev"), timedelta(hours=number)).text(text)


def _seconds_to_read(transcript: Path, session_id: str) -> float:
    started = time.perf_counter()
    finished = sum(map(_final_turns, _readings(transcript, session_id)))
    taken = time.perf_counter() - started
    if finished != TURNS:
        raise RuntimeError(f"{finished} turns were read, {TURNS} were written")
    return taken


def _readings(transcript: Path, session_id: str) -> Iterator[Changes]:
    """What a reader makes of a transcript, as a worker reads it."""
    reader = get_agent("claude-code").reader(session_id, "bench", None)
    follower = Follower()
    payload = {
        "session_id": session_id,
        "transcript_path": str(transcript),
        "cwd": "/home/dev/order-pricing",
        "hook_event_name": "SessionStart",
        "source": "startup",
    }
    reader.feed(HookEvent("SessionStart.0.1", "SessionStart", time.time_ns(), payload))
    while items := follower.new_items(reader.wanted_files(), reader):
        reader.feed_all(items)
        yield reader.changes()
    reader.close(time.time_ns(), "imported")
    yield reader.changes()


def _final_turns(changes: Changes) -> int:
    return sum(change.final for change in changes.turns)
