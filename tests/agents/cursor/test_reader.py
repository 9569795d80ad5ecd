"""What must hold for every recording, however its events arrive."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
from recorded import (
    QUIET_NS,
    Collected,
    Files,
    Recorded,
    expected,
    feed_until_quiet,
    play,
    recorded_events,
    recordings,
)

from harness_tracing.agents import get
from harness_tracing.agents.base import HookEvent, Line
from harness_tracing.agents.cursor.reader import CursorReader
from harness_tracing.model import Message, ToolCall, Turn, Usage

CASES = recordings("cursor")


def by_name(folder: Path) -> str:
    """The recording's name, for test ids."""
    return folder.name


def unchanged(message: Message) -> Message:
    """A snapshot's cleaning that cleans nothing."""
    return message


def sessions_of(folder: Path) -> dict[str, list[Recorded]]:
    """The hook calls of each session of a recording."""
    sessions: dict[str, list[Recorded]] = {}
    for event in recorded_events(folder):
        sessions.setdefault(event.session_id, []).append(event)
    return sessions


def played(folder: Path, whole: bool = False) -> list[Turn]:
    """All turns of a recording, by start."""
    sessions = play(folder, whole=whole).values()
    turns = [turn for collected in sessions for turn in collected.whole()]
    return sorted(turns, key=lambda turn: turn.started_at_ns)


@pytest.mark.parametrize("folder", CASES, ids=by_name)
def test_turns_and_tools_are_those_of_the_right_answer(folder: Path) -> None:
    answer, turns = expected(folder), played(folder)
    tools = {s.tool_use_id: s.status for t in turns for s in t.steps if isinstance(s, ToolCall)}

    assert len(turns) == len(answer["turns"])
    for turn, right in zip(turns, answer["turns"]):
        assert right["prompt"] in (turn.prompt or "")
        assert right["status"] in (None, turn.status)
    if answer["tools"] is not None:
        assert tools == {tool["id"]: tool["status"] for tool in answer["tools"]}


@pytest.mark.parametrize("folder", CASES, ids=by_name)
def test_tokens_are_those_reported_and_never_zero_for_unknown(folder: Path) -> None:
    turns = played(folder)
    total = sum((turn.usage for turn in turns), Usage())
    right = expected(folder)["tokens"]

    assert total == Usage(
        right["prompt"], right["completion"], right["cache_read"], right["cache_write"]
    )
    for turn in turns:
        told = "tokens" not in [gap.what for gap in turn.gaps]
        assert told == (turn.usage != Usage())


@pytest.mark.parametrize("folder", CASES, ids=by_name)
def test_files_laid_out_whole_give_the_same_turns(folder: Path) -> None:
    assert played(folder, whole=True) == played(folder)


@pytest.mark.parametrize("folder", CASES, ids=by_name)
def test_closed_turns_of_a_prefix_are_a_prefix_of_the_closed_turns(folder: Path) -> None:
    for session_id, own in sessions_of(folder).items():
        whole = _read(folder, session_id, own)
        for length in range(len(own)):
            part = _read(folder, session_id, own[:length], die=False)
            closed = [part.turns[turn_id] for turn_id in part.final]
            assert closed == [whole.turns[turn_id] for turn_id in whole.final][: len(closed)]


@pytest.mark.parametrize("folder", CASES, ids=by_name)
def test_going_on_from_a_snapshot_gives_what_one_reader_gives(folder: Path) -> None:
    for session_id, own in sessions_of(folder).items():
        one = _read(folder, session_id, own)
        many = _read(folder, session_id, own, snapshots=True)

        assert many.turns == one.turns
        assert many.steps == one.steps


@pytest.mark.parametrize("folder", CASES, ids=by_name)
def test_a_snapshot_of_any_moment_gives_what_one_reader_gives(folder: Path) -> None:
    for session_id, own in sessions_of(folder).items():
        one = _read(folder, session_id, own)
        many = _read(folder, session_id, own, snapshots=True, anywhere=True)

        assert many.turns == one.turns
        assert many.steps == one.steps


def _read(
    folder: Path,
    session_id: str,
    own: list[Recorded],
    snapshots: bool = False,
    anywhere: bool = False,
    die: bool = True,
) -> Collected:
    reader = CursorReader.resume(session_id, "order-pricing", None)
    files, collected = Files(folder), Collected()
    for recorded in own:
        if snapshots and (anywhere or reader.open_since_ns() is None):
            state = reader.snapshot(unchanged)
            reader = CursorReader.resume(session_id, "order-pricing", state)
        reader.tick(recorded.event.at_ns, True)
        files.show(recorded.sizes)
        feed_until_quiet(reader, files, [recorded.event], collected)
        reader.tick(recorded.event.at_ns, True)
        collected.take(reader)
    if own and die:
        reader.tick(own[-1].event.at_ns + QUIET_NS, False)
        collected.take(reader)
    return collected


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("folder", CASES, ids=by_name)
def test_the_order_in_which_waiting_events_are_listed_changes_nothing(
    folder: Path, seed: int
) -> None:
    for session_id, own in sessions_of(folder).items():
        straight = _read_at_once(folder, session_id, own)
        shuffled = list(own)
        random.Random(seed).shuffle(shuffled)
        other = _read_at_once(folder, session_id, shuffled)

        assert (other.turns, other.steps) == (straight.turns, straight.steps)


