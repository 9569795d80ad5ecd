"""Recordings spoilt in every way: nothing raises, no call is lost or doubled, every turn closes."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Callable

from hypothesis import given, settings
from hypothesis import strategies as st
from recorded import (
    QUIET_NS,
    Collected,
    Files,
    Recorded,
    feed_until_quiet,
    recorded_events,
    recordings,
)

from harness_tracing.agents.claude_code.reader import ClaudeReader
from harness_tracing.model import ModelCall, ToolCall

TOO_LONG = ("long_session", "agent_huge", "huge_output")
# Only hooks say where a transcript has moved to.
MOVING = ("worktree_moves", "worktree_hooks")
FOLDERS = {
    f"{folder.parent.name}/{folder.name}": folder
    for folder in recordings("claude-code")
    if folder.name not in (*TOO_LONG, *MOVING)
}
SYNTHETIC = "<synthetic>"


@dataclass
class Spoilt:
    """One session on its way into a reader: its hook calls and the lines of its files."""

    session_id: str
    events: list[Recorded]
    lines: dict[str, list[bytes]]


@cache
def sessions_of(name: str) -> tuple[str, ...]:
    """The session ids of a recording, in order."""
    return tuple(dict.fromkeys(event.session_id for event in recorded_events(FOLDERS[name])))


@cache
def _content(name: str) -> dict[str, bytes]:
    return Files(FOLDERS[name]).content


def session(name: str, number: int) -> Spoilt:
    """A session of a recording, not spoilt yet."""
    ids = sessions_of(name)
    session_id = ids[number % len(ids)]
    events = [e for e in recorded_events(FOLDERS[name]) if e.session_id == session_id]
    lines = {
        path: raw.split(b"\n")[:-1]
        for path, raw in _content(name).items()
        if path.endswith(".jsonl") and session_id in path
    }
    return Spoilt(session_id, events, lines)


# -- what can go wrong


def some_hooks_lost(spoilt: Spoilt, chance: random.Random) -> None:
    """The disk was full now and then."""
    share = chance.random()
    spoilt.events = [e for e in spoilt.events if _is_first(e) or chance.random() < share]


def _is_first(recorded: Recorded) -> bool:
    """Without it nothing says that a session is a fork until a copied reply is read."""
    return recorded.event.name == "SessionStart"


def all_of_a_hook_lost(spoilt: Spoilt, chance: random.Random) -> None:
    """An event is not registered."""
    names = sorted({e.event.name for e in spoilt.events if not _is_first(e)})
    lost = chance.sample(names, min(len(names), 2))
    spoilt.events = [event for event in spoilt.events if event.event.name not in lost]


def hooks_twice(spoilt: Spoilt, chance: random.Random) -> None:
    """The plugin is registered twice."""
    again = [
        replace(e, event=replace(e.event, key=e.event.key + "b", at_ns=e.event.at_ns + 3_000_000))
        for e in spoilt.events
    ]
    spoilt.events = [event for pair in zip(spoilt.events, again) for event in pair]


def no_request_lines(spoilt: Spoilt, chance: random.Random) -> None:
    """A client that does not say when it sent a request."""
    _keep(spoilt, lambda line: line.get("type") != "api-request")


def no_summaries(spoilt: Spoilt, chance: random.Random) -> None:
    """A client that does not say when a turn ended."""
    _keep(spoilt, lambda line: line.get("subtype") not in ("stop_hook_summary", "turn_duration"))


def no_origins(spoilt: Spoilt, chance: random.Random) -> None:
    """A client that tells neither where a prompt came from nor what a line follows."""
    unknown = ("promptSource", "turnOrigin", "parentUuid", "requestRef")
    for path, lines in spoilt.lines.items():
        parsed = [json.loads(line) for line in lines]
        spoilt.lines[path] = [
            json.dumps({k: v for k, v in line.items() if k not in unknown}).encode()
            for line in parsed
        ]


def prompts_lost(spoilt: Spoilt, chance: random.Random) -> None:
    """Some lines of prompts are damaged."""
    _keep(spoilt, lambda line: not line.get("promptSource") or chance.random() < 0.5)


def some_lines_lost(spoilt: Spoilt, chance: random.Random) -> None:
    """Some lines of any kind are damaged."""
    _keep(spoilt, lambda line: chance.random() < 0.8)


def lines_twice(spoilt: Spoilt, chance: random.Random) -> None:
    """Some lines are written again, at once or a little later."""
    for lines in spoilt.lines.values():
        for _ in range(min(5, len(lines))):
            at = chance.randrange(len(lines))
            lines.insert(min(len(lines), at + chance.randint(1, 4)), lines[at])


def neighbours_swapped(spoilt: Spoilt, chance: random.Random) -> None:
    """The client's buffers are written in another order."""
    for lines in spoilt.lines.values():
        for at in range(len(lines) - 1):
            first, second = json.loads(lines[at]), json.loads(lines[at + 1])
            if "api-request" in (first["type"], second["type"]) and chance.random() < 0.5:
                lines[at], lines[at + 1] = lines[at + 1], lines[at]


