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

from harness_tracing.agents.codex.reader import CodexReader
from harness_tracing.model import Message, ModelCall, Subagent, ToolCall, Turn, Usage

CASES = recordings("codex")
SHORT = [folder for folder in CASES if not folder.name.startswith("long_session")]


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
def test_turns_tools_and_agents_are_those_of_the_right_answer(folder: Path) -> None:
    answer, turns = expected(folder), played(folder)
    tools = [s for turn in turns for s in turn.steps if isinstance(s, ToolCall)]
    agents = [s for turn in turns for s in turn.steps if isinstance(s, Subagent)]
    nested = {t["id"] for t in answer.get("nested_tools", [])}
    asked = [t for t in tools if t.tool_use_id not in nested]

    assert [turn.turn_id for turn in turns] == [turn["turn_id"] for turn in answer["turns"]]
    assert [turn.status for turn in turns] == [turn["status"] for turn in answer["turns"]]
    assert [turn.prompt for turn in turns] == [turn["prompt"] for turn in answer["turns"]]
    assert {(t.tool_use_id, t.name, t.status, t.agent_id) for t in asked} == {
        (t["id"], t["name"], t["status"], t["agent_id"]) for t in answer["tools"]
    }
    assert {t.tool_use_id for t in tools if t not in asked} == nested
    in_cells = {t.tool_use_id for t in tools if t.tool_use_id.startswith("exec-")}
    assert {t.tool_use_id for t in tools if t.parent_tool_use_id is not None} == in_cells
    assert len(agents) == answer["subagents"]


@pytest.mark.parametrize("folder", CASES, ids=by_name)
def test_usage_is_counted_once_per_call(folder: Path) -> None:
    answer, turns = expected(folder), played(folder)
    if answer["model_calls"] is None:
        pytest.skip("this session kept no rollout: its calls are not known")
    calls = [s for turn in turns for s in turn.steps if isinstance(s, ModelCall)]
    failed = [call for call in calls if call.error is not None]
    good = {call.call_id: call for call in calls if call.error is None}
    known = {call["id"]: call for call in answer["calls"]}
    total = sum((turn.usage for turn in turns), Usage())

    assert good.keys() == known.keys()
    # Of several attempts in a row Codex tells the last.
    assert bool(failed) == bool(answer["failed_model_calls"])
    assert len(failed) <= (answer["failed_model_calls"] or 0)
    for call_id, call in good.items():
        assert call.model == known[call_id]["model"]
        assert call.usage.input_tokens == known[call_id]["prompt"]
        assert call.agent_id == known[call_id]["agent_id"]
    assert (total.input_tokens or 0) == answer["tokens"]["prompt"]
    assert (total.output_tokens or 0) == answer["tokens"]["completion"]
    assert (total.reasoning_tokens or 0) == answer["tokens"]["reasoning"]


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
            turn.usage,
            sorted(str(_bare(step)) for step in turn.steps),
        )
        for turn in turns
    ]


def _bare(step: object) -> object:
    if isinstance(step, ToolCall):
        return (step.tool_use_id, step.name, step.output, step.call_id, step.parent_tool_use_id)
    if isinstance(step, ModelCall):
        return (step.call_id, step.usage, step.output, step.error)
    if isinstance(step, Subagent):
        return (step.agent_id, step.status, step.prompt, step.response, step.tool_use_id)
    return getattr(step, "kind", step)


@pytest.mark.parametrize("folder", SHORT, ids=by_name)
def test_closed_turns_of_a_prefix_are_a_prefix_of_the_closed_turns(folder: Path) -> None:
    for session_id, own in sessions_of(folder).items():
        reader = CodexReader.resume(session_id, "order-pricing", None)
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
    reader = CodexReader.resume(session_id, "order-pricing", None)
    files, collected = Files(folder), Collected()
    for number, recorded in enumerate(own):
        if snapshots and reader.open_since_ns() is None:
            state = reader.snapshot(unchanged)
            reader = CodexReader.resume(session_id, "order-pricing", state)
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


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("folder", SHORT, ids=by_name)
def test_order_of_parallel_events_changes_nothing(folder: Path, seed: int) -> None:
    for session_id, own in sessions_of(folder).items():
        straight = _read_at_once(folder, session_id, own)
        shuffled = list(own)
        random.Random(seed).shuffle(shuffled)

        assert _read_at_once(folder, session_id, shuffled).steps == straight.steps


def _read_at_once(folder: Path, session_id: str, own: list[Recorded]) -> Collected:
    """Everything lies there when the worker starts: what a killed worker's successor meets."""
    reader = CodexReader.resume(session_id, "order-pricing", None)
    files, collected = Files(folder), Collected()
    files.show_all()
    now_ns = max(recorded.event.at_ns for recorded in own)
    reader.tick(now_ns, True)
    feed_until_quiet(reader, files, [recorded.event for recorded in own], collected)
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
            again = replace(recorded.event, key=recorded.event.key + "b")
            twice += [recorded, replace(recorded, event=again)]

        assert _read(folder, session_id, twice, snapshots=False).steps == once.steps


@pytest.mark.parametrize("folder", SHORT, ids=by_name)
def test_a_file_that_begins_anew_doubles_nothing(folder: Path) -> None:
    for session_id, own in sessions_of(folder).items():
        reader = CodexReader.resume(session_id, "order-pricing", None)
        files, collected = Files(folder), Collected()
        files.show_all()
        now_ns = own[-1].event.at_ns
        feed_until_quiet(reader, files, [recorded.event for recorded in own], collected)
        reader.tick(now_ns + QUIET_NS, True)
        collected.take(reader)
        before = collected.whole()
        for wanted in list(reader.wanted_files()):
            reader.restarted(wanted.key)
        files.fed.clear()
        feed_until_quiet(reader, files, [], collected)
        reader.tick(now_ns + 2 * QUIET_NS, True)
        collected.take(reader)

        assert collected.whole() == before