@pytest.mark.parametrize("folder", CASES, ids=by_name)
def test_events_that_lie_waiting_give_what_events_read_live_give(folder: Path) -> None:
    for session_id, own in sessions_of(folder).items():
        live, waiting = _read(folder, session_id, own), _read_at_once(folder, session_id, own)

        assert waiting.steps == live.steps
        assert [t.status for t in waiting.turns.values()] == [t.status for t in live.turns.values()]


def _read_at_once(folder: Path, session_id: str, own: list[Recorded]) -> Collected:
    """Everything lies there when the worker starts: what a killed worker's successor meets."""
    reader = CursorReader.resume(session_id, "order-pricing", None)
    files, collected = Files(folder), Collected()
    files.show_all()
    now_ns = max(recorded.event.at_ns for recorded in own)
    reader.tick(now_ns, True)
    feed_until_quiet(reader, files, [recorded.event for recorded in own], collected)
    for alive in (True, True, False):
        now_ns += QUIET_NS
        reader.tick(now_ns, alive)
        feed_until_quiet(reader, files, [], collected)
    return collected


@pytest.mark.parametrize("folder", CASES, ids=by_name)
def test_events_fired_twice_change_nothing(folder: Path) -> None:
    for session_id, own in sessions_of(folder).items():
        once = _read(folder, session_id, own)
        twice = []
        for recorded in own:
            at_ns, key = recorded.event.at_ns + 40_000_000, recorded.event.key + "b"
            again = replace(recorded.event, key=key, at_ns=at_ns)
            twice += [recorded, replace(recorded, event=again)]
        twice.sort(key=lambda each: each.event.at_ns)
        both = _read(folder, session_id, twice)

        assert _told(both) == _told(once)


def _told(collected: Collected) -> list[object]:
    """Turns and steps without what a hook that fires late moves: the end of the last evidence."""
    return [
        (
            turn.turn_id,
            turn.status,
            turn.prompt,
            turn.response,
            turn.usage,
            turn.gaps,
            [s.tool_use_id if isinstance(s, ToolCall) else s for s in turn.steps],
        )
        for turn in collected.whole()
    ]


def test_reading_a_recording_twice_stores_it_once() -> None:
    folder = next(folder for folder in CASES if folder.name == "tool_cycle")
    [(session_id, own)] = sessions_of(folder).items()
    first = _read(folder, session_id, own)
    second = _read(folder, session_id, own)

    assert (first.turns, first.steps) == (second.turns, second.steps)


def test_unknown_events_and_lines_are_passed_over() -> None:
    reader = CursorReader.resume("s", "p", None)
    reader.tick(1, True)
    odd = [
        None,
        {},
        {"conversation_id": 7, "generation_id": [], "prompt": {}, "attachments": [3]},
        {"conversation_id": "s", "tool_use_id": {}, "tool_input": 3, "workspace_roots": "x"},
        {"cursor_version": 3, "text": [], "duration_ms": "much", "input_tokens": "many"},
        {"conversation_id": "s", "tool_use_id": "t", "tool_name": 3, "tool_output": [None]},
        {"conversation_id": "s", "subagent_id": "a", "status": [], "duration_ms": 1e99},
        {"conversation_id": "s", "command": "x", "output": 3, "edits": 4, "file_path": 5},
        {"conversation_id": "s", "generation_id": "s", "status": "odd", "transcript_path": {}},
    ]
    known = [event.name for event in get("cursor").events]
    names = [*known, "afterTabFileEdit", "workspaceOpen", "Frobnicate", "PreToolUse"]
    events = [
        HookEvent(f"{name}{n}", name, n * 10**9, payload)
        for name in names
        for n, payload in enumerate(odd, 2)
    ]
    values: list[object] = [
        {},
        {"role": "user"},
        {"role": "user", "message": {"content": 3}},
        {"role": "assistant", "message": {"content": [None, {"type": "tool_use"}, {"type": 3}]}},
        {"type": "turn_ended", "status": {}},
        {"type": "metadata", "metadata": {"overview": "x"}},
    ]
    lines = [Line("main", value, n) for n, value in enumerate(values)]  # type: ignore[arg-type]

    for event in events:
        reader.feed(event)
        reader.changes()
    reader.feed_all([*lines, *events, Line("main", None, 9), Line("agent:a", None, 0)])
    reader.tick(10**12, False)

    assert reader.changes() is not None
    assert CursorReader.resume("s", "p", reader.snapshot(unchanged)).changes() is not None
