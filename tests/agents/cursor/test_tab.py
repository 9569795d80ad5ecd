"""Tab, the inline completion: its edits are a turn of their own, beside the agent's."""

from __future__ import annotations

from typing import Any, Optional

import pytest
from agents.cursor.scenes import (
    CONVERSATION,
    Played,
    answer,
    event,
    prompt,
    shell,
    stop,
    unchanged,
)

from harness_tracing.agents.base import HookEvent
from harness_tracing.agents.cursor.reader import CursorReader
from harness_tracing.agents.cursor.schemas import payload_problem
from harness_tracing.model import ToolCall, Turn

OTHER = "0d9f1c7e-54a2-4d0b-9f6e-2f3d8f1f2a11"


def tab(at_ms: float, new: str, path: str = "/home/dev/a.py", **fields: Any) -> HookEvent:
    """An edit of Tab's, with fields as Cursor's documentation has them; none was recorded."""
    place = {"start_line_number": 3, "start_column": 1, "end_line_number": 3, "end_column": 1}
    edit = {"old_string": "", "new_string": new, "range": place, "old_line": "", "new_line": new}
    told = {"generation_id": OTHER, **fields}
    return event("afterTabFileEdit", at_ms, file_path=path, edits=[edit], **told)


def told(turn: Turn) -> list[tuple[str, Any]]:
    """Tools by name, with what an edit put in."""
    tools = [step for step in turn.steps if isinstance(step, ToolCall)]
    return [(t.name, (t.result or {}).get("edits", [{}])[0].get("new_string")) for t in tools]


def test_edits_near_each_other_are_one_turn_that_nobody_asked_for() -> None:
    played = Played(tab(0, "one"), tab(5_000, "two", "/home/dev/b.py"), tab(9_000, "three"))
    assert played.turns[0].status == "open"

    [turn] = played.wait(100).turns
    assert (turn.cause, turn.status, turn.prompt, turn.response) == ("tab", "completed", None, None)
    assert told(turn) == [("TabWrite", "one"), ("TabWrite", "two"), ("TabWrite", "three")]
    assert turn.ended_at_ns is not None
    assert turn.ended_at_ns - turn.started_at_ns == 9 * 10**9
    assert [step.status for step in turn.steps if isinstance(step, ToolCall)] == ["ok"] * 3
    assert set(played.gaps) == {"single model calls", "tokens"}


def test_after_a_quiet_minute_another_turn_begins() -> None:
    played = Played(tab(0, "one")).wait(100)
    played.feed(tab(120_000, "two")).wait(100)
    assert [told(turn) for turn in played.turns] == [[("TabWrite", "one")], [("TabWrite", "two")]]


@pytest.mark.parametrize("generation", [OTHER, None, CONVERSATION])
@pytest.mark.parametrize("at_ms", [-20, 105, 505, 700])
def test_the_agents_turn_is_the_same_with_and_without_tab(
    generation: Optional[str], at_ms: float
) -> None:
    agents = [
        event("sessionStart", -50),
        prompt(0),
        *shell(100, "t1", "ls"),
        answer(500),
        stop(510),
    ]
    both = sorted([*agents, tab(at_ms, "one", generation_id=generation)], key=lambda e: e.at_ns)
    alone, beside = Played(*agents).wait(100), Played(*both).wait(100)

    [own], [tabs] = (
        [turn for turn in beside.turns if turn.cause != "tab"],
        [turn for turn in beside.turns if turn.cause == "tab"],
    )
    [only] = alone.turns
    assert (own.steps, own.gaps, own.status, own.started_at_ns, own.ended_at_ns) == (
        (only.steps, only.gaps, only.status, only.started_at_ns, only.ended_at_ns)
    )
    assert told(tabs) == [("TabWrite", "one")]


def test_told_twice_counts_once() -> None:
    [turn] = Played(tab(0, "one"), tab(3, "one")).wait(100).turns
    assert told(turn) == [("TabWrite", "one")]


def test_a_reader_that_begins_again_goes_on_with_the_same_turn() -> None:
    first = Played(tab(0, "one"))
    again = CursorReader.resume(CONVERSATION, "order-pricing", first.reader.snapshot(unchanged))
    [turn] = Played(tab(2_000, "two"), reader=again).wait(100).turns
    assert told(turn) == [("TabWrite", "one"), ("TabWrite", "two")]


def test_the_sessions_end_ends_it() -> None:
    played = Played(tab(0, "one"), event("sessionEnd", 400, reason="user_close")).wait(4)
    assert [turn.status for turn in played.turns] == ["completed"]


def test_the_payload_is_as_documented_and_a_change_is_named() -> None:
    assert payload_problem("afterTabFileEdit", tab(0, "one").payload or {}) is None
    problem = payload_problem("afterTabFileEdit", event("afterTabFileEdit", 0).payload or {})
    assert problem is not None and "file_path" in problem