def cut(spoilt: Spoilt, chance: random.Random) -> None:
    """The machine went down while the client wrote."""
    for path, lines in spoilt.lines.items():
        spoilt.lines[path] = lines[: chance.randint(0, len(lines))]


def noise(spoilt: Spoilt, chance: random.Random) -> None:
    """Lines of kinds, and with contents, that nobody has seen."""
    odd = (
        {"type": "user", "message": {"content": [{"type": "tool_result"}, None, 7]}},
        {"type": "assistant", "message": {"model": SYNTHETIC, "content": 3}},
        {"type": "system", "subtype": "compact_boundary", "compactMetadata": []},
        {"type": "system", "subtype": "model_fallback", "timestamp": "2026-11-22T20:00:00Z"},
        {"type": "attachment", "attachment": {"type": "queued_command", "prompt": {}}},
        {"type": "invented", "uuid": {}, "parentUuid": [], "timestamp": 4},
    )
    for lines in spoilt.lines.values():
        for value in odd:
            lines.insert(chance.randint(0, len(lines)), json.dumps(value).encode())


def _keep(spoilt: Spoilt, wanted: Callable[[dict[str, Any]], bool]) -> None:
    for path, lines in spoilt.lines.items():
        spoilt.lines[path] = [line for line in lines if wanted(json.loads(line))]


WAYS = (
    some_hooks_lost,
    all_of_a_hook_lost,
    hooks_twice,
    no_request_lines,
    no_summaries,
    no_origins,
    prompts_lost,
    some_lines_lost,
    lines_twice,
    neighbours_swapped,
    cut,
    noise,
)


# -- reading it


def read(name: str, spoilt: Spoilt, chance: random.Random) -> Collected:
    """Show the files as they grow, in steps of any size, between hook calls in their order."""
    reader = ClaudeReader.resume(spoilt.session_id, "order-pricing", None)
    files, collected = Files(FOLDERS[name]), Collected()
    files.content = {path: _joined(lines) for path, lines in spoilt.lines.items()}
    now_ns = 0
    for recorded in spoilt.events:
        now_ns = max(now_ns, recorded.event.at_ns)
        reader.tick(now_ns, True)
        if chance.random() < 0.7:
            files.show(_grown(spoilt, files, chance))
        if chance.random() < 0.05:
            _begin_anew(reader, files)
        feed_until_quiet(reader, files, [recorded.event], collected)
        reader.tick(now_ns, True)
        collected.take(reader)
    files.show_all()
    for alive in (True, True, False):
        feed_until_quiet(reader, files, [], collected)
        now_ns += QUIET_NS
        reader.tick(now_ns, alive)
        collected.take(reader)
    return collected


def _begin_anew(reader: ClaudeReader, files: Files) -> None:
    """The files were replaced by copies of themselves: they are read again from the start."""
    for wanted in reader.wanted_files():
        if wanted.how == "lines" and files.fed.pop(wanted.path, 0):
            reader.restarted(wanted.key)


def _joined(lines: list[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in lines)


def _grown(spoilt: Spoilt, files: Files, chance: random.Random) -> dict[str, int]:
    """Sizes that end with a line, somewhere between what was shown and the end."""
    sizes = {}
    for path, lines in spoilt.lines.items():
        shown = files.content[path][: files.shown.get(path, 0)].count(b"\n")
        count = min(len(lines), shown + chance.choice((0, 1, 3, 10, 40)))
        sizes[path] = len(_joined(lines[:count]))
    return sizes


def replies(spoilt: Spoilt) -> set[str]:
    """The message ids of the main agent's replies that the session's own file holds."""
    found = set()
    for path, lines in spoilt.lines.items():
        if Path(path).stem != spoilt.session_id:
            continue
        for line in map(json.loads, lines):
            message = line.get("message") or {}
            own = line.get("requestSessionId") in (None, spoilt.session_id)
            model = message.get("model")
            if line["type"] == "assistant" and own and model not in (SYNTHETIC, None):
                found.add(message["id"])
    return found


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    name=st.sampled_from(sorted(FOLDERS)),
    number=st.integers(0, 3),
    ways=st.lists(st.sampled_from(WAYS), max_size=3, unique=True),
    seed=st.integers(0, 2**16),
)
def test_a_spoilt_session_loses_no_call_doubles_none_and_closes(
    name: str, number: int, ways: list[Callable[[Spoilt, random.Random], None]], seed: int
) -> None:
    chance = random.Random(seed)
    spoilt = session(name, number)
    for way in ways:
        way(spoilt, chance)

    collected = read(name, spoilt, chance)

    steps = [step for turn in collected.whole() for step in turn.steps]
    calls = [s.message_id for s in steps if isinstance(s, ModelCall) and s.message_id]
    tools = [s.tool_use_id for s in steps if isinstance(s, ToolCall)]
    assert len(calls) == len(set(calls))
    assert len(tools) == len(set(tools))
    if spoilt.events:
        assert replies(spoilt) <= set(calls)
    assert set(collected.final) == set(collected.turns)
    assert all(turn.status != "open" for turn in collected.turns.values())
