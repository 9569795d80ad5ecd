"""What must hold for every recording, however its lines and events arrive."""

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

from harness_tracing.agents.base import HookEvent, Line
from harness_tracing.agents.claude_code.reader import ClaudeReader
from harness_tracing.model import Message, ModelCall, Subagent, ToolCall, Turn, Usage

CASES = recordings("claude-code")
SHORT = [folder for folder in CASES if folder.name != "long_session"]


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


def played(folder: Path) -> list[Turn]:
    """All turns of a recording, by start."""
    turns = [turn for collected in play(folder).values() for turn in collected.whole()]
    return sorted(turns, key=lambda turn: turn.started_at_ns)


@pytest.mark.parametrize("folder", CASES, ids=by_name)
def test_turns_and_tools_are_those_of_the_right_answer(folder: Path) -> None:
    answer, turns = expected(folder), played(folder)
    tools = [s for turn in turns for s in turn.steps if isinstance(s, ToolCall)]
    agents = [s for turn in turns for s in turn.steps if isinstance(s, Subagent)]

    assert [turn.status for turn in turns] == [turn["status"] for turn in answer["turns"]]
    assert {t.tool_use_id: t.status for t in tools} == {
        t["id"]: t["status"] for t in answer["tools"]
    }
    assert len(agents) == answer["subagents"]


@pytest.mark.parametrize("folder", CASES, ids=by_name)
def test_usage_is_counted_once_per_request(folder: Path) -> None:
    answer = expected(folder)
    if answer["model_calls"] is None:
        pytest.skip("this session kept no transcript: its calls are not known")
    calls = [s for turn in played(folder) for s in turn.steps if isinstance(s, ModelCall)]
    good = [call for call in calls if call.error is None or call.message_id is not None]
    total = sum((call.usage for call in calls), Usage())
    # What the client asks a model beside the conversation is in no file, but for compactions.
    unseen = [c for c in answer["calls"] if not c["in_transcript"] and "kind" not in c]
    tokens = {
        name: (count or 0) - sum(call[name] for call in unseen)
        for name, count in answer["tokens"].items()
        if name != "reasoning"
    }

    assert len(good) == answer["model_calls"] - len(unseen)
    assert len(calls) - len(good) == answer["failed_model_calls"]
    assert (total.input_tokens or 0) == tokens["prompt"]
    assert (total.output_tokens or 0) == tokens["completion"]
    assert (total.cache_read_tokens or 0) == tokens["cache_read"]


@pytest.mark.parametrize("folder", CASES, ids=by_name)
def test_files_laid_out_whole_give_the_same_turns(folder: Path) -> None:
    live, whole = play(folder), play(folder, whole=True)

    for session_id, collected in live.items():
        assert _essence(whole[session_id].whole()) == _essence(collected.whole())


def _essence(turns: list[Turn]) -> list[object]:
    """Turns without what only hooks that come in time can tell: exact times and waits."""
    return [
        (
            turn.turn_id,
            turn.status,
            turn.prompt,
            turn.response,
            sum((s.usage for s in turn.steps if isinstance(s, ModelCall)), Usage()),
            sorted(str(_bare(step)) for step in turn.steps if not isinstance(step, Subagent)),
        )
        for turn in turns
    ]


def _bare(step: object) -> object:
    if isinstance(step, ToolCall):
        return (step.tool_use_id, step.name, step.status, step.output, step.call_id)
    if isinstance(step, ModelCall):
        return (step.call_id, step.usage, step.output, step.error)
    return getattr(step, "kind", step)


@pytest.mark.parametrize("folder", SHORT, ids=by_name)
def test_closed_turns_of_a_prefix_are_a_prefix_of_the_closed_turns(folder: Path) -> None:
    for session_id, own in sessions_of(folder).items():
        reader = ClaudeReader.resume(session_id, "order-pricing", None)
        files, collected, seen = Files(folder), Collected(), []
        for recorded in own:
            reader.tick(recorded.event.at_ns, True)
            files.show(recorded.sizes)
            feed_until_quiet(reader, files, [recorded.event], collected)
            reader.tick(recorded.event.at_ns, True)
            collected.take(reader)
            seen.append({turn_id: collected.turns[turn_id] for turn_id in collected.final})
        for earlier, later in zip(seen, seen[1:]):
            assert earlier.items() <= later.items()


@pytest.mark.parametrize("folder", SHORT, ids=by_name)
def test_going_on_from_a_snapshot_gives_what_one_reader_gives(folder: Path) -> None:
    for session_id, own in sessions_of(folder).items():
        one = _read(folder, session_id, own, snapshots=False)
        many = _read(folder, session_id, own, snapshots=True)

        assert many.turns == one.turns
        assert many.steps == one.steps


def _read(folder: Path, session_id: str, own: list[Recorded], snapshots: bool) -> Collected:
    reader = ClaudeReader.resume(session_id, "order-pricing", None)
    files, collected = Files(folder), Collected()
    for number, recorded in enumerate(own):
        if snapshots and reader.open_since_ns() is None:
            state = reader.snapshot(unchanged)
            reader = ClaudeReader.resume(session_id, "order-pricing", state)
        reader.tick(recorded.event.at_ns, True)
        files.show(recorded.sizes)
        if number == len(own) - 1:
            files.show_all()
        feed_until_quiet(reader, files, [recorded.event], collected)
        reader.tick(recorded.event.at_ns, True)
        collected.take(reader)
    reader.tick(own[-1].event.at_ns + QUIET_NS, False)
    collected.take(reader)
    return collected


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", ["parallel_tools", "subagent_parallel", "permission_denied"])
def test_order_of_parallel_events_changes_nothing(name: str, seed: int) -> None:
    folder = next(folder for folder in CASES if folder.name == name)
    for session_id, own in sessions_of(folder).items():
        straight = _read_at_once(folder, session_id, own)
        shuffled = list(own)
        random.Random(seed).shuffle(shuffled)

        assert _read_at_once(folder, session_id, shuffled).steps == straight.steps


def _read_at_once(folder: Path, session_id: str, own: list[Recorded]) -> Collected:
    """Everything lies there when the worker starts: what a killed worker's successor meets."""
    reader = ClaudeReader.resume(session_id, "order-pricing", None)
    files, collected = Files(folder), Collected()
    files.show_all()
    now_ns = max(recorded.event.at_ns for recorded in own)
    reader.tick(now_ns, True)
    feed_until_quiet(reader, files, [recorded.event for recorded in own], collected)
    # The transcript's path comes with the events: what it holds could only be asked for then.
    for _ in range(3):
        now_ns += QUIET_NS
        reader.tick(now_ns, True)
        feed_until_quiet(reader, files, [], collected)
    return collected


@pytest.mark.parametrize("folder", SHORT, ids=by_name)
def test_events_fired_twice_change_nothing(folder: Path) -> None:
    for session_id, own in sessions_of(folder).items():
        once = _read(folder, session_id, own, snapshots=False)
        twice = []
        for recorded in own:
            again = replace(
                recorded.event, key=recorded.event.key + "b", at_ns=recorded.event.at_ns + 2_000_000
            )
            twice += [recorded, replace(recorded, event=again)]
        both = _read(folder, session_id, twice, snapshots=False)

        assert {s for steps in both.steps.values() for s in steps} == {
            s for steps in once.steps.values() for s in steps
        }
        assert [t.status for t in both.turns.values()] == [t.status for t in once.turns.values()]


def test_unknown_events_and_lines_are_passed_over() -> None:
    reader = ClaudeReader.resume("s", "p", None)
    reader.tick(1, True)
    odd = [None, {}, {"prompt_id": 7}, {"tool_use_id": [], "prompt_id": "x"}, {"agent_id": {}}]
    names = ["Stop", "PreToolUse", "SessionEnd", "SubagentStop", "Frobnicate", "UserPromptSubmit"]
    events = [
        HookEvent(f"{name}{n}", name, n, payload)
        for name in names
        for n, payload in enumerate(odd, 2)
    ]
    kinds = ["user", "assistant", "system", "attachment", "api-request", "cost-state", "new"]
    values = [
        {},
        {"message": None},
        {"message": {"content": 3, "usage": [], "model": {}}},
        {"message": {"content": [None, {"type": "tool_result"}, {"type": "tool_use"}]}},
        {"subtype": "compact_boundary", "timestamp": "yesterday", "compactMetadata": 1},
        {"modelUsage": {"m": 3}, "totalCostUSD": "much"},
        {"timestamp": "2026-11-22T20:10:42.183Z", "promptId": "p", "promptSource": "typed"},
    ]
    lines = [Line("main", {"type": kind, **value}, 0) for kind in kinds for value in values]

    reader.feed_all([*lines, *events, Line("main", None, 9), Line("agent:a", lines[0].value, 0)])
    reader.tick(10**12, False)

    assert reader.changes() is not None
